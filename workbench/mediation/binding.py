"""A mapping bound to one decoded file: the SQL of each meter's items and of its rejects."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import MappingError
from workbench.lake.engine import one
from workbench.lake.sql import name as ident
from workbench.mediation.cells import (
    FLOATS,
    INTEGERS,
    WIDE_INTEGERS,
    Cell,
    Check,
    carried,
    literal,
    nested,
    quantity,
    text_cell,
)
from workbench.mediation.mapping import Condition, Field, Mapping, Meter
from workbench.mediation.policy import AcceptWindow
from workbench.mediation.staging import Decoded
from workbench.mediation.times import instant, no_zone, timestamp, window_checks, zone_is_missing
from workbench.mediation.yamltree import did_you_mean

if TYPE_CHECKING:
    import duckdb

_RAW_SHOWN = 500
_LONGEST_ID = 200
_BLANKS = " \t\r\n"
_NUMBER = itertools.count(1)
_TYPES = {"integer": "BIGINT", "float": "DOUBLE", "text": "VARCHAR"}


@dataclass(frozen=True, slots=True)
class NormalisedStream:
    """One meter of one delivered file, not yet read: run ``items_sql`` and ``rejects_sql`` yourself.

    ``columns``: names and DuckDB types of the items, in the order of ``items_sql``.
    ``key_columns``: of the items, those of the natural key beside the device and ``ends_at``.
    ``rows``: how many rows of the file speak of this meter: accepted items + rejects == rows, always.
    ``not_selected``: rows the mapping's ``where``, the meter column or ``missing: skip`` leaves out.
    ``files``: made below ``work`` for these queries; the caller may delete them when he is done.
    ``identity_kind``: when set, ``device_id`` holds an identity (``imsi`` …) for landing to resolve by date.
    """

    stream: str
    mapping: Mapping
    meter: Meter
    items_sql: str
    rejects_sql: str
    columns: MappingType[str, str]
    rows: int
    not_selected: int = 0
    key_columns: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    identity_kind: str | None = None
    files: tuple[Path, ...] = ()


class Binding:
    """A mapping bound to one decoded file; ``stream`` writes the SQL of one meter."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        mapping: Mapping,
        found: Decoded,
        path: str,
        received_at: datetime,
        accept: AcceptWindow,
        delivery_id: str,
        work: Path,
    ) -> None:
        self.con, self.mapping, self.found, self.path = con, mapping, found, path
        self.accept, self.delivery_id, self.delivered_at, self.work = accept, delivery_id, received_at, work
        self.types = found.columns
        self._check_columns()
        dated = () if found.messages else (mapping.ends_at, mapping.starts_at, mapping.received_at)
        for spec in dated:  # a message must not stop others: its rows are rejected one by one
            if spec and zone_is_missing(con, spec, found.relation, self.types[spec.columns[0]]):
                raise no_zone(mapping, spec.columns[0])
        self.received = self._received()
        self.ends_at = instant(mapping.ends_at, self.types, mapping, "ends")
        self.starts_at = (
            instant(mapping.starts_at, self.types, mapping, "starts") if mapping.starts_at else None
        )
        self.device = self._device()

    def _check_columns(self) -> None:
        for column in self.mapping.columns:
            if column in self.types:
                continue
            line = f", line {self.mapping.lines[column]}" if column in self.mapping.lines else ""
            raise MappingError(
                f"The file has no column {column!r}.",
                where=f"{self.mapping.file}{line}; {self.path}",
                cure=did_you_mean(column, self.types, "It has"),
                code="mapping_unknown_column",
            )

    def _received(self) -> Cell:
        """The row's own receipt where it has one, else the delivery's; never later than the delivery plus a skew."""
        default = timestamp(self.delivered_at)
        if self.found.messages:
            return Cell(
                "__received_at"
            )  # recorded by the collector: no sender may choose its time of receipt
        if self.mapping.received_at is None:
            return Cell(default)
        own = instant(self.mapping.received_at, self.types, self.mapping, "received")
        first = ident(self.mapping.received_at.columns[0])
        checks = tuple(
            Check(f"{first} IS NULL OR ({check.good})", literal("bad_received_at"), check.cell)
            for check in own.checks[1:]
        )
        skew = AcceptWindow(past=None, future=self.accept.future)
        value, steps = f"coalesce({own.value}, {default})", own.steps
        if steps:
            value, steps = "__came", (*steps, {"__came": value})
        later = window_checks(value, default, skew, self.delivered_at)
        bad = (Check(check.good, literal("bad_received_at"), check.cell) for check in later)
        return Cell(value, (*checks, *bad), steps)

    def _device(self) -> Cell:
        spec = self.mapping.device
        if spec.constant is not None:
            return Cell(literal(spec.constant))
        if spec.template is not None:
            parts = re.split(r"\{([^{}]+)\}", spec.template)
            cells = [
                text_cell(part, self.types[part]) if number % 2 else literal(part)
                for number, part in enumerate(parts)
            ]
            value = "(" + " || ".join(cells) + ")"
        else:
            column = spec.column or ""
            value = text_cell(column, self.types[column])
            if spec.extract is not None:
                value = f"regexp_extract({value}, {literal(f'^(?:{spec.extract})$')}, 1)"
        # One comparison says "not NULL, not empty, not starting with a blank", ten times faster than trim().
        empty = f"trim(coalesce({value}, ''), {literal(_BLANKS)}) = ''"
        blank = f"CASE WHEN {empty} THEN 'missing_device' ELSE 'bad_device' END"
        checks = [Check(f"{value} >= '!'", blank, value)]
        if self.found.staged:
            checks.append(Check(f"strlen({value}) <= {_LONGEST_ID}", literal("bad_device"), value))
        if self.found.messages and spec.identity is None:
            checks.append(Check(f"__sender IS NULL OR __sender = {value}", literal("not_the_sender"), value))
        return Cell(value, tuple(checks))

    def stream(self, meter: Meter) -> NormalisedStream:
        """The meter's items and rejects."""
        mapping = self.mapping
        amount = self._amount(meter)
        event = self._event_id()
        keys = [(item, self._carried(item)) for item in mapping.key.fields]
        extra = [*mapping.dimensions, *mapping.samples]
        columns: dict[str, tuple[str, str]] = {"device_id": (self.device.value, "VARCHAR")}
        if self.starts_at is not None:
            columns["starts_at"] = (self.starts_at.value, "TIMESTAMP")
        columns["ends_at"] = (self.ends_at.value, "TIMESTAMP")
        if event is not None:
            columns["event_id"] = (event.value, "VARCHAR")
        columns |= {item.name: (cell, _TYPES[item.type]) for item, cell in keys}
        columns[meter.value_column] = (amount.value, "BIGINT")
        columns["received_at"] = (self.received.value, "TIMESTAMP")
        columns |= {item.name: (self._carried(item), _TYPES[item.type]) for item in extra}
        named = [
            Check(f"{cell} IS NOT NULL", literal("missing_key"), ident(item.column)) for item, cell in keys
        ]
        checks = [*self._row_checks(meter, event), *named, *amount.checks]
        cells = [self.ends_at, self.received, amount, *([self.starts_at] if self.starts_at else [])]
        plan = _Plan(
            {name: value for name, (value, _) in columns.items()}, checks, cells, self._selected(meter)
        )
        items, rejects, rows, files = (self._parsed if self.found.staged else self._in_place)(meter, plan)
        return NormalisedStream(
            stream=mapping.stream(meter),
            mapping=mapping,
            meter=meter,
            items_sql=items,
            rejects_sql=rejects,
            columns={name: type_ for name, (_, type_) in columns.items()},
            rows=rows,
            not_selected=self.found.rows - rows,
            key_columns=tuple(item.name for item in mapping.key.fields),
            dimensions=tuple(item.name for item in mapping.dimensions),
            samples=tuple(item.name for item in mapping.samples),
            identity_kind=mapping.device.identity,
            files=files,
        )

    def _in_place(self, meter: Meter, plan: _Plan) -> tuple[str, str, int, tuple[Path, ...]]:
        """Typed columns are read where they lie, each time anew: that costs little more than reading them."""
        source = nested(self.found.relation, plan.cells)
        items = f"SELECT {plan.listed} FROM {source} WHERE {_both(plan.chosen, plan.ok)}"
        pairs = (
            f"{literal(name + '=')} || coalesce(CAST({ident(name)} AS VARCHAR), '')" for name in self.types
        )
        raw = f"concat_ws(', ', {', '.join(pairs)})"
        received = f"coalesce({self.received.value}, {timestamp(self.delivered_at)})"
        bad = _both(plan.chosen, f"({plan.ok}) IS NOT TRUE")
        rejects = (
            f"SELECT {self._who(meter)}, {plan.reason} AS reason, {plan.detail} AS detail, "
            f"sha256({raw}) AS raw_sha256, left({raw}, {_RAW_SHOWN}) AS raw, {received} AS received_at "
            f"FROM {nested(self.found.numbered, plan.cells)} WHERE {bad}"
        )
        rows = self.found.rows
        if plan.chosen:
            counted = one(self.con, f"SELECT count(*) FROM {self.found.relation} WHERE {plan.chosen}")
            rows = int(counted[0]) if counted else 0
        return items, rejects, rows, ()

    def _parsed(self, meter: Meter, plan: _Plan) -> tuple[str, str, int, tuple[Path, ...]]:
        """Text cells are read once: values and reasons go to a second file (or table), and queries go to that."""
        received = f"coalesce({self.received.value}, {timestamp(self.delivered_at)})"
        parsed = (
            f"SELECT {plan.listed}, __item_no, {plan.reason} AS __reason, coalesce(__detail, {plan.detail}) AS "
            f"__why, {self.found.delivered}, {received} AS __received FROM {nested(self.found.relation, plan.cells)} "
            f"WHERE {plan.chosen or 'true'}"
        )
        if self.found.messages:
            return self._in_memory(meter, plan, parsed)
        file = self.work / f"parsed-{os.getpid()}-{next(_NUMBER)}.parquet"
        done = self.con.execute(f"COPY ({parsed}) TO {literal(str(file))} (FORMAT parquet)").fetchall()
        items, rejects = self._queries(meter, plan, f"read_parquet({literal(str(file))})")
        return items, rejects, int(done[0][0]), (file,)

    def _in_memory(self, meter: Meter, plan: _Plan, parsed: str) -> tuple[str, str, int, tuple[Path, ...]]:
        """A batch of messages is small: what was read from it stays in a table of the connection."""
        table = f"parsed_{self.mapping.meters.index(meter)}"
        made = self.con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {parsed}").fetchall()
        return *self._queries(meter, plan, table), int(made[0][0]), ()

    def _queries(self, meter: Meter, plan: _Plan, relation: str) -> tuple[str, str]:
        """Items and rejects of a relation of parsed rows."""
        names = ", ".join(ident(name) for name in plan.columns)
        items = f"SELECT {names} FROM {relation} WHERE __reason IS NULL"
        rejects = (
            f"SELECT {self._who(meter)}, __reason AS reason, __why AS detail, coalesce(__sha, sha256(__raw)) AS "
            f"raw_sha256, left(__raw, {_RAW_SHOWN}) AS raw, __received AS received_at FROM {self.found.as_delivered(relation)} "
            "WHERE __reason IS NOT NULL"
        )
        return items, rejects

    def _who(self, meter: Meter) -> str:
        return (
            f"{literal(self.delivery_id)} AS delivery_id, __item_no::BIGINT AS item_no, "
            f"{literal(self.mapping.stream(meter))} AS stream"
        )

    def _carried(self, item: Field) -> str:
        return carried(item.column, self.types[item.column], item.type)

    def _event_id(self) -> Cell | None:
        names = self.mapping.key.event_id
        if not names:
            return None
        value = " || '|' || ".join(text_cell(name, self.types[name]) for name in names)
        value = f"({value})" if len(names) > 1 else value
        good = f"{value} IS NOT NULL AND {value} <> ''"
        return Cell(
            value,
            (
                Check(good, literal("missing_event_id")),
                Check(f"length({value}) <= 500", literal("bad_event_id"), value),
            ),
        )

    def _amount(self, meter: Meter) -> Cell:
        if meter.column is None:
            return Cell("1::BIGINT")
        type_ = self.types[meter.column]
        known = (
            type_ in INTEGERS | WIDE_INTEGERS | FLOATS or type_ == "VARCHAR" or type_.startswith("DECIMAL")
        )
        line = f", line {self.mapping.lines.get(meter.column, 1)}"
        if not known:
            raise MappingError(
                f"The column {meter.column!r} of type {type_} holds no quantity.",
                where=f"{self.mapping.file}{line}",
                cure="Name a numeric column.",
                code="mapping_column_type",
            )
        if type_ in FLOATS and meter.decimals is None:
            raise MappingError(
                f"The column {meter.column!r} holds binary floats, and meter {meter.name} does not say how many "
                "decimals they mean.",
                where=f"{self.mapping.file}{line}",
                cure="Add `decimals: 3` (and `rounding: half_up` when values are finer than that).",
                code="mapping_float_without_decimals",
            )
        return quantity(
            meter.column, type_, meter.scale, meter.rounding, meter.decimals, meter.negative == "allow"
        )

    def _row_checks(self, meter: Meter, event: Cell | None) -> list[Check]:
        """Checks of everything but the quantity and the key columns, in the order in which they are reported."""
        checks = [Check("__problem IS NULL", "__problem")] if self.found.staged else []
        if self.mapping.meter_column:
            column = text_cell(self.mapping.meter_column, self.types[self.mapping.meter_column])
            checks.append(Check(f"{column} IN ({_names(meter)})", literal("unknown_meter"), column))
        # The event's own time comes first: where one column is both, a bad time is called a bad time.
        is_time, *in_window = window_checks(
            self.ends_at.value, self.received.value, self.accept, self.delivered_at
        )
        checks += [*self.ends_at.checks, is_time, *self.received.checks, *in_window]
        if self.starts_at is not None:
            checks += self.starts_at.checks
            ordered = f"{self.starts_at.value} <= {self.ends_at.value}"
            checks.append(
                Check(ordered, literal("ends_before_start"), f"CAST({self.starts_at.value} AS VARCHAR)")
            )
        checks += self.device.checks
        checks += event.checks if event is not None else ()
        if meter.unit_column and meter.column_unit:
            unit = text_cell(meter.unit_column, self.types[meter.unit_column])
            checks.append(Check(f"{unit} = {literal(meter.column_unit)}", literal("wrong_unit"), unit))
        return checks

    def _selected(self, meter: Meter) -> str:
        """Which rows speak of this meter, as two-valued SQL; empty when all do."""
        parts = [self._condition(condition) for condition in self.mapping.where]
        if meter.missing == "skip" and meter.column:
            parts.append(f"{ident(meter.column)} IS NOT NULL")
        first = meter == self.mapping.meters[0]
        if self.mapping.meter_column:
            column = text_cell(self.mapping.meter_column, self.types[self.mapping.meter_column])
            named = f"coalesce({column} IN ({_names(meter)}), false)"
            if first:
                others = ", ".join(_names(other) for other in self.mapping.meters)
                named = f"({named} OR NOT coalesce({column} IN ({others}), false))"
            parts.append(named)
        chosen = " AND ".join(parts)
        if chosen and self.found.staged:
            broken = "true" if first or not self.mapping.meter_column else "false"
            chosen = f"CASE WHEN __problem IS NOT NULL THEN {broken} ELSE {chosen} END"
        return chosen

    def _condition(self, condition: Condition) -> str:
        if not condition.values:
            return f"{ident(condition.column)} IS NOT NULL"
        cell = text_cell(condition.column, self.types[condition.column])
        listed = ", ".join(literal(value) for value in condition.values)
        return f"coalesce({cell} IN ({listed}), false)"


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one meter's queries are made of: item columns, checks, the cells they need, and which rows are meant."""

    columns: MappingType[str, str]
    checks: Sequence[Check]
    cells: Sequence[Cell]
    chosen: str

    @property
    def listed(self) -> str:
        return ", ".join(f"{value} AS {ident(name)}" for name, value in self.columns.items())

    @property
    def ok(self) -> str:
        return " AND ".join(f"({check.good})" for check in self.checks) or "true"

    @property
    def reason(self) -> str:
        """The code of the first check that fails, NULL when none does."""
        return self._first(lambda check: check.reason)

    @property
    def detail(self) -> str:
        """What the first check that fails found."""
        return f"left({self._first(lambda check: f'CAST({check.cell} AS VARCHAR)')}, 200)"

    def _first(self, said: Callable[[Check], str]) -> str:
        cases = " ".join(
            f"WHEN NOT coalesce({check.good}, false) THEN {said(check)}" for check in self.checks
        )
        return f"CASE {cases} END" if cases else "NULL::VARCHAR"


def _names(meter: Meter) -> str:
    return ", ".join(literal(value) for value in meter.named or (meter.name,))


def _both(chosen: str, condition: str) -> str:
    return f"({chosen}) AND {condition}" if chosen else condition
