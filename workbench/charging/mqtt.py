"""MQTT 5 request/response: a request is published to ``<prefix>/<tenant>/request`` with a response topic.

The answer goes to that topic with the same correlation data, at QoS 1. The tenant is the topic's, so the broker's access
rules say who may speak for whom. A request without a response topic is carried out; its answer goes nowhere.
"""

from __future__ import annotations

import logging
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from workbench.charging.service import Service

log = logging.getLogger(__name__)
RECEIVE_MAX = 1000
"""Requests the broker may have on their way to us at once; more wait at the broker."""


class MqttDoor:
    """A node behind a broker. paho's thread brings requests, the service's loop answers."""

    def __init__(
        self, service: Service, host: str, port: int, prefix: str = "charging", client_id: str = ""
    ) -> None:
        self._service, self._prefix = service, prefix
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=client_id or None, protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.on_connect = self._connected
        self._client.on_message = self._message
        self._client.max_queued_messages_set(100_000)
        limits = Properties(PacketTypes.CONNECT)
        limits.ReceiveMaximum = RECEIVE_MAX
        self._client.connect(host, port, keepalive=30, properties=limits)
        self._client.loop_start()

    def _connected(self, client: Client, *_: Any) -> None:
        client.subscribe(f"{self._prefix}/+/request", qos=1)

    def _message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        tenant = message.topic.split("/")[-2]
        properties = message.properties
        back = getattr(properties, "ResponseTopic", "")
        token = (back, getattr(properties, "CorrelationData", None))
        body = bytes(message.payload)
        self._service.loop.call_soon_threadsafe(self._service.take, body, self, token, tenant)

    def answer(self, token: Any, answer: bytes) -> None:
        """Publish an answer where the request said."""
        topic, correlation = token
        if not topic:
            return
        properties = Properties(PacketTypes.PUBLISH)
        if correlation is not None:
            properties.CorrelationData = correlation
        self._client.publish(topic, answer, qos=1, properties=properties)

    def flush(self) -> None:
        """paho sends by itself."""

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()
