"""`workbench queue` from a first look to an export; each prints one object with --json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.cli.main import run
from workbench.lake.lake import Lake


@pytest.fixture
def say(lake: Lake, made: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    """Run `workbench queue WORD LAKE ...`: its exit code, and its object or its error's."""

    def run_(word: str, *words: str, code: int = 0) -> dict[str, Any]:
        assert run(["queue", word, str(made), *words, "--json"]) == code
        out, err = capfd.readouterr()
        found: dict[str, Any] = json.loads(out if code == 0 else err.splitlines()[-1])
        return found if code == 0 else found["error"]

    return run_


def test_from_a_first_look_to_a_spreadsheet(
    say: Any, made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    listed = say("list")
    assert listed["matching"] == listed["by_state"]["open"] >= 8
    best = listed["cases"][0]
    assert best["score"] >= listed["cases"][1]["score"] and 0 < best["chance"] < 1
    assert run(["queue", "list", str(made)]) == 0
    assert best["case_id"][:8] in capfd.readouterr().out
    shown = say("show", best["case_id"][:8])
    assert shown["evidence"]["points"] > 0 and shown["query"].startswith("SELECT")
    assert say("assign", best["case_id"], "--to", "ben")["cases"][0]["assignee"] == "ben"
    assert say("list", "--assignee", "ben")["matching"] == 1
    assert say("act", best["case_id"], "hold", "--note", "until we know")["state"] == "waiting"
    others = [case["case_id"] for case in listed["cases"][1:4]]
    assert {
        case["state"] for case in say("verdict", *others, "--says", "benign", "--who", "ann")["cases"]
    } == {"dismissed"}
    assert len(say("undo", "--who", "ann")["cases"]) == 3
    rules = say("suppress", "--kind", "late", "--days", "2", "--why", "works")["suppressions"]
    assert rules[-1]["active"] and rules[-1]["scope"] == {"kind": "late"}
    assert not say("suppress", "--lift", rules[-1]["suppression_id"])["suppressions"][-1]["active"]
    table, whole = tmp_path / "cases.csv", tmp_path / "cases.json"
    assert say("export", "--out", str(table))["cases"] == listed["matching"]
    assert table.read_text().splitlines()[0].startswith("case_id,subject,kind")
    say("export", "--out", str(whole))
    assert list(json.loads(whole.read_text())["documents"]) == [f"hold-{best['case_id'][:10]}"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("show", "nonsense"), "case_unknown"),
        (("suppress", "--kind", "late", "--until", "2020-01-01"), "suppression_past"),
        (("suppress", "--days", "2"), "suppression_scope"),
        (("suppress", "--until", "soon"), "instant"),
        (("export",), "no_cases"),
        (("undo", "--who", "nobody"), "nothing_to_undo"),
        (("deliver", "--webhook", "http://127.0.0.1:1/"), "webhook_secret"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(say: Any, words: tuple[str, ...], code: str) -> None:
    error = say(*words, code=2)
    assert error["code"] == code and error["what"].endswith(".") and error["cure"]


def test_help_is_for_newcomers(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["queue", "--help"]) == 0
    said = " ".join(capfd.readouterr().out.replace("│", " ").split())
    assert "what to look at first" in said and "export" in said
