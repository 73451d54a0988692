"""Mediation of sorted hours against the plain two-level GROUP BY that does the same work, in one run.

    python -m benchmarks.mediation [--lamps 200000] [--hours 4] [--rounds 2]

Both read the same landed segments, find copies and conflicts, fold 15-minute windows, fingerprint them, and write
sorted Parquet through the lake; rows, units, events, copies and fingerprints must be equal, or the run fails. Each hour
is mediated by both sides in turn. The ratio of wall seconds is the figure, that of CPU seconds (all threads) what a
busy machine leaves of it; the seconds only describe the machine.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

import simulators
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.landing import collect, land, typed
from workbench.mediation.mediate import mediate_stream
from workbench.mediation.mix import mix_sql, sum_sql
from workbench.mediation.stream import Stream
from workbench.mediation.work import cursor_of, pending

STREAM = Stream("lamps.energy", grain="hour", samples={"lux": "", "status": ""})
_CHECK = "count(*), sum(units)::HUGEINT, sum(n_events), sum(n_duplicates), sum(fingerprint)::HUGEINT"

SMOKE = os.environ.get("WORKBENCH_BENCH") == "smoke"


def main() -> None:
    """Land the hours, time both sides, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lamps", type=int, default=2_000 if SMOKE else 200_000)
    parser.add_argument("--hours", type=int, default=1 if SMOKE else 4)
    parser.add_argument("--rounds", type=int, default=1 if SMOKE else 2)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Lake.open(Path(folder), create=True, memory_limit="1GB") as lake,
        lake.writer(),
    ):
        stream = _land(lake, asked.lamps, asked.hours)
        rounds = [_round(lake, stream) for _ in range(asked.rounds)]
    ratios = sorted(one["two_level"] / one["sorted"] for one in rounds)
    print(json.dumps({"lamps": asked.lamps, "hours": asked.hours, "rounds": rounds, "wall_ratio_worst": round(ratios[0], 2),
                      "wall_ratio_median": round(ratios[len(ratios) // 2], 2),
                      "cpu_ratio_worst": round(min(one["two_level_cpu"] / one["sorted_cpu"] for one in rounds), 2),
                      "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))  # fmt: skip


def _land(lake: Lake, lamps: int, hours: int) -> Stream:
    fleet, stream = simulators.fleet("streetlights", lamps, seed=7), STREAM
    for _, table in fleet.hours(hours / 24):
        items = _items(table)
        lake.con.register("delivered", items.slice(0, 1))
        stream = typed(lake.con, "SELECT * FROM delivered", STREAM)
        lake.con.unregister("delivered")
        held, devices = collect(lake, items.schema, items.to_batches(), items.num_rows, "lamps", [])
        segments = land(lake, held, stream, lake.con)
        # Only whole hours are compared: the stragglers' segments would be the portable plan's work on both sides.
        large = [segment for segment in segments if segment.rows > lamps]
        lake.commit({"stage": "land"}, add=[*large, *([devices] if devices else [])])
    return stream


def _items(table: pa.Table) -> pa.Table:
    names = {"ts": "ends_at", "energy_mwh": "units"}
    table = table.rename_columns([names.get(name, name) for name in table.column_names])
    at = table.column_names.index("units")
    return table.set_column(at, "units", table["units"].cast(pa.int64()))


def _round(lake: Lake, stream: Stream) -> dict[str, float]:
    marks = [(time.perf_counter(), time.process_time())]
    ours = mediate_stream(lake, stream, workers=2).add
    marks.append((time.perf_counter(), time.process_time()))
    theirs = _two_level_all(lake, stream)
    marks.append((time.perf_counter(), time.process_time()))
    (ours_wall, ours_cpu), (theirs_wall, theirs_cpu) = (
        tuple(round(after[n] - before[n], 3) for n in (0, 1)) for before, after in itertools.pairwise(marks)
    )
    same = [_totals(lake, [s for s in side if s.kind == "records"]) for side in (ours, theirs)]
    if same[0] != same[1]:
        raise SystemExit(f"the two sides differ: {same}")
    return {
        "sorted": ours_wall,
        "two_level": theirs_wall,
        "sorted_cpu": ours_cpu,
        "two_level_cpu": theirs_cpu,
        "windows": int(same[0][0]),
    }


def _totals(lake: Lake, segments: list[Segment]) -> tuple[int, ...]:
    row = lake.con.execute(f"SELECT {_CHECK} FROM {lake.scan('records', segments=segments)}").fetchall()[0]
    return tuple(int(value) for value in row)


def _two_level_all(lake: Lake, stream: Stream) -> list[Segment]:
    """The baseline on the same hours; two at a time was slower for it than one with both threads, so it gets those."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return list(pool.map(lambda work: _two_level(lake, stream, work.landed[0]), pending(lake, stream)))


def _two_level(lake: Lake, stream: Stream, segment: Segment) -> Segment:
    mixed = mix_sql(*stream.fingerprint_lanes)
    events = (
        "SELECT device_key, ends_at, count(*) AS n, arg_min(units, received_at) AS units, "
        "arg_min(mix, received_at) AS mix, min(mix) <> max(mix) AS odd "
        f"FROM (SELECT *, {mixed} AS mix FROM {lake.scan('landed', segments=[segment])}) GROUP BY device_key, ends_at"
    )
    windows = (
        f"SELECT device_key, {stream.window_sql()} AS window_start, sum(units)::BIGINT AS units, count(*)::INTEGER AS n_events, "
        "(sum(n) - count(*))::INTEGER AS n_duplicates, min(ends_at) AS first_at, max(ends_at) AS last_at, "
        f"{sum_sql('mix')} AS fingerprint, 0::SMALLINT AS flags, count(*) FILTER (odd) AS n_odd "
        f"FROM ({events}) GROUP BY device_key, window_start"
    )
    with cursor_of(lake) as con:
        con.execute(f"CREATE OR REPLACE TEMP TABLE two_level AS {windows}")
        if con.execute("SELECT count(*) FROM two_level WHERE n_odd > 0").fetchall()[0][0]:
            raise SystemExit("this fleet has no conflicts")
        return lake.write(
            "records",
            "SELECT * EXCLUDE (n_odd) FROM two_level",
            stream=stream.name,
            partition=segment.partition,
            order_by=["device_key", "window_start"],
            controls={"units": "sum(units)", "events": "sum(n_events)", "duplicates": "sum(n_duplicates)"},
            con=con,
        )


if __name__ == "__main__":
    main()
