"""A charging node with all its doors, as one process or one thread: what ``workbench charge`` runs."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from workbench.charging.cluster import Cluster, child_words
from workbench.charging.edge import Edge
from workbench.charging.framed import serve_tcp, serve_unix
from workbench.charging.guest import Guest
from workbench.charging.http import HttpServer
from workbench.charging.messages import Publish, encode
from workbench.charging.mqtt import MqttDoor
from workbench.charging.node import OPERATOR
from workbench.charging.notify import Notifier
from workbench.charging.overflow import Limits
from workbench.charging.placement import table_at
from workbench.charging.service import SNAPSHOT_REQUESTS, Service
from workbench.tariff.catalogue import loads

SWITCH_SECONDS = 0.0005
"""How soon a thread that waits for the interpreter gets it: the thread that syncs must not wait 5 ms to say so."""


GC_YOUNG, GC_OLD, GC_SECONDS = 10_000, 4, 0.25
"""The collector looks at so many new objects at a time; what has survived this many rounds is not looked at again."""


EDGE_SNAPSHOT_REQUESTS = 20_000
"""An edge lets go of answers sooner: it has little memory."""


@dataclass(slots=True)
class Doors:
    """Where a node is reached, and whom it tells.

    Attributes:
        folder: its log, snapshots and answers.
        tenants: whose accounts.
        catalogue: YAML text to charge by; published once when it is new.
        socket: a socket file for callers on this machine; ``None``: none.
        tcp, http: (host, port); port 0 takes a free one.
        mqtt: (host, port) of a broker.
        tokens: HTTP bearer token to tenant.
        lake: where postings and charges go, with each snapshot and at the end.
        edge, centre: an edge node's name, and where the centre it leases from listens.
        webhook, secret: where notices are posted, and the key they are signed with (``secret_file`` holds it).
        nodes: be a home node that lets accounts overflow to others, within these limits; ``table`` is the shared table's
            place. join: be one of those others, of the home node whose framed door is there; ``own``: it started us.
        advertise: the host under which others reach our doors, when it is not the one they listen on.
    """

    folder: Path
    tenants: tuple[str, ...] = ("main",)
    catalogue: str = ""
    socket: Path | None = None
    tcp: tuple[str, int] | None = None
    http: tuple[str, int] | None = None
    mqtt: tuple[str, int] | None = None
    mqtt_prefix: str = "charging"
    tokens: Mapping[str, str] = field(default_factory=dict)
    lake: Path | None = None
    edge: str = ""
    centre: Path | tuple[str, int] | None = None
    webhook: str = ""
    secret: str = ""
    secret_file: str = ""
    nodes: Limits | None = None
    table: str = ""
    join: str = ""
    own: bool = False
    advertise: str = ""
    snapshot_requests: int = SNAPSHOT_REQUESTS
    more: Mapping[str, Any] = field(default_factory=dict)


class Running:
    """A node whose doors are open.

    Attributes:
        service: the node.
        ports: ``tcp`` and ``http`` as they were taken.
    """

    def __init__(self, doors: Doors) -> None:
        self.doors, self.ports = doors, dict[str, int]()
        self.edge: Edge | None = None
        self.beside: Cluster | Guest | None = None
        more = dict(doors.more)
        if doors.centre is not None:
            doors.folder.mkdir(parents=True, exist_ok=True)
            self.edge = Edge(doors.edge or doors.folder.name, doors.centre, doors.folder / "edge.json")
            told = self.edge.told
            more["listen"] = lambda node: told
        self.service = Service(
            doors.folder, doors.tenants, lake=doors.lake,
            snapshot_requests=EDGE_SNAPSHOT_REQUESTS if self.edge else doors.snapshot_requests, **more,
        )  # fmt: skip
        self._closers: list[Callable[[], Awaitable[None]]] = []

    async def open(self) -> None:
        """Publish the catalogue, then open each door."""
        doors, service = self.doors, self.service
        if self.edge is not None:
            self.edge.attach(service)
            service.more_status = self.edge.status
            service.hold_back = self.edge.untold  # a snapshot must not pass what the centre has not heard
            service.answers_max = EDGE_SNAPSHOT_REQUESTS
            edge = self.edge
            self._closers.append(lambda: asyncio.to_thread(edge.close))
        held = service.durable.node.tariffs
        if doors.catalogue and held.text != doors.catalogue:
            loads(doors.catalogue, "--catalog", {offer.sha256 for offer in held.catalogue.offers})
            await self._publish(doors.catalogue)
        if doors.webhook or doors.mqtt:
            notifier = Notifier(doors.folder, doors.webhook, doors.secret, doors.mqtt, doors.mqtt_prefix)
            service.notify, service.keep_notices = notifier.tell, notifier.sync
            service.tell()  # what was crossed before a crash and not told
            self._closers.append(notifier.close)
        if doors.socket is not None:
            self._listening(await serve_unix(service, doors.socket))
        if doors.tcp is not None:
            server, self.ports["tcp"] = await serve_tcp(service, *doors.tcp)
            self._listening(server)
        if doors.http is not None:
            http = HttpServer(service, *doors.http, doors.tokens)
            self.ports["http"] = await http.start()
            self._closers.append(http.stop)
        await self._meet()
        if doors.mqtt is not None:
            mqtt = await asyncio.to_thread(MqttDoor, service, *doors.mqtt, doors.mqtt_prefix)
            self._closers.append(lambda: asyncio.to_thread(mqtt.close))

    async def _meet(self) -> None:
        """Begin with the nodes beside this one, when there are to be any."""
        doors, service, name = self.doors, self.service, self.doors.folder.name
        if doors.nodes is None and not doors.join:
            return
        assert doors.tcp is not None, "nodes speak with each other over frames"
        address = f"{doors.advertise or doors.tcp[0]}:{self.ports['tcp']}"
        http = f"{doors.advertise or doors.http[0]}:{self.ports['http']}" if doors.http is not None else ""
        if doors.nodes is not None:
            table = await asyncio.to_thread(table_at, doors.table, doors.folder, name)
            words = child_words(doors.folder, doors.tenants, doors.lake, doors.webhook, doors.secret_file)
            both: Cluster | Guest = Cluster(name, service, table, doors.nodes, address, http, words)
        else:
            both = Guest(name, service, doors.join, address, http, own=doors.own)
        self.beside = both
        await both.start()
        service.more_status = both.status
        self._closers.append(both.close)

    def _listening(self, server: asyncio.AbstractServer) -> None:
        async def close() -> None:
            server.close()

        self._closers.append(close)

    async def _publish(self, text: str) -> None:
        done = asyncio.Event()
        said: list[bytes] = []

        class Once:
            def answer(self, token: object, answer: bytes) -> None:
                said.append(answer)

            def flush(self) -> None:
                done.set()

        number = self.service.durable.node.seq + 1
        self.service.take(
            encode(Publish(tenant=OPERATOR, id=f"catalogue at {number}", text=text)), Once(), None, ""
        )
        await done.wait()
        raise_if_refused(said[0])

    async def close(self) -> None:
        """Close the doors, then the node."""
        for close in reversed(self._closers):
            await close()
        await self.service.close()
        if self.doors.lake is not None:
            from workbench.charging.follow import (
                follow,
            )  # brings the lake along, which an edge has no room for

            await asyncio.to_thread(follow, self.doors.folder, self.doors.tenants, None, self.doors.lake)


def raise_if_refused(answer: bytes) -> None:
    """Turn the refusal of an operator's own request into an error.

    Raises:
        ChargingError: with the refusal's code.
    """
    from workbench.charging.messages import decode_answer
    from workbench.errors import ChargingError

    said = decode_answer(answer)
    if not said.ok:
        raise ChargingError(
            said.why, code=said.code, cure="Check the catalogue with `workbench catalog check`."
        )


async def run(doors: Doors, ready: Callable[[Running], None], stop: asyncio.Event | None = None) -> None:
    """Serve until ``stop`` is set, or the process is asked to end."""
    sys.setswitchinterval(SWITCH_SECONDS)
    running = Running(doors)
    stop = stop or asyncio.Event()
    try:
        await running.open()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                running.service.loop.add_signal_handler(number, stop.set)
        ready(running)
        await stop.wait()
    finally:
        await running.close()


def serve(doors: Doors, ready: Callable[[Running], None]) -> None:
    """``run`` on a loop of its own, as all this process does."""

    def begin(running: Running) -> None:
        gc.collect()
        gc.set_threshold(GC_YOUNG, 10, 1_000_000)
        gc.freeze()  # what is there stays: the collector need not look at it again
        _grow(running.service.loop)
        ready(running)

    uvloop.run(run(doors, begin))


def _grow(loop: asyncio.AbstractEventLoop) -> None:
    """Spare the collector what has become old: looking through a million accounts would stop all answers for half a second.

    What dies by reference counts is freed all the same; connections leave no cycles behind.
    """
    if gc.get_count()[2] >= GC_OLD:
        gc.freeze()
    loop.call_later(GC_SECONDS, _grow, loop)


class Threaded:
    """A node with its doors in a thread of this process: for notebooks, pages and tests.

    >>> import tempfile
    >>> from workbench.charging.framed import Caller
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Threaded(Doors(Path(folder), socket=Path(folder) / "node.sock")) as node:
    ...         caller = Caller(node.doors.socket)
    ...         caller.ask(b'{"op":"balance","account":"nobody"}').decode()[:24]
    '{"ok":false,"code":"unkn'
    """

    def __init__(self, doors: Doors) -> None:
        self.doors = doors
        self.running: Running
        self._opened = threading.Event()
        self._error: BaseException | None = None
        self._stop: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._run, name="charging-node", daemon=True)

    def _run(self) -> None:
        async def main() -> None:
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()
            self._stop = lambda: loop.call_soon_threadsafe(stop.set)
            await run(self.doors, self._ready, stop)

        try:
            uvloop.run(main())
        except BaseException as error:
            self._error = error
        finally:
            self._opened.set()

    def _ready(self, running: Running) -> None:
        self.running = running
        self._opened.set()

    def call(self, do: Callable[[], Any], timeout_seconds: float = 30.0) -> Any:
        """Run a function on the node's loop; answers what it returns."""

        async def inner() -> Any:
            return do()

        return asyncio.run_coroutine_threadsafe(inner(), self.running.service.loop).result(timeout_seconds)

    def __enter__(self) -> Threaded:
        self._thread.start()
        self._opened.wait()
        if self._error is not None:
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._thread.join(30)
