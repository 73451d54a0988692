"""Money and quantities never pass through a binary float, in Python or in SQL."""

from __future__ import annotations

import ast
import re

import pytest

from tests.house.check_money import float_offences, sql_offences, sql_offences_in_python
from tests.house.tree import MONEY_ROOMS, Offence, name_of, report, room_files

SQL_ROOMS = (*MONEY_ROOMS, "mediation")
FOR_THE_EYE = "show.py"
"""What a notebook shows of a room may turn exact numbers into points of a plot; nothing is computed from those."""


def test_money_rooms_hold_no_float() -> None:
    files = [path for path in room_files(MONEY_ROOMS) if path.name != FOR_THE_EYE]
    offences = [each for path in files for each in float_offences(name_of(path), path.read_text())]
    assert not offences, report(offences)


def test_nothing_is_computed_from_what_is_shown() -> None:
    """A module that plots is imported inside a method that shows, never where a file begins."""
    offences = [
        Offence(name_of(path), node.lineno, "imports a module that is for the eye only")
        for path in room_files(SQL_ROOMS)
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom) and re.search(r"\bshow\b.*plot", ast.unparse(node))
    ]
    assert not offences, report(offences)


def test_sql_of_the_money_rooms_stays_with_integers() -> None:
    in_python = [
        each
        for path in room_files(SQL_ROOMS)
        for each in sql_offences_in_python(name_of(path), path.read_text())
    ]
    in_sql = [
        each
        for path in room_files(SQL_ROOMS, ".sql")
        for each in sql_offences(name_of(path), path.read_text())
    ]
    assert not in_python + in_sql, report(in_python + in_sql)


@pytest.mark.parametrize(
    "source",
    [
        "price = 0.1",
        "price = 1e-9",
        "price = float(text)",
        "frame = con.sql(query).df()",
        "frame = con.fetchdf()",
    ],
)
def test_a_planted_float_is_caught(source: str) -> None:
    assert [each.line for each in float_offences("planted.py", source)] == [1]


@pytest.mark.parametrize("source", ["half = 1 // 2", "refused = isinstance(value, float)", "text = '0.1'"])
def test_exact_code_passes(source: str) -> None:
    assert float_offences("planted.py", source) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT amount / denominator FROM charges",
        "select avg(units) from records",
        "SELECT units::DOUBLE FROM records",
        "SELECT CAST(sum(amount_nano) AS DOUBLE) FROM ledger",
        "CREATE TABLE t AS SELECT 1; CREATE TABLE u(units DOUBLE) -- select",
        "SELECT median(amount) FROM charges",
    ],
)
def test_planted_floating_sql_is_caught(sql: str) -> None:
    assert len(sql_offences_in_python("planted.py", f"QUERY = {sql!r}")) == 1


def test_a_planted_division_in_an_fstring_is_caught_on_its_own_line() -> None:
    source = 'query = f"""\nSELECT\n  {before} / {after}\n"""'
    assert [each.line for each in sql_offences_in_python("planted.py", source)] == [3]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT amount // denominator FROM charges",
        "SELECT units, lux::DOUBLE FROM records /* a / b */ -- avg(units)",
        "SELECT 'a/b' AS path, units::BIGINT FROM records",
    ],
)
def test_exact_sql_passes(sql: str) -> None:
    assert sql_offences_in_python("planted.py", f"QUERY = {sql!r}") == []


def test_a_line_that_reads_a_float_cell_may_say_so() -> None:
    assert sql_offences_in_python("planted.py", 'q = "SELECT x / y"  # a float cell') == []
    assert sql_offences_in_python("planted.py", 'q = "SELECT x / y"  # a flat cell')


def test_strings_that_are_not_sql_are_left_alone() -> None:
    source = '"""A docstring: select a / b."""\nmessage = "read the file a/b.yaml"'
    assert sql_offences_in_python("planted.py", source) == []
