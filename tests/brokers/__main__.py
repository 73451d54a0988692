"""Fetch the jars, or run all four brokers until somebody presses Ctrl-C."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from tests.brokers.broker import BROKERS
from tests.brokers.jars import jars


def say(line: str) -> None:
    """A line on stdout, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(words: list[str]) -> None:
    """``fetch``, or nothing, or names of brokers."""
    if words == ["fetch"]:
        for product in ("kafka", "pulsar"):
            say(f"{product}: {len(list(jars(product).glob('*.jar')))} jars")
        return
    started = []
    try:
        for name in words or list(BROKERS):
            started.append(BROKERS[name](Path(tempfile.mkdtemp(prefix=f"{name}-"))).start())
            say(f"{name}: {started[-1].url}")
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    finally:
        for each in started:
            each.stop()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main(sys.argv[1:])
