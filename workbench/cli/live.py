"""``workbench live``: devices, journal, mediation, rating, API and page in one process, on one port for people."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import shell
from workbench.cli.acting import SecretOption, WebhookOption, wires_of
from workbench.cli.serve import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from workbench.casework.outbox import Wires
    from workbench.clock import PacedClock
    from workbench.lake.lake import Lake
    from workbench.mediation.policy import Policy
    from workbench.mediation.routes import Routes
    from workbench.model.offer import Catalogue
    from workbench.model.plan import Period
    from workbench.showcase.publish import Sent


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command(rich_help_panel=shell.SEE)(live)


def live(
    lake: Annotated[Path, typer.Option(help="Where the lake is made, or gone on with.")] = Path("live-lake"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Page, API and metrics; 0 picks one.")] = 5006,
    mqtt_port: Annotated[int, typer.Option(min=0, max=65535, help="Where devices publish; 0 picks one.")] = 0,
    devices: Annotated[
        int,
        typer.Option(
            min=0, max=200_000, help="Simulated lamps; the other fleets follow. 0: only your own devices."
        ),
    ] = 3_000,
    routes: Annotated[Path | None, typer.Option(help="Routes file: which mapping reads which topic.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy file: grid, partitions, horizons.")] = None,
    catalog: Annotated[
        list[Path] | None, typer.Option(help="Offer files; several times for several.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, help="Stop after so long; 0: when somebody stops it.")] = 0,
    webhook: WebhookOption = "",
    secret: SecretOption = None,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Watch a city as it happens: devices publish, and a second later it is usage, money and a moving page.

    Fleets of simulated devices speak MQTT to the workbench's own listener; nothing else needs to be installed. Every
    message is on disk before its sender is told so. Stop it whenever you like, kill it if you must: the next start goes
    on where the last one was, and nothing counts twice. Point devices of your own at the MQTT port with `--routes`.
    With a webhook every offer that triggers on the sales page is told, signed, once.
    """
    from workbench.clock import PacedClock, SystemClock
    from workbench.mediation.policy import load_policy
    from workbench.mediation.routes import load_routes
    from workbench.showcase import publish
    from workbench.showcase.cast import cast_of, offers
    from workbench.showcase.cast import policy as city_policy
    from workbench.tariff.catalogue import load

    clock = PacedClock(SystemClock().now(), speed=1.0)
    fleets = (
        {name: max(1, count * devices // 3_000) for name, count in publish.FLEETS.items()} if devices else {}
    )
    serve_live(
        lake,
        tenant=tenant,
        port=port,
        mqtt_port=mqtt_port,
        clock=clock,
        routes=load_routes(routes) if routes else publish.live_routes(),
        policy=load_policy(policy) if policy else city_policy(),
        catalogue=load(catalog) if catalog else offers([cast_of(name) for name in publish.FLEETS]),
        messages=publish.traffic(fleets, publish.this_hour(clock)) if fleets else (),
        ready=lambda opened: publish.settle_in(opened, fleets) if fleets else None,
        seconds=seconds,
        as_json=as_json,
        wires=wires_of(webhook, secret),
    )


def serve_live(
    lake: Path,
    *,
    tenant: str,
    port: int,
    mqtt_port: int,
    clock: PacedClock,
    routes: Routes,
    policy: Policy,
    catalogue: Catalogue | None,
    messages: Iterable[Sent],
    ready: Callable[[Lake], None],
    seconds: float,
    as_json: bool,
    period: Period | None = None,
    until_sent: bool = False,
    wires: Wires | None = None,
) -> None:
    """Put the wire, the node, the pages and the API together and serve them until somebody stops it.

    Args:
        until_sent: stop when all messages were sent and have become records.
        wires: who is told of offers that trigger.
    """
    from fastapi import FastAPI

    from workbench.api.app import add_routes
    from workbench.api.gate import Gate
    from workbench.api.keys import Keys
    from workbench.api.metrics import Metrics
    from workbench.dashboards.live_server import add_live_pages
    from workbench.dashboards.sales.live import LiveSales
    from workbench.live.node import LiveNode, Settings
    from workbench.live.pulse import Pulse
    from workbench.live.wire import JOURNALS, Wire
    from workbench.showcase.publish import Publisher

    port = free_port(port)
    shell.structured_logs()
    with ExitStack() as stack:
        folder = lake / JOURNALS
        wire = stack.enter_context(Wire(folder, port=mqtt_port, tenant=tenant, now_ns=clock.now_ns))
        settings = replace(Settings(), clock_speed=clock.speed)
        node = LiveNode(lake, folder, routes, policy, catalogue, tenant=tenant, clock=clock, period=period,
                        settings=settings, ready=ready)  # fmt: skip
        node.start()
        stack.callback(node.stop)
        pulse = stack.enter_context(Pulse(node, lambda: wire.listener.stats.acknowledged))
        sales = stack.enter_context(LiveSales(node, wires))
        app = FastAPI(title="IoT tariff workbench", redoc_url=None)
        keys = Keys(lake / "keys.json")
        care = keys.for_this_process(tenant, "care")
        metrics = Metrics(node, lambda: {wire.journal.name: wire.journal.stats()}, lambda: [wire.listener])
        add_routes(app, node, Gate(keys), metrics, metrics_open=True)
        add_live_pages(app, pulse, sales, port, clock.speed)
        publisher = Publisher("127.0.0.1", wire.port, clock).start(messages)
        stack.callback(publisher.stop)
        _serve(
            app,
            port,
            lambda: _tell(port, wire.port, care),
            lambda: _over(publisher, node, seconds, until_sent),
        )
        publisher.stop()
        node.settled(15)
        if node.failed is not None:  # what was acknowledged is in the journals and counts at the next start
            raise node.failed
        found = {"lake": str(lake), "mqtt_port": wire.port, "acknowledged": wire.listener.stats.acknowledged,
                 **metrics.status()}  # fmt: skip
    shell.answer(as_json, found, lambda console: shell.show_rows(console, [_short(found)]))


def _tell(port: int, mqtt_port: int, key: str) -> None:
    shell.remarks().print(
        f"\n  Live      [bold]http://127.0.0.1:{port}/live[/bold]\n"
        f"  Sales     [bold]http://127.0.0.1:{port}/sales[/bold]\n"
        f"  API       http://127.0.0.1:{port}/docs   key of this run: {key}\n"
        f"  Metrics   http://127.0.0.1:{port}/metrics\n"
        f"  Devices   mqtt://127.0.0.1:{mqtt_port}   topics like streetlights/<device>\n\n"
        "  Ctrl+C stops it; the lake stays.\n",
        highlight=False,
    )


def _over(publisher: Any, node: Any, seconds: float, until_sent: bool) -> bool:
    """Whether it is time to stop by itself."""
    if not node.healthy:
        return True
    if until_sent and publisher.done:
        return bool(node.settled(30))
    return bool(seconds) and publisher.running_seconds > seconds


def _serve(app: Any, port: int, tell: Callable[[], None], over: Callable[[], bool]) -> None:
    """Serve until Ctrl+C or ``over``; ``tell`` once somebody who comes is answered."""
    import logging
    import sys
    import threading
    import time

    import uvicorn

    sys.setswitchinterval(0.001)  # a question waits at most so long for a batch that is being decoded
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))

    def watch() -> None:
        while not (server.started or server.should_exit):
            time.sleep(0.02)
        tell()
        while not server.should_exit:
            if over():
                server.should_exit = True
            time.sleep(0.2)

    threading.Thread(target=watch, name="until", daemon=True).start()
    try:
        server.run()
    except KeyboardInterrupt:
        pass


def _short(found: dict[str, Any]) -> dict[str, Any]:
    names = ("acknowledged", "events", "duplicates", "records", "rejected", "version")
    return {name: found[name] for name in names} | {"p99 seconds": str(found["freshness_seconds"]["p99"])}


def hours(text: str) -> timedelta:
    """A span like ``2h`` or ``30m``, or whole hours. Raises ``ValueError``."""
    from workbench.mediation.spans import parse_span

    found = parse_span(text if text[-1:].isalpha() else f"{text}h")
    if found is None:
        raise ValueError(text)
    return found


__all__ = ["datetime", "hours", "serve_live"]
