"""A broker as a process: started on free ports in a folder of its own, killed, started again on the same ports."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

from tests.brokers.jars import jars


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


class Broker(ABC):
    """One broker. ``kill`` is SIGKILL to its whole process group: what it had not written is gone."""

    ready_seconds = 90.0
    ports = 1

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, *self.more_ports = [free_port() for _ in range(self.ports)]
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """What to run."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find it."""

    def environment(self) -> dict[str, str]:
        """What to add to the environment."""
        return {}

    def prepare(self) -> None:
        """Before the first start."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def ready(self) -> bool:
        """Whether it answers on its port."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def start(self) -> Broker:
        """Start, and wait until it answers."""
        if not (self.folder / "prepared").exists():
            self.prepare()
            (self.folder / "prepared").touch()
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(
            self.command(), cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            start_new_session=True, env={**os.environ, **self.environment()},
        )  # fmt: skip
        deadline = time.monotonic() + self.ready_seconds
        while not self.ready():
            tail = (self.folder / "log").read_bytes()[-2000:].decode(errors="replace")
            assert self._process.poll() is None, f"{type(self).__name__} ended: {tail}"
            assert time.monotonic() < deadline, f"{type(self).__name__} did not answer: {tail}"
            time.sleep(0.1)
        return self

    def kill(self, sign: signal.Signals = signal.SIGKILL) -> None:
        """End it, and everything it started."""
        if self._process is not None:
            try:
                os.killpg(self._process.pid, sign)
            except ProcessLookupError:
                pass
            self._process.wait(30)
            self._process = None

    def stop(self) -> None:
        """End it for good."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Mosquitto(Broker):
    """MQTT 3.1.1 and 5. ``more_ports[0]`` speaks TLS when ``tls`` is given.

    Args:
        saved: written to disk whole on every change; only then does it lose nothing when it is killed, and it is slow.
    """

    ports = 2

    def __init__(self, folder: Path, tls: tuple[Path, Path] | None = None, saved: bool = True) -> None:
        super().__init__(folder)
        self.tls, self.saved = tls, saved

    def prepare(self) -> None:
        """Its configuration."""
        super().prepare()
        lines = [
            f"listener {self.port} 127.0.0.1", "allow_anonymous true", "user root", "max_queued_messages 0",
            "max_inflight_messages 1000", "max_keepalive 65535", f"persistence_location {self.folder}/",
        ]  # fmt: skip
        if self.saved:
            lines += ["persistence true", "autosave_on_changes true", "autosave_interval 1"]
        if self.tls:
            lines += [
                f"listener {self.more_ports[0]} 127.0.0.1",
                f"certfile {self.tls[0]}",
                f"keyfile {self.tls[1]}",
            ]
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    def command(self) -> list[str]:
        """Debian's program."""
        return [shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", "mosquitto.conf"]

    @property
    def url(self) -> str:
        """An MQTT address."""
        return f"mqtt://127.0.0.1:{self.port}"


class RabbitMq(Broker):
    """AMQP 0-9-1, a node of its own with its own port mapper, so that no daemon is left behind."""

    ports = 3

    def command(self) -> list[str]:
        """The port mapper in the background of the same process group, then the node."""
        epmd = f"epmd -port {self.more_ports[1]} & exec /usr/lib/rabbitmq/bin/rabbitmq-server"
        return ["bash", "-c", epmd]

    def environment(self) -> dict[str, str]:
        """Everything in our folder, everything on our ports."""
        return {
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(self.more_ports[0]),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "ERL_EPMD_PORT": str(self.more_ports[1]),
        }

    def prepare(self) -> None:
        """No plugins, no settings."""
        super().prepare()
        (self.folder / "plugins").write_text("[].\n")

    def ready(self) -> bool:
        """The port opens before the node answers: say hello as a client does."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as opened:
                opened.sendall(b"AMQP\x00\x00\x09\x01")
                return len(opened.recv(4)) > 0
        except OSError:
            return False

    @property
    def url(self) -> str:
        """An AMQP address."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"


_JAVA = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


class Kafka(Broker):
    """Apache Kafka, one node that is broker and controller (KRaft)."""

    ports = 2

    def prepare(self) -> None:
        """Its configuration and its formatted storage. One partition unless a topic says otherwise."""
        super().prepare()
        controller = self.more_ports[0]
        (self.folder / "server.properties").write_text(
            "\n".join([
                "process.roles=broker,controller", "node.id=1", f"controller.quorum.voters=1@127.0.0.1:{controller}",
                f"listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
                f"advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}", "controller.listener.names=CONTROLLER",
                f"log.dirs={self.folder}/logs", "offsets.topic.replication.factor=1", "offsets.topic.num.partitions=2",
                "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
                "group.initial.rebalance.delay.ms=0", "log.retention.check.interval.ms=500",
                "log.segment.delete.delay.ms=100", "num.network.threads=2", "num.io.threads=2",
            ]) + "\n"
        )  # fmt: skip
        subprocess.run(
            [*self._java("256m"), "kafka.tools.StorageTool", "format", "-t", "WB9hZmthLXRlc3RzLTAwMQ", "-c", "server.properties"],
            cwd=self.folder, check=True, capture_output=True, timeout=120,
        )  # fmt: skip

    def _java(self, heap: str) -> list[str]:
        return [*_JAVA, f"-Xmx{heap}", "-cp", f"{jars('kafka')}/*"]

    def command(self) -> list[str]:
        """The server's own main class."""
        return [*self._java("512m"), "kafka.Kafka", "server.properties"]

    def ready(self) -> bool:
        """Answers a client's question for its topics."""
        if not super().ready():
            return False
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        try:
            return bool(
                AdminClient({"bootstrap.servers": self.url, "log_level": 0}).list_topics(timeout=3).brokers
            )
        except KafkaException:
            return False

    @property
    def url(self) -> str:
        """For ``bootstrap.servers``."""
        return f"127.0.0.1:{self.port}"


class Pulsar(Broker):
    """Apache Pulsar standalone: broker, one bookie, metadata in RocksDB, one process."""

    ports = 3
    ready_seconds = 180.0

    def prepare(self) -> None:
        """Its configuration: one copy of everything, nothing that is not needed."""
        super().prepare()
        (self.folder / "standalone.conf").write_text(
            "\n".join([
                "clusterName=standalone", f"brokerServicePort={self.port}", f"webServicePort={self.more_ports[0]}",
                "bindAddress=127.0.0.1", "advertisedAddress=127.0.0.1", "managedLedgerDefaultEnsembleSize=1",
                "managedLedgerDefaultWriteQuorum=1", "managedLedgerDefaultAckQuorum=1", "loadBalancerEnabled=false",
                "brokerDeleteInactiveTopicsEnabled=false", "numIOThreads=2", "numHttpServerThreads=4",
            ]) + "\n"
        )  # fmt: skip

    def command(self) -> list[str]:
        """The starter's own main class, with the doors that Java 17 keeps shut for it."""
        opened = [
            "java.base/java.lang", "java.base/java.nio", "java.base/jdk.internal.misc", "java.base/jdk.internal.platform",
            "java.base/sun.net", "java.management/sun.management", "jdk.management/com.sun.management.internal",
        ]  # fmt: skip
        doors = [word for each in opened for word in ("--add-opens", f"{each}=ALL-UNNAMED")]
        return [
            *_JAVA, "-Xmx640m", "-XX:MaxDirectMemorySize=512m", *doors, "-Dio.netty.tryReflectionSetAccessible=true",
            "-cp", f"{jars('pulsar')}/*", "org.apache.pulsar.PulsarStandaloneStarter", "--config", "standalone.conf",
            "--metadata-dir", "data/metadata", "--bookkeeper-dir", "data/bookkeeper", "--num-bookies", "1",
            "--bookkeeper-port", str(self.more_ports[1]), "--no-functions-worker", "--no-stream-storage",
            "--advertised-address", "127.0.0.1",
        ]  # fmt: skip

    def ready(self) -> bool:
        """The broker says of itself that it is, and has the namespace that clients use."""
        import urllib.error
        import urllib.request

        try:
            where = f"http://127.0.0.1:{self.more_ports[0]}/admin/v2/namespaces/public"
            with urllib.request.urlopen(where, timeout=2) as answer:
                return b"public/default" in answer.read()
        except (urllib.error.URLError, OSError):
            return False

    @property
    def url(self) -> str:
        """A Pulsar address."""
        return f"pulsar://127.0.0.1:{self.port}"


BROKERS: dict[str, type[Broker]] = {
    "mosquitto": Mosquitto,
    "rabbitmq": RabbitMq,
    "kafka": Kafka,
    "pulsar": Pulsar,
}
