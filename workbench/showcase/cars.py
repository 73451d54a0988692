"""Connected cars with prepaid balances, driven through a real charging node: the demonstration and its figures.

The cars are the simulator's fleet on a weekday morning; each message is one debit over the framed socket, and every
answer is on disk before it comes. A car that is refused may be topped up by its owner, as people do.
"""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from simulators.devices.cars import Cars
from workbench.charging.framed import Caller
from workbench.charging.messages import (
    Answer,
    Balance,
    Command,
    Debit,
    Open,
    TopUp,
    Unlock,
    decode_answer,
    encode,
)
from workbench.charging.serve import Doors, Threaded

CENT = 10_000_000
UNDER_WAY = 32
KEPT = 5_000
FEATURES = {"navigation": "cars.navigation", "ev-session": "cars.ev-session"}


def catalogue() -> str:
    """The price list of the demonstration."""
    return resources.files("workbench.showcase").joinpath("cars.yaml").read_text()


class CarDrive:
    """Cars at work. Use as a context manager; ``start`` sets them going.

    Args:
        folder: where the node keeps its log; a temporary one when left out.
        cars: how many.
        rate: requests a second to aim at.
    """

    def __init__(
        self, folder: Path | None = None, cars: int = 10_000, *, rate: int = 500, seed: int = 7
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="cars-") if folder is None else None
        folder = folder or Path(self._temporary.name if self._temporary is not None else "")
        self.cars, self.rate, self._rng = cars, rate, random.Random(seed)
        self._fleet = Cars(cars, seed=seed)
        self.node = Threaded(Doors(folder / "node", catalogue=catalogue(), socket=folder / "cars.sock"))
        self._path = folder / "cars.sock"
        self.latency_ms: deque[float] = deque(maxlen=KEPT)
        self.approved = self.refused = self.topped_up = 0
        self.reasons: Counter[str] = Counter()
        self.second: deque[tuple[float, int, int, float]] = deque(maxlen=120)
        self._stop = threading.Event()
        self._number = 0
        self._thread = threading.Thread(target=self._drive, name="cars", daemon=True)

    def __enter__(self) -> CarDrive:
        self.node.__enter__()
        self._caller = Caller(self._path)
        self._fill()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)
        self._caller.close()
        self.node.__exit__()
        if self._temporary is not None:
            self._temporary.cleanup()

    def start(self) -> None:
        """Let the cars drive, in a thread of their own."""
        self._thread.start()

    def run(self, seconds: float) -> None:
        """Let them drive for so long, counted from the first answer, then stop."""
        self.start()
        deadline = time.monotonic() + 60
        while not self.latency_ms and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(seconds)
        self._stop.set()
        self._thread.join(10)

    def name(self, number: int) -> str:
        """A car's account."""
        return f"car-{number:06d}"

    def _id(self) -> str:
        self._number += 1
        return f"{time.time_ns():x}-{self._number}"

    def _fill(self) -> None:
        """An account for each car, with the money of a pocket: most have some, some hardly any."""
        for first in range(1, self.cars + 1, 500):
            messages: list[Command] = []
            for number in range(first, min(first + 500, self.cars + 1)):
                name = self.name(number)
                messages.append(
                    Open(account=name, id=f"open {name}", offers=("connected-car",), low_nano=(CENT,))
                )
                cents = max(1, int(self._rng.lognormvariate(2.2, 1.0)))
                messages.append(TopUp(account=name, id=f"first {name}", amount_nano=cents * CENT))
            self._caller.send(*map(encode, messages))
            for _ in messages:
                self._caller.receive()

    # -- driving ---------------------------------------------------------------------------------------------

    def _events(self) -> Iterator[tuple[int, int]]:
        """(car, bytes) of a weekday morning in the order of sending, again and again."""
        start = self._fleet.start
        while True:
            for batch in self._fleet.batches(start + timedelta(hours=6), start + timedelta(hours=9)):
                devices = batch.column("device_id").indices.to_pylist()
                sizes = batch.column("bytes").to_pylist()
                yield from zip(devices, sizes, strict=True)

    def _drive(self) -> None:
        caller, under_way = Caller(self._path), deque[tuple[float, str]]()
        began = time.perf_counter()
        for sent, (device, size) in enumerate(self._events(), start=1):
            if self._stop.is_set():
                break
            name = self.name(device + 1)
            caller.send(encode(Debit(account=name, id=self._id(), meter="cars.data", units=max(1, size))))
            under_way.append((time.perf_counter(), name))
            ahead = began + sent / self.rate - time.perf_counter()
            while under_way and (len(under_way) >= UNDER_WAY or ahead > 0):
                self._heard(caller, *under_way.popleft())
                ahead = began + sent / self.rate - time.perf_counter()
            if ahead > 0:
                self._stop.wait(ahead)
            self._note(began)
        caller.close()

    def _heard(self, caller: Caller, asked: float, name: str) -> None:
        answer = decode_answer(caller.receive())
        self.latency_ms.append((time.perf_counter() - asked) * 1e3)
        if answer.ok:
            self.approved += 1
            return
        self.refused += 1
        self.reasons[answer.code] += 1
        if self._rng.random() < 0.4:  # its owner tops it up
            self.top_up(name, self._rng.choice((50, 100, 200)))
            self.topped_up += 1

    def _note(self, began: float) -> None:
        now = time.perf_counter() - began
        if not self.second or now - self.second[-1][0] >= 1:
            p99 = percentile(self.latency_ms, 99)
            self.second.append((now, self.approved, self.refused, p99))

    # -- what a page and a notebook ask ----------------------------------------------------------------------

    def ask(self, message: Command) -> Answer:
        """One request on a connection of its own, answered when it is durable."""
        caller = Caller(self._path)
        try:
            return decode_answer(caller.ask(encode(message)))
        finally:
            caller.close()

    def unlock(self, car: str, feature: str = "navigation") -> Answer:
        """Ask for a feature for a day: refused, or paid and open, in one round trip."""
        return self.ask(
            Unlock(
                account=car, id=self._id(), feature=feature, meter=FEATURES[feature], units=1, seconds=86_400
            )
        )

    def top_up(self, car: str, cents: int) -> Answer:
        """Add money."""
        return self.ask(TopUp(account=car, id=self._id(), amount_nano=cents * CENT))

    def balance(self, car: str) -> Answer:
        """What a car has."""
        return self.ask(Balance(account=car))

    def figures(self) -> dict[str, Any]:
        """Everything a page shows, as plain values; latencies in milliseconds, money in nano."""
        lag = list(self.latency_ms)
        status = self.node.call(self.node.running.service.status)
        return {
            "cars": self.cars,
            "approved": self.approved,
            "refused": self.refused,
            "topped_up": self.topped_up,
            "reasons": dict(self.reasons),
            "p50_ms": percentile(lag, 50),
            "p99_ms": percentile(lag, 99),
            "p999_ms": percentile(lag, 99.9),
            "sync_share": status["sync_seconds"] / max(status["up_seconds"], 0.1),
            "seq": status["seq"],
        }

    def balances_cents(self) -> list[int]:
        """Every car's balance in whole cents, as it is now."""

        def look() -> list[int]:
            node = self.node.running.service.durable.node
            return [account.balance // (node.scale * CENT) for account in node.accounts.values()]

        found: list[int] = self.node.call(look)
        return found


def percentile(values: Any, part: float) -> float:
    """The value that ``part`` percent do not exceed; 0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part / 100))] if ordered else 0.0
