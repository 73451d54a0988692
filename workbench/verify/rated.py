"""An independent rater agrees: the reference, which shares nothing with the engine but the nouns (I20).

Whole accounts are rated again from their records: all devices, all meters, all fees of the period. What is
compared is the exact amount and the units of every line, and of every single charge where the price leaves no
freedom to attribute (prices per unit, without free units).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction

from workbench.model.offer import Catalogue, Component
from workbench.model.price import PerUnit
from workbench.reference.rater import rate_periods
from workbench.reference.results import Bill, LineKey, Unpriceable
from workbench.verify.accounts import batches, chosen, sponsors, tangled_accounts
from workbench.verify.context import RERATED, Context
from workbench.verify.report import CounterExample, Outcome
from workbench.verify.retold import Line, Place, Rated, parties_of, rated_by_engine, spans, uses_of

_NOTHING = (Fraction(0), 0)


def reference_agrees(context: Context) -> Outcome:
    """Rate the accounts to look at with the reference, and compare every line and every plain charge."""
    counts = {"periods": 0, "accounts": 0, "uses": 0, "charges": 0, "lines": 0}
    for period in context.periods:
        catalogue = context.catalogue(period)
        if catalogue is None or f"{period}{RERATED}" in context.periods:
            continue  # what a closed period came to later is rated anew beside it, and compared there
        if context.unrated(period):
            counts["periods_to_rate"] = counts.get("periods_to_rate", 0) + 1
            continue  # records came since: what was charged is not all there is to charge yet
        counts["periods"] += 1
        accounts = chosen(context, period, catalogue)
        counts["accounts"] += len(accounts)
        for batch in batches(context, accounts, tangled_accounts(context, catalogue)):
            wrong = _compare(context, period, catalogue, batch, counts)
            if wrong:
                return Outcome(counts, wrong)
    return Outcome(counts)


def _compare(
    context: Context, period: str, catalogue: Catalogue, accounts: list[str], counts: dict[str, int]
) -> CounterExample | None:
    parties = parties_of(context, accounts, sponsors(catalogue))
    periods = spans(context, period, catalogue)
    uses = uses_of(context, parties, periods[0][0], periods[-1][1])
    counts["uses"] += len(uses)
    try:
        bill = rate_periods(catalogue, parties, uses, periods)[-1]
    except Unpriceable as error:
        return CounterExample(f"The reference refuses what the engine priced in {period}: {error}.")
    rated = _of_batch(catalogue, rated_by_engine(context, period, set(accounts)))
    looked_at = set(accounts)  # a sponsor who is not among them pays for others, too
    bill.lines = [line for line in bill.lines if _told_here(catalogue, line.key, looked_at)]
    bill.charges = [charge for charge in bill.charges if _told_here(catalogue, charge.line, looked_at)]
    billed_in = {account.account_id: account.currency for account in parties.accounts}
    return _charges_differ(period, catalogue, bill, rated, billed_in, counts) or _lines_differ(
        period, bill, rated, counts
    )


def _told_here(catalogue: Catalogue, key: LineKey, accounts: set[str]) -> bool:
    return key.account_id in accounts and key.kind != "carry" and not _online(catalogue, _key(key))


def _online(catalogue: Catalogue, key: Line) -> bool:
    """Whether a charging node owns the meter: its charges are not made of records (``node_charges`` proves them)."""
    return key[4] == "usage" and any(
        offer.charged == "node" for offer in catalogue.versions(key[1]) if offer.version == key[2]
    )


def _of_batch(catalogue: Catalogue, rated: Rated) -> Rated:
    """What the engine rated, without what a node charged."""
    return Rated(
        {key: value for key, value in rated.lines.items() if not _online(catalogue, key)},
        {place: nano for place, nano in rated.charges.items() if not _online(catalogue, place[0])},
    )


def _lines_differ(period: str, bill: Bill, rated: Rated, counts: dict[str, int]) -> CounterExample | None:
    expected: dict[Line, tuple[Fraction, int]] = {}
    for line in bill.lines:
        amount, units = expected.get(_key(line.key), (Fraction(0), 0))
        counted = line.units if line.key.kind == "usage" else 0
        expected[_key(line.key)] = (amount + line.amount_nano, units + counted)
    for key in sorted(expected.keys() | rated.lines.keys()):
        counts["lines"] += 1
        want, got = expected.get(key), rated.lines.get(key)
        if (want or _NOTHING) == (got or _NOTHING):
            continue
        text = f"The {key[4]} line of {key[0]} for {key[1]} v{key[2]} {key[3]} in {period} is not the reference's."
        return CounterExample(text, _told(want), _told(got))
    return None


def _told(value: tuple[Fraction, int] | None) -> str:
    return "no line" if value is None else f"{value[0]} nano for {value[1]} units"


def _charges_differ(
    period: str,
    catalogue: Catalogue,
    bill: Bill,
    rated: Rated,
    billed_in: Mapping[str, str],
    counts: dict[str, int],
) -> CounterExample | None:
    plain = {
        (offer.id, offer.version, component.id)
        for offer in catalogue.offers
        for component in offer.components
        if _is_plain(component) and not offer.bundles
    }
    rates = {
        (offer.id, offer.version): {fx.currency: fx.rate for fx in offer.fx} for offer in catalogue.offers
    }
    expected: dict[Place, Fraction] = defaultdict(Fraction)
    for charge in bill.charges:
        key = _key(charge.line)
        if charge.line.kind == "usage" and key[1:4] in plain:
            rate = rates[key[1:3]].get(billed_in[key[0]], Fraction(1))
            expected[key, charge.device_id, charge.at] += charge.amount_nano * rate
    observed = {place: nano for place, nano in rated.charges.items() if place[0][1:4] in plain}
    counts["charges"] += len(observed)
    for place in sorted(expected.keys() | observed.keys()):
        want, got = expected.get(place), observed.get(place)
        if want == got:
            continue
        (account, offer, version, component, *_), device, at = place
        text = f"A charge of {account} for {offer} v{version} {component} in {period} is another one for the reference."
        values = ["no charge" if value is None else f"{value} nano" for value in (want, got)]
        return CounterExample(text, values[0], values[1], device, at.isoformat())
    return None


def _is_plain(component: Component) -> bool:
    """Whether each record's charge stands on its own, so that two raters can agree on it one by one."""
    return (
        all(isinstance(rate.price, PerUnit) for rate in component.rates)
        and component.allowance is None
        and component.increment is None
        and component.fold in ("sum", "count")
    )


def _key(key: LineKey) -> Line:
    return (key.account_id, key.offer_id, key.offer_version, key.component_id, key.kind, key.tax_category)
