"""The calculator and the price list's commands say what ``shown.txt`` says, word for word."""

from __future__ import annotations

import pytest

from tests.cli.transcript import COLUMNS, FILE, HERE, entries, tidy

ENTRIES = entries(FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("command", "answer"), ENTRIES, ids=[command for command, _ in ENTRIES])
def test_a_command_says_what_is_written(
    say, monkeypatch: pytest.MonkeyPatch, command: str, answer: str
) -> None:
    monkeypatch.chdir(HERE)
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    said = say(*command.split())
    assert tidy(said.out or said.err) == answer
