"""Splits: who shares the revenue of an offer version in a period.

"Shares telescope: S(after) − S(before) per partner, offer and period; statements round once; the parts sum
to the whole; zero weight gets zero; negative lines mirror." So a period's share is S of the period's total,
computed once. An offer that is billed in several currencies has one S, in its own: what it earned in another currency
moves it on, at the stored rate, so tiers, minimum guarantee and cap are those of the whole.
"""

from __future__ import annotations

from fractions import Fraction

from workbench.model.offer import Offer
from workbench.model.split import Split, SplitRule
from workbench.reference.results import ZERO, Share, Unpriceable
from workbench.reference.rounding import NANO, exact_sum, exchange_rate, minor_unit, to_minor


class Takings:
    """What one offer version earned in a period: exact nano by component, units by component, devices
    charged.
    """

    def __init__(self) -> None:
        self.parts: dict[str, list[Fraction]] = {}
        self.units: dict[str, int] = {}
        self.devices: dict[str, set[str]] = {}
        self.unshared = ZERO

    def add(self, component_id: str, amount: Fraction, units: int, device_id: str) -> None:
        """Count one charge."""
        self.parts.setdefault(component_id, []).append(amount)
        self.units[component_id] = self.units.get(component_id, 0) + units
        if device_id:
            self.devices.setdefault(component_id, set()).add(device_id)

    def extend(self, other: Takings) -> None:
        """Count what was earned elsewhere, too."""
        for component_id, parts in other.parts.items():
            self.parts.setdefault(component_id, []).extend(parts)
        for component_id, units in other.units.items():
            self.units[component_id] = self.units.get(component_id, 0) + units
        for component_id, devices in other.devices.items():
            self.devices.setdefault(component_id, set()).update(devices)
        self.unshared += other.unshared

    def mirrored(self) -> Takings:
        """The same with all signs turned round: "negative lines mirror"."""
        other = Takings()
        other.parts = {component_id: [-part for part in parts] for component_id, parts in self.parts.items()}
        other.units = {component_id: -units for component_id, units in self.units.items()}
        other.devices, other.unshared = self.devices, -self.unshared
        return other

    def amounts(self) -> dict[str, Fraction]:
        """Exact nano by component."""
        return {component_id: exact_sum(parts) for component_id, parts in self.parts.items()}


def shares_of(offer: Offer, earned: dict[str, Takings]) -> list[Share]:
    """Every partner's share in each currency; those of a currency sum to what was earned in it, exactly.

    The offer's own currency comes first, the others by their codes. Takings are in the offer's own currency.
    """
    found = []
    so_far, before = Takings(), dict[str, Fraction]()
    for currency in sorted(earned, key=lambda code: (code != offer.currency, code)):
        so_far.extend(earned[currency])
        after = parts_of(offer, so_far)
        rate = exchange_rate(offer, currency)
        if rate is None:
            raise Unpriceable(f"offer {offer.id} has no rate from {offer.currency} to {currency}")
        moved = {partner: (amount - before.get(partner, ZERO)) * rate for partner, amount in after.items()}
        statements = rounded_together(moved, currency)
        found += [
            Share(partner, offer.id, offer.version, currency, amount, statements[partner])
            for partner, amount in sorted(moved.items())
        ]
        before = after
    return found


def parts_of(offer: Offer, takings: Takings) -> dict[str, Fraction]:
    """What every partner gets of all that was earned, the rest's taker included: partner -> nano."""
    if offer.split is None:
        raise Unpriceable(f"offer {offer.id} has no split")
    whole = exact_sum(takings.amounts().values()) + takings.unshared
    parts = cut(offer.split, takings)
    rest = whole - sum(parts.values(), ZERO)
    if offer.split.rest:
        parts[offer.split.rest] = parts.get(offer.split.rest, ZERO) + rest
    elif rest != 0:
        raise Unpriceable(f"offer {offer.id}: the split leaves {rest} nano to nobody")
    return parts


def rounded_together(parts: dict[str, Fraction], currency: str) -> dict[str, int]:
    """Statements "round once; the parts sum to the whole; remainder by largest fraction, ties by partner id".

    Every part is cut towards zero to whole minor units; the units missing from the rounded whole go, one
    each, to the largest fractions. A zero share stays zero, and turning all signs round turns all results
    round.
    """
    unit = minor_unit(currency)
    whole = to_minor(exact_sum(parts.values()), currency) // unit
    cut_down = {partner: truncated(amount / unit) for partner, amount in parts.items()}
    missing = whole - sum(cut_down.values())
    sign = 1 if missing > 0 else -1
    left = {partner: sign * (amount / unit - cut_down[partner]) for partner, amount in parts.items()}
    for partner in sorted(left, key=lambda name: (-left[name], name))[: abs(missing)]:
        cut_down[partner] += sign
    return {partner: units * unit for partner, units in cut_down.items()}


def truncated(number: Fraction) -> int:
    """The whole part, towards zero."""
    size = abs(number.numerator) // number.denominator
    return size if number >= 0 else -size


def cut(split: Split, takings: Takings) -> dict[str, Fraction]:
    """What every partner gets: partner -> nano.

    Guarantees and caps act on the finished parts, so that their difference is borne by the rest alone. A period that
    took back more than it earned mirrors one that earned as much; only a guarantee is due whatever was earned.
    """
    negative = exact_sum(takings.amounts().values()) < 0
    parts: dict[str, Fraction] = {}
    for rule, share in cut_positive(split, takings.mirrored() if negative else takings):
        if rule.cap is not None:
            share = min(share, rule.cap * NANO)
        if negative:
            share = -share
        if rule.guarantee is not None:
            share = max(share, rule.guarantee * NANO)
        parts[rule.partner] = parts.get(rule.partner, ZERO) + share
    return parts


def cut_positive(split: Split, takings: Takings) -> list[tuple[SplitRule, Fraction]]:
    """The rules in order, fixed parts first, of a period that earned something."""
    parts: list[tuple[SplitRule, Fraction]] = []
    left = takings.amounts()  # what the rules so far have left of each component
    ordered = [rule for rule in split.rules if rule.kind == "fixed"]
    ordered += [rule for rule in split.rules if rule.kind != "fixed"]
    for rule in ordered:
        base = base_of(rule, left if rule.of == "remainder" else takings.amounts())
        if rule.kind == "fixed":
            share = fixed_part(rule, takings)
            if split.fixed_overrun == "capped":
                share = min(share, max(ZERO, exact_sum(base_of(rule, left).values())))
        else:
            share = proportional_part(rule, exact_sum(base.values()))
        take(left, base, share)
        parts.append((rule, share))
    return parts


def take(left: dict[str, Fraction], base: dict[str, Fraction], share: Fraction) -> None:
    """A share is taken from the components it was reckoned on, in proportion to what it was reckoned on.

    Where that sums to zero there is no proportion: every component gives the same.
    """
    whole = exact_sum(base.values())
    for component_id, amount in base.items():
        if whole != 0:
            left[component_id] -= share * amount / whole
        else:
            left[component_id] -= share / len(base)


def base_of(rule: SplitRule, amounts: dict[str, Fraction]) -> dict[str, Fraction]:
    """The amounts a rule looks at: those of its components, or all."""
    return {c: amount for c, amount in amounts.items() if not rule.components or c in rule.components}


def fixed_part(rule: SplitRule, takings: Takings) -> Fraction:
    """A fixed amount per device charged, or per ``per_units`` units (parts of them count in proportion)."""
    count = ZERO
    if rule.per == "device":
        devices: set[str] = set()
        for component_id, charged in takings.devices.items():
            if not rule.components or component_id in rule.components:
                devices |= charged
        count = Fraction(len(devices))
    else:
        for component_id, units in takings.units.items():
            if not rule.components or component_id in rule.components:
                count += Fraction(units, rule.per_units)
    return rule.amount * NANO * count


def proportional_part(rule: SplitRule, base: Fraction) -> Fraction:
    """A percentage of the base, or graduated rates over it; a negative base mirrors."""
    if base < 0:
        return -proportional_part(rule, -base)
    if rule.kind == "percent":
        return rule.rate * base
    share = ZERO
    lower = ZERO
    for tier in rule.tiers:
        upper = base if tier.up_to is None else min(base, tier.up_to * NANO)
        if upper > lower:
            share += (upper - lower) * tier.rate
            lower = upper
    return share
