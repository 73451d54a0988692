"""What one period hands to the next: rolled-over units, rounding remainders, amounts too small to collect."""

from __future__ import annotations

from dataclasses import replace

from workbench.model.offer import Bundle, Component, Offer
from workbench.model.party import Subscription
from workbench.reference.allowance import Grant, own_grant, roll
from workbench.reference.lines import line_of_charge, offer_of
from workbench.reference.results import ZERO, Charge, Invoice
from workbench.reference.rounding import NANO, minor_unit
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

    The line's amount is what rounding left out of a component so far; what its own rounding leaves goes on
    to the period after.
    """
    for key, (line_key, residue) in sorted(state.carry.residues.items()):
        if residue != 0:
            charge = Charge(line_key, "", state.who.start, 0, residue)
            state.bill.lines.append(line_of_charge(state.who, charge))
        state.carry.residues[key] = (line_key, ZERO)
    for line in state.bill.lines:
        offer = offer_of(state.who, line.key.offer_id, line.key.offer_version)
        if not offer.micropayment.carry_remainder:
            continue
        key = (line.key.account_id, offer.id, line.key.component_id, line.key.tax_category)
        line_key = replace(line.key, kind="carry", meter="")
        _, residue = state.carry.residues.get(key, (line_key, ZERO))
        state.carry.residues[key] = (line_key, residue + line.amount_nano - line.net_nano)


def defer_small_invoices(state: State) -> None:
    """Hold back what is too little to collect: "Minimum invoice (below it the amount is deferred, not
    lost)"; paid balances settle what is payable.
    """
    for invoice in state.bill.invoices:
        key = (invoice.account_id, invoice.currency)
        invoice.brought_forward_nano = state.carry.deferred.pop(key, 0)
        due = invoice.gross_nano + invoice.brought_forward_nano
        if 0 < due < minimum_invoice(state, invoice.account_id):
            invoice.deferred_nano = due
            invoice.payable_nano = 0
            state.carry.deferred[key] = due
            continue
        invoice.settled_nano = settle(state, invoice, due)
        invoice.payable_nano = due - invoice.settled_nano


def settle(state: State, invoice: Invoice, due: int) -> int:
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
        part = min(due - settled, int(whole))
        if part > 0:
            balance.left -= part
            settled += part
    return settled


def minimum_invoice(state: State, account_id: str) -> int:
    """The largest minimum invoice of the offers an account was charged by, in nano."""
    largest = 0
    for line in state.bill.lines:
        if line.key.account_id == account_id:
            offer = offer_of(state.who, line.key.offer_id, line.key.offer_version)
            largest = max(largest, int(offer.micropayment.minimum_invoice * NANO))
    return largest
