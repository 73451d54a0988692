"""Detectors over a fleet: events per second of the whole suite, against an isolation forest per point in the same run.

    python -m benchmarks.insight speed [--devices 200000] [--minutes 30] [--rounds 2]
    python -m benchmarks.insight faults [--seeds 101,102,...] [--fleets all] [--devices 300] [--days 7]

``speed`` feeds the delivered readings of street lamps, batch by batch, to every detector that fits and asks for the
suspicions at the end; each batch also goes to pyod's isolation forest, thinned to what it can take. ``faults`` plants
every kind of fault in every fleet and compares what is said with what was planted: found, kind right, reason right, and
false alerts against a budget of one per 1,000 device-days. Seeds up to 99 were looked at while the rules were written.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pyarrow as pa

import simulators
from simulators.base import Fleet
from simulators.faults.plan import fitting
from simulators.fleets import REGISTRY
from workbench.insight.fleet.batch import Batch
from workbench.insight.fleet.watch import Columns, Suspicion, Watch

_FIGURES = ("planted", "found", "kind", "reason", "tiny")
_FAMILIES = (
    ("stuck", "spike", "sentinel", "drift", "counter_reset", "conflict"),
    ("silent", "late", "reordered", "duplicate"),
    ("compromised", "spike", "drift", "duplicate", "reordered", "silent"),
)
"""Kinds that go with one cause: other values, another arrival, an intruder's messages. Replacing it clears them together."""

DETECTABLE_ROWS = 4
"""A fault that touched fewer events cannot be told from chance by anyone; it is counted apart."""


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("speed", "faults"))
    parser.add_argument("--devices", type=int, default=0)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--seeds", default=",".join(str(seed) for seed in range(101, 111)))
    parser.add_argument("--fleets", default="all")
    asked = parser.parse_args()
    if asked.what == "speed":
        print(json.dumps(speed(asked.devices or 200_000, asked.minutes, asked.rounds)))
    else:
        names = list(REGISTRY) if asked.fleets == "all" else asked.fleets.split(",")
        seeds = [int(seed) for seed in asked.seeds.split(",")]
        print(json.dumps(faults(names, seeds, asked.devices or 300, asked.days), indent=1))


def columns_of(fleet: Fleet) -> Columns:
    """What a fleet's columns are to the detectors."""
    names = {column.name for column in fleet.columns}
    return Columns(
        tuple(fleet.sensed), (fleet.counter,) if fleet.counter else (), ("bytes",) if {"bytes", "destination"} <= names else (),
        "destination" if "destination" in names else "", "imei" if "imei" in names else "",
    )  # fmt: skip


def batch_of(fleet: Fleet, columns: Columns, table: pa.Table) -> Batch:
    """Deliveries as a batch."""

    def ms(name: str) -> np.ndarray:
        return table[name].cast(pa.int64()).to_numpy() // 1000

    def codes(name: str) -> np.ndarray:
        return table[name].combine_chunks().indices.to_numpy()

    table = table.combine_chunks()
    numbers = {*columns.values, *columns.volume}
    words = [word for word in (columns.destination, columns.handset) if word]
    return Batch.of(
        codes("device_id"), ms(fleet.event_time), ms("received_at"),
        {name: table[name].to_numpy().astype(float) for name in numbers}, {word: codes(word) for word in words},
    )  # fmt: skip


def speed(devices: int, minutes: int, rounds: int) -> dict[str, object]:
    """The whole suite and the forest in turn, batch by batch, on the same readings."""
    from pyod.models.iforest import IForest

    fleet = simulators.fleet("streetlights", devices, seed=7)
    columns, ours, forest, thinned, events = columns_of(fleet), [], [], 0, 0
    tables = _minutes(fleet, minutes)
    for _ in range(rounds):
        watch = Watch(columns, devices)
        seconds, other = 0.0, 0.0
        for table in tables:
            begun = time.perf_counter()
            watch.update(batch_of(fleet, columns, table))
            seconds += time.perf_counter() - begun
            points = np.column_stack([table[name].to_numpy().astype(float) for name in columns.values])
            points = points[:: max(1, len(points) // 20_000)]
            begun = time.perf_counter()
            IForest(n_jobs=2, random_state=0).fit(points).decision_function(points)
            other += time.perf_counter() - begun
            thinned += len(points)
        begun = time.perf_counter()
        watch.suspicions()
        seconds += time.perf_counter() - begun
        events = watch.rows
        ours.append(events / seconds)
        forest.append(thinned / other)
        thinned = 0
    return {
        "devices": devices, "events": events, "detectors": len(Watch(columns, 1).detectors),
        "events_per_second": round(max(ours)), "isolation_forest_points_per_second": round(max(forest)),
        "ratio": round(max(ours) / max(forest), 1), "load": os.getloadavg()[0],
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }  # fmt: skip


def _minutes(fleet: Fleet, minutes: int) -> list[pa.Table]:
    """Some minutes of deliveries, five minutes a table, as a lake would hand them over: sorted by device and time."""
    batches = iter(fleet.batches(end=f"2026-03-02T{minutes // 60:02d}:{minutes % 60:02d}"))
    tables, parts, size = [], list[pa.RecordBatch](), 0
    for part in batches:
        parts.append(part)
        size += part.num_rows
        if size >= 5 * fleet.devices:
            tables.append(
                pa.Table.from_batches(parts).sort_by([("device_id", "ascending"), ("ts", "ascending")])
            )
            parts, size = [], 0
    return tables


def faults(names: list[str], seeds: list[int], devices: int, days: float) -> dict[str, object]:
    """Every kind in every fleet, over the seeds: a table by kind, and false alerts."""
    jobs = [(name, seed, devices, days) for name in names for seed in seeds]
    table: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    fleets: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    false, healthy_days, cleared, checked = 0, 0.0, 0, 0
    with ProcessPoolExecutor(2) as pool:
        for (name, *_), (rows, alerts, days_seen, clear, tried) in zip(
            jobs, pool.map(_one, jobs), strict=True
        ):
            false, healthy_days = false + alerts, healthy_days + days_seen
            cleared, checked = cleared + clear, checked + tried
            for kind, figures in rows:
                for figure, count in figures.items():
                    table[kind][figure] += count
                    fleets[name][figure] += count
    return {
        "kinds": {kind: _shares(row) for kind, row in sorted(table.items())},
        "fleets": {name: _shares(row) for name, row in fleets.items()},
        "all": _shares({figure: sum(row[figure] for row in table.values()) for figure in _FIGURES}),
        "false_alerts_per_1000_device_days": round(1000 * false / max(healthy_days, 1), 3),
        "clears_when_top_reason_is_replaced": round(cleared / max(checked, 1), 3), "seeds": seeds,
    }  # fmt: skip


def _shares(row: dict[str, int]) -> dict[str, float]:
    planted, found = max(row["planted"], 1), max(row["found"], 1)
    return {
        "planted": row["planted"], "too_small": row["tiny"], "recall": round(row["found"] / planted, 3),
        "kind_right": round(row["kind"] / found, 3), "reason_right": round(row["reason"] / found, 3),
    }  # fmt: skip


def _one(job: tuple[str, int, int, float]) -> tuple[list[tuple[str, dict[str, int]]], int, float, int, int]:
    name, seed, devices, days = job
    healthy = simulators.fleet(name, devices, seed=seed)
    fleet = healthy.with_faults({kind: max(1, devices // 100) for kind in fitting(healthy)}, days=days)
    columns = columns_of(fleet)
    watch = Watch(columns, devices)
    for table in _days(fleet, days):
        watch.update(batch_of(fleet, columns, table))
    place = {name: code for code, name in enumerate(fleet.dictionary("device_id").to_pylist())}
    labels = [(place[row["device_id"]], row) for row in fleet.labels().to_pylist()]
    found = {one.device: one for one in watch.suspicions()}
    rows = [(row["kind"], _judged(row, found.get(device))) for device, row in labels if row["rows"] > 0]
    sick = {device for device, _ in labels}
    clear = [_clears(watch, one) for device, one in found.items() if device in sick]
    return rows, len(set(found) - sick), (devices - len(sick)) * days, sum(clear), len(clear)


def _days(fleet: Fleet, days: float) -> Iterator[pa.Table]:
    waiting = []
    for _, table in fleet.hours(days):
        waiting.append(table)
        if len(waiting) == 24:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _judged(truth: dict[str, object], said: Suspicion | None) -> dict[str, int]:
    if (
        truth["kind"] != "conflict"
        and int(str(truth["rows"])) < DETECTABLE_ROWS
        and truth["kind"] not in ("spike", "sentinel", "counter_reset")
    ):
        return {"tiny": 1, "planted": 0, "found": 0, "kind": 0, "reason": 0}
    kind = said is not None and said.detector.kind == truth["kind"]
    reason = False
    if said is not None and kind:
        reason = not truth["column"] or said.detector.column in ("", truth["column"])
        if truth["kind"] == "compromised":
            aspect = said.detector.rule.removeprefix("company.").replace("handset", "imei")
            reason = aspect in str(truth["detail"]).split("+")
    return {"tiny": 0, "planted": 1, "found": int(said is not None), "kind": int(kind), "reason": int(reason)}


def _clears(watch: Watch, one: Suspicion) -> bool:
    """Whether the device's top rule falls silent when what it observed is replaced by what is usual among peers."""
    scores = one.detector.scores(watch.now_ms)
    raw = scores.raw.copy()
    usable = scores.enough & np.isfinite(raw)
    raw[one.device] = np.median(raw[usable])
    certain = scores.certain.copy()
    certain[one.device] = False
    replaced = type(scores)(raw, scores.enough, scores.since, scores.until, scores.observed, scores.expected, certain,
                            scores.spread_least)  # fmt: skip
    level = watch.threshold()
    family = next((kinds for kinds in _FAMILIES if one.detector.kind in kinds), ())
    rest = [other for other in one.also if other.surprise >= level and other.detector.kind not in family]
    return bool(replaced.surprise(watch.cohort)[one.device] < level) and not rest


if __name__ == "__main__":
    main()
