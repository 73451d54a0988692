"""``workbench twin`` from a shell: the same numbers as in Python, one object with --json, exit codes that mean something."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Said
from workbench.showcase.cast import FILES
from workbench.twin.scenario import Scenario
from workbench.twin.simulate import simulate

Say = Callable[..., Said]
EXAMPLES = Path(__file__).parents[2] / "examples"
RENT = "scenario: rent\npatches: {lights-on.rent.amount: [0.11, 0.12]}\n"


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "rent.yaml"
    path.write_text(RENT)
    return path


def test_run_says_what_python_says(say: Say, town: Path, scenario: Path) -> None:
    told = say("twin", "run", town, scenario, "--json")
    assert told.code == 0 and told.object["reconciles"]
    cells = told.object["scenarios"]
    assert [cell["scenario"] for cell in cells] == ["rent [rent.amount=0.11]", "rent [rent.amount=0.12]"]
    with simulate(town, Scenario("x", patches={"lights-on.rent.amount": "0.12"})) as sim:
        before, after = sim.cell().totals["EUR"]
    assert cells[1]["revenue"]["EUR"] == {
        "before": str(before),
        "after": str(after),
        "delta": str(after - before),
    }
    shown = say("twin", "run", town, scenario)
    assert "add up to the last nano" in shown.out


def test_run_goes_on_past_a_bad_scenario(say: Say, town: Path, scenario: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("scenario: bad\npatches: {lights-off.rent.amount: 1}\n")
    told = say("twin", "run", town, bad, scenario, "--json")
    assert told.code == 0
    assert [("error" in cell) for cell in told.object["scenarios"]] == [True, False, False]
    assert "does not have" in say("twin", "run", town, bad).out
    assert say("twin", "run", town, tmp_path / "none.yaml", "--json").error["code"] == "file_unreadable"


def test_solve_finds_or_says_that_there_is_none(say: Say, town: Path) -> None:
    told = say(
        "twin", "solve", town, "lights-on.rent.amount", "--revenue", "+5%", "--max-rise", "15", "--json"
    )
    assert told.code == 0 and told.object["value"].startswith("0.105")
    none = say("twin", "solve", town, "lights-on.rent.amount", "--revenue", "+50%", "--max-rise", "15")
    assert none.code == 1 and "No value" in none.out


def test_the_gate_writes_signs_and_judges(
    say: Say, town: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_GATE_KEY", str(tmp_path / "gate.pem"))
    folder = tmp_path / "catalog"
    folder.mkdir()
    first = (FILES / "offers" / "lamps.yaml").read_text()
    (folder / "1.yaml").write_text(first)
    assert say("catalog", "publish", folder, "--backdate").code == 0
    second = first.replace("version: 1", "version: 2").replace("amount: 0.10", "amount: 0.12")
    (folder / "2.yaml").write_text(second[second.index("offers:") :].replace("2026-01-01", "2126-01-01"))
    assert say("catalog", "publish", folder, "--json").error["code"] == "gate_wanted"
    report = tmp_path / "gate.html"
    failed = say("twin", "gate", town, folder, "--report", report)
    assert (
        failed.code == 1 and "not passed" in failed.out and report.read_text().startswith("<!doctype html>")
    )
    rules = tmp_path / "rules.yaml"
    rules.write_text("max_rise_percent: 25\n")
    passed = say("twin", "gate", town, folder, "--report", report, "--rules", rules, "--json")
    assert passed.code == 0 and passed.object["passed"] and passed.object["signature"]
    assert say("catalog", "publish", folder, "--json").object["published"][0]["version"] == 2
    lines = [json.loads(line) for line in (folder / "catalog.gates").read_text().splitlines()]
    assert [line["summary"]["passed"] for line in lines] == [False, True]


def test_an_override_publishes_and_is_kept(say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_GATE_KEY", str(tmp_path / "gate.pem"))
    text = (FILES / "offers" / "lamps.yaml").read_text()
    (tmp_path / "lamps.yaml").write_text(text)
    say("catalog", "publish", tmp_path, "--backdate")
    second = text.replace("version: 1", "version: 2").replace("2026-01-01", "2126-01-01")
    (tmp_path / "more.yaml").write_text(second[second.index("offers:") :])
    assert say("catalog", "publish", tmp_path, "--override", "asked by law").code == 0
    assert "asked by law" in (tmp_path / "catalog.gates").read_text()


def test_cost_and_event_rate(say: Say, town: Path) -> None:
    told = say("twin", "cost", EXAMPLES / "vending-economics.yaml", "--json").object
    assert told["break_even_seconds"] == 60 and told["events"] == 43_200_000_000
    assert "breaks even" in say("twin", "cost", EXAMPLES / "vending-economics.yaml").out
    fleet = ("twin", "event-rate", "--devices", 500_000, "--every", 60, "--together", "20%")
    assert say(*fleet, "--holds", 200_000, "--json").object["worst_per_second"] == 106_667
    assert say(*fleet, "--holds", 100).code == 1
    assert "on average" in say(*fleet, "--lake", town).out
    assert say(*fleet, "--json").error["code"] == "usage"


def test_the_example_scenario_reads() -> None:
    from workbench.twin.gate import load_rules
    from workbench.twin.scenario_file import load

    assert len(load(EXAMPLES / "scenario.yaml")) == 2
    assert load_rules(EXAMPLES / "gate.yaml").max_rise_percent == 15
