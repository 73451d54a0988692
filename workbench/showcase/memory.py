"""How much memory this process held at most, by stage where the kernel lets the mark be reset (Linux)."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from pathlib import Path

import pyarrow as pa

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_highest = 0


def peak_mb() -> int:
    """The highest resident memory since ``reset_peak`` [MB of 2**20 bytes]; since the start where that is not told."""
    global _highest
    try:
        found = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        peak = int(found.split()[1]) // 1024
    except (OSError, StopIteration):
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak = used // (1 << 20) if sys.platform == "darwin" else used // 1024
    _highest = max(_highest, peak)
    return peak


def release() -> None:
    """Give memory that nobody uses back to the system, so that a stage does not stand on the one before it."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    try:
        ctypes.CDLL(None).malloc_trim(0)  # glibc keeps freed blocks otherwise
    except (OSError, AttributeError):
        return


def reset_peak() -> None:
    """Start measuring anew, where the kernel allows it (proc(5): writing 5 resets the peak of this process)."""
    peak_mb()
    try:
        _RESET.write_text("5")
    except OSError:
        return


def highest_mb() -> int:
    """The highest resident memory this process ever held, as far as it was looked at [MB of 2**20 bytes]."""
    peak_mb()
    return _highest
