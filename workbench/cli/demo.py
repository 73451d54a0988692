"""``workbench demo``: a small city, billed and proven in a minute, then shown in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import shell
from workbench.cli.city import SeedOption, refuse_unproven
from workbench.cli.progress import Bars


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command(rich_help_panel=shell.SEE)(demo)


def demo(
    headless: Annotated[bool, typer.Option("--headless", help="Do all but the pages, and end.")] = False,
    lake: Annotated[Path, typer.Option(help="Where the lake is made, or gone on with.")] = Path("demo-lake"),
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where the pages are served; 0 picks one.")
    ] = 5006,
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw an earlier demo at LAKE away first.")] = False,
    days: Annotated[int, typer.Option(min=1, max=31, help="How many days.")] = 2,
    scale: Annotated[
        int, typer.Option(min=1, max=1000, help="Divide the number of devices; 10 takes seconds.")
    ] = 1,
    seed: SeedOption = 7,
    full_verify: Annotated[
        bool, typer.Option("--full-verify", help="Prove everything, not a sample: a few minutes more.")
    ] = False,
    threads: shell.ThreadsOption = 2,
    as_json: shell.JsonOption = False,
) -> None:
    """A small city with everything in it: start here.

    About 5,000 lamps and some of each other fleet (meters, chargers, trackers, vending machines, cars, hubs, buttons,
    eSIMs) deliver two days of events. Sensors stick, SIMs are stolen, messages come twice or late. All of it is
    mediated, priced, split, invoiced and proven, and the pages open on one port. Run it again and it shows the same
    city at once.
    """
    from workbench.cli.summary import draw
    from workbench.showcase.build import forget, play
    from workbench.showcase.scene import demo as scene_of

    if fresh:
        forget(lake)
    with Bars(shell.remarks()) as bars:
        scene = scene_of(days, seed=seed, scale=scale)
        found = play(lake, scene, threads=threads, full_verify=full_verify, watch=bars)
    shell.answer(
        as_json, found, lambda console: draw(console, found, "A small city, billed to the cent", lake)
    )
    refuse_unproven(found)
    if not headless:
        _show(lake, port)


def _show(lake: Path, port: int) -> None:
    """Serve the pages until somebody stops it."""
    from workbench.cli.serve import serve_pages

    serve_pages(lake, port=port)
