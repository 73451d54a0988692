"""A place in a list of usage records, as opaque text: it stays good while batches come in and segments are replaced."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import NamedTuple


class Place(NamedTuple):
    """After this record: records are ordered by window, stream, device."""

    window_start: datetime
    stream: str
    device_key: int
    version: int = 1


def written(place: Place) -> str:
    """The cursor's text."""
    said = [place.version, place.window_start.isoformat(), place.stream, place.device_key]
    return base64.urlsafe_b64encode(json.dumps(said, separators=(",", ":")).encode()).decode().rstrip("=")


def read(text: str) -> Place:
    """The place a cursor names. Raises ``ValueError`` for text that is no cursor of ours."""
    try:
        version, at, stream, key = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        place = Place(datetime.fromisoformat(at), str(stream), int(key), int(version))
    except (binascii.Error, UnicodeDecodeError, TypeError, ValueError, RecursionError) as error:
        raise ValueError("not a cursor of this list") from error
    if place.version != 1 or place.window_start.tzinfo is not None:
        raise ValueError("not a cursor of this list")
    return place
