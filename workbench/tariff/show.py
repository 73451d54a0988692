"""How quotes look, in words and as HTML without scripts: it needs no internet, and takes the colours of its page."""

from __future__ import annotations

from fractions import Fraction
from html import escape
from typing import TYPE_CHECKING, Any

from workbench.model.money import MINOR_DIGITS, NANO, decimal_text
from workbench.tariff.calendar import zone_of
from workbench.tariff.units_text import block_text, largest_unit, quantity_words

if TYPE_CHECKING:
    from workbench.tariff.quote import Quote

_MOST_DIGITS = 12
"""Digits behind the point up to which an exact amount is still read at a glance."""


def money(amount: Fraction, currency: str) -> str:
    """An exact amount for people: thousands apart, at least the currency's own digits, ``1/3`` where no decimal is."""
    return f"{grouped(decimal_text(amount, MINOR_DIGITS.get(currency, 2)))} {currency}"


def grouped(text: str) -> str:
    """Decimal text with its thousands apart; a fraction as it is."""
    whole, dot, digits = text.partition(".")
    if "/" in text:
        return text
    sign, size = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(size):,}{dot}{digits}"


def price_of(amount: Fraction, currency: str) -> str:
    """A price per unit for people: three digits that count, marked when that is not all of it."""
    if not amount:
        return f"0 {currency}"
    places = 2
    while abs(amount) * 10**places < 100:
        places += 1
    short = Fraction(round(amount * 10**places), 10**places)
    return f"{'' if short == amount else '≈ '}{grouped(decimal_text(short))} {currency}"


def amount_text(amount: Fraction, currency: str) -> str:
    """An amount for the eye: exact where that can be read, else six digits behind the point, marked ``≈``."""
    text = decimal_text(amount)
    if "/" not in text and len(text.partition(".")[2]) <= _MOST_DIGITS:
        return money(amount, currency)
    places = 6
    while abs(amount) * 10**places < 100:
        places += 1
    return f"≈ {money(Fraction(round(amount * 10**places), 10**places), currency)}"


def used(units: int, unit: str, currency: str = "") -> str:
    """A quantity as people say it: ``100 MB``, ``3,000,000 messages``, ``1 message``, ``3.50 EUR`` of a money meter."""
    if unit == "nano" and currency:
        return money(Fraction(units, NANO), currency)
    return quantity_words(units, unit)


def headline(quote: Quote) -> str:
    """The answer in one line."""
    return (
        f"{amount_text(quote.amount, quote.currency)} for {used(quote.units, quote.unit, quote.currency)} "
        f"of '{quote.component_id}'"
    )


def details(quote: Quote) -> list[str]:
    """What belongs to the answer: which price, when, how an invoice rounds it, what a unit cost, what else to know."""
    rate = "" if quote.rate_id in ("", "default") else f", row '{quote.rate_id}'"
    at = quote.at.astimezone(zone_of(quote.zone))
    offset = "" if quote.zone == "UTC" else f"{at:%z}"[:3] + ":" + f"{at:%z}"[3:]
    found = [
        f"{quote.offer_id} version {quote.offer_version}{rate}; used {at:%Y-%m-%d %H:%M}{offset} {quote.zone}; {quote.tax}"
    ]
    if amount_text(quote.amount, quote.currency) != money(quote.amount, quote.currency):
        found.append(f"Exactly {money(quote.amount, quote.currency)}.")
    if quote.invoiced != quote.amount:
        found.append(f"An invoice line of its own would be {money(quote.invoiced, quote.currency)}.")
    if quote.units and len(quote.portions) > 1:
        per = "" if quote.unit == "nano" else f" per {average_block(quote)[1]}"
        found.append(f"On average {average_text(quote, quote.units, quote.amount)}{per}.")
    return [*found, *quote.notes]


def average_block(quote: Quote) -> tuple[int, str]:
    """The block an average is told for: the largest unit in which the quantity is still at least one."""
    size = largest_unit(quote.units, quote.unit)
    return size, block_text(size, quote.unit)


def average_name(quote: Quote) -> str:
    """What averages stand under: ``average per MB``."""
    return "average share" if quote.unit == "nano" else f"average per {average_block(quote)[1]}"


def average_text(quote: Quote, units: int, amount: Fraction) -> str:
    """What a block cost on average; a share of the money where money is counted."""
    if not units:
        return ""
    if quote.unit == "nano":
        return price_of(amount * NANO / units * 100, "%")
    return price_of(amount / units * average_block(quote)[0], quote.currency)


def on_top(quote: Quote) -> list[tuple[str, str]]:
    """Whatever else the offer says: (what, sentence)."""
    return list(quote.also)


# -- a notebook ----------------------------------------------------------------------------------------------

_CELL = "padding:0.15em 0.9em 0.15em 0;text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums"
_WORDS = "padding:0.15em 0.9em 0.15em 0;text-align:left"
_HEAD = "border-bottom:1px solid rgba(128,128,128,0.5);font-weight:600"
_LINE, _POINT = "#3b82c4", "#e4572e"


def quote_html(quote: Quote) -> str:
    """A quote as HTML: the answer, the bill's curve, the steps, the bill at round quantities, and what comes on top."""
    small = "".join(f"<div>{escape(line)}</div>" for line in details(quote))
    more = "".join(
        f"<tr><td style='{_WORDS};white-space:nowrap;vertical-align:top;opacity:0.75'>{escape(what)}</td>"
        f"<td style='{_WORDS}'>{escape(sentence)}</td></tr>"
        for what, sentence in on_top(quote)
    )
    return (
        "<div style='max-width:58em;line-height:1.45;overflow-x:auto'>"
        f"<div style='font-size:1.35em;font-weight:600'>{escape(headline(quote))}</div>"
        f"<div style='opacity:0.75;margin-bottom:0.8em'>{small}</div>"
        f"<div style='display:flex;flex-wrap:wrap;gap:0.8em 2.5em;align-items:flex-start'>"
        f"<div style='flex:1 1 24em;min-width:0;max-width:34em'>{curve_svg(quote)}</div>"
        f"<div>{_steps_html(quote)}{_shape_html(quote)}</div></div>"
        + (
            f"<div style='font-weight:600;margin-top:0.9em'>Also in this offer</div>{_table('', more)}"
            if more
            else ""
        )
        + "</div>"
    )


def _table(head: str, rows: str) -> str:
    top = f"<thead><tr>{head}</tr></thead>" if head else ""
    style = "border-collapse:collapse;border:none;margin:0.2em 0 0.9em 0;background:none"
    return f"<table style='{style}'>{top}<tbody>{rows}</tbody></table>"


def _row(words: str, *cells: str, weight: str = "normal") -> str:
    found = f"<td style='{_WORDS};font-weight:{weight}'>{escape(words)}</td>" if words else ""
    found += "".join(f"<td style='{_CELL};font-weight:{weight}'>{escape(cell)}</td>" for cell in cells)
    return f"<tr style='background:none'>{found}</tr>"


def _steps_html(quote: Quote) -> str:
    words = f"<th style='{_WORDS};{_HEAD}'>price</th>"
    head = words + "".join(
        f"<th style='{_CELL};{_HEAD}'>{name}</th>" for name in ("after", "up to", "amount")
    )
    return _table(
        head,
        "".join(
            _row(
                p.label or " ", used(p.after, quote.unit, quote.currency), used(p.up_to, quote.unit, quote.currency),
                amount_text(p.amount, quote.currency),
            )
            for p in quote.portions
        ),
    )  # fmt: skip


def _shape_html(quote: Quote) -> str:
    names = ("use", "bill", average_name(quote))
    head = "".join(f"<th style='{_CELL};{_HEAD}'>{escape(name)}</th>" for name in names)
    rows = ""
    for units, amount in quote.shape:
        cells = (
            used(units, quote.unit, quote.currency),
            amount_text(amount, quote.currency),
            average_text(quote, units, amount),
        )
        rows += _row("", *cells, weight="600" if units == quote.units else "normal")
    return _table(head, rows)


def curve_svg(quote: Quote) -> str:
    """The bill's curve with the quoted point on it; what is drawn is rounded to the pixel, what is written is exact."""
    left, right, top, bottom = 96, 500, 14, 214
    last = max(quote.curve[-1][0], 1) if quote.curve else 1
    most = max((amount for _, amount in quote.curve), default=Fraction(0)) or Fraction(1)

    def x(units: int) -> int:
        return left + (right - left) * units // last

    def y(amount: Fraction) -> int:
        return bottom - int((bottom - top) * amount / most)

    path = " ".join(f"{x(units)},{y(amount)}" for units, amount in quote.curve)
    soft = "stroke='currentColor' stroke-opacity='0.18'"
    marks = "".join(
        f"<line x1='{left}' x2='{right}' y1='{y(value)}' y2='{y(value)}' {soft}/>"
        f"<text x='{left - 8}' y='{y(value) + 4}' text-anchor='end'>{escape(price_of(value, quote.currency))}</text>"
        for value in _ticks(most)
    )
    size, block = _axis(last, quote)
    for value in _ticks(Fraction(last, size), Fraction(1, size)):
        at = x(int(value * size))
        marks += (
            f"<line x1='{at}' x2='{at}' y1='{bottom}' y2='{bottom + 5}' stroke='currentColor' stroke-opacity='0.5'/>"
            f"<text x='{at}' y='{bottom + 20}' text-anchor='{'middle' if at < right - 30 else 'end'}'>"
            f"{grouped(decimal_text(value))}</text>"
        )
    marks += f"<text x='{right}' y='{bottom + 38}' text-anchor='end' opacity='0.75'>{escape(block)}</text>"
    spot = (
        f"<line x1='{x(quote.units)}' x2='{x(quote.units)}' y1='{y(quote.amount)}' y2='{bottom}' stroke='{_POINT}' "
        f"stroke-dasharray='3 3'/><circle cx='{x(quote.units)}' cy='{y(quote.amount)}' r='5' fill='{_POINT}'/>"
    )
    return (
        f"<svg viewBox='0 0 524 256' role='img' aria-label='{escape(headline(quote), quote=True)}' "
        "style='width:100%;height:auto;font-size:12px;display:block' fill='currentColor'>"
        f"<title>{escape(headline(quote))}</title>{marks}"
        f"<polyline points='{path}' fill='none' stroke='{_LINE}' stroke-width='2.5' stroke-linejoin='round'/>{spot}</svg>"
    )


def _ticks(last: Fraction, least: Fraction = Fraction(0)) -> list[Fraction]:
    """Round numbers from zero to ``last``, about five of them, no nearer to each other than ``least``."""
    about, step = last / 5, Fraction(1)
    while step < about:
        step *= 10
    while step / 10 >= about:
        step /= 10
    step = max(least, next(part for part in (step / 5, step / 2, step) if part >= about))
    return [step * n for n in range(int(last / step) + 1)]


def _axis(last: int, quote: Quote) -> tuple[int, str]:
    """The unit in which the axis of use is told, and its name."""
    if quote.unit == "nano":
        return NANO, quote.currency
    size = largest_unit(last, quote.unit)
    return size, quantity_words(2 * size, quote.unit).rpartition(" ")[2]


def ready_charts() -> None:
    """Give data frames ``.hvplot`` whose charts bring their scripts along: they show without internet, exported as HTML too.

    Before the first chart; a notebook that imported hvPlot itself keeps what it chose.
    """
    import hvplot

    hvplot.extension.inline = True
    import hvplot.pandas


def quote_plot(quote: Quote) -> Any:
    """The bill curve and the quoted point; floats are for the eye only."""
    import pandas as pd

    ready_charts()
    curve = pd.DataFrame(
        {quote.unit: [u for u, _ in quote.shape], quote.currency: [float(a) for _, a in quote.shape]}
    )
    point = pd.DataFrame({quote.unit: [quote.units], quote.currency: [float(quote.amount)]})
    both: dict[str, Any] = {"x": quote.unit, "y": quote.currency, "height": 320, "responsive": True}
    line = curve.hvplot.line(title=headline(quote), line_width=2, grid=True, yformatter="%.2f", **both)
    return line * point.hvplot.scatter(size=120, color="#d62728", hover_cols="all", **both)
