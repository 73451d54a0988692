"""A collector in a process of its own, which can be told to die at a place: ``python -m tests.contract.worker …``.

before    SIGKILL when the n-th group is about to be synced: not durable, not acknowledged
after     SIGKILL when the n-th group is durable and nobody has been told
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.contract.wires import read_source
from workbench.collectors.kinds import collector_for
from workbench.journal.frame import RECORDS
from workbench.journal.journal import Journal
from workbench.journal.segment import Segment
from workbench.journal.settings import JournalSettings


def die_at(place: str, number: int) -> None:
    """Arm the trap."""
    real, seen = Segment.write, 0

    def write(segment: Segment, frame: bytes) -> None:
        nonlocal seen
        if frame[4] == RECORDS:
            seen += 1
            if place == "before" and seen == number:
                os.pwrite(
                    segment.handle, frame[: len(frame) // 2], segment.at
                )  # and torn, as a power cut leaves it
                os.kill(os.getpid(), signal.SIGKILL)
        real(segment, frame)
        if place == "after" and seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    Segment.write = write  # type: ignore[method-assign]


def main(source: str, root: str, worker: str, place: str = "", number: str = "1") -> None:
    """Collect until SIGTERM; ``ready`` on stdout when it has begun."""
    if place:
        die_at(place, int(number))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    settings = JournalSettings(segment_bytes=1 << 20, retry_seconds=0.05)
    with (
        Journal(Path(root) / f"worker-{worker}", settings) as journal,
        collector_for(read_source(Path(source)), journal, worker=worker),
    ):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    main(*sys.argv[1:])
