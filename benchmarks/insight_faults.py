"""Planted faults: every kind in every fleet, over seeds that nobody looked at while the rules were written.

For each fleet and seed the faulty fleet is shown to the detectors day by day. Counted are: faults found, kind right,
reason right (the rule's column or aspect is the planted one), false alerts on healthy devices. Then each finding is put
to the proof: the values it names are replaced by what it says is expected, a fresh detector of the same kind is shown
the whole fleet again, and the finding must be gone.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa

import simulators
from benchmarks.fleet_batches import batch_of, columns_of
from benchmarks.mended import mended
from simulators.base import Fleet
from simulators.faults.plan import fitting
from workbench.insight.fleet.batch import HOUR_MS, Batch
from workbench.insight.fleet.watch import Suspicion, Watch

_FIGURES = ("planted", "found", "kind", "reason", "tiny")

DETECTABLE_ROWS = 4
"""A fault that touched fewer events cannot be told from chance by anyone; it is counted apart."""

Job = tuple[str, int, int, float]


def faults(
    names: list[str], seeds: list[int], devices: int, days: float, store: Path | None
) -> dict[str, object]:
    """Every kind in every fleet, over the seeds: a table by kind and by fleet, false alerts, and what clears.

    ``store`` keeps the counts of each fleet and seed, so that a long run can be made in slices.
    """
    jobs = [(name, seed, devices, days) for name in names for seed in seeds]
    waiting = [job for job in jobs if store is None or not _place(store, job).is_file()]
    done: dict[Job, dict[str, object]] = {}
    if waiting:
        with ProcessPoolExecutor(2) as pool:
            for job, found in zip(waiting, pool.map(one_run, waiting), strict=True):
                done[job] = found
                if store is not None:
                    store.mkdir(parents=True, exist_ok=True)
                    _place(store, job).write_text(json.dumps(found))
    return table(
        {job: done.get(job) or json.loads(_place(store, job).read_text()) for job in jobs}  # type: ignore[arg-type]
    )


def table(runs: dict[Job, dict[str, object]]) -> dict[str, object]:
    """Counts of runs as shares."""
    kinds: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    fleets: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    total: dict[str, float] = defaultdict(float)
    for (name, *_), run in runs.items():
        for figure in ("false", "healthy_days", "tried", "cleared", "silent"):
            total[figure] += float(run[figure])  # type: ignore[arg-type]
        for kind, figures in run["rows"]:  # type: ignore[attr-defined]
            for figure, count in figures.items():
                kinds[kind][figure] += count
                fleets[name][figure] += count
    tried = max(total["tried"], 1)
    return {
        "kinds": {kind: _shares(row) for kind, row in sorted(kinds.items())},
        "fleets": {name: _shares(row) for name, row in fleets.items()},
        "all": _shares({figure: sum(row[figure] for row in kinds.values()) for figure in _FIGURES}),
        "false_alerts_per_1000_device_days": round(1000 * total["false"] / max(total["healthy_days"], 1), 3),
        "cleared_by_replacing_what_is_named": round(total["cleared"] / tried, 3),
        "and_no_other_rule_alerts": round(total["silent"] / tried, 3),
        "findings_put_to_the_proof": int(total["tried"]), "seeds": sorted({job[1] for job in runs}),
    }  # fmt: skip


def _place(store: Path, job: Job) -> Path:
    return store / ("-".join(str(part) for part in job) + ".json")


def _shares(row: dict[str, int]) -> dict[str, float]:
    planted, found = max(row["planted"], 1), max(row["found"], 1)
    return {
        "planted": row["planted"], "too_small": row["tiny"], "recall": round(row["found"] / planted, 3),
        "kind_right": round(row["kind"] / found, 3), "reason_right": round(row["reason"] / found, 3),
    }  # fmt: skip


def one_run(job: Job) -> dict[str, object]:
    """One fleet, one seed."""
    name, seed, devices, days = job
    healthy = simulators.fleet(name, devices, seed=seed)
    fleet = healthy.with_faults({kind: max(1, devices // 100) for kind in fitting(healthy)}, days=days)
    columns = columns_of(fleet)
    batches = [batch_of(fleet, columns, rows) for rows in _days(fleet, days)]
    watch = Watch(columns, devices)
    for batch in batches:
        watch.update(batch)
    place = {name: code for code, name in enumerate(fleet.dictionary("device_id").to_pylist())}
    labels = [(place[row["device_id"]], row) for row in fleet.labels().to_pylist()]
    found = {one.device: one for one in watch.suspicions()}
    sick = {device for device, _ in labels}
    cleared, silent = proof(watch, batches, [one for device, one in found.items() if device in sick])
    return {
        "rows": [(row["kind"], _judged(row, found.get(device))) for device, row in labels if row["rows"] > 0],
        "false": len(set(found) - sick), "healthy_days": (devices - len(sick)) * days,
        "tried": len(cleared), "cleared": sum(cleared.values()), "silent": sum(silent.values()),
        "kept": sorted(f"{found[device].detector.rule}:{found[device].detector.column}" for device, ok in cleared.items() if not ok),
    }  # fmt: skip


def _days(fleet: Fleet, days: float) -> Iterator[pa.Table]:
    waiting = []
    for _, rows in fleet.hours(days):
        waiting.append(rows)
        if len(waiting) == 24:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def proof(
    watch: Watch, batches: list[Batch], said: list[Suspicion]
) -> tuple[dict[int, bool], dict[int, bool]]:
    """Replace what each finding names and show the fleet to fresh detectors.

    Returns: per device whether the same detector is silent now; and whether all detectors are.
    """
    if not said:
        return {}, {}
    chosen = np.array([one.device for one in said])
    whole = {one.device: _of_device(batches, one.device) for one in said}
    changed = [mended(whole[one.device], one, _peers(batches, whole[one.device])) for one in said]
    again = Watch(watch.columns, watch.devices, watch.cohort)
    edges = [int(batch.ts.min()) for batch in batches[1:]]
    pieces = [np.searchsorted(edges, part.ts, side="right") for part in changed]
    for number, batch in enumerate(batches):
        rest = ~np.isin(batch.device, chosen)
        parts = [_cut(batch, rest)] + [
            _cut(part, at == number) for part, at in zip(changed, pieces, strict=True)
        ]
        again.update(_joined(parts))
    level = watch.threshold()
    surprise = [detector.scores(watch.now_ms).surprise(watch.cohort) for detector in again.detectors]
    mine = [watch.detectors.index(one.detector) for one in said]
    return (
        {one.device: bool(surprise[at][one.device] < level) for one, at in zip(said, mine, strict=True)},
        {one.device: bool(max(found[one.device] for found in surprise) < level) for one in said},
    )


def _of_device(batches: list[Batch], device: int) -> Batch:
    parts = []
    for batch in batches:
        low, high = np.searchsorted(batch.device, [device, device + 1])
        at = np.zeros(len(batch), dtype=bool)
        at[low:high] = True
        parts.append(_cut(batch, at))
    return _joined(parts)


def _cut(batch: Batch, rows: np.ndarray) -> Batch:
    return Batch(
        batch.device[rows], batch.ts[rows], batch.received[rows], {k: v[rows] for k, v in batch.values.items()},
        {k: v[rows] for k, v in batch.words.items()},
    )  # fmt: skip


def _joined(parts: list[Batch]) -> Batch:
    return Batch.of(
        np.concatenate([part.device for part in parts]), np.concatenate([part.ts for part in parts]),
        np.concatenate([part.received for part in parts]),
        {name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values},
        {name: np.concatenate([part.words[name] for part in parts]) for name in parts[0].words},
    )  # fmt: skip


class _peers:
    """What the fleet said in the hour of each of a device's rows: the middle of all devices."""

    def __init__(self, batches: list[Batch], mine: Batch) -> None:
        self._batches, self._mine = batches, mine

    def __call__(self, column: str) -> np.ndarray:
        hour = np.concatenate([batch.ts // HOUR_MS for batch in self._batches])
        value = np.concatenate([batch.values[column] for batch in self._batches])
        stride = max(1, len(hour) // 400_000)
        hour, value = hour[::stride], value[::stride]
        order = np.argsort(hour, kind="stable")
        hours, begin = np.unique(hour[order], return_index=True)
        middle = np.array([np.nanmedian(part) for part in np.split(value[order], begin[1:])])
        at = np.clip(np.searchsorted(hours, self._mine.ts // HOUR_MS), 0, len(hours) - 1)
        return np.asarray(middle[at])


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
