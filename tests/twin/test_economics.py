"""What mediation costs, and how many messages a second a fleet sends at worst: checked against arithmetic by hand."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from workbench.errors import ScenarioError, UsageError
from workbench.lake.open import OpenLake
from workbench.twin.economics import Case, Costs, load_case
from workbench.twin.planner import Fleet, judge, measured, verdict

VENDING = Path(__file__).parents[2] / "examples" / "vending-economics.yaml"


def test_the_vending_case() -> None:
    case = load_case(VENDING)
    assert case.events == 43_200_000_000 and case.revenue == 12_000
    raw = case.per_event()
    # 43.2e9 x 90 B x 0.023 a GB-month x 120 months; 43.2e9 x (1.5 + 6) s a million at 0.05 an hour; 0.30 a million sent
    assert raw.parts == {
        "storage": Fraction(43_200_000_000 * 90, 10**9) * Fraction("0.023") * 120,
        "computing": Fraction(43_200 * 15, 2) / 3600 * Fraction("0.05"),
        "network": Fraction(12_960),
    }
    assert raw.margin < 0 < case.at(900).margin
    grid = case.break_even()
    assert grid is not None and case.at(grid).margin >= 0 > case.at(grid - 1).margin
    assert "43,200,000,000 events" in case.sentence() and f"per {grid} s" in case.sentence()


def test_an_edge_that_aggregates_saves_the_network() -> None:
    costs = Costs(network_per_million_messages=Fraction(1))
    plain, edge = (Case("x", 1000, 30, Fraction(1), costs, edge=at_edge) for at_edge in (False, True))
    assert edge.at(900).parts["network"] * 30 == plain.at(900).parts["network"]


def test_an_offer_that_never_pays_says_so() -> None:
    case = Case("x", 1000, 1, Fraction(0), Costs())
    assert case.break_even() is None and "No grid makes it pay" in case.sentence()


@pytest.mark.parametrize(
    "text",
    ["economics: x\ndevices: 1\ninterval_seconds: 1", "economics: x\ndevices: 0\ninterval_seconds: 1\nrevenue_per_device: 1",
     "economics: x\ndevices: 1\ninterval_seconds: 1\nrevenue_per_device: much",
     "economics: x\ndevices: 1\ninterval_seconds: 1\nrevenue_per_device: 1\ncosts: {event_bytes: -1}"],
)  # fmt: skip
def test_bad_cases_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "case.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError):
        load_case(path)


def test_the_worst_second_of_a_fleet() -> None:
    fleet = Fleet(100_000, 100, Fraction(1, 5), spread_seconds=10, backlog=3)
    assert fleet.average == 1000
    assert fleet.worst == 800 + 20_000 * 3 // 10
    found = verdict(fleet, Fraction(4000))
    assert found.holds and found.backlog_seconds == 20
    assert not verdict(fleet, Fraction(900)).holds
    assert "worst second included" in verdict(fleet, Fraction(10_000)).sentence
    with pytest.raises(UsageError):
        Fleet(0, 1)
    with pytest.raises(UsageError):
        judge(fleet, [])


def test_rates_are_measured_from_the_lakes_own_history(lake: OpenLake) -> None:
    found = {each.stage: each for each in measured(lake.inner)}
    assert set(found) == {"land", "mediate"}
    assert all(each.rate > 0 for each in found.values())
    assert judge(Fleet(10, 60), list(found.values())).holds
