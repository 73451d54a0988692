"""Messages that were refused, whole, so that they can be looked at, mended and driven again (I9).

The lake holds one row per sighting: the message came and was refused, came again, was driven again and accepted. A
*letter* is what they tell together: one per message, named by its bytes and by where it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from workbench.errors import UsageError
from workbench.journal.message import RawMessage
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.messages import letter_id
from workbench.mediation.work import cursor_of

REFUSED, ACCEPTED = "refused", "accepted"
_SCHEMA = pa.schema(
    {
        "letter_id": pa.string(), "outcome": pa.string(), "reason": pa.string(), "detail": pa.string(),
        "seen_at": pa.timestamp("us"), "received_at_ns": pa.int64(), "tenant": pa.string(), "source": pa.string(),
        "device": pa.string(), "topic": pa.string(), "content_type": pa.string(), "payload": pa.binary(),
        "journal": pa.string(), "position": pa.int64(),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sighting:
    """A message and what became of it; ``at`` is when (naive UTC), ``position`` its place in ``journal``."""

    message: RawMessage
    outcome: str
    reason: str
    detail: str
    at: datetime
    journal: str
    position: int


def write(lake: Lake, sightings: Sequence[Sighting], origin: str) -> list[Segment]:
    """The sightings of one batch as a segment to commit with what the batch landed."""
    if not sightings:
        return []
    rows = []
    for seen in sightings:
        message = seen.message
        rows.append(
            {
                "letter_id": letter_id(message), "outcome": seen.outcome, "reason": seen.reason,
                "detail": seen.detail[:500], "seen_at": seen.at, "received_at_ns": message.received_at_ns,
                "tenant": message.tenant, "source": message.source, "device": message.device, "topic": message.topic,
                "content_type": message.content_type, "payload": message.payload, "journal": seen.journal,
                "position": seen.position,
            }
        )  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=_SCHEMA)
    return [lake.write("deadletters", table, order_by=("seen_at", "letter_id", "position"), origin=origin)]


def letters(lake: Lake, *, waiting: bool = False) -> list[dict[str, Any]]:
    """Every letter, oldest first, without its payload.

    Returns: letter_id, state (``waiting`` or ``accepted``), reason and detail of its last refusal, first_seen,
        last_seen, tries, bytes, source, device, topic.
    """
    with cursor_of(lake) as con:
        rows = con.execute(
            "SELECT letter_id, CASE WHEN bool_or(outcome = 'accepted') THEN 'accepted' ELSE 'waiting' END AS state, "
            "arg_max(reason, seen_at) FILTER (outcome = 'refused') AS reason, "
            "arg_max(detail, seen_at) FILTER (outcome = 'refused') AS detail, min(seen_at) AS first_seen, "
            "max(seen_at) AS last_seen, count(*)::INTEGER AS tries, any_value(octet_length(payload))::BIGINT AS bytes, "
            "any_value(source) AS source, any_value(device) AS device, any_value(topic) AS topic "
            f"FROM {lake.scan('deadletters')} GROUP BY letter_id ORDER BY first_seen, letter_id"
        ).fetchall()
    names = ("letter_id", "state", "reason", "detail", "first_seen", "last_seen", "tries", "bytes", "source", "device",
             "topic")  # fmt: skip
    found = [dict(zip(names, row, strict=True)) for row in rows]
    return [letter for letter in found if letter["state"] == "waiting" or not waiting]


def messages(lake: Lake, ids: Sequence[str]) -> list[RawMessage]:
    """The messages of letters, as they came and with the time they first came at.

    Raises:
        UsageError: ``letter_unknown``.
    """
    with cursor_of(lake) as con:
        rows = con.execute(
            "SELECT letter_id, any_value(tenant), any_value(source), any_value(device), any_value(topic), "
            "any_value(content_type), any_value(payload), min(received_at_ns) "
            f"FROM {lake.scan('deadletters')} WHERE letter_id IN (SELECT unnest($ids)) GROUP BY letter_id",
            {"ids": list(ids)},
        ).fetchall()
    found = {row[0]: RawMessage(*row[1:]) for row in rows}
    for name in ids:
        if name not in found:
            raise UsageError(
                f"There is no dead letter {name}.",
                cure="`workbench deadletter list` names them.",
                code="letter_unknown",
            )
    return [found[name] for name in ids]
