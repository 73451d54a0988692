"""The checker: what a price list does that its author may not mean, each with a witness (a usage and two amounts).

``validate`` refused what cannot be priced; here everything can be priced, and is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise
from pathlib import Path

from workbench.errors import AmountOverflow, CatalogueError, WorkbenchError
from workbench.model.money import NANO, decimal_text, minor_nano
from workbench.model.offer import Catalogue, Component, Fee, Meter, Offer
from workbench.model.plan import PlanComponent, PlanOffer, PlanRate
from workbench.model.price import Dynamic, Percentage, Percentile, PerUnit
from workbench.tariff.at_close import not_at_a_node, not_online
from workbench.tariff.catalogue import where_written
from workbench.tariff.compare import rivals
from workbench.tariff.compile import compile_offer
from workbench.tariff.parts_text import SCOPES
from workbench.tariff.shape import MUCH, Bill, amount, crossings
from workbench.tariff.show import money
from workbench.tariff.slips import slips
from workbench.tariff.units_text import quantity_words
from workbench.tariff.widest import TOGETHER, codes_of, too_wide


@dataclass(frozen=True, slots=True)
class Finding:
    """One judgement. ``severity``: ``warning`` (look at it before publishing) or ``note`` (good to know).

    witness: (units, amount) pairs that anybody can recompute with ``workbench price``; amounts in the main unit.
    """

    code: str
    severity: str
    offer_id: str
    version: int
    part: str
    sentence: str
    witness: tuple[tuple[int, Fraction], ...] = ()

    def as_dict(self) -> dict[str, object]:
        """For a program."""
        return {
            "code": self.code,
            "severity": self.severity,
            "offer_id": self.offer_id,
            "version": self.version,
            "part": self.part,
            "sentence": self.sentence,
            "witness": [{"units": units, "amount": decimal_text(amount)} for units, amount in self.witness],
        }


def check(
    catalogue: Catalogue,
    path: str | Path | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> list[Finding]:
    """Everything worth saying about a catalogue, offers in order, warnings before notes.

    Args:
        path: where it was read from; an error then names file and line.
        progress: told how many offers have been judged so far.

    Raises:
        CatalogueError: an offer says what the engine does not price, or what some customer could not be billed by.
    """
    meters = {meter.id: meter for meter in catalogue.meters}
    found: list[Finding] = []
    newest: dict[str, tuple[Offer, PlanOffer]] = {}
    for number, offer in enumerate(catalogue.offers, 1):
        used = tuple(meters[name] for name in dict.fromkeys(c.meter for c in offer.components))
        own = Catalogue(used)  # looking for a meter among thousands costs more than pricing the offer
        plan = _compiled(offer, own, path)
        found += _offer(offer, plan, own)
        found += _slipped(offer, meters)
        if offer.id not in newest or newest[offer.id][0].version < offer.version:
            newest[offer.id] = (offer, plan)
        progress(number)
    for old, new in pairwise(catalogue.offers):
        if old.id == new.id:
            found += _other_meter(old, new)
            found += _anew(old, new)
    found += _arbitrage(list(newest.values()))
    return sorted(found, key=lambda f: (f.severity != "warning", f.offer_id, f.version, f.part, f.code))


def _compiled(offer: Offer, catalogue: Catalogue, path: str | Path | None) -> PlanOffer:
    """An offer that every customer can be billed by, now and later."""
    try:
        plan = compile_offer(offer, catalogue)
        if wide := too_wide(offer, catalogue, plan):
            raise AmountOverflow(wide, cure="Use fewer digits in its amounts, discounts or exchange rate.")
        _hold_online(offer, plan)
    except WorkbenchError as error:
        where = error.where or f"offer {offer.id}"
        if path is not None:
            limit = next((name for name in ("maximum", "commitment") if f"the {name}" in error.what), "")
            where = where_written(path, offer, f"'@{limit}'" if limit else error.what)
        raise CatalogueError(error.what, where=where, code=error.code, cure=error.cure) from error
    return plan


def _hold_online(offer: Offer, plan: PlanOffer) -> None:
    """Refuse what is prepaid or charged by a node and can only be decided at the close of a period."""
    if not (offer.prepaid or offer.charged == "node"):
        return
    found = [f"{what} is decided at close." for what in not_online(plan)]
    found += [
        f"the fixed discount '{d.id}' is decided at close." for d in offer.discounts if d.kind == "fixed"
    ]
    if offer.charged == "node" and (why := not_at_a_node(offer)):
        found.append(why[0].lower() + why[1:])
    for what in found:
        raise CatalogueError(
            f"Offer '{offer.id}' cannot be charged online: {what}",
            code="not_online",
            cure="Charge it in batch (without `prepaid: true` and `charged: node`), or change the price.",
        )


def _offer(offer: Offer, plan: PlanOffer, catalogue: Catalogue) -> Iterator[Finding]:
    for component in plan.components:
        for rate in component.rates:
            yield from _falls(offer, component, rate)
            yield from _vanishes(offer, component, rate)
    yield from _coupons(offer, plan, catalogue)
    yield from _untaxed(offer)
    yield from _pool_rules(offer)
    yield from _overrun(offer, plan)
    yield from _notes(offer)


def _coupons(offer: Offer, plan: PlanOffer, catalogue: Catalogue) -> Iterator[Finding]:
    """More coupons than anybody holds at once, which still nobody forbids."""
    number = len(codes_of(offer))
    if number > TOGETHER and (wide := too_wide(offer, catalogue, plan, number)):
        yield Finding(
            "coupons_together", "warning", offer.id, offer.version, "",
            f"{wide} A subscription that holds so many coupons cannot be billed.",
        )  # fmt: skip


def _name(component: PlanComponent, rate: PlanRate) -> str:
    return component.id if len(component.rates) == 1 else f"{component.id}/{rate.id}"


def _falls(offer: Offer, component: PlanComponent, rate: PlanRate) -> Iterator[Finding]:
    """A bill that gets smaller when one more unit is used: only a jump can do that, and only where a step begins."""
    for step in rate.steps[1:]:
        held, add = component.increment_units, component.increment_add
        units = (
            -(-(step.from_units + component.free_units) // held) * held - add
        )  # the first that is rounded into it
        if units < 1:
            continue
        before, after = amount(component, rate, units - 1), amount(component, rate, units)
        if after < before:
            yield Finding(
                "bill_falls", "warning", offer.id, offer.version, _name(component, rate),
                f"Using {quantity_words(units, component.unit)} of '{component.id}' instead of "
                f"{quantity_words(units - 1, component.unit)} makes the bill smaller: "
                f"{money(after, offer.currency)} instead of {money(before, offer.currency)}.",
                ((units - 1, before), (units, after)),
            )  # fmt: skip


def _vanishes(offer: Offer, component: PlanComponent, rate: PlanRate) -> Iterator[Finding]:
    """A price so small that one device's whole period rounds to nothing."""
    if rate.percentile is not None or rate.conversion is not None:
        return
    much = amount(component, rate, MUCH)
    half = Fraction(minor_nano(offer.currency), 2 * NANO)
    if much == 0:
        sentence = f"'{_name(component, rate)}' costs nothing, however much is used."
        yield Finding(
            "costs_nothing",
            "note",
            offer.id,
            offer.version,
            _name(component, rate),
            sentence,
            ((MUCH, much),),
        )
    elif much < half:
        yield Finding(
            "rounds_to_zero", "warning", offer.id, offer.version, _name(component, rate),
            f"Even {quantity_words(MUCH, component.unit)} of '{component.id}' cost {money(much, offer.currency)}, "
            "which rounds to zero.",
            ((MUCH, much),),
        )  # fmt: skip


def _untaxed(offer: Offer) -> Iterator[Finding]:
    """A category that no tax of the offer names, where others are named: perhaps exempt, perhaps misspelt."""
    named = {tax.category for tax in offer.taxes}
    priced: tuple[Component | Fee, ...] = (*offer.components, *offer.fees)
    for part in priced:
        if named and part.tax_category not in named:
            yield Finding(
                "tax_category_unnamed", "warning", offer.id, offer.version, part.id,
                f"'{part.id}' is in the tax category '{part.tax_category}', which no tax of the offer names: it is billed "
                f"without tax. Named: {', '.join(sorted(named))}.",
            )  # fmt: skip


def _slipped(offer: Offer, meters: dict[str, Meter]) -> Iterator[Finding]:
    """What a new version would be refused for: an older one was published before that was looked for, and stays."""
    for what, part, code, cure in slips(offer, meters):
        yield Finding(
            code, "warning", offer.id, offer.version, "" if part.startswith("@") else part,
            f"{what} Version {offer.version} is in force and stays as it is. For the next version: {cure}",
        )  # fmt: skip


def _other_meter(old: Offer, new: Offer) -> Iterator[Finding]:
    """A price that keeps its id and counts something else: what was used of the one would count as used of the other."""
    before = {component.id: component for component in old.components}
    carried = new.publish.running == "now" and new.publish.counters == "carry"
    for component in new.components:
        was = before.get(component.id)
        if was is None or was.meter == component.meter:
            continue
        rolls = bool(was.allowance and was.allowance.rollover and component.allowance)
        if carried or rolls:
            what = "its counters go on" if carried else "unused free units go over"
            yield Finding(
                "counter_of_another_meter", "warning", new.id, new.version, component.id,
                f"'{component.id}' counts {component.meter}; in version {old.version} it counted {was.meter}, and {what}: "
                f"{was.meter} used or left before counts as {component.meter}. Give the price another id"
                f"{', or say `counters: reset`' if carried else ''}.",
            )  # fmt: skip


def _looks_back(component: Component) -> bool:
    """Whether a price depends on what was used before."""
    same = (PerUnit, Percentage, Dynamic)
    return component.allowance is not None or any(
        not isinstance(rate.price, same) for rate in component.rates
    )


def _anew(old: Offer, new: Offer) -> Iterator[Finding]:
    """A price whose counter cannot go on in the middle of a period, since it is kept for others or for another time."""
    if new.publish.running != "now" or new.publish.counters == "reset":
        return
    before = {component.id: component for component in old.components}
    for component in new.components:
        was = before.get(component.id)
        if was is None or not (_looks_back(was) or _looks_back(component)):
            continue
        said = [
            (
                SCOPES[c.scope or offer.scope],
                f"they begin anew every {offer.period if c.counter_period == 'billing' else c.counter_period}",
            )
            for c, offer in ((was, old), (component, new))
        ]
        for then, now in zip(*said, strict=True):
            if then != now:
                yield Finding(
                    "counter_starts_anew", "warning", new.id, new.version, component.id,
                    f"The counters of '{component.id}': {now}; in version {old.version}: {then}. Version {new.version} holds from "
                    f"{new.effective} for running subscriptions, too, and their counters begin at zero then: what was used "
                    "before in that period counts no more. Say `counters: reset` if that is meant, or `running: next_period`.",
                )  # fmt: skip


def _pool_rules(offer: Offer) -> Iterator[Finding]:
    """What an offer says of a pool's free units, when no pool shares any."""
    pooled = any((c.scope or offer.scope) == "pool" and c.allowance is not None for c in offer.components)
    said = {"pool_cap_units": offer.pool_cap_units is not None, "overage": offer.overage == "excess"}
    for field in (name for name, written in said.items() if written and not pooled):
        yield Finding(
            "pool_rule_idle", "warning", offer.id, offer.version, "",
            f"`{field}` does nothing: no price with `scope: pool` has an `allowance`.",
        )  # fmt: skip


def _overrun(offer: Offer, plan: PlanOffer) -> Iterator[Finding]:
    """A fixed share per unit that is more than the units cost: whoever gets the rest pays it."""
    split = offer.split
    if split is None or split.fixed_overrun == "capped":
        return
    for rule in (rule for rule in split.rules if rule.kind == "fixed" and rule.per == "unit"):
        for component in (c for c in plan.components if not rule.components or c.id in rule.components):
            if len(component.rates) > 1 or component.rates[0].conversion or component.rates[0].percentile:
                continue
            for units in (rule.per_units * 10**power for power in range(7)):
                price, share = (
                    amount(component, component.rates[0], units),
                    rule.amount * units / rule.per_units,
                )
                if share > price:
                    yield Finding(
                        "share_above_price", "note", offer.id, offer.version, component.id,
                        f"Of {quantity_words(units, component.unit)} of '{component.id}', which cost {money(price, offer.currency)}, "
                        f"'{rule.partner}' gets {money(share, offer.currency)}: '{split.rest}' pays the difference.",
                        ((units, price), (units, share)),
                    )  # fmt: skip
                    break


def _notes(offer: Offer) -> Iterator[Finding]:
    for sponsorship in offer.sponsorships:
        yield Finding(
            "open_internet", "note", offer.id, offer.version, sponsorship.id,
            f"Sponsorship '{sponsorship.id}' makes some traffic free: EU rules on open internet access may forbid "
            "zero-rating of internet access services; a service of its own (an APN, a machine's updates) "
            "is another case.",
        )  # fmt: skip
    for component in offer.components:
        for rate in component.rates:
            if isinstance(rate.price, Percentile):
                dropped = decimal_text((1 - rate.price.percentile) * 100)
                yield Finding(
                    "bursts_free", "note", offer.id, offer.version, component.id,
                    f"A device that is active in less than {dropped} % of the slots pays nothing for '{component.id}'.",
                )  # fmt: skip


# -- arbitrage -----------------------------------------------------------------------------------------------


def _arbitrage(offers: Sequence[tuple[Offer, PlanOffer]]) -> Iterator[Finding]:
    """Two offers for one meter between which the cheaper one changes: the crossing point, with both amounts."""
    for group in rivals(offers):
        for left, right in combinations(group.bills, 2):
            yield from _crossing(group.meter, left, right)
        if len(group.bills) < group.number:
            first = group.bills[0].offer
            yield Finding(
                "arbitrage_part", "note", first.id, first.version, group.meter,
                f"{group.number:,} offers price {group.meter}: compared with each other were only those that are the "
                f"cheapest of all at 0, 1, 10, 100 ... units ({len(group.bills)}).",
            )  # fmt: skip


def _crossing(meter: str, left: Bill, right: Bill) -> Iterator[Finding]:
    """The first change of sides."""
    for crossing in crossings(left, right)[:1]:
        cheaper = left if crossing.cheaper_left else right
        yield Finding(
            "arbitrage", "note", left.offer.id, left.offer.version, meter,
            f"From {crossing.units:,} units of {meter} per period on, '{cheaper.offer.id}' is the cheaper of "
            f"'{left.offer.id}' and '{right.offer.id}': {money(crossing.left, left.offer.currency)} and "
            f"{money(crossing.right, right.offer.currency)}.",
            ((crossing.units, crossing.left), (crossing.units, crossing.right)),
        )  # fmt: skip
