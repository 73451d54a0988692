"""Instants: what users may write, and the local clock of the simulated city."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from simulators.errors import ArgumentBad

CITY_ZONE = "Europe/Berlin"
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC throughout, without a zone, as in the files
YEAR_FIRST, YEAR_LAST = 1990, 2200

Instant = datetime | date | str


def instant(value: Instant, name: str = "start") -> datetime:
    """Read an instant on a whole hour; the answer is UTC without a zone.

    Takes a date, a datetime (without a zone it is UTC) or ISO 8601 text such as ``2026-03-02`` or
    ``2026-03-02T06:00Z``. Raises ``ArgumentBad`` (``date_bad``) for anything else.
    """
    moment = _parse(value, name)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    if not YEAR_FIRST <= moment.year <= YEAR_LAST:
        raise ArgumentBad(
            f"{name} is in the year {moment.year}.",
            where=name,
            code="date_bad",
            cure=f"Choose a year from {YEAR_FIRST} to {YEAR_LAST}.",
        )
    if moment.minute or moment.second or moment.microsecond:
        raise ArgumentBad(
            f"{name} {moment.isoformat()} is not on a whole hour.",
            where=name,
            code="date_bad",
            cure="Fleets deliver by the hour: write 2026-03-02 or 2026-03-02T06:00.",
        )
    return moment


def _parse(value: Instant, name: str) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ArgumentBad(
            f"{name} {value!r} is not a date.",
            where=name,
            code="date_bad",
            cure="Write it as 2026-03-02 or 2026-03-02T06:00.",
        ) from None


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of a UTC instant without a zone."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_ms(ms: int) -> datetime:
    """The UTC instant without a zone of milliseconds since 1970."""
    return EPOCH + timedelta(milliseconds=ms)


@lru_cache(maxsize=4096)
def local_hour(hour: int) -> datetime:
    """The city's wall clock at the beginning of a UTC hour (hours since 1970); follows summer time."""
    aware = datetime.fromtimestamp(hour * 3600, UTC).astimezone(ZoneInfo(CITY_ZONE))
    return aware.replace(tzinfo=None)


def day_of_year(day: int) -> int:
    """1..366 of a UTC day (days since 1970)."""
    return (EPOCH + timedelta(days=day)).timetuple().tm_yday
