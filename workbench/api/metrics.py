"""What Prometheus scrapes, and the same as one object: made when asked for, from the plain numbers the node keeps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from workbench.journal.settings import SYNC_SECONDS, JournalStats
from workbench.live.figures import FRESH_SECONDS
from workbench.live.node import LiveNode

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Counted(Protocol):
    """A source being collected: its name, and what it counts."""

    name: str
    stats: Any


class Metrics(Collector):
    """Reads a node, its journals' statistics and its collectors."""

    def __init__(
        self,
        node: LiveNode,
        journals: Callable[[], dict[str, JournalStats]] = dict,
        collectors: Callable[[], Iterable[Counted]] = tuple,
    ) -> None:
        self.node, self._journals, self._collectors = node, journals, collectors
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self._registry)

    def status(self) -> dict[str, Any]:
        """The figures as one object."""
        figures, now_ns = self.node.figures, self._now_ns()
        return {
            "ready": self.node.healthy,
            "version": figures.version,
            "messages": figures.messages,
            "landed": figures.landed,
            "events": figures.events,
            "duplicates": figures.duplicates,
            "records": figures.records,
            "rejected": figures.rejected,
            "rejected_by_reason": dict(sorted(figures.reasons.items())),
            "dead_letters": figures.dead,
            "lag_messages": figures.lag_messages,
            "batches": figures.batches,
            "freshness_seconds": {
                "p50": round(figures.freshness_at(0.5), 3), "p99": round(figures.freshness_at(0.99), 3),
            },
            "devices_in_memory": len(self.node.standing.usage),
            "rss_mb": _rss() >> 20,
            "sources": [
                {
                    "source": name, "messages": source.messages, "state": "quiet" if source.quiet(now_ns) else "reporting",
                    "silent_seconds": round(max(0.0, (now_ns - source.last_ns) / 1e9), 1),
                }
                for name, source in sorted(figures.sources.items())
            ],
        }  # fmt: skip

    def collect(self) -> Iterator[Metric]:
        """Every family, as it stands."""
        figures, now_ns = self.node.figures, self._now_ns()
        for name, text, value in (
            ("messages", "Messages taken into the lake", figures.messages),
            ("landed_rows", "Rows that became usage, copies among them", figures.landed),
            ("dead_letters", "Messages refused", figures.dead),
            ("batches", "Commits of the lake", figures.batches),
            ("merged_segments", "Small segments merged away", figures.merged),
            ("busy_seconds", "Time spent on batches", figures.busy_seconds),
        ):
            yield CounterMetricFamily(f"workbench_{name}", text, value=value)
        rejects = CounterMetricFamily(
            "workbench_rejected_rows", "Rows that became no usage", labels=["reason"]
        )
        for reason, count in list(figures.reasons.items()):
            rejects.add_metric([reason], count)
        yield rejects
        for name, text, number in (
            (
                "lag_messages",
                "Journaled messages not yet in the lake, at the last look",
                figures.lag_messages,
            ),
            ("lake_events", "Events in the lake's records", figures.events),
            ("lake_duplicates", "Copies the lake's records tell of", figures.duplicates),
            ("lake_records", "Usage records in the lake", figures.records),
            ("lake_version", "Newest version of the lake", figures.version),
            (
                "dedup_devices",
                "Devices whose last instants decide what is new",
                len(self.node.standing.usage),
            ),
            ("resident_bytes", "Memory of this process", _rss()),
            ("ready", "Whether messages are being taken", int(self.node.healthy)),
        ):
            yield GaugeMetricFamily(f"workbench_{name}", text, value=number)
        yield _histogram(
            "workbench_freshness_seconds", "From receipt to record, by message", FRESH_SECONDS,
            figures.fresh_counts, figures.fresh_sum,
        )  # fmt: skip
        yield from self._sources(now_ns)
        yield from self._wires()

    def _sources(self, now_ns: int) -> Iterator[Metric]:
        counts = CounterMetricFamily("workbench_source_messages", "Messages by source", labels=["source"])
        silent = GaugeMetricFamily(
            "workbench_source_silent_seconds", "Since its last message", labels=["source"]
        )
        quiet = GaugeMetricFamily(
            "workbench_source_quiet",
            "1: it says nothing, which is not the same as saying zero",
            labels=["source"],
        )
        for name, source in sorted(self.node.figures.sources.items()):
            counts.add_metric([name], source.messages)
            silent.add_metric([name], max(0.0, (now_ns - source.last_ns) / 1e9))
            quiet.add_metric([name], int(source.quiet(now_ns)))
        yield from (counts, silent, quiet)

    def _wires(self) -> Iterator[Metric]:
        for name, stats in sorted(self._journals().items()):
            yield _histogram(
                "workbench_journal_sync_seconds", "Time of one journal commit", SYNC_SECONDS, stats.sync_counts,
                stats.sync_seconds_sum, {"journal": name},
            )  # fmt: skip
        received = CounterMetricFamily(
            "workbench_collector_received", "Taken from the wire", labels=["source"]
        )
        known = CounterMetricFamily("workbench_collector_acknowledged", "Told to be safe", labels=["source"])
        pauses = CounterMetricFamily(
            "workbench_collector_pauses", "Times a wire was held back", labels=["source"]
        )
        for collector in self._collectors():
            received.add_metric([collector.name], collector.stats.received)
            known.add_metric([collector.name], collector.stats.acknowledged)
            pauses.add_metric([collector.name], collector.stats.pauses)
        yield from (received, known, pauses)

    def _now_ns(self) -> int:
        return int(self.node.clock.now().timestamp() * 1e6) * 1000


def _histogram(
    name: str,
    text: str,
    bounds: tuple[float, ...],
    counts: list[int],
    total: float,
    labels: dict[str, str] | None = None,
) -> Metric:
    family = HistogramMetricFamily(name, text, labels=list(labels or {}))
    running, buckets = 0, []
    for bound, count in zip((*map(str, bounds), "+Inf"), counts, strict=True):
        running += count
        buckets.append((bound, running))
    family.add_metric(list((labels or {}).values()), buckets, total)
    return family


def _rss() -> int:
    """Resident memory, bytes; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0
