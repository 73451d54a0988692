"""A batch of raw messages as a relation of text cells: from here on they take the path that files take.

The time of receipt is the journal's, never the payload's; the sender is what the connection or the topic proves.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from workbench.journal.message import RawMessage
from workbench.mediation.binding import Binding, NormalisedStream
from workbench.mediation.formats.jsontext import Problem
from workbench.mediation.mapping import Mapping
from workbench.mediation.normalise import numeric_columns
from workbench.mediation.payloads import column_pack, rows_of
from workbench.mediation.policy import AcceptWindow
from workbench.mediation.staging import WHOLE_MESSAGES, Decoded, plain

if TYPE_CHECKING:
    import duckdb

_RAW_KEPT = 4096
_TABLE = "messages_staged"
_TOLD = {"senml": "application/senml+json", "cloudevents": "application/cloudevents+json"}


@dataclass(slots=True)
class Staged:
    """Rows of a batch of messages, column by column.

    Attributes:
        first_item: number of the first row; the others follow.
        starts: for each message, how many rows came before it.
        message_nos, received_us, senders, problems, details, cells: for each row.
        wholes: for each message its text as far as a reject shows it, and its SHA-256 where that text is not all of it.
    """

    columns: tuple[str, ...]
    first_item: int
    starts: list[int] = field(default_factory=list)
    problems: list[str | None] = field(default_factory=list)
    details: list[str | None] = field(default_factory=list)
    message_nos: list[int] = field(default_factory=list)
    received_us: list[int] = field(default_factory=list)
    senders: list[str | None] = field(default_factory=list)
    cells: dict[str, list[str | None]] = field(default_factory=dict)
    wholes: list[tuple[str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cells = {name: [] for name in self.columns}

    def add(self, message: RawMessage, told: str) -> None:
        """Read one message."""
        before = len(self.problems)
        self.starts.append(before)
        pack = column_pack(message.payload, message.content_type, told)
        if pack is None:
            self._rows(message, told)
        else:
            self.problems += [None] * pack.length
            self.details += [None] * pack.length
            for name, cells in self.cells.items():
                cells += pack.columns.get(name) or [pack.shared.get(name)] * pack.length
        count = len(self.problems) - before
        self.message_nos += [len(self.wholes)] * count
        self.received_us += [message.received_at_ns // 1000] * count
        self.senders += [message.device or None] * count
        whole = message.payload[:_RAW_KEPT].decode("utf-8", "backslashreplace")
        only = len(message.payload) <= _RAW_KEPT and whole.isascii()
        self.wholes.append((whole, None if only else hashlib.sha256(message.payload).hexdigest()))

    def _rows(self, message: RawMessage, told: str) -> None:
        seconds = Decimal(message.received_at_ns // 1000) / 1_000_000
        for row in rows_of(message.payload, message.content_type, seconds, told):
            problem = row if isinstance(row, Problem) else None
            self.problems.append(problem.reason if problem else None)
            self.details.append(problem.detail if problem else None)
            for name, cells in self.cells.items():
                cells.append(None if isinstance(row, Problem) else row.get(name))

    def message_of(self, item_no: int) -> int:
        """Which message, by its place in the batch, an item came in."""
        return bisect_right(self.starts, item_no - self.first_item) - 1

    def table(self, numeric: frozenset[str]) -> pa.Table:
        """The rows as ``staging.py`` describes them, with ``__received_at``, ``__sender`` and, in the place of
        ``__raw`` and ``__sha``, the number of the message they came in."""
        first, count = self.first_item, len(self.problems)
        columns = {
            "__item_no": pa.array(np.arange(first, first + count, dtype=np.int64)),
            "__problem": pa.array(self.problems, pa.string()),
            "__detail": pa.array(self.details, pa.string()),
            "__message": pa.array(self.message_nos, pa.int32()),
            "__received_at": pa.array(self.received_us, pa.timestamp("us")),
            "__sender": pa.array(self.senders, pa.string()),
        }
        for name, texts in self.cells.items():
            if name in numeric and any(text and ("e" in text or "E" in text) for text in texts):
                texts = [plain(text) if text and ("e" in text or "E" in text) else text for text in texts]
            columns[name] = pa.array(texts, pa.string())
        return pa.table(columns)

    def messages(self) -> pa.Table:
        """``__message``, ``__raw``, ``__sha``: apart, since a message may hold a hundred rows and few are refused."""
        raws, shas = zip(*self.wholes, strict=True) if self.wholes else ((), ())
        return pa.table(
            {"__message": pa.array(range(len(raws)), pa.int32()), "__raw": pa.array(raws, pa.string()),
             "__sha": pa.array(shas, pa.string())}
        )  # fmt: skip


def stage(messages: Sequence[RawMessage], mapping: Mapping, first_item: int) -> Staged:
    """Read the messages of one source."""
    staged, told = Staged(mapping.columns, first_item), _TOLD.get(mapping.format, "")
    for message in messages:
        staged.add(message, told)
    return staged


def normalise_messages(
    con: duckdb.DuckDBPyConnection,
    staged: Staged,
    mapping: Mapping,
    *,
    received_at: datetime,
    accept: AcceptWindow,
    delivery_id: str,
) -> list[NormalisedStream]:
    """Bind a mapping to staged messages: one lazy stream per meter, as ``normalise`` gives for a file.

    The queries read tables of ``con``; run them before the next batch is bound on it.

    Raises:
        MappingError: the mapping cannot be bound (a time without a zone, a column that holds no quantity).
    """
    rows = staged.table(numeric_columns(mapping))
    for name, arrived in ((_TABLE, rows), (WHOLE_MESSAGES, staged.messages())):
        con.register("messages_arrived", arrived)
        try:
            con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM messages_arrived")
        finally:
            con.unregister("messages_arrived")
    found = Decoded(
        _TABLE, _TABLE, dict.fromkeys(mapping.columns, "VARCHAR"), rows.num_rows, True, messages=True
    )
    binding = Binding(con, mapping, found, "messages", received_at, accept, delivery_id, Path())
    return [binding.stream(meter) for meter in mapping.meters]


def instant_of(received_at_ns: int) -> datetime:
    """A time of receipt, UTC, to the microsecond."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=received_at_ns // 1000)


def letter_id(message: RawMessage) -> str:
    """Names a message that was refused by what it is, not by when it came: the same bytes again are the same letter."""
    said = json.dumps([message.source, message.device, message.topic, message.content_type]).encode()
    return hashlib.sha256(said + b"\n" + message.payload).hexdigest()[:24]
