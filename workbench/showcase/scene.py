"""A scene: which fleets, how many devices, how long, from when, with what going wrong. Two are ready-made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import simulators
from workbench.errors import UsageError
from workbench.model.plan import Period
from workbench.showcase.cast import CASTS, Cast, mapping_of
from workbench.showcase.deliveries import Feed
from workbench.showcase.parties import SINCE

START = date(2026, 3, 2)
DEMO_DEVICES = {
    "lamps": 5000, "meters": 80, "chargers": 24, "trackers": 90, "vending": 20, "cars": 60, "hubs": 40,
    "buttons": 60, "esims": 80,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scene:
    """What a made-up city is made of; the same scene gives the same bytes.

    Attributes:
        devices: source (see ``Cast.source``) to number of devices.
        days: length of the billing period.
        hours: how long the fleets deliver; the whole period when left out.
        start: first day, UTC.
        faults: what goes wrong, as ``simulators`` writes it (``demo``, ``stuck=5`` ...); empty for nothing.
        hours_per_file: delivered hours a file of the lamps holds; the files of the others hold the whole day.
    """

    devices: Mapping[str, int]
    days: int = 1
    hours: int = 0
    start: date = START
    seed: int = 7
    faults: str = ""
    hours_per_file: int = 1
    casts: tuple[Cast, ...] = field(init=False)

    def __post_init__(self) -> None:
        if not 1 <= self.days <= 366:
            raise UsageError("A city runs for 1 to 366 days.", where="days", cure="Choose fewer days.")
        if not 0 <= self.hours <= 24 * self.days:
            raise UsageError(
                "The fleets cannot deliver longer than the period.", where="hours", cure="Lower it."
            )
        if self.start < SINCE.date():
            raise UsageError(
                f"Nobody had subscribed before {SINCE:%Y-%m-%d}.", where="start", cure="Choose a later day."
            )
        object.__setattr__(self, "casts", tuple(cast for cast in CASTS if self.devices.get(cast.source)))

    @property
    def period(self) -> Period:
        """The billing period: whole days, UTC."""
        begin = datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC)
        return Period(begin, begin + timedelta(days=self.days))

    def feeds(self) -> list[Feed]:
        """Every fleet of the scene, ready to deliver."""
        found = []
        for cast in self.casts:
            fleet = simulators.fleet(
                cast.fleet, self.devices[cast.source], seed=self.seed, start=self.period.start
            )
            if self.faults:
                fleet = fleet.with_faults(self.faults, days=self.delivering / 24)
            hours = self.hours_per_file if cast.source == "lamps" else 24
            found.append(Feed(fleet, mapping_of(cast), hours))
        return found

    @property
    def delivering(self) -> int:
        """Hours for which the fleets deliver."""
        return self.hours or 24 * self.days

    @property
    def only_lamps(self) -> bool:
        """Whether this is the reference case, whose money can be reckoned in the head."""
        return [cast.source for cast in self.casts] == ["lamps"]

    def arguments(self) -> dict[str, str]:
        """What tells this scene from another, as text."""
        devices = ",".join(f"{cast.source}={self.devices[cast.source]}" for cast in self.casts)
        plain = ("days", "hours", "start", "seed", "faults", "hours_per_file")
        return {"devices": devices} | {name: str(getattr(self, name)) for name in plain}


def city(lamps: int, days: int = 1, *, seed: int = 7, start: date = START, hours: int = 0) -> Scene:
    """The reference case: nothing but lamps, delivered by the hour."""
    return Scene({"lamps": lamps}, days=days, hours=hours, start=start, seed=seed)


def demo(days: int = 2, *, seed: int = 7, start: date = START, scale: int = 1, hours: int = 0) -> Scene:
    """A small city with everything in it, and things going wrong.

    Args:
        scale: divides the number of devices; 10 makes a city that is ready in seconds.
    """
    devices = {source: max(2, count // scale) for source, count in DEMO_DEVICES.items()}
    return Scene(devices, days=days, hours=hours, start=start, seed=seed, faults="demo", hours_per_file=6)
