"""Files: the chain, the bytes, what the files hold, and the projection made from them (I16, I22, I46, I47)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from workbench.errors import LakeError
from workbench.lake import projection, schemas
from workbench.lake.projection_tables import tables
from workbench.lake.row_hash import row_hash
from workbench.lake.segment import Segment
from workbench.lake.sql import name, read_parquet
from workbench.verify.context import Context
from workbench.verify.report import CounterExample, Outcome


def manifest_chain(context: Context) -> Outcome:
    """Read every version from the first, checkpoints aside, and come out where the lake stands."""
    lake = context.lake
    proven = lake.prove_manifest()
    counts = {"versions": proven.version}
    if lake.pinned is None and proven.to_json() != lake.state.to_json():
        return Outcome(counts, CounterExample("A checkpoint says something else than the chain of versions."))
    return Outcome(counts)


def segment_bytes(context: Context) -> Outcome:
    """Hash every file again; with ``full`` also those that later versions replaced, as far as they had to stay."""
    segments = dict(context.lake.state.segments)
    counts: dict[str, int] = {}
    if context.full:
        gone = {
            id_ for id_ in context.let_go if not (context.lake.root / context.replaced[id_].path).exists()
        }
        segments |= {id_: segment for id_, segment in context.replaced.items() if id_ not in gone}
        counts = {"let_go": len(gone)} if gone else {}
    found = [segments[key] for key in sorted(segments)]
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(lambda segment: context.lake.paths([segment], fresh=True), found))
    return Outcome({"files": len(found), "bytes": sum(segment.bytes for segment in found), **counts})


def segment_contents(context: Context) -> Outcome:
    """Read rows and types back and compare with what the manifest says; no money or quantity is a float."""
    counts = {"files": 0, "rows": 0}
    for segment in sorted(context.lake.state.segments.values(), key=lambda s: s.path):
        wrong = _contents(context, segment)
        counts["files"] += 1
        counts["rows"] += segment.rows
        if wrong:
            return Outcome(counts, wrong)
    return Outcome(counts)


def _contents(context: Context, segment: Segment) -> CounterExample | None:
    source = read_parquet(context.lake.paths([segment]))
    columns = {column: type_ for column, type_, *_ in context.rows(f"DESCRIBE SELECT * FROM {source}")}
    try:
        schemas.check(segment.kind, columns, segment.path)
    except LakeError as error:
        return CounterExample(error.what, segment=segment.path)
    column = next((c for c in ("units", "quantity", "amount") if c in columns), None)
    total = f"coalesce(sum({name(column)}), 0)::HUGEINT" if column in segment.controls else "NULL"
    row = context.one(f"SELECT count(*), {total} FROM {source}") or (0, None)
    if row[0] != segment.rows:
        return CounterExample(
            "A file has another number of rows than the manifest says.",
            str(segment.rows),
            str(row[0]),
            segment=segment.path,
        )
    if row[1] is not None and column and row[1] != segment.controls[column]:
        return CounterExample(
            f"The {column} of a file sum to something else than its control total.",
            str(segment.controls[column]),
            str(row[1]),
            segment=segment.path,
        )
    return None


def landed_order(context: Context) -> Outcome:
    """Mediation's fast plan trusts that landed rows lie in order of device and time; look at the rows."""
    segments = context.lake.segments("landed")
    if not context.full:
        segments = sorted(segments, key=lambda segment: (segment.sha256, segment.path))[:8]
    counts = {"files": len(segments), "rows": sum(segment.rows for segment in segments)}
    for segment in segments:
        row = context.one(
            "SELECT device_key, ends_at FROM (SELECT device_key, ends_at, lag(device_key) OVER () AS p_device, "
            f"lag(ends_at) OVER () AS p_at FROM {read_parquet(context.lake.paths([segment]))}) "
            "WHERE p_device > device_key OR (p_device = device_key AND p_at > ends_at) LIMIT 1"
        )
        if row:
            text = "A landed row lies before an earlier one, so a duplicate could have been missed."
            return Outcome(
                counts,
                CounterExample(
                    text, device_id=context.name_of(row[0]), window=str(row[1]), segment=segment.path
                ),
            )
    return Outcome(counts)


def projection_rows(context: Context) -> Outcome:
    """Make every table of the projection anew and compare its canonical row hash with the file's."""
    lake = context.lake
    if not projection.path_of(lake).exists():
        return Outcome({"tables": 0})
    stored = projection.row_hashes(lake)
    with context.cursor() as con:
        for table, sql in sorted(tables(lake).items()):
            made = row_hash(con, f"({sql})")
            if stored.get(table) != made:
                return Outcome(
                    {"tables": len(stored)},
                    CounterExample(
                        f"Table {table} of the projection is not what the manifest gives.",
                        made,
                        stored.get(table, "no such table"),
                        segment=str(projection.path_of(lake)),
                    ),
                )
    return Outcome({"tables": len(stored)})
