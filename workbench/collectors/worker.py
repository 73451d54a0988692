"""One worker process: a journal of its own, and its collectors. ``python -m workbench.collectors.worker SOURCES ROOT NAME``.

Worker 0 has every source; the others only those that can be shared. SIGTERM stops it in order; SIGUSR1 does too, for
good: nothing is kept for it at the brokers. Once a second it writes ``status.json`` beside its journal.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from workbench.clock import nanoseconds
from workbench.collectors.collector import Collector
from workbench.collectors.kinds import SHARED, collector_for, kind_of
from workbench.collectors.source import load_sources
from workbench.errors import WorkbenchError
from workbench.journal.journal import Journal
from workbench.journal.settings import JournalSettings

STATUS = "status.json"
_SECONDS = 1.0


def folder_of(root: Path, worker: str) -> Path:
    """Where a worker's journal is."""
    return root / f"worker-{worker}"


def main(sources: str, root: str, worker: str, backlog_bytes_max: str = "0") -> int:
    """Run until told to stop. Exit code 2 and one line on stderr when a source cannot be used."""
    stops = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    settings = JournalSettings(backlog_bytes_max=int(backlog_bytes_max) or None)
    try:
        with ExitStack() as stack:
            journal = stack.enter_context(Journal(folder_of(Path(root), worker), settings))
            collectors: list[Collector] = []
            for source in load_sources(Path(sources)):
                if worker == "0" or kind_of(source) in SHARED:
                    collectors.append(collector_for(source, journal, worker=worker))
            for each in collectors:
                each.start()
            told = None
            while told is None:
                _say(journal, collectors)
                told = signal.sigtimedwait(stops, _SECONDS)
            for each in collectors:
                each.stop(for_good=told.si_signo == signal.SIGUSR1)
            _say(journal, collectors)
    except WorkbenchError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _say(journal: Journal, collectors: list[Collector]) -> None:
    stats = journal.stats()
    said: dict[str, Any] = {
        "at_ns": nanoseconds(),
        "pid": os.getpid(),
        "cpu_seconds": time.process_time(),
        "journal": {
            "state": journal.state, "end": journal.end, "messages": stats.messages, "bytes": stats.bytes,
            "commits": stats.commits, "waiting_bytes": stats.waiting_bytes, "kept_bytes": stats.kept_bytes,
            "sync_seconds_sum": stats.sync_seconds_sum, "sync_seconds_max": stats.sync_seconds_max,
            "sync_counts": stats.sync_counts,
        },
        "sources": {each.name: _source(each) for each in collectors},
    }  # fmt: skip
    temporary = journal.folder / f".{STATUS}.tmp"
    try:
        temporary.write_text(json.dumps(said))
        temporary.replace(journal.folder / STATUS)
    except OSError:
        pass  # a full disk must not stop a worker that waits for space


def _source(collector: Collector) -> dict[str, Any]:
    stats = collector.stats
    return {
        "connected": stats.connected, "received": stats.received, "acknowledged": stats.acknowledged,
        "redelivered": stats.redelivered, "refused": stats.refused, "pauses": stats.pauses, "lag": collector.lag(),
        "last_received_ns": stats.last_received_ns, "notes": list(stats.notes)[-5:],
        "port": getattr(collector, "port", None),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
