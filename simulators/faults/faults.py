"""Faults laid over a fleet's blocks. Healthy devices pass untouched.

One look-up per event finds the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from simulators.block import Block
from simulators.calendar import HOUR_MS, to_ms
from simulators.columns import Array
from simulators.faults import plan as planning
from simulators.faults import rules
from simulators.faults.labels import Episode, Label, label_table
from simulators.faults.spec import FaultSpec, counts
from simulators.identities import imeis
from simulators.randomness import stream

if TYPE_CHECKING:
    from simulators.base import Fleet

_CLOCK_SLACK_MS = 120_000  # device clocks may be wrong by this much
_SAMPLES = 4


class Faults:
    """The faults of one fleet over some hours.

    Args:
        fleet: the healthy fleet; it is asked again for values a fault must know (what a stuck sensor held).
        spec: which faults and how many, see ``spec.counts``.
        hours: the time from the fleet's start in which they lie.
    """

    def __init__(self, fleet: Fleet, spec: FaultSpec, hours: int) -> None:
        self._fleet = fleet
        found = counts(spec, fleet.devices, planning.fitting(fleet))
        self.episodes = planning.plan(fleet, found, hours)
        self._begins = np.array([episode.begin_ms for episode in self.episodes], dtype=np.int64)
        self._ends = np.array([episode.end_ms for episode in self.episodes], dtype=np.int64)
        self._episode_of = np.full(fleet.devices, -1, dtype=np.int32)
        for episode in self.episodes:
            self._episode_of[episode.device] = episode.number
        self._intruders = [episode for episode in self.episodes if episode.kind == "compromised"]
        self._touched = np.zeros(len(self.episodes), dtype=np.int64)
        self._held: dict[int, int] = {}
        self._levels: dict[str, float] = {}

    @property
    def delay_ms_max(self) -> int:
        """How much later than usual anything can arrive because of a fault [ms]."""
        waits = [
            episode.end_ms - episode.begin_ms + HOUR_MS for episode in self.episodes if episode.kind == "late"
        ]
        waits += [int(episode.magnitude * 60_000) for episode in self.episodes if episode.kind == "reordered"]
        return max([*waits, rules.COPY_MS_MAX]) if self.episodes else 0

    def categories(self) -> dict[str, pa.StringArray]:
        """Strings that only intruders use: appended behind the fleet's own, one per compromised device."""
        generator = stream(self._fleet.seed, f"faults/{self._fleet.name}/intruders")
        ports = (23, 2323, 443, 6667, 8080, 37215)
        hosts = [
            f"203.0.113.{generator.integers(1, 255)}:{ports[generator.integers(0, len(ports))]}"
            for _ in self._intruders
        ]  # TEST-NET-3, RFC 5737: documentation only, routed nowhere
        return {
            "destination": pa.array(hosts, type=pa.string()),
            "imei": imeis(self._fleet.seed, f"{self._fleet.name}/intruders", len(self._intruders)),
        }

    def apply(self, index: int, block: Block) -> Block:
        """Let what is wrong in a block go wrong."""
        step = self._fleet.block_seconds * 1000
        reach = (index + 1) * step + self._fleet.delay_ms_max + _CLOCK_SLACK_MS
        active = np.flatnonzero((self._begins < reach) & (self._ends > index * step - _CLOCK_SLACK_MS))
        if not len(active):
            return block
        draft = rules.Draft(self._fleet, index, dict(block.columns), block.rows, block.received_ms)
        wrong = np.zeros(len(self.episodes) + 1, dtype=bool)
        wrong[active] = True  # the last entry, reached by -1, stays False: healthy devices
        of_row = self._episode_of[draft.columns["device_id"]]
        rows = np.flatnonzero(wrong[of_row])
        event_ms = draft.columns[self._fleet.event_time][rows]
        number = of_row[rows]
        inside = (event_ms >= self._begins[number]) & (event_ms < self._ends[number])
        rows, number = rows[inside], number[inside]
        for which in active:
            self._one(draft, self.episodes[which], rows[number == which])
        return Block(draft.columns, draft.rows, draft.received_ms)

    def labels(self) -> pa.Table:
        """The truth, one row per fault; ``rows`` counts the events touched since the fleet was made."""
        names = self._fleet.dictionary("device_id")
        return label_table(
            [
                Label(self._fleet.name, names[episode.device].as_py(), episode, int(rows))
                for episode, rows in zip(self.episodes, self._touched, strict=True)
            ]
        )

    def _one(self, draft: rules.Draft, episode: Episode, rows: Array) -> None:
        if episode.kind == "compromised":
            place = self._intruders.index(episode)
            self._touched[episode.number] += rules.compromised(draft, episode, rows, place)
        elif len(rows):
            known = rules.Known(self._hold, self._level)
            rules.RULES[episode.kind](draft, episode, rows, known)
            self._touched[episode.number] += len(rows)

    def _hold(self, episode: Episode) -> int:
        """What the healthy device said first in the episode: looked for from its first block on, once.

        A session belongs to the block in which it began, which may lie hours before the episode in which it ended.
        """
        if episode.number not in self._held:
            step = self._fleet.block_seconds * 1000
            first = (episode.begin_ms - _CLOCK_SLACK_MS - self._fleet.delay_ms_max) // step
            for index in range(first, episode.end_ms // step + 1):
                columns = self._fleet.block(max(index, to_ms(self._fleet.start) // step)).columns
                event_ms = columns[self._fleet.event_time]
                mine = np.flatnonzero(
                    (columns["device_id"] == episode.device) & (event_ms >= episode.begin_ms)
                )
                if len(mine):
                    earliest = mine[np.argmin(event_ms[mine])]
                    self._held[episode.number] = int(columns[episode.column][earliest])
                    break
        return self._held[episode.number]

    def _level(self, column: str) -> float:
        """The fleet's usual size of a column: the mean over blocks six hours apart on the first day."""
        if column not in self._levels:
            first = to_ms(self._fleet.start) // (self._fleet.block_seconds * 1000)
            apart = 6 * 3600 // self._fleet.block_seconds
            blocks = [self._fleet.block(first + sample * apart + apart // 2) for sample in range(_SAMPLES)]
            values = np.concatenate([block.columns[column] for block in blocks]).astype(np.float64)
            self._levels[column] = max(1.0, float(np.abs(values).mean())) if len(values) else 1.0
        return self._levels[column]
