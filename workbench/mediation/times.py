"""SQL that reads an instant: typed columns, Unix numbers, ISO 8601 or declared patterns, always to UTC microseconds.

A cell that carries no zone is read in the mapping's zone, and without one it is an error: a wall clock names no
instant. Of the hour that a wall clock skips in spring nothing is accepted; of the one it shows twice in autumn,
what the mapping says.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from workbench.errors import MappingError
from workbench.lake.sql import name as ident
from workbench.mediation.cells import (
    FLOATS,
    INTEGERS,
    WIDE_INTEGERS,
    Cell,
    Check,
    literal,
    number_text,
    text_cell,
)
from workbench.mediation.mapping import Mapping, TimeSpec
from workbench.mediation.policy import AcceptWindow

if TYPE_CHECKING:
    import duckdb

_PER_SECOND = {"unix_s": 1, "unix_ms": 10**3, "unix_us": 10**6, "unix_ns": 10**9}
_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?)?"
_OFFSET = r" ?(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
_FIRST, _LAST = "TIMESTAMP '1970-01-01'", "TIMESTAMP '2200-01-01'"
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_NAIVE = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE"}
_ZONED = {"TIMESTAMP WITH TIME ZONE"}


def instant(spec: TimeSpec, types: dict[str, str], mapping: Mapping, name: str) -> Cell:
    """A time as TIMESTAMP (UTC), with the checks that name what is wrong with it.

    Args:
        name: tells its intermediate columns from those of the row's other times.

    Raises:
        MappingError: the column's type can be no time, or it needs a format or a zone that the mapping does not say.
    """
    if len(spec.columns) > 1:
        cell = " || ' ' || ".join(f"CAST({ident(column)} AS VARCHAR)" for column in spec.columns)
        return _text(f"({cell})", spec, name)
    column = spec.columns[0]
    cell, type_ = ident(column), types[column]
    if spec.format in _PER_SECOND:
        return _unix(column, type_, spec.format, mapping, name)
    if type_ == "VARCHAR":
        return _text(cell, spec, name)
    if type_ in _ZONED:
        return Cell(f"timezone('UTC', {cell})", (_present(cell),))
    if type_ in _NAIVE:
        if spec.zone is None:
            raise no_zone(mapping, column)
        exact = cell if type_ == "TIMESTAMP" else f"CAST({cell} AS TIMESTAMP)"
        local = _localised(exact, spec, name)
        return Cell(local.value, (_present(cell), *local.checks), local.steps)
    if type_ in INTEGERS or type_ in FLOATS:
        cure = "Add `format: unix_s` (or unix_ms, unix_us, unix_ns)."
        raise _error(mapping, column, f"The time column {column!r} holds plain numbers.", cure, "time_format")
    what = f"The column {column!r} of type {type_} is no time."
    raise _error(mapping, column, what, "Name another.", "column_type")


def window_checks(value: str, received: str, accept: AcceptWindow, delivered_at: datetime) -> list[Check]:
    """Checks that an instant is one at all (1970 … 2199) and lies in the accept window around its receipt."""
    shown = f"CAST({value} AS VARCHAR)"
    checks = [Check(f"{value} >= {_FIRST} AND {value} < {_LAST}", literal("time_out_of_range"), shown)]
    fixed = received == timestamp(delivered_at)
    for bound, sign, reason in ((accept.past, ">=", "time_too_old"), (accept.future, "<=", "time_in_future")):
        if bound is None:
            continue
        signed = -bound if sign == ">=" else bound
        # Whole microseconds compare several times faster than instants and intervals.
        good = f"epoch_us({value}) - epoch_us({received}) {sign} {signed // timedelta(microseconds=1)}"
        if fixed and _EARLIEST - delivered_at < signed < _LATEST - delivered_at:
            good = f"{value} {sign} {timestamp(delivered_at + signed)}"
        checks.append(Check(good, literal(reason), shown))
    return checks


def timestamp(at: datetime) -> str:
    """An instant as a SQL literal, UTC."""
    return f"TIMESTAMP '{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'"


def no_zone(mapping: Mapping, column: str) -> MappingError:
    """The error for times that say neither themselves nor in the mapping which zone they are in."""
    cure = "Add `zone: UTC`, or the zone the clock was set to, such as Europe/Paris, under `time:`."
    return _error(mapping, column, f"The times in {column!r} carry no zone.", cure, "time_without_zone")


def zone_is_missing(con: duckdb.DuckDBPyConnection, spec: TimeSpec, relation: str, type_: str) -> bool:
    """Whether a text column needs a declared zone: it has times, and not one of them carries its own."""
    if spec.zone or spec.format != "auto" or type_ != "VARCHAR":
        return False
    cell = " || ' ' || ".join(ident(column) for column in spec.columns)
    zoned = f"SELECT 1 FROM {relation} WHERE regexp_full_match({cell}, {literal(_ISO + _OFFSET)}) LIMIT 1"
    naive = f"SELECT 1 FROM {relation} WHERE regexp_full_match({cell}, {literal(_ISO)}) LIMIT 1"
    return con.execute(zoned).fetchone() is None and con.execute(naive).fetchone() is not None


def _text(cell: str, spec: TimeSpec, name: str) -> Cell:
    own, naive = f"__{name}_own", f"__{name}_naive"
    if spec.format != "auto":
        parsed = f"try_strptime({cell}, {literal(spec.format)})"
        bad = Check(f"{naive} IS NOT NULL", literal("bad_time"), cell)
        if "%z" in spec.format.lower():
            return Cell(f"timezone('UTC', {naive})", (_present(cell), bad), ({naive: parsed},))
        local = _localised(naive, spec, name)
        return Cell(local.value, (_present(cell), bad, *local.checks), ({naive: parsed}, *local.steps))
    # The shapes are checked as well: a cast alone would take 'infinity' and 'epoch' for times.
    zoned = f"regexp_full_match({cell}, {literal(_ISO + _OFFSET)})"
    bare = f"regexp_full_match({cell}, {literal(_ISO)})"
    read = {
        own: f"timezone('UTC', TRY_CAST(CASE WHEN {zoned} THEN {cell} END AS TIMESTAMPTZ))",
        naive: f"TRY_CAST(CASE WHEN {bare} THEN {cell} END AS TIMESTAMP)",
    }
    bad = Check(f"{own} IS NOT NULL OR {naive} IS NOT NULL", literal("bad_time"), cell)
    if spec.zone is None:
        needs = Check(f"{own} IS NOT NULL", literal("time_without_zone"), cell)
        return Cell(own, (_present(cell), bad, needs), (read,))
    local = _localised(naive, spec, name)
    either = (Check(f"{own} IS NOT NULL OR ({check.good})", check.reason, cell) for check in local.checks)
    final = {f"__{name}": f"coalesce({own}, {local.value})"}
    return Cell(f"__{name}", (_present(cell), bad, *either), (read, *local.steps, final))


def _localised(naive: str, spec: TimeSpec, name: str) -> Cell:
    """A wall-clock time of the spec's zone as UTC, and the checks for hours that do not exist or exist twice."""
    if spec.zone is None:
        return Cell(naive, (Check("false", literal("time_without_zone"), f"CAST({naive} AS VARCHAR)"),))
    if spec.zone in {"UTC", "Etc/UTC", "GMT"}:
        return Cell(naive)
    zone, utc = literal(spec.zone), f"__{name}_utc"
    steps = ({utc: f"timezone('UTC', timezone({zone}, {naive}))"},)
    shown = f"CAST({naive} AS VARCHAR)"
    checks = [Check(f"{_wall(utc, zone)} = {naive}", literal("time_does_not_exist"), shown)]
    # Clocks go back by an hour, in one zone by half an hour: the other reading is that far before or behind.
    earlier = [f"{utc} - INTERVAL {minutes} MINUTE" for minutes in (60, 30)]
    later = [f"{utc} + INTERVAL {minutes} MINUTE" for minutes in (60, 30)]
    if spec.ambiguous == "reject":
        once = " AND ".join(f"{_wall(other, zone)} <> {naive}" for other in (*earlier, *later))
        return Cell(utc, (*checks, Check(once, literal("time_is_ambiguous"), shown)), steps)
    others = earlier if spec.ambiguous == "earlier" else later
    same = " ".join(f"WHEN {_wall(other, zone)} = {naive} THEN {other}" for other in others)
    chosen = f"__{name}_chosen"
    return Cell(chosen, tuple(checks), (*steps, {chosen: f"CASE {same} ELSE {utc} END"}))


def _wall(utc: str, zone: str) -> str:
    return f"timezone({zone}, timezone('UTC', {utc}))"


def _unix(column: str, type_: str, form: str, mapping: Mapping, name: str) -> Cell:
    """Unix time: whole numbers, floats (rounded to the microsecond) or decimal text."""
    per_second, cell = _PER_SECOND[form], ident(column)
    if type_ in INTEGERS or type_ in WIDE_INTEGERS:
        ticks, digits = f"TRY_CAST({cell} AS HUGEINT)", 0
    elif type_ in FLOATS:
        ticks, digits = f"CASE WHEN abs({cell}) < 1e19 THEN CAST(round({cell} * 1e6) AS HUGEINT) END", 6
    elif type_ == "VARCHAR":
        ticks, digits = number_text(cell)[0], 18
    else:
        what = f"The column {column!r} of type {type_} is no number."
        raise _error(mapping, column, what, "Name another.", "column_type")
    width = 10**digits * per_second
    counted = f"__{name}_ticks"
    near = f"{counted} BETWEEN 0 AND {7_258_118_400 * width}"
    micros = f"{counted} * {10**6 // width}"
    if width > 10**6:
        below = width // 10**6
        micros = f"({counted} + {below // 2}) // {below}"
    value = f"CASE WHEN {near} THEN make_timestamp(CAST({micros} AS BIGINT)) END"
    checks = (
        _present(cell),
        Check(f"{counted} IS NOT NULL", literal("bad_time"), cell),
        Check(near, literal("time_out_of_range"), text_cell(column, type_)),
    )
    return Cell(f"__{name}", checks, ({counted: ticks}, {f"__{name}": value}))


def _present(cell: str) -> Check:
    return Check(f"{cell} IS NOT NULL", literal("missing_time"))


def _error(mapping: Mapping, column: str, what: str, cure: str, code: str) -> MappingError:
    line = f", line {mapping.lines[column]}" if column in mapping.lines else ""
    return MappingError(what, where=f"{mapping.file}{line}", cure=cure, code=f"mapping_{code}")
