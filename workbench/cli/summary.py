"""What a city came to, on one screen: what happened to the events, where the money went, and whether it is proven."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from workbench.cli.progress import WORDS
from workbench.model.money import NANO, decimal_text, round_half_away

_BAR = 28
_NEXT = (
    ("trace", "from the largest invoice down to the raw events"),
    ("invoice show", "the largest invoice as its customer reads it"),
    ("serve", "the pages in your browser"),
)


def money(nano: int | Fraction, currency: str, digits: int = 2) -> str:
    """Nano as people write money, rounded to ``digits`` for the eye only: ``20,012.35 EUR``."""
    exact = Fraction(nano)
    unit = NANO // 10**digits
    shown = Fraction(round_half_away(exact.numerator, exact.denominator * unit), 10**digits)
    whole, _, part = decimal_text(abs(shown), digits).partition(".")
    return f"{'-' if shown < 0 else ''}{int(whole):,}{f'.{part}' if part else ''} {currency}"


def draw(console: Console, found: Mapping[str, Any], title: str, lake: Path) -> None:
    """Print the summary of ``showcase.build.play``, and what to do next with the lake."""
    parts: list[RenderableType] = [
        _events(found),
        Text(),
        _money(found),
        Text(),
        _proof(found),
        Text(),
        _seconds(found),
    ]
    console.print(
        Panel(Group(*parts), title=f"[bold]{title}", title_align="left", border_style="cyan", padding=(1, 2))
    )
    for command, what in _NEXT:
        console.print(f"  [bold]workbench {command} {escape(str(lake))}[/]  [dim]{what}[/]", highlight=False)


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", min_width=18)
    grid.add_column(justify="right", style="bold", min_width=16)
    grid.add_column(style="dim")
    return grid


def _events(found: Mapping[str, Any]) -> Table:
    delivered, grid = found["events_delivered"], _grid()
    grid.add_row(
        "events delivered", f"{delivered:,}", f"by {found['devices']:,} devices in {found['days']} day(s)"
    )
    grid.add_row("duplicates", f"{found['duplicates']:,}", _share(found["duplicates"], delivered))
    grid.add_row("rejects", f"{found['rejects']:,}", "kept, each with its reason" if found["rejects"] else "")
    if found["quarantined"]:
        grid.add_row(
            "quarantined", f"{found['quarantined']:,}", "conflicts and readings nobody should believe"
        )
    grid.add_row("events accepted", f"{found['events_accepted']:,}")
    grid.add_row(
        "usage records", f"{found['records']:,}", f"{found['reduction_percent']:.2f} % fewer rows, same proof"
    )
    return grid


def _money(found: Mapping[str, Any]) -> Table:
    currency, revenue, grid = found["currency"], found["revenue_nano"], _grid()
    grid.add_row("revenue", money(revenue, currency), f"from {found['charges']:,} charges, none rounded")
    shares = sorted(found["shares"].items(), key=lambda item: (-item[1], item[0]))
    for partner, nano in shares:
        width = round(_BAR * nano / revenue) if revenue > 0 else 0
        grid.add_row(f"  {partner}", money(nano, currency), Text("━" * max(1, width), style="cyan"))
    grid.add_row("invoices", f"{found['invoices']:,}", f"{money(found['invoiced_nano'], currency)} net, "
                 f"{money(found['gross_nano'], currency)} with tax")  # fmt: skip
    grid.add_row(
        "rounding", money(found["rounding_nano"], currency), "lines are rounded once; the rest is booked"
    )
    return grid


def _proof(found: Mapping[str, Any]) -> Text:
    mark = Text("✓ ", style="bold green") if found["verify_ok"] else Text("✗ ", style="bold red")
    return mark + Text(found["verify_verdict"])


def _seconds(found: Mapping[str, Any]) -> Text:
    stages = {stage: seconds for stage, seconds in found["wall_seconds"].items() if stage != "total"}
    told = " · ".join(f"{WORDS.get(stage, stage)} {seconds:,.1f} s" for stage, seconds in stages.items())
    return Text(
        f"{told}\n{found['wall_seconds']['total']:,.1f} s in all, at most {found['peak_rss_mb']:,} MB",
        style="dim",
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else ""
