"""What a source is: where messages come from, whose they are, and who sent each. One YAML file names them all.

sources:
  lamps:
    kind: mqtt
    url: mqtts://broker.example:8883
    topics: [lamps/+/up]
    identity: topic:lamps/{device}/up
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

from workbench.collectors.identity import check_identity
from workbench.errors import SourceError


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all kinds say.

    Attributes:
        name: the source's name, as mappings know it.
        tenant: whose messages these are; never taken from a payload.
        content_type: what payloads are when the wire does not say.
        identity: what proves which device sent a message; see ``identity.py``.
        in_flight_max: messages taken and not yet acknowledged; the wire is held back beyond.
    """

    name: str = ""
    tenant: str = "main"
    content_type: str = "application/json"
    identity: str = "none"
    in_flight_max: int = 2000


class TlsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files of certificates, PEM. ``ca`` checks the other side; ``certificate`` and ``key`` are our own."""

    ca: str = ""
    certificate: str = ""
    key: str = ""


class MqttSource(Source, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mqtt"):
    """A subscription at a broker. ``$share/GROUP/TOPIC`` shares it among workers (MQTT 5, and mosquitto's 3.1.1)."""

    url: str = "mqtt://127.0.0.1:1883"
    topics: tuple[str, ...]
    qos: int = 1
    version: str = "5"
    client_id: str = ""
    session_expiry_seconds: int = 7 * 86400
    username: str = ""
    password_file: str = ""
    tls: TlsOptions = TlsOptions()


class ListenerSource(Source, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="listener"):
    """Devices speak MQTT to us directly; no broker. ``tokens`` is a file of who may; see ``tokens.py``."""

    host: str = "127.0.0.1"
    port: int = 1883
    tokens: str = ""
    tls: TlsOptions = TlsOptions()
    plain_text_allowed: bool = False


class HttpSource(Source, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="http"):
    """Senders POST to ``/v1/events``. ``wait_seconds``: how long a request waits for the journal before it gets 503."""

    host: str = "127.0.0.1"
    port: int = 8088
    tokens: str = ""
    tls: TlsOptions = TlsOptions()
    plain_text_allowed: bool = False
    wait_seconds: float = 10.0


class KafkaSource(Source, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="kafka"):
    """Topics of a Kafka cluster, read as a member of ``group``. ``options`` go to the client as they are."""

    servers: str
    topics: tuple[str, ...]
    group: str = "workbench"
    options: dict[str, str] = {}


class PulsarSource(Source, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="pulsar"):
    """Topics of a Pulsar cluster. ``mode`` is ``failover`` (in order), ``shared`` or ``key_shared``."""

    url: str
    topics: tuple[str, ...]
    subscription: str = "workbench"
    mode: str = "failover"
    token_file: str = ""
    trust_certificates: str = ""


class AmqpSource(Source, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="amqp"):
    """A queue of an AMQP 0-9-1 broker (RabbitMQ); durable, made when there is none, bound to what ``bind`` lists."""

    url: str
    queue: str
    bind: dict[str, str] = {}


class FileSource(Source, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="files"):
    """A folder in which files appear. A file is taken when it has not changed for ``settle_seconds``."""

    folder: str
    settle_seconds: float = 1.0


AnySource = (
    MqttSource | ListenerSource | HttpSource | KafkaSource | PulsarSource | AmqpSource | FileSource
)  # fmt: skip

_CURE = "See examples/sources.yaml: it shows every kind."


def load_sources(path: Path) -> list[AnySource]:
    """The sources of a file, in its order.

    Raises:
        SourceError: it cannot be read, or says something that no source knows.
    """
    try:
        said = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SourceError(f"The file cannot be read: {error}.", where=str(path), cure=_CURE) from None
    entries = said.get("sources") if isinstance(said, dict) else None
    if not isinstance(entries, dict) or not entries:
        raise SourceError("It names no sources.", where=str(path), cure=_CURE)
    return [_source(str(name), entry, f"{path}, sources.{name}") for name, entry in entries.items()]


def _source(name: str, entry: Any, where: str) -> AnySource:
    if not name.replace("-", "").replace("_", "").isalnum():
        raise SourceError(f"{name!r} is no name.", where=where, cure="Use letters, digits, - and _.")
    try:
        found: AnySource = msgspec.convert(
            {"name": name, **entry} if isinstance(entry, dict) else entry, AnySource
        )
    except msgspec.ValidationError as error:
        raise SourceError(f"{error}.", where=where, cure=_CURE) from None
    check_identity(found.identity, where)
    return found
