"""The embedded listener: devices speak MQTT to the workbench itself, and a PUBACK means that the journal has it.

It is an ingest endpoint, not a broker: nothing can be subscribed to, nothing is retained, wills are not told. It takes
CONNECT, PUBLISH at QoS 0 and 1, PINGREQ and DISCONNECT of MQTT 3.1.1 and 5, and says so to whoever asks for more.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from workbench.clock import nanoseconds
from workbench.collectors.collector import Collector
from workbench.collectors.listener_session import Session
from workbench.collectors.source import ListenerSource
from workbench.collectors.tls import server_context
from workbench.collectors.tokens import Tokens
from workbench.errors import SourceError
from workbench.journal.journal import Journal

_TICK_SECONDS = 0.02


class ListenerCollector(Collector):
    """Listens on one port with an event loop on its own thread. ``port`` is the real one after ``start``.

    What a session is told (its messages are durable) comes from the journal's thread; it is handed over to the loop
    in bunches, one wake-up for many.
    """

    def __init__(
        self,
        source: ListenerSource,
        journal: Journal,
        now_ns: Callable[[], int] = nanoseconds,
        worker: str = "0",
    ) -> None:
        super().__init__(source, journal, now_ns, worker)
        self.source = source
        self.host, self.port = source.host, source.port
        self.tokens = Tokens(Path(source.tokens)) if source.tokens else None
        self._context = server_context(
            source.tls, source.host, source.plain_text_allowed, f"source {source.name}"
        )
        self.sessions: set[Session] = set()
        self.by_client_id: dict[tuple[str, str], Session] = {}
        self.blocked = False
        self._durable: deque[tuple[Session, list[int], int]] = deque()
        self._woken = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._problem: OSError | None = None

    def start(self) -> None:
        """Listen. Raises ``SourceError`` when the port cannot be had."""
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(ready,), name=f"listener-{self.name}", daemon=True
        )
        self._thread.start()
        ready.wait()
        if self._problem is not None:
            raise SourceError(
                f"Cannot listen: {self._problem.strerror or self._problem}.",
                where=f"{self.host}:{self.port}",
                cure="Is another program on that port? Choose another with `port:`; 0 takes any that is free.",
                code="source_port",
            )
        self.stats.connected = True

    def stop(self, for_good: bool = False) -> None:
        """Take no more, acknowledge what became durable, say goodbye."""
        if self._thread is None or self._loop is None:
            return
        self._stopping.set()
        self._thread.join(30)
        self.stats.connected = False

    def told_durable(self, session: Session, packet_ids: list[int], count: int) -> None:
        """Called on the journal's thread: these may be acknowledged."""
        self._durable.append((session, packet_ids, count))
        if not self._woken and self._loop is not None:
            self._woken = True
            self._loop.call_soon_threadsafe(self._acknowledge)

    def _acknowledge(self) -> None:
        self._woken = False
        while self._durable:
            session, packet_ids, count = self._durable.popleft()
            self.stats.acknowledged += count
            session.acknowledge(packet_ids, count)

    def _run(self, ready: threading.Event) -> None:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            server = await self._loop.create_server(
                lambda: Session(self), self.host, self.port, ssl=self._context, backlog=1024
            )
        except OSError as problem:
            self._problem = problem
            ready.set()
            return
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        ticks = 0
        while not self._stopping.is_set():
            await asyncio.sleep(_TICK_SECONDS)
            self._hold_back()
            ticks += 1
            if ticks % 50 == 0:
                for session in list(self.sessions):
                    session.check_alive(self._loop.time())
        server.close()
        await self._say_goodbye()

    def _hold_back(self) -> None:
        blocked = self.held_back()
        if blocked != self.blocked:
            self.blocked = blocked
            for session in self.sessions:
                session.regulate()

    async def _say_goodbye(self) -> None:
        """Sessions stop reading; what they sent is made durable and acknowledged, then they are closed."""
        assert self._loop is not None
        for session in list(self.sessions):
            session.draining = True
            session.regulate()
        await self._loop.run_in_executor(None, _flushed, self.journal)
        await asyncio.sleep(0)
        self._acknowledge()
        for session in list(self.sessions):
            session.goodbye()
        await asyncio.sleep(0.05)


def _flushed(journal: Journal) -> bool:
    return journal.state != "closed" and journal.flush(10)
