"""Hand-overs while nodes die, and between network namespaces: nothing lost, nothing doubled, one owner at any time."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.charging.beside import Program, Wave, check, fill, prices, until
from tests.charging.test_overflow import _moves_forward
from workbench.charging.messages import Balance, decode_answer, encode
from workbench.charging.placement import RedisPlacement
from workbench.charging.recovery import recover

NAMES = [f"a{number}" for number in range(90)]


def guests(home: Program) -> list[psutil.Process]:
    """The nodes that home started."""
    with suppress(psutil.NoSuchProcess):
        return [c for c in psutil.Process(home.process.pid).children() if "--join" in c.cmdline()]
    return []


def owners(folders: list[Path]) -> dict[str, int]:
    """How many nodes hold each account, by their logs, and how many parcels no target has taken."""
    found: dict[str, int] = dict.fromkeys(NAMES, 0)
    nodes = [recover(folder, ("main",)).node for folder in folders]
    for node in nodes:
        for _, name in node.accounts:
            found[name] += 1
    for node in nodes:
        for parcel in node.parcels.values():
            for _, name in parcel.keys:
                found[name] = found[name] or 1  # on its way: in the parcel, if nobody unpacked it yet
    return found


@pytest.mark.faults
@pytest.mark.parametrize("seed", [1, 2])
def test_kills_during_hand_overs(tmp_path: Path, seed: int) -> None:
    """Home and guest are killed at random moments while accounts go back and forth under load."""
    rng = random.Random(seed)
    words = ("--catalog", prices(tmp_path), "--nodes", "auto", "--nodes-most", "2", "--node-rate", "60")
    home = Program(tmp_path / "home", *words)
    waves: list[Wave] = []
    orphans: list[psutil.Process] = []
    try:
        caller = home.caller()
        fill(caller, NAMES, pools=5)
        caller.close()
        for round_ in range(8):
            waves += [Wave(home.socket, f"r{round_}w{n}", NAMES[n::3], 70) for n in range(3)]
            for wave in waves[-3:]:
                wave.start()
            until(lambda: len(guests(home)) == 1, 60)
            time.sleep(rng.random() * 3)
            if round_ % 2:
                for guest in guests(home):
                    guest.send_signal(signal.SIGKILL)
            else:
                orphans += guests(home)
                home.kill()
                for orphan in orphans:  # a machine that goes down takes both
                    with suppress(psutil.NoSuchProcess):
                        orphan.send_signal(signal.SIGKILL)
                        orphan.wait(10)
                home.start()
            time.sleep(1 + rng.random() * 2)
            for wave in waves[-3:]:
                wave.ends.set()
            for wave in waves[-3:]:
                wave.join(60)
                assert not wave.is_alive()
            time.sleep(rng.random() * 4)  # long enough, now and then, for accounts to come home
        until(lambda: home.status()["away"] == 0, 90, home.status)
        caller = home.caller()
        made = check(caller, NAMES, waves, gifts=5)
        assert made > 500
        status = home.status()
        assert status["moves_refused"] == 0
        home.stop()
        folders = [tmp_path / "home", *(tmp_path / "home" / "nodes").glob("*")]
        assert set(owners(folders).values()) == {1}
        assert sum(wave.again for wave in waves) > 0, "nobody noticed a kill: the test lost its point"
    finally:
        for wave in waves:
            wave.ends.set()
        left = guests(home)
        home.stop()
        for each in left:
            with suppress(psutil.NoSuchProcess):
                each.kill()


@contextmanager
def namespaces() -> Iterator[tuple[str, str, str]]:
    """(namespace, host of home's side, host of the guest's side) of a veth pair; skips when this user may not."""
    if os.geteuid() or not shutil.which("ip"):
        pytest.skip("network namespaces need root and iproute2")
    name, number = f"wbcharge{os.getpid()}", os.getpid() % 250
    here, there = f"10.213.{number}.1", f"10.213.{number}.2"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)

    try:
        ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine lets nobody make a network namespace: {error.stderr.strip()}")
    try:
        ip("link", "add", f"wb{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("addr", "add", f"{here}/24", "dev", f"wb{number}")
        ip("link", "set", f"wb{number}", "up")
        ip("-n", name, "addr", "add", f"{there}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "link", "set", "lo", "up")
        yield name, here, there
    finally:
        subprocess.run(["ip", "link", "del", f"wb{number}"], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.mark.faults
def test_a_node_joins_by_address_from_another_network_namespace(tmp_path: Path) -> None:
    """The wave spills over the wire, the wire is cut for a while in the middle, and everybody comes home."""
    with namespaces() as (name, here, there):
        home = Program(
            tmp_path / "home", "--catalog", prices(tmp_path), "--nodes", "auto", "--nodes-most", "1",
            "--node-rate", "60", "--tcp", f"{here}:0",
        )  # fmt: skip
        guest = None
        waves: list[Wave] = []
        try:
            fill(home.caller(), NAMES, pools=5)
            guest = Program(
                tmp_path / "far", "--join", f"{here}:{home.ready['tcp']}", "--tcp", f"{there}:0",
                before=("ip", "netns", "exec", name),
            )  # fmt: skip
            waves = [Wave(home.socket, f"w{n}", NAMES[n::3], 35) for n in range(3)]
            for wave in waves:
                wave.start()
            until(lambda: home.status()["moved_out"] > 10, 30, lambda: home.status()["decisions"])
            until(lambda: home.status()["forwarded"] > 50, 30, home.status)
            assert home.status()["nodes"]["far"]["address"].startswith(there)
            subprocess.run(["ip", "-n", name, "link", "set", "eth0", "down"], check=True)
            time.sleep(8)
            subprocess.run(["ip", "-n", name, "link", "set", "eth0", "up"], check=True)
            time.sleep(3)
            for wave in waves:
                wave.ends.set()
            for wave in waves:
                wave.join(60)
                assert not wave.is_alive()
            until(lambda: home.status()["away"] == 0, 90, lambda: home.status()["decisions"])
            check(home.caller(), NAMES, waves, gifts=5)
            assert max(wave.slowest for wave in waves) > 3, "nobody noticed that the wire was cut"
            guest.stop()
            assert set(home.status()["nodes"]) == {"home"}
        finally:
            for wave in waves:
                wave.ends.set()
            if guest is not None:
                guest.stop()
            home.stop()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("redis-server"), reason="needs redis-server")
def test_the_table_in_redis(tmp_path: Path) -> None:
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(tmp_path / "r.sock"), "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"unix://{tmp_path / 'r.sock'}"
    try:
        until(lambda: (tmp_path / "r.sock").exists(), 10)
        table = RedisPlacement(url)
        _moves_forward(table)  # type: ignore[arg-type]
        assert table.decisions() == [{"at": 5, "what": "grow", "why": "because"}]
        assert [member.address for member in RedisPlacement(url).members()] == ["h:2"]
        home = Program(
            tmp_path / "home", "--catalog", prices(tmp_path), "--nodes", "auto", "--nodes-most", "2",
            "--node-rate", "50", "--table", url,
        )  # fmt: skip
        wave = Wave(home.socket, "w", NAMES, 100)
        try:
            fill(home.caller(), NAMES)
            wave.start()
            until(lambda: home.status()["moved_out"] > 0, 60, home.status)
            assert not (home.folder / "placement.db").exists()
            shared = RedisPlacement(url, "charging:home")
            until(lambda: shared.counts().get("home-1", 0) > 0, 10)
            moved = next(name for name in NAMES if shared.owner("main", name))
            assert decode_answer(home.caller().ask(encode(Balance(account=moved)))).ok
        finally:
            wave.ends.set()
            wave.join(10)
            home.stop()
    finally:
        server.terminate()
        server.wait(10)
