"""``workbench explain`` and ``margin`` on a real town."""

from __future__ import annotations

import json
from pathlib import Path

import workbench as wb


def test_a_charge_explains_itself_and_its_trace_can_be_checked_alone(say, town: Path, tmp_path: Path) -> None:
    said = say("explain", town, "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    trace = found["trace"]
    assert found["sentence"].endswith(".")
    assert "mWh under 'energy'" in found["sentence"]
    assert trace["record"]["proven"]
    assert trace["offer"]["sha256"]
    assert trace["line"]["invoice_no"]
    assert sum(part["amount"] for part in trace["parts"]) == trace["amount"] == trace["charge"]["amount"]
    wb.check_trace(trace)
    path = tmp_path / "trace.json"
    path.write_text(said.out, encoding="utf-8")
    assert say("explain", town, "--check", path).code == 0
    trace["charge"]["amount"] += 1
    path.write_text(json.dumps(found), encoding="utf-8")
    changed = say("explain", town, "--check", path, "--json")
    assert changed.code != 0
    assert json.loads(changed.err)["error"]["code"] == "trace_wrong"
    path.write_text("[]", encoding="utf-8")
    assert (
        json.loads(say("explain", town, "--check", path, "--json").err)["error"]["code"] == "trace_unreadable"
    )


def test_people_read_a_sentence(say, town: Path) -> None:
    said = say("explain", town)
    assert said.code == 0, said.err
    assert "The trace gives the amount" in said.out


def test_a_fee_is_explained_too(say, town: Path) -> None:
    lines = json.loads(say("trace", town, "--json").out)["invoice"]["lines"]
    kinds = []
    for line in range(1, 40):
        said = say("explain", town, "--line", line, "--json")
        if said.code == 0:
            found = json.loads(said.out)
            kinds.append(found["trace"]["charge"]["kind"])
            if kinds[-1] == "recurring":
                assert "The fee 'rent'" in found["sentence"]
    assert lines >= 1
    assert "recurring" in kinds


def test_margins_of_a_town_without_a_buy_side_are_what_was_sold(say, town: Path) -> None:
    said = say("margin", town, "--json")
    assert said.code == 0, said.err
    rows = json.loads(said.out)["rows"]
    assert rows
    assert all(row["bought"] == "0" and row["margin"] == row["sold"] for row in rows)
    assert "all" in say("margin", town, "--by", "offer").out
    assert say("margin", town, "--by", "colour").code != 0
    with wb.open_lake(town) as lake:
        assert len(wb.margin(lake)) == len(rows)
