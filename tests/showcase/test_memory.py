"""Memory is measured within a stage, and the kernel's own mark is left to whoever measures from outside."""

from __future__ import annotations

import numpy as np

from workbench.showcase.memory import Peak, held_mb, highest_mb, release


def test_a_peak_that_is_gone_was_seen() -> None:
    release()
    peak, before = Peak(), held_mb()
    block = np.ones(160 * 2**20 // 8)
    assert block.sum() > 0
    del block
    release()
    assert peak.stop() >= before + 140
    assert highest_mb() >= before + 140


def test_a_peak_begins_with_what_is_held_then() -> None:
    release()
    first = Peak()
    block = np.ones(160 * 2**20 // 8)
    grown = first.stop()
    del block
    release()
    assert Peak().stop() <= grown - 100
