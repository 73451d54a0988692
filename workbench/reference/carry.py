"""What one period hands to the next: rolled-over units, rounding remainders, amounts too small to collect."""

from __future__ import annotations

from fractions import Fraction

from workbench.model.offer import Bundle, Component, Offer
from workbench.model.party import Subscription
from workbench.reference.allowance import Grant, own_grant, roll
from workbench.reference.lines import line_of_charge, make_invoice, make_taxes, offer_of
from workbench.reference.results import ZERO, Charge, Invoice, Line, LineKey
from workbench.reference.rounding import NANO, exchange_rate, minor_unit
from workbench.reference.state import Key, State


def roll_over(state: State) -> None:
    """Close the stock of free units of every holder; a holder without a subscription at the end has none."""
    kept = {}
    for subscription in state.who.subscriptions:
        if subscription.ends_at is not None and subscription.ends_at <= state.who.end:
            continue  # "forfeited at termination"
        for offer in state.who.versions[subscription.offer_id]:
            if not state.who.covered_days(subscription, offer):
                continue
            for component in offer.components:
                for holder in state.who.holders_of(subscription, component.scope or offer.scope):
                    kept.update(roll_component(state, subscription, offer, component, holder))
            for bundle in offer.bundles:
                for holder in state.who.holders_of(subscription, offer.scope):
                    kept.update(roll_bundle(state, subscription, offer, bundle, holder))
    state.carry.stock = kept


def roll_component(
    state: State, subscription: Subscription, offer: Offer, component: Component, holder: Key
) -> dict[Key, list[Grant]]:
    """The stock of one component's counters after this period."""
    allowance = component.allowance
    if allowance is None or allowance.rollover is None:
        return {}
    members = state.who.members_of(subscription, holder)
    own = own_grant(allowance.units, allowance.contribution, state.who, offer, members)
    kept = {}
    for rate in component.rates:
        key = (subscription.account_id, *holder, offer.id, component.id, rate.id)
        used = 0
        for counter_key, counter in state.counters.items():
            if counter_key[: len(key)] == key:
                used += int(counter.drawn(offer, component))
        stock = state.carry.stock.get(key, [])
        kept[key] = roll(stock, own, used, state.carry.period, allowance.rollover)
    return kept


def roll_bundle(
    state: State, subscription: Subscription, offer: Offer, bundle: Bundle, holder: Key
) -> dict[Key, list[Grant]]:
    """The stock of one bundle's credits after this period."""
    members = state.who.members_of(subscription, holder)
    own = own_grant(bundle.credits, bundle.contribution, state.who, offer, members)
    key = (subscription.account_id, *holder, offer.id, bundle.id)
    stock = state.carry.stock.get(key, [])
    return {key: roll(stock, own, state.bundle_used.get(key, 0), state.carry.period, bundle.rollover)}


def carry_remainders(state: State) -> None:
    """Carry what rounding left: "with ``carry_remainder: true`` to a line of its own in the next period".

    The line's amount is what rounding left out of a component so far; what its own rounding leaves goes on to the
    period after. It comes with the account's next lines under the offer, and names their newest version: an invoice of
    nothing but remainders is not made.
    """
    newest: dict[Key, int] = {}
    for line in state.bill.lines:
        bearer = (line.key.account_id, line.key.offer_id)
        newest[bearer] = max(newest.get(bearer, 0), line.key.offer_version)
    for (account_id, offer_id, component_id, category), residue in sorted(state.carry.residues.items()):
        version = newest.get((account_id, offer_id))
        if residue != 0 and version is not None:
            key = LineKey(account_id, offer_id, version, component_id, "carry", category)
            charge = Charge(key, "", state.who.start, 0, residue)
            state.bill.lines.append(line_of_charge(state.who, charge))
            state.carry.residues[account_id, offer_id, component_id, category] = ZERO
    for line in state.bill.lines:
        offer = offer_of(state.who, line.key.offer_id, line.key.offer_version)
        if offer.micropayment.carry_remainder:
            left = (line.key.account_id, offer.id, line.key.component_id, line.key.tax_category)
            so_far = state.carry.residues.get(left, ZERO)
            state.carry.residues[left] = so_far + line.amount_nano - line.net_nano


def make_invoices(state: State) -> None:
    """One invoice per account and currency, with what waited; hold back what is too little to collect: "minimum invoice
    (below it the amount is deferred, not lost)"; paid balances settle what is payable.

    What waits is not taxed yet: it is in the base of the invoice that takes it up, "per rate on the summed base".
    """
    fresh: dict[tuple[str, str], list[Line]] = {}
    for line in state.bill.lines:
        fresh.setdefault((line.key.account_id, line.currency), []).append(line)
    for (account_id, currency), lines in sorted(fresh.items()):
        key = (account_id, currency)
        everything = [*state.carry.deferred.pop(key, []), *lines]
        taxes = make_taxes(state.who, everything)
        invoice = make_invoice(account_id, currency, everything, taxes)
        if 0 <= invoice.gross_nano < minimum_invoice(state, everything):
            state.carry.deferred[key] = everything
            taxes = make_taxes(state.who, lines)
            invoice = make_invoice(account_id, currency, lines, taxes)
            invoice.deferred_nano = invoice.gross_nano
        else:
            invoice.settled_nano = settle(state, invoice)
            invoice.payable_nano = invoice.gross_nano - invoice.settled_nano
        state.bill.taxes += taxes
        state.bill.invoices.append(invoice)


def settle(state: State, invoice: Invoice) -> int:
    """What paid balances settle of an invoice, in whole minor units: those that hold at the account's last use.

    All credits of the account in one order, whatever offer gave them.
    """
    uses = [
        charge.at
        for charge in state.bill.charges
        if charge.line.account_id == invoice.account_id and charge.line.kind == "usage"
    ]
    at = max(uses, default=state.who.start)
    held = [
        (balance.order(), offer_id, balance)
        for (account_id, offer_id), wallet in state.carry.wallets.items()
        if account_id == invoice.account_id
        for balance in wallet.balances
        if balance.kind == "paid" and balance.granted_at <= at < balance.expires_at
    ]
    unit = minor_unit(invoice.currency)
    settled = 0
    for _, _, balance in sorted(held, key=lambda row: row[:2]):
        whole = balance.left // unit * unit
        part = min(invoice.gross_nano - settled, int(whole))
        if part > 0:
            balance.left -= part
            settled += part
    return settled


def minimum_invoice(state: State, lines: list[Line]) -> Fraction:
    """The least that an invoice must come to, in nano: the lowest that an offer on it asks for, so that no offer's money
    waits because of another's rule.
    """
    least = []
    for line in lines:
        offer = offer_of(state.who, line.key.offer_id, line.key.offer_version)
        rate = exchange_rate(offer, line.currency) or Fraction(1)
        least.append(offer.micropayment.minimum_invoice * rate * NANO)
    return min(least)
