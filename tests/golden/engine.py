"""The engine's opinion on a case: compile, then rate in batch. What it refuses by name is ``NotPriced``."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

import duckdb
import pyarrow as pa

from tests.golden.case import Case
from tests.golden.outcome import Outcome
from workbench.errors import CatalogueError
from workbench.model.ids import device_key
from workbench.model.plan import Period
from workbench.rating.batch import Rater
from workbench.reference.results import Use
from workbench.tariff.plan import Plan, compile_plan


class NotPriced(Exception):
    """The engine says by name that it has no rows for a construct (``not_priced``)."""


def by_batch(case: Case) -> list[Outcome]:
    """Rate every period of a case in batch."""
    return [batch_period(case, start, end) for start, end in case.periods]


def batch_period(case: Case, start: datetime, end: datetime) -> Outcome:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'").fetchall()
        try:
            plan = compile_plan(case.catalogue, case.parties, Period(start, end), con=con)
        except CatalogueError as error:
            if error.code == "not_priced":
                raise NotPriced(str(error)) from error
            raise
        rater = Rater(con, plan)
        rows: list[tuple[object, ...]] = []
        reasons: list[str] = []
        for stream in sorted({use.meter for use in case.uses} | set(plan.streams)):
            uses = [use for use in case.uses if use.meter == stream and start <= use.at < end]
            with con.cursor() as other:  # the rater may still hold a result of its own connection
                other.register("golden_records", records(uses, plan.dimensions(stream)))
                other.execute("CREATE OR REPLACE TABLE golden AS SELECT * FROM golden_records").fetchall()
            if plan.needs_totals(stream):
                rater.observe(stream, "golden")
            rated = rater.rate(stream, "golden")
            rows += [(stream, *row) for row in con.execute(charges_sql(rated.charges)).fetchall()]
            reasons += [
                reason for (reason,) in con.execute(f"SELECT reason FROM ({rated.uncharged})").fetchall()
            ]
        rows += [("", *row) for row in con.execute(charges_sql(rater.recurring())).fetchall()]
        outcome = outcome_of(case, plan, rows)
        outcome.uncharged = reasons
        rater.close()
        return outcome


def charges_sql(query: str) -> str:
    return f"SELECT line_no, device_key, window_start, units, amount FROM ({query})"


def records(uses: list[Use], dims: tuple[str, ...]) -> pa.Table:
    """Uses as the records of a lake's segment."""
    columns: dict[str, pa.Array] = {
        "device_key": pa.array([device_key("main", use.device_id) for use in uses], pa.int64()),
        "window_start": pa.array([use.at.replace(tzinfo=None) for use in uses], pa.timestamp("us")),
        "units": pa.array([use.units for use in uses], pa.int64()),
        "n_events": pa.array([use.events for use in uses], pa.int32()),
    }
    for dim in dims:
        columns[dim] = pa.array([dict(use.dims).get(dim) for use in uses], pa.string())
    return pa.table(columns)


def outcome_of(case: Case, plan: Plan, rows: list[tuple[object, ...]]) -> Outcome:
    lines = {line["line_no"]: line for line in plan.lines.to_pylist()}
    names = {device_key("main", device.device_id): device.device_id for device in case.parties.devices}
    found = Outcome()
    charges: list[tuple[tuple[str, ...], Fraction]] = []
    for stream, line_no, key, window_start, _units, amount in rows:
        line = lines[line_no]
        assert isinstance(amount, int)
        nano = Fraction(amount, int(line["price_denominator"]))
        name = (line["account_id"], line["component_id"], line["kind"])
        found.lines[name] = found.lines.get(name, Fraction(0)) + nano
        if line["kind"] == "usage":
            charges.append(((str(window_start), names[key], str(stream), line["component_id"]), nano))
    keys = [key for key, _ in charges]
    if len(set(keys)) == len(keys):  # with several events in one slot nothing says which charge is whose
        found.charges = [nano for _, nano in sorted(charges)]
    return found


def priced_by_batch(case: Case) -> bool:
    """Whether the engine has rows for everything the case's offers say."""
    try:
        by_batch(case)
    except NotPriced:
        return False
    return True


__all__ = ["NotPriced", "by_batch", "priced_by_batch"]
