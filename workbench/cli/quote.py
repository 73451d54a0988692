"""``workbench quote``: a prospect's usage to the best offer, and a page a salesperson can send."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from workbench.cli import shell
from workbench.cli.progress import Bars
from workbench.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.shadowbill.quote import SalesQuote


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command(rich_help_panel=shell.SEE)(quote)


def quote(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="The prospect's usage: CSV, NDJSON, Parquet, SenML, CloudEvents."
        ),
    ],
    catalog: Annotated[
        Path,
        typer.Option(
            "--catalog", metavar="PATH", help="The offers to compare: a YAML file or a folder of them."
        ),
    ],
    customer: Annotated[str, typer.Option(help="Whom the quote is for.")] = "",
    current: Annotated[
        str, typer.Option(metavar="OFFER", help="The offer he is on today, to say what he saves.")
    ] = "",
    mapping: Annotated[
        Path | None, typer.Option(help="What the columns mean (YAML). Left out: proposed.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="A parameter of the mapping (repeatable)."),
    ] = None,
    account: Annotated[str, typer.Option(metavar="COLUMN", help="The column that says who pays.")] = "",
    out: Annotated[
        Path, typer.Option(help="Where to write the quote (HTML; print it to have a PDF).")
    ] = Path("quote.html"),
    valid_days: Annotated[int, typer.Option(min=1, help="How long the quote holds.")] = 30,
    threads: shell.ThreadsOption = 2,
    as_json: shell.JsonOption = False,
) -> None:
    """Price a prospect's own usage by every offer, find the best, and write a quote that can be sent.

    The usage takes the same way as in production, once; the offers are then compared on exact money, in all and SIM by
    SIM. Nothing leaves this machine.

        workbench quote usage.csv --catalog offers/ --customer "Blue Parcel Vans"
    """
    from workbench.cli.shadow import params_in
    from workbench.shadowbill.quote import quote as work_out

    if not file.exists():
        raise UsageError(
            "There is no such file.", where=str(file), cure="Check the path.", code="file_unreadable"
        )
    with Bars(shell.remarks()) as bars:
        found = work_out(
            file.resolve(), catalog, customer=customer, current=current, mapping=mapping, params=params_in(param or []),
            account=account, valid_days=valid_days, threads=threads, watch=bars,
        )  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(found.html(), encoding="utf-8")
    shell.answer(as_json, {**found.as_dict(), "quote": str(out)}, lambda console: _show(console, found, out))


def _show(console: Console, found: SalesQuote, out: Path) -> None:
    from workbench.twin.show import rounded

    table = Table(box=None, header_style="dim")
    table.add_column("offer")
    table.add_column("amount", justify="right")
    for place, option in enumerate(found.options):
        shade = "green" if place == 0 else "default"
        table.add_row(
            f"[{shade}]{escape(option.title)}[/]",
            f"{rounded(option.total, option.currency)} {option.currency}",
        )
    console.print(table)
    if found.saving is not None:
        console.print(
            f"Against {escape(found.current)} it saves {rounded(found.saving, found.best.currency)}."
        )
    if found.mixed is not None:
        changed = sum(move.saves > 0 for move in found.moves)
        console.print(
            f"With {changed:,} of {found.sims:,} SIMs on another offer it would be {rounded(found.mixed, found.best.currency)}."
        )
    for name, why in found.skipped:
        console.print(f"[dim]{escape(name)}: {escape(why)}[/]")
    console.print(f"The quote is in [bold]{escape(str(out))}[/].")
