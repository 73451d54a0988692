"""``workbench price``: the calculator a product manager tries first."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import shell
from workbench.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from workbench.tariff.quote import Quote


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command("price", rich_help_panel=shell.SEE)(price)


def price(
    offer: Annotated[
        Path, typer.Option("--offer", metavar="FILE", help="A catalogue file that holds the offer.")
    ],
    units: Annotated[str, typer.Option("--units", metavar="N", help="How much: 1500, or `2.5 GB`.")],
    offer_id: Annotated[
        str, typer.Option("--id", metavar="OFFER", help="Which offer, when the file holds several.")
    ] = "",
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
    quote = quote_price(
        offer, units, meter=meter, component=component, at=at or None, offer_id=offer_id, dimensions=words
    )
    shell.answer(as_json, quote.as_dict(), lambda console: show(console, quote))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(
            f"{text[:60]!r} is no dimension.", where="--dimension", cure="Write country=DE.", code="dimension"
        )
    return name, value


def show(console: Console, quote: Quote) -> None:
    """Draw a quote: the answer, the steps, the bill's shape with bars, and what comes on top."""
    from rich.markup import escape

    from workbench.tariff.show import details, headline, on_top

    console.print(f"[bold]{escape(headline(quote))}[/]", highlight=False)
    for line in details(quote):
        console.print(f"[dim]{escape(line)}[/]", highlight=False)
    console.print()
    console.print(_steps(quote))
    console.print()
    console.print(_shape(quote))
    more = on_top(quote)
    if more:
        console.print("\n[bold]Also in this offer[/]")
        console.print(_also(more))


def _also(more: list[tuple[str, str]]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for what, sentence in more:
        table.add_row(f"[dim]{escape(what)}[/]", escape(sentence))
    return table


def _steps(quote: Quote) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from workbench.tariff.show import amount_text, used

    table = Table(
        box=None, pad_edge=False, title="What each step contributes", title_justify="left", title_style="bold"
    )
    table.add_column("price")
    for name in ("after", "up to", "units", "amount"):
        table.add_column(name, justify="right")
    for portion in quote.portions:
        cells = (
            used(units, quote.unit, quote.currency) for units in (portion.after, portion.up_to, portion.units)
        )
        table.add_row(escape(portion.label), *cells, amount_text(portion.amount, quote.currency))
    return table


def _shape(quote: Quote) -> Table:
    """The bill at round quantities, where the price changes, and at the quantity asked for; a bar beside each."""
    from rich.table import Table

    from workbench.tariff.show import amount_text, average_name, average_text, used

    table = Table(
        box=None, pad_edge=False, title="The shape of the bill", title_justify="left", title_style="bold"
    )
    table.add_column("use", justify="right")
    table.add_column("bill", justify="right")
    table.add_column(average_name(quote), justify="right")
    table.add_column("")
    most, before = max(amount for _, amount in quote.shape), Fraction(-1)
    for units, amount in quote.shape:
        width = int(24 * amount / most) if most > 0 else 0
        mark = "bold green" if units == quote.units else ""
        average = average_text(quote, units, amount)
        note = " [red]falls[/]" if 0 <= amount < before else ""
        table.add_row(
            used(units, quote.unit, quote.currency),
            amount_text(amount, quote.currency),
            average,
            "█" * width + note,
            style=mark,
        )
        before = amount
    return table
