"""What every collector is, and what they share.

start()   connect or listen, on a thread of its own; returns when the first messages could come
stop()    take no more; what was taken is made durable and acknowledged
lag()     messages that wait at the source; None when the wire does not say
stats     what was received, acknowledged, held back
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from workbench.clock import nanoseconds
from workbench.collectors.identity import identify_by
from workbench.collectors.source import Source
from workbench.journal.journal import Journal
from workbench.journal.message import PAYLOAD_BYTES_MAX, TEXT_BYTES_MAX, RawMessage

log = logging.getLogger(__name__)

#: What a payload beyond the largest is called in the journal; its start is kept, and mediation rejects it.
OVERSIZE = "application/x-oversize"
_NO_FACTS: Mapping[str, str] = {}


@dataclass(slots=True)
class CollectorStats:
    """Counters since the start.

    Attributes:
        received: messages taken from the wire, redeliveries among them.
        acknowledged: messages the other side was told are safe.
        redelivered: messages that the wire itself marked as sent before (no proof either way).
        refused: messages or connections turned away.
        pauses: how often the wire was held back because the journal or its readers were behind.
        connected: whether the source can be heard now.
        last_received_ns: when the last message came, nanoseconds since 1970 UTC; 0 before the first.
        notes: what an operator should know: gaps, offsets that the source no longer has, lost connections.
    """

    received: int = 0
    acknowledged: int = 0
    redelivered: int = 0
    refused: int = 0
    pauses: int = 0
    connected: bool = False
    last_received_ns: int = 0
    notes: deque[str] = field(default_factory=lambda: deque(maxlen=100))


class Collector(ABC):
    """One source being collected into one journal."""

    def __init__(
        self, source: Source, journal: Journal, now_ns: Callable[[], int] = nanoseconds, worker: str = "0"
    ) -> None:
        self.name = source.name
        self.journal = journal
        self.worker = worker
        self.stats = CollectorStats()
        self.now_ns = now_ns
        self._common = source
        self._identify = identify_by(source.identity)
        self._stopping = threading.Event()
        self._paused = False
        self._thread: threading.Thread | None = None

    @abstractmethod
    def start(self) -> None:
        """Begin to collect; returns when messages can come. Raises ``SourceError`` when that cannot be."""

    @abstractmethod
    def stop(self, for_good: bool = False) -> None:
        """Take no more, and end in order: what was taken is durable and acknowledged when this returns.

        Args:
            for_good: this worker will not come back under its name; where the other side keeps things for it (a
                session of MQTT), it need not.
        """

    def lag(self) -> int | None:
        """Messages that wait at the source; None when the wire does not say."""
        return None

    def __enter__(self) -> Collector:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---- for the wires -------------------------------------------------------------------------------------------

    def begin_thread(self, kind: str, work: Callable[[], None]) -> None:
        """Collect beside the caller, in a thread that looks at ``_stopping``."""
        self._thread = threading.Thread(target=work, name=f"{kind}-{self.name}", daemon=True)
        self._thread.start()

    def end_thread(self) -> None:
        """Ask the thread to end, and wait for it for a minute; safe when there is none."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(60)
            self._thread = None

    def note(self, text: str) -> None:
        """Something an operator should know."""
        self.stats.notes.append(text)
        log.warning("source %s: %s", self.name, text)

    def held_back(self) -> bool:
        """Whether the wire should give no more for now: the journal or its readers are behind, or the disk is full."""
        held = self.journal.state != "open"
        if held and not self._paused:
            self.stats.pauses += 1
            log.warning("source %s: held back, the journal is %s", self.name, self.journal.state)
        self._paused = held
        return held

    def message(
        self,
        topic: str,
        payload: bytes,
        content_type: str = "",
        *,
        facts: Mapping[str, str] = _NO_FACTS,
        tenant: str = "",
        channel: str = "",
        offset: int = -1,
    ) -> RawMessage:
        """A raw message of this source, received now, that is certain to fit the journal."""
        if len(payload) > PAYLOAD_BYTES_MAX:
            self.note(
                f"a payload of {len(payload):,} bytes from {topic[:100]!r} was cut; it will be rejected"
            )
            payload, content_type = payload[:1024], OVERSIZE
        common = self._common
        if len(topic) > TEXT_BYTES_MAX // 4:
            topic = topic[: TEXT_BYTES_MAX // 4]
        return RawMessage(
            tenant or common.tenant,
            self.name,
            self._identify(topic, facts)[: TEXT_BYTES_MAX // 4],
            topic,
            (content_type or common.content_type)[:200],
            payload,
            self.now_ns(),
            channel,
            offset,
        )

    def keep(
        self,
        messages: Sequence[RawMessage],
        offsets: Mapping[tuple[str, str], int] | None,
        durable: Callable[[], None],
    ) -> None:
        """Hand messages to the journal; ``durable`` is called, on its thread, when they are safe, and else never."""
        self.stats.received += len(messages)
        if messages:
            self.stats.last_received_ns = messages[-1].received_at_ns
        self.journal.append(messages, offsets, lambda error: durable() if error is None else None)
