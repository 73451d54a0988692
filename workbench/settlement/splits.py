"""Revenue shares, exactly: S(x) of one offer version and period, and S(after) - S(before) of a
movement.

``shares`` is a pure function of the period's cumulative state (``Basis``). Whatever moved the state from
one point to another, a partner's movement is the difference of two values of it, so 30 % of many one-nano
charges is 30 % of their sum, and a charge that is taken back takes its shares back. Nothing is rounded
here; statements are (``statements``).

How the rules combine, where ``model/split.py`` leaves room:

* Fixed rules are cut first, then the others in the order written.
* ``of: remainder`` needs to know what earlier rules took *of these components*. A share is taken from the
  components it was reckoned on, in proportion to the amounts it was reckoned on; in equal parts where those
  sum to zero (a fixed part of charges that cancel each other out).
* A period whose charges sum below zero mirrors the same period above zero: S(-x) = -S(x). Only a guarantee
  does not mirror: it lifts the signed total of the period.
* An offer billed in several currencies has one S, reckoned in its own currency. Its own currency comes first; what was
  earned in each other one, in the order of their codes, moves S on at the stored rate, and partners are paid that
  movement in that currency. So tiers, minimum guarantee and cap are those of the whole, once.
* Guarantee and cap act on the rule's total of the period, after all rules are reckoned; the difference is
  the rest's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from workbench.errors import SettlementError
from workbench.model.money import NANO
from workbench.model.split import ShareTier, Split, SplitRule

OPERATOR = "operator"
"""Who gets what no rule takes when an offer's split names no ``rest``."""

ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Basis:
    """The cumulative state shares are reckoned on: one offer version and period, in the offer's currency.

    Attributes:
        amounts: component id -> exact nano, net of tax and discounts.
        units: component id -> base units.
        devices: set of component ids, as written in a rule (empty: all) -> devices charged at least once.
        unshared: exact nano that no rule may touch (true-ups unless the split shares them).
    """

    amounts: Mapping[str, Fraction] = field(default_factory=dict)
    units: Mapping[str, int] = field(default_factory=dict)
    devices: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    unshared: Fraction = ZERO

    @property
    def total(self) -> Fraction:
        """Everything that was charged, exact nano."""
        return sum(self.amounts.values(), self.unshared)

    def plus(self, other: Basis, rate: Fraction, devices: Mapping[tuple[str, ...], int]) -> Basis:
        """With what was earned in another currency, of which one unit of this is ``rate``.

        Args:
            devices: of both together; a device may be in both.
        """
        amounts, units = dict(self.amounts), dict(self.units)
        for name, amount in other.amounts.items():
            amounts[name] = amounts.get(name, ZERO) + amount / rate
        for name, used in other.units.items():
            units[name] = units.get(name, 0) + used
        return Basis(amounts, units, devices, self.unshared + other.unshared / rate)

    def mirrored(self) -> Basis:
        """The same state with amounts and units taken back."""
        return Basis(
            {name: -amount for name, amount in self.amounts.items()},
            {name: -units for name, units in self.units.items()},
            self.devices,
            -self.unshared,
        )


def shares(split: Split, basis: Basis, *, operator: str = OPERATOR) -> dict[str, Fraction]:
    """Each partner's exact cumulative share in nano; they sum to ``basis.total`` exactly.

    Partners come in id order; every partner a rule names is there, if with zero.

    Raises:
        SettlementError: ``bad_split`` for a rule kind this arithmetic does not know.
    """
    negative = sum(basis.amounts.values(), ZERO) < 0
    cut = _cut(split, basis.mirrored() if negative else basis)
    result: dict[str, Fraction] = {}
    for rule, share in cut:
        capped = share if rule.cap is None else min(share, rule.cap * NANO)
        signed = -capped if negative else capped
        lifted = signed if rule.guarantee is None else max(signed, rule.guarantee * NANO)
        result[rule.partner] = result.get(rule.partner, ZERO) + lifted
    rest = split.rest or operator
    left = basis.total - sum(result.values(), ZERO)
    if split.rest or left:
        result[rest] = result.get(rest, ZERO) + left
    return dict(sorted(result.items()))


def movement(split: Split, before: Basis, after: Basis, *, operator: str = OPERATOR) -> dict[str, Fraction]:
    """What each partner gains or gives back when a period moves from ``before`` to ``after``: S(after) -
    S(before).
    """
    old, new = shares(split, before, operator=operator), shares(split, after, operator=operator)
    return {name: new.get(name, ZERO) - old.get(name, ZERO) for name in sorted(old.keys() | new.keys())}


def in_each_currency(
    split: Split, earned: Sequence[tuple[Fraction, Basis]], *, operator: str = OPERATOR
) -> list[dict[str, Fraction]]:
    """Each partner's share in each currency an offer version was billed in.

    Args:
        earned: by currency, the offer's own first: its stored rate (1 for its own), and what was earned in it;
            ``devices`` are those of all currencies so far.
    """
    found: list[dict[str, Fraction]] = []
    before = Basis()
    for rate, basis in earned:
        after = before.plus(basis, rate, basis.devices)
        moved = (
            movement(split, before, after, operator=operator)
            if found
            else shares(split, after, operator=operator)
        )
        found.append({name: amount * rate for name, amount in moved.items()})
        before = after
    return found


def _cut(split: Split, basis: Basis) -> list[tuple[SplitRule, Fraction]]:
    """Each rule's share before guarantee and cap, on a state that does not sum below zero."""
    left = dict(basis.amounts)
    cut: list[tuple[SplitRule, Fraction]] = []
    for rule in sorted(split.rules, key=lambda rule: rule.kind != "fixed"):
        names = sorted(set(rule.components) & left.keys()) if rule.components else sorted(left)
        base = left if rule.of == "remainder" and rule.kind != "fixed" else basis.amounts
        weights = {name: base[name] for name in names}
        share = _share(rule, basis, sum(weights.values(), ZERO), names)
        if rule.kind == "fixed" and split.fixed_overrun == "capped":
            share = min(share, max(ZERO, sum((left[name] for name in names), ZERO)))
        _take(left, weights, share)
        cut.append((rule, share))
    return cut


def _share(rule: SplitRule, basis: Basis, base: Fraction, names: list[str]) -> Fraction:
    if rule.kind == "percent":
        return rule.rate * base
    if rule.kind == "tiers":
        return _graduated(rule.tiers, base)
    if rule.kind == "fixed" and rule.per == "device":
        return rule.amount * NANO * basis.devices.get(rule.components, 0)
    if rule.kind == "fixed" and rule.per == "unit":
        return rule.amount * NANO * sum(basis.units.get(name, 0) for name in names) / rule.per_units
    raise SettlementError(
        f"A split rule of kind {rule.kind!r} per {rule.per!r} cannot be reckoned.",
        where=f"partner {rule.partner}",
        cure="Use fixed per unit or device, percent, or tiers.",
        code="bad_split",
    )


def _graduated(tiers: tuple[ShareTier, ...], base: Fraction) -> Fraction:
    """Each part of ``base`` at the rate of the tier it falls into; below zero the mirror image."""
    if base < 0:
        return -_graduated(tiers, -base)
    share, start = ZERO, ZERO
    for tier in tiers:
        end = base if tier.up_to is None else min(base, tier.up_to * NANO)
        share += tier.rate * max(ZERO, end - start)
        start = max(start, end)
    return share


def _take(left: dict[str, Fraction], weights: Mapping[str, Fraction], share: Fraction) -> None:
    """Take ``share`` off ``left`` in proportion to ``weights``; in equal parts when they sum to zero."""
    whole = sum(weights.values(), ZERO)
    for name, weight in weights.items():
        left[name] -= share * weight / whole if whole else share / len(weights)
