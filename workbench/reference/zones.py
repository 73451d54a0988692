"""Time zones from the pinned ``tzdata``, not from the host: "a result depends on ... the pinned tzdata
version only".
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo


@cache
def zone_named(name: str) -> ZoneInfo:
    """The zone of that name.

    Raises:
        FileNotFoundError: the pinned data knows no such zone.
    """
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)
