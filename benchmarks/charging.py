"""The charging node against Redis 7 with a Lua script and its append-only file always synced: rounds interleaved.

    python -m benchmarks.charging [redis] [open] [inner] [edge]    # all without words; needs redis, redis-benchmark, gcc

Both do the same: look the request's id up, check and lower a balance, remember the answer, and have it on disk before it
leaves. *Rich* requests are rated use of accounts with a small bucket of units and a shared pool: the first use of each
account empties its bucket, all other use is rated by tiers and paid out of the pool. Redis is asked by its own
``redis-benchmark`` with random accounts, the node by ``charging_load.c``, which is compiled here; 64 connections each.
Figures in documentation come from here.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.charging_redis import ACCOUNTS, CONNECTIONS, PACK_UNITS, SMOKE, Redis, until
from workbench.charging.durable import DurableNode
from workbench.charging.framed import STATUS, Caller
from workbench.charging.messages import Command, Open, Publish, TopUp, encode
from workbench.charging.node import OPERATOR
from workbench.charging.serve import SWITCH_SECONDS

ROUNDS = 1 if SMOKE else int(os.environ.get("WORKBENCH_ROUNDS", "5"))
SECONDS = 0.5 if SMOKE else 3.0
PARTS = ("redis", "open", "inner", "edge")
EDGE_RATE, LEASED = 1_000, 200
"""Requests a second at a leased edge, and how many accounts they are of."""
INNER = 200 if SMOKE else 20_000
OPEN_RATES = (1_000,) if SMOKE else (5_000, 10_000)
HERE = Path(__file__).parent

CATALOGUE = """
meters: [{id: bench.data, unit: byte}]
partners: [{id: operator}]
offers:
  - id: bench
    version: 1
    currency: EUR
    effective: 2020-01-01
    charged: node
    prices: [{id: data, meter: bench.data, graduated: {per: 1 kB, tiers: [{up_to: 1 MB, amount: 0.002}, {amount: 0.001}]}}]
    split: {rest: operator}
"""


def accounts(numbers: range) -> Iterator[Command]:
    """Plain accounts with money, and rich ones that have a bucket of units and share a pool as well."""
    terms = {"offers": ("bench",), "usage_percent": ()}
    for number in numbers:
        plain, rich, pool = f"a{number}", f"r{number}", f"pool{number % 64}"
        yield Open(account=plain, id=f"o{plain}", **terms)  # type: ignore[arg-type]
        yield TopUp(account=plain, id=f"t{plain}", amount_nano=10**15)
        yield Open(account=rich, id=f"o{rich}", pool=pool, **terms)  # type: ignore[arg-type]
        yield TopUp(account=rich, id=f"t{rich}", amount_nano=10**15)
        yield TopUp(account=rich, id=f"u{rich}", meter="bench.data", units=PACK_UNITS, bucket="pack")
        if number < 64:
            yield TopUp(account=rich, id=f"p{rich}", amount_nano=10**12, bucket="gift", pool=pool)


class Ours:
    """A node in a process of its own."""

    def __init__(self, folder: Path, load: Path) -> None:
        prices = folder / "prices.yaml"
        prices.write_text(CATALOGUE)
        self.load, self.folder = load, folder / "node"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "workbench", "charge", str(self.folder), "--catalog", str(prices),
             "--http", "127.0.0.1:0", "--json"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        ready = json.loads(self.process.stdout.readline())
        self.addresses = {"framed": ready["socket"], "http": f"127.0.0.1:{ready['http']}"}
        self.caller = Caller(self.folder / "node.sock")

    def fill(self) -> None:
        """All accounts, then a pause until nothing goes on beside the node any more."""
        for first in range(0, ACCOUNTS, 1000):
            messages = list(accounts(range(first, min(first + 1000, ACCOUNTS))))
            self.caller.send(*map(encode, messages))
            for _ in messages:
                assert b'"ok":true' in self.caller.receive()
        self.rest()

    def rest(self) -> None:
        """Wait until no snapshot is being made: both sides have the machine for themselves."""
        until(lambda: not json.loads(self.caller.ask(STATUS))["following"], 120)

    def run(self, door: str, kind: str, tag: str, rate: int = 0) -> dict[str, Any]:
        """One loop; with the share of its time that went into syncing."""
        self.rest()
        before = json.loads(self.caller.ask(STATUS))
        words = [
            str(self.load),
            door,
            self.addresses[door],
            str(CONNECTIONS),
            str(SECONDS),
            str(rate),
            kind,
            str(ACCOUNTS),
            tag,
        ]
        with Checks(self.folder / "node.sock") as checks:
            found = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
        found["check_ms"] = checks.slowest * 1e3
        after = json.loads(self.caller.ask(STATUS))
        found["sync_share"] = (after["sync_seconds"] - before["sync_seconds"]) / found["seconds"]
        found["batch"] = found["requests"] / max(1, after["batches"] - before["batches"])
        return found

    def lease(self, edge: Path, tag: str, rate: int) -> dict[str, Any]:
        """A node at the edge that grants out of leases of this one, once with a cold and once with a warm pocket."""
        words = [
            sys.executable, "-m", "workbench", "charge", str(edge), "--edge", "--lease", str(self.folder / "node.sock"), "--json",
        ]  # fmt: skip
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            socket = json.loads(process.stdout.readline())["socket"]
            for part in ("cold", "warm"):
                load = [
                    str(self.load),
                    "framed",
                    socket,
                    "16",
                    str(SECONDS),
                    str(rate),
                    "rich",
                    str(LEASED),
                    f"{tag}{part}",
                ]
                found = json.loads(subprocess.run(load, capture_output=True, text=True, check=True).stdout)
            return dict(found)
        finally:
            process.terminate()
            process.wait(30)

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(30)


class Checks(threading.Thread):
    """Somebody who looks at a balance fifty times a second, all through a run."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._caller, self._ends, self.slowest = Caller(path), threading.Event(), 0.0

    def __enter__(self) -> Checks:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self.join(10)

    def run(self) -> None:
        """Ask, note the slowest."""
        while not self._ends.wait(0.02):
            began = time.perf_counter()
            self._caller.ask(b'{"op":"balance","account":"a1"}')
            self.slowest = max(self.slowest, time.perf_counter() - began)
        self._caller.close()


class InProcess:
    """A node in this process, no socket in between: 64 requests under way, or as many as a rate brings."""

    def __init__(self, folder: Path) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        self._woken: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.node = DurableNode(folder, wake=self._woken.put)
        self.times: list[float] = []
        self._number, self._again = 0, 0.0
        self._kind, self._tag = "plain", ""
        for message in (Publish(tenant=OPERATOR, id="catalogue", text=CATALOGUE), *accounts(range(INNER))):
            self.node.take(encode(message), _Nobody())
        self._settle()
        gc.collect()
        gc.freeze()

    def _settle(self) -> None:
        self.node.flush()
        while not self.node.idle:
            self._woken.get(timeout=30)()
            self.node.flush()

    def _ask(self, due: float) -> None:
        self._number += 1
        name, ident = (self._number * 2_654_435_761) % INNER, f"{self._tag}-{self._number}"
        if self._kind == "plain":
            body = b'{"op":"debit","account":"a%d","id":"%s","amount_nano":1000}' % (name, ident.encode())
        else:
            body = b'{"op":"debit","account":"r%d","id":"%s","meter":"bench.data","units":%d}' % (
                name, ident.encode(), 100 + self._number % 400,
            )  # fmt: skip
        self.node.take(body, self, due)

    def answer(self, token: Any, answer: bytes) -> None:
        """Note how long one took; in a closed loop the next one follows with the flush."""
        now = time.perf_counter()
        self.times.append(now - token)
        self._again += now < self._until

    def flush(self) -> None:
        """All answers of a batch are there."""
        again, self._again = (int(self._again), 0) if not self._rate else (0, 0)
        for _ in range(again):
            self._ask(time.perf_counter())

    def run(self, kind: str, tag: str, rate: int = 0) -> dict[str, Any]:
        """One loop; latency counts from the instant a request was due."""
        self._kind, self._tag, self._rate, self.times = kind, tag, rate, []
        sync, batches = self.node.journal.stats().sync_seconds_sum, self.node.journal.stats().commits
        began = time.perf_counter()
        self._until = began + SECONDS
        sent = 0
        for _ in range(0 if rate else CONNECTIONS):
            self._ask(began)
        while (now := time.perf_counter()) < self._until or not self.node.idle:
            while rate and now < self._until and (due := began + sent / rate) <= now:
                self._ask(due)
                sent += 1
            self.node.flush()
            with contextlib.suppress(queue.Empty):
                wait = max(0.0, began + sent / rate - now) if rate and now < self._until else 1.0
                self._woken.get(timeout=wait)()
        took = time.perf_counter() - began
        stats, times = self.node.journal.stats(), sorted(self.times)
        at = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999}
        return {
            "rps": len(times) / took,
            **{name: times[int(len(times) * part)] * 1e3 for name, part in at.items()},
            "sync_share": (stats.sync_seconds_sum - sync) / took,
            "batch": len(times) / max(1, stats.commits - batches),
        }


class _Nobody:
    def answer(self, token: object, answer: bytes) -> None:
        """Nobody listens."""

    def flush(self) -> None:
        """Nobody listens."""


def measure(folder: Path, what: Collection[str] = PARTS) -> dict[str, list[dict[str, Any]]]:
    """All rounds, one thing after the other, again and again; parts of it where the machine is not to be had for long."""
    load = folder / "load"
    subprocess.run(["gcc", "-O2", "-o", str(load), str(HERE / "charging_load.c")], check=True)
    (folder / "redis").mkdir()
    found: dict[str, list[dict[str, Any]]] = {}
    ours = Ours(folder, load)
    redis = Redis(folder / "redis") if "redis" in what else None
    inner = InProcess(folder / "inner") if "inner" in what else None
    try:
        ours.fill()
        for number in range(ROUNDS):
            for kind in ("plain", "rich"):
                if redis is not None:
                    ours.rest()  # the node's snapshot would take the other core from Redis as well
                    found.setdefault(f"redis {kind}", []).append(redis.run(kind, f"r{number}"))
                    for door in ("framed", "http"):
                        run = ours.run(door, kind, f"{door}{kind}{number}")
                        found.setdefault(f"{door} {kind}", []).append(run)
                if inner is not None:
                    found.setdefault(f"in process {kind}", []).append(inner.run(kind, f"i{kind}{number}"))
            for rate in OPEN_RATES if "open" in what else ():
                for door in ("framed", "http"):
                    run = ours.run(door, "plain", f"open{door}{rate}{number}", rate)
                    found.setdefault(f"{door} open {rate}/s", []).append(run)
                if inner is not None:
                    run = inner.run("plain", f"io{rate}{number}", rate)
                    found.setdefault(f"in process open {rate}/s", []).append(run)
            if "edge" in what:
                run = ours.lease(folder / f"edge{number}", f"e{number}", EDGE_RATE)
                found.setdefault(f"leased edge {EDGE_RATE}/s", []).append(run)
    finally:
        ours.stop()
        if redis is not None:
            redis.stop()
        if inner is not None:
            inner.node.close()
    return found


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    """Medians over the rounds, and each round's ratio to Redis in the same round."""
    lines = [
        f"{'':24}{'req/s':>10}{'p50 ms':>9}{'p99 ms':>9}{'p99.9':>9}{'sync':>7}{'batch':>7}{'x redis':>9}{'check ms':>10}"
    ]
    for name, runs in found.items():
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        kind = name.rsplit(" ", 1)[-1]
        base = found.get(f"redis {kind}")
        ratio = (
            f"{statistics.median(a['rps'] / b['rps'] for a, b in zip(runs, base, strict=True)):.2f}"
            if base
            else ""
        )
        lines.append(
            f"{name:24}{middle['rps']:>10,.0f}{middle['p50_ms']:>9.2f}{middle['p99_ms']:>9.2f}"
            f"{middle.get('p999_ms', 0):>9.2f}{middle.get('sync_share', 0):>7.0%}{middle.get('batch', 0):>7.1f}{ratio:>9}"
            f"{max(run.get('check_ms', 0) for run in runs):>10.1f}"
        )
    return "\n".join(lines)


@pytest.mark.skipif(
    not all(map(shutil.which, ("redis-server", "redis-benchmark", "gcc"))), reason="needs redis and gcc"
)
def test_charging_against_redis(tmp_path: Path) -> None:
    """Everything runs, nothing is refused; the figures are for people."""
    found = measure(tmp_path)
    print("\n" + table(found))
    assert all(run["rps"] > 0 for runs in found.values() for run in runs)
    assert not any(run.get("failures") for runs in found.values() for run in runs)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="charging-bench-") as place:
        print(table(measure(Path(place), sys.argv[1:] or PARTS)))
