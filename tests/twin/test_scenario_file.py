"""Scenario files: what is written is what is tried; what is wrong has a line."""

from __future__ import annotations

from fractions import Fraction

import pytest

from workbench.errors import ScenarioError
from workbench.twin.scenario import Growth, Reaction, Scenario, Who
from workbench.twin.scenario_file import loads

WHOLE = """
scenario: dearer
title: A fifth dearer
patches:
  lights-on.energy.amount: [0.00006, 0.00007]
  lights-on.rent.amount: $rent
  lights-on.rent.title: Rent
grid: {rent: [0.09, 0.10, 0.11]}
moves: {pulse: pulse-plus}
traffic: {accounts: ["city-*", home-1], kinds: streetlight, period: 2026-03-01/2026-04-01}
growth:
  - {segment: {offers: [lights-on]}, usage: 1.1, devices: 1.05}
reaction: {elasticity: {low: -0.5, mid: -0.3, high: -0.1}}
migration: opt_in
seed: 11
"""


def test_a_whole_file_is_read() -> None:
    found = loads(WHOLE)
    assert len(found) == 6
    first = found[0]
    assert first.name == "dearer [rent=0.09, energy.amount=0.00006]"
    assert dict(first.labels) == {"rent": "0.09", "energy.amount": "0.00006"}
    assert [p.value for p in first.patches] == ["0.00006", "0.09", "Rent"]
    assert first.who == Who(accounts=("city-*", "home-1"), kinds=("streetlight",))
    assert first.growth[0].usage == Fraction(11, 10)
    assert first.reaction == Reaction("-0.5", "-0.3", "-0.1")
    assert (first.migration, first.seed, first.period) == ("opt_in", 11, "2026-03-01/2026-04-01")
    assert first.moves == (("pulse", "pulse-plus"),)


def test_python_may_write_it_short() -> None:
    short = Scenario(
        "x", patches={"a.b.c": "1"}, who={"accounts": "city-*"},  # type: ignore[arg-type]
        growth={"segment": {"offers": "lights-on"}, "usage": "1.1"}, reaction=("-0.5", "-0.3", "-0.1"),  # type: ignore[arg-type]
        moves={"a": "b"},  # type: ignore[arg-type]
    )  # fmt: skip
    assert short.who == Who(accounts=("city-*",)) and short.moves == (("a", "b"),)
    assert short.growth == (Growth(Who(offers=("lights-on",)), usage=Fraction(11, 10)),)
    assert short.reaction == Reaction(Fraction(-1, 2), Fraction(-3, 10), Fraction(-1, 10))
    with pytest.raises(ScenarioError):
        Scenario("x", reaction=("-1", "0"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("patches: {a.b.c: 1}", "scenario_shape"),
        ("scenario: x\nprices: {}", "scenario_unknown_key"),
        ("scenario: x\npatches: {a.b.c: $p}", "grid_unknown"),
        ("scenario: x\ngrid: {p: [1, 2]}", "grid_unused"),
        ("scenario: x\nreaction: {elasticity: 0.3}", "elasticity_sign"),
        ("scenario: x\nreaction: {elasticity: {low: -1}}", "scenario_shape"),
        ("scenario: x\ngrowth: {usage: much}", "scenario_number"),
        ("scenario: x\nmigration: nobody", "scenario_migration"),
        ("scenario: x\nseed: seven", "scenario_shape"),
        ("scenario: x\npatches: {energy: 1}", "patch_path"),
        (f"scenario: x\npatches: {{a.b: {list(range(1001))}}}", "scenario_grid"),
        ("scenario: &a x", "scenario_yaml_alias"),
    ],
)
def test_what_is_wrong_is_said(text: str, code: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        loads(text, "s.yaml")
    assert caught.value.code == code
    assert caught.value.what
