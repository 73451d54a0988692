"""A disk that is full, for real: a tmpfs of a few megabytes. Needs the right to mount one, which CI has."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collectors.reading import everything, wait_until
from tests.collectors.test_fuzz import Device
from workbench.collectors.listener import ListenerCollector
from workbench.collectors.source import ListenerSource
from workbench.journal.consumers import keep_position
from workbench.journal.journal import Journal
from workbench.journal.reader import JournalReader
from workbench.journal.settings import JournalSettings

pytestmark = pytest.mark.faults

SETTINGS = JournalSettings(segment_bytes=1 << 20, retry_seconds=0.05, sweep_seconds=0.05, idle_seconds=0.05)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_i45_nothing_is_acknowledged_that_is_not_durable_and_it_goes_on_by_itself(disk: Path) -> None:
    """Somebody else fills the disk; devices go on sending; space comes back; every acknowledged message is there."""
    payloads = [b"%06d" % number + bytes(1000) for number in range(8000)]
    with (
        Journal(disk / "j" / "worker-0", SETTINGS) as journal,
        ListenerCollector(ListenerSource(name="lamps", port=0, in_flight_max=200), journal) as listener,
    ):
        device = Device(listener.port)
        keep_position(journal.folder, "lake", 0)
        device.publish(payloads[:100])
        ballast = disk / "ballast"
        try:
            with ballast.open("wb") as filler:
                while True:
                    filler.write(bytes(64 << 10))
        except OSError:
            pass
        failed: list[BaseException] = []

        def send() -> None:
            try:
                device.publish(payloads[100:])
            except BaseException as error:
                failed.append(error)

        sender = threading.Thread(target=send)
        sender.start()
        wait_until(lambda: journal.state == "read_only")
        acknowledged, durable = listener.stats.acknowledged, journal.end
        time.sleep(0.5)
        assert journal.state == "read_only"
        assert listener.stats.acknowledged <= durable and acknowledged <= durable
        assert journal.stats().waiting_bytes < 2_000_000  # the devices wait, not we
        ballast.unlink()
        seen: list[bytes] = []
        reader = JournalReader(journal.folder)
        while sender.is_alive() or len(seen) < len(payloads):
            if batch := reader.read(bytes_max=500_000, wait_seconds=0.2):
                seen += [each.payload for each in batch.messages]
                keep_position(journal.folder, "lake", batch.end)  # a consumer, so that 8 MB go through 6
            assert (
                sender.is_alive()
                or len(set(seen)) == len(payloads)
                or reader.read() is not None
                or not failed
            )
        sender.join()
        assert not failed, failed
        assert journal.state == "open"
        assert set(seen) == set(payloads)
        assert len(seen) < 1.1 * len(payloads)


def test_i45_48_times_full_and_free_again(disk: Path) -> None:
    durable: list[int] = []
    with Journal(disk / "j" / "worker-0", SETTINGS) as journal:
        from tests.journal.conftest import message

        number = 0
        for _ in range(48):
            ballast = disk / "ballast"
            try:
                with ballast.open("wb") as filler:
                    while True:
                        filler.write(bytes(64 << 10))
            except OSError:
                pass
            for _ in range(30):
                journal.append(
                    [message(number, bytes(20_000))], done=lambda error, n=number: durable.append(n)
                )
                number += 1
            time.sleep(0.02)
            ballast.unlink()
            assert journal.flush(20)
            found = everything(disk / "j")
            assert [each.offset for each in found] == durable[-len(found) :]
            keep_position(journal.folder, "lake", journal.end)
        assert durable == list(range(number))
        assert journal.state == "open"
