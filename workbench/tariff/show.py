"""How quotes look in a notebook: plain HTML without scripts, and a chart made on demand."""

from __future__ import annotations

from fractions import Fraction
from html import escape
from typing import TYPE_CHECKING, Any

from workbench.model.money import MINOR_DIGITS, decimal_text

if TYPE_CHECKING:
    from workbench.tariff.quote import Quote


def money(amount: Fraction, currency: str) -> str:
    """An exact amount for people: at least the currency's own digits, ``1/3`` where no decimal is exact."""
    return f"{decimal_text(amount, MINOR_DIGITS.get(currency, 2))} {currency}"


def headline(quote: Quote) -> str:
    """The answer in one line."""
    return (
        f"{quote.units:,} {quote.unit} of {quote.component_id} cost {money(quote.amount, quote.currency)} "
        f"({quote.offer_id} version {quote.offer_version}, rate '{quote.rate_id}')"
    )


def quote_html(quote: Quote) -> str:
    """A quote as a small HTML table."""
    rows = "".join(
        f"<tr><td>{p.step}</td><td style='text-align:right'>{p.after:,}</td><td style='text-align:right'>{p.up_to:,}"
        f"</td><td style='text-align:right'>{p.units:,}</td><td style='text-align:right'>"
        f"{escape(money(p.amount, quote.currency))}</td></tr>"
        for p in quote.portions
    )
    fees = "".join(
        f"<li>{escape(name)}: {escape(money(amount, quote.currency))} every {escape(every)} per {escape(per)}</li>"
        for name, amount, every, per in quote.fees
    )
    return (
        f"<div><strong>{escape(headline(quote))}</strong><table><thead><tr><th>step</th><th>after</th><th>up to</th>"
        f"<th>{escape(quote.unit)}</th><th>amount</th></tr></thead><tbody>{rows}</tbody></table>"
        + (f"<p>On top:</p><ul>{fees}</ul>" if fees else "")
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
    line = curve.hvplot.line(x=quote.unit, y=quote.currency, title=f"{quote.offer_id}: {quote.component_id}")
    return line * point.hvplot.scatter(x=quote.unit, y=quote.currency, size=80)
