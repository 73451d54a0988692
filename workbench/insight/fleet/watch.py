"""All detectors over one stream: which ones fit its columns, and what they say together of each device."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import Batch
from workbench.insight.fleet.classes import Classes
from workbench.insight.fleet.company import Hours, Rare, Volume
from workbench.insight.fleet.delivery import Backlog, Conflicts, Disorder, Duplicates
from workbench.insight.fleet.detector import Detector
from workbench.insight.fleet.drift import Drift
from workbench.insight.fleet.failing import Battery, Errors
from workbench.insight.fleet.level import Level, Ranges
from workbench.insight.fleet.quiet import Quiet
from workbench.insight.fleet.register import Register
from workbench.insight.fleet.scores import CERTAIN, Scores
from workbench.insight.fleet.silence import Silence
from workbench.insight.fleet.stuck import Held, Stuck
from workbench.insight.fleet.usage import of_use

BUDGET_PER_DEVICE_DAY = 1e-3
"""Alerts an analyst accepts on healthy devices: one per 1,000 device-days."""

PRECEDENCE = ("sentinel", "counter_reset", "conflict", "compromised", "late", "reordered", "duplicate", "stuck", "silent",
              "spike", "zero_usage", "theft", "arbitrage", "failing", "consumption", "drift")  # fmt: skip
"""When one episode moves several rules, the one that explains the others names it: a run of -9999 is no frozen value."""

_INTRUDER = 5.0  # surprise from which a compromise names what another rule is surer of: it moves them all
_SPIKE_MOST = 12  # readings outside; a spike is a few
_ROWS_FOR_TWO = 200_000  # rows of a batch from which a second thread pays
_CORES = os.cpu_count() or 1
_RANK = {kind: place for place, kind in enumerate(PRECEDENCE)} | {"arbitrage": PRECEDENCE.index("theft")}
"""Ways of taking more than is paid for have one rank: the strongest names them."""


@dataclass(frozen=True)
class Columns:
    """What a stream's columns are to a detector.

    Attributes:
        values: numbers to watch for stuck, spike, sentinel, drift.
        registers: those of them that count upwards for ever.
        volume: the numbers whose sum is traffic (bytes), for compromised devices.
        destination, handset: columns of words, empty when the stream has none.
        errors: counters of errors, resets, retransmissions.
        usage: use per reading that is billed, empty when the stream has none; what theft and consumption are about.
    """

    values: tuple[str, ...]
    registers: tuple[str, ...] = ()
    volume: tuple[str, ...] = ()
    destination: str = ""
    handset: str = ""
    errors: tuple[str, ...] = ()
    usage: str = ""


def detectors(columns: Columns, devices: int) -> list[Detector]:
    """The detectors that fit."""
    found: list[Detector] = [
        Silence(devices), Quiet(devices), Duplicates(devices), Disorder(devices), Backlog(devices), Conflicts(devices),
    ]  # fmt: skip
    for name in columns.values:
        classes = Classes(name, columns.destination if name in columns.volume else "")
        ranges = Ranges(devices, classes)
        runs = Stuck(name, devices)
        found += [runs, Held(name, devices, runs), Level(name, devices, "sentinel", ranges=ranges)]
        if name in columns.registers:
            found += [Register(name, devices), Level(name, devices, "spike", of_steps=True)]
        else:
            found += [Level(name, devices, "spike", ranges=ranges), Drift(name, devices, classes)]
        if "battery" in name:
            found.append(Battery(name, devices))
    found += [Errors(name, devices) for name in columns.errors]
    if columns.destination:
        found += [Rare(columns.destination, devices, "destination"), Hours(devices)]
        found += [Volume(name, devices) for name in columns.volume]
    if columns.handset:
        found.append(Rare(columns.handset, devices, "handset"))
    if columns.usage:
        found += of_use(columns.usage, devices)
    return found


@dataclass(frozen=True)
class Suspicion:
    """One rule's alert on one device.

    Attributes:
        device: code.
        detector: which rule.
        surprise: -log10 of the tail probability.
        since_ms, until_ms, observed, expected: see ``Scores``.
        peers: what is usual for the device's peers.
        also: other rules that alert on the same device, strongest first.
    """

    device: int
    detector: Detector
    surprise: float
    since_ms: int
    until_ms: int
    observed: float
    expected: float
    peers: float
    also: tuple[Suspicion, ...] = ()


class Watch:
    """A stream being watched.

    Args:
        columns: what its columns mean.
        devices: how many devices there are.
        cohort: code of each device's cohort (kind, model); one cohort when left out.
        chosen: these detectors instead of all that fit the columns.
    """

    def __init__(
        self,
        columns: Columns,
        devices: int,
        cohort: Array | None = None,
        chosen: list[Detector] | None = None,
    ) -> None:
        self.columns, self.devices = columns, devices
        self.cohort = np.zeros(devices, dtype=np.int64) if cohort is None else cohort
        self.detectors = detectors(columns, devices) if chosen is None else chosen
        self._together = _together(self.detectors)
        self.begun_ms, self.now_ms = np.iinfo(np.int64).max, 0
        self.rows = 0

    def update(self, batch: Batch) -> None:
        """Show a batch to every detector."""
        if not len(batch):
            return
        self.rows += len(batch)
        self.begun_ms = min(self.begun_ms, int(batch.ts.min()))
        self.now_ms = max(self.now_ms, int(batch.ts.max()))
        if len(batch) < _ROWS_FOR_TWO or _CORES < 2:
            for detector in self.detectors:
                detector.update(batch)
            return
        with ThreadPoolExecutor(2) as pool:
            batch.prepare(pool)
            for done in [pool.submit(_update, together, batch) for together in self._together]:
                done.result()

    def threshold(self) -> float:
        """Surprise from which a rule alerts, so that all rules together keep to the budget."""
        days = max((self.now_ms - self.begun_ms) / 86_400_000, 1.0)
        return float(-np.log10(min(BUDGET_PER_DEVICE_DAY * days / len(self.detectors), 0.05)))

    def suspicions(self) -> list[Suspicion]:
        """One alert per device, named by the rule that explains the others; strongest first."""
        level = self.threshold()
        alerts: dict[int, list[Suspicion]] = {}
        with ThreadPoolExecutor(2) as pool:
            piles = list(pool.map(self._judged, self._together))
        judged = {id(detector): said for pile in piles for detector, said in pile}
        for detector in self.detectors:
            scores, surprise = judged[id(detector)]
            peers = _peers(scores)
            for device in np.flatnonzero(surprise >= level):
                alerts.setdefault(int(device), []).append(
                    Suspicion(
                        int(device), detector, float(surprise[device]), int(scores.since[device]),
                        int(scores.until[device]), float(scores.observed[device]), float(scores.expected[device]), peers,
                    )
                )  # fmt: skip
        named = [_named(found) for found in alerts.values()]
        return sorted(named, key=lambda one: (-one.surprise, one.device))

    def _judged(self, together: list[Detector]) -> list[tuple[Detector, tuple[Scores, Array]]]:
        found = [(detector, detector.scores(self.now_ms)) for detector in together]
        return [(detector, (scores, scores.surprise(self.cohort))) for detector, scores in found]

    def states(self) -> Array:
        """Per device: True once at least half of the rules have seen enough of it to judge."""
        enough = np.array([detector.scores(self.now_ms).enough for detector in self.detectors])
        return np.asarray(enough.mean(axis=0) >= 0.5)


def _together(chosen: list[Detector]) -> list[list[Detector]]:
    """Detectors of one column in one pile: they share what they know of it, so one thread moves them on in turn."""
    piles: dict[str, list[Detector]] = {}
    for place, detector in enumerate(chosen):
        piles.setdefault(detector.column or f"alone {place}", []).append(detector)
    return sorted(piles.values(), key=len, reverse=True)


def _update(together: list[Detector], batch: Batch) -> None:
    for detector in together:
        detector.update(batch)


def _peers(scores: Scores) -> float:
    usable = scores.enough & np.isfinite(scores.observed)
    return float(np.median(scores.observed[usable])) if usable.any() else float("nan")


def _enough_to_name(one: Suspicion) -> float:
    return _INTRUDER if one.detector.kind == "compromised" else CERTAIN


def _rank(one: Suspicion, near: list[Suspicion]) -> int:
    """Place in ``PRECEDENCE``; many readings outside, or the last ones, of a column that drifts are the end of the drift."""
    column = one.detector.column
    if isinstance(one.detector, Level) and one.detector.kind == "spike":
        drifts = any(other.detector.kind == "drift" and other.detector.column == column for other in near)
        level = one.detector
        if drifts and (level.readings_out[one.device] > _SPIKE_MOST or level.goes_on[one.device]):
            return len(PRECEDENCE)
    return _RANK[one.detector.kind]


def _named(found: list[Suspicion]) -> Suspicion:
    """The alert that names the device: strong ones first, and among strong ones the one that explains the others."""
    strongest = max(one.surprise for one in found)
    near = [one for one in found if one.surprise >= min(0.3 * strongest, _enough_to_name(one))]
    first = min(near, key=lambda one: (_rank(one, near), -one.surprise))
    rest = sorted((one for one in found if one is not first), key=lambda one: -one.surprise)
    return Suspicion(
        first.device, first.detector, first.surprise, first.since_ms, first.until_ms, first.observed,
        first.expected, first.peers, tuple(rest),
    )  # fmt: skip
