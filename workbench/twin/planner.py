"""Event-rate planner: how many messages a second a fleet sends at worst, and whether this installation holds them.

The worst second of a fleet is not its average: devices that wake on the full hour all speak at once, and after an outage
they repeat what was lost. What this installation holds is measured: from the times its own lake's commits took.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from workbench.errors import UsageError
from workbench.lake.lake import Lake
from workbench.model.money import round_half_away


@dataclass(frozen=True, slots=True)
class Fleet:
    """Devices that speak.

    Attributes:
        devices: how many. interval_seconds: between two messages of one.
        synchronised: share that wakes at the same instant (the full hour, the end of an outage), 0 to 1.
        spread_seconds: over how many seconds those who wake together are spread (jitter); 1 for none.
        backlog: messages that each of them sends at once when it wakes (1: only its own).
    """

    devices: int
    interval_seconds: int
    synchronised: Fraction = Fraction(0)
    spread_seconds: int = 1
    backlog: int = 1

    def __post_init__(self) -> None:
        good = self.devices > 0 and self.interval_seconds > 0 and self.spread_seconds > 0 and self.backlog > 0
        if not good or not 0 <= self.synchronised <= 1:
            raise UsageError(
                "A fleet has devices, an interval, a spread and a backlog above zero, and a share from 0 to 1.",
                where="planner", cure="Mend the numbers.", code="planner_fleet",
            )  # fmt: skip

    @property
    def average(self) -> Fraction:
        """Messages a second in the long run."""
        return Fraction(self.devices, self.interval_seconds)

    @property
    def worst(self) -> Fraction:
        """Messages in the worst second: the others at their pace, and those who wake together."""
        together = self.synchronised * self.devices * self.backlog
        apart = (1 - self.synchronised) * self.devices / Fraction(self.interval_seconds)
        return apart + together / self.spread_seconds


@dataclass(frozen=True, slots=True)
class Measured:
    """What an installation did, by stage: rows, seconds and rows a second, from its lake's history."""

    stage: str
    rows: int
    seconds: Fraction

    @property
    def rate(self) -> Fraction:
        """Rows a second."""
        return self.rows / self.seconds if self.seconds else Fraction(0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the fleet fits."""

    fleet: Fleet
    holds: bool
    rate: Fraction
    backlog_seconds: Fraction
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """For a program; rates as whole messages a second."""
        return {
            "average_per_second": _whole(self.fleet.average), "worst_per_second": _whole(self.fleet.worst),
            "measured_per_second": _whole(self.rate), "holds": self.holds, "sentence": self.sentence,
            "catch_up_seconds": _whole(self.backlog_seconds),
        }  # fmt: skip


def measured(lake: Lake) -> list[Measured]:
    """Rows a second of landing and of mediation on this installation; empty when the lake has no such history.

    A commit's share of time is that since the commit before it, so idle hours between two runs would count: a gap of
    more than ten minutes is left out.
    """
    sums: dict[str, list[Fraction]] = {}
    before: datetime | None = None
    for entry in lake.history():
        at = datetime.fromisoformat(entry["at"])
        stage = str(entry["run"].get("stage", ""))
        rows = sum(int(item["rows"]) for item in entry["add"] if item["kind"] == "landed")
        if stage == "mediate":
            rows = _landed_rows(lake, str(entry["run"].get("stream", "")))
        if before is not None and stage in ("land", "mediate") and rows:
            taken = Fraction(round((at - before).total_seconds() * 1_000_000), 1_000_000)
            if 0 < taken <= 600:
                place = sums.setdefault(stage, [Fraction(0), Fraction(0)])
                place[0] += rows
                place[1] += taken
        before = at
    return [Measured(stage, int(rows), seconds) for stage, (rows, seconds) in sorted(sums.items())]


def _landed_rows(lake: Lake, stream: str) -> int:
    return sum(segment.rows for segment in lake.segments("landed", stream=stream))


def judge(fleet: Fleet, rates: list[Measured]) -> Verdict:
    """Whether an installation that did ``rates`` holds a fleet.

    Raises:
        UsageError: ``planner_unmeasured``: the lake shows no rate to go by.
    """
    if not rates:
        raise UsageError(
            "This lake has no history of landing and mediating to measure by.", where="planner", code="planner_unmeasured",
            cure="Run `workbench demo` here once, or pass --holds MESSAGES_PER_SECOND.",
        )  # fmt: skip
    # Stages follow one another on the same cores, so a message's time is the sum of its stages' times.
    seconds = sum((Fraction(1) / rate.rate for rate in rates if rate.rate), Fraction(0))
    return verdict(fleet, 1 / seconds)


def verdict(fleet: Fleet, rate: Fraction) -> Verdict:
    """Whether ``rate`` messages a second are enough: on average for ever, and at worst how long a wake-up is worked off."""
    holds = rate > fleet.average
    together = fleet.synchronised * fleet.devices * fleet.backlog
    spare = rate - fleet.average
    catch_up = together / spare if spare > 0 else Fraction(0)
    said = (
        f"{fleet.devices:,} devices send {_whole(fleet.average):,} messages a second on average and "
        f"{_whole(fleet.worst):,} in the worst second; this installation takes in {_whole(rate):,} a second."
    )
    if not holds:
        need = -(-fleet.average // rate) if rate else 0
        return Verdict(
            fleet,
            False,
            rate,
            catch_up,
            f"{said} It does not hold: about {int(need)} times as much is needed.",
        )
    if fleet.worst <= rate:
        return Verdict(fleet, True, rate, catch_up, f"{said} It holds, the worst second included.")
    return Verdict(
        fleet, True, rate, catch_up,
        f"{said} It holds: what wakes together waits in the journal and is worked off in {_whole(catch_up):,} s.",
    )  # fmt: skip


def _whole(number: Fraction) -> int:
    return round_half_away(number.numerator, number.denominator)
