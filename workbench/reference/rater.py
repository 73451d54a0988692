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

from workbench.model.ids import device_key
from workbench.model.offer import Catalogue
from workbench.model.party import Parties
from workbench.reference.adjust import adjust_all
from workbench.reference.carry import carry_remainders, make_invoices, roll_over
from workbench.reference.close import close_counters
from workbench.reference.days import local_day
from workbench.reference.fees import fee_charges
from workbench.reference.lines import make_lines, make_shares
from workbench.reference.results import Bill, Charge, Uncharged, Use
from workbench.reference.state import Carry, State
from workbench.reference.usage import counts_for, usage_charges
from workbench.reference.who import Who, with_own_prices

Span = tuple[datetime, datetime]

UNCHARGED_STATES = ("inventory", "terminated")
REASONS = (
    "trial",
    "sim_inventory",
    "sim_terminated",
    "rate_unmatched",
    "meter_not_priced",
    "not_in_force",
    "no_subscription",
)
"""Why a use is not charged; of several reasons the first is given."""


def rate(
    catalogue: Catalogue,
    parties: Parties,
    uses: Iterable[Use],
    start: datetime,
    end: datetime,
    outages: tuple[Span, ...] = (),
    tenant: str = "main",
) -> Bill:
    """Rate everything in the billing period ``[start, end)``; uses outside it are not looked at.

    Args:
        outages: known collection outages, for burstable prices.
        tenant: whose device numbers order uses of the same instant.

    Raises:
        Unpriceable: no rate fits a use and the component says ``refuse``, or the offers say what the
        specification
            does not decide.
    """
    return rate_periods(catalogue, parties, uses, [(start, end)], outages, tenant)[0]


def rate_periods(
    catalogue: Catalogue,
    parties: Parties,
    uses: Iterable[Use],
    periods: list[Span],
    outages: tuple[Span, ...] = (),
    tenant: str = "main",
) -> list[Bill]:
    """Rate consecutive periods: free units roll over, credits and remainders are carried from one to the
    next.
    """
    ordered = in_order(uses, tenant)
    carry = Carry()
    bills = []
    for start, end in periods:
        state = State(Who(catalogue, parties, start, end), carry, Bill(start, end), outages, tenant)
        for use in ordered:
            if start <= use.at < end:
                rate_use(state, use)
        close(state)
        bills.append(state.bill)
        carry.period += 1
    return bills


def in_order(uses: Iterable[Use], tenant: str) -> list[Use]:
    """The one order "for attribution: postpaid (slot start, device, meter, event id)".

    Devices come in the order of their numbers, which is the order records have in storage. Period totals
    never depend on it.
    """
    listed = list(uses)
    number = {device_id: device_key(tenant, device_id) for device_id in {use.device_id for use in listed}}
    return sorted(listed, key=lambda use: (use.at, number[use.device_id], use.meter, use.event_id))


def rate_use(state: State, use: Use) -> None:
    """Charge one use to every subscription and component that prices its meter, or note why nobody pays for it.

    What is bought is charged beside what is sold; a use that is only bought is listed as uncharged all the same.
    """
    sold: list[Charge] = []
    reasons = ["not_in_force" if state.who.is_known(use.device_id) else "no_subscription"]
    for subscription in state.who.subscribed(use.device_id, use.at):
        offer = state.who.version_at(subscription, use.at)
        if offer is None:
            continue
        offer = with_own_prices(subscription, offer)
        components = [component for component in offer.components if counts_for(component, use.meter)]
        charges: list[Charge] = []
        reason = "rate_unmatched" if components else "meter_not_priced"
        if subscription.sim_state in UNCHARGED_STATES:
            reason = f"sim_{subscription.sim_state}"
        elif offer.trial and state.who.is_trial(subscription, offer, local_day(use.at, offer.zone)):
            reason = "trial"
        else:
            for component in components:
                charges += usage_charges(state, use, subscription, offer, component)
        state.bill.charges.extend(charges)
        if offer.side == "sell":
            sold.extend(charges)
            reasons.append(reason)
    if not sold:
        state.bill.uncharged.append(Uncharged(use, min(reasons, key=REASONS.index)))


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
    make_invoices(state)
    bill.shares = make_shares(who, bill.charges)
    roll_over(state)
