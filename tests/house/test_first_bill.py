"""docs/first-bill.md is run from top to bottom, in an empty folder, and says what comes out."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.house.check_docs import FENCE
from tests.house.tree import ROOT

PAGE = (ROOT / "docs/first-bill.md").read_text()


def commands() -> list[list[str]]:
    """The words of each command the page shows, without the program's name."""
    shown = "".join(hit["body"] for hit in FENCE.finditer(PAGE) if hit["language"] == "sh")
    return [shlex.split(line)[1:] for line in shown.splitlines()]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each command of the page prints with ``--json``, by its first word."""
    from workbench.cli.main import run

    folder = tmp_path_factory.mktemp("first-bill")
    for hit in FENCE.finditer(PAGE):
        if hit["file"]:
            (folder / hit["file"]).write_text(hit["body"])
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for words in commands():
            out = folder / "out.json"
            with out.open("w") as stream:
                patch.setattr("sys.stdout", stream)
                code = run([*words, "--json"])
                patch.undo()
                patch.chdir(folder)
            assert code == 0, f"workbench {' '.join(words)} ended with {code}: {out.read_text()}"
            found[words[0]] = json.loads(out.read_text())
    return found


def test_every_file_the_commands_name_is_on_the_page() -> None:
    files = {hit["file"] for hit in FENCE.finditer(PAGE) if hit["file"]}
    named = {word for words in commands() for word in words if Path(word).suffix in (".csv", ".yaml")}
    assert files == named


def test_the_page_runs_and_its_proof_holds(told: dict[str, dict[str, Any]]) -> None:
    assert set(told) >= {
        "ingest",
        "parties",
        "price",
        "rate",
        "close",
        "invoice",
        "statement",
        "trace",
        "verify",
    }


def test_the_page_says_what_comes_out(told: dict[str, dict[str, Any]]) -> None:
    """Figures of the page, in nano-EUR: they were reckoned by hand."""
    close = told["close"]
    assert close["totals"] == {
        "EUR": {"invoices": 1, "net_nano": 8_310_000_000, "tax_nano": 0, "gross_nano": 8_310_000_000}
    }
    assert close["statements"] == {"EUR": {"maker": 2_490_000_000, "operator": 5_820_000_000}}
    assert told["price"]["amount"] == "3.005"
    assert told["trace"]["proven"] is True
    assert told["verify"]["verify_ok"] is True


def test_the_broken_row_is_a_reject_and_the_copy_is_found(told: dict[str, dict[str, Any]]) -> None:
    counts = {check["name"]: check["counts"] for check in told["verify"]["checks"]}
    assert counts["deliveries_add_up"] == {"deliveries": 1, "rows": 6, "landed": 5, "rejected": 1}
    assert counts["landed_rows_told"]["duplicates"] == 1
