"""The raw events behind a gateway's record: the gateway hands them out, the centre proves that they are the ones.

    GET /v1/raw/<stream>/<device>/<window>      rows as an Arrow stream, every column and type as the gateway landed them

Who asks folds the rows again by the stream's own policy; the fingerprint must be the one the record carries, which the
gateway cannot make up afterwards.
"""

from __future__ import annotations

import hmac
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from workbench.errors import LakeError, UsageError
from workbench.lake.lake import Lake
from workbench.mediation.lineage import Members, landed_behind, members_of, stream_named
from workbench.model.ids import device_key

ARROW = "application/vnd.apache.arrow.stream"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def rows_at(lake: Lake, stream: str, device: str, window: datetime) -> pa.Table:
    """The landed rows behind a record, where they are."""
    rows, _ = landed_behind(lake, stream_named(lake, stream), device_key(lake.tenant, device), window)
    return rows


class RawServer:
    """Hands out what a gateway keeps. Use as a context manager; ``port`` is the real one.

    Args:
        path, tenant: the gateway's lake, which another thread writes.
        token: what callers must say (``Authorization: Bearer``); empty only on this machine.
        certificate, key: PEM files; without them only this machine is served.

    Raises:
        UsageError: ``raw_open``: others could read in plain text, or without a token.
    """

    def __init__(
        self,
        path: Path,
        tenant: str,
        host: str,
        port: int,
        token: str = "",
        certificate: str = "",
        key: str = "",
    ) -> None:
        if host not in LOOPBACK and not (token and certificate):
            raise UsageError(
                "Raw events would be open to others.", where=f"{host}:{port}",
                cure="Give a token and a certificate with its key, or listen on 127.0.0.1.", code="raw_open",
            )  # fmt: skip
        import uvicorn

        self._path, self._tenant, self._token = path, tenant, token
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self.port = int(self._socket.getsockname()[1])
        app = Starlette(routes=[Route("/v1/raw/{stream}/{device}/{window}", self._get)])
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, access_log=False, lifespan="off",
                           ssl_certfile=certificate or None, ssl_keyfile=key or None)
        )  # fmt: skip
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="raw", daemon=True
        )

    def __enter__(self) -> RawServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    def _get(self, request: Request) -> Response:
        said = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        if self._token and not hmac.compare_digest(said, self._token.encode()):
            return PlainTextResponse("who are you?", 401)
        words = request.path_params
        try:
            window = datetime.fromisoformat(words["window"]).replace(tzinfo=None)
            with Lake.open(self._path, self._tenant, threads=1) as lake:
                rows = rows_at(lake, words["stream"], words["device"], window)
        except UsageError as error:
            return PlainTextResponse(error.what, 404)
        except ValueError:
            return PlainTextResponse("no instant", 400)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        return Response(sink.getvalue().to_pybytes(), media_type=ARROW)


def fetched(
    lake: Lake,
    source: str,
    stream: str,
    device: str,
    window: datetime,
    token: str = "",
    dimensions: dict[str, Any] | None = None,
) -> Members:
    """The raw events behind a record of this lake, from the gateway that has them, with the proof.

    Args:
        source: the gateway's address (``http://…``, ``https://…``) or the folder of its lake.
        window: the record's window, naive UTC.

    Raises:
        UsageError: ``stream_unknown``; ``gateway_away``: it cannot be reached, or refuses.
        LakeError: ``gateway_rows``: what it sent are no landed rows.
    """
    kept = stream_named(lake, stream)
    if "://" in source:
        rows = _asked(source.rstrip("/"), stream, device, window, token)
    else:
        with Lake.open(Path(source), lake.tenant, threads=1) as gateway:
            rows = rows_at(gateway, stream, device, window)
    try:
        return members_of(lake, kept, device_key(lake.tenant, device), window, rows, dimensions)
    except Exception as error:
        raise LakeError(
            "What the gateway sent are not the rows of this stream.", where=source,
            cure="Does it keep the stream by the same policy?", code="gateway_rows",
        ) from error  # fmt: skip


def _asked(base: str, stream: str, device: str, window: datetime, token: str) -> pa.Table:
    place = "/".join(urllib.parse.quote(word, safe="") for word in (stream, device, window.isoformat()))
    request = urllib.request.Request(f"{base}/v1/raw/{place}")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return pa.ipc.open_stream(answer.read()).read_all()
    except (urllib.error.URLError, OSError, pa.ArrowException) as error:
        raise UsageError(
            f"The gateway does not hand the events out: {error}.", where=base,
            cure="Is it there, does it know the stream, and is the token right?", code="gateway_away",
        ) from error  # fmt: skip
