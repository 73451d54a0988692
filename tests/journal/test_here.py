"""Commits on the caller's own thread: durable on return, in order with what is appended, and refused where they would wait."""

from __future__ import annotations

import threading
from pathlib import Path

from workbench.journal.journal import Journal
from workbench.journal.message import RawMessage
from workbench.journal.reader import JournalReader
from workbench.journal.settings import JournalSettings


def message(number: int) -> RawMessage:
    return RawMessage("main", "test", "", "", "", b"%d" % number, number)


def read(folder: Path) -> list[bytes]:
    reader, found = JournalReader(folder, 0), []
    while (batch := reader.read()) is not None:
        found += [each.payload for each in batch.messages]
    return found


def test_what_was_committed_here_is_there_without_closing(tmp_path: Path) -> None:
    with Journal(tmp_path / "log") as journal:
        assert not journal.commit_here([message(0)]), "no file is open yet: the thread makes it"
        journal.append([message(0)])
        assert journal.flush(10)
        for number in range(1, 200):
            if number % 3:
                assert journal.commit_here([message(number)]), "the next to write is this one"
            else:
                journal.append([message(number)])
                assert journal.flush(10)
        assert read(tmp_path / "log") == [b"%d" % number for number in range(200)]
        assert journal.end == 200
        assert journal.stats().messages == 200


def test_a_full_file_is_changed_by_the_thread(tmp_path: Path) -> None:
    with Journal(tmp_path / "log", JournalSettings(segment_bytes=64 << 10)) as journal:
        here = 0
        for number in range(3_000):
            each = message(number)._replace(payload=b"%d " % number + bytes(200))
            if journal.commit_here([each]):
                here += 1
            else:
                journal.append([each])
                assert journal.flush(10)
        assert 2_900 < here < 3_000
    assert [int(payload.split()[0]) for payload in read(tmp_path / "log")] == list(range(3_000))
    assert len(list((tmp_path / "log").glob("*.journal"))) > 3


def test_two_threads_never_write_into_each_other(tmp_path: Path) -> None:
    with Journal(tmp_path / "log", JournalSettings(idle_seconds=0.001)) as journal:
        journal.append([message(0)])
        assert journal.flush(10)
        counts = {"here": 0, "there": 0}

        def here() -> None:
            for _ in range(2_000):
                counts["here"] += journal.commit_here([message(1)])

        def there() -> None:
            for _ in range(500):
                journal.append([message(2)])
                counts["there"] += journal.flush(10)

        threads = [threading.Thread(target=here), threading.Thread(target=there)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counts["there"] == 500
        assert counts["here"] > 0
    found = read(tmp_path / "log")
    assert found.count(b"1") == counts["here"]
    assert found.count(b"2") == 500


def test_a_closed_journal_takes_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "log")
    journal.append([message(0)])
    journal.flush(10)
    journal.close()
    assert not journal.commit_here([message(1)])
    assert read(tmp_path / "log") == [b"0"]
