"""MQTT 5 request/response through a real broker."""

from __future__ import annotations

import queue
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.charging.world import CATALOGUE, EUR
from workbench.charging.messages import Balance, Command, Debit, Open, TopUp, decode_answer, encode
from workbench.charging.serve import Doors, Threaded

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
pytestmark = [pytest.mark.broker, pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto")]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    assert MOSQUITTO is not None
    process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    yield port
    process.terminate()
    process.wait(10)


class Asker:
    """A client that asks over MQTT and waits for the answer with its own correlation data."""

    def __init__(self, port: int) -> None:
        self.heard: queue.Queue[tuple[bytes, bytes]] = queue.Queue()
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.on_message = self._message
        self.client.connect("127.0.0.1", port)
        self.client.subscribe("answers/me", qos=1)
        self.client.loop_start()

    def _message(self, client: Any, userdata: Any, message: Any) -> None:
        self.heard.put((getattr(message.properties, "CorrelationData", b""), message.payload))

    def ask(self, message: Command, tenant: str = "main", number: bytes = b"1") -> Any:
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic, properties.CorrelationData = "answers/me", number
        self.client.publish(f"charging/{tenant}/request", encode(message), qos=1, properties=properties)
        correlation, answer = self.heard.get(timeout=20)
        assert correlation == number
        return decode_answer(answer)


def test_requests_answers_tenants_and_notices(tmp_path: Path, broker: int) -> None:
    doors = Doors(tmp_path / "node", ("main", "them"), CATALOGUE, mqtt=("127.0.0.1", broker))
    with Threaded(doors):
        time.sleep(0.5)
        asker = Asker(broker)
        notices: queue.Queue[bytes] = queue.Queue()
        asker.client.message_callback_add("charging/main/notices/#", lambda c, u, m: notices.put(m.payload))
        asker.client.subscribe("charging/main/notices/#", qos=1)
        assert asker.ask(Open(account="a", id="o", offers=("car",), low_nano=(EUR // 2,))).ok
        assert asker.ask(TopUp(account="a", id="t", amount_nano=EUR), number=b"\x00\xff").balance > 0
        assert asker.ask(Debit(account="a", id="d", meter="car.sms", units=12)).ok
        assert asker.ask(
            Debit(account="a", id="d", meter="car.sms", units=12)
        ).ok  # the same request, the same answer
        assert asker.ask(Balance(account="a", tenant="them")).code == "forged_tenant"
        assert asker.ask(Balance(account="a", tenant="them"), tenant="them").code == "unknown_account"
        balance = asker.ask(Balance(account="a"))
        assert balance.balance == (EUR - 12 * 50_000_000) * balance.denominator
        assert b"balance_low" in notices.get(timeout=20)
        asker.client.loop_stop()
