"""A flat fee that is due without use is due of every counter that somebody has a part in."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from tests.golden.case import read_cases
from tests.golden.engine import by_batch
from tests.golden.outcome import by_reference

CASE = """
meters: [{id: sim.data, unit: byte}]
partners: [{id: operator}]
cases:
  - name: nobody used anything
    offers:
      - id: o
        scope: SCOPE
        conventions: {flat_fee_at_zero: true}
        prices: [{id: data, meter: sim.data, graduated: {tiers: [{up_to: 5, amount: 1, flat: 3}, {amount: 1}]}}]
    accounts: [{id: acme}]
    devices: [{id: d1}]
    subscriptions:
      - {account: acme, offer: o}
MORE
    use: []
    expect: {lines: {}}
"""
DEVICE = "      - {account: acme, device: d1, offer: o}"


@pytest.mark.parametrize(
    ("scope", "more", "due"), [("pool", "", 3), ("pool", DEVICE, 3), ("device", "", 0), ("device", DEVICE, 3)]
)
def test_a_subscription_without_devices_has_its_part_in_the_pool(
    tmp_path: Path, scope: str, more: str, due: int
) -> None:
    file = tmp_path / "case.yaml"
    file.write_text(CASE.replace("SCOPE", scope).replace("MORE", more), encoding="utf-8")
    (case,) = read_cases(file)
    wanted = {("acme", "data", "usage"): Fraction(due * 10**9)} if due else {}
    for told in (by_reference(case), by_batch(case)):
        assert {name: amount for name, amount in told[0].lines.items() if amount} == wanted
