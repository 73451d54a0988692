"""The checker: what a price list does that its author may not mean, each with a witness (a usage and two amounts).

``validate`` refused what cannot be priced; here everything can be priced, and is judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise

from workbench.model.money import NANO, decimal_text, minor_nano
from workbench.model.offer import Catalogue, Offer
from workbench.model.plan import PlanComponent, PlanOffer, PlanRate
from workbench.model.price import Percentile
from workbench.tariff.compile import compile_offer
from workbench.tariff.quote import cost_of
from workbench.tariff.show import money

MUCH = 10**12
"""Units of one counter and period beyond which no device goes."""


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


def check(catalogue: Catalogue) -> list[Finding]:
    """Everything worth saying about a catalogue, offers in order, warnings before notes.

    Raises:
        CatalogueError: an offer says what the engine does not price.
    """
    compiled = [(offer, compile_offer(offer, catalogue)) for offer in catalogue.offers]
    found = [finding for offer, plan in compiled for finding in _offer(offer, plan, catalogue)]
    newest = [pair for pair in compiled if pair[0] == catalogue.offer(pair[0].id)]
    found += list(_arbitrage(newest))
    return sorted(found, key=lambda f: (f.severity != "warning", f.offer_id, f.version, f.part, f.code))


def _offer(offer: Offer, plan: PlanOffer, catalogue: Catalogue) -> Iterator[Finding]:
    for component in plan.components:
        for rate in component.rates:
            yield from _falls(offer, component, rate)
            yield from _vanishes(offer, component, rate)
    yield from _notes(offer)


def _name(component: PlanComponent, rate: PlanRate) -> str:
    return component.id if len(component.rates) == 1 else f"{component.id}/{rate.id}"


def _amount(component: PlanComponent, rate: PlanRate, units: int) -> Fraction:
    return Fraction(cost_of(component, rate, units), component.denominator * NANO)


def _falls(offer: Offer, component: PlanComponent, rate: PlanRate) -> Iterator[Finding]:
    """A bill that gets smaller when one more unit is used: only a jump can do that, and only where a step begins."""
    for step in rate.steps[1:]:
        units = step.from_units + component.free_units
        if units < 1:
            continue
        before, after = _amount(component, rate, units - 1), _amount(component, rate, units)
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
    much = _amount(component, rate, MUCH)
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
            bills = [_Bill(offer, plan, meter) for offer, plan in ((left, left_plan), (right, right_plan))]
            if all(bill.plain for bill in bills):
                yield from _crossing(meter, *bills)


class _Bill:
    """What one device pays in one whole period for its use of one meter, fees included."""

    def __init__(self, offer: Offer, plan: PlanOffer, meter: str) -> None:
        self.offer = offer
        self.components = [component for component in plan.components if component.meter == meter]
        rates = [rate for component in self.components for rate in component.rates]
        self.plain = len(rates) == len(self.components) and not any(
            r.conversion or r.percentile for r in rates
        )
        every = {"day": 30, "period": 1, "once": 0}
        self.fixed = sum((fee.amount * every[fee.every] for fee in offer.fees), Fraction(0))

    def at(self, units: int) -> Fraction:
        usage = sum((_amount(c, c.rates[0], units) for c in self.components), Fraction(0))
        return self.fixed + usage

    def edges(self) -> set[int]:
        return {s.from_units + c.free_units for c in self.components for r in c.rates for s in r.steps}


def _crossing(meter: str, left: _Bill, right: _Bill) -> Iterator[Finding]:
    points = sorted({0, MUCH, *left.edges(), *right.edges(), *(10**n for n in range(13))})
    for low, high in pairwise(points):
        first, last = left.at(low) - right.at(low), left.at(high) - right.at(high)
        if first * last < 0:
            units = _bisect(left, right, low, high, first > 0)
            cheaper = right if first < 0 else left
            yield Finding(
                "arbitrage", "note", left.offer.id, left.offer.version, meter,
                f"From {units:,} units of {meter} per period on, '{cheaper.offer.id}' is the cheaper of "
                f"'{left.offer.id}' and '{right.offer.id}': {money(left.at(units), left.offer.currency)} and "
                f"{money(right.at(units), right.offer.currency)}.",
                ((units, left.at(units)), (units, right.at(units))),
            )  # fmt: skip
            return


def _bisect(left: _Bill, right: _Bill, low: int, high: int, above: bool) -> int:
    """The first quantity at which the difference has changed its sign."""
    while high - low > 1:
        middle = (low + high) // 2
        if (left.at(middle) - right.at(middle) > 0) == above and left.at(middle) != right.at(middle):
            low = middle
        else:
            high = middle
    return high
