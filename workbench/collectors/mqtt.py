"""A subscription at an MQTT broker: paho, manual acknowledgement, a session that outlives us.

The client's own loop reads one packet a turn and acknowledges before anybody could have kept the message. Here a thread
reads as long as packets are there, hands them over in one append, and sends the PUBACKs when the journal says so.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from workbench.clock import nanoseconds
from workbench.collectors.collector import Collector
from workbench.collectors.source import MqttSource
from workbench.collectors.tls import client_context
from workbench.errors import SourceError
from workbench.journal.journal import Journal
from workbench.journal.message import RawMessage

_CONNECT_SECONDS = 15.0
_AGAIN_SECONDS = (0.1, 5.0)
_LEAVE_SECONDS = 10.0
_READS_MAX = 500


class MqttCollector(Collector):
    """One client of one broker. While the journal holds back, nothing is acknowledged and nothing more is read; the
    receive maximum (MQTT 5) or the broker's own window (3.1.1) stops the flow.

    Acknowledgements belong to the connection that brought the message: after a reconnect the broker sends again what
    it was not told about, and an old packet identifier may mean another message.
    """

    def __init__(
        self, source: MqttSource, journal: Journal, now_ns: Callable[[], int] = nanoseconds, worker: str = "0"
    ) -> None:
        super().__init__(source, journal, now_ns, worker)
        self.source = source
        self._address = urlsplit(source.url)
        if self._address.scheme not in {"mqtt", "mqtts"} or not self._address.hostname:
            raise SourceError(
                f"{source.url!r} is no MQTT address.",
                where=f"source {source.name}",
                cure="Write mqtt://host:1883 or mqtts://host:8883.",
            )
        self._five = source.version == "5"
        self._fresh: list[RawMessage] = []
        self._packet_ids: list[tuple[int, int]] = []
        self._durable: deque[tuple[int, list[tuple[int, int]], int]] = deque()
        self._connection = 0
        self._for_good = False
        self._in_flight = 0
        self._accepted = threading.Event()
        self._unsubscribed = threading.Event()
        self._refusal = ""
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._client = self._made()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Connect and subscribe. Raises ``SourceError`` when the broker cannot be reached or refuses."""
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{self.name}", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _CONNECT_SECONDS
        while not self._accepted.wait(0.05):
            if self._refusal or time.monotonic() > deadline:
                why = self._refusal or "no answer"
                self.stop()
                raise SourceError(
                    f"The broker cannot be used: {why}.",
                    where=self.source.url,
                    cure="Is it running? Check the address, the name and the password.",
                )

    def stop(self, for_good: bool = False) -> None:
        """Take no more; acknowledge what became durable; the broker keeps our session unless it is ``for_good``."""
        self._for_good = for_good
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(30)
            self._thread = None

    # ---- the client ----------------------------------------------------------------------------------------------

    def _made(self) -> paho.Client:
        source = self.source
        # The id names the session: the same after a restart, another for another worker.
        client_id = f"{source.client_id or 'workbench-' + source.name}-{self.worker}"
        said: dict[str, Any] = {"protocol": paho.MQTTv5 if self._five else paho.MQTTv311}
        if not self._five:
            said["clean_session"] = False
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id, manual_ack=True, **said)
        if source.username:
            password = Path(source.password_file).read_text().strip() if source.password_file else None
            client.username_pw_set(source.username, password)
        if self._address.scheme == "mqtts":
            client.tls_set_context(client_context(source.tls, f"source {source.name}"))
        client.on_connect, client.on_message = self._connected, self._message
        client.on_subscribe, client.on_disconnect = self._subscribed, self._disconnected
        client.on_unsubscribe = lambda *_: self._unsubscribed.set()
        return client

    def _connect(self) -> None:
        port = self._address.port or (8883 if self._address.scheme == "mqtts" else 1883)
        said: dict[str, Any] = {}
        if self._five:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = self.source.session_expiry_seconds
            properties.ReceiveMaximum = min(self.source.in_flight_max, 65_535)
            said = {"clean_start": False, "properties": properties}
        self._client.connect(self._address.hostname or "", port, keepalive=30, **said)

    def _connected(self, client: paho.Client, _u: object, _f: object, reason: Any, _p: object = None) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
            return
        client.subscribe([(topic, self.source.qos) for topic in self.source.topics])

    def _subscribed(
        self, client: paho.Client, _u: object, _mid: int, reasons: Any, _p: object = None
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._refusal = f"a subscription was refused ({refused[0]})"
            return
        self.stats.connected = True
        self._accepted.set()

    def _disconnected(
        self, client: paho.Client, _u: object, _f: object, reason: Any, _p: object = None
    ) -> None:
        self.stats.connected = False

    def _message(self, client: paho.Client, _u: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = message._topic.decode("utf-8", "backslashreplace")
        content_type = getattr(message.properties, "ContentType", "") if self._five else ""
        if message.dup:
            self.stats.redelivered += 1
        if message.qos:
            self._packet_ids.append((message.mid, message.qos))
        self._fresh.append(self.message(topic, bytes(message.payload), content_type))

    # ---- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        pause = _AGAIN_SECONDS[0]
        while not self._stopping.is_set():
            try:
                self._connect()
                pause = _AGAIN_SECONDS[0]
                self._converse()
            except OSError as problem:
                if not self._accepted.is_set():
                    self._refusal = self._refusal or str(problem)
                self.note(f"the broker cannot be reached: {problem}")
            self._fresh, self._packet_ids = [], []
            self._connection += 1
            self._stopping.wait(pause)
            pause = min(pause * 2, _AGAIN_SECONDS[1])
        os.close(self._wake_read)

    def _converse(self) -> None:
        """Until the connection breaks, or we stop: then what was taken is acknowledged first."""
        client, looked = self._client, 0.0
        while not self._stopping.is_set():
            socket: Any = client.socket()
            if socket is None:
                return
            blocked = self._in_flight > 2 * self.source.in_flight_max or self.held_back()
            readable, writable, _ = select.select(
                [self._wake_read] if blocked else [self._wake_read, socket],
                [socket] if client.want_write() else [],
                [],
                0.05 if blocked else 0.5,
            )
            if self._wake_read in readable:
                os.read(self._wake_read, 4096)
            self._acknowledge()
            if (socket in readable or _pending(socket)) and not blocked:
                self._read()
            if writable:
                client.loop_write()
            if time.monotonic() - looked > 1:
                looked = time.monotonic()
                client.loop_misc()
        self._leave()

    def _leave(self) -> None:
        """Acknowledge what is durable, say goodbye, and wait until the broker has heard it.

        The broker reads one packet a turn. Were the connection of our successor there before it came to our last
        acknowledgements, it would drop them and send those messages again.
        """
        if self._for_good:
            self._drain()
        self.journal.flush(10)
        self._acknowledge()
        socket: Any = self._client.socket()
        if socket is None:
            return
        heard = os.dup(socket.fileno())
        try:
            properties = None
            if self._five and self._for_good:
                properties = Properties(PacketTypes.DISCONNECT)
                properties.SessionExpiryInterval = 0
            self._client.disconnect(properties=properties)
            deadline = time.monotonic() + _LEAVE_SECONDS
            while (left := deadline - time.monotonic()) > 0 and select.select([heard], [], [], left)[0]:
                if not os.read(heard, 65_536):
                    break
        except OSError:
            pass  # the broker has gone already
        finally:
            os.close(heard)

    def _drain(self) -> None:
        """Before we go for good: the broker sends us nothing new, and what it sent is kept and acknowledged."""
        self._unsubscribed.clear()
        self._client.unsubscribe(list(self.source.topics))
        deadline = time.monotonic() + _LEAVE_SECONDS
        while (socket := cast(Any, self._client.socket())) is not None and time.monotonic() < deadline:
            if select.select([socket], [], [], 0.2)[0] or _pending(socket):
                self._read()
            elif self._unsubscribed.is_set():
                return

    def _read(self) -> None:
        """Packets as long as each turn brings a message, then one append."""
        for _ in range(_READS_MAX):
            before = len(self._fresh)
            if self._client.loop_read() != paho.MQTT_ERR_SUCCESS or len(self._fresh) == before:
                break
        if not self._fresh:
            return
        fresh, ids, connection = self._fresh, self._packet_ids, self._connection
        self._fresh, self._packet_ids = [], []
        self._in_flight += len(fresh)
        self.keep(fresh, None, lambda: self._tell(connection, ids, len(fresh)))

    def _tell(self, connection: int, ids: list[tuple[int, int]], count: int) -> None:
        self._durable.append((connection, ids, count))
        try:
            os.write(self._wake_write, b"\x01")
        except (BlockingIOError, BrokenPipeError):
            pass  # it is awake already, or has ended

    def _acknowledge(self) -> None:
        while self._durable:
            connection, ids, count = self._durable.popleft()
            self._in_flight -= count
            if connection != self._connection:
                continue
            self.stats.acknowledged += count
            for packet_id, qos in ids:
                self._client.ack(packet_id, qos)


def _pending(socket: Any) -> bool:
    """Whether TLS has bytes that the operating system no longer shows."""
    return bool(getattr(socket, "pending", lambda: 0)())
