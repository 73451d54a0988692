"""How good detection is where the truth was planted, and whether its inputs have moved.

``planted`` compares cases with ``truth/faults.parquet`` beside the lake (simulated fleets write it). ``drift`` compares the
later half of a stream's readings with the earlier half by the population stability index, column by column: above 0.1 look,
above 0.25 the inputs are not what the detectors are used to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
from scipy.special import gammaincinv

from workbench.casework.case import RANDOM_CHECK, Case
from workbench.insight.arrays import Array
from workbench.lake.engine import arrow
from workbench.lake.lake import Lake
from workbench.lake.sql import name

_BINS = 10
_SAMPLE = 200_000
_SKIPPED = ("device_key", "ends_at", "received_at", "starts_at")


@dataclass(frozen=True, slots=True)
class Planted:
    """One kind of planted fault: how many devices had it, how many have a case, how many a case of that very reason."""

    kind: str
    planted: int
    found: int
    named: int


@dataclass(frozen=True, slots=True)
class Quality:
    """All kinds, and the false alerts: cases about devices nothing was planted on, by reason, and per 1,000 device-days."""

    kinds: tuple[Planted, ...]
    false_cases: int
    device_days: float
    false_kinds: tuple[tuple[str, int], ...] = ()

    @property
    def recall(self) -> float:
        """Share of planted devices that have a case."""
        planted = sum(one.planted for one in self.kinds)
        return sum(one.found for one in self.kinds) / planted if planted else 0.0

    @property
    def named(self) -> float:
        """Share of the found ones whose reason is the planted one."""
        found = sum(one.found for one in self.kinds)
        return sum(one.named for one in self.kinds) / found if found else 0.0

    @property
    def false_per_thousand(self) -> float:
        """False cases per 1,000 device-days."""
        return 1000 * self.false_cases / self.device_days if self.device_days else 0.0

    @property
    def false_between(self) -> tuple[float, float]:
        """The 95 % interval of that rate (Poisson, exact): a handful of cases in a small lake says little."""
        if not self.device_days:
            return 0.0, 0.0
        low = float(gammaincinv(self.false_cases, 0.025)) if self.false_cases else 0.0
        return 1000 * low / self.device_days, 1000 * float(
            gammaincinv(self.false_cases + 1, 0.975)
        ) / self.device_days


def planted(lake: Lake, cases: Sequence[Case]) -> Quality | None:
    """Cases against what was planted; None where nothing is known to have been planted."""
    path = lake.root.parent / "truth" / "faults.parquet"
    if not path.exists():
        return None
    truth: dict[str, set[str]] = {}
    for row in pq.read_table(path, columns=["device_id", "kind"]).to_pylist():
        truth.setdefault(row["device_id"], set()).add(row["kind"])
    said: dict[str, set[str]] = {}
    for case in cases:
        for device in case.devices if case.kind != RANDOM_CHECK else ():
            said.setdefault(device, set()).add(case.kind)
    kinds = sorted({kind for found in truth.values() for kind in found})
    rows = []
    for kind in kinds:
        devices = [device for device, found in truth.items() if kind in found]
        rows.append(
            Planted(
                kind,
                len(devices),
                sum(d in said for d in devices),
                sum(kind in said.get(d, ()) for d in devices),
            )
        )
    wrong = Counter(
        case.kind
        for case in cases
        if case.kind != RANDOM_CHECK and not any(device in truth for device in case.devices)
    )
    return Quality(tuple(rows), wrong.total(), _device_days(lake), tuple(wrong.most_common()))


def _device_days(lake: Lake) -> float:
    streams = sorted({segment.stream for segment in lake.segments("records")})
    return float(sum(
        lake.con.execute(
            "SELECT count(DISTINCT device_key) * (epoch(max(window_start)) - epoch(min(window_start)) + 900) / 86400.0 "
            f"FROM {lake.scan('records', stream=stream)}"
        ).fetchall()[0][0] or 0
        for stream in streams
    ))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moved:
    """One input: its stability index between the earlier and the later half, and both medians."""

    stream: str
    column: str
    psi: float
    before: float
    after: float

    @property
    def words(self) -> str:
        """What it means."""
        return "moved" if self.psi > 0.25 else "look" if self.psi > 0.1 else "steady"


def drift(lake: Lake) -> list[Moved]:
    """Every numeric input of every stream, those that moved most first."""
    found: list[Moved] = []
    for stream in sorted({segment.stream for segment in lake.segments("landed")}):
        landed = lake.scan("landed", stream=stream)
        fields = [
            row[0]
            for row in lake.con.execute(f"DESCRIBE SELECT * FROM {landed} LIMIT 0").fetchall()
            if row[0] not in _SKIPPED
            and row[1].startswith(("TINY", "SMALL", "INTEGER", "BIGINT", "FLOAT", "DOUBLE"))
        ]
        if not fields:
            continue
        listed = ", ".join(f"{name(field)}::DOUBLE AS {name(field)}" for field in fields)
        table = arrow(
            lake.con,
            f"SELECT ends_at, epoch_ms(received_at) - epoch_ms(ends_at) AS delay, {listed} FROM {landed} "
            f"USING SAMPLE reservoir({_SAMPLE} ROWS) REPEATABLE (7)",
        )
        at = table["ends_at"].to_numpy().astype("datetime64[ms]").astype(np.int64)
        if len(at) < 200:
            continue
        late = at >= np.median(at)
        for field in ("delay", *fields):
            value = table[field].to_numpy(zero_copy_only=False).astype(float)
            found.append(_moved(stream, field, value[~late], value[late]))
    return sorted(found, key=lambda one: -one.psi)


def _moved(stream: str, column: str, before: Array, after: Array) -> Moved:
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    if len(before) < 50 or len(after) < 50:
        return Moved(stream, column, 0.0, float("nan"), float("nan"))
    edges = np.unique(np.quantile(before, np.linspace(0, 1, _BINS + 1)[1:-1]))
    left = np.bincount(np.searchsorted(edges, before, side="right"), minlength=len(edges) + 1) + 0.5
    right = np.bincount(np.searchsorted(edges, after, side="right"), minlength=len(edges) + 1) + 0.5
    p, q = left / left.sum(), right / right.sum()
    psi = float(((q - p) * np.log(q / p)).sum())
    return Moved(stream, column, psi, float(np.median(before)), float(np.median(after)))
