"""Does every number of an offer fit 64 bits, whoever subscribes? Prices of one line share one denominator.

Accounts of one currency are billed together, in every phase and with every coupon, so the denominator that counts is
the least common one of all these variants. Percentages are decimals: what a coupon adds to a denominator is a power of
two and one of five, and the worst set of ``n`` coupons has the ``n`` highest powers of each. Nothing is enumerated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from math import lcm

from workbench.errors import AmountOverflow
from workbench.model.offer import Catalogue, Discount, Offer
from workbench.model.plan import PlanComponent, PlanOffer
from workbench.tariff.compile import INT64, compile_offer, day_parts
from workbench.tariff.variants import holds, phases

TOGETHER = 3
"""So many coupons one subscription must be able to hold; with more the checker only warns."""
_DAYS = {"day": (1,), "week": (7,), "month": (28, 29, 30, 31), "quarter": (90, 91, 92), "year": (365, 366)}
_ONE = Fraction(1)


def too_wide(offer: Offer, catalogue: Catalogue, plan: PlanOffer, coupons: int = TOGETHER) -> str:
    """The first number that would not fit, as a sentence that names the currency and the coupons; empty when all fit.

    Args:
        plan: the offer compiled in its own currency, without percentage discounts.
        coupons: how many of the offer's coupons one subscription may hold.
    """
    for currency in dict.fromkeys((offer.currency, *(rate.currency for rate in offer.fx))):
        foreign = "" if currency == offer.currency else f" for an account in {currency}"
        try:
            own = compile_offer(offer, catalogue, currency=currency) if foreign else plan
        except AmountOverflow as error:
            return error.what.removesuffix(".") + foreign + "."
        for number in range(min(coupons, len(codes_of(offer))) + 1):
            if what := _wide(offer, own, number):
                return what + foreign + _held(offer, number) + "."
    return ""


def codes_of(offer: Offer) -> list[str]:
    """The coupons that change a price, those with the finest percentages first."""
    return sorted(
        _factors(offer.discounts), key=lambda code: (-_factors(offer.discounts)[code].denominator, code)
    )


def _held(offer: Offer, number: int) -> str:
    if number:
        names = codes_of(offer)[:number]
        return f" with the coupon{'s' if number > 1 else ''} {', '.join(names)}"
    always = [d.id for d in offer.discounts if d.kind == "percent" and not d.code]
    return f" with the discount{'s' if len(always) > 1 else ''} {', '.join(always)}" if always else ""


def _wide(offer: Offer, plan: PlanOffer, coupons: int) -> str:
    shared = []
    for component in plan.components:
        common = _common(offer, component.id, list(_money(component)), coupons)
        if common is None:
            return f"The price '{component.id}' needs numbers beyond 64 bits"
        shared.append(common)
    lines = [
        (fee, _common(offer, fee.id, [Fraction(fee.amount, fee.denominator)], coupons)) for fee in plan.fees
    ]
    for days in _DAYS[offer.period]:
        parts = []
        for fee, common in lines:
            if common is None or common * day_parts(fee, days) > INT64:
                return f"The fee '{fee.id}' needs numbers beyond 64 bits"
            parts.append(common * day_parts(fee, days))
        limits = [a.denominator * (days if a.daily else 1) for a in plan.adjustments]
        if limits and lcm(*shared, *parts, *limits) > INT64:
            return f"All prices, fees and '{plan.adjustments[-1].id}' together need numbers beyond 64 bits"
    return ""


def _money(component: PlanComponent) -> Iterator[Fraction]:
    numbers: list[int] = [
        n for rate in component.rates for step in rate.steps for n in (step.base, step.block_amount)
    ]
    for conversion in (rate.conversion for rate in component.rates if rate.conversion):
        ends = (conversion.floor, conversion.cap)
        numbers += [conversion.rate, conversion.fee, *(end for end in ends if end is not None)]
    return (Fraction(number, component.denominator) for number in set(numbers))


def _common(offer: Offer, part: str, money: Sequence[Fraction], coupons: int) -> int | None:
    """The denominator that all variants of a part share; None when it, or a number over it, is beyond 64 bits."""
    about = [d for d in offer.discounts if d.kind == "percent" and (not d.components or part in d.components)]
    numbers, finest = [_ONE], list[Fraction]()
    for first, _ in phases(about):
        inside = [discount for discount in about if holds(discount, first)]
        always = _product(discount for discount in inside if not discount.code)
        coupon = _finest([factor.denominator for factor in _factors(inside).values()], coupons)
        numbers += [amount * always for amount in money]
        finest += [amount * always / coupon for amount in money]
    common = lcm(*(amount.denominator for amount in finest))
    return common if max(numbers) * common <= INT64 else None


def _factors(discounts: Iterable[Discount]) -> dict[str, Fraction]:
    """What each coupon leaves of a price."""
    coded = [discount for discount in discounts if discount.code and discount.kind == "percent"]
    return {code: _product(d for d in coded if d.code == code) for code in sorted({d.code for d in coded})}


def _product(discounts: Iterable[Discount]) -> Fraction:
    left = _ONE
    for discount in discounts:
        left *= 1 - discount.rate
    return left


def _finest(denominators: Sequence[int], most: int) -> int:
    """What the worst ``most`` of these denominators multiply to, for each prime on its own."""
    found = 1
    for prime in (2, 5):  # all there is in decimals
        powers = sorted((_power(denominator, prime) for denominator in denominators), reverse=True)
        found *= prime ** sum(powers[:most])
    return found


def _power(number: int, prime: int) -> int:
    power = 0
    while number % prime == 0:
        number //= prime
        power += 1
    return power
