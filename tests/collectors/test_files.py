from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.collectors.conftest import SMALL
from tests.collectors.reading import everything, wait_until
from workbench.collectors import files
from workbench.collectors.files import FileCollector
from workbench.collectors.source import FileSource
from workbench.errors import SourceError
from workbench.journal.journal import Journal


def source(folder: Path) -> FileSource:
    return FileSource(name="drop", folder=str(folder), settle_seconds=0.05, identity="topic:{device}.#")


def test_files_become_messages_and_move_away(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_PIECE", 1000)
    folder = tmp_path / "in"
    folder.mkdir()
    lines = [b'{"n":%d}\n' % number for number in range(500)]
    rows = [b"%d,%d\n" % (number, number) for number in range(500)]
    (folder / "lamp-7.ndjson").write_bytes(b"".join(lines))
    (folder / "rows.csv").write_bytes(b"a,b\n" + b"".join(rows))
    (folder / "pack.cbor").write_bytes(b"\x80")
    (folder / "half.csv.part").write_bytes(b"a,b\n1,")
    with FileCollector(source(folder), journal):
        wait_until(lambda: len(list((folder / "done").iterdir())) == 3)
    found = everything(journal.folder.parent)
    assert b"".join(each.payload for each in found if each.topic == "lamp-7.ndjson") == b"".join(lines)
    assert {each.device for each in found if each.topic == "lamp-7.ndjson"} == {"lamp-7"}
    pieces = [each.payload for each in found if each.topic == "rows.csv"]
    assert len(pieces) > 3 and all(each.startswith(b"a,b\n") for each in pieces)
    assert b"".join(each.removeprefix(b"a,b\n") for each in pieces) == b"".join(rows)
    assert [each.content_type for each in found if each.topic == "pack.cbor"] == ["application/cbor"]
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["half.csv.part"]


def test_a_file_that_is_still_written_to_waits(journal: Journal, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    with FileCollector(source(folder), journal) as collector:
        with (folder / "a.ndjson").open("wb") as writing:
            for number in range(20):
                writing.write(b'{"n":%d}\n' % number)
                writing.flush()
                os.utime(folder / "a.ndjson", ns=(number, number))
                assert not list((folder / "done").iterdir())
        wait_until(lambda: (folder / "done" / "a.ndjson").exists())
        (folder / "a.ndjson").write_bytes(b'{"n":99}\n')  # the same name again is another file
        wait_until(lambda: (folder / "done" / "a-1.ndjson").exists())
        assert collector.lag() == 0
    assert b"".join(each.payload for each in everything(journal.folder.parent)).count(b"\n") == 21


def test_interrupted_in_the_middle_it_reads_on_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PIECE", 1000)
    folder, root = tmp_path / "in", tmp_path / "journals"
    folder.mkdir()
    lines = [b'{"n":%06d}\n' % number for number in range(2000)]
    (folder / "a.ndjson").write_bytes(b"".join(lines))
    with Journal(root / "worker-0", SMALL) as journal:
        collector = FileCollector(source(folder), journal)
        collector.start()
        wait_until(lambda: collector.stats.received > 1)
        collector.stop()
    with (
        Journal(root / "worker-1", SMALL) as journal,
        FileCollector(source(folder), journal),
    ):  # another worker, even
        wait_until(lambda: (folder / "done" / "a.ndjson").exists())
    assert sorted(b"".join(each.payload for each in everything(root)).splitlines(True)) == lines


def test_a_file_beyond_the_largest_message_is_put_aside_and_said(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PAYLOAD_BYTES_MAX", 10)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "large.parquet").write_bytes(bytes(11))
    (folder / "small.json").write_bytes(b"{}")
    with FileCollector(source(folder), journal) as collector:
        wait_until(
            lambda: (
                (folder / "done" / "small.json").exists() and (folder / "refused" / "large.parquet").exists()
            )
        )
        assert any("workbench ingest" in each for each in collector.stats.notes)
    assert [each.topic for each in everything(journal.folder.parent)] == ["small.json"]


def test_a_folder_that_is_none(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="folder"):
        FileCollector(source(tmp_path / "file"), journal).start()
