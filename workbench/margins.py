"""What is left of what was sold after what was bought: margin per SIM, network, offer and customer, exactly.

Both sides priced the same records, so a margin is the difference of two exact sums of charges. A sold charge knows its
customer and offer by its line. A bought one belongs to whoever the same device's (and meter's) use was sold to in the
period; what nobody was sold stays with the buying line's own account and offer, and shows as a loss there.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from workbench.errors import UsageError
from workbench.lake.lake import Lake
from workbench.lake.sql import name, quote
from workbench.model.money import round_half_away

if TYPE_CHECKING:
    import pandas as pd

    from workbench.lake.open import OpenLake

BY = ("customer", "offer", "sim")
_LINE_COLUMNS = (
    "line_no",
    "device_key",
    "window_start",
    "units",
    "amount",
    "step",
    "period",
    "stream",
    "partition",
)


@dataclass(frozen=True, slots=True)
class Margin:
    """One row: what a customer, offer, SIM or value of a dimension brought in and cost, in exact nano-units.

    ``key`` is empty for what has none: account fees have no SIM, fees no network.
    """

    key: str
    currency: str
    sold_nano: Fraction
    bought_nano: Fraction

    @property
    def margin_nano(self) -> Fraction:
        """What is left; below zero for a loss."""
        return self.sold_nano - self.bought_nano

    @property
    def percent(self) -> Fraction | None:
        """Of what was sold; ``None`` when nothing was."""
        return 100 * self.margin_nano / self.sold_nano if self.sold_nano else None


def margins(lake: Lake | OpenLake, by: str = "customer", period: str = "") -> list[Margin]:
    """The margins of a rated period, the greatest first; they sum to everything sold less everything bought.

    Args:
        by: ``customer``, ``offer``, ``sim``, or a dimension that some price looks at (``network``, ``country`` ...).
        period: as in ``lake.periods``; left out: the newest that is rated.

    Raises:
        UsageError: ``margin_by``: nothing by that name; ``period_unknown``.
    """
    inner = lake if isinstance(lake, Lake) else lake.inner
    chosen = _period(inner, period)
    charges, lines = inner.scan("charges", period=chosen), inner.scan("lines", period=chosen)
    key = _key(inner, charges, by)
    source = (
        f"(SELECT c.*, l.account_id, l.offer_id, l.meter, l.currency, l.side, l.price_denominator::HUGEINT AS den "
        f"FROM {charges} c JOIN {lines} l USING (line_no))"
    )
    rows = inner.con.execute(
        f"WITH c AS MATERIALIZED {source}, {_owners()} "
        f"SELECT coalesce(({key})::VARCHAR, ''), c.currency, c.side, c.den, sum(c.amount)::HUGEINT FROM c "
        "LEFT JOIN of_meter m ON c.side = 'buy' AND m.device_key = c.device_key AND m.meter = c.meter "
        "LEFT JOIN of_device o ON c.side = 'buy' AND o.device_key = c.device_key "
        f"LEFT JOIN {inner.scan('devices')} d ON d.device_key = c.device_key GROUP BY ALL"
    ).fetchall()
    sums: dict[tuple[str, str], dict[str, Fraction]] = defaultdict(
        lambda: {"sell": Fraction(0), "buy": Fraction(0)}
    )
    for word, currency, side, denominator, amount in rows:
        sums[word, currency][side] += Fraction(int(amount), int(denominator))
    found = [Margin(word, currency, both["sell"], both["buy"]) for (word, currency), both in sums.items()]
    return sorted(found, key=lambda row: (row.currency, -row.margin_nano, row.key))


def margin(lake: Lake | OpenLake, by: str = "customer", period: str = "") -> pd.DataFrame:
    """``margins`` for a notebook: a DataFrame whose amounts are ``Decimal`` of the main unit, to the nano.

    Args and errors: as ``margins``.
    """
    import pandas as pd

    rows = [
        {by: row.key, "currency": row.currency, "sold": _decimal(row.sold_nano), "bought": _decimal(row.bought_nano),
         "margin": _decimal(row.margin_nano)}
        for row in margins(lake, by, period)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=[by, "currency", "sold", "bought", "margin"])


def _period(lake: Lake, period: str) -> str:
    known = sorted({segment.period for segment in lake.segments("lines")})
    if period in known:
        return period
    if period or not known:
        raise UsageError(
            f"No period {period!r} has been rated." if period else "No period has been rated.",
            where="period",
            cure=f"Rated: {', '.join(known)[:200]}."
            if known
            else "Rate one: workbench rate LAKE --period 2026-03",
            code="period_unknown",
        )
    return known[-1]


def _key(lake: Lake, charges: str, by: str) -> str:
    """SQL of the column to group by."""
    if by == "customer":
        return "coalesce(m.account_id, o.account_id, c.account_id)"
    if by == "offer":
        return "coalesce(m.offer_id, o.offer_id, c.offer_id)"
    if by == "sim":
        return "d.device_id"
    columns = [row[0] for row in lake.con.execute(f"DESCRIBE SELECT * FROM {charges}").fetchall()]
    dimensions = [column for column in columns if column not in _LINE_COLUMNS]
    if by not in dimensions:
        words = ", ".join((*BY, *dimensions))
        raise UsageError(
            f"There is no margin by {by[:40]!r}.",
            where="by",
            cure=f"By one of: {words}. A dimension is there when some price of either side looks at it.",
            code="margin_by",
        )
    return f"c.{name(by)}"


def _owners() -> str:
    """Who a device's use was sold to: by its meter, and at all; only where that is one."""
    sold = f"FROM c WHERE side = {quote('sell')} AND device_key IS NOT NULL"
    one = (
        "CASE WHEN count(DISTINCT account_id) = 1 THEN min(account_id) END AS account_id, "
        "CASE WHEN count(DISTINCT offer_id) = 1 THEN min(offer_id) END AS offer_id"
    )
    return (
        f"of_meter AS (SELECT device_key, meter, {one} {sold} GROUP BY ALL), "
        f"of_device AS (SELECT device_key, {one} {sold} GROUP BY ALL)"
    )


def _decimal(nano: Fraction) -> Any:
    """Nano-units as a Decimal of the main unit; parts of a nano are rounded half away from zero."""
    from decimal import Decimal

    return Decimal(round_half_away(nano.numerator, nano.denominator)).scaleb(-9)
