"""``workbench verify`` as people and programs meet it."""

from __future__ import annotations

import json

import pytest

from tests.verify.test_verify import LAMPS, more
from workbench.cli.main import run


def test_a_true_world_ends_with_0_and_a_table(lake, capsys):
    assert run(["verify", str(lake.root.parent)]) == 0
    said = capsys.readouterr()
    assert "promises hold" in said.out
    assert "✗" not in said.out


def test_a_broken_promise_ends_with_1_and_the_counter_example(lake, rewrite, capsys):
    rewrite("records", more("units"), stream=LAMPS, partition="2026-03-02T01")
    assert run(["verify", str(lake.root.parent), "--full"]) == 1
    said = capsys.readouterr()
    assert "✗" in said.out
    assert "verify_failed" in said.err
    assert "lamp-" in said.err


@pytest.mark.parametrize("broken", [False, True])
def test_json_is_one_object_on_standard_output(lake, rewrite, capsys, broken):
    if broken:
        rewrite("records", more("units"), stream=LAMPS, partition="2026-03-02T01")
    code = run(["verify", str(lake.root.parent), "--full", "--json"])
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert report["verify_ok"] is not broken
    assert code == int(broken)
    first = next((check for check in report["checks"] if check["verdict"] == "fails"), None)
    assert bool(first) is broken
    if first:
        found = first["counter_example"]
        assert int(found["observed"]) == int(found["expected"]) + 1
        assert json.loads(said.err)["error"]["code"] == "verify_failed"


def test_a_lake_that_is_not_there_ends_with_2(tmp_path, capsys):
    assert run(["verify", str(tmp_path / "nowhere")]) == 2
    assert "lake_missing" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["HEAD", "00000003.json"])
def test_a_damaged_manifest_ends_with_1_and_names_the_file(lake, capsys, name):
    path = lake.root / "manifest" / name
    path.write_bytes(path.read_bytes()[:-9] + b"x")
    assert run(["verify", str(lake.root.parent), "--json"]) == 1
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert report["verify_ok"] is False
    assert name in report["checks"][0]["counter_example"]["segment"]
    assert name in said.err


def test_only_runs_what_was_asked(lake, capsys):
    assert run(["verify", str(lake.root.parent), "--only", "segment_bytes", "--json"]) == 0
    assert [check["name"] for check in json.loads(capsys.readouterr().out)["checks"]] == ["segment_bytes"]
