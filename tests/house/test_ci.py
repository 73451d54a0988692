"""The CI script's two helpers count and check what they say they do."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.house.tree import ROOT

FIGURES = {
    "events_delivered": 103,
    "events_accepted": 100,
    "duplicates": 2,
    "rejects": 1,
    "records": 5,
    "reduction_percent": 95.0,
    "revenue_nano": 10,
    "currency": "EUR",
    "shares": {"city": 7, "operator": 3},
    "invoices": 1,
    "verify_ok": True,
    "wall_seconds": {"land": 1.0},
    "peak_rss_mb": 100,
}


def helper(name: str) -> ModuleType:
    """A script of ``.ci/`` as a module."""
    spec = importlib.util.spec_from_file_location(f"ci_{name}", ROOT / ".ci" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_counts_of_every_closing_line_are_added() -> None:
    log = (
        "= 3 passed, 1 skipped in 0.10s =\n"
        "noise: 9 passed\n"
        "==== 1 failed, 2 passed, 1 error in 75.20s (0:01:15) ====\n"
    )
    assert helper("summary").counts_of(log) == {"passed": 5, "failed": 2, "skipped": 1}


def test_the_summary_ends_with_a_closing_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test.log").write_text(
        "SKIPPED [1] tests/a.py:3: ../shared is absent\n== 3 passed, 1 skipped in 1.00s ==\n"
    )
    (tmp_path / "lint.log").write_text("bad\n")
    results = tmp_path / "results.tsv"
    results.write_text("test\t0\t4\n")
    assert helper("summary").main(results, tmp_path) == 0
    told = capsys.readouterr().out
    assert "skipped in test: tests/a.py:3: ../shared is absent" in told
    assert told.endswith("\n3 passed, 0 failed, 1 skipped\n")
    results.write_text("test\t0\t4\nlint\t1\t2\n")
    assert helper("summary").main(results, tmp_path) == 1
    assert capsys.readouterr().out.endswith("failed: lint\n3 passed, 1 failed, 1 skipped\n")


def test_figures_that_hold_pass() -> None:
    assert helper("figures").city_problems(dict(FIGURES)) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shares", {"city": 7, "operator": 4}),
        ("verify_ok", False),
        ("reduction_percent", 91.9),
        ("events_accepted", 101),
    ],
)
def test_a_planted_figure_is_caught(key: str, value: object) -> None:
    assert len(helper("figures").city_problems(FIGURES | {key: value})) == 1


LAMPS = {
    "lamps": 2,
    "days": 1,
    "energy_units": 3,
    "rent_nano": 200_000_000,
    "revenue_nano_exact": "4000000003/20",
}


def test_rent_and_energy_are_held_to_the_last_fraction() -> None:
    problems = helper("figures").exact_problems
    assert problems(dict(LAMPS)) == []
    assert len(problems(LAMPS | {"rent_nano": 200_000_001})) == 1
    assert len(problems(LAMPS | {"energy_units": 4})) == 1
    assert problems({}) == []


def test_a_missing_figure_is_caught() -> None:
    assert helper("figures").city_problems({"currency": "EUR"})
