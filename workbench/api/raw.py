"""A gateway's door for whoever asks for raw events (``live/raw.py`` asks).

GET /v1/raw/<stream>/<device>/<window>      rows as an Arrow stream, every column and type as the gateway landed them
"""

from __future__ import annotations

import hmac
import socket
import threading
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from workbench.errors import UsageError
from workbench.lake.lake import Lake
from workbench.live.raw import ARROW, rows_at

LOOPBACK = ("127.0.0.1", "::1", "localhost")


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
        self._path, self._tenant, self._token = path, tenant, token
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self._socket.listen(64)  # whoever comes before the server is up waits instead of being refused
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
