"""``workbench city``: the reference case at full width, from nothing to a proven bill."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli import shell
from workbench.cli.progress import Bars
from workbench.errors import VerifyFailed


def day(text: str | date) -> date:
    """A day in words. Raises ValueError."""
    return text if isinstance(text, date) else date.fromisoformat(text)


DayOption = Annotated[
    date, typer.Option("--start", parser=day, metavar="YYYY-MM-DD", help="First day, UTC; from 2026 on.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Same seed, same bytes.")]


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command(rich_help_panel=shell.SEE)(city)


def city(
    lamps: Annotated[int, typer.Option(min=1, max=20_000_000, help="How many street lamps.")] = 200_000,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days, billed as one period.")] = 1,
    lake: Annotated[Path, typer.Option(help="Where the lake is made, or gone on with.")] = Path("out/city"),
    seed: SeedOption = 7,
    start: DayOption = date(2026, 3, 2),
    hours: Annotated[int, typer.Option(min=0, help="Deliver only the first hours of the period.")] = 0,
    threads: shell.ThreadsOption = 2,
    full_verify: Annotated[
        bool, typer.Option("--full-verify", help="Prove everything, not a sample.")
    ] = False,
    keep_deliveries: Annotated[
        bool, typer.Option("--keep-deliveries", help="Leave the delivered files in LAKE/inbox.")
    ] = False,
    as_json: shell.JsonOption = False,
) -> None:
    """A whole city of street lamps: simulated, landed, mediated, rated, split, invoiced, proven.

    Each lamp reports once a minute; 1.5 % of the reports arrive twice. A lamp costs 0.10 EUR rent a day and its energy
    0.00005 EUR/kWh; 70 % go to the operator, 30 % to the supplier of the lamps. 200,000 lamps make 288 million events a
    day. Stop it whenever you like: the same command goes on where it was.
    """
    from workbench.cli.summary import draw
    from workbench.showcase.build import play
    from workbench.showcase.scene import city as scene_of

    scene = scene_of(lamps, days, seed=seed, start=start, hours=hours)
    with Bars(shell.remarks()) as bars:
        found = play(lake, scene, threads=threads, keep=keep_deliveries, full_verify=full_verify, watch=bars)
    shell.answer(as_json, found, lambda console: draw(console, found, f"A city of {lamps:,} lamps", lake))
    refuse_unproven(found)


def refuse_unproven(found: dict[str, Any]) -> None:
    """End with exit code 1 when the proof did not hold.

    Raises:
        VerifyFailed: it did not.
    """
    if not found["verify_ok"]:
        raise VerifyFailed(
            found["verify_verdict"],
            where=found["lake"],
            cure="Run `workbench verify` on the lake to see it all.",
        )
