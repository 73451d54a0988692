"""What all commands promise: help for newcomers, one JSON object, one-sentence errors, exit codes, no traceback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from tests.cli.conftest import Said
from workbench.cli import main, shell

Say = Callable[..., Said]


def commands() -> Iterator[tuple[str, object]]:
    """Every command and group, by its words."""
    tree = get_command(main.app)
    for name, command in sorted(tree.commands.items()):  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        if inner is None:
            yield name, command
        else:
            yield from ((f"{name} {word}", each) for word, each in sorted(inner.items()))


COMMANDS = dict(commands())


def test_help_is_shown_without_a_command_and_lists_every_one_in_a_group(say: Say) -> None:
    said = say()
    assert said.code == 0
    assert say("--help").out.strip() == said.out.strip()
    for panel in shell.PANELS:
        assert panel in said.out
    for words in COMMANDS:
        assert f" {words.split()[0]} " in said.out, words
    assert "Commands ─" not in said.out, "a command stands outside the groups"


@pytest.mark.parametrize("words", COMMANDS, ids=str)
def test_every_command_explains_itself(words: str, say: Say) -> None:
    said = say(*words.split(), "--help")
    assert said.code == 0
    assert said.err == ""
    described = said.out.split("Options")[0]
    assert re.search(r"[a-z]{3,} [a-z]{2,}", described), "a sentence says what it does"
    unexplained = [
        param.name
        for param in COMMANDS[words].params  # type: ignore[attr-defined]
        if param.name != "help" and not getattr(param, "help", None)
    ]
    assert not unexplained, f"{words}: no help for {unexplained}"


def test_commands_that_answer_can_answer_a_program() -> None:
    silent = {"serve", "lab", "catalog schema"}  # two serve pages; a schema is one JSON object as it is
    lacking = [
        words
        for words, command in COMMANDS.items()
        if not any("--json" in param.opts for param in command.params)  # type: ignore[attr-defined]
    ]
    assert set(lacking) <= silent, lacking


@pytest.mark.parametrize(
    "words", [["nonsense"], ["status"], ["city", "--lamps", "many"], ["city", "--lamps", "0"], ["rate", "x"]]
)
def test_a_word_too_few_or_wrong_is_one_error_with_code_2(words: list[str], say: Say) -> None:
    plain, told = say(*words), say(*words, "--json")
    assert (plain.code, told.code) == (2, 2)
    assert plain.out == ""
    assert told.error["code"] == "usage"
    assert "Traceback" not in plain.err + told.err


def test_a_missing_lake_is_told_with_its_cure(say: Say, tmp_path: Path) -> None:
    plain, told = say("status", tmp_path / "none"), say("status", tmp_path / "none", "--json")
    assert (plain.code, told.code) == (2, 2)
    assert told.error["code"] == "lake_missing"
    assert told.error["cure"]
    assert "lake_missing" in plain.err
    assert "no lake here" in plain.err


def planted(error: BaseException) -> list[str]:
    """The words of a command that raises ``error``."""

    @main.app.command("planted", hidden=True)
    def raise_it(as_json: shell.JsonOption = False) -> None:
        """Raise what was planted."""
        raise error

    return ["planted"]


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = list(main.app.registered_commands)
    yield
    main.app.registered_commands[:] = before


def test_a_defect_is_one_sentence_and_code_3(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_DEBUG", raising=False)
    said = say(*planted(ValueError("first line\nsecond line")), "--json")
    assert said.code == main.DEFECT
    assert said.error["code"] == "defect"
    assert "ValueError: first line" in said.error["what"]
    monkeypatch.setenv("WORKBENCH_DEBUG", "1")
    with pytest.raises(ValueError, match="first line"):
        say("planted")


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (OSError(28, "No space left on device", "/lake/x"), "system", 2),
        (MemoryError(), "memory", 2),
        (KeyboardInterrupt(), "stopped", 130),
    ],
)
def test_what_the_machine_refuses_is_told_apart(
    say: Say, error: BaseException, code: str, exit_code: int
) -> None:
    said = say(*planted(error), "--json")
    assert said.code == exit_code
    assert said.error["code"] == code


def test_an_error_of_the_simulators_reads_like_ours(say: Say) -> None:
    from simulators.errors import ArgumentBad

    said = say(*planted(ArgumentBad("No.", where="devices", cure="Yes.", code="devices_bad")), "--json")
    assert said.code == 2
    assert said.error == {"code": "devices_bad", "what": "No.", "where": "devices", "cure": "Yes."}


def test_markup_in_an_error_is_shown_not_obeyed(capfd: pytest.CaptureFixture[str]) -> None:
    shell.show_error({"code": "x", "what": "a [red]file[/] name", "where": "[/]", "cure": ""}, False)
    assert "[red]file[/]" in capfd.readouterr().err


def test_numbers_stay_exact_on_their_way_to_json() -> None:
    def plain(value: object) -> object:
        return json.loads(json.dumps({"x": value}, default=shell._plain))["x"]

    assert plain(Decimal(10**37)) == 10**37
    assert plain(Decimal("0.10")) == "0.10"
    assert plain(Fraction(1, 3)) == "1/3"
    assert plain(Fraction(4)) == "4"
    assert plain(datetime(2026, 3, 2, tzinfo=UTC)) == "2026-03-02T00:00:00+00:00"


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    heavy = ("duckdb", "pyarrow", "pandas", "numpy", "panel", "simulators")
    lines = (
        "import sys; from workbench.cli.main import run; run(['--help']); "
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_the_program_can_be_started_in_both_ways() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "--version"], capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"\d+\.\d+\.\d+", done.stdout.strip())


def test_a_reader_that_leaves_early_is_no_error(town: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "workbench", "records", str(town), "--limit", "5"]
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert b"Traceback" not in done.stderr


def test_typer_is_told_nothing_of_tracebacks() -> None:
    assert isinstance(main.app, typer.Typer)
    assert main.app.pretty_exceptions_enable is False
