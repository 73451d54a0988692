"""``workbench price``: the calculator a product manager tries first."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import shell
from workbench.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.tariff.quote import Quote


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command("price", rich_help_panel=shell.SEE)(price)


def price(
    offer: Annotated[
        Path, typer.Option("--offer", metavar="FILE", help="A catalogue file that holds the offer.")
    ],
    units: Annotated[str, typer.Option("--units", metavar="N", help="How much: 1500, or `2.5 GB`.")],
    component: Annotated[
        str, typer.Option("--component", help="Which price, when the offer has several.")
    ] = "",
    meter: Annotated[str, typer.Option("--meter", help="Which meter, instead of --component.")] = "",
    dimension: Annotated[
        list[str] | None,
        typer.Option("--dimension", metavar="NAME=VALUE", help="Such as country=DE (repeatable)."),
    ] = None,
    at: Annotated[
        str,
        typer.Option(
            "--at", metavar="TIME", help="When it is used, ISO with a zone: 2026-03-01T18:00+01:00."
        ),
    ] = "",
    as_json: shell.JsonOption = False,
) -> None:
    """What would N units cost? Prints the amount, what each step contributes, and the shape of the bill."""
    from workbench.tariff.quote import price as quote_price

    words = dict(_pair(text) for text in dimension or ())
    when = instant(at) if at else None
    quote = quote_price(offer, units, meter=meter, component=component, at=when, dimensions=words)
    shell.answer(as_json, quote.as_dict(), lambda console: show(console, quote))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(
            f"{text[:60]!r} is no dimension.", where="--dimension", cure="Write country=DE.", code="dimension"
        )
    return name, value


def instant(text: str) -> datetime:
    """An ISO time that says its zone.

    Raises:
        UsageError: it is not a time, or says no zone.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(
            f"{text[:40]!r} is no time with a zone.",
            where="--at",
            cure="Write it like 2026-03-01T18:00+01:00, or end it with Z.",
            code="time",
        )
    return found.astimezone(UTC)


def show(console: Console, quote: Quote) -> None:
    """Draw a quote: the headline, the steps, the bill's shape, and fees on top."""
    from rich.markup import escape
    from rich.table import Table

    from workbench.tariff.show import headline, money

    console.print(f"[bold]{escape(headline(quote))}[/]")
    steps = Table(
        "step",
        "after",
        "up to",
        quote.unit,
        "amount",
        title="What each step contributes",
        title_justify="left",
    )
    for portion in quote.portions:
        cells = (portion.after, portion.up_to, portion.units)
        steps.add_row(
            str(portion.step), *(f"{cell:,}" for cell in cells), money(portion.amount, quote.currency)
        )
    shape = Table(quote.unit, "bill", title="The shape of the bill", title_justify="left")
    for units, amount in quote.shape:
        mark = "[bold green]" if units == quote.units else ""
        shape.add_row(f"{mark}{units:,}", f"{mark}{escape(money(amount, quote.currency))}")
    for table in (steps, shape):
        for column in table.columns:
            column.justify = "right"
        console.print(table)
    for name, amount, every, per in quote.fees:
        console.print(
            f"[dim]On top: {escape(name)}, {money(amount, quote.currency)} every {every} per {per}[/]"
        )
