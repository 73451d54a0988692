"""A node whose every answer is on disk before anybody sees it: log, then answer, many at a time.

Requests are carried out in memory at once and gathered into a batch; one batch at a time is written and synced; then its
answers leave. While the disk is quick a loop syncs by itself (``sync_here``): a sync of a quarter of a millisecond costs
less than handing it to a thread and hearing back. While it is slow the journal's thread does it, and the next batch
gathers meanwhile, so the size of a batch follows the load by itself. What is read (balances) waits with them, so that
nobody sees what could still be lost.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from itertools import islice, takewhile
from pathlib import Path
from time import perf_counter
from typing import Protocol
from zlib import crc32

from workbench.charging.answers import Answers
from workbench.charging.batches import pack
from workbench.charging.facts import Fact
from workbench.charging.messages import Command, encode
from workbench.charging.node import Node
from workbench.charging.recovery import recover
from workbench.charging.refusals import refusal
from workbench.clock import nanoseconds
from workbench.errors import JournalError
from workbench.journal.consumers import keep_position
from workbench.journal.journal import Journal
from workbench.journal.message import RawMessage
from workbench.journal.settings import JournalSettings

log = logging.getLogger(__name__)
RECORDS_MAX = 4096
"""Requests in one batch."""
UNANSWERED_MAX = 200_000
"""Requests that may wait for the disk; more are refused as ``busy``."""


Known = dict[str, tuple[bytes, bytes, int]]
FREED_AT_ONCE = 2_000
"""Answers whose memory is freed in one go, which takes about a millisecond."""


QUICK_SECONDS = 0.002
"""A disk whose syncs usually take less is quick."""


class Sink(Protocol):
    """Where answers go. Whatever goes wrong in one is its own affair: the pipeline goes on."""

    def answer(self, token: object, answer: bytes) -> None:
        """Take one answer; ``token`` is what came with the request."""

    def flush(self) -> None:
        """Everything of this round was handed over: send it."""


class DurableNode:
    """A node and its folder. Not for several threads: one loop calls it, through ``wake`` when the disk is done.

    Args:
        folder: made when it is not there; locked while this object lives.
        tenants: whose accounts.
        now_ns: the clock.
        listen: answers who is told what happens, and first what the log says happened behind the snapshot.
        wake: runs a function on the caller's loop, called from the journal's thread (``loop.call_soon_threadsafe``).
        keep_answers: answers that memory keeps at least; older ones come from ``answers.db``.

    Raises:
        JournalLocked, JournalDamaged, ChargingError: the folder cannot be gone on with.
    """

    def __init__(
        self,
        folder: Path,
        tenants: tuple[str, ...] = ("main",),
        now_ns: Callable[[], int] = nanoseconds,
        wake: Callable[[Callable[[], None]], object] | None = None,
        settings: JournalSettings | None = None,
        listen: Callable[[Node], Callable[[Fact], None]] | None = None,
    ) -> None:
        self.folder, self._now_ns, self._wake = folder, now_ns, wake or _at_once
        self.journal = Journal(folder / "log", settings or JournalSettings(segment_bytes=64 << 20))
        try:
            started = perf_counter()
            found = recover(folder, tenants, None, listen)
            self.recovery_seconds = perf_counter() - started
        except BaseException:
            self.journal.close()
            raise
        self.node: Node = found.node
        self.recovered = found
        self.answers = Answers(folder)
        self.node.older = self.answers.get
        self.first_seq = found.first_seq
        keep_position(folder / "log", "snapshot", found.snapshot_position)
        self._records: list[bytes] = []
        self._said = 0
        self._replies: list[tuple[Sink, object, bytes]] = []
        self._flying: list[tuple[Sink, object, bytes]] | None = None
        self._leaving: list[Known] = []
        self._open = False
        self.now = max(self.node.now, self.clock())
        self.requests = self.batches = self.reads = 0
        self.sync_here = False
        self.durable_seq = self._flying_seq = found.node.seq
        self.on_commit: list[Callable[[], None]] = []
        self.next_batch: Callable[[int], None] = lambda flown: self.flush()
        self.sync_usual = 0.0

    def clock(self) -> int:
        """The instant in microseconds."""
        return self._now_ns() // 1000

    # -- requests in, answers out ----------------------------------------------------------------------------

    def take(self, body: bytes, sink: Sink, token: object = None, tenant: str = "") -> None:
        """Carry out a request; its answer reaches ``sink`` when it is durable."""
        self.requests += 1
        if (self._flying is not None or not self._open) and (code := self._trouble()):
            self.reply(sink, token, refusal(code))
            return
        if not self._open:
            self._begin()
        answer, record = self.node.take(body, self.now, tenant)
        if not record:
            self.reply(sink, token, answer)
            return
        records = self._records
        records.append(record)
        self._said = crc32(answer, self._said)
        self._replies.append((sink, token, answer))
        if len(records) >= RECORDS_MAX:
            self.flush()

    def _trouble(self) -> str:
        """Why nothing can be taken at the moment: the code of a refusal, or nothing."""
        state = self.journal.state
        if len(self._replies) >= UNANSWERED_MAX or state == "crowded":
            return "busy"
        return "read_only" if state == "read_only" else ""

    def reply(self, sink: Sink, token: object, answer: bytes) -> None:
        """Queue an answer behind those before it; at once when nothing is on its way."""
        if not self._records and self._flying is None and not self._replies:
            self.reads += 1
            deliver([(sink, token, answer)])
        else:
            self._replies.append((sink, token, answer))

    def _begin(self) -> None:
        self.now = max(self.now, self.clock())
        self._open = True
        if self.node.next_due <= self.now:
            self.node.tick(self.now)
            self._ticked = True

    _ticked = False

    @property
    def gathered(self) -> int:
        """Answers that wait for the next batch."""
        return len(self._replies)

    @property
    def idle(self) -> bool:
        """Nothing waits for the disk."""
        return self._flying is None and not self._records and not self._replies

    def tick(self) -> None:
        """Let the clock do its work when no request comes: expire what is due."""
        if not self._open and self.node.next_due <= self.clock() and self.journal.state == "open":
            self._begin()
        self.flush()

    def flush(self) -> None:
        """Hand the batch to the disk, unless one is on its way; it follows by itself then."""
        if self._flying is not None or self.journal.state == "closed":
            return
        self._open = False
        if not self._records and not self._ticked:
            replies, self._replies = self._replies, []
            deliver(replies)
            return
        self._flying_seq = self.node.seq
        payload = pack(self.node.seq, self._records, self._said)
        flown, self._replies, self._records = self._replies, [], []
        self._said, self._ticked = 0, False
        self.batches += 1
        message = RawMessage("", "charge", "", "", "", payload, self.now * 1000)
        if self.sync_here and self.sync_usual < QUICK_SECONDS and self.journal.commit_here((message,)):
            self._settled(flown)
            return
        self._flying = flown
        self.journal.append((message,), done=self._done)

    def _done(self, error: JournalError | None) -> None:
        self._wake(lambda: self._durable(error))

    def _durable(self, error: JournalError | None) -> None:
        flown, self._flying = self._flying or [], None
        if error is not None:
            log.error("charging: %s answers are lost with their requests: %s", len(flown), error)
            return
        self._settled(flown)
        if self._records or self._replies or self._ticked:
            self.next_batch(len(flown))

    def _settled(self, flown: list[tuple[Sink, object, bytes]]) -> None:
        """A batch is durable: its answers leave."""
        self.sync_usual += (self.journal.sync_last - self.sync_usual) / 8
        self.durable_seq = self._flying_seq
        deliver(flown)
        for each in self.on_commit:
            each()

    # -- memory, and the end ---------------------------------------------------------------------------------

    def let_go(self, seq: int, position: int) -> int:
        """A snapshot holds everything up to ``seq`` and ``position``: forget its answers here, read them from there."""
        self.answers.reopen()
        node, before = self.node, self.answers_in_memory
        node.former, node.answers = self._after(node.former, seq), self._after(node.answers, seq)
        self.first_seq = max(self.first_seq, seq + 1)
        keep_position(self.folder / "log", "snapshot", position)
        return before - self.answers_in_memory

    def _after(self, page: Known, seq: int) -> Known:
        """A page of answers without those up to ``seq``; what nobody needs any more is freed later, see ``free``."""
        if not page or next(iter(page.values()))[2] > seq:
            return page
        kept = list(takewhile(lambda each: each[1][2] > seq, reversed(page.items())))
        self._leaving.append(page)
        return dict(reversed(kept))

    def turn_page(self) -> None:
        """A snapshot begins: what was answered until now is a page of its own, which ``let_go`` drops without a look at
        each answer. After a snapshot that failed the page is still there, and this one's answers are looked at.
        """
        if not self.node.former:
            self.node.former, self.node.answers = self.node.answers, {}

    def free(self) -> None:
        """Free some of the memory of what was let go: all at once would stop every answer for a fifth of a second."""
        for _ in range(FREED_AT_ONCE if self._leaving else 0):
            if not self._leaving[-1]:
                self._leaving.pop()
                break
            self._leaving[-1].popitem()

    @property
    def answers_in_memory(self) -> int:
        """How many answers memory holds; others come from ``answers.db``."""
        return len(self.node.answers) + len(self.node.former)

    def oldest(self, keep: int) -> list[tuple[str, bytes, bytes, int]]:
        """(key, hash, answer, instant) of durable answers in memory, all but the newest ``keep``: to be written to disk."""
        old = islice(self.node.remembered(), max(0, self.answers_in_memory - keep))
        return [(key, known[0], known[1], self.now) for key, known in old if known[2] <= self.durable_seq]

    def forget(self, rows: list[tuple[str, bytes, bytes, int]]) -> None:
        """What ``oldest`` gave is in the table of answers now."""
        self.answers.reopen()
        gone = {row[0] for row in rows}
        for page in (self.node.former, self.node.answers):
            for key in gone & page.keys():
                del page[key]

    def close(self) -> None:
        """Write what waits, answer it, let go of the folder."""
        self.journal.close()
        self.answers.close()


def deliver(replies: list[tuple[Sink, object, bytes]]) -> None:
    """Hand answers to their sinks. A sink that fails loses its own answers only: they are in the log."""
    touched: dict[int, Sink] = {}
    for sink, token, answer in replies:
        try:
            sink.answer(token, answer)
            touched[id(sink)] = sink
        except Exception:
            log.debug("charging: an answer found nobody", exc_info=True)
    for sink in touched.values():
        try:
            sink.flush()
        except Exception:
            log.debug("charging: answers found nobody", exc_info=True)


def _at_once(do: Callable[[], None]) -> None:
    do()


class LocalNode:
    """The in-process API: ``ask`` returns when the answer is durable. Safe to use from several threads.

    >>> import tempfile
    >>> from workbench.charging.messages import Open, TopUp, decode_answer as decode
    >>> with tempfile.TemporaryDirectory() as folder, LocalNode(Path(folder)) as node:
    ...     _ = node.ask(Open(account="car-1", id="1"))
    ...     decode(node.ask(TopUp(account="car-1", id="2", amount_nano=5_000_000_000))).balance
    5000000000
    """

    def __init__(self, folder: Path, tenants: tuple[str, ...] = ("main",), **more: object) -> None:
        self._lock = threading.RLock()
        self.durable = DurableNode(folder, tenants, wake=self._woken, **more)  # type: ignore[arg-type]

    def _woken(self, do: Callable[[], None]) -> None:
        with self._lock:
            do()

    def ask(self, message: Command | bytes, tenant: str = "", timeout_seconds: float = 60.0) -> bytes:
        """One request, its answer as bytes (``messages.decode_answer`` reads them).

        Raises:
            TimeoutError: the disk took longer; whether it was done is answered by asking again.
        """
        waiting = _Waiting()
        with self._lock:
            self.durable.take(
                message if isinstance(message, bytes) else encode(message), waiting, None, tenant
            )
            self.durable.flush()
        if not waiting.there.wait(timeout_seconds):
            raise TimeoutError("the answer is not durable yet")
        return waiting.said

    def __enter__(self) -> LocalNode:
        return self

    def __exit__(self, *_: object) -> None:
        self.durable.close()


class _Waiting:
    """One caller that waits for one answer."""

    def __init__(self) -> None:
        self.there, self.said = threading.Event(), b""

    def answer(self, token: object, answer: bytes) -> None:
        self.said = answer

    def flush(self) -> None:
        self.there.set()
