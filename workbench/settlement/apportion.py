"""Whole units from exact shares: the largest-remainder method, symmetric in sign.

Two questions, one method. ``apportion`` divides a given whole over weights; ``round_shares`` rounds exact
shares so that they sum to the rounded whole. Both truncate every quota towards zero and give the units that
are missing, one each, to the largest fractions; ties go to the smaller id. Turning every sign round turns
every result round, a zero share stays zero, and no result is a whole unit away from its quota.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from workbench.errors import SettlementError
from workbench.model.money import round_half_away


def apportion(total_minor: int, weights: Mapping[str, int | Fraction]) -> dict[str, int]:
    """Divide ``total_minor`` units over ids in proportion to ``weights``; the parts sum to it exactly.

    Args:
        weights: not negative, at least one above zero (all zero is allowed when there is nothing to divide).

    Raises:
        SettlementError: ``bad_weights``.

    >>> apportion(100, {"a": 1, "b": 1, "c": 1})
    {'a': 34, 'b': 33, 'c': 33}
    """
    whole = sum(weights.values(), Fraction(0))
    if any(weight < 0 for weight in weights.values()) or (whole == 0 and total_minor != 0):
        raise SettlementError(
            "An amount can only be divided over weights that are not negative and not all zero.",
            where=", ".join(f"{name}={weight}" for name, weight in sorted(weights.items())),
            code="bad_weights",
        )
    if whole == 0:
        return dict.fromkeys(weights, 0)
    return _complete(
        total_minor, {name: Fraction(weight) * total_minor / whole for name, weight in weights.items()}
    )


def round_shares(shares: Mapping[str, Fraction], unit: int) -> dict[str, int]:
    """Exact shares as multiples of ``unit`` that sum to their rounded sum (half away from zero) exactly.

    Shares may have mixed signs (a fixed share above the charge leaves the operator a negative rest).

    >>> round_shares({"a": Fraction(15), "b": Fraction(15)}, 10)  # 30 in all: 1.5 units each
    {'a': 20, 'b': 10}
    """
    whole = sum(shares.values(), Fraction(0))
    target = round_half_away(whole.numerator, whole.denominator * unit)
    parts = _complete(target, {name: Fraction(share) / unit for name, share in shares.items()})
    return {name: part * unit for name, part in parts.items()}


def _complete(target: int, quotas: Mapping[str, Fraction]) -> dict[str, int]:
    """Quotas cut towards zero, then one unit each to the largest remainders until they sum to ``target``."""
    parts = {name: _truncate(quota) for name, quota in quotas.items()}
    missing = target - sum(parts.values())
    sign = 1 if missing >= 0 else -1
    order = sorted(quotas, key=lambda name: (-sign * (quotas[name] - parts[name]), name))
    for name in order[: abs(missing)]:
        parts[name] += sign
    return parts


def _truncate(number: Fraction) -> int:
    size = abs(number.numerator) // number.denominator
    return size if number >= 0 else -size
