"""Worker processes that come and go with the load, and a log of every decision.

A worker that dies is started again under its name, so its journal and its sessions at the brokers go on. One that is no
longer needed is told to leave for good and is waited for: what it took is durable, what it was promised goes to the
others. Nothing here touches a message, so nothing can be lost or doubled here.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.clock import nanoseconds
from workbench.collectors.scaling import Look, Rules, Scaler
from workbench.collectors.worker import STATUS, folder_of
from workbench.errors import SourceError

DECISIONS = "decisions.ndjson"
_READY_SECONDS = 60.0
_STOP_SECONDS = 90.0
_AGAIN_SECONDS = 1.0


class Supervisor:
    """The workers of one file of sources. Use as a context manager; call ``look`` about once a second.

    Args:
        sources: the YAML file.
        root: the folder of the journals; ``worker-0``, ``worker-1`` … below it.
        rules: how many workers, and when that changes.
        tell: told of every decision, as it is written to ``decisions.ndjson``.
    """

    def __init__(
        self,
        sources: Path,
        root: Path,
        rules: Rules,
        tell: Callable[[dict[str, Any]], None] = lambda _: None,
        backlog_bytes_max: int = 0,
    ) -> None:
        self.sources, self.root, self.rules = sources, root, rules
        self._tell = tell
        self._backlog = backlog_bytes_max
        self._scaler = Scaler(rules)
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._cpu: dict[int, tuple[float, float]] = {}
        self.last_statuses: dict[int, dict[str, Any]] = {}

    def __enter__(self) -> Supervisor:
        """Start the least number of workers. Raises ``SourceError`` when the first cannot run."""
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            for number in range(self.rules.least):
                self._start(number)
        except SourceError:
            self.__exit__()
            raise
        self._decide("start", f"{self.rules.least} to {self.rules.most} workers")
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all in order."""
        for process in self._workers.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._workers.values():
            _ended(process)
        self.last_statuses = self.statuses()
        self._workers.clear()

    @property
    def workers(self) -> int:
        """How many there are now."""
        return len(self._workers)

    def statuses(self) -> dict[int, dict[str, Any]]:
        """What each worker said of itself last."""
        found = {}
        for number in self._workers:
            try:
                found[number] = json.loads((folder_of(self.root, str(number)) / STATUS).read_text())
            except (OSError, ValueError):
                continue  # it has not said anything yet
        return found

    def look(self) -> dict[int, dict[str, Any]]:
        """Mend what died, change the number when the rules say so; returns the statuses."""
        for number, process in list(self._workers.items()):
            if process.poll() is not None:
                self._decide("restart", f"worker {number} ended with {process.returncode}")
                time.sleep(_AGAIN_SECONDS)
                self._start(number)
        statuses = self.statuses()
        decision = self._scaler.decide(self._seen(statuses))
        if decision is not None and decision.workers > self.workers:
            self._start(self.workers)
            self._decide("grow", decision.why)
        elif decision is not None:
            self._retire(self.workers - 1)
            self._decide("shrink", decision.why)
        return statuses

    def _seen(self, statuses: dict[int, dict[str, Any]]) -> Look:
        shares = []
        for number, said in statuses.items():
            now, cpu = said["at_ns"] / 1e9, said["cpu_seconds"]
            then, before = self._cpu.get(number, (now, cpu))
            if now > then:
                shares.append((cpu - before) / (now - then))
            if now != then or number not in self._cpu:
                self._cpu[number] = (now, cpu)
        # A source's lag is the whole of it for a queue, a member's part of it for Kafka: the sum is never too little.
        lags = [source["lag"] for said in statuses.values() for source in said["sources"].values()]
        known = [lag for lag in lags if lag is not None]
        whole = tuple(shares) if len(shares) == self.workers else ()
        return Look(self.workers, sum(known) if known else None, whole)

    def _start(self, number: int) -> None:
        folder = folder_of(self.root, str(number))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STATUS).unlink(missing_ok=True)
        command = [
            sys.executable, "-m", "workbench.collectors.worker", str(self.sources), str(self.root), str(number),
            str(self._backlog),
        ]  # fmt: skip
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._workers[number] = process
        self._cpu.pop(number, None)
        deadline = time.monotonic() + _READY_SECONDS
        while not (folder / STATUS).exists() and time.monotonic() < deadline:
            if process.poll() is not None:
                said = (folder / "log").read_text(errors="replace").strip().splitlines()
                if process.returncode == 2 or number == 0:
                    raise SourceError(
                        f"Worker {number} cannot run: {said[-1] if said else 'it said nothing'}",
                        where=str(self.sources),
                        cure=f"See {folder / 'log'}.",
                    )
                return
            time.sleep(0.05)

    def _retire(self, number: int) -> None:
        process = self._workers.pop(number)
        self._cpu.pop(number, None)
        if process.poll() is None:
            process.send_signal(signal.SIGUSR1)
        _ended(process)

    def _decide(self, what: str, why: str) -> None:
        said = {"at_ns": nanoseconds(), "decision": what, "workers": self.workers, "why": why}
        with (self.root / DECISIONS).open("a") as log:
            log.write(json.dumps(said) + "\n")
        self._tell(said)


def _ended(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
