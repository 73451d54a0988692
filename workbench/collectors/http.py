"""Senders POST to ``/v1/events``; 202 means that the journal has it.

One message a request, whatever is in it: a JSON object, an array, NDJSON, SenML, a CloudEvent or a batch of them. A
CloudEvent in binary mode (attributes in headers) is written down in the structured mode, so that nothing of it is lost.
While the journal or its readers are behind the answer is 429, while the disk is full 503, both with Retry-After.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from workbench.clock import nanoseconds
from workbench.collectors.collector import Collector
from workbench.collectors.source import HttpSource
from workbench.collectors.tls import server_context
from workbench.collectors.tokens import Sender, Tokens
from workbench.errors import SourceError
from workbench.journal.journal import Journal
from workbench.journal.message import PAYLOAD_BYTES_MAX

STRUCTURED = "application/cloudevents+json"
_RETRY_SECONDS = "1"
_SUFFIX_PATHS = ("/v1/events", "/v1/events/{topic:path}")


class HttpCollector(Collector):
    """A server on its own thread. ``port`` is the real one after ``start``; the topic is what follows ``/v1/events/``."""

    def __init__(
        self, source: HttpSource, journal: Journal, now_ns: Callable[[], int] = nanoseconds, worker: str = "0"
    ) -> None:
        super().__init__(source, journal, now_ns, worker)
        self.source = source
        self.port = source.port
        self.tokens = Tokens(Path(source.tokens)) if source.tokens else None
        server_context(source.tls, source.host, source.plain_text_allowed, f"source {source.name}")
        self.app = Starlette(routes=[Route(path, self._post, methods=["POST"]) for path in _SUFFIX_PATHS])
        self._server: Any = None
        self._thread: threading.Thread | None = None
        self._waiting = 0

    def start(self) -> None:
        """Listen. Raises ``SourceError`` when the port cannot be had."""
        import uvicorn

        listening = socket.socket(socket.AF_INET6 if ":" in self.source.host else socket.AF_INET)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((self.source.host, self.source.port))
        except OSError as problem:
            listening.close()
            raise SourceError(
                f"Cannot listen: {problem.strerror}.",
                where=f"{self.source.host}:{self.source.port}",
                cure="Is another program on that port? Choose another with `port:`; 0 takes any that is free.",
                code="source_port",
            ) from None
        self.port = listening.getsockname()[1]
        tls = self.source.tls
        config = uvicorn.Config(
            self.app, log_config=None, access_log=False, server_header=False, lifespan="off",
            limit_concurrency=self.source.in_flight_max + 100, timeout_graceful_shutdown=10,
            ssl_certfile=tls.certificate or None, ssl_keyfile=tls.key or None, ssl_ca_certs=tls.ca or None,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([listening],), name=f"http-{self.name}", daemon=True
        )
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            self._stopping.wait(0.01)
        self.stats.connected = True

    def stop(self, for_good: bool = False) -> None:
        """Answer the requests that are in hand, and no more."""
        self._stopping.set()
        if self._thread is not None:
            self._server.should_exit = True
            self._thread.join(30)
            self._thread = None
        self.stats.connected = False

    # ---- a request -----------------------------------------------------------------------------------------------

    async def _post(self, request: Request) -> Response:
        sender: Sender | None = None
        if self.tokens is not None:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            sender = self.tokens.bearer(token.strip().encode()) if scheme.lower() == "bearer" else None
            if sender is None:
                self.stats.refused += 1
                return _problem(
                    401,
                    "unauthorized",
                    "A token is needed: Authorization: Bearer …",
                    {"WWW-Authenticate": "Bearer"},
                )
        if (refusal := self._under_pressure()) is not None:
            return refusal
        try:
            payload = await _body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if payload is None:
            self.stats.refused += 1
            return _problem(413, "too_large", f"At most {PAYLOAD_BYTES_MAX:,} bytes a request.")
        if not payload:
            return _problem(400, "empty", "The request has no body.")
        content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
        payload, content_type = _structured(request.headers, payload, content_type)
        return await self._keep(request.path_params.get("topic", ""), payload, content_type, sender)

    def _under_pressure(self) -> Response | None:
        again = {"Retry-After": _RETRY_SECONDS}
        if self.held_back():
            self.stats.refused += 1
            if self.journal.state == "read_only":
                return _problem(503, "disk_full", "Nothing can be kept at the moment.", again)
            return _problem(429, "busy", "What came before is not worked off yet.", again)
        if self._waiting >= self.source.in_flight_max:
            self.stats.refused += 1
            return _problem(429, "busy", "Too many requests are being kept.", again)
        return None

    async def _keep(self, topic: str, payload: bytes, content_type: str, sender: Sender | None) -> Response:
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[None] = loop.create_future()
        message = self.message(
            topic or "events",
            payload,
            content_type,
            facts={"username": sender.name} if sender else {},
            tenant=sender.tenant if sender else "",
        )
        self._waiting += 1
        try:
            self.keep([message], None, partial(_tell, loop, durable))
            await asyncio.wait_for(durable, self.source.wait_seconds)
        except TimeoutError:
            self.stats.refused += 1
            return _problem(
                503,
                "not_kept",
                "It could not be kept in time; send it again.",
                {"Retry-After": _RETRY_SECONDS},
            )
        finally:
            self._waiting -= 1
        self.stats.acknowledged += 1
        return JSONResponse({"accepted": 1, "received_at_ns": message.received_at_ns}, 202)


def _tell(loop: asyncio.AbstractEventLoop, durable: asyncio.Future[None]) -> None:
    loop.call_soon_threadsafe(_settle, durable)


def _settle(durable: asyncio.Future[None]) -> None:
    if not durable.done():
        durable.set_result(None)


async def _body(request: Request) -> bytes | None:
    """The body; None when it is larger than a message may be, without having read all of it."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > PAYLOAD_BYTES_MAX:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _structured(headers: Mapping[str, str], payload: bytes, content_type: str) -> tuple[bytes, str]:
    """A CloudEvent in binary mode as one in structured mode; anything else as it is.

    The payload's own bytes are put in as they are when they claim to be JSON: whether they are is mediation's to find.
    """
    if "ce-specversion" not in headers:
        return payload, content_type
    event = {name[3:]: value for name, value in headers.items() if name.startswith("ce-")}
    event["datacontenttype"] = content_type or "application/json"
    head = json.dumps(event)[:-1].encode()
    if event["datacontenttype"].endswith(("/json", "+json")):
        return head + b', "data": ' + payload + b"}", STRUCTURED
    return head + b', "data_base64": "' + base64.b64encode(payload) + b'"}', STRUCTURED


def _problem(status: int, code: str, what: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"code": code, "what": what}, status, headers=headers)
