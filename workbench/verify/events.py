"""Each accepted event is in exactly one record, and each record says what its events say (I3, I17)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from workbench.lake.segment import Segment
from workbench.lake.sql import name
from workbench.mediation.stream import Stream
from workbench.verify import again
from workbench.verify.context import Context, paths_text
from workbench.verify.report import CounterExample, Outcome


def records_again(context: Context) -> Outcome:
    """Fold the landed rows of the devices to look at once more, and compare with their records."""
    return context.once("folded", lambda: _fold_all(context))[0]


def conflicts_listed(context: Context) -> Outcome:
    """Every copy that contradicts its event stands in quarantine, and nothing else stands there as a conflict."""
    return context.once("folded", lambda: _fold_all(context))[1]


def _fold_all(context: Context) -> tuple[Outcome, Outcome]:
    """Both answers from one pass over the landed rows; each stops looking at its first offender."""
    seen = {"streams": 0, "landed": 0, "records": 0}
    held = {"streams": 0, "conflicts": 0}
    wrong_record: CounterExample | None = None
    wrong_conflict: CounterExample | None = None
    for stream in context.streams:
        seen["streams"] += 1
        held["streams"] += 1
        for landed, records in _parts(context, stream):
            with context.cursor() as con:
                rows = rows_of(context, con, stream, landed) if landed else ""
                if rows:
                    again.prepare(con, rows, stream)
                if not wrong_record:
                    wrong_record = _compare(context, con, stream, rows, records, seen)
                if landed and not wrong_conflict:
                    wrong_conflict = _conflicts(context, con, stream, landed, held)
    return Outcome(seen, wrong_record), Outcome(held, wrong_conflict)


def _parts(context: Context, stream: Stream) -> Iterator[tuple[list[Segment], list[Segment]]]:
    """Landed segments and the records made from them; one partition at a time where copies cannot leave theirs."""
    landed = context.lake.segments("landed", stream=stream.name)
    every = context.lake.segments("records", stream=stream.name)
    records = [
        segment for segment in every if "edge" not in segment.meta
    ]  # a gateway has their events: ``gateways``
    if not stream.copies_share_instant:
        yield landed, records
        return
    for partition in sorted({segment.partition for segment in [*landed, *records]}):
        yield (
            [segment for segment in landed if segment.partition == partition],
            [segment for segment in records if segment.partition == partition],
        )


def rows_of(context: Context, con: Any, stream: Stream, landed: Sequence[Segment]) -> str:
    """The landed rows that decide the records of the devices to look at; a sample is taken out once.

    Where the source names its events, another device's row can be the winner: all rows of the ids are needed.
    """
    source = context.lake.scan("landed", segments=landed)
    within = context.within(stream.name)
    if within == "true":
        return source
    if stream.event_id:
        within = f"event_id IN (SELECT event_id FROM {source} WHERE {within})"
    con.execute(f"CREATE OR REPLACE TEMP TABLE sampled AS SELECT * FROM {source} WHERE {within}")
    return "sampled"


def _compare(
    context: Context,
    con: Any,
    stream: Stream,
    rows: str,
    records: list[Segment],
    counts: dict[str, int],
) -> CounterExample | None:
    within = context.within(stream.name)
    keys = ["device_key", "window_start", *(name(column) for column in stream.dimensions)]
    columns = [c for c in again.COMPARED if not (c == "units" and stream.cumulative)]
    observed = f"SELECT * FROM {context.lake.scan('records', segments=records)} WHERE {within}"
    expected = f"{observed} AND false"
    if rows:
        expected = f"SELECT * FROM ({again.records(rows, stream)}) WHERE {within}"
        counts["landed"] += con.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0]
    con.execute(f"CREATE TEMP TABLE expected AS {expected}")
    counts["records"] += con.execute("SELECT count(*) FROM expected").fetchall()[0][0]
    wrong = con.execute(again.difference("FROM expected", observed, keys, columns) + " LIMIT 1").fetchall()
    if not wrong:
        return None
    named = [column[0] for column in con.description]
    return _example(context, stream, dict(zip(named, wrong[0], strict=True)), columns, records)


def _conflicts(
    context: Context, con: Any, stream: Stream, landed: list[Segment], counts: dict[str, int]
) -> CounterExample | None:
    within = context.within(stream.name)
    partitions = {segment.partition for segment in landed}
    held = [s for s in context.lake.segments("quarantine", stream=stream.name) if s.partition in partitions]
    expected = (
        f"SELECT device_key, ends_at, received_at, {stream.quantity} AS quantity, count(*) AS n FROM copies "
        f"WHERE NOT is_best_ AND NOT same_ AND {within} GROUP BY ALL"
    )
    observed = (
        "SELECT device_key, ends_at, received_at, quantity, count(*) AS n FROM "
        f"{context.lake.scan('quarantine', segments=held)} WHERE reason = 'conflict' AND {within} GROUP BY ALL"
    )
    keys = ["device_key", "ends_at", "received_at", "quantity"]
    counts["conflicts"] += con.execute(f"SELECT coalesce(sum(n), 0)::BIGINT FROM ({observed})").fetchall()[0][
        0
    ]
    rows = con.execute(again.difference(expected, observed, keys, ["n"]) + " LIMIT 1").fetchall()
    if not rows:
        return None
    found = rows[0]
    text = f"A conflicting copy of stream {stream.name} with quantity {found[3]} is not held as it should be."
    return CounterExample(
        text,
        f"{found[4] or 0} rows",
        f"{found[5] or 0} rows",
        context.name_of(found[0]),
        str(found[1]),
        paths_text(held),
    )


def _example(
    context: Context, stream: Stream, row: dict[str, Any], columns: Sequence[str], records: list[Segment]
) -> CounterExample:
    device, window = context.name_of(row["device_key"]), str(row["window_start"])
    if row["o_there"] is None:
        text = f"Events of stream {stream.name} are in no record."
        return CounterExample(
            text, f"{row['e_n_events']} events", "no record", device, window, paths_text(records)
        )
    if row["e_there"] is None:
        text = f"A record of stream {stream.name} has no landed row behind it."
        return CounterExample(
            text, "no record", f"{row['o_n_events']} events", device, window, paths_text(records)
        )
    column = next(c for c in columns if row[f"e_{c}"] != row[f"o_{c}"])
    text = f"{column} of a record of stream {stream.name} is not what its events say."
    expected, observed = str(row[f"e_{column}"]), str(row[f"o_{column}"])
    return CounterExample(text, expected, observed, device, window, paths_text(records))
