"""Registers gone through once more, reading by reading, in plain Python (I11)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from workbench.mediation.stream import Cumulative, Stream
from workbench.verify import again
from workbench.verify.context import Context, paths_text
from workbench.verify.events import rows_of
from workbench.verify.report import CounterExample, Outcome

RESET, ROLLOVER, AFTER_SILENCE, HELD = 1, 2, 4, 8


@dataclass(slots=True)
class Walk:
    """One device's readings in time order: what is billed per window, and what is held back."""

    rule: Cumulative
    last: int | None = None
    last_at: int = 0
    held: int = 0
    windows: dict[Any, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))

    def read(self, at: int, reading: int, place: Any) -> None:
        """Take one accepted reading, ``at`` in microseconds, and book its use in the window ``place``."""
        step, flags = self._step(at, reading)
        if self.last is not None and self.rule.silence_seconds is not None:
            flags |= AFTER_SILENCE if at - self.last_at > self.rule.silence_seconds * 1_000_000 else 0
        if self.last is not None and self.rule.max_delta is not None and step > self._most(at):
            self.held += step
            step, flags = 0, flags | HELD
        window = self.windows[place]
        window[0] += step
        window[1] |= flags
        self.last, self.last_at = reading, at

    def _step(self, at: int, reading: int) -> tuple[int, int]:
        if self.last is None:
            return (reading if self.rule.first_from_zero else 0), 0
        if reading >= self.last:
            return reading - self.last, 0
        top = self.rule.rollover_at
        if top is not None and self.last < top:
            over = top - self.last + reading
            if over <= (top // 2 if self.rule.max_delta is None else self._most(at)):
                return over, ROLLOVER
        return (reading if self.rule.reset_from_zero else 0), RESET

    def _most(self, at: int) -> int:
        """The most a device can have used since the reading before."""
        assert self.rule.max_delta is not None
        if self.rule.max_delta_seconds is None:
            return self.rule.max_delta
        per = self.rule.max_delta_seconds * 1_000_000
        return self.rule.max_delta * -(-max(at - self.last_at, 0) // per)


def registers_again(context: Context) -> Outcome:
    """Billed use of every register = what its readings say, resets and rollovers told apart, none negative."""
    counts = {"registers": 0, "readings": 0, "records": 0, "resets": 0, "rollovers": 0, "held": 0}
    for stream in context.streams:
        if stream.cumulative:
            wrong = _stream(context, stream, stream.cumulative, counts)
            if wrong:
                return Outcome(counts, wrong)
    return Outcome(counts)


def _stream(
    context: Context, stream: Stream, rule: Cumulative, counts: dict[str, int]
) -> CounterExample | None:
    lake, within = context.lake, context.within(stream.name)
    landed = lake.segments("landed", stream=stream.name)
    if not landed:
        return None
    dims = "".join(f', "{column}"' for column in stream.dimensions)
    records = lake.segments("records", stream=stream.name)
    booked = {
        (row[0], row[1], row[4:]): (row[2], row[3])
        for row in context.rows(
            f"SELECT device_key, window_start, units, flags{dims} FROM {lake.scan('records', segments=records)} "
            f"WHERE {within} AND n_events > 0"
        )
    }
    with context.cursor() as con:
        source = rows_of(context, con, stream, landed)
        again.prepare(con, source, stream)
        readings = con.execute(
            f"SELECT device_key, epoch_us(ends_at), reading, w_, received_at{dims} "
            f"FROM {again.accepted(source, stream)} WHERE {within} ORDER BY device_key, ends_at, received_at, reading"
        )
        for device, rows in groupby(_fetched(readings), key=lambda row: row[0]):
            walk = Walk(rule)
            for _, at, reading, window, _, *place in rows:
                walk.read(at, reading, (window, tuple(place)))
                counts["readings"] += 1
            counts["registers"] += 1
            counts["held"] += walk.held
            wrong = _compare(context, stream, device, walk, booked, counts)
            if wrong:
                return replace(wrong, segment=paths_text(records))
    if booked:
        (device, window, _), (units, _) = min(booked.items(), key=lambda item: item[0][:2])
        text = f"A record of stream {stream.name} has no reading behind it."
        return CounterExample(text, "no record", f"{units} units", context.name_of(device), str(window))
    return None


def _compare(
    context: Context, stream: Stream, device: int, walk: Walk, booked: dict[Any, Any], counts: dict[str, int]
) -> CounterExample | None:
    for (window, place), (units, flags) in walk.windows.items():
        counts["records"] += 1
        counts["resets"] += bool(flags & RESET)
        counts["rollovers"] += bool(flags & ROLLOVER)
        found = booked.pop((device, window, place), None)
        if found == (units, flags):
            continue
        text = f"Use of a register of stream {stream.name} is not what its readings say."
        observed = "no record" if found is None else f"{found[0]} units, flags {found[1]}"
        return CounterExample(
            text, f"{units} units, flags {flags}", observed, context.name_of(device), str(window)
        )
    return None


def _fetched(result: Any) -> Any:
    while batch := result.fetchmany(50_000):
        yield from batch
