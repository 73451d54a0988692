"""Spans of time as people write them: ``15m``, ``1h``, ``40d``, ``90s``, ``250ms``."""

from __future__ import annotations

import re
from datetime import timedelta

_SPAN = re.compile(r"([0-9]{1,9}) ?(ms|s|m|min|h|d|w)")
_MICROSECONDS = {"ms": 1_000, "s": 10**6, "m": 60 * 10**6, "min": 60 * 10**6}
_MICROSECONDS |= {"h": 3600 * 10**6, "d": 86_400 * 10**6, "w": 604_800 * 10**6}


def parse_span(text: str) -> timedelta | None:
    """The span, or ``None`` when ``text`` is none.

    >>> parse_span("15m")
    datetime.timedelta(seconds=900)
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        return None
    microseconds = int(found[1]) * _MICROSECONDS[found[2]]
    return timedelta(microseconds=microseconds) if microseconds <= 100 * 366 * 86_400 * 10**6 else None
