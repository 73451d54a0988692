"""HTTP/JSON: the same messages over Starlette. Plain requests of the hot route never come here (``http_hot.py``).

| route | does |
|---|---|
| ``POST /v1/charge`` | one request (``messages``), its answer; the status is the refusal's (402, 404, 422 ...) |
| ``GET /v1/accounts/{account}`` | its balance |
| ``GET /v1/status``, ``/health``, ``/metrics`` | the node, whether it takes requests, Prometheus |
| ``GET /openapi.json`` | this, for programs |

With tokens a caller must say ``Authorization: Bearer …``, and speaks for the token's tenant only.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from workbench.charging.door import Door, cured, said
from workbench.charging.framed import FRAME_BYTES_MAX
from workbench.charging.http_hot import hot
from workbench.charging.messages import Answer, Asked, Balance, decode_answer, encode
from workbench.charging.node import BYTES_MAX
from workbench.charging.refusals import CURES, REFUSALS, refusal
from workbench.charging.service import Service

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class _Waiting:
    """One HTTP request's answer."""

    __slots__ = ("future",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[bytes] = loop.create_future()

    def answer(self, token: object, answer: bytes) -> None:
        if not self.future.done():
            self.future.set_result(answer)

    def flush(self) -> None:
        """The future was the flush."""


class Charge:
    """The hot route, as ASGI, for requests that are not plain: read a body, hand it over, answer."""

    def __init__(self, service: Service, door: Door) -> None:
        self.service, self.door = service, door

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        tenant = self.door.tenant(scope["headers"])
        if tenant is None:
            await _send(send, refusal("unauthorized"))
            return
        body, more, size = b"", True, 0
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            part, more = message.get("body", b""), message.get("more_body", False)
            size += len(part)
            if size <= BYTES_MAX:
                body += part
            elif size > FRAME_BYTES_MAX:  # reading on only so that the answer is not lost has an end
                await _send(send, refusal("too_large"), close=True)
                return
        if size > BYTES_MAX:
            await _send(send, refusal("too_large"))
            return
        waiting = _Waiting(self.service.loop)
        self.service.take(body, waiting, None, tenant)
        await _send(send, await waiting.future, home=self.service.home_http)


async def _send(send: Send, answer: bytes, *, close: bool = False, home: str = "") -> None:
    answer = cured(answer)
    status, headers = said(answer, home)
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


class Hot:
    """The application: the hot route is found first, with no router between."""

    def __init__(self, charge: Charge, rest: Starlette) -> None:
        self._charge, self._rest = charge, rest

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/v1/charge" and scope["method"] == "POST":
            await self._charge(scope, receive, send)
        else:
            await self._rest(scope, receive, send)  # type: ignore[arg-type]


def application(service: Service, tokens: Mapping[str, str] | None = None) -> Hot:
    """The node's HTTP application.

    Args:
        tokens: token to the tenant it speaks for; none at all: whoever reaches the port is trusted.
    """
    door = Door(tokens or {})

    async def account(request: Request) -> Response:
        tenant = door.tenant(request.scope["headers"])
        if tenant is None:
            return _response(refusal("unauthorized"))
        ask = Balance(
            account=request.path_params["account"],
            tenant=tenant or request.query_params.get("tenant", "main"),
        )
        waiting = _Waiting(service.loop)
        service.take(encode(ask), waiting, None, tenant)
        return _response(await waiting.future)

    async def status(request: Request) -> Response:
        if door.tenant(request.scope["headers"]) is None:
            return _response(refusal("unauthorized"))
        return JSONResponse(service.status())

    async def health(request: Request) -> Response:
        state = service.durable.journal.state
        return JSONResponse({"state": state}, status_code=200 if state == "open" else 503)

    async def metrics(request: Request) -> Response:
        return PlainTextResponse(metrics_text(service.status()))

    async def openapi(request: Request) -> Response:
        return JSONResponse(document())

    charge = Charge(service, door)
    routes = [
        Route("/v1/charge", charge, methods=["POST"]),
        Route("/v1/accounts/{account}", account),
        Route("/v1/status", status),
        Route("/health", health),
        Route("/metrics", metrics),
        Route("/openapi.json", openapi),
    ]
    return Hot(charge, Starlette(routes=routes))


def _response(answer: bytes) -> Response:
    said = decode_answer(answer)
    return Response(cured(answer), 200 if said.ok else REFUSALS[said.code][0], media_type="application/json")


def metrics_text(status: Mapping[str, Any]) -> str:
    """The numbers of a status as Prometheus reads them."""
    numbers = {name: value for name, value in status.items() if isinstance(value, int | float)}
    lines = [f"workbench_charging_{name} {value}" for name, value in sorted(numbers.items())]
    return "\n".join([*lines, f"workbench_charging_open {int(status['state'] == 'open')}", ""])


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document, its schemas made from the messages themselves."""
    (asked, answered), parts = msgspec.json.schema_components(
        (Asked, Answer), ref_template="#/components/schemas/{name}"
    )
    statuses: dict[int, list[str]] = {}
    for code, (status, why) in REFUSALS.items():
        statuses.setdefault(status, []).append(f"`{code}`: {why} {CURES[code]}")
    said = {"application/json": {"schema": answered}}
    responses = {
        "200": {"description": "It was done (`ok`), durably.", "content": said},
        **{
            str(status): {"description": " ".join(whys), "content": said}
            for status, whys in sorted(statuses.items())
        },
    }
    charge = {
        "summary": "One request to the charging node",
        "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
        "responses": responses,
    }
    name = {"name": "account", "in": "path", "required": True, "schema": {"type": "string"}}
    balance = {"summary": "What an account has", "parameters": [name], "responses": responses}
    plain = {"summary": "The node", "responses": {"200": {"description": "Its numbers."}}}
    return json.loads(
        json.dumps(
            {
                "openapi": "3.1.0",
                "info": {"title": "Charging node", "version": "1"},
                "components": {
                    "schemas": parts,
                    "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
                },
                "security": [{"token": []}],
                "paths": {
                    "/v1/charge": {"post": charge},
                    "/v1/accounts/{account}": {"get": balance},
                    "/v1/status": {"get": plain},
                    "/health": {"get": plain},
                    "/metrics": {"get": plain},
                },
            }
        )
    )


class HttpServer:
    """uvicorn on the service's own loop."""

    def __init__(
        self, service: Service, host: str, port: int, tokens: Mapping[str, str] | None = None
    ) -> None:
        config = uvicorn.Config(
            application(service, tokens), host=host, port=port, log_level="warning", access_log=False,
            lifespan="off", http=hot(service, tokens or {}), ws="none", timeout_keep_alive=75, backlog=2048,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._task: asyncio.Task[None] | None = None
        self._loop = service.loop

    async def start(self) -> int:
        """Listen; answers the port."""
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup()
        self._task = self._loop.create_task(self._server.main_loop())
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Answer what is under way, then stop listening."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        await self._server.shutdown()
