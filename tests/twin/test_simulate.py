"""A simulation from end to end: exact, repeatable, harmless, and every bad scenario one sentence."""

from __future__ import annotations

import shutil
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from tests.twin.conftest import PERIOD
from workbench.errors import ScenarioError, UsageError
from workbench.lake.lake import Lake
from workbench.lake.open import OpenLake
from workbench.twin.reconcile import assert_reconciles
from workbench.twin.scenario import Growth, Reaction, Scenario, Who
from workbench.twin.simulate import simulate

RENT = {"lights-on.rent.amount": "+10 %"}


def charges(lake: Lake) -> set[tuple[str, str, str]]:
    """The bytes of a period's charges."""
    return {(s.stream, s.partition, s.sha256) for s in lake.segments("charges", period=PERIOD)}


def test_production_on_itself_differs_by_nothing_and_its_charges_are_the_same_bytes(lake: OpenLake) -> None:
    with simulate(lake, Scenario("as it is"), depth="record") as sim:
        cell = sim.cell()
        assert [change.delta for change in cell.changes] == [0] * len(cell.changes)
        assert cell.pair is not None
        replayed = {(s.stream, s.partition, s.sha256) for s in cell.pair.after.segments["charges"]}
        assert replayed == charges(lake.inner)
        assert_reconciles(sim)


def test_ten_percent_of_the_rent_is_ten_percent_of_the_rent(lake: OpenLake) -> None:
    with simulate(lake, Scenario("rent", patches=RENT)) as sim:
        row = sim.compare().iloc[0]
        assert row["delta"] == Decimal("0.3")  # 30 lamps at 0.10 a day
        assert row["up"] + row["same"] == len(sim.cell().changes)
        assert list(sim.waterfall()["step"]) == ["production", "lights-on.rent", "candidate"]
        assert sim.shares().set_index("partner")["delta"]["lamp-supplier"] == Decimal("0.09")
        assert sum(sim.contributions(by=("device",))["delta"]) == Decimal("0.3")
        assert_reconciles(sim)


def test_folded_records_give_the_same_exact_bills(lake: OpenLake) -> None:
    scenarios = [
        Scenario("tiers", patches={"snack-signal.sales.tiers.1.up_to": "2 items",
                                   "snack-signal.sales.tiers.2.amount": "0.0031"}),
        Scenario("more", patches=RENT, growth=(Growth(usage="1.37", devices="1.2", customers="1.1"),)),
        Scenario("answer", patches={"pulse.heartbeat.amount": "+20 %"}, reaction=Reaction("-0.5", "-0.3", "-0.1")),
    ]  # fmt: skip
    found = []
    for depth in ("record", "total"):
        with simulate(lake, scenarios, depth=depth) as sim:
            assert_reconciles(sim)
            found.append([(cell.changes, cell.totals, cell.shares, cell.low, cell.high) for cell in sim])
    assert found[0] == found[1]


def test_twice_is_the_same_bytes(lake: OpenLake) -> None:
    def run() -> object:
        with simulate(
            lake, Scenario("r", patches=RENT, growth=(Growth(devices="1.3"),)), depth="record"
        ) as sim:
            cell = sim.cell()
            assert cell.pair is not None
            worlds = (cell.pair.before, cell.pair.after)
            return cell.changes, [[(s.partition, s.sha256) for s in w.segments["charges"]] for w in worlds]

    assert run() == run()


def test_a_simulation_leaves_nothing_behind(town: Path, lake: OpenLake) -> None:
    before = sorted(path for path in town.rglob("*") if path.is_file() and "spill" not in path.parts)
    simulate(lake, Scenario("rent", patches=RENT)).close()
    assert sorted(path for path in town.rglob("*") if path.is_file() and "spill" not in path.parts) == before
    assert lake.inner.branches() == []


def test_growth_adds_devices_and_customers(lake: OpenLake) -> None:
    lamps = Who(offers=("lights-on",))
    with simulate(lake, Scenario("g", growth=(Growth(lamps, devices="2"),))) as sim:
        assert sim.cell().devices == 41 + 30
        assert sum(c.before for c in sim.cell().changes if c.account.startswith("city")) > 6
    with simulate(lake, Scenario("c", growth=(Growth(lamps, customers="0.5"),))) as sim:
        assert sim.cell().devices < 41


def test_who_migrates(lake: OpenLake) -> None:
    patches = {"pulse.heartbeat.amount": "0.001", "lights-on.rent.amount": "0.20"}
    new = Growth(Who(offers=("lights-on",)), customers="2")
    scenarios = [
        Scenario("opt in", patches=patches, migration="opt_in"),
        Scenario("new", patches=patches, migration="new_customers", growth=(new,)),
    ]
    with simulate(lake, scenarios) as sim:
        assert all(change.delta <= 0 for change in sim.cell("opt in").changes)
        assert any(change.delta < 0 for change in sim.cell("opt in").changes)
        assert all((change.delta != 0) == ("~new" in change.account) for change in sim.cell("new").changes
                   if change.account.startswith("city"))  # fmt: skip
        assert_reconciles(sim)


def test_a_dearer_price_is_answered_by_less_use(lake: OpenLake) -> None:
    scenario = Scenario(
        "x", patches={"pulse.heartbeat.amount": "+100 %"}, reaction=Reaction("-1", "-0.5", "0")
    )
    with simulate(lake, scenario) as sim:
        cell = sim.cell()
        assert cell.low["EUR"] < cell.totals["EUR"][1] < cell.high["EUR"]
        steps = dict(zip(sim.waterfall()["step"], sim.waterfall()["delta"], strict=True))
        assert steps["pulse.heartbeat"] > 0 > steps["pulse.heartbeat (reaction)"]


def test_bad_scenarios_say_why_and_the_others_go_on(lake: OpenLake) -> None:
    overlap = {"lights-on.rent.amount": "1", "lights-on.fees.rent.amount": "2"}
    scenarios = [
        Scenario("good", patches=RENT),
        Scenario("good", patches=RENT),
        Scenario("no offer", patches={"lights-off.rent.amount": "1"}),
        Scenario("overlap", patches=overlap),
        Scenario("nobody", who=Who(accounts=("nobody-*",))),
        Scenario("no place", patches={"lights-on.rent.amuont": "1"}),
        Scenario("no number", patches={"lights-on.rent.amount": "much"}),
        Scenario("falls", patches={"snack-signal.sales.tiers.1.up_to": "600 items"}),
    ]
    with simulate(lake, scenarios) as sim:
        codes = [cell.error["code"] if cell.error else "" for cell in sim]
    assert codes[:-1] == ["", "scenario_twice", "offer_unknown", "patch_overlap", "traffic_empty", "patch_path",
                          "patch_value"]  # fmt: skip
    assert codes[-1] not in ("", "defect")
    assert all(cell.error is None or cell.error["cure"] for cell in sim)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: Reaction("0.1", "0.2", "0.3"), "elasticity_sign"),
        (lambda: Reaction("-0.1", "-0.2", "-0.3"), "elasticity_range"),
        (lambda: Growth(usage="-1"), "scenario_growth"),
        (lambda: Growth(usage=1.5), "scenario_number"),
        (lambda: Scenario("x", patches={"a.b.amount": 0.5}), "patch_value"),
        (lambda: Scenario("x", patches={"a": "0.5"}), "patch_path"),
        (lambda: Scenario("x", migration="some"), "scenario_migration"),
        (lambda: Scenario(""), "scenario_name"),
    ],
)
def test_a_wrong_scenario_is_refused_at_once(make: object, code: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        make()  # type: ignore[operator]
    assert caught.value.code == code and caught.value.cure


def test_questions_that_make_no_sense(lake: OpenLake) -> None:
    with simulate(lake, [Scenario("rent", patches=RENT), Scenario("bad", patches={"no.a.b": "1"})]) as sim:
        for ask, code in (
            (lambda: sim.cell("rant"), "scenario_unknown"),
            (lambda: sim.movers("bad"), "offer_unknown"),
            (lambda: sim.contributions(by=("colour",)), "split_by"),
        ):
            with pytest.raises(UsageError) as caught:
                ask()
            assert caught.value.code == code
    with pytest.raises(ScenarioError, match="not rated"):
        simulate(lake, Scenario("x"), period="2026-04-01/2026-05-01")
    with pytest.raises(ScenarioError, match="not a period"):
        simulate(lake, Scenario("x"), period="March")


def test_a_lake_that_is_written_to_meanwhile_is_seen_at_one_version(town: Path, tmp_path: Path) -> None:
    shutil.copytree(town, tmp_path / "busy")
    with Lake.open(tmp_path / "busy") as production, production.writer():
        seen = production.state.version
        with Lake.open(tmp_path / "busy") as looking:
            production.commit({"stage": "test"}, facts={"test": {"a": {"b": 1}}})
            with simulate(looking, Scenario("rent", patches=RENT)) as sim:
                assert sim.version == seen and sim.cell().totals
                assert f"at version {seen + 1}" in sim.notes[0] and f"looks at version {seen}" in sim.notes[0]


def test_percent_of_a_bill_is_exact(lake: OpenLake) -> None:
    with simulate(lake, Scenario("rent", patches=RENT)) as sim:
        change = sim.cell().changes[0]
        assert change.percent == 100 * change.delta / change.before and isinstance(change.percent, Fraction)
