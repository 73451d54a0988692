"""After the close: what late events change is added beside the closed rows, never written over them.

A closed period is rated again; each line's new total less what was posted becomes an adjustment ``<line id>:<n>`` on
a document that names the original invoice. Everything telescopes:

    line        round(T_new) - sum of what was billed      so line and adjustments are the rounded new total
    tax         tax(base after) - tax(base before)         per original invoice and rate
    statements  rounded S(after) - sum of what was stated  per partner

Closing first and hearing late, or hearing first and closing late, come to the same totals (I15).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction

from workbench.errors import SettlementError
from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.ledger.sql import number
from workbench.model.offer import Catalogue, Offer
from workbench.settlement import checks as own
from workbench.settlement import record
from workbench.settlement import statements as stated
from workbench.settlement.bookings import book_all
from workbench.settlement.documents import DOC, GROUP, net_lines, number_documents, tax_of
from workbench.settlement.holds import waiting, without
from workbench.settlement.lines import number_lines
from workbench.settlement.publish import put_together, summary, write_all
from workbench.settlement.terms import Compiled, OfferKey, Terms, offers_by_key
from workbench.settlement.work import (
    Rated,
    half_away,
    line_id,
    load_offers,
    load_rated,
    offer_keys,
    relation,
    workspace,
)  # fmt: skip

KEY = "account_id, offer_id, offer_version, component_id, of_kind, currency, tax_category, tax_rate_ppm"


@dataclass(frozen=True, slots=True)
class AdjustResult:
    """What late events changed.

    Attributes:
        n: which adjustment of the period this is; 0 when nothing had changed and nothing was written.
        lines: adjusted lines. documents: adjustment documents made.
        totals: currency -> ``net``, ``tax``, ``gross`` of the documents issued, nano-units, negative for a credit.
    """

    period: str
    n: int
    lines: int = 0
    documents: int = 0
    totals: dict[str, dict[str, int]] = field(default_factory=dict)
    version: int = 0


def adjust(
    lake: Lake,
    plan: Catalogue | Compiled,
    period: str,
    rated: Rated,
    now: datetime,
    terms: Terms | None = None,
    release: Collection[str] = (),
) -> AdjustResult:
    """Post the difference between a closed period as rated now and as posted so far.

    Must run inside ``lake.writer()``. Adjusting twice by the same totals posts nothing the second time.

    Args:
        plan: the plan of the period; offer versions do not change.
        rated: the whole period rated again (lines and charges), not only what is new.
        now: the instant of issue, UTC.
        release: cases that were decided; what is held for them is billed now. What is held for others stays so.

    Raises:
        SettlementError: ``not_closed`` and whatever ``close`` raises.
    """
    if period not in lake.facts(record.FACT):
        raise SettlementError(
            "Only a closed period is adjusted.",
            where=period,
            cure="Close the period first.",
            code="not_closed",
        )
    terms, n = terms or Terms(), 1 + sum(name.startswith(f"{period}#") for name in lake.facts(record.FACT))
    held = waiting(lake, period)
    freed = sorted({hold.case_id for hold in held} & set(release))
    rated = without(rated, [hold for hold in held if hold.case_id not in freed])
    with workspace(lake):
        load_rated(lake, rated)
        lake.con.execute(f"CREATE OR REPLACE TEMP TABLE settle_posted AS {_posted(lake, period)}")
        stated_keys = (
            f"SELECT offer_id, offer_version, currency FROM {relation(lake, 'statements', period=period)}"
        )
        wanted = [*offer_keys(lake), *lake.con.execute(
            f"SELECT offer_id, offer_version, currency FROM settle_posted UNION {stated_keys}").fetchall()]  # fmt: skip
        offers = offers_by_key(plan, wanted)
        load_offers(lake, offers)
        _make_lines(lake, period, n)
        if not number(lake.con, "SELECT count(*) FROM settle_lines"):
            return AdjustResult(period, 0, version=lake.state.version)
        return _publish(lake, period, n, rated, offers, terms, now, freed)


def _publish(
    lake: Lake,
    period: str,
    n: int,
    rated: Rated,
    offers: Mapping[OfferKey, Offer],
    terms: Terms,
    now: datetime,
    freed: list[str],
) -> AdjustResult:
    _make_documents(lake, period, terms)
    moved = _moved_statements(lake, period, n, rated, offers, terms)
    shares = list(stated.postings(moved, _moved_rounding(lake, period, offers), period, f"#{n}"))
    booked = book_all(lake, shares, period, now)
    segments = write_all(lake, period, f"adj-{n:04d}", now, moved, booked)
    own.refuse(own.document_checks(lake, period, segments))
    made = summary(lake, "adjust", period, now, moved, booked, segments)
    fact = record.chained(lake, {**made, "released": freed} if freed else made)
    run = {"stage": "adjust", "period": period, "n": n}
    version = lake.commit(run, add=segments, facts={record.FACT: {f"{period}#{n}": fact}})
    totals = {c: {name: int(nano) for name, nano in part.items()} for c, part in fact["totals"].items()}
    documents = fact["invoices"] + fact["deferred"]
    return AdjustResult(period, n, fact["lines"], documents, totals, version)


def _posted(lake: Lake, period: str) -> str:
    """SQL of what was billed so far: one row per line with its adjustments summed."""
    lines = relation(lake, "invoice_lines", period=period)
    return (
        f"SELECT split_part(line_id, ':', 1) AS base_id, {KEY}, min(line_no) AS line_no, "
        "max(price_denominator)::HUGEINT AS den, sum(units)::HUGEINT AS units, sum(amount)::HUGEINT AS amount, "
        "sum(rounded_nano)::HUGEINT AS rounded_nano, min(period_start) AS period_start, "
        "max(period_end) AS period_end FROM (SELECT * REPLACE (amount::HUGEINT * (den // price_denominator::HUGEINT) "
        "AS amount, den AS price_denominator) FROM (SELECT *, max(price_denominator::HUGEINT) OVER "
        f"(PARTITION BY split_part(line_id, ':', 1)) AS den FROM {lines} "
        f"WHERE of_kind NOT IN {own.NOT_NEW})) GROUP BY ALL"
    )


def _make_lines(lake: Lake, period: str, n: int) -> None:
    """Make ``settle_lines``: new total less posted total, over the common denominator of both."""
    common = "lcm(coalesce(r.den, 1), coalesce(p.den, 1))"
    lake.con.execute(
        "CREATE OR REPLACE TEMP TABLE settle_lines AS WITH r AS (SELECT *, kind AS of_kind, "
        f"{half_away('amount', 'den * unit')} * unit AS rounded_nano FROM settle_rated "
        "JOIN settle_offers USING (offer_id, offer_version, currency) JOIN settle_currency USING (currency) "
        f"WHERE charged AND side = 'sell'), joined AS (SELECT {KEY}, p.base_id, p.line_no, {common} AS den, "
        "coalesce(r.units, 0) - coalesce(p.units, 0) AS units, "
        f"coalesce(r.amount, 0) * ({common} // coalesce(r.den, 1)) "
        f"- coalesce(p.amount, 0) * ({common} // coalesce(p.den, 1)) AS amount, "
        "coalesce(r.rounded_nano, 0) - coalesce(p.rounded_nano, 0) AS rounded_nano, "
        "coalesce(p.period_start, r.period_start) AS period_start, coalesce(p.period_end, r.period_end) AS period_end "
        f"FROM r FULL JOIN settle_posted p USING ({KEY})) "
        f"SELECT j.* EXCLUDE (base_id), base_id, 'adjustment' AS kind, unit, 0::HUGEINT AS accrued_nano, "
        f"i.tax_category IS NOT NULL AS inclusive, '' AS refers_to, {quote(period)} AS period, '' AS line_id "
        "FROM joined j JOIN settle_currency USING (currency) "
        "LEFT JOIN settle_inclusive i USING (offer_id, offer_version, tax_category) WHERE amount <> 0 OR units <> 0"
    )
    lake.con.execute(f"UPDATE settle_lines SET line_id = coalesce(base_id, {line_id(lake.tenant)}) || ':{n}'")
    lake.con.execute("ALTER TABLE settle_lines DROP COLUMN base_id")
    number_lines(lake, "settle_lines")


def _make_documents(lake: Lake, period: str, terms: Terms) -> None:
    """One document per account and currency; it amends that account's document of the close and shares its state."""
    docs = relation(lake, "invoices", period=period)
    first = (
        f"(SELECT account_id, currency, invoice_no AS amends, state FROM {docs} "
        "WHERE refers_to = '' AND kind IN ('invoice', 'deferral'))"
    )
    lake.con.execute(
        "CREATE OR REPLACE TEMP TABLE settle_docs AS SELECT account_id, currency, "
        f"coalesce(state, 'issued') AS state, coalesce(amends, '') AS amends "
        f"FROM (SELECT DISTINCT {DOC} FROM settle_lines) LEFT JOIN {first} USING ({DOC})"
    )
    number_documents(lake, terms.adjustment_series, terms.deferral_series, "adjustment")
    groups = f"({_tax_moved(lake)})"
    lake.con.execute(
        f"CREATE OR REPLACE TEMP TABLE settle_final AS SELECT * FROM {net_lines('settle_lines', groups)} "
        f"JOIN (SELECT {DOC}, state FROM settle_docs) USING ({DOC})"
    )
    put_together(lake, groups, DOC)


def _tax_moved(lake: Lake) -> str:
    """SQL of tax groups in which tax is the difference it makes to the amended document and its adjustments."""
    family = (
        f"SELECT amends, invoice_no FROM (SELECT refers_to AS amends, invoice_no FROM {relation(lake, 'invoices')} "
        f"WHERE refers_to <> '') UNION ALL SELECT DISTINCT amends, amends FROM settle_docs WHERE amends <> ''"
    )
    before = (
        f"SELECT account_id, currency, {GROUP}, sum(rounded_nano)::HUGEINT AS before "
        f"FROM (SELECT * FROM {relation(lake, 'invoice_lines')}) l "
        f"JOIN (SELECT f.invoice_no FROM settle_docs d JOIN ({family}) f USING (amends)) m "
        "ON m.invoice_no = l.invoice_no GROUP BY ALL"
    )
    moved = (
        f"SELECT {DOC}, {GROUP}, any_value(unit) AS unit, sum(rounded_nano)::HUGEINT AS base FROM settle_lines "
        f"GROUP BY {DOC}, {GROUP}"
    )
    tax = f"{tax_of('(coalesce(before, 0) + base)')} - {tax_of('coalesce(before, 0)')}"
    return (
        "SELECT *, CASE WHEN inclusive THEN base - tax_nano ELSE base END AS net_nano "
        f"FROM (SELECT * EXCLUDE (before), {tax} AS tax_nano FROM ({moved}) "
        f"LEFT JOIN ({before}) USING ({DOC}, {GROUP}))"
    )


def _moved_statements(
    lake: Lake, period: str, n: int, rated: Rated, offers: Mapping[OfferKey, Offer], terms: Terms
) -> list[stated.Statement]:
    """Each partner's statement as it would be now, less what was stated so far."""
    touched, told = {key[:2] for key in _touched(lake)}, _told(lake, period)
    now = stated.takings(lake, _after(lake, period), offers)
    spans = {key[:2]: (took.period_start, took.period_end) for key, took in now.items()}
    for offer_id, version, currency, _ in told:  # a guarantee may have been paid where nothing was charged
        begins, ends = spans.get((offer_id, version), (None, None))
        idle = stated.Takings(period_start=begins, period_end=ends)
        now.setdefault((offer_id, version, currency), idle)
    after = {key: took for key, took in now.items() if key[:2] in touched}
    result = []
    for item in stated.statements(lake, rated, after, offers, terms, period):
        key = (item.offer_id, item.offer_version, item.currency, item.partner_id)
        share, nano = told.get(key, (Fraction(0), 0))
        moved = replace(
            item,
            share=stated.fits(item.share - share),
            statement_nano=item.statement_nano - nano,
            refers_to=f"#{n}",
        )
        if moved.share or moved.statement_nano:
            result.append(moved)
    return result


def _told(lake: Lake, period: str) -> dict[tuple[str, int, str, str], tuple[Fraction, int]]:
    """Shares and statements so far, by offer version, currency and partner."""
    told: dict[tuple[str, int, str, str], tuple[Fraction, int]] = {}
    for *key, numerator, denominator, nano in lake.con.execute(
        "SELECT offer_id, offer_version, currency, partner_id, share_numerator::HUGEINT, share_denominator::HUGEINT, "
        f"statement_nano::HUGEINT FROM {relation(lake, 'statements', period=period)}"
    ).fetchall():
        offer_id, version, currency, partner = key
        share, so_far = told.get((offer_id, version, currency, partner), (Fraction(0), 0))
        told[offer_id, version, currency, partner] = (share + Fraction(numerator, denominator), so_far + nano)
    return told


def _moved_rounding(lake: Lake, period: str, offers: Mapping[OfferKey, Offer]) -> dict[OfferKey, int]:
    """How far lines moved beyond their rounded totals: what the rounding account must take up."""
    before = stated.takings(lake, _before(lake, period), offers)
    after = stated.takings(lake, _after(lake, period), offers)
    empty = stated.Takings()

    def beyond(took: stated.Takings, currency: str) -> int:
        return took.net_nano - stated.rounded_total(took, currency)

    return {
        key: beyond(after[key], key[2]) - beyond(before.get(key, empty), key[2]) for key in _touched(lake)
    }


def _touched(lake: Lake) -> list[OfferKey]:
    rows: list[OfferKey] = lake.con.execute(
        "SELECT DISTINCT offer_id, offer_version, currency FROM settle_lines ORDER BY ALL"
    ).fetchall()
    return rows


_TAKINGS = (
    "offer_id, offer_version, currency, component_id, of_kind, inclusive, tax_rate_ppm, units, amount, net_nano, "
    "period_start, period_end"
)


def _before(lake: Lake, period: str) -> str:
    lines = relation(lake, "invoice_lines", period=period)
    return f"(SELECT {_TAKINGS}, price_denominator::HUGEINT AS den FROM {lines})"


def _after(lake: Lake, period: str) -> str:
    return f"(SELECT * FROM {_before(lake, period)} UNION ALL SELECT {_TAKINGS}, den FROM settle_final)"
