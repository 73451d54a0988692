"""What came out, read from the lake: exact, and the same whether the run was interrupted or not.

Every figure can be asked of the lake by anybody; nothing here is remembered from the run. Amounts are sums of charges
as fractions; where a whole number of nano is shown, it is rounded once, and shares are cut so that they sum to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.model.money import round_half_away
from workbench.settlement.apportion import round_shares


def usage_figures(lake: Lake) -> dict[str, Any]:
    """Events delivered and what became of them; rows count once per meter that reads them."""
    streams = [account for one in lake.facts("delivery").values() for account in one["streams"].values()]
    records = lake.segments("records")
    accepted, count = _control(records, "events"), sum(segment.rows for segment in records)
    return {
        "events_delivered": sum(int(account["rows"]) for account in streams),
        "events_accepted": accepted,
        "duplicates": _control(records, "duplicates"),
        "rejects": sum(segment.rows for segment in lake.segments("rejects")),
        "quarantined": sum(segment.rows for segment in lake.segments("quarantine")),
        "records": count,
        "reduction_percent": _percent(accepted - count, accepted),
        "streams": len(lake.facts("stream")),
        "deliveries": len(lake.facts("delivery")),
    }


def money_figures(lake: Lake, period: str) -> dict[str, Any]:
    """Revenue, its parts, its split, and the documents of one billing period.

    ``revenue_nano`` is the exact total of the charges, rounded once to a whole nano; ``shares`` are the partners' exact
    shares cut to whole nano so that they sum to it.
    """
    exact = sum((amount for _, _, amount in _by_component(lake, period)), Fraction(0))
    revenue = round_half_away(exact.numerator, exact.denominator)
    shares = _shares(lake, period)
    cut = round_shares(shares, 1) if shares else {}
    invoices = _one(
        lake, "SELECT count(*), sum(net_nano), sum(tax_nano), sum(gross_nano)", "invoices", period
    )
    return {
        "period": period,
        "currency": _currency(lake, period),
        "revenue_nano": revenue,
        "revenue_nano_exact": str(exact),
        "shares": dict(sorted(cut.items())),
        "shares_sum_exact": sum(shares.values(), Fraction(0)) == exact and sum(cut.values()) == revenue,
        "invoices": int(invoices[0]),
        "invoiced_nano": int(invoices[1] or 0),
        "tax_nano": int(invoices[2] or 0),
        "gross_nano": int(invoices[3] or 0),
        "rounding_nano": int(invoices[1] or 0) - revenue,
        "charges": sum(segment.rows for segment in lake.segments("charges", period=period)),
        "uncharged": sum(segment.rows for segment in lake.segments("uncharged", period=period)),
    }


def reference_figures(lake: Lake, period: str) -> dict[str, Any]:
    """What proves the reference case: lamp days, their rent, and energy = units x price, all exact."""
    parts = _by_component(lake, period)
    energy = sum((amount for meter, _, amount in parts if meter == "lamps.energy"), Fraction(0))
    rent = sum((amount for _, component, amount in parts if component == "rent"), Fraction(0))
    units = _one(
        lake,
        "SELECT coalesce(sum(c.units), 0)::HUGEINT",
        "charges",
        period,
        f"c JOIN {lake.scan('lines', period=period)} l USING (line_no) WHERE l.meter = 'lamps.energy'",
    )
    return {
        "rent_nano": _whole(rent),
        "energy_units": int(units[0]),
        "energy_nano_numerator": energy.numerator,
        "energy_nano_denominator": energy.denominator,
    }


def period_of(lake: Lake) -> str:
    """The newest billing period that was rated; empty when none was."""
    return max(
        (segment.period for segment in lake.segments("lines") if "#" not in segment.period), default=""
    )


def _by_component(lake: Lake, period: str) -> list[tuple[str, str, Fraction]]:
    """Meter, component and exact nano of the period's charges; what is bought is no revenue."""
    rows = lake.con.execute(
        "SELECT l.meter, l.component_id, l.price_denominator, sum(c.amount)::HUGEINT "
        f"FROM {lake.scan('charges', period=period)} c JOIN {lake.scan('lines', period=period)} l USING (line_no) "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return [(meter, component, Fraction(int(amount), int(den))) for meter, component, den, amount in rows]


def _shares(lake: Lake, period: str) -> dict[str, Fraction]:
    rows = lake.con.execute(
        f"SELECT partner_id, share_numerator, share_denominator FROM {lake.scan('statements', period=period)}"
    ).fetchall()
    found: dict[str, Fraction] = {}
    for partner, numerator, denominator in rows:
        found[partner] = found.get(partner, Fraction(0)) + Fraction(int(numerator), int(denominator))
    return found


def _currency(lake: Lake, period: str) -> str:
    rows = lake.con.execute(
        f"SELECT DISTINCT currency FROM {lake.scan('lines', period=period)} ORDER BY 1"
    ).fetchall()
    return ",".join(row[0] for row in rows)


def _one(lake: Lake, select: str, kind: str, period: str, rest: str = "") -> tuple[Any, ...]:
    row = lake.con.execute(f"{select} FROM {lake.scan(kind, period=period)} {rest}").fetchone()
    assert row is not None
    return row


def _control(segments: Iterable[Segment], name: str) -> int:
    return sum(int(segment.controls.get(name, 0)) for segment in segments)


def _percent(part: int, whole: int) -> float:
    """Two decimals, for people; nothing is reckoned with it."""
    return round(100 * part / whole, 2) if whole else 0.0


def _whole(amount: Fraction) -> int | str:
    """A whole number of nano, or the fraction as text."""
    return amount.numerator if amount.denominator == 1 else str(amount)
