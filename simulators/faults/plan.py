"""When each fault happens and how bad it is. Lengths and magnitudes come from measured faults.

Measured on river sensors (2014-2020, technicians' labels, 15-minute readings) and LoRaWAN nodes (2022-2024):
frozen runs of 33 readings in the median, 101 and 857 at the upper quartile and decile; spikes of 1-9 readings
(median 2) of 35 robust deviations at the upper quartile, 120 at the decile; drifts of about two weeks; -9999
for "no data" in isolated readings and short runs; silences of 45 and 48 days; 28 % duplicates on the worst
node. Compromised devices: beacons every few minutes with little data (Torii), or scans with 250 times the
usual volume (Mirai).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from simulators.calendar import HOUR_MS, to_ms
from simulators.faults.labels import Episode
from simulators.randomness import stream

if TYPE_CHECKING:
    from simulators.base import Fleet

DAY_MS = 24 * HOUR_MS
ASPECTS = ("destination", "volume", "hours", "imei")

_Draw = tuple[int, int, float, str]  # begin, end [ms from the start], magnitude, detail
_Rule = Callable[[np.random.Generator, int, int, tuple[str, ...]], _Draw]


def fitting(fleet: type[Fleet] | Fleet) -> set[str]:
    """The kinds of faults that make sense for a fleet."""
    names = {column.name for column in fleet.columns}
    kinds = {"silent", "duplicate", "reordered", "late"}
    if fleet.sensed:
        kinds |= {"stuck", "drift", "spike", "sentinel", "conflict"}
    if fleet.counter:
        kinds |= {"counter_reset"}
        kinds -= {"drift"}  # a drifting register is a wrong register: nobody could tell
    if {"destination", "bytes"} <= names:
        kinds |= {"compromised"}
    return kinds


def plan(fleet: Fleet, counts: Mapping[str, int], hours: int) -> list[Episode]:
    """Choose devices (one fault each) and draw when and how bad; the same for the same fleet.

    Counts and hours.
    """
    generator = stream(fleet.seed, f"faults/{fleet.name}/plan")
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    devices = generator.permutation(fleet.devices)[: len(kinds)]
    start, horizon, period = to_ms(fleet.start), hours * HOUR_MS, 1000 * fleet.period_seconds
    aspects = ASPECTS if any(column.name == "imei" for column in fleet.columns) else ASPECTS[:3]
    episodes = []
    for number, (kind, device) in enumerate(zip(kinds, devices, strict=True)):
        begin, end, magnitude, detail = _RULES[kind](generator, horizon, period, aspects)
        column = _column(fleet, kind, generator)
        episodes.append(
            Episode(
                number,
                kind,
                int(device),
                start + begin,
                start + max(end, begin + 1),
                column,
                round(magnitude, 3),
                detail,
            )
        )
    return episodes


def _column(fleet: Fleet, kind: str, generator: np.random.Generator) -> str:
    if kind == "counter_reset":
        return fleet.counter or ""
    if kind in ("stuck", "drift", "spike", "sentinel", "conflict"):
        return fleet.sensed[int(generator.integers(0, len(fleet.sensed)))]
    return ""


def _span(generator: np.random.Generator, horizon: int, length: float) -> tuple[int, int]:
    """A stretch of about ``length`` that lies inside the horizon and leaves some health before it."""
    whole = int(min(max(length, 1), 0.75 * horizon))
    begin = int(generator.integers(horizon // 20, horizon - whole + 1))
    return begin, begin + whole


def _stuck(generator: np.random.Generator, horizon: int, period: int, _: tuple[str, ...]) -> _Draw:
    hours = float(np.clip(generator.lognormal(2.1, 1.3), 2, 24 * 30))
    return *_span(generator, horizon, max(hours * HOUR_MS, 8 * period)), 0.0, "holds its last value"


def _silent(generator: np.random.Generator, horizon: int, period: int, _: tuple[str, ...]) -> _Draw:
    hours = float(np.clip(generator.lognormal(2.8, 1.2), 3, 24 * 48))
    return *_span(generator, horizon, max(hours * HOUR_MS, 5 * period)), 0.0, "nothing is delivered"


def _drift(generator: np.random.Generator, horizon: int, period: int, _: tuple[str, ...]) -> _Draw:
    begin = int(generator.integers(horizon // 20, horizon // 3 + 1))
    end = min(horizon, begin + int(generator.integers(5, 20)) * DAY_MS)
    sign = 1 if generator.random() < 0.7 else -1
    return (
        begin,
        end,
        sign * float(generator.uniform(0.3, 0.9)),
        "share of the fleet's level reached at the end",
    )


def _spike(generator: np.random.Generator, horizon: int, period: int, _: tuple[str, ...]) -> _Draw:
    readings = int(np.clip(generator.geometric(0.45), 1, 9))
    level = float(np.clip(generator.lognormal(3.0, 1.0), 8, 500))
    return *_span(generator, horizon, readings * period), level, "times the fleet's level is added"


def _sentinel(generator: np.random.Generator, horizon: int, period: int, _: tuple[str, ...]) -> _Draw:
    readings = int(np.clip(generator.lognormal(1.5, 1.0), 1, 100))
    return *_span(generator, horizon, readings * period), -9999.0, "value sent instead"


def _compromised(
    generator: np.random.Generator, horizon: int, period: int, aspects: tuple[str, ...]
) -> _Draw:
    begin = int(generator.integers(horizon // 10, horizon // 2 + 1))
    chosen = [aspect for aspect in aspects if generator.random() < 0.6]
    if chosen in ([], ["hours"]):  # a stolen night that is never reached would be no fault at all
        chosen = [aspects[0], *chosen]
    return begin, horizon, float(np.clip(generator.lognormal(3.5, 0.8), 8, 250)), "+".join(chosen)


def _counter_reset(generator: np.random.Generator, horizon: int, period: int, _: tuple[str, ...]) -> _Draw:
    begin = int(generator.integers(horizon // 20, horizon - horizon // 10 + 1))
    return begin, horizon, 0.0, "counts from 0 again"


def _duplicate(generator: np.random.Generator, horizon: int, period: int, _: tuple[str, ...]) -> _Draw:
    share = float(generator.uniform(0.28, 3.0))
    length = max(generator.uniform(0.5, 12) * HOUR_MS, 4 * period)
    return *_span(generator, horizon, length), share, "copies per event, up to 10 min later"


def _reordered(generator: np.random.Generator, horizon: int, period: int, _: tuple[str, ...]) -> _Draw:
    minutes = float(generator.uniform(2, 20)) + 3 * period / 60_000
    return (
        *_span(generator, horizon, max(6 * HOUR_MS, 10 * period)),
        minutes,
        "minutes each message waits at most",
    )


def _late(generator: np.random.Generator, horizon: int, period: int, _: tuple[str, ...]) -> _Draw:
    length = HOUR_MS / 12 * float(np.exp(generator.uniform(0, np.log(864))))  # 5 minutes to 3 days
    begin, end = _span(generator, horizon, max(length, 3 * period))
    return begin, end, (end - begin) / HOUR_MS, "hours until all is sent at once"


def _conflict(generator: np.random.Generator, horizon: int, period: int, _: tuple[str, ...]) -> _Draw:
    readings = int(generator.integers(1, 6))
    return *_span(generator, horizon, readings * period), 1.0, "second deliveries differ by at least one unit"


_RULES: dict[str, _Rule] = {
    "stuck": _stuck,
    "silent": _silent,
    "drift": _drift,
    "spike": _spike,
    "sentinel": _sentinel,
    "compromised": _compromised,
    "counter_reset": _counter_reset,
    "duplicate": _duplicate,
    "reordered": _reordered,
    "late": _late,
    "conflict": _conflict,
}
