"""Data and notebooks in the repository: small, described, without outputs, each notebook in step with its script."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jupytext
import pytest

from tests.house.tree import ROOT, tracked

CARD_WORDS = ("source|origin|made here|made-here|made up", "unit", "licence")


def notebook_problems(path: Path) -> list[str]:
    """What is wrong with a notebook: outputs kept, or no script in step with it beside it."""
    notebook = json.loads(path.read_text())
    problems = [
        f"cell {number} keeps its output"
        for number, cell in enumerate(notebook["cells"], start=1)
        if cell.get("outputs") or cell.get("execution_count")
    ]
    script = path.with_suffix(".py")
    if not script.is_file():
        return [*problems, f"{script.name} is missing"]
    sources = [[cell["source"] for cell in jupytext.read(each)["cells"]] for each in (path, script)]
    return problems + ([] if sources[0] == sources[1] else [f"{script.name} says something else"])


def card_problems(folder: Path) -> list[str]:
    """What a data folder's card leaves out."""
    card = folder / "README.md"
    if not card.is_file():
        return [f"{folder.name} has no README.md"]
    text = card.read_text().lower()
    return [
        f"{folder.name}/README.md does not tell its {word}"
        for word in CARD_WORDS
        if not re.search(word, text)
    ]


def test_notebooks_are_stripped_and_in_step() -> None:
    problems = {path.name: found for path in tracked(".ipynb") if (found := notebook_problems(path))}
    assert not problems


def test_every_data_folder_has_its_card() -> None:
    tops = {
        path.relative_to(ROOT / "datasets").parts[0]
        for path in tracked(".parquet", ".ndjson", ".csv", ".yaml", ".json", under="datasets")
    }
    folders = sorted(ROOT / "datasets" / top for top in tops if (ROOT / "datasets" / top).is_dir())
    assert not [problem for folder in folders for problem in card_problems(folder)]


def test_planted_notebooks_are_caught(tmp_path: Path) -> None:
    text = "# %% [markdown]\n# Hello\n\n# %%\n1 + 1\n"
    notebook = jupytext.reads(text, fmt="py:percent")
    path = tmp_path / "n.ipynb"
    jupytext.write(notebook, path)
    assert notebook_problems(path) == ["n.py is missing"]
    path.with_suffix(".py").write_text(text)
    assert notebook_problems(path) == []
    path.with_suffix(".py").write_text(text.replace("1 + 1", "1 + 2"))
    assert notebook_problems(path) == ["n.py says something else"]
    kept = json.loads(path.read_text())
    kept["cells"][1]["execution_count"] = 1
    path.write_text(json.dumps(kept))
    assert "cell 2 keeps its output" in notebook_problems(path)


@pytest.mark.parametrize("card", [None, "Source: made here. Units: mWh."])
def test_a_planted_card_is_caught(tmp_path: Path, card: str | None) -> None:
    if card:
        (tmp_path / "README.md").write_text(card)
    assert card_problems(tmp_path)
    (tmp_path / "README.md").write_text("Source: made here. Units: mWh. Columns: units. Licence: Apache-2.0.")
    assert card_problems(tmp_path) == []
