"""The routes: usage and bill so far out of memory, records by cursor out of the lake, health and metrics.

Ids are looked for inside the caller's scope only: another tenant's or another customer's account is not forbidden, it
is not there (404), so nobody learns that it exists (S1).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse

from workbench.api.answers import AccountUsage, Bill, BillLine, DeviceUsage, Records, fresh, money, usages
from workbench.api.cursor import read
from workbench.api.gate import Gate, open_to_all, sealed
from workbench.api.keys import CARE, CUSTOMER, OPERATOR, Key
from workbench.api.metrics import Metrics
from workbench.api.records import RecordReader
from workbench.live.care import bill_of, key_of, nano, usage_of
from workbench.live.node import LiveNode

LIMIT_MAX = 1000
_BODY_MAX = 1 << 16
_DEVICES_MAX = 20_000


def api_of(node: LiveNode, gate: Gate, metrics: Metrics | None = None) -> FastAPI:
    """The API over a live node; mount it, or serve it alone."""
    app = FastAPI(title="IoT tariff workbench", version="1", docs_url="/docs", redoc_url=None)
    add_routes(app, node, gate, metrics or Metrics(node))
    return app


def add_routes(
    app: FastAPI, node: LiveNode, gate: Gate, metrics: Metrics, *, metrics_open: bool = False
) -> None:
    """Hang the routes into an application.

    Args:
        metrics_open: ``/metrics`` needs no key; for a server that only this machine can reach.
    """
    app.include_router(_care(node, gate))
    app.include_router(_machine(node, gate, metrics, metrics_open))

    @app.middleware("http")
    async def small_bodies(request: Request, go: Callable[[Request], Awaitable[Response]]) -> Response:
        said = request.headers.get("content-length", "0")
        if request.url.path.startswith("/v1") and (not said.isdigit() or int(said) > _BODY_MAX):
            return JSONResponse({"detail": "The request is too large."}, 413)
        return await go(request)

    sealed(app)


def _care(node: LiveNode, gate: Gate) -> APIRouter:
    """What customers and their care ask."""
    router = APIRouter(prefix="/v1", tags=["care"])
    caller = Depends(gate.allow(CUSTOMER, CARE))
    readers: list[RecordReader] = []

    @router.get("/accounts/{account_id}/usage")
    async def account_usage(account_id: str, key: Key = caller) -> AccountUsage:
        """What an account's devices used in the period so far."""
        _account(node, key, account_id)
        devices = node.standing.devices.get(account_id, [])
        return AccountUsage(
            account_id=account_id, devices=len(devices), usage=usages(usage_of(node.standing, devices)),
            fresh=fresh(node.standing),
        )  # fmt: skip

    @router.get("/accounts/{account_id}/bill")
    async def account_bill(account_id: str, key: Key = caller) -> Bill:
        """An account's bill so far, line by line, before tax and before what only the close decides."""
        account = _account(node, key, account_id)
        lines = bill_of(node.standing, account_id)
        totals = {
            currency: sum((x["nano"] for x in lines if x["currency"] == currency), start=lines[0]["nano"] * 0)
            for currency in sorted({line["currency"] for line in lines})
        }
        return Bill(
            account_id=account_id,
            name=account["name"],
            total=[money(amount, currency) for currency, amount in totals.items()],
            lines=[
                BillLine(
                    **{name: line[name] for name in ("offer_id", "offer_version", "component_id", "kind", "meter", "title")},
                    amount=money(line["nano"], line["currency"]),
                )
                for line in lines
            ],
            fresh=fresh(node.standing),
        )  # fmt: skip

    @router.get("/devices/{device_id}/usage")
    async def device_usage(device_id: str, key: Key = caller) -> DeviceUsage:
        """What a device used in the period so far, and what that cost."""
        number = _device(node, key, device_id)
        cost = nano(node.standing, list(node.standing.device_charges.get(number, {}).items()))
        return DeviceUsage(
            device_id=device_id, usage=usages(usage_of(node.standing, [number])),
            cost=[money(amount, currency) for currency, amount in sorted(cost.items())],
            fresh=fresh(node.standing),
        )  # fmt: skip

    @router.get("/accounts/{account_id}/records")
    def account_records(
        account_id: str,
        key: Key = caller,
        cursor: Annotated[str, Query(max_length=400)] = "",
        limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 100,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Records:
        """Usage records of an account's devices, oldest window first, page by page."""
        _account(node, key, account_id)
        devices = node.standing.devices.get(account_id, [])[:_DEVICES_MAX]
        try:
            after = read(cursor) if cursor else None
        except ValueError:
            raise HTTPException(422, "The cursor is not one of this list.") from None
        if not readers:
            readers.append(RecordReader(node.path, node.tenant))
        return readers[0].page(node.standing.names, devices, after, limit, _naive(since), _naive(until))

    return router


def _machine(node: LiveNode, gate: Gate, metrics: Metrics, metrics_open: bool) -> APIRouter:
    """How the machine does."""
    router = APIRouter(tags=["machine"])

    @router.get("/health", dependencies=[Depends(open_to_all)])
    async def health() -> JSONResponse:
        """Whether messages are being taken; says nothing of anybody's."""
        return JSONResponse(
            {"ready": node.healthy, "version": node.figures.version}, 200 if node.healthy else 503
        )

    @router.get("/metrics", dependencies=[Depends(open_to_all if metrics_open else gate.allow(OPERATOR))])
    def prometheus() -> Response:
        """Figures for Prometheus, with an operator's key (``authorization`` in the scrape configuration)."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @router.get("/v1/status", dependencies=[Depends(gate.allow(OPERATOR, CARE))])
    def status() -> dict[str, Any]:
        """The live node's figures as one object: what ``workbench status`` shows beside the lake's."""
        return metrics.status()

    return router


def _account(node: LiveNode, key: Key, account_id: str) -> dict[str, Any]:
    """An account in the caller's scope. Raises 404 for every other."""
    account = node.standing.accounts.get(account_id)
    if account is None or key.tenant != node.tenant or not key.sees(account_id):
        raise HTTPException(404, "There is no such account.")
    return account


def _device(node: LiveNode, key: Key, device_id: str) -> int:
    """The key of a device in the caller's scope. Raises 404 for every other."""
    number = key_of(node.tenant, device_id)
    known = number in node.standing.names or number in node.standing.account_of
    accounts = node.standing.account_of.get(number, set())
    mine = key.role == CARE or any(key.sees(account) for account in accounts)
    if not known or key.tenant != node.tenant or not mine:
        raise HTTPException(404, "There is no such device.")
    return number


def _naive(at: datetime | None) -> datetime | None:
    if at is None:
        return None
    return (at.astimezone(UTC) if at.tzinfo else at).replace(tzinfo=None)
