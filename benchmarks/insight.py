"""Detectors over a fleet: events per second of the whole suite, against an isolation forest per point in the same run.

    python -m benchmarks.insight speed [--devices 200000] [--minutes 60] [--rounds 2]
    python -m benchmarks.insight faults [--seeds 101,102,...] [--fleets all] [--devices 300] [--days 7] [--store DIR]

``speed`` reads the delivered readings of street lamps from Parquet files, shows them to every detector that fits and asks
for the suspicions at the end; readings of each file also go to pyod's isolation forest, thinned to what it can take. ``faults`` plants
every kind of fault in every fleet and compares what is said with what was planted: found, kind right, reason right, and
false alerts against a budget of one per 1,000 device-days. Rules were tuned on seeds below 400.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import simulators
from benchmarks.fleet_batches import batch_of, columns_of
from benchmarks.insight_faults import faults
from simulators.base import Fleet
from simulators.fleets import REGISTRY
from workbench.insight.fleet.watch import Watch


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("speed", "faults"))
    parser.add_argument("--devices", type=int, default=0)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--seeds", default=",".join(str(seed) for seed in range(401, 411)))
    parser.add_argument("--fleets", default="all")
    parser.add_argument(
        "--store", type=Path, help="keep each fleet's and seed's counts here: a long run in slices"
    )
    asked = parser.parse_args()
    if asked.what == "speed":
        print(json.dumps(speed(asked.devices or 200_000, asked.minutes, asked.rounds)))
    else:
        names = list(REGISTRY) if asked.fleets == "all" else asked.fleets.split(",")
        seeds = [int(seed) for seed in asked.seeds.split(",")]
        print(json.dumps(faults(names, seeds, asked.devices or 300, asked.days, asked.store), indent=1))


def speed(devices: int, minutes: int, rounds: int) -> dict[str, object]:
    """The whole suite and the forest in turn, file by file, on the same readings.

    Ours is timed from the Parquet file to the named suspicions of the whole fleet; the forest is given its points in
    memory, twenty thousand of each file, and fits and scores them (two jobs).
    """
    from pyod.models.iforest import IForest

    fleet = simulators.fleet("streetlights", devices, seed=7)
    columns, ours, forest, events, alerts = columns_of(fleet), [], [], 0, 0
    with TemporaryDirectory() as folder:
        files = list(_files(fleet, minutes, Path(folder)))
        for _ in range(rounds):
            watch = Watch(columns, devices)
            seconds, other, points_seen = 0.0, 0.0, 0
            for file in files:
                begun = time.perf_counter()
                batch = batch_of(fleet, columns, pq.read_table(file))
                watch.update(batch)
                seconds += time.perf_counter() - begun
                points = np.column_stack([batch.values[name] for name in columns.values])
                points = points[:: max(1, len(points) // 20_000)]
                begun = time.perf_counter()
                IForest(n_jobs=2, random_state=0).fit(points).decision_function(points)
                other += time.perf_counter() - begun
                points_seen += len(points)
            begun = time.perf_counter()
            alerts = len(watch.suspicions())
            seconds += time.perf_counter() - begun
            events = watch.rows
            ours.append(events / seconds)
            forest.append(points_seen / other)
    return {
        "devices": devices, "events": events, "detectors": len(Watch(columns, 1).detectors), "alerts": alerts,
        "events_per_second": round(max(ours)), "every_round": [round(one) for one in ours],
        "isolation_forest_points_per_second": round(max(forest)),
        "ratio": round(max(ours) / max(forest), 1), "load": round(os.getloadavg()[0], 1),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }  # fmt: skip


def _files(fleet: Fleet, minutes: int, folder: Path) -> Iterator[Path]:
    """Deliveries as a lake seals them: files of twenty minutes, sorted by device and time."""
    rows_a_minute = fleet.devices * 60 // fleet.period_seconds
    parts, size, total = list[pa.RecordBatch](), 0, 0
    for part in fleet.batches(end=f"2026-03-02T{-(-minutes // 60):02d}:00"):
        parts.append(part)
        size, total = size + part.num_rows, total + part.num_rows
        done = total >= 0.98 * minutes * rows_a_minute
        if size >= 20 * rows_a_minute or done:
            table = pa.Table.from_batches(parts).combine_chunks()
            device = table["device_id"].combine_chunks().indices.to_numpy()
            order = np.lexsort((table["ts"].cast(pa.int64()).to_numpy(), device))
            place = folder / f"{total}.parquet"
            pq.write_table(table.take(pa.array(order)), place, compression="zstd", compression_level=1)
            yield place
            parts, size = [], 0
        if done:
            break


if __name__ == "__main__":
    main()
