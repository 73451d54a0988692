"""TLS with certificates made here: the embedded listener, the MQTT collector at a real mosquitto, HTTP."""

from __future__ import annotations

import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import paho.mqtt.client as paho
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion

from tests.brokers.broker import Mosquitto
from tests.collectors.reading import everything, wait_until
from workbench.collectors.http import HttpCollector
from workbench.collectors.listener import ListenerCollector
from workbench.collectors.mqtt import MqttCollector
from workbench.collectors.source import HttpSource, ListenerSource, MqttSource, TlsOptions
from workbench.errors import SourceError
from workbench.journal.journal import Journal


class Pair(NamedTuple):
    """Files of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority of our own."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._signed(self._name, self._key.public_key(), [], authority=True)
        self.ca = folder / f"{name.replace(' ', '-')}.pem"
        self.ca.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def _signed(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePublicKey,
        hosts: list[str],
        *,
        authority: bool,
        days: int = 30,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        begins = now - timedelta(days=60 if days < 0 else 1)
        builder = (
            x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )  # fmt: skip
        names = [x509.IPAddress(ip_address(h)) if h[0].isdigit() else x509.DNSName(h) for h in hosts]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def pair(self, name: str, hosts: list[str], days: int = 30) -> Pair:
        """A certificate of a common name, for some hosts; of the past when ``days`` is negative."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._signed(subject, key.public_key(), hosts, authority=False, days=days)
        found = Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        found.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        found.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        found.key.chmod(0o644)  # a broker may run as another user
        return found


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journals" / "worker-0") as found:
        yield found


def device(port: int, ca: Path, own: Pair | None = None, name: str = "device") -> paho.Client:
    """A client that checks the other side, as a device should."""
    client = paho.Client(CallbackAPIVersion.VERSION2, name, protocol=paho.MQTTv5)
    context = ssl.create_default_context(cafile=str(ca))
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    client.tls_set_context(context)
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client


def gone(client: paho.Client) -> None:
    client.disconnect()
    client.loop_stop()


def test_devices_speak_tls_to_the_listener(authority: Authority, journal: Journal) -> None:
    server = authority.pair("listener", ["127.0.0.1"])
    tls = TlsOptions(certificate=str(server.certificate), key=str(server.key))
    with ListenerCollector(ListenerSource(name="lamps", port=0, tls=tls), journal) as listener:
        client = device(listener.port, authority.ca)
        client.publish("lamps/1", b'{"a":1}', qos=1).wait_for_publish(10)
        gone(client)
        stranger = Authority(authority.folder, "another authority")
        with pytest.raises(ssl.SSLCertVerificationError):
            device(listener.port, stranger.ca)
        plain = paho.Client(CallbackAPIVersion.VERSION2, "plain", protocol=paho.MQTTv5)
        plain.connect("127.0.0.1", listener.port)
        plain.loop_start()
        plain.publish("lamps/2", b"{}", qos=1)
        wait_until(lambda: not plain.is_connected())
        plain.loop_stop()
        client = device(listener.port, authority.ca, name="again")  # a caller without TLS hurt nobody
        client.publish("lamps/3", b'{"a":3}', qos=1).wait_for_publish(10)
        gone(client)
    assert [message.topic for message in everything(journal.folder)] == ["lamps/1", "lamps/3"]


def test_a_device_s_certificate_says_who_it_is(authority: Authority, journal: Journal) -> None:
    """With a ca the listener asks for certificates: the common name is the device, whatever the payload says."""
    server = authority.pair("listener", ["127.0.0.1"])
    tls = TlsOptions(certificate=str(server.certificate), key=str(server.key), ca=str(authority.ca))
    source = ListenerSource(name="lamps", port=0, tls=tls, identity="certificate")
    with ListenerCollector(source, journal) as listener:
        client = device(listener.port, authority.ca, authority.pair("lamp-7", []))
        client.publish("up", b'{"device":"lamp-8"}', qos=1).wait_for_publish(10)
        gone(client)
        theirs = Authority(authority.folder, "another authority").pair("lamp-9", [])
        refused = paho.Client(CallbackAPIVersion.VERSION2, "forged", protocol=paho.MQTTv5)
        context = ssl.create_default_context(cafile=str(authority.ca))
        context.load_cert_chain(theirs.certificate, theirs.key)
        refused.tls_set_context(context)
        try:  # TLS 1.3 tells the client only when it reads
            refused.connect("127.0.0.1", listener.port)
            refused.loop_start()
            message = refused.publish("up", b"{}", qos=1)
            with pytest.raises((RuntimeError, ValueError)):
                message.wait_for_publish(3)
                assert message.is_published() is False
                raise RuntimeError("it was not taken")
        except (ssl.SSLError, OSError):
            pass
        finally:
            refused.loop_stop()
    (only,) = everything(journal.folder)
    assert only.device == "lamp-7"


def test_certificates_that_do_not_fit_are_refused(
    authority: Authority, journal: Journal, tmp_path: Path
) -> None:
    one, other = authority.pair("one", ["127.0.0.1"]), authority.pair("other", ["127.0.0.1"])
    tls = TlsOptions(certificate=str(one.certificate), key=str(other.key))
    with pytest.raises(SourceError, match="certificates cannot be used"):
        ListenerCollector(ListenerSource(name="l", port=0, tls=tls), journal)
    tls = TlsOptions(certificate=str(tmp_path / "none.crt"))
    with pytest.raises(SourceError, match="certificates cannot be used"):
        ListenerCollector(ListenerSource(name="l", port=0, tls=tls), journal)


def test_http_senders_check_the_collector(authority: Authority, journal: Journal) -> None:
    server = authority.pair("collector", ["127.0.0.1"])
    tls = TlsOptions(certificate=str(server.certificate), key=str(server.key))
    with HttpCollector(HttpSource(name="h", port=0, tls=tls), journal) as http:
        url = f"https://127.0.0.1:{http.port}/v1/events/x"
        request = urllib.request.Request(url, b'{"a":1}', {"Content-Type": "application/json"})
        context = ssl.create_default_context(cafile=str(authority.ca))
        wait_until(lambda: http.stats.connected)
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            assert answer.status == 202
        with pytest.raises(urllib.error.URLError, match="certificate verify failed"):
            urllib.request.urlopen(request, context=ssl.create_default_context(), timeout=10)
    assert [message.topic for message in everything(journal.folder)] == ["x"]


@contextmanager
def running(broker: Mosquitto) -> Iterator[Mosquitto]:
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.mark.broker
@pytest.mark.skipif(
    not (shutil.which("mosquitto") or Path("/usr/sbin/mosquitto").exists()), reason="needs mosquitto"
)
def test_the_mqtt_collector_checks_its_broker(authority: Authority, journal: Journal, tmp_path: Path) -> None:
    """The right authority and name: messages come. A broker of another authority, name or time: no connection."""
    good = authority.pair("broker", ["127.0.0.1"])
    tls = TlsOptions(ca=str(authority.ca))
    with running(Mosquitto(tmp_path / "good", (good.certificate, good.key))) as broker:
        source = MqttSource(
            name="lamps", url=f"mqtts://127.0.0.1:{broker.more_ports[0]}", topics=("lamps/#",), tls=tls
        )
        with MqttCollector(source, journal) as collector:
            wait_until(lambda: collector.stats.connected)
            sender = paho.Client(CallbackAPIVersion.VERSION2, "sender", protocol=paho.MQTTv5)
            sender.connect("127.0.0.1", broker.port)
            sender.loop_start()
            sender.publish("lamps/1", b'{"a":1}', qos=1).wait_for_publish(10)
            wait_until(lambda: collector.stats.acknowledged == 1)
            gone(sender)
    assert [message.topic for message in everything(journal.folder)] == ["lamps/1"]
    strangers = [
        Authority(tmp_path, "another authority").pair("strange", ["127.0.0.1"]),
        authority.pair("misnamed", ["broker.example"]),
        authority.pair("old", ["127.0.0.1"], days=-1),
    ]
    for number, pair in enumerate(strangers):
        with running(Mosquitto(tmp_path / f"bad{number}", (pair.certificate, pair.key))) as broker:
            url = f"mqtts://127.0.0.1:{broker.more_ports[0]}"
            collector = MqttCollector(MqttSource(name=f"l{number}", url=url, topics=("x",), tls=tls), journal)
            with pytest.raises((SourceError, ssl.SSLError)), collector:
                wait_until(lambda c=collector: c.stats.connected, 5)
