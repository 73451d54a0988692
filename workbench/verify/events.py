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
    counts = {"streams": 0, "landed": 0, "records": 0, "conflicts": 0}
    for stream in context.streams:
        counts["streams"] += 1
        for landed, records in _parts(context, stream):
            wrong = _compare(context, stream, landed, records, counts)
            if wrong:
                return Outcome(counts, wrong)
    return Outcome(counts)


def conflicts_listed(context: Context) -> Outcome:
    """Every copy that contradicts its event stands in quarantine, and nothing else stands there as a conflict."""
    counts = {"streams": 0, "conflicts": 0}
    for stream in context.streams:
        counts["streams"] += 1
        for landed, _ in _parts(context, stream):
            partitions = {segment.partition for segment in landed}
            held = [
                s
                for s in context.lake.segments("quarantine", stream=stream.name)
                if s.partition in partitions
            ]
            wrong = _conflicts(context, stream, landed, held, counts)
            if wrong:
                return Outcome(counts, wrong)
    return Outcome(counts)


def _parts(context: Context, stream: Stream) -> Iterator[tuple[list[Segment], list[Segment]]]:
    """Landed segments and the records made from them; one partition at a time where copies cannot leave theirs."""
    landed = context.lake.segments("landed", stream=stream.name)
    records = context.lake.segments("records", stream=stream.name)
    if not stream.copies_share_instant:
        yield landed, records
        return
    for partition in sorted({segment.partition for segment in [*landed, *records]}):
        yield (
            [segment for segment in landed if segment.partition == partition],
            [segment for segment in records if segment.partition == partition],
        )


def rows_of(context: Context, stream: Stream, landed: Sequence[Segment]) -> str:
    """The landed rows that decide the records of the devices to look at.

    Where the source names its events, another device's row can be the winner: all rows of the ids are needed.
    """
    source = context.lake.scan("landed", segments=landed)
    within = context.within(stream.name)
    if within == "true":
        return source
    if not stream.event_id:
        return f"(SELECT * FROM {source} WHERE {within})"
    ids = f"(SELECT event_id FROM {source} WHERE {within})"
    return f"(SELECT * FROM {source} WHERE event_id IN {ids})"


def _compare(
    context: Context, stream: Stream, landed: list[Segment], records: list[Segment], counts: dict[str, int]
) -> CounterExample | None:
    within = context.within(stream.name)
    keys = ["device_key", "window_start", *(name(column) for column in stream.dimensions)]
    columns = [c for c in again.COMPARED if not (c == "units" and stream.cumulative)]
    observed = f"SELECT * FROM {context.lake.scan('records', segments=records)} WHERE {within}"
    with context.cursor() as con:
        if landed:
            con.execute(
                f"CREATE TEMP TABLE flagged AS {again.flagged(rows_of(context, stream, landed), stream)}"
            )
            expected = f"SELECT * FROM ({again.records('flagged', stream)}) WHERE {within}"
            counts["landed"] += con.execute("SELECT count(*) FROM flagged").fetchall()[0][0]
        else:
            expected = f"{observed} AND false"
        con.execute(f"CREATE TEMP TABLE expected AS {expected}")
        found = con.execute("SELECT count(*) FROM expected").fetchall()[0]
        counts["records"] += found[0]
        wrong = con.execute(again.difference("FROM expected", observed, keys, columns)).fetchmany(1)
        named = [column[0] for column in con.description] if wrong else []
    return (
        _example(context, stream, dict(zip(named, wrong[0], strict=True)), columns, records)
        if wrong
        else None
    )


def _conflicts(
    context: Context, stream: Stream, landed: list[Segment], held: list[Segment], counts: dict[str, int]
) -> CounterExample | None:
    if not landed:
        return None
    within = context.within(stream.name)
    expected = (
        f"SELECT device_key, ends_at, received_at, {stream.quantity} AS quantity, count(*) AS n FROM "
        f"({again.flagged(rows_of(context, stream, landed), stream)}) WHERE NOT is_best AND NOT same AND {within} "
        "GROUP BY ALL"
    )
    observed = (
        "SELECT device_key, ends_at, received_at, quantity, count(*) AS n FROM "
        f"{context.lake.scan('quarantine', segments=held)} WHERE reason = 'conflict' AND {within} GROUP BY ALL"
    )
    keys = ["device_key", "ends_at", "received_at", "quantity"]
    counts["conflicts"] += (context.one(f"SELECT coalesce(sum(n), 0)::BIGINT FROM ({observed})") or (0,))[0]
    found = context.one(f"SELECT * FROM ({again.difference(expected, observed, keys, ['n'])}) LIMIT 1")
    if not found:
        return None
    text = f"A conflicting copy of stream {stream.name} with quantity {found[3]} is not held as it should be."
    place = context.name_of(found[0])
    return CounterExample(
        text, f"{found[4] or 0} rows", f"{found[5] or 0} rows", place, str(found[1]), paths_text(held)
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
