"""Who shares the revenue of an offer, and in which order the shares are cut.

Let ``x`` be the cumulative charged amount of one (offer version, period, and component set). Rules are applied in
order; each yields a partner's cumulative share ``S(x)``; a movement is ``S(after) - S(before)``, exact, rounded once
on the statement. What no rule takes goes to ``rest``. The parts always sum to the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class ShareTier:
    """``rate`` of the base up to ``up_to`` (main currency unit, cumulative); ``None`` for the open last tier."""

    up_to: Fraction | None
    rate: Fraction


@dataclass(frozen=True, slots=True)
class SplitRule:
    """One partner's share.

    kind:
        ``fixed``    ``amount`` per ``per`` (``unit``: every ``per_units`` base units; ``device``: each device charged
                     in the period). Fixed shares come first.
        ``percent``  ``rate`` of ``of``: ``gross`` (the whole charge) or ``remainder`` (what the rules before left).
        ``tiers``    graduated rates over the cumulative base ``of``.

    ``guarantee`` lifts and ``cap`` limits the partner's share of a whole period (main currency unit); both are applied
    to the period's total, the difference is borne by (or falls to) ``rest``. ``components`` limits the rule to those
    component ids; empty means all.
    """

    partner: str
    kind: str = "percent"
    rate: Fraction = Fraction(0)
    of: str = "gross"
    amount: Fraction = Fraction(0)
    per: str = "unit"
    per_units: int = 1
    tiers: tuple[ShareTier, ...] = ()
    guarantee: Fraction | None = None
    cap: Fraction | None = None
    components: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """The split of an offer.

    rules: in order; ``rest``: the partner who gets what is left ("" only when percentages of gross sum to one).
    basis: ``billed`` or ``collected``; always net of tax and discounts.
    fixed_overrun: what happens to fixed parts above the charge: ``operator_bears`` (rest goes negative) or ``capped``.
    share_true_ups: whether commitment true-ups are shared (else they are all ``rest``'s).
    """

    rules: tuple[SplitRule, ...]
    rest: str = ""
    basis: str = "billed"
    fixed_overrun: str = "operator_bears"
    share_true_ups: bool = False
