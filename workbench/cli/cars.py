"""``workbench cars``: connected cars with prepaid balances, charged in real time, on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import shell
from workbench.cli.serve import free_port

if TYPE_CHECKING:
    from workbench.showcase.cars import CarDrive


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command(rich_help_panel=shell.SEE)(cars)


def cars(
    number: Annotated[int, typer.Option("--cars", min=1, max=200_000, help="How many cars.")] = 10_000,
    rate: Annotated[int, typer.Option(min=1, max=50_000, help="Requests a second to aim at.")] = 500,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where the page is served; 0 picks one.")
    ] = 5007,
    seconds: Annotated[
        int, typer.Option(min=0, max=86_400, help="Drive so long without a page, show the figures and end.")
    ] = 0,
    as_json: shell.JsonOption = False,
) -> None:
    """Cars with prepaid balances drive through a charging node: latency, refusals, top-ups, a feature unlocked on pay.

    The node keeps its log in a temporary folder and syncs every answer before it leaves, as a real one does.
    """
    from workbench.showcase.cars import CarDrive

    with CarDrive(cars=number, rate=rate) as drive:
        if seconds:
            drive.run(seconds)
            found = drive.figures()
            shell.answer(as_json, found, lambda console: shell.show_rows(console, [_plain(found)]))
            return
        drive.start()
        _serve(drive, free_port(port))


def _serve(drive: CarDrive, port: int) -> None:
    import logging

    import uvicorn

    from workbench.dashboards.cars_app import application

    shell.remarks().print(f"\n  Cars  [bold]http://127.0.0.1:{port}/cars[/bold]\n\n  Ctrl+C stops them.\n")
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # a browser that left in mid-update is no news
    uvicorn.run(application(drive, port), host="127.0.0.1", port=port, log_level="warning")


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    return {
        name: f"{value:.2f}" if isinstance(value, float) else str(value) if isinstance(value, dict) else value
        for name, value in found.items()
    }
