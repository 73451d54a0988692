"""A disk that is full, for real: a tmpfs of a few megabytes. Needs the right to mount one, which CI has."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.charging.beside import until
from tests.charging.world import CATALOGUE, EUR
from workbench.charging.framed import Caller
from workbench.charging.messages import Balance, Debit, Open, TopUp, decode_answer, encode
from workbench.charging.recovery import recover
from workbench.charging.serve import Doors, Threaded
from workbench.journal.settings import JournalSettings

pytestmark = pytest.mark.faults

SMS_NANO = 50_000_000
SETTINGS = JournalSettings(segment_bytes=256 << 10, retry_seconds=0.05, sweep_seconds=0.05, idle_seconds=0.05)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"this user may not mount a small disk: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


class Customer(threading.Thread):
    """Debits one after the other; asks again when the node says that it cannot write."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(daemon=True)
        self.path, self.name_, self.ends = path, name, threading.Event()
        self.answered: dict[str, bytes] = {}
        self.refused = 0

    def run(self) -> None:
        caller, number = Caller(self.path, 60), 0
        while not self.ends.is_set():
            key = f"{self.name_}-{number}"
            answer = caller.ask(encode(Debit(account=self.name_, id=key, meter="car.sms", units=1)))
            said = decode_answer(answer)
            if said.code in ("read_only", "busy"):
                self.refused += 1
                time.sleep(0.02)
                continue
            assert said.ok, said
            self.answered[key] = answer
            number += 1
        caller.close()


def fill(path: Path) -> None:
    """Write until there is no room."""
    try:
        with path.open("wb", buffering=0) as file:
            while file.write(bytes(16 << 10)):
                pass
    except OSError:
        pass


def test_i45_nothing_is_answered_that_is_not_durable_and_it_goes_on_by_itself(
    disk: Path, tmp_path: Path
) -> None:
    """Somebody else fills the disk three times; every answer that anybody heard is in the log, once; no manual step."""
    doors = Doors(
        disk / "node", catalogue=CATALOGUE, socket=tmp_path / "s", http=("127.0.0.1", 0), snapshot_requests=0,
        more={"settings": SETTINGS},
    )  # fmt: skip
    names = ("a", "b", "c", "d")
    customers = [Customer(tmp_path / "s", name) for name in names]
    with Threaded(doors) as node:
        caller = Caller(tmp_path / "s", 60)
        for name in names:
            caller.ask(encode(Open(account=name, id=f"o{name}", offers=("car",))))
            caller.ask(encode(TopUp(account=name, id=f"t{name}", amount_nano=10**6 * EUR)))
        for customer in customers:
            customer.start()
        journal = node.running.service.durable.journal
        for round_ in range(3):
            heard = sum(len(customer.answered) for customer in customers)
            until(lambda h=heard: sum(len(c.answered) for c in customers) > h + 50, 30)
            fill(disk / "ballast")
            until(lambda: journal.state == "read_only", 60)
            time.sleep(0.3)
            stuck = sum(len(customer.answered) for customer in customers)
            time.sleep(0.7)
            assert sum(len(customer.answered) for customer in customers) == stuck, (
                "answered while nothing is durable"
            )
            assert node.call(lambda: node.running.service.status()["state"]) == "read_only"
            refused = sum(customer.refused for customer in customers)
            (disk / "ballast").unlink()
            until(lambda: journal.state == "open", 30)
            assert round_ or refused >= 0
        heard = sum(len(customer.answered) for customer in customers)
        until(lambda: sum(len(c.answered) for c in customers) > heard + 50, 30)
        for customer in customers:
            customer.ends.set()
        for customer in customers:
            customer.join(60)
            assert not customer.is_alive()
        for name, customer in zip(names, customers, strict=True):
            left = decode_answer(caller.ask(encode(Balance(account=name))))
            assert left.balance == (10**6 * EUR - len(customer.answered) * SMS_NANO) * left.denominator
    again = recover(disk / "node", ("main",)).node
    for name, customer in zip(names, customers, strict=True):
        account = again.accounts["main", name]
        assert account.balance == (10**6 * EUR - len(customer.answered) * SMS_NANO) * again.scale
        for key, answer in customer.answered.items():
            assert again.answers[f"main\x1f{key}"][1] == answer
