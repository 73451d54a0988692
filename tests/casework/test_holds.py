"""From the queue's hold to the invoice: the close leaves the line out, a verdict brings it back once, and the proof holds."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from workbench.casework.actions import act
from workbench.casework.case import RANDOM_CHECK, Case
from workbench.casework.desk import Desk
from workbench.casework.holds import holds_of
from workbench.cli.main import run
from workbench.lake.lake import Lake
from workbench.model.ids import device_key
from workbench.pipeline import land, mediate, rate
from workbench.settlement.holds import held_lines
from workbench.showcase import build as showcase
from workbench.showcase.scene import Scene
from workbench.verify import run as proof

SCENE = Scene({"lamps": 60, "trackers": 24, "meters": 12}, days=1, faults="demo")
PERIOD = "2026-03-02/2026-03-03"


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A day that is rated and not closed."""
    monkeypatch.setattr(showcase, "STAGES", (land, mediate, rate))
    showcase.build(tmp_path / "lake", SCENE)
    return tmp_path / "lake"


def say(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run([*words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def proven(path: Path) -> None:
    with Lake.open(path) as lake:
        report = proof.verify(lake, full=True)
    assert report.ok, report.verdict()


def charged(lake: Lake, case: Case) -> Fraction:
    """What the case's devices were charged for its meter, exactly, main unit; straight from the charges."""
    keys = ", ".join(str(device_key("main", device)) for device in case.devices)
    rows = lake.con.execute(
        f"SELECT c.amount::HUGEINT, l.price_denominator::HUGEINT FROM {lake.scan('charges')} c JOIN {lake.scan('lines')} l "
        f"USING (line_no) WHERE l.meter = '{case.stream}' AND l.kind = 'usage' AND c.device_key IN ({keys})"
    ).fetchall()
    return sum((Fraction(int(a), int(d) * 10**9) for a, d in rows), Fraction(0))


def exact(path: Path) -> Fraction:
    """Everything on all documents, exactly."""
    with Lake.open(path) as lake:
        rows = lake.con.execute(
            f"SELECT amount::HUGEINT, price_denominator::HUGEINT FROM {lake.scan('invoice_lines')} WHERE of_kind <> 'carry'"
        ).fetchall()
    return sum((Fraction(int(a), int(d) * 10**9) for a, d in rows), Fraction(0))


@pytest.mark.parametrize("verdict", ["confirmed", "benign"])
def test_a_held_line_waits_for_the_verdict(
    town: Path, capsys: pytest.CaptureFixture[str], verdict: str
) -> None:
    with Lake.open(town) as lake:
        desk = Desk.of(lake)
        desk.look(lake)
        case = max(
            (one for one in desk.cases() if one.kind != RANDOM_CHECK and one.account),
            key=lambda one: charged(lake, one),
        )
        amount = charged(lake, case)
        total = sum(
            (
                Fraction(int(a), int(d) * 10**9)
                for a, d in lake.con.execute(
                    f"SELECT c.amount::HUGEINT, l.price_denominator::HUGEINT FROM {lake.scan('charges')} c "
                    f"JOIN {lake.scan('lines')} l USING (line_no)"
                ).fetchall()
            ),
            Fraction(0),
        )
        assert amount > 0
        assert holds_of(desk, SCENE.period) == []
        act(desk, lake, case.case_id, "hold", who="ann")
        assert {hold.device_id for hold in holds_of(desk, SCENE.period)} == set(case.devices)

    closed = say(capsys, "close", str(town), "--period", PERIOD)
    assert {line["case_id"] for line in closed["held"]} == {case.case_id}
    assert (
        sum((Fraction(line["amount"], line["den"] * 10**9) for line in closed["held"]), Fraction(0)) == amount
    )
    assert exact(town) == total - amount
    proven(town)

    again = say(capsys, "close", str(town), "--period", PERIOD)  # the case is still open
    assert again["documents"] == 0 and exact(town) == total - amount

    with Lake.open(town) as lake:
        Desk.of(lake).verdict([case.case_id], verdict, who="ann")
        assert holds_of(Desk.of(lake), SCENE.period) == []
    after = say(capsys, "close", str(town), "--period", PERIOD)
    assert after["documents"] >= 1 and all(line["released"] for line in after["held"])
    assert exact(town) == total
    proven(town)

    assert say(capsys, "close", str(town), "--period", PERIOD)["documents"] == 0  # exactly once
    assert exact(town) == total
    with Lake.open(town) as lake:
        assert all(one.released for one in held_lines(lake, PERIOD))
