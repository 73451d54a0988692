"""``workbench serve``: the pages over a lake, on one port."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import shell
from workbench.cli.acting import ChargingOption, SecretOption, WebhookOption, wires_of
from workbench.cli.desk import WhoOption, login
from workbench.errors import UsageError

if TYPE_CHECKING:
    from workbench.casework.outbox import Wires


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command(rich_help_panel=shell.SEE)(serve)


def serve(
    lake: Annotated[Path, typer.Argument(help="The lake to show.")] = Path("demo-lake"),
    tenant: Annotated[str, typer.Option(help="Whose facts.")] = "main",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where; 0 picks a free port.")] = 5006,
    offers: Annotated[
        Path | None, typer.Option(help="Folder the Studio publishes into; LAKE-offers when left out.")
    ] = None,
    webhook: WebhookOption = "",
    secret: SecretOption = None,
    charging: ChargingOption = "",
    who: WhoOption = "",
) -> None:
    """Show a lake in the browser: city, explorer, Studio, simulator, the analyst's queue and sales, on one port of this machine.

    With a webhook the analyst can suspend SIMs, and every offer that triggers is told, once.
    """
    serve_pages(
        lake, tenant, port=port, offers=offers, wires=wires_of(webhook, secret, charging), who=login(who)
    )


def serve_pages(
    path: Path,
    tenant: str = "main",
    *,
    port: int = 5006,
    offers: Path | None = None,
    wires: Wires | None = None,
    who: str = "analyst",
) -> None:
    """Serve until somebody stops it; only this machine can connect.

    Raises:
        LakeMissing: nothing is there.
        UsageError: ``port_taken``: something else listens there.
    """
    import logging

    import uvicorn

    from workbench.dashboards.server import app_of

    port = free_port(port)
    app = app_of(path, tenant, port, offers, wires=wires, who=who)
    shell.remarks().print(
        f"\n  City      [bold]http://127.0.0.1:{port}/city[/bold]       play the day, watch what it costs\n"
        f"  Explorer  [bold]http://127.0.0.1:{port}/explorer[/bold]   from an invoice down to the raw events\n"
        f"  Studio    [bold]http://127.0.0.1:{port}/studio[/bold]     build an offer, see what it would bill\n"
        f"  Simulator [bold]http://127.0.0.1:{port}/simulator[/bold]  try it on real traffic: who pays more, and why\n"
        f"  Analyst   [bold]http://127.0.0.1:{port}/analyst[/bold]    what is stuck, stolen or silent, best first\n"
        f"  Sales     [bold]http://127.0.0.1:{port}/sales[/bold]      spend now, the month's end, whom to call and why\n\n"
        "  Ctrl+C stops it; the lake stays.\n"
    )
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # a browser that left in mid-update is no news
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def free_port(port: int) -> int:
    """The port asked for, or one the system picks for 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(
                f"Port {port} is in use.",
                where="--port",
                cure="Choose another one, or 0 to let it pick.",
                code="port_taken",
            ) from error
        return int(probe.getsockname()[1])
