"""The checker: what a price list does that its author may not mean, each with a witness (a usage and two amounts).

``validate`` refused what cannot be priced; here everything can be priced, and is judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from pathlib import Path

from workbench.errors import AmountOverflow, CatalogueError, WorkbenchError
from workbench.model.money import NANO, decimal_text, minor_nano
from workbench.model.offer import Catalogue, Offer
from workbench.model.plan import PlanComponent, PlanOffer, PlanRate
from workbench.model.price import Percentile
from workbench.tariff.at_close import not_at_a_node, not_online
from workbench.tariff.catalogue import where_written
from workbench.tariff.compile import compile_offer
from workbench.tariff.shape import MUCH, Bill, amount, crossings
from workbench.tariff.show import money
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


def check(catalogue: Catalogue, path: str | Path | None = None) -> list[Finding]:
    """Everything worth saying about a catalogue, offers in order, warnings before notes.

    Args:
        path: where it was read from; an error then names file and line.

    Raises:
        CatalogueError: an offer says what the engine does not price.
    """
    compiled = [(offer, _compiled(offer, catalogue, path)) for offer in catalogue.offers]
    found = [finding for offer, plan in compiled for finding in _offer(offer, plan, catalogue)]
    newest = [pair for pair in compiled if pair[0] == catalogue.offer(pair[0].id)]
    found += list(_arbitrage(newest))
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
                f"Using {units:,} instead of {units - 1:,} {component.unit} of '{component.id}' makes the "
                "bill smaller: "
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
            f"Even {MUCH:,} {component.unit} of '{component.id}' cost {money(much, offer.currency)}, "
            "which rounds to zero.",
            ((MUCH, much),),
        )  # fmt: skip


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
    for (left, left_plan), (right, right_plan) in combinations(offers, 2):
        if (left.side, left.currency, left.period) != (right.side, right.currency, right.period):
            continue
        for meter in sorted(
            {c.meter for c in left_plan.components} & {c.meter for c in right_plan.components}
        ):
            bills = [Bill(offer, plan, meter) for offer, plan in ((left, left_plan), (right, right_plan))]
            if all(bill.plain for bill in bills):
                yield from _crossing(meter, bills[0], bills[1])


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
