"""How much memory this process holds: at most so far, and at most within a stage.

The kernel's own high-water mark is for the life of the process, and resetting it would hide the truth from whoever
measures from outside. So a stage's peak is looked at many times a second, and the whole run's is the kernel's.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
import threading
from pathlib import Path

import pyarrow as pa

_STATM = Path("/proc/self/statm")
_EVERY_SECONDS = 0.02
_MB = 1 << 20


def highest_mb() -> int:
    """The most this process ever held, as the kernel tells it [MB of 2**20 bytes]."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used // _MB if sys.platform == "darwin" else used // 1024


def held_mb() -> int:
    """What this process holds now [MB of 2**20 bytes]; the most it ever held where the system does not tell."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // _MB
    except OSError:
        return highest_mb()


def release() -> None:
    """Give memory that nobody uses back to the system, so that a stage does not stand on the one before it."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    try:
        ctypes.CDLL(None).malloc_trim(0)  # glibc keeps freed blocks otherwise
    except (OSError, AttributeError):
        return


class Peak:
    """The most memory held from its making until ``stop``."""

    def __init__(self) -> None:
        self._most = held_mb()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory", daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Stop looking; the most that was held [MB of 2**20 bytes], give or take what came and went in 20 ms."""
        self._done.set()
        self._thread.join()
        self._most = max(self._most, held_mb())
        return self._most

    def _look(self) -> None:
        while not self._done.wait(_EVERY_SECONDS):
            self._most = max(self._most, held_mb())
