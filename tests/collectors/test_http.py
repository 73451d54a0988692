from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.collectors.reading import everything, wait_until
from workbench.collectors.http import HttpCollector
from workbench.collectors.source import HttpSource
from workbench.errors import SourceError
from workbench.journal.journal import Journal
from workbench.journal.message import PAYLOAD_BYTES_MAX
from workbench.journal.segment import Segment

EVENT = {"specversion": "1.0", "id": "1", "source": "/lamps/7", "type": "energy", "data": {"energy_mwh": 5}}


@pytest.fixture
def collector(journal: Journal) -> Iterator[HttpCollector]:
    source = HttpSource(name="api", port=0, identity="topic:{device}", wait_seconds=1)
    with HttpCollector(source, journal) as opened:
        yield opened


@pytest.fixture
def web(collector: HttpCollector) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{collector.port}", timeout=30) as client:
        yield client


def post(
    web: httpx.Client, body: object, kind: str, path: str = "/v1/events/7", **headers: str
) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return web.post(path, content=content, headers={"Content-Type": kind, **headers})


def test_cloudevents_single_and_batch_are_accepted_when_they_are_durable(
    web: httpx.Client, journal: Journal
) -> None:
    single = post(web, EVENT, "application/cloudevents+json; charset=utf-8")
    batch = post(web, [EVENT, EVENT], "application/cloudevents-batch+json", "/v1/events")
    assert (single.status_code, batch.status_code) == (202, 202)
    one, two = everything(journal.folder.parent)
    assert (one.device, one.topic, one.content_type) == ("7", "7", "application/cloudevents+json")
    assert (two.topic, two.content_type, json.loads(two.payload)) == (
        "events", "application/cloudevents-batch+json", [EVENT, EVENT],
    )  # fmt: skip
    assert single.json() == {"accepted": 1, "received_at_ns": one.received_at_ns}


def test_a_cloudevent_in_headers_is_written_down_whole(web: httpx.Client, journal: Journal) -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "/lamps/7",
        "ce-type": "energy",
        "ce-mine": "ü",
    }
    post(web, {"energy_mwh": 5}, "application/json", **{k: v for k, v in headers.items() if v.isascii()})
    post(web, b"\x00\xff", "application/octet-stream", **{k: v for k, v in headers.items() if v.isascii()})
    one, two = everything(journal.folder.parent)
    assert one.content_type == two.content_type == "application/cloudevents+json"
    assert json.loads(one.payload)["data"] == {"energy_mwh": 5}
    assert json.loads(two.payload)["data_base64"] == "AP8="
    assert json.loads(two.payload)["source"] == "/lamps/7"


def test_i1_no_202_before_the_journal_is_synced(
    web: httpx.Client, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, real = threading.Event(), Segment.write
    monkeypatch.setattr(Segment, "write", lambda segment, frame: (gate.wait(20), real(segment, frame))[1])
    late = post(web, EVENT, "application/json")
    assert late.status_code == 503 and late.headers["retry-after"] == "1"  # it waited for a second
    gate.set()
    assert post(web, EVENT, "application/json").status_code == 202
    assert (
        len(everything(journal.folder.parent)) == 2
    )  # the first one was kept late; its sender sends it again


def test_under_pressure_senders_are_told_when_to_come_back(
    web: httpx.Client, journal: Journal, collector: HttpCollector
) -> None:
    journal._backlog_full = True
    journal.settings = journal.settings.__class__(sweep_seconds=1000)
    answer = post(web, EVENT, "application/json")
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (429, "1", "busy")
    journal._backlog_full = False
    journal._read_only = True
    answer = post(web, EVENT, "application/json")
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (
        503,
        "1",
        "disk_full",
    )
    journal._read_only = False
    assert post(web, EVENT, "application/json").status_code == 202
    assert collector.stats.refused == 2


def test_what_cannot_be_a_message_is_refused(web: httpx.Client, journal: Journal) -> None:
    assert post(web, b"", "application/json").status_code == 400
    assert post(web, bytes(PAYLOAD_BYTES_MAX + 1), "application/json").status_code == 413
    assert web.get("/v1/events").status_code == 405
    assert web.post("/elsewhere", content=b"x").status_code == 404
    assert everything(journal.folder.parent) == []


def test_broken_payloads_are_kept_for_mediation_to_judge(web: httpx.Client, journal: Journal) -> None:
    for broken in (b"{", b"\xff", b"null", b'{"a":1e400}'):
        assert post(web, broken, "application/json").status_code == 202
    assert [each.payload for each in everything(journal.folder.parent)] == [
        b"{",
        b"\xff",
        b"null",
        b'{"a":1e400}',
    ]


def test_senders_bring_a_token_and_the_tenant_is_theirs(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"gateway-1 acme {hashlib.sha256(b'secret').hexdigest()}\n")
    source = HttpSource(name="api", port=0, identity="username", tokens=str(path))
    with HttpCollector(source, journal) as collector:
        web = httpx.Client(base_url=f"http://127.0.0.1:{collector.port}")
        for said in ("", "Bearer wrong", "Basic secret"):
            assert post(web, EVENT, "application/json", Authorization=said).status_code == 401
        assert post(web, EVENT, "application/json", Authorization="Bearer secret").status_code == 202
        web.close()
    (found,) = everything(journal.folder.parent)
    assert (found.tenant, found.device) == ("acme", "gateway-1")


@pytest.mark.parametrize("line", ["only two", "a b nothex", f"a b {'0' * 63}"])
def test_a_broken_token_file_names_its_line(journal: Journal, tmp_path: Path, line: str) -> None:
    (tmp_path / "tokens").write_text(f"# fine\n{line}\n")
    with pytest.raises(SourceError, match="SHA-256") as caught:
        HttpCollector(HttpSource(name="api", port=0, tokens=str(tmp_path / "tokens")), journal)
    assert caught.value.where.endswith("line 2")


def test_many_senders_at_once_share_commits(
    web: httpx.Client, journal: Journal, collector: HttpCollector
) -> None:
    def send(number: int) -> None:
        with httpx.Client(base_url=str(web.base_url), timeout=30) as mine:
            for _ in range(20):
                assert post(mine, EVENT, "application/json", f"/v1/events/{number}").status_code == 202

    threads = [threading.Thread(target=send, args=(each,)) for each in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    wait_until(lambda: collector.stats.acknowledged == 160)
    assert len(everything(journal.folder.parent)) == 160
    assert journal.stats().commits <= 160
