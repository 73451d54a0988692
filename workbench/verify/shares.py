"""Partners' shares once more, by the reference's reading of the split, from the sums of the charges (I20, I30)."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

from workbench.model.offer import Offer
from workbench.reference.lines import net_of_tax
from workbench.reference.results import Charge, LineKey, Unpriceable
from workbench.reference.rounding import exchange_rate
from workbench.reference.splits import Takings, shares_of
from workbench.settlement.holds import waiting, without
from workbench.settlement.work import Rated
from workbench.verify.context import RERATED, Context
from workbench.verify.report import CounterExample, Outcome

_WHENEVER = datetime(1970, 1, 1, tzinfo=UTC)
Group = tuple[str, int]
"""Offer and version."""


def shares_again(context: Context) -> Outcome:
    """Cut what each offer version earned in a closed period, and compare with the sum of its statements.

    Shares telescope: after adjustments the statements of a period sum to the shares of its charges as they are now.
    """
    counts = {"periods": 0, "offers": 0, "shares": 0}
    for period in sorted({p for p in context.lake.facts("close") if "#" not in p}):
        counts["periods"] += 1
        catalogue = context.catalogue(period)
        if catalogue is None:
            continue
        offers = {(offer.id, offer.version): offer for offer in catalogue.offers}
        stated = _stated(context, period)
        earned = _takings(context, period, offers)
        for group in sorted(group for group in stated.keys() | earned.keys() if group in offers):
            counts["offers"] += 1
            wrong = _compare(period, offers[group], earned.get(group, {}), stated.get(group, {}), counts)
            if wrong:
                return Outcome(counts, wrong)
    return Outcome(counts)


def _compare(
    period: str,
    offer: Offer,
    earned: dict[str, Takings],
    stated: dict[tuple[str, str], Fraction],
    counts: dict[str, int],
) -> CounterExample | None:
    try:
        idle = {currency: Takings() for currency, _ in stated if currency not in earned}
        shares = shares_of(offer, earned | idle)
    except Unpriceable as error:
        return CounterExample(f"The reference refuses the split of {offer.id} v{offer.version}: {error}.")
    expected = {
        (share.currency, share.partner_id): share.amount_nano for share in shares if share.amount_nano
    }
    observed = {key: share for key, share in stated.items() if share}
    counts["shares"] += len(expected)
    for currency, partner in sorted(expected.keys() | observed.keys()):
        want, got = (told.get((currency, partner), Fraction(0)) for told in (expected, observed))
        if want != got:
            text = f"The share of {partner} in {offer.id} v{offer.version}, {period}, is not the reference's."
            return CounterExample(text, f"{want} nano {currency}", f"{got} nano {currency}")
    return None


def _stated(context: Context, period: str) -> dict[Group, dict[tuple[str, str], Fraction]]:
    """The exact shares of all statements of a period by currency and partner, those of its adjustments included."""
    found: dict[Group, dict[tuple[str, str], Fraction]] = {}
    for offer, version, currency, partner, numerator, denominator in context.rows(
        "SELECT offer_id, offer_version, currency, partner_id, share_numerator::HUGEINT, share_denominator::HUGEINT "
        f"FROM {context.lake.scan('statements', period=period)}"
    ):
        shares = found.setdefault((offer, version), {})
        share = Fraction(numerator, denominator)
        shares[currency, partner] = shares.get((currency, partner), Fraction(0)) + share
    return found


def _takings(context: Context, period: str, offers: dict[Group, Offer]) -> dict[Group, dict[str, Takings]]:
    """What each offer version earned in each currency, in its own, from its charges as they are now, held ones left out;
    devices only where a rule counts them.
    """
    lake = context.lake
    now = f"{period}{RERATED}" if f"{period}{RERATED}" in context.periods else period
    lines = lake.scan("lines", period=now)
    # What is held for a case is not billed yet, so nobody shares in it yet.
    charges = without(Rated(lines, lake.scan("charges", period=now)), waiting(lake, period)).charges
    counting = {key for key, offer in offers.items() if _counts_devices(offer)}
    has_side = any(row[0] == "side" for row in context.rows(f"DESCRIBE SELECT * FROM {lines}"))
    listed = ", ".join(f"('{offer}', {version})" for offer, version in sorted(counting)) or "('', 0)"
    found: dict[Group, dict[str, Takings]] = {}
    for (
        offer_id,
        version,
        currency,
        component,
        kind,
        category,
        denominator,
        device,
        amount,
        units,
    ) in context.rows(
        "SELECT l.offer_id, l.offer_version, l.currency, l.component_id, l.kind, coalesce(l.tax_category, ''), "
        f"l.price_denominator::HUGEINT, CASE WHEN (l.offer_id, l.offer_version) IN ({listed}) THEN c.device_key END, "
        f"sum(c.amount)::HUGEINT, sum(c.units)::HUGEINT FROM {charges} c JOIN {lines} l ON l.line_no = c.line_no "
        f"WHERE {'l.side = ' + repr('sell') if has_side else 'true'} GROUP BY ALL"
    ):
        group = (offer_id, version)
        if group not in offers:
            continue
        rate = exchange_rate(offers[group], currency) or Fraction(1)
        key = LineKey("", offer_id, version, component, kind, category)
        charge = Charge(key, "", _WHENEVER, units, Fraction(amount, denominator) / rate)
        net = net_of_tax(offers[group], charge)
        takings = found.setdefault(group, {}).setdefault(currency, Takings())
        split = offers[group].split
        if kind == "true_up" and split is not None and not split.share_true_ups:
            takings.unshared += net
        else:
            takings.add(
                component, net, units if kind == "usage" else 0, "" if device is None else str(device)
            )
    return found


def _counts_devices(offer: Offer) -> bool:
    rules = offer.split.rules if offer.split else ()
    return any(rule.kind == "fixed" and rule.per == "device" for rule in rules)
