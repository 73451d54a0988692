"""What `workbench verify` asks of settlement, and what a close asks of itself before it commits.

Pure queries over segments; each answers with counts and the first counter-example. A *family* is a document
with the adjustments that amend it: rounding and tax telescope over it, so it is what must add up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from workbench.errors import SettlementError
from workbench.lake.engine import one
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.lake.sql import quote
from workbench.ledger.checks import CheckResult
from workbench.ledger.sql import number
from workbench.model.money import MINOR_DIGITS, minor_nano
from workbench.settlement import record
from workbench.settlement.apportion import round_shares
from workbench.settlement.documents import tax_of
from workbench.settlement.holds import as_charged, held_lines, pairs, waiting, without
from workbench.settlement.remainders import wrong_remainder
from workbench.settlement.work import Rated, half_away, relation
from workbench.tariff import restore

_ROWS = ", ".join(f"('{code}', {minor_nano(code)}::HUGEINT)" for code in sorted(MINOR_DIGITS))
UNITS = f"(VALUES {_ROWS}) u(currency, unit)"
NOT_NEW = ("carry", "deferred")
_Group = tuple[str, int, str, str]
"""Offer id, version, currency, period."""


def settlement_checks(lake: Lake) -> list[CheckResult]:
    """I16, I18, I26, I27, I30, I31 (invoices against the ledger), I36 and I37 over every closed period."""
    return [
        closed_rows_unchanged(lake),
        *document_checks(lake),
        lines_are_their_charges(lake),
        statements_sum(lake),
        invoices_are_booked(lake),
        subscriptions_complete(lake),
    ]


def document_checks(lake: Lake, period: str | None = None, more: Sequence[Segment] = ()) -> list[CheckResult]:
    """I26, I27, I36 and I37; of one period and of segments that are written but not committed, when given."""
    lines = relation(lake, "invoice_lines", period=period, more=_of(more, "invoice_lines"))
    docs = relation(lake, "invoices", period=period, more=_of(more, "invoices"))
    every = relation(lake, "invoices", more=_of(more, "invoices"))
    return [rounded_once(lake, lines), documents_add_up(lake, docs, lines), one_line_each(lake, lines),
            numbers_have_no_gap(lake, every)]  # fmt: skip


def rounded_once(lake: Lake, lines: str) -> CheckResult:
    """I26: each line with its adjustments is its exact total rounded half away from zero, once, to whole units."""
    base = "split_part(line_id, ':', 1)"
    plain = (
        "SELECT line_id, invoice_no, currency, amount::HUGEINT AS amount, price_denominator::HUGEINT AS den, "
        f"rounded_nano::HUGEINT AS rounded, unit FROM {lines} JOIN {UNITS} USING (currency) WHERE kind <> 'deferred'"
    )
    adjusted = f"(SELECT DISTINCT {base} AS line FROM {lines} WHERE strpos(line_id, ':') > 0)"
    alone = f"SELECT * EXCLUDE (line) FROM (SELECT *, {base} AS line FROM ({plain})) ANTI JOIN {adjusted} USING (line)"
    summed = (
        "SELECT line, min(invoice_no), currency, sum(amount * (widest // den))::HUGEINT, any_value(widest), "
        "sum(rounded)::HUGEINT, any_value(unit) FROM (SELECT *, max(den) OVER (PARTITION BY line) AS widest "
        f"FROM (SELECT *, {base} AS line FROM ({plain})) SEMI JOIN {adjusted} USING (line)) GROUP BY line, currency"
    )
    bad = one(
        lake.con,
        "SELECT line_id, invoice_no, amount || '/' || den || ' nano ' || currency || ' was rounded to ' || rounded "
        f"FROM ({alone} UNION ALL {summed}) WHERE rounded <> {half_away('amount', 'den * unit')} * unit "
        "ORDER BY line_id LIMIT 1",
    ) or one(
        lake.con,
        f"SELECT line_id, invoice_no, 'its net is ' || net_nano || ' nano ' || currency FROM {lines} "
        f"JOIN {UNITS} USING (currency) WHERE net_nano::HUGEINT % unit <> 0 "
        "OR (NOT inclusive AND net_nano <> rounded_nano) ORDER BY line_id LIMIT 1",
    )
    counts = {"lines": number(lake.con, f"SELECT count(*) FROM {lines}")}
    return CheckResult("I26", bad is None, counts, f"line {bad[0]} on {bad[1]}: {bad[2]}" if bad else "")


def documents_add_up(lake: Lake, docs: str, lines: str) -> CheckResult:
    """I27: net = sum of lines, gross = net + tax, and tax is reckoned once per family and rate on its
    summed base.
    """
    bad = one(
        lake.con,
        f"WITH sums AS (SELECT invoice_no, sum(net_nano)::HUGEINT AS lines_net FROM {lines} GROUP BY invoice_no), "
        f"docs AS (SELECT *, CASE WHEN kind = 'invoice' OR refers_to = '' THEN invoice_no ELSE refers_to END AS family "
        f"FROM {docs}), "
        "groups AS (SELECT family, tax_category, tax_rate_ppm, inclusive, any_value(unit) AS unit, "
        f"sum(rounded_nano)::HUGEINT AS base FROM {lines} JOIN docs USING (invoice_no) "
        f"JOIN {UNITS} ON u.currency = docs.currency GROUP BY ALL), "
        f"taxed AS (SELECT family, sum({tax_of()})::HUGEINT AS reckoned FROM groups GROUP BY family), "
        "families AS (SELECT family, sum(tax_nano)::HUGEINT AS tax FROM docs GROUP BY family) "
        "SELECT invoice_no, 'net ' || net_nano || ' but lines sum to ' || coalesce(lines_net, 0) FROM docs "
        "LEFT JOIN sums USING (invoice_no) WHERE net_nano <> coalesce(lines_net, 0) UNION ALL "
        "SELECT invoice_no, 'gross ' || gross_nano || ' is not net + tax' FROM docs "
        "WHERE gross_nano <> net_nano + tax_nano UNION ALL "
        "SELECT family, 'tax ' || tax || ' but the rates come to ' || coalesce(reckoned, 0) FROM families "
        "LEFT JOIN taxed USING (family) WHERE tax <> coalesce(reckoned, 0) ORDER BY ALL LIMIT 1",
    )
    counts = {"documents": number(lake.con, f"SELECT count(*) FROM {docs}")}
    return CheckResult("I27", bad is None, counts, f"{bad[0]}: {bad[1]}" if bad else "")


def one_line_each(lake: Lake, lines: str) -> CheckResult:
    """I36, one way: no account has two lines for the same offer version, component, kind, tax and period."""
    bad = one(
        lake.con,
        "SELECT account_id, offer_id, offer_version, component_id, kind, period, count(*) FROM "
        f"{lines} WHERE strpos(line_id, ':') = 0 GROUP BY account_id, offer_id, offer_version, component_id, kind, "
        "period, currency, tax_category, tax_rate_ppm, refers_to HAVING count(*) > 1 ORDER BY ALL LIMIT 1",
    )
    counts = {"lines": number(lake.con, f"SELECT count(*) FROM {lines}")}
    text = (
        f"account {bad[0]} has {bad[6]} lines for {bad[1]} v{bad[2]} {bad[3]} {bad[4]} in {bad[5]}"
        if bad
        else ""
    )
    return CheckResult("I36", bad is None, counts, text)


def numbers_have_no_gap(lake: Lake, docs: str) -> CheckResult:
    """I37: in each series numbers run 1, 2, 3 ... without gap or repeat."""
    bad = one(
        lake.con,
        "SELECT series, number, before FROM (SELECT series, number, lag(number, 1, 0) OVER (PARTITION BY series "
        f"ORDER BY number) AS before FROM {docs}) WHERE number <> before + 1 ORDER BY ALL LIMIT 1",
    )
    counts = {"documents": number(lake.con, f"SELECT count(*) FROM {docs}")}
    return CheckResult(
        "I37", bad is None, counts, f"series {bad[0]}: {bad[1]} follows {bad[2]}" if bad else ""
    )


def statements_sum(lake: Lake) -> CheckResult:
    """I30: of each offer version, currency and period the shares sum to the exact net of its lines, and the
    statements are those shares rounded together, once.
    """
    due = _due(lake)
    cut: dict[_Group, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    stated: dict[_Group, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    rows = lake.con.execute(
        "SELECT offer_id, offer_version, currency, period, partner_id, share_numerator::HUGEINT, "
        f"share_denominator::HUGEINT, statement_nano::HUGEINT FROM {relation(lake, 'statements')} ORDER BY ALL"
    ).fetchall()
    for offer, version, currency, period, partner, numerator, denominator, nano in rows:
        cut[offer, version, currency, period][partner] += Fraction(numerator, denominator)
        stated[offer, version, currency, period][partner] += nano
    counts = {"groups": len(due), "statements": len(rows)}
    for key in sorted(due.keys() | cut.keys()):
        whole = sum(cut[key].values(), Fraction(0))
        if whole != due.get(key, 0):
            text = f"{key[0]} v{key[1]} {key[2]} {key[3]}: shares sum to {whole} nano, lines to {due.get(key, 0)}"
            return CheckResult("I30", False, counts, text)
        if dict(stated[key]) != round_shares(cut[key], minor_nano(key[2])):
            text = f"{key[0]} v{key[1]} {key[2]} {key[3]}: statements are not the shares rounded together"
            return CheckResult("I30", False, counts, text)
    return CheckResult("I30", True, counts)


def invoices_are_booked(lake: Lake) -> CheckResult:
    """I31 across documents and books: what a document asks for is what the ledger books on it.

    An issued document books its gross on ``receivable:<account>``, a deferred one its net on
    ``unbilled:<account>``.
    """
    ledger = lake.scan("ledger")
    bad = one(
        lake.con,
        "SELECT invoice_no, due, coalesce(booked, 0) AS booked FROM (SELECT invoice_no, account_id, "
        f"if(state = 'issued', gross_nano, net_nano)::HUGEINT AS due, state FROM {relation(lake, 'invoices')}) "
        "LEFT JOIN (SELECT invoice_no, account, sum(amount)::HUGEINT AS booked FROM ("
        f"SELECT invoice_no, debit_account AS account, amount_nano AS amount FROM {ledger} UNION ALL "
        f"SELECT invoice_no, credit_account, -amount_nano FROM {ledger}) GROUP BY ALL) b USING (invoice_no) "
        "WHERE b.account = if(state = 'issued', 'receivable:', 'unbilled:') || account_id "
        "AND due <> coalesce(booked, 0) ORDER BY ALL LIMIT 1",
    )
    missing = one(
        lake.con,
        f"SELECT invoice_no FROM (SELECT * FROM {relation(lake, 'invoices')} WHERE "
        f"if(state = 'issued', gross_nano, net_nano) <> 0) d ANTI JOIN (SELECT invoice_no FROM {ledger}) l "
        "USING (invoice_no) ORDER BY ALL LIMIT 1",
    )
    counts = {"documents": number(lake.con, f"SELECT count(*) FROM {relation(lake, 'invoices')}")}
    if bad:
        return CheckResult("I31", False, counts, f"{bad[0]} asks for {bad[1]} nano but {bad[2]} are booked")
    return CheckResult(
        "I31", missing is None, counts, f"{missing[0]} is not booked at all" if missing else ""
    )


def lines_are_their_charges(lake: Lake) -> CheckResult:
    """I18 in money and units: each line of a closed period is the sum of its charges, and none is left over.

    What the close held for a case is not on the line: its own sum is compared with what the record says was held. Lines that
    came after the close (a ``:`` in their id) are no part of it; a discount is, though its kind is an adjustment, too.
    """
    counts, bad = {"lines": 0}, ""
    for name, fact in record.in_order(lake):
        if fact["stage"] != "close" or bad:
            continue
        billed = (
            "(SELECT line_no, units::HUGEINT AS units, amount::HUGEINT AS amount FROM "
            f"{relation(lake, 'invoice_lines', period=name)} WHERE kind NOT IN {NOT_NEW} AND strpos(line_id, ':') = 0)"
        )
        charged = (
            "(SELECT line_no, sum(units)::HUGEINT AS units, sum(amount)::HUGEINT AS amount "
            f"FROM {lake.scan('charges', period=name)} WHERE {_not_held(lake, name)} GROUP BY line_no)"
        )
        counts["lines"] += number(lake.con, f"SELECT count(*) FROM {billed}")
        row = one(
            lake.con,
            f"SELECT line_no, b.amount, c.amount FROM {billed} b FULL JOIN {charged} c USING (line_no) "
            "WHERE (b.amount IS DISTINCT FROM c.amount OR b.units IS DISTINCT FROM c.units) "
            f"AND line_no NOT IN {_bought(lake, name, fact)} ORDER BY line_no LIMIT 1",
        )
        bad = (
            f"line {row[0]} of {name}: billed {row[1]}, its charges sum to {row[2]}"
            if row
            else as_charged(lake, name)
        )
    bad = bad or wrong_remainder(lake)
    return CheckResult("I18", not bad, counts, bad)


def closed_equals_rerate(lake: Lake, period: str, rated: Rated) -> CheckResult:
    """I15: closed lines and their adjustments are the totals of ``rated``, the same period rated again in full,
    but for what is held.
    """
    rated = without(rated, waiting(lake, period))
    key = "account_id, offer_id, offer_version, component_id, {0}, currency, tax_category, tax_rate_ppm"
    now: dict[tuple[object, ...], Fraction] = defaultdict(Fraction)
    for *key_values, den, amount in lake.con.execute(
        f"SELECT {key.format('kind')}, price_denominator::HUGEINT, sum(amount)::HUGEINT FROM {rated.lines} l "
        f"JOIN {rated.charges} c USING (line_no) GROUP BY ALL"
    ).fetchall():
        now[tuple(key_values)] += Fraction(amount, den)
    posted: dict[tuple[object, ...], Fraction] = defaultdict(Fraction)
    for *key_values, den, amount in lake.con.execute(
        f"SELECT {key.format('of_kind')}, price_denominator::HUGEINT, sum(amount)::HUGEINT FROM "
        f"{relation(lake, 'invoice_lines', period=period)} WHERE of_kind NOT IN {NOT_NEW} GROUP BY ALL"
    ).fetchall():
        posted[tuple(key_values)] += Fraction(amount, den)
    wrong = sorted(str(k) for k in now.keys() | posted.keys() if now[k] != posted[k])
    return CheckResult("I15", not wrong, {"lines": len(now)}, f"line {wrong[0]} differs" if wrong else "")


def subscriptions_complete(lake: Lake) -> CheckResult:
    """I36, both ways: a subscription that overlaps a closed period has a line or a reason, and a line a
    subscription, or a sponsor who pays it.
    """
    counts, bad = {"subscriptions": 0, "lines": 0, "reasons": 0}, ""
    for name, fact in record.in_order(lake):
        if fact["stage"] == "close" and not bad:
            bad = _incomplete(lake, name, counts)
    return CheckResult("I36", not bad, counts, bad)


def closed_rows_unchanged(lake: Lake) -> CheckResult:
    """I16: closes form a chain, every file a close names is still there byte for byte, and no file slipped
    in.
    """
    follows, named, bad = record.genesis(lake.tenant), set(), ""
    present = {s.id: s for kind in _SEALED for s in lake.segments(kind)}
    periods = set()
    for sequence, (name, fact) in enumerate(record.in_order(lake), 1):
        if fact["sequence"] != sequence or fact["follows"] != follows or record.seal(fact) != fact["hash"]:
            bad = bad or f"the record of close {name} does not follow the one before it"
        follows = fact["hash"]
        periods.add(fact["period"])
        for segment, sha256 in fact["segments"].items():
            named.add(segment)
            if segment not in present or present[segment].sha256 != sha256:
                bad = bad or f"{segment} of closed period {fact['period']} is gone or was replaced"
    lake.paths([present[segment] for segment in sorted(named & present.keys())])
    for segment, found in sorted(present.items()):
        if segment not in named and found.period in periods and found.kind not in ("ledger",):
            bad = bad or f"{segment} was added to closed period {found.period} without an adjustment"
    return CheckResult("I16", not bad, {"closes": len(periods), "segments": len(named)}, bad)


def refuse(results: Iterable[CheckResult]) -> None:
    """Raise for the first result that does not hold: nothing may be published then.

    Raises:
        SettlementError: ``check_failed`` with the counter-example.
    """
    for result in results:
        if not result.ok:
            raise SettlementError(
                f"The period cannot be settled: {result.invariant} does not hold. {result.counter_example}",
                where=result.invariant,
                cure="Mend what the counter-example shows and run again; nothing was written.",
                code="check_failed",
            )


_SEALED = ("lines", "charges", "invoices", "invoice_lines", "statements", "unbilled", "ledger")


def _of(segments: Sequence[Segment], kind: str) -> list[Segment]:
    return [segment for segment in segments if segment.kind == kind]


def _due(lake: Lake) -> dict[_Group, Fraction]:
    """Exact net of all new earnings by offer version, currency and period, from the invoice lines."""
    due: dict[_Group, Fraction] = defaultdict(Fraction)
    for offer, version, currency, period, den, inclusive, ppm, amount in lake.con.execute(
        "SELECT offer_id, offer_version, currency, period, price_denominator::HUGEINT, inclusive, tax_rate_ppm, "
        f"sum(amount)::HUGEINT FROM {relation(lake, 'invoice_lines')} WHERE kind NOT IN {NOT_NEW} GROUP BY ALL"
    ).fetchall():
        exact = Fraction(amount, den)
        due[offer, version, currency, period] += exact * 1_000_000 / (1_000_000 + ppm) if inclusive else exact
    return due


def _not_held(lake: Lake, period: str) -> str:
    """SQL of whether a charge was not held when the period was closed."""
    listed = pairs(held_lines(lake, period))
    return f"coalesce((line_no, device_key) NOT IN ({listed}), true)" if listed else "true"


def _bought(lake: Lake, period: str, fact: Mapping[str, Any]) -> str:
    """SQL of the line numbers of a period that are not invoiced because we buy what they price."""
    bought = ", ".join(f"({quote(offer_id)}, {int(version)})" for offer_id, version in fact["bought"])
    where = f"(offer_id, offer_version) IN ({bought})" if bought else "false"
    return f"(SELECT line_no FROM {lake.scan('lines', period=period)} WHERE {where})"


def _incomplete(lake: Lake, period: str, counts: dict[str, int]) -> str:
    lines = f"(SELECT * FROM {relation(lake, 'invoice_lines', period=period)} WHERE kind NOT IN {NOT_NEW})"
    reasons, subscriptions = relation(lake, "unbilled", period=period), relation(lake, "subscriptions")
    span = f"(SELECT min(period_start) AS first, max(period_end) AS last FROM {relation(lake, 'lines', period=period)})"
    active = f"(SELECT s.* FROM {subscriptions} s, {span} WHERE starts_at < last AND coalesce(ends_at > first, true))"
    counts["subscriptions"] += number(lake.con, f"SELECT count(*) FROM {active}")
    counts["lines"] += number(lake.con, f"SELECT count(*) FROM {lines}")
    counts["reasons"] += number(lake.con, f"SELECT count(*) FROM {reasons}")
    row = one(
        lake.con,
        f"SELECT subscription_id FROM {active} ANTI JOIN {lines} l USING (account_id, offer_id) "
        f"ANTI JOIN {reasons} r USING (subscription_id) ORDER BY ALL LIMIT 1",
    )
    if row:
        return f"subscription {row[0]} has neither a line nor a reason in {period}"
    row = one(
        lake.con,
        f"SELECT line_id, account_id, offer_id FROM {lines} ANTI JOIN {active} a USING (account_id, offer_id) "
        f"WHERE (account_id, offer_id) NOT IN ({_sponsors(lake, period)}) ORDER BY ALL LIMIT 1",
    )
    return f"line {row[0]} bills {row[1]} for {row[2]} without a subscription in {period}" if row else ""


def _sponsors(lake: Lake, period: str) -> str:
    """SQL of who pays for others under which offer, as the period's catalogue says: at least one pair that there is not."""
    stored = lake.con.execute(
        f"SELECT offer_id, version, sha256, text FROM {lake.scan('catalog', period=period)}"
    ).fetchall()
    found = {("", "")}
    if stored:
        for offer in restore.catalogue(stored).offers:
            found |= {(sponsorship.account, offer.id) for sponsorship in offer.sponsorships}
    return ", ".join(f"({quote(account)}, {quote(offer_id)})" for account, offer_id in sorted(found))
