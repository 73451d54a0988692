"""Tracked files are clean: no registry, no machine's paths, nothing unfinished, nothing overgrown."""

from __future__ import annotations

import pytest

from tests.house.check_text import changelog_offences, length_offences, text_offences
from tests.house.tree import ROOT, name_of, report, tracked, tracked_files

TEXT = (
    ".py", ".md", ".toml", ".yaml", ".yml", ".sql", ".json", ".lock", ".css", ".js", ".html", ".svg", ".ipynb", ".csv",
    ".ndjson", ".sh", ".txt", "",
)  # fmt: skip
FILE_BYTES_MAX = 1_000_000


def test_no_tracked_file_names_a_registry_a_machine_or_unfinished_work() -> None:
    offences = [
        each for path in tracked(*TEXT) for each in text_offences(name_of(path), path.read_text("utf-8"))
    ]
    assert not offences, report(offences)


def test_files_of_code_keep_below_the_ceiling() -> None:
    offences = [
        each for path in tracked(".py", ".sql") for each in length_offences(name_of(path), path.read_text())
    ]
    assert not offences, report(offences)


def test_nothing_large_is_tracked() -> None:
    large = {
        name_of(path): path.stat().st_size for path in tracked_files() if path.stat().st_size > FILE_BYTES_MAX
    }
    assert not large


def test_changelog_keeps_its_form() -> None:
    offences = changelog_offences((ROOT / "CHANGELOG.md").read_text())
    assert not offences, report(offences)


@pytest.mark.parametrize(
    "line",
    [
        "pip install --index" + "-url https://example.invalid/simple x",
        "see https://" + "pypi" + ".org/project/x",
        "open('/" + "home/me/lake')",
        "LAKE=/" + "tmp/lake",
        "# TO" + "DO: later",
    ],
)
def test_a_planted_line_is_caught(line: str) -> None:
    assert [each.line for each in text_offences("planted.md", f"fine\n{line}\n")] == [2]


@pytest.mark.parametrize(
    "line",
    [
        "see https://example.invalid/home/x",
        "../shared/datasets",
        "/usr/bin/chromium",
        "network/home/x",
        "todos os dias",
    ],
)
def test_an_innocent_line_passes(line: str) -> None:
    assert text_offences("planted.md", line) == []


def test_a_planted_long_file_is_caught() -> None:
    assert length_offences("planted.py", "x = 1\n" * 401)
    assert not length_offences("planted.py", "x = 1\n" * 400)


@pytest.mark.parametrize(
    "text",
    [
        "## Unreleased\n",
        "# Changelog\n\n## 1.0\n",
        "# Changelog\n\n## Unreleased\n\n### Added\n\n- x\n",
        "# Changelog\n\n## Unreleased\n\n### Internals\n\n- x\n\n### Features\n\n- y\n",
        "# Changelog\n\n## Unreleased\n\n### Features\n\nprose\n",
        "# Changelog\n\n## 1.0.0 - 2026-01-01\n\n## 1.1.0 - 2026-02-01\n",
    ],
)
def test_a_planted_changelog_is_caught(text: str) -> None:
    assert changelog_offences(text)


def test_a_good_changelog_passes() -> None:
    features = "## Unreleased\n\n### Features\n\n- x\n  more\n\n"
    text = f"# Changelog\n\nWhat changed.\n\n{features}## 0.1.0 - 2026-01-01\n\n### Internals\n\n- y\n"
    assert changelog_offences(text) == []
