"""Close a period: invoices, ledger entries, statements and the record of it all, visible in one commit.

    rated lines -> invoice lines -> documents, tax -> numbers -> statements -> ledger -> one commit

Until the commit nobody sees anything, and a rerun after a crash starts from nothing; afterwards nothing of
the period changes any more. What arrives later goes through ``adjust``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from workbench.errors import SettlementError
from workbench.lake.engine import one
from workbench.lake.lake import Lake
from workbench.ledger.checks import CheckResult
from workbench.model.offer import Catalogue, Offer
from workbench.settlement import checks as own
from workbench.settlement import paid, record, statements
from workbench.settlement.bookings import book_all
from workbench.settlement.documents import DOC, make_documents, number_documents, tax_groups
from workbench.settlement.holds import Hold, amounts, without
from workbench.settlement.lines import make_lines
from workbench.settlement.publish import put_together, summary, write_all
from workbench.settlement.terms import Compiled, OfferKey, Terms, offers_by_key
from workbench.settlement.unbilled import unbilled
from workbench.settlement.work import (
    idle_keys,
    load_offers,
    load_rated,
    offer_keys,
    rated_of,
    relation,
    workspace,
)

Check = Callable[[Lake, str], Iterable[CheckResult]]
"""A proof that must hold before a period may close: called with the lake and the period."""


@dataclass(frozen=True, slots=True)
class CloseResult:
    """What a close made, or found made.

    Attributes:
        already_closed: the period was closed before and nothing was changed.
        held: lines of devices that were not billed because of a case; see ``holds.py``.
        invoices: documents issued; ``deferred``: documents below their minimum.
        totals: currency -> ``net``, ``tax``, ``gross`` of the issued documents, nano-units.
        shares: currency -> partner -> statements, nano-units.
        hash: of the close's record; the next close follows it.
    """

    period: str
    already_closed: bool
    invoices: int
    deferred: int
    lines: int
    entries: int
    first_invoice: str
    last_invoice: str
    totals: dict[str, dict[str, int]] = field(default_factory=dict)
    shares: dict[str, dict[str, int]] = field(default_factory=dict)
    version: int = 0
    hash: str = ""
    held: int = 0


def close(
    lake: Lake,
    plan: Catalogue | Compiled,
    period: str,
    now: datetime,
    checks: Sequence[Check] = (),
    terms: Terms | None = None,
    holds: Sequence[Hold] = (),
) -> CloseResult:
    """Close ``period``: what its charges come to becomes invoices, postings and statements.

    Must run inside ``lake.writer()``. Closing a closed period says so and changes nothing.

    Args:
        plan: the plan the period was rated by, or its catalogue.
        period: the billing period, ``start/end`` as dates, whose ``lines`` and ``charges`` are in the lake.
        now: the instant of issue, UTC; no clock is read here.
        checks: proofs that must hold first; the first that does not stops the close.
        holds: lines of devices that are not billed yet; ``adjust`` bills them when their case is decided.

    Raises:
        SettlementError: ``check_failed``, ``nothing_rated``, ``period_overlap``, ``unknown_offer``,
        ``no_split`` ... PostingConflict: the ledger holds other postings under this period's keys.
    """
    terms = terms or Terms()
    if period in lake.facts(record.FACT):
        return _result(period, lake.facts(record.FACT)[period], lake.state.version, already=True)
    if not lake.segments("lines", period=period):
        raise SettlementError(
            "Nothing was rated for this period.",
            where=period,
            cure="Rate the period first.",
            code="nothing_rated",
        )
    own.refuse(result for check in checks for result in check(lake, period))
    with workspace(lake):
        return _close(lake, plan, period, now, terms, holds)


def _close(
    lake: Lake,
    plan: Catalogue | Compiled,
    period: str,
    now: datetime,
    terms: Terms,
    holds: Sequence[Hold],
) -> CloseResult:
    everything = rated_of(lake, period)
    rated = without(everything, holds)
    held = amounts(lake, everything, holds)
    load_rated(lake, rated)
    offers = offers_by_key(plan, offer_keys(lake))
    load_offers(lake, offers)
    _refuse_overlap(lake)
    make_lines(lake, period, terms.release)
    make_documents(lake, period, terms.release)
    number_documents(lake, terms.series, terms.deferral_series)
    put_together(lake, tax_groups("settle_final"), DOC)
    idle = guaranteed(offers_by_key(plan, idle_keys(lake)))
    took = statements.takings(lake, "settle_final", sell_side(offers))
    took |= {key: idle_takings(lake, key) for key in idle}
    made = statements.statements(lake, rated, took, {**offers, **idle}, terms, period)
    rounding = {key: t.net_nano - statements.rounded_total(t, key[2]) for key, t in took.items()}
    shares = [*statements.postings(made, rounding, period), *paid.postings(lake, period)]
    booked = book_all(lake, shares, period, now)
    segments = write_all(lake, period, "", now, made, booked)
    segments += unbilled(lake, period, held)
    own.refuse(own.document_checks(lake, period, segments))
    before = [s for kind in ("lines", "charges") for s in lake.segments(kind, period=period)]
    bought = sorted({key[:2] for key, offer in offers.items() if offer.side != "sell"})
    fact = summary(lake, "close", period, now, made, booked, [*before, *segments])
    fact = record.chained(
        lake, {**fact, "bought": [list(key) for key in bought], **({"held": held} if held else {})}
    )
    version = lake.commit(
        {"stage": "close", "period": period}, add=segments, facts={record.FACT: {period: fact}}
    )
    return _result(period, fact, version, already=False)


def sell_side(offers: Mapping[OfferKey, Offer]) -> dict[OfferKey, Offer]:
    """The offers that are sold; what we buy is rated too, but never invoiced to an account."""
    return {key: offer for key, offer in offers.items() if offer.side == "sell"}


def guaranteed(offers: Mapping[OfferKey, Offer]) -> dict[OfferKey, Offer]:
    """Offers that are sold and promise a partner a minimum: it is due in a period in which nobody used anything, too."""
    return {
        key: offer
        for key, offer in sell_side(offers).items()
        if offer.split and any(rule.guarantee for rule in offer.split.rules)
    }


def idle_takings(lake: Lake, key: OfferKey) -> statements.Takings:
    """Nothing, over the days of the lines that stayed empty."""
    row = one(
        lake.con,
        "SELECT min(period_start), max(period_end) FROM settle_rated WHERE offer_id = $1 AND offer_version = $2 "
        "AND currency = $3",
        list(key),
    )
    return statements.Takings(period_start=row[0] if row else None, period_end=row[1] if row else None)


def _result(period: str, fact: Mapping[str, Any], version: int, *, already: bool) -> CloseResult:
    def numbers(tree: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, int]]:
        return {name: {key: int(value) for key, value in part.items()} for name, part in tree.items()}

    plain = ("invoices", "deferred", "lines", "entries", "first_invoice", "last_invoice", "hash")
    return CloseResult(
        period,
        already,
        **{name: fact[name] for name in plain},
        totals=numbers(fact["totals"]),
        shares=numbers(fact["shares"]),
        version=version,
        held=len(fact.get("held", ())),
    )


def _refuse_overlap(lake: Lake) -> None:
    """Refuse to bill the same component of an account twice for the same days, under whatever period names."""
    twice = one(
        lake.con,
        "SELECT r.account_id, r.offer_id, r.component_id, b.period, b.invoice_no FROM settle_rated r JOIN "
        f"{relation(lake, 'invoice_lines')} b ON b.account_id = r.account_id AND b.offer_id = r.offer_id "
        "AND b.component_id = r.component_id AND b.kind = r.kind AND r.charged AND b.period_start < r.period_end "
        "AND b.period_end > r.period_start ORDER BY ALL LIMIT 1",
    )
    if twice is not None:
        raise SettlementError(
            f"Account {twice[0]} was billed {twice[1]} {twice[2]} for days of this period on {twice[4]}.",
            where=f"period {twice[3]}",
            cure="Close periods that do not overlap; use an adjustment for late usage.",
            code="period_overlap",
        )
