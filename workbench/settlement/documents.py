"""Documents: lines gathered per account and currency, their tax, and what falls below a minimum invoice.

Tax is computed once per document, category and rate, on the summed base. Where prices include tax, the
customer pays the rounded prices to the unit: tax is cut out of their sum, and the lines' nets are the
largest-remainder parts of what is left, so lines, tax and total always add up.
"""

from __future__ import annotations

from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.settlement.lines import number_lines
from workbench.settlement.work import half_away, line_id, relation

DOC = "account_id, currency"
GROUP = "tax_category, tax_rate_ppm, inclusive"
_PPM = 1_000_000


def tax_of(base: str = "base", unit: str = "unit") -> str:
    """SQL of the tax on a summed base of rounded amounts, by ``inclusive`` and ``tax_rate_ppm``, in whole
    units.
    """
    inside = half_away(f"{base} * tax_rate_ppm", f"({_PPM} + tax_rate_ppm) * {unit}")
    on_top = half_away(f"{base} * tax_rate_ppm", f"{_PPM}::HUGEINT * {unit}")
    return f"(CASE WHEN inclusive THEN {inside} ELSE {on_top} END * {unit})"


def tax_groups(lines: str, doc: str = DOC) -> str:
    """SQL of one row per document, category and rate: base, net_nano, tax_nano (HUGEINT).

    Args:
        lines: relation with ``doc``'s columns, ``GROUP``'s, ``rounded_nano`` and ``unit``.
    """
    return (
        f"(SELECT *, CASE WHEN inclusive THEN base - tax_nano ELSE base END AS net_nano FROM (SELECT *, {tax_of()} "
        f"AS tax_nano FROM (SELECT {doc}, {GROUP}, any_value(unit) AS unit, sum(rounded_nano)::HUGEINT AS base "
        f"FROM {lines} GROUP BY {doc}, {GROUP})))"
    )


def net_lines(lines: str, groups: str, doc: str = DOC) -> str:
    """SQL of ``lines`` with each line's ``net_nano``: its rounded amount, or its part of an inclusive
    group's net.

    The parts follow ``apportion.round_shares``: quotas cut towards zero, then a unit each to the largest
    remainders, ties by line id.
    """
    quota, share = f"(rounded_nano // unit * {_PPM})", f"({_PPM} + tax_rate_ppm)"
    keys = f"{doc}, {GROUP}"
    cut = f"(SELECT *, {quota} // {share} AS cut, {quota} % {share} AS rest FROM {lines} WHERE inclusive)"
    whole = f"(SELECT {keys}, net_nano AS group_net FROM {groups} WHERE inclusive)"
    missing = (
        f"(SELECT *, group_net // unit - (sum(cut) OVER (PARTITION BY {keys}))::HUGEINT AS missing "
        f"FROM {cut} JOIN {whole} USING ({keys}))"
    )
    placed = (
        f"(SELECT *, row_number() OVER (PARTITION BY {keys} ORDER BY sign(missing)::HUGEINT * rest DESC, line_id) "
        f"AS place FROM {missing})"
    )
    part = "(cut + CASE WHEN place <= abs(missing) THEN sign(missing)::HUGEINT ELSE 0 END) * unit"
    return (
        f"(SELECT *, rounded_nano AS net_nano FROM {lines} WHERE NOT inclusive UNION ALL BY NAME "
        f"SELECT * EXCLUDE (cut, rest, group_net, missing, place), ({part})::HUGEINT AS net_nano FROM {placed})"
    )


def make_documents(lake: Lake, period: str, release: frozenset[str]) -> None:
    """Make ``settle_docs`` (account, currency, state) and ``settle_final`` (lines with net and state).

    A document whose total to pay, with what was deferred before, stays below the minimum is ``deferred``:
    its lines are accrued and wait. Otherwise it is ``issued`` and takes up what waited, one line per source
    and tax rate. The minimum of a document is the lowest that one of its offers asks for.
    """
    con = lake.con
    leaving = f"list_contains([{', '.join(quote(item) for item in sorted(release))}]::VARCHAR[], account_id)"
    con.execute(f"CREATE OR REPLACE TEMP TABLE settle_waiting AS {_waiting(lake, period)}")
    con.execute("UPDATE settle_waiting SET line_id = " + line_id(lake.tenant))
    both = (
        "(SELECT account_id, currency, offer_id, tax_category, tax_rate_ppm, inclusive, rounded_nano, unit, "
        "true AS fresh FROM settle_lines UNION ALL SELECT account_id, currency, offer_id, tax_category, "
        "tax_rate_ppm, inclusive, rounded_nano, unit, false FROM settle_waiting)"
    )
    lowest = "(SELECT offer_id, currency, min(minimum) AS minimum FROM settle_offers GROUP BY ALL)"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE settle_docs AS SELECT {DOC}, CASE WHEN pay BETWEEN 0 AND asked - 1 "
        f"AND NOT {leaving} THEN 'deferred' ELSE 'issued' END AS state, '' AS amends FROM "
        f"(SELECT {DOC}, sum(net_nano + tax_nano)::HUGEINT AS pay FROM {tax_groups(both)} GROUP BY {DOC}) "
        f"JOIN (SELECT {DOC}, coalesce(min(minimum), 0) AS asked, bool_or(fresh) AS fresh FROM {both} "
        f"LEFT JOIN {lowest} USING (offer_id, currency) GROUP BY {DOC}) USING ({DOC}) WHERE fresh OR {leaving}"
    )
    con.execute(
        "INSERT INTO settle_lines BY NAME SELECT w.* FROM settle_waiting w JOIN settle_docs d "
        f"USING ({DOC}) WHERE d.state = 'issued'"
    )
    con.execute("DROP TABLE settle_waiting")
    number_lines(lake, "settle_lines")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE settle_final AS SELECT * FROM "
        f"{net_lines('settle_lines', tax_groups('settle_lines'))} JOIN "
        f"(SELECT {DOC}, state FROM settle_docs) USING ({DOC})"
    )


def number_documents(lake: Lake, series: str, deferral_series: str, issued_kind: str = "invoice") -> None:
    """Add number and invoice_no to ``settle_docs``: gap-free per series, by account id, after the last ones
    given.
    """
    last = f"(SELECT series, max(number) AS last FROM {relation(lake, 'invoices')} GROUP BY series)"
    lake.con.execute(
        "CREATE OR REPLACE TEMP TABLE settle_docs AS SELECT * EXCLUDE (last), "
        "printf('%s-%06d', series, number) AS invoice_no FROM (SELECT *, coalesce(last, 0) + row_number() "
        "OVER (PARTITION BY series ORDER BY account_id, currency, amends) AS number "
        "FROM (SELECT account_id, currency, amends, state, "
        f"CASE state WHEN 'issued' THEN {quote(series)} ELSE {quote(deferral_series)} END AS series, "
        f"CASE state WHEN 'issued' THEN {quote(issued_kind)} ELSE 'deferral' END AS kind FROM settle_docs) "
        f"LEFT JOIN {last} USING (series))"
    )


def _waiting(lake: Lake, period: str) -> str:
    """SQL of one line per deferred document, offer version and tax rate that no invoice took up yet."""
    invoices, lines = relation(lake, "invoices"), relation(lake, "invoice_lines")
    return (
        "SELECT NULL::INTEGER AS line_no, l.account_id, l.offer_id, l.offer_version, 'deferred' AS component_id, "
        "'deferred' AS kind, 'deferred' AS of_kind, 0::HUGEINT AS units, 0::HUGEINT AS amount, 1::HUGEINT AS den, "
        "l.currency, l.tax_category, l.tax_rate_ppm, l.inclusive, any_value(unit)::HUGEINT AS unit, "
        "sum(l.rounded_nano)::HUGEINT AS rounded_nano, sum(l.net_nano)::HUGEINT AS accrued_nano, "
        f"l.invoice_no AS refers_to, {quote(period)} AS period, min(l.period_start) AS period_start, "
        f"max(l.period_end) AS period_end, '' AS line_id FROM {lines} l JOIN settle_currency USING (currency) "
        f"SEMI JOIN (SELECT invoice_no FROM {invoices} WHERE state = 'deferred') i USING (invoice_no) "
        f"ANTI JOIN (SELECT refers_to AS invoice_no FROM {lines} WHERE kind = 'deferred') t USING (invoice_no) "
        "GROUP BY l.account_id, l.offer_id, l.offer_version, l.currency, l.tax_category, l.tax_rate_ppm, "
        "l.inclusive, l.invoice_no"
    )
