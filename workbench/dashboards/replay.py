"""The replay clock of the city page: a lake's past, run again at some speed. Knows no widgets."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from workbench.dashboards.store import Store

WINDOW = timedelta(minutes=15)
_SECONDS = 900


@dataclass(slots=True)
class Tape:
    """Running totals at the end of each window, so that any instant is one look-up and a little interpolation.

    Attributes:
        times: starts of the windows, ascending.
        events, duplicates, records: totals up to the end of the window.
        takings: offer to exact nano up to the end of the window.
        energy_mwh: of lamps, within each window.
    """

    times: list[datetime] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    duplicates: list[int] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    energy_mwh: list[int] = field(default_factory=list)
    takings: list[dict[str, Fraction]] = field(default_factory=list)

    @property
    def start(self) -> datetime:
        """When the tape begins."""
        return self.times[0]

    @property
    def end(self) -> datetime:
        """When its last window ends."""
        return self.times[-1] + WINDOW

    def at(self, now: datetime) -> Moment:
        """Totals at an instant; within a window events are taken to come evenly, and money comes when it has ended."""
        place = bisect_right(self.times, now) - 1
        if place < 0:
            return Moment(now, 0, 0, 0, 0, {}, {})
        part = min((now - self.times[place]) / WINDOW, 1.0)
        before = place - 1

        def between(series: list[int]) -> int:
            last = series[before] if before >= 0 else 0
            return last + round((series[place] - last) * part)

        rate = self.events[place] - (self.events[before] if before >= 0 else 0)
        return Moment(
            now,
            between(self.events),
            between(self.duplicates),
            between(self.records),
            rate // _SECONDS,
            self.takings[place] if part == 1 else self.takings[before] if before >= 0 else {},
            {"power_kw": self.energy_mwh[place] * 4 / 1e6},
        )

    def drawn_until(self, now: datetime) -> dict[str, list[Any]]:
        """The charts' columns for every whole window before an instant, as if it had been played."""
        places = range(bisect_right(self.times, now - WINDOW))
        before = [0, *self.events]
        return {
            "at": [self.times[n] for n in places],
            "rate": [(self.events[n] - before[n]) // _SECONDS for n in places],
            "power": [self.energy_mwh[n] * 4 / 1e6 for n in places],
        }

    @property
    def peaks(self) -> tuple[float, float]:
        """The highest events a second and the highest power [kW]: how tall the charts must be."""
        drawn = self.drawn_until(self.end)
        return max(drawn["rate"], default=0), max(drawn["power"], default=0.0)


@dataclass(frozen=True, slots=True)
class Moment:
    """What is true at an instant of the replay. ``drawn`` holds numbers for charts only."""

    at: datetime
    events: int
    duplicates: int
    records: int
    events_per_second: int
    takings: dict[str, Fraction]
    drawn: dict[str, float]


def tape_of(store: Store) -> Tape:
    """The lake's windows as running totals."""
    tape = Tape()
    sold: dict[datetime, dict[str, Fraction]] = {}
    for at, offer, nano in store.takings:
        there = sold.setdefault(at, {})
        there[offer] = there.get(offer, Fraction(0)) + nano
    by_window: dict[datetime, list[tuple[str, int, int, int, int]]] = {}
    for at, *rest in store.windows:
        by_window.setdefault(at, []).append(tuple(rest))  # type: ignore[arg-type]
    events = duplicates = records = 0
    takings: dict[str, Fraction] = {}
    for at in sorted(by_window.keys() | sold.keys()):
        rows = by_window.get(at, [])
        events += sum(row[1] for row in rows)
        duplicates += sum(row[2] for row in rows)
        records += sum(row[4] for row in rows)
        takings = dict(takings)
        for offer, nano in sold.get(at, {}).items():
            takings[offer] = takings.get(offer, Fraction(0)) + nano
        tape.times.append(at)
        tape.events.append(events)
        tape.duplicates.append(duplicates)
        tape.records.append(records)
        tape.energy_mwh.append(sum(row[3] for row in rows if row[0] == "lamps.energy"))
        tape.takings.append(takings)
    return tape
