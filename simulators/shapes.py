"""Shapes of days, weeks and seasons that several fleets share."""

from __future__ import annotations

from functools import lru_cache
from math import asin, cos, degrees, pi, radians, sin

from simulators.calendar import day_of_year
from simulators.city import CENTRE_LAT, CENTRE_LON


def sun_elevation(minute: int) -> float:
    """Height of the sun over the city's horizon [degrees] at a UTC minute (minutes since 1970).

    Declination -23.44 deg * cos(2 pi (day + 10) / 365.25) and the hour angle from mean solar time; good to
    about a degree and 16 minutes, since the equation of time is left out. Source: any textbook of solar
    engineering, e.g. Duffie & Beckman.
    """
    day, of_day = divmod(minute, 1440)
    declination = radians(-23.44 * cos(2 * pi * (day_of_year(day) + 10) / 365.25))
    hour_angle = 2 * pi * ((of_day + CENTRE_LON * 4) / 1440 - 0.5)
    latitude = radians(CENTRE_LAT)
    height = sin(latitude) * sin(declination) + cos(latitude) * cos(declination) * cos(hour_angle)
    return degrees(asin(max(-1.0, min(1.0, height))))


def daylight_lux(elevation: float) -> int:
    """Light under the open sky [lux]: 400 at sunset, 3.4 at the end of civil twilight, 100,000 at the zenith."""
    if elevation <= 0.0:
        return int(400 * 10 ** (elevation / 2.9))
    return int(400 + 99_600 * sin(radians(elevation)) ** 1.2)


@lru_cache(maxsize=512)
def season(day: int, *, winter: float, summer: float) -> float:
    """A factor that swings from ``winter`` (mid January) to ``summer`` (mid July); day = days since 1970."""
    swing = cos(2 * pi * (day_of_year(day) - 15) / 365.25)
    return (winter + summer) / 2 + (winter - summer) / 2 * swing
