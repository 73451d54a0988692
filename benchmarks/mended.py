"""A device's deliveries as they would be without what a finding names: the values in the episode replaced by what it
says is expected. Nothing else is touched, so that a detector shown them again tells whether its own reason was right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.insight.fleet.batch import HOUR_MS, Batch
from workbench.insight.fleet.watch import Suspicion

Array = np.ndarray
Parts = dict[str, Array]


def mended(mine: Batch, one: Suspicion, usual: Callable[[str], Array]) -> Batch:
    """Rows of one device without the episode of ``one``.

    Args:
        mine: all deliveries of the device, sorted.
        one: what was said of it.
        usual: gives what the device's peers said at each of ``mine``'s instants, by column (for drifts).
    """
    inside = (mine.ts >= one.since_ms) & (mine.ts <= one.until_ms)
    how = _HOW[one.detector.rule]
    return how(mine, one, inside, usual)


def _with(mine: Batch, keep: Array | None = None, **other: object) -> Batch:
    chosen = np.ones(len(mine), dtype=bool) if keep is None else keep
    values = other.get("values", mine.values)
    words = other.get("words", mine.words)
    received = other.get("received", mine.received)
    return Batch.of(
        mine.device[chosen], mine.ts[chosen], received[chosen],  # type: ignore[index]
        {name: value[chosen] for name, value in values.items()},  # type: ignore[attr-defined]
        {name: word[chosen] for name, word in words.items()},  # type: ignore[attr-defined]
    )  # fmt: skip


def _column(mine: Batch, one: Suspicion, value: Array) -> Batch:
    return _with(mine, values={**mine.values, one.detector.column: value})


def _moved(mine: Batch, one: Suspicion, inside: Array, _: object) -> Batch:
    """A run of equal readings becomes the readings before and after it, in their order."""
    value = mine.values[one.detector.column].copy()
    other = value[~inside & np.isfinite(value)]
    if len(other):
        value[inside] = np.resize(other, int(inside.sum()))
    return _column(mine, one, value)


def _in_range(mine: Batch, one: Suspicion, inside: Array, _: object) -> Batch:
    """Readings beyond the expected bound stay at it; of a register, steps beyond it do."""
    value = mine.values[one.detector.column].copy()
    if getattr(one.detector, "_of_steps", False):
        for at in np.flatnonzero(inside):
            if at and abs(value[at] - value[at - 1]) > one.expected:
                value[at] = value[at - 1] + one.expected
        return _column(mine, one, value)
    limit = np.minimum if one.observed > one.expected else np.maximum
    value[inside] = limit(value[inside], one.expected)
    return _column(mine, one, value)


def _with_peers(mine: Batch, one: Suspicion, inside: Array, usual: Callable[[str], Array]) -> Batch:
    """From the drift's beginning on the device keeps the distance from its peers that it had before."""
    column = one.detector.column
    value, peers = mine.values[column].copy(), usual(column)
    later = mine.ts >= one.since_ms
    before = (value - peers)[~later]
    own = float(np.nanmedian(before)) if len(before) else 0.0
    rest = value - peers
    slow = _smooth(rest)  # the noise of its readings stays
    value[later] = (peers + own + rest - slow)[later]
    return _column(mine, one, value)


def _smooth(rest: Array) -> Array:
    wide = max(3, len(rest) // 14)
    known = np.isfinite(rest)
    total, count = np.cumsum(np.where(known, rest, 0.0)), np.cumsum(known)
    low, high = (
        np.maximum(np.arange(len(rest)) - wide, 0),
        np.minimum(np.arange(len(rest)) + wide, len(rest) - 1),
    )
    return (total[high] - total[low]) / np.maximum(count[high] - count[low], 1)


def _goes_on(mine: Batch, one: Suspicion, _: Array, __: object) -> Batch:
    """The register goes on from where it stood before each fall."""
    value = mine.values[one.detector.column].copy()
    for at in range(1, len(value)):
        if value[at] < 0.5 * value[at - 1]:
            value[at:] += value[at - 1] - value[at]
    return _column(mine, one, value)


def _heard(mine: Batch, one: Suspicion, _: Array, __: object) -> Batch:
    """Messages come in the gap, as far apart as is usual, and say what the last one said."""
    step = max(int(one.expected * HOUR_MS), 1_000)
    ts = np.arange(one.since_ms + step, one.until_ms, step)[:200_000]
    if not len(ts):
        return mine
    last = max(int(np.searchsorted(mine.ts, one.since_ms, side="right")) - 1, 0)

    def more(rows: Array) -> Array:
        return np.r_[rows, np.repeat(rows[last], len(ts))]

    delay = int(np.median(mine.received - mine.ts))
    return Batch.of(
        more(mine.device), np.r_[mine.ts, ts], np.r_[mine.received, ts + delay],
        {name: more(value) for name, value in mine.values.items()}, {name: more(w) for name, w in mine.words.items()},
    )  # fmt: skip


def _once(mine: Batch, one: Suspicion, inside: Array, _: object) -> Batch:
    """Only as many copies (or contradictions) as are usual are left in the window."""
    twice = mine.conflict if one.detector.kind == "conflict" else mine.copy
    there = np.flatnonzero(inside & twice)
    keep = np.ones(len(mine), dtype=bool)
    keep[there[int(one.expected) :]] = False
    return _with(mine, keep)


def _on_time(mine: Batch, one: Suspicion, inside: Array, _: object) -> Batch:
    """Messages of the episode take as long as the device's others do."""
    received = mine.received.copy()
    outside = (mine.received - mine.ts)[~inside]
    delay = int(np.median(outside)) if len(outside) else 0
    near = inside | ((mine.ts >= one.since_ms - HOUR_MS) & (mine.ts <= one.until_ms + HOUR_MS))
    chosen = inside if one.detector.kind == "reordered" else near
    received[chosen] = mine.ts[chosen] + delay
    return _with(mine, received=received)


def _own_word(mine: Batch, one: Suspicion, _: Array, __: object) -> Batch:
    """Every word that the device began to use with the episode or later becomes its oldest one."""
    column = one.detector.column
    word = mine.words[column].copy()
    known = np.flatnonzero(word >= 0)
    if len(known):
        _, first = np.unique(word[known], return_index=True)
        new = word[known][first[mine.ts[known][first] >= one.since_ms]]
        word[np.isin(word, new)] = word[known[0]]
    return _with(mine, words={**mine.words, column: word})


def _volume(mine: Batch, one: Suspicion, inside: Array, _: object) -> Batch:
    """The days of the episode carry what is usual."""
    value = mine.values[one.detector.column].copy()
    value[inside] *= one.expected / max(one.observed, 1e-9)
    return _column(mine, one, value)


def _hours(mine: Batch, one: Suspicion, _: Array, __: object) -> Batch:
    """Of the hour that was counted only as many messages as are usual are left."""
    first = ~(mine.copy | mine.conflict)
    hour = mine.ts // HOUR_MS % 24
    count = np.bincount(hour[first], minlength=24)
    named = int(np.argmin(np.abs(count - one.observed)))
    there = np.flatnonzero(hour == named)
    keep = np.ones(len(mine), dtype=bool)
    keep[there] = np.arange(len(there)) % max(len(there), 1) < max(int(one.expected), 1)
    return _with(mine, keep)


def _rested(mine: Batch, one: Suspicion, _: Array, __: object) -> Batch:
    """A battery falls as slowly as would leave it the days that are usual."""
    value = mine.values[one.detector.column].copy()
    known = np.flatnonzero(np.isfinite(value) & (value >= 0))
    if len(known):
        first = value[known[0]]
        value[known] = first + (value[known] - first) * min(one.observed / max(one.expected, 1e-9), 1.0)
    return _column(mine, one, value)


_HOW: dict[str, Callable[[Batch, Suspicion, Array, Callable[[str], Array]], Batch]] = {
    "stuck.run": _moved, "stuck.held": _moved, "level.spike": _in_range, "level.sentinel": _in_range, "drift.peers": _with_peers,
    "register.fell": _goes_on, "silence.gap": _heard, "silence.hours": _heard, "delivery.copies": _once, "delivery.conflict": _once,
    "delivery.order": _on_time, "delivery.backlog": _on_time, "company.destination": _own_word,
    "company.handset": _own_word, "company.volume": _volume, "company.hours": _hours, "failing.battery": _rested,
}  # fmt: skip
