"""Invoice lines: the one place where money is rounded, and the remainders that offers carry on.

An exact total ``amount / den`` nano becomes a whole number of minor units once, half away from zero. For a
price without tax in it that is the line's net; for a tax-inclusive price it is what the customer pays, and
the net follows when the document's tax is known (``documents``).
"""

from __future__ import annotations

from fractions import Fraction

import pyarrow as pa

from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.ledger.book import MONEY
from workbench.model.money import minor_nano, round_half_away
from workbench.settlement.work import half_away, line_id, register, relation

_KEY = "account_id, offer_id, component_id, currency, tax_category, tax_rate_ppm, inclusive"


def make_lines(lake: Lake, period: str, release: frozenset[str]) -> None:
    """Make ``settle_lines`` from ``settle_rated``: ordinary lines, then remainders carried from earlier
    periods.
    """
    lake.con.execute(
        f"CREATE OR REPLACE TEMP TABLE settle_lines AS SELECT *, {line_id(lake.tenant)} AS line_id FROM (SELECT "
        "line_no, account_id, offer_id, offer_version, component_id, kind, kind AS of_kind, units, amount, den, "
        "currency, tax_category, tax_rate_ppm, i.tax_category IS NOT NULL AS inclusive, unit, "
        f"{half_away('amount', 'den * unit')} * unit AS rounded_nano, 0::HUGEINT AS accrued_nano, "
        f"'' AS refers_to, {quote(period)} AS period, period_start, period_end "
        "FROM settle_rated JOIN settle_offers USING (offer_id, offer_version, currency) "
        "JOIN settle_currency USING (currency) "
        "LEFT JOIN settle_inclusive i USING (offer_id, offer_version, tax_category) WHERE charged AND side = 'sell')"
    )
    _add_carried(lake, period, release)


def number_lines(lake: Lake, table: str) -> None:
    """Give lines without charges of their own (``line_no`` NULL) the numbers after the last rated line."""
    lake.con.execute(
        f"UPDATE {table} SET line_no = n.line_no FROM (SELECT line_id, (SELECT coalesce(max(line_no), 0) "
        f"FROM settle_rated) + row_number() OVER (ORDER BY account_id, offer_id, component_id, line_id) AS line_no "
        f"FROM {table} WHERE line_no IS NULL) n WHERE {table}.line_id = n.line_id"
    )


def _add_carried(lake: Lake, period: str, release: frozenset[str]) -> None:
    """A line of its own for what earlier rounding left open, where the offer says ``carry_remainder``.

    What is open is the exact total of all lines ever billed under a key less what they were rounded to, so
    nothing is stored twice and nothing can be carried twice. An account in ``release`` settles this
    period's residue too.
    """
    rows = _carried_rows(lake, period, release)
    if not rows:
        return
    names = ("account_id", "offer_id", "component_id", "currency", "tax_category", "tax_rate_ppm", "inclusive",
             "offer_version", "amount", "den", "rounded_nano", "refers_to")  # fmt: skip
    money = {"amount", "den", "rounded_nano"}
    columns = {
        name: pa.array([row[index] for row in rows], MONEY if name in money else None)
        for index, name in enumerate(names)
    }
    register(lake, "settle_carry", pa.table(columns))
    lake.con.execute(
        f"INSERT INTO settle_lines BY NAME SELECT *, {line_id(lake.tenant)} AS line_id FROM (SELECT c.*, "
        "'carry' AS kind, 'carry' AS of_kind, 0::HUGEINT AS units, unit, "
        f"0::HUGEINT AS accrued_nano, {quote(period)} AS period, span.* FROM settle_carry c "
        "JOIN settle_currency USING (currency), "
        "(SELECT min(period_start) AS period_start, max(period_end) AS period_end FROM settle_rated) span)"
    )


def _carried_rows(lake: Lake, period: str, release: frozenset[str]) -> list[tuple[object, ...]]:
    lake.con.execute(
        "CREATE OR REPLACE TEMP TABLE settle_carry AS SELECT DISTINCT offer_id FROM settle_offers WHERE carry"
    )
    leaving = f"list_contains([{', '.join(quote(item) for item in sorted(release))}]::VARCHAR[], account_id)"
    earlier = relation(lake, "invoice_lines")
    found = lake.con.execute(
        f"WITH billed AS (SELECT {_KEY}, offer_version, kind, amount::HUGEINT AS amount, period, "
        f"price_denominator::HUGEINT AS den, rounded_nano::HUGEINT AS rounded_nano, true AS earlier "
        f"FROM {earlier} WHERE kind <> 'deferred' UNION ALL SELECT {_KEY}, offer_version, kind, amount, period, "
        f"den, rounded_nano, false FROM settle_lines WHERE {leaving}), "
        "here AS (SELECT account_id, offer_id, max(offer_version) AS here_version FROM settle_lines GROUP BY ALL) "
        f"SELECT {_KEY}, coalesce(max(here_version), max(offer_version)), den, "
        "coalesce(sum(amount) FILTER (kind <> 'carry'), 0)::HUGEINT, sum(rounded_nano)::HUGEINT, "
        "coalesce(max(period) FILTER (earlier), max(period)) "
        "FROM billed SEMI JOIN settle_carry USING (offer_id) LEFT JOIN here USING (account_id, offer_id) "
        f"WHERE here_version IS NOT NULL OR {leaving} GROUP BY {_KEY}, den ORDER BY ALL"
    ).fetchall()
    return _open_remainders(found)


def _open_remainders(found: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Sum each key over its denominators; what is open and not zero becomes a line."""
    sums: dict[tuple[object, ...], tuple[object, Fraction, str]] = {}
    for row in found:
        key, (version, den, amount, rounded, source) = row[:7], row[7:]
        _, so_far, last = sums.get(key, (version, Fraction(0), ""))
        opened = so_far + Fraction(int(str(amount)), int(str(den))) - int(str(rounded))
        sums[key] = (version, opened, max(last, str(source)))
    lines = []
    for key, (version, opened, source) in sums.items():
        if opened:
            unit = minor_nano(str(key[3]))
            rounded = round_half_away(opened.numerator, opened.denominator * unit) * unit
            lines.append((*key, version, opened.numerator, opened.denominator, rounded, source))
    return lines
