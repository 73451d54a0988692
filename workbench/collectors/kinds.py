"""Which collector a source wants. A wire's module is imported when it is used: not everybody has every client."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from workbench.clock import nanoseconds
from workbench.collectors.collector import Collector
from workbench.collectors.source import Source
from workbench.journal.journal import Journal

_KINDS = {
    "mqtt": ("mqtt", "MqttCollector"),
    "listener": ("listener", "ListenerCollector"),
    "http": ("http", "HttpCollector"),
    "kafka": ("kafka", "KafkaCollector"),
    "pulsar": ("pulsar", "PulsarCollector"),
    "amqp": ("amqp", "AmqpCollector"),
    "files": ("files", "FileCollector"),
}

#: Kinds that several workers may share; the others are one place: a port, a folder.
SHARED = frozenset({"mqtt", "kafka", "pulsar", "amqp"})


def kind_of(source: Source) -> str:
    """The word after ``kind:``."""
    return str(source.__struct_config__.tag)


def collector_for(
    source: Source, journal: Journal, now_ns: Callable[[], int] = nanoseconds, worker: str = "0"
) -> Collector:
    """The collector of a source, not started. Raises ``SourceError`` when the source cannot be used."""
    module, name = _KINDS[kind_of(source)]
    made: Collector = getattr(import_module(f"workbench.collectors.{module}"), name)(
        source, journal, now_ns, worker
    )
    return made
