"""How use answers to the bill: an elasticity times the relative change of what an account pays, as exact factors."""

from __future__ import annotations

from fractions import Fraction

import pyarrow as pa

from workbench.tariff.plan import Plan
from workbench.twin.cell import Change

PPM = 1_000_000


def answer(elasticity: Fraction, change: Change) -> Fraction:
    """The factor on an account's use, in millionths, never below zero."""
    exact = 1 + elasticity * change.delta / change.before
    return Fraction(max(0, int(exact * PPM // 1)), PPM)


def by_device(plan: Plan, factors: dict[str, Fraction]) -> pa.Table:
    """Factors by account as factors by device; a device that changes hands keeps the first account's."""
    accounts = {row["account_no"]: row["account_id"] for row in plan.tables["accounts"].to_pylist()}
    rows = plan.tables["assignments"].select(["device_key", "account_no"])
    chosen: dict[int, Fraction] = {}
    for key, number in zip(rows["device_key"].to_pylist(), rows["account_no"].to_pylist(), strict=True):
        factor = factors.get(accounts[number])
        if factor is not None and factor != 1:
            chosen.setdefault(key, factor)
    return pa.table(
        {
            "device_key": pa.array(list(chosen), pa.int64()),
            "numerator": pa.array([f.numerator for f in chosen.values()], pa.int64()),
            "denominator": pa.array([f.denominator for f in chosen.values()], pa.int64()),
        }
    )
