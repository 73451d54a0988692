"""CloudEvents 1.0 in structured JSON mode: single events, batches, or one of either per line.

Attributes keep their names (``id``, ``source``, ``type``, ``subject``, ``time``), members of ``data`` become
``data.<name>``. The specification makes (source, id) unique, so a mapping says ``key: {event_id: [source, id]}``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.mediation.formats.jsontext import Problem
from workbench.mediation.formats.ndjson import stage_objects
from workbench.mediation.formats.request import Request
from workbench.mediation.staging import Decoded

if TYPE_CHECKING:
    import duckdb

NAME = "cloudevents"
SUFFIXES = (".cloudevents", ".cloudevents.json", ".cloudevents.ndjson")
_REQUIRED = ("id", "source", "type")


def decode(con: duckdb.DuckDBPyConnection, path: Path, request: Request) -> Decoded:
    """Stage the file's events; one that is no CloudEvent 1.0 is a bad row. Raises ``FileUnreadable``."""
    return stage_objects(path, request, check=check)


def check(event: Any) -> None:
    """Refuse what is no CloudEvent 1.0. Raises ``Problem``."""
    if event.get("specversion") != "1.0":
        raise Problem("not_a_cloudevent", "specversion is not '1.0'")
    for name in _REQUIRED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise Problem("not_a_cloudevent", f"the attribute {name!r} is missing or empty")
