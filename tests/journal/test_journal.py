from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.journal.conftest import SMALL, everything, message
from workbench.errors import JournalDamaged, JournalError, JournalGone, JournalLocked
from workbench.journal.consumers import forget, keep_position, let_go, positions
from workbench.journal.frame import CONFIRM, RECORDS, framed
from workbench.journal.journal import Journal
from workbench.journal.message import PAYLOAD_BYTES_MAX, RawMessage, decoded, encoded
from workbench.journal.reader import JournalReader
from workbench.journal.recovery import recover, stored_offsets
from workbench.journal.segment import listed, opened
from workbench.journal.several import JournalSet

texts = st.text(max_size=20)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.builds(RawMessage, texts, texts, texts, texts, texts, st.binary(max_size=50),
                 st.integers(-(2**63), 2**63 - 1), texts, st.integers(-1, 2**63 - 1)))  # fmt: skip
def test_a_message_comes_back_as_it_was(raw: RawMessage) -> None:
    assert decoded(memoryview(encoded(raw)), 1) == [raw]


def test_text_that_is_no_unicode_is_kept_readable() -> None:
    (back,) = decoded(memoryview(encoded(message(1)._replace(topic="lamps/\udce9"))), 1)
    assert back.topic == "lamps/\\udce9"


def test_what_is_acknowledged_is_there_in_order_over_many_files(journal: Journal) -> None:
    told: list[int] = []
    for number in range(500):
        journal.append(
            [message(number)], {("lamps", "events/0"): number + 1}, lambda error, n=number: told.append(n)
        )
    assert journal.flush(10)
    assert told == list(range(500))
    assert everything(journal.folder) == [message(number) for number in range(500)]
    assert len(listed(journal.folder)) > 2
    assert journal.offset("lamps", "events/0") == 500
    assert journal.offset("lamps", "events/1") is None
    assert 0 < journal.stats().commits <= 500
    assert journal.stats().messages == 500 and journal.stats().waiting_bytes == 0


def test_offsets_and_messages_are_one_commit_and_survive(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", SMALL) as journal:
        journal.append([message(1)], {("lamps", "events/0"): 2})
    with Journal(tmp_path / "j", SMALL) as journal:
        assert journal.offset("lamps", "events/0") == 2
        assert not journal.torn_tail_cut
        journal.append([message(2)])
    assert everything(tmp_path / "j") == [message(1), message(2)]
    assert stored_offsets([tmp_path / "j"])["lamps", "events/0"][0] == 2


def test_the_offset_that_was_committed_last_counts_over_journals(tmp_path: Path) -> None:
    for name, at_ns, offset in (("a", 10, 500), ("b", 20, 7)):
        with Journal(tmp_path / name, SMALL, now_ns=lambda at_ns=at_ns: at_ns) as journal:
            journal.append([], {("lamps", "events/0"): offset})
    assert stored_offsets([tmp_path / "a", tmp_path / "b"])["lamps", "events/0"] == (7, 20)


def test_one_writer(journal: Journal) -> None:
    with pytest.raises(JournalLocked):
        Journal(journal.folder, SMALL)


def test_a_closed_journal_takes_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", SMALL)
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.append([message(1)])
    assert journal.state == "closed"


def test_a_message_beyond_the_largest_is_refused_and_the_rest_goes_on(journal: Journal) -> None:
    with pytest.raises(ValueError, match="payload"):
        journal.append([message(1, bytes(PAYLOAD_BYTES_MAX + 1))])
    large = message(2, bytes(300_000))  # larger than a whole segment of this journal
    journal.append([large])
    assert journal.flush(10)
    assert everything(journal.folder) == [large]


def test_a_collector_that_fails_when_told_does_not_stop_the_others(journal: Journal) -> None:
    def broken(error: JournalError | None) -> None:
        raise RuntimeError("the client has gone")

    told = threading.Event()
    journal.append([message(1)], done=broken)
    journal.append([message(2)], done=lambda error: told.set())
    assert told.wait(5)
    assert len(everything(journal.folder)) == 2


def test_many_threads_append_and_each_keeps_its_order(journal: Journal) -> None:
    def write(thread: int) -> None:
        for number in range(100):
            journal.append([message(number)._replace(channel=str(thread))])

    threads = [threading.Thread(target=write, args=(each,)) for each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert journal.flush(10)
    found = everything(journal.folder)
    for thread in range(4):
        assert [each.offset for each in found if each.channel == str(thread)] == list(range(100))


# ---- reading ---------------------------------------------------------------------------------------------------


def test_a_reader_follows_and_can_start_anywhere(journal: Journal) -> None:
    reader = JournalReader(journal.folder)
    assert reader.read() is None
    journal.append([message(0), message(1)])
    batch = reader.read(wait_seconds=5)
    assert batch is not None and batch.messages == [message(0), message(1)] and batch.end == 2
    journal.append([message(number) for number in range(2, 300)])
    assert journal.flush(10)
    for start in (0, 1, 2, 150, 299, 300):
        assert everything(journal.folder, start) == [message(number) for number in range(start, 300)]
    small = JournalReader(journal.folder, 10)
    first = small.read(bytes_max=1)
    assert first is not None and first.first == 10


def test_journals_of_workers_are_read_as_one(tmp_path: Path) -> None:
    both = JournalSet(tmp_path, {})
    assert both.read() == []
    with Journal(tmp_path / "worker-0", SMALL) as one, Journal(tmp_path / "worker-1", SMALL) as two:
        one.append([message(0)])
        two.append([message(1)])
        one.flush(5)
        two.flush(5)
        found = both.read(wait_seconds=5)
        assert sorted(each.journal for each in found) == ["worker-0", "worker-1"]
        one.append([message(2)])
        one.flush(5)
        again = JournalSet(tmp_path, both.positions)
        assert [each.messages for each in again.read(wait_seconds=5)] == [[message(2)]]


def test_files_go_when_every_consumer_has_them(journal: Journal) -> None:
    for number in range(500):
        journal.append([message(number)])
    assert journal.flush(10)
    before = len(listed(journal.folder))
    assert let_go(journal.folder)[0] == 0  # nobody reads: everything is kept
    keep_position(journal.folder, "lake", 400)
    keep_position(journal.folder, "archive", 300)
    assert positions(journal.folder) == {"lake": 400, "archive": 300}
    journal.append([message(500)])
    assert journal.flush(10)
    let_go(journal.folder)
    assert 1 < len(listed(journal.folder)) < before
    assert everything(journal.folder, 300) == [message(number) for number in range(300, 501)]
    with pytest.raises(JournalGone):
        everything(journal.folder, 0)
    forget(journal.folder, "archive")
    let_go(journal.folder)
    assert everything(journal.folder, 400)[0] == message(400)
    assert everything(journal.folder)[-1] == message(500)


def test_a_reader_whose_file_was_let_go_under_it_reads_on(journal: Journal) -> None:
    reader, seen = JournalReader(journal.folder), list[RawMessage]()
    keep_position(journal.folder, "lake", 0)
    for number in range(1000):
        journal.append([message(number)])
        if number % 20 == 0:
            assert journal.flush(5)
            if batch := reader.read(bytes_max=500):
                seen += batch.messages
                keep_position(journal.folder, "lake", batch.end)
                let_go(journal.folder)
    assert journal.flush(5)
    while batch := reader.read():
        seen += batch.messages
        keep_position(journal.folder, "lake", batch.end)
        let_go(journal.folder)
    assert seen == [message(number) for number in range(1000)]
    journal.append([message(number) for number in range(1000, 1300)])
    assert journal.flush(5)
    let_go(journal.folder)
    batch = reader.read(bytes_max=1 << 20)
    assert batch is not None
    assert batch.messages[0] == message(1000)


def test_a_position_of_another_journal_is_found_out_and_loses_nothing_silently(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", SMALL) as journal:
        journal.append([message(0)])
        assert journal.flush(5)
        reader = JournalReader(journal.folder, 1000)
        assert reader.read() is None
        journal.append([message(1)])
        assert journal.flush(5)
        with pytest.raises(JournalGone, match="said to be read already"):
            reader.read()


def test_a_backlog_beyond_its_limit_asks_collectors_to_wait(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", replace(SMALL, backlog_bytes_max=20_000)) as journal:
        keep_position(journal.folder, "lake", 0)
        for number in range(500):
            journal.append([message(number)])
        assert journal.flush(10)
        journal.flush(5)
        assert journal.state == "crowded"
        keep_position(journal.folder, "lake", journal.end)
        for _ in range(100):
            journal.flush(5)
            if journal.state == "open":
                break
        assert journal.state == "open"


# ---- damage ----------------------------------------------------------------------------------------------------


def _written(tmp_path: Path, messages: int = 20) -> Path:
    with Journal(tmp_path / "j", SMALL) as journal:
        for number in range(messages):
            journal.append([message(number)])
            journal.flush(5)
    return listed(tmp_path / "j")[0][1]


def test_i46_every_flipped_bit_is_found(tmp_path: Path) -> None:
    path = _written(tmp_path, 5)
    whole = path.read_bytes()
    confirmation = len(
        framed(CONFIRM, 0, 0, {}, (), 0)
    )  # the last frame says only that the one before it was whole
    for at in range(len(whole) - confirmation):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << (at % 8)]) + whole[at + 1 :])
        with pytest.raises(JournalDamaged):
            recover(tmp_path / "j")
    path.write_bytes(whole)
    assert len(everything(tmp_path / "j")) == 5


def test_a_flipped_bit_in_an_older_file_stops_its_reader(tmp_path: Path) -> None:
    path = _written(tmp_path, 300)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 4
    path.write_bytes(whole)
    with pytest.raises(JournalDamaged, match="not what was written"):
        everything(tmp_path / "j")


def test_a_torn_tail_is_cut_wherever_it_tore_and_nothing_whole_is_lost(tmp_path: Path) -> None:
    path = _written(tmp_path, 3)
    whole, salt = path.read_bytes(), opened(path).salt
    torn = framed(RECORDS, 3, 2, {}, [encoded(message(3)), encoded(message(4))], salt)
    for kept in range(1, len(torn), 7):
        for other in listed(tmp_path / "j")[1:]:
            other[1].unlink()
        path.write_bytes(whole + torn[:kept] + bytes(1000))
        with Journal(tmp_path / "j", SMALL) as journal:
            assert journal.torn_tail_cut
            journal.append([message(9)])
        assert everything(tmp_path / "j") == [*(message(number) for number in range(3)), message(9)]


def test_a_payload_that_holds_a_frame_is_no_frame(tmp_path: Path) -> None:
    forged = framed(RECORDS, 0, 1, {}, [encoded(message(666))], 0)
    with Journal(tmp_path / "j", SMALL) as journal:
        journal.append([message(0, forged * 3)])
    assert everything(tmp_path / "j") == [message(0, forged * 3)]


def test_a_reader_that_saw_what_did_not_survive_still_reads_what_comes_next(tmp_path: Path) -> None:
    """Killed between write and sync, then the power went: the reader's position leads the journal."""
    path = _written(tmp_path, 3)
    whole = path.read_bytes()
    path.write_bytes(whole + framed(RECORDS, 3, 1, {}, [encoded(message(3))], opened(path).salt) + bytes(100))
    reader = JournalReader(tmp_path / "j")
    seen = reader.read()
    assert seen is not None and seen.end == 4
    path.write_bytes(whole + b"\x01" * 10 + bytes(100))
    with Journal(tmp_path / "j", SMALL) as journal:
        journal.append([message(5)])
        assert journal.flush(5)
        batch = JournalReader(tmp_path / "j", 4).read()
        assert batch is not None and batch.messages == [message(5)]
