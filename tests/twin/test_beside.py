"""A simulated fleet tried together with production's traffic."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from workbench.errors import ScenarioError
from workbench.lake.lake import Lake
from workbench.lake.open import OpenLake
from workbench.showcase.build import build
from workbench.showcase.scene import Scene
from workbench.twin.reconcile import assert_reconciles
from workbench.twin.scenario import Growth, Scenario
from workbench.twin.simulate import simulate

RENT = {"lights-on.rent.amount": "+10 %"}


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten more lamps, of the same day: their ids are those of production's first ten."""
    path = tmp_path_factory.mktemp("pilot") / "pilot"
    build(path, Scene({"lamps": 10}, hours=2, seed=8))
    return path


def revenue(place: Path | OpenLake) -> Fraction:
    with simulate(place, Scenario("as it is")) as sim:
        return sim.cell().totals["EUR"][0]


@pytest.mark.parametrize("depth", ["record", "total"])
def test_both_fleets_are_priced_to_the_sum_of_both(
    lake: OpenLake, town: Path, pilot: Path, depth: str
) -> None:
    apart = revenue(town) + revenue(pilot)
    version = lake.inner.state.version
    with simulate(lake, Scenario("rent", patches=RENT), beside=[pilot], depth=depth) as sim:
        before, after = sim.cell().totals["EUR"]
        assert before == apart  # prices per unit and per device: what is billed apart is billed together
        assert after - before == Fraction("0.4")  # 40 lamps at 0.10 a day
        devices = set(sim.contributions(by=("device",))["device"])
        assert {"lamp-000001", "lamp-000001~pilot"} <= devices
        assert_reconciles(sim)
        assert any("pilot" in note for note in sim.notes)
    with Lake.open(town) as again:
        assert again.state.version == version


def test_growth_reaches_what_came_along(lake: OpenLake, pilot: Path) -> None:
    twice = Scenario("rent, twice the lamps", patches=RENT, growth=(Growth(devices="2"),))
    with simulate(lake, twice, beside=[pilot]) as sim:
        assert sim.compare().iloc[0]["delta"] == Decimal("0.8")


def test_use_of_other_days_is_no_use_here(lake: OpenLake, tmp_path: Path) -> None:
    build(tmp_path / "later", Scene({"lamps": 2}, hours=1, start=date(2026, 5, 4)))
    with pytest.raises(ScenarioError, match="no use between") as told:
        simulate(lake, Scenario("rent", patches=RENT), beside=[tmp_path / "later"])
    assert told.value.code == "traffic_beside"
