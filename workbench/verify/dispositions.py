"""Every delivered row has one disposition, and every landed row is told for (I2)."""

from __future__ import annotations

from typing import Any

from workbench.lake.segment import Segment
from workbench.mediation.merging import LIVE
from workbench.verify.context import Context, paths_text
from workbench.verify.report import CounterExample, Outcome


def deliveries_add_up(context: Context) -> Outcome:
    """Rows of each delivery and stream = landed + rejected, by its account, by its files, by its rejects."""
    lake = context.lake
    deliveries = lake.facts("delivery")
    counts = {"deliveries": len(deliveries), "rows": 0, "landed": 0, "rejected": 0}
    listed = _listed_rejects(context)
    files, strays = _landed_files(context)
    for delivery_id, fact in sorted(deliveries.items()):
        for stream, account in sorted(fact["streams"].items()):
            rows, landed, rejected = (int(account[name]) for name in ("rows", "landed", "rejected"))
            counts["rows"] += rows
            counts["landed"] += landed
            counts["rejected"] += rejected
            where = f"Delivery {delivery_id} ({fact.get('file') or fact.get('hour', '')}), stream {stream}"
            on_disk, paths = files.get((delivery_id, stream), (0, ""))
            if fact.get("live"):
                on_disk = (
                    landed  # told for stream by stream, below: segments of the wire are merged across hours
                )
            for what, expected, observed in (
                ("has rows without a disposition", rows, landed + rejected),
                ("landed another number of rows than its files hold", landed, on_disk),
                ("lists another number of rejects", rejected, listed.pop((delivery_id, stream), 0)),
            ):
                if expected != observed:
                    return Outcome(
                        counts,
                        CounterExample(f"{where} {what}.", str(expected), str(observed), segment=paths),
                    )
    wrong = _live_landed(context)
    if wrong:
        return Outcome(counts, wrong)
    if strays:
        return Outcome(counts, CounterExample("Landed rows came with no delivery.", segment=strays[0].path))
    if listed:
        (delivery_id, stream), number = min(listed.items())
        text = f"{number} rejects of stream {stream} belong to delivery {delivery_id}, which is not accounted for."
        return Outcome(counts, CounterExample(text))
    return Outcome(counts)


def _live_landed(context: Context) -> CounterExample | None:
    """Of each stream, what came by the wire and was landed, by its accounts and by the files that hold it now."""
    told: dict[str, int] = {}
    for fact in context.lake.facts("delivery").values():
        for stream, account in fact["streams"].items() if fact.get("live") else ():
            told[stream] = told.get(stream, 0) + int(account["landed"])
    for segment in context.lake.segments("landed"):
        if LIVE in segment.meta:
            told[segment.stream] = told.get(segment.stream, 0) - segment.rows
    for stream, difference in sorted(told.items()):
        if difference:
            text = f"What came of stream {stream} by the wire is not what its files hold."
            return CounterExample(text, "no difference", f"{difference} rows more in the accounts")
    return None


def landed_rows_told(context: Context) -> Outcome:
    """Landed rows of each stream and partition = accepted events + duplicates + conflicts."""
    lake = context.lake
    counts = {"partitions": 0, "landed": 0, "events": 0, "duplicates": 0, "conflicts": 0}
    for stream in context.streams:
        told = _told(context, stream.name)
        landed: dict[str, int] = {}
        for segment in lake.segments("landed", stream=stream.name):
            landed[segment.partition] = landed.get(segment.partition, 0) + segment.rows
        for partition in sorted(landed.keys() | told.keys()):
            events, duplicates, conflicts = told.get(partition, (0, 0, 0))
            counts["partitions"] += 1
            counts["landed"] += landed.get(partition, 0)
            counts["events"] += events
            counts["duplicates"] += duplicates
            counts["conflicts"] += conflicts
            if landed.get(partition, 0) != events + duplicates + conflicts:
                text = (
                    f"Stream {stream.name}, {partition}: {events} events, {duplicates} duplicates and {conflicts} "
                    "conflicts are not all that landed."
                )
                files = lake.segments("records", stream=stream.name, partition=partition)
                return Outcome(
                    counts,
                    CounterExample(
                        text,
                        str(landed.get(partition, 0)),
                        str(events + duplicates + conflicts),
                        segment=paths_text(files),
                    ),
                )
    return Outcome(counts)


def _told(context: Context, stream: str) -> dict[str, tuple[int, int, int]]:
    """(events, duplicates, conflicts) of each partition of a stream, counted in the files."""
    lake = context.lake
    told: dict[str, list[int]] = {}
    for segment in lake.segments("records", stream=stream):
        if "edge" in segment.meta:
            continue  # what a gateway has landed is told there
        row = context.one(
            "SELECT coalesce(sum(n_events), 0)::BIGINT, coalesce(sum(n_duplicates), 0)::BIGINT "
            f"FROM {lake.scan('records', segments=[segment])}"
        ) or (0, 0)
        sums = told.setdefault(segment.partition, [0, 0, 0])
        sums[0] += row[0]
        sums[1] += row[1]
    for segment in lake.segments("quarantine", stream=stream):
        row = context.one(
            f"SELECT count(*) FROM {lake.scan('quarantine', segments=[segment])} WHERE reason = 'conflict'"
        ) or (0,)
        told.setdefault(segment.partition, [0, 0, 0])[2] += row[0]
    return {partition: (sums[0], sums[1], sums[2]) for partition, sums in told.items()}


def _listed_rejects(context: Context) -> dict[tuple[str, str], int]:
    """Rejected items by delivery and stream, counted in the files; an item may be listed once."""
    sql = (
        "SELECT delivery_id, stream, count(DISTINCT item_no) FROM "
        f"{context.lake.scan('rejects')} GROUP BY delivery_id, stream"
    )
    return {(delivery, stream): number for delivery, stream, number in context.rows(sql)}


def _landed_files(context: Context) -> tuple[dict[tuple[str, str], tuple[int, str]], list[Segment]]:
    """Rows and first file of what each delivery landed, by delivery and stream; and files no delivery brought.

    A landed segment belongs to the delivery whose account entered the lake in the same commit; those that came by the
    wire are not among them.
    """
    found: dict[tuple[str, str], tuple[int, str]] = {}
    present = {s.id: s for s in context.lake.segments("landed") if LIVE not in s.meta}
    for entry in context.history:
        deliveries: dict[str, Any] = entry["facts"].get("delivery", {})
        if len(deliveries) != 1:
            continue
        (delivery_id,) = deliveries
        for data in entry["add"]:
            segment = present.pop(Segment.from_json(data).id, None) if data["kind"] == "landed" else None
            if segment:
                key = (delivery_id, segment.stream)
                rows, path = found.get(key, (0, ""))
                found[key] = (rows + segment.rows, path or segment.path)
    return found, sorted(present.values(), key=lambda segment: segment.path)
