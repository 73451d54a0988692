"""The independent rater: from the nouns to exact charges, lines and shares, in plain loops.

from workbench.reference.rater import rate
from workbench.reference.results import Use

bill = rate(catalogue, parties, [Use("lamp-1", "lamps.energy", slot_start, 250_000)], start, end)
bill.charges      one per use, component and subscription, and one per fee and adjustment: exact nano
bill.lines        one per account, offer version, component, kind and tax category: exact and rounded
bill.shares       one per partner and offer version
bill.uncharged    every use without a charge, with its reason
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from workbench.model.offer import Catalogue
from workbench.model.party import Parties
from workbench.reference.adjust import adjust_all
from workbench.reference.carry import carry_remainders, defer_small_invoices, roll_over
from workbench.reference.close import close_counters
from workbench.reference.fees import fee_charges
from workbench.reference.lines import make_invoices, make_lines, make_shares, make_taxes
from workbench.reference.results import Bill, Charge, Uncharged, Use
from workbench.reference.state import Carry, State
from workbench.reference.usage import counts_for, usage_charges
from workbench.reference.who import Who

Span = tuple[datetime, datetime]


def rate(
    catalogue: Catalogue,
    parties: Parties,
    uses: Iterable[Use],
    start: datetime,
    end: datetime,
    outages: tuple[Span, ...] = (),
) -> Bill:
    """Rate everything in the billing period ``[start, end)``; uses outside it are not looked at.

    Args:
        outages: known collection outages, for burstable prices.

    Raises:
        Unpriceable: no rate fits a use and the component says ``refuse``, or the offers say what the
        specification
            does not decide.
    """
    return rate_periods(catalogue, parties, uses, [(start, end)], outages)[0]


def rate_periods(
    catalogue: Catalogue,
    parties: Parties,
    uses: Iterable[Use],
    periods: list[Span],
    outages: tuple[Span, ...] = (),
) -> list[Bill]:
    """Rate consecutive periods: free units roll over, credits and remainders are carried from one to the
    next.
    """
    ordered = sorted(uses, key=attribution_order)
    carry = Carry()
    bills = []
    for start, end in periods:
        state = State(Who(catalogue, parties, start, end), carry, Bill(start, end), outages)
        for use in ordered:
            if start <= use.at < end:
                rate_use(state, use)
        close(state)
        bills.append(state.bill)
        carry.period += 1
    return bills


def attribution_order(use: Use) -> tuple[datetime, str, str, str]:
    """The one order "for attribution: postpaid (slot start, device, meter, event id)"."""
    return (use.at, use.device_id, use.meter, use.event_id)


def rate_use(state: State, use: Use) -> None:
    """Charge one use to every subscription and component that prices its meter, or note why there is none."""
    charges: list[Charge] = []
    reason = "no_subscription"
    for subscription in state.who.subscribed(use.device_id, use.at):
        offer = state.who.version_at(subscription, use.at)
        if offer is None:
            reason = "no_version"
            continue
        reason = "no_component"
        for component in offer.components:
            if counts_for(component, use.meter):
                charges += usage_charges(state, use, subscription, offer, component)
                reason = "no_rate"
    if not charges:
        state.bill.uncharged.append(Uncharged(use, reason))
    state.bill.charges.extend(charges)


def close(state: State) -> None:
    """What is decided at the end of a period, in the order of the specification."""
    who, bill = state.who, state.bill
    close_counters(state)
    for subscription in who.subscriptions:
        for offer in who.versions[subscription.offer_id]:
            bill.charges.extend(fee_charges(who, subscription, offer))
    adjust_all(state)
    bill.lines = make_lines(who, bill.charges)
    carry_remainders(state)
    bill.taxes = make_taxes(who, bill.lines)
    bill.invoices = make_invoices(who, bill)
    defer_small_invoices(state)
    bill.shares = make_shares(who, bill.charges)
    roll_over(state)
