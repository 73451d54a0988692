"""How quotes look in a notebook: plain HTML without scripts, and a chart made on demand."""

from __future__ import annotations

from fractions import Fraction
from html import escape
from typing import TYPE_CHECKING, Any

from workbench.model.money import MINOR_DIGITS, decimal_text
from workbench.tariff.units_text import block_text, quantity_text

if TYPE_CHECKING:
    from workbench.tariff.quote import Quote

_COUNTED = ("message", "request", "alarm", "event", "uplink", "session", "unit", "byte")


def money(amount: Fraction, currency: str) -> str:
    """An exact amount for people: thousands apart, at least the currency's own digits, ``1/3`` where no decimal is."""
    text = decimal_text(amount, MINOR_DIGITS.get(currency, 2))
    whole, dot, digits = text.partition(".")
    if "/" not in text:
        text = f"{int(whole):,}".replace("0", "-0", 1) if whole == "-0" else f"{int(whole):,}"
        text += dot + digits
    return f"{text} {currency}"


def price_of(amount: Fraction, currency: str) -> str:
    """A price per unit for people: three digits that count, marked when that is not all of it."""
    if not amount:
        return f"0 {currency}"
    places = 2
    while abs(amount) * 10**places < 100:
        places += 1
    short = Fraction(round(amount * 10**places), 10**places)
    return f"{'' if short == amount else '≈ '}{decimal_text(short)} {currency}"


def used(units: int, unit: str) -> str:
    """A quantity as people say it: ``100 MB``, ``3,000,000 messages``, ``1 message``."""
    text = quantity_text(units, unit)
    counted = unit in _COUNTED and units != 1 and text.endswith(f" {unit}")
    return f"{text}s" if counted else text


def headline(quote: Quote) -> str:
    """The answer in one line."""
    return (
        f"{money(quote.amount, quote.currency)} for {used(quote.units, quote.unit)} of '{quote.component_id}'"
    )


def details(quote: Quote) -> list[str]:
    """What belongs to the answer: which price, how an invoice rounds it, what a unit cost."""
    rate = "" if quote.rate_id == "default" else f", rate '{quote.rate_id}'"
    found = [
        f"{quote.offer_id} version {quote.offer_version}{rate}; use of {quote.at:%Y-%m-%d %H:%M} UTC; before tax"
    ]
    if quote.invoiced != quote.amount:
        found.append(f"An invoice line of its own would be {money(quote.invoiced, quote.currency)}.")
    if quote.average is not None and len(quote.portions) > 1:
        block, per = average_block(quote)
        found.append(f"On average {price_of(quote.average * block, quote.currency)} per {per}.")
    return found


def average_block(quote: Quote) -> tuple[int, str]:
    """The block an average is told for: the largest unit in which the quantity is still at least one."""
    for size in (10**12, 10**9, 10**6, 10**3):
        words = block_text(size, quote.unit)
        if size <= max(quote.units, 1) and not words[0].isdigit():
            return size, words
    return 1, quote.unit


def on_top(quote: Quote) -> list[str]:
    """Fees and what else the offer says, as sentences."""
    every = {"once": "once", "day": "every day", "period": "every period"}
    fees = [
        f"{name}: {money(amount, quote.currency)} {every[when]} per {per}"
        for name, amount, when, per in quote.fees
    ]
    return [*fees, *(f"{name}: {sentence}" for name, sentence in quote.also)]


def quote_html(quote: Quote) -> str:
    """A quote as HTML without scripts: the answer, the steps, the bill's shape with bars, and what comes on top."""
    head = escape(headline(quote))
    small = "<br>".join(escape(line) for line in details(quote))
    steps = "".join(
        f"<tr><td style='text-align:left'>{escape(p.label)}</td><td>{used(p.after, quote.unit)}</td>"
        f"<td>{used(p.up_to, quote.unit)}</td><td>{escape(money(p.amount, quote.currency))}</td></tr>"
        for p in quote.portions
    )
    most = max((amount for _, amount in quote.shape), default=Fraction(0))
    rows = ""
    for units, amount in quote.shape:
        width = int(160 * amount / most) if most > 0 else 0
        weight = "bold" if units == quote.units else "normal"
        rows += (
            f"<tr style='font-weight:{weight}'><td>{used(units, quote.unit)}</td>"
            f"<td>{escape(money(amount, quote.currency))}</td><td style='text-align:left'><div style='background:#4c78a8;"
            f"height:0.7em;width:{max(0, width)}px'></div></td></tr>"
        )
    more = "".join(f"<li>{escape(line)}</li>" for line in on_top(quote))
    return (
        f"<div><div style='font-size:1.3em'><strong>{head}</strong></div><div style='opacity:0.7'>{small}</div>"
        "<table style='margin-top:0.6em'><thead><tr><th style='text-align:left'>price</th><th>after</th><th>up to</th>"
        f"<th>amount</th></tr></thead><tbody>{steps}</tbody></table>"
        f"<table style='margin-top:0.6em'><thead><tr><th>use</th><th>bill</th><th></th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
        + (f"<p>Also in this offer:</p><ul>{more}</ul>" if more else "")
        + "</div>"
    )


def quote_plot(quote: Quote) -> Any:
    """The bill curve and the quoted point; floats are for the eye only."""
    import hvplot.pandas  # noqa: F401
    import pandas as pd

    curve = pd.DataFrame(
        {quote.unit: [u for u, _ in quote.shape], quote.currency: [float(a) for _, a in quote.shape]}
    )
    point = pd.DataFrame({quote.unit: [quote.units], quote.currency: [float(quote.amount)]})
    line = curve.hvplot.line(x=quote.unit, y=quote.currency, title=headline(quote), line_width=2, grid=True, height=320,
                             responsive=True, yformatter="%.2f")  # fmt: skip
    return line * point.hvplot.scatter(
        x=quote.unit, y=quote.currency, size=120, color="#d62728", hover_cols="all"
    )
