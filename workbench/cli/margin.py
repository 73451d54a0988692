"""``workbench margin``: what is left of what was sold after what was bought."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import shell

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.margins import Margin


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command(rich_help_panel=shell.LOOK)(margin)


def margin(
    lake: shell.LakeArgument,
    by: Annotated[
        str, typer.Option("--by", help="customer, offer, sim, or a dimension of the use such as network.")
    ] = "customer",
    period: Annotated[str, typer.Option("--period", help="Left out: the newest that is rated.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows, the greatest margins first.")] = 20,
    worst: Annotated[bool, typer.Option("--worst", help="The smallest margins first.")] = False,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Show what is left of what was sold after what was bought, per customer, offer, SIM or network.

    The buy side is a catalogue's offers with `side: buy` (wholesale cost per IMSI, network, MB, message). Both sides
    price the same records, so the difference is exact; `--json` has it unrounded.
    """
    from workbench.margins import margins
    from workbench.model.money import decimal_text

    with shell.reading(lake, tenant) as opened:
        found = margins(opened, by, period)
    rows = sorted(found, key=lambda row: row.margin_nano) if worst else found
    data = {
        "by": by,
        "rows": [
            {by: row.key, "currency": row.currency, "sold": decimal_text(row.sold_nano / 10**9),
             "bought": decimal_text(row.bought_nano / 10**9), "margin": decimal_text(row.margin_nano / 10**9)}
            for row in rows
        ],
    }  # fmt: skip
    shell.answer(as_json, data, lambda console: _show(console, by, rows[:limit], found))


def _show(console: Console, by: str, rows: list[Margin], every: list[Margin]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title=f"{len(rows)} of {len(every):,} rows", title_justify="left",
                  title_style="dim")  # fmt: skip
    table.add_column(by)
    for title in ("sold", "bought", "margin", "of what was sold"):
        table.add_column(title, justify="right")
    for row in rows:
        loss = "red" if row.margin_nano < 0 else ""
        table.add_row(escape(row.key) or "[dim]·[/]", *_cells(row), style=loss)
    for currency in sorted({row.currency for row in every}):
        mine = [row for row in every if row.currency == currency]
        total = type(mine[0])(
            "", currency, _sum(r.sold_nano for r in mine), _sum(r.bought_nano for r in mine)
        )
        table.add_row("[bold]all[/]", *(f"[bold]{cell}[/]" for cell in _cells(total)))
    console.print(table)


def _sum(parts: object) -> Fraction:
    return sum(parts, Fraction(0))  # type: ignore[call-overload]


def _cells(row: Margin) -> tuple[str, str, str, str]:
    from workbench.tariff.show import amount_text

    sold, bought, left = (
        amount_text(nano / 10**9, row.currency) for nano in (row.sold_nano, row.bought_nano, row.margin_nano)
    )
    share = "·" if row.percent is None else f"{float(row.percent):.1f} %"
    return sold, bought, left, share
