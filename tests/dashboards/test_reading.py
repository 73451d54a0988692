"""Evidence is read beside the pages: nobody waits, the newest wish is read first, and what fails says so."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from workbench.casework.evidence import Evidence
from workbench.dashboards.cases import drawing, reading
from workbench.dashboards.cases.reading import WAITING_MAX, Reading
from workbench.errors import LakeError


def case(number: int) -> SimpleNamespace:
    return SimpleNamespace(case_id=f"case-{number}", devices=(f"lamp-{number}",))


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Queries that end when the test says so."""
    told = SimpleNamespace(go=threading.Event(), order=[], begun=threading.Event())

    def evidence(_lake: object, one: SimpleNamespace) -> Evidence:
        told.order.append(one.case_id)
        told.begun.set()
        assert told.go.wait(20)
        if one.case_id == "case-13":
            raise LakeError("A file is cut.", cure="Restore it.", code="segment_damaged")
        return Evidence(one.devices[0], "units", "units", pd.DataFrame(), 0, "")

    monkeypatch.setattr(reading, "evidence", evidence)
    monkeypatch.setattr(reading, "timeline", lambda *_: {"device": "lamp"})
    monkeypatch.setattr(reading.Lake, "open", lambda *_: None)
    return told


def test_who_asks_does_not_wait_and_the_newest_wish_is_read_first(slow: SimpleNamespace) -> None:
    desk = Reading(Path("lake"))
    begin = time.monotonic()
    assert desk.get(case(1)) is None
    assert slow.begun.wait(20)
    assert [desk.get(case(number)) for number in (2, 3, 3, 1)] == [None] * 4
    assert time.monotonic() - begin < 5, "no query has ended yet, and none was waited for"
    slow.go.set()
    assert desk.wait(case(2)).seen is not None
    assert slow.order == ["case-1", "case-3", "case-2"], "each once"
    assert desk.get(case(3)).seen.device == "lamp-3"


def test_who_holds_a_key_down_leaves_no_queue_behind(slow: SimpleNamespace) -> None:
    desk = Reading(Path("lake"))
    desk.get(case(0))
    assert slow.begun.wait(20)
    for number in range(1, 60):
        desk.get(case(number))
    slow.go.set()
    assert desk.wait(case(59)).seen is not None
    desk.wait(case(60 - WAITING_MAX))
    assert slow.order == ["case-0", *(f"case-{number}" for number in range(59, 59 - WAITING_MAX, -1))]


def test_what_cannot_be_read_says_so_and_the_next_is_read(slow: SimpleNamespace) -> None:
    desk = Reading(Path("lake"))
    slow.go.set()
    found = desk.wait(case(13))
    assert found.seen is None and found.trouble == "A file is cut. Restore it."
    assert "A file is cut." in drawing.reading_html(case(13), found.trouble)
    assert desk.wait(case(14)).seen is not None
    assert "Reading the evidence of lamp-14" in drawing.reading_html(case(14))
