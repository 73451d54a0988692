"""The analyst's and sales pages without a browser: keys become verdicts, the map holds 200,000 devices, a period becomes frames."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from workbench.casework.standing import CHANCE_LEAST
from workbench.dashboards.analyst_app import AnalystPage
from workbench.dashboards.cases.charts import GLYPHS_MAX, FleetMap
from workbench.dashboards.cases.drawing import case_html, queue_html
from workbench.dashboards.cases.store import CaseStore
from workbench.dashboards.sales.drawing import gauges_html, offers_html, share_link
from workbench.dashboards.sales.store import SalesStore
from workbench.dashboards.sales_app import SalesPage
from workbench.showcase.build import build
from workbench.showcase.scene import Scene


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("town") / "lake"
    build(path, Scene({"lamps": 60, "meters": 60, "chargers": 16}, days=2, faults="demo"))
    return path


@pytest.fixture(scope="module")
def cases(town: Path) -> CaseStore:
    store = CaseStore(town)
    assert store.ready.wait(120), "the detectors have looked"
    return store


@pytest.fixture(scope="module")
def sales(town: Path, cases: CaseStore) -> SalesStore:
    store = SalesStore(town, "main", cases)
    for _ in range(1200):
        if not store.told:
            break
        time.sleep(0.1)
    assert not store.trouble
    return store


def test_keys_walk_decide_mark_and_undo(cases: CaseStore) -> None:
    page = AnalystPage(cases, "ann")
    page.view()
    rows = [one.case.case_id for one in cases.queue()]
    assert page.case == rows[0]
    page._heard({"key": "j"})
    assert page.case == rows[1]
    page._heard({"tell": "case", "value": rows[0]})
    page._heard({"key": "1"})
    assert cases.desk.case(rows[0]).state == "resolved" and page.case == rows[1]
    page._heard({"key": "u"})
    assert cases.desk.case(rows[0]).state == "open" and page.case == rows[0]
    page._heard({"key": "x"})
    page._heard({"key": "j"})
    page._heard({"key": "x"})
    page._heard({"key": "2"})
    assert {cases.desk.case(one).state for one in rows[:2]} == {"dismissed"}, (
        "marked ones are decided together"
    )
    page._heard({"key": "u"})
    page._heard({"key": "7"})
    assert "No webhook is set" in page._said.text
    page._heard({"tell": "key", "value": "5"})
    assert "dispute" in cases.desk.case(page.case).done


def test_words_from_data_are_escaped(cases: CaseStore) -> None:
    from dataclasses import replace

    one = cases.queue()[0]
    bad = replace(one, case=replace(one.case, subject="<script>x", sentence="<b>&", account_name="<i>"))
    for html in (queue_html([bad], "", ()), case_html(bad)):
        assert "<script>" not in html and "<b>&<" not in html and "&lt;" in html


def test_the_map_shows_few_as_dots_with_cases_on_top(cases: CaseStore) -> None:
    """Many devices are a picture: ``test_fleet_map.py``."""
    plain = FleetMap(cases.fleet, lambda _: None)
    plain.show(cases.queue(), cases.queue()[0].case.case_id)
    assert len(plain._marks.data["case"]) > 0 and max(plain._marks.data["size"]) == 16
    assert 0 < len(plain._dots.data["device"]) == len(cases.fleet.ids) <= GLYPHS_MAX
    assert not plain._picture.data["image"]


def test_a_period_becomes_frames_that_trigger_and_stay_one_per_customer(sales: SalesStore) -> None:
    assert len(sales.frames) == 49 and not sales.frames[0].offers
    last = sales.frames[-1]
    assert last.offers and all(one.chance >= CHANCE_LEAST for one in last.offers)
    assert len({one.account for one in last.offers}) == len(last.offers)
    bills = [frame.bill[""] for frame in sales.frames]
    assert bills == sorted(bills), "spend never falls"
    assert all(frame.low[""] <= frame.middle[""] <= frame.high[""] for frame in sales.frames)
    assert sum(last.bill[owner] for owner in sales.owners) == last.bill[""]
    assert sales.replayed and sales.found(last).explain(0).count("EUR") >= 3


def test_an_offer_opens_its_reason_and_a_link_holds_the_state(sales: SalesStore) -> None:
    page = SalesPage(sales)
    page.view()
    assert page._begin()
    page._now = sales.frames[-2].at
    page._show()
    offer = page._listed(sales.frames[-2])[0]
    page._heard({"tell": "offer", "value": offer.offer_id})
    assert f'data-reason="{offer.offer_id}"' in page._offers.text and "costs less" in page._offers.text
    assert share_link("http://here/sales?x=1", page._state()).startswith(
        f"http://here/sales?offer={offer.offer_id}&at=2026-"
    )
    page.owner = "company"
    assert {one.owner for one in page._listed(sales.frames[-1])} <= {"company"}
    assert "% " in gauges_html(sales.frames[-1].standings) or "%</div>" in gauges_html(
        sales.frames[-1].standings
    )
    assert "Nobody would be better off" in offers_html([], [], "", sales.frames[0].at, {})
    assert page._page().read().startswith(b"<!doctype html>")


def test_evidence_that_is_read_is_announced_and_then_drawn(cases: CaseStore, monkeypatch) -> None:
    page = AnalystPage(cases, "ann")
    page.view()
    case = cases.queue()[0].case
    assert len(page._evidence._rows.data["at"]) > 0 and "lie outside" in page._note.text
    monkeypatch.setattr(cases, "shown", lambda _: None)
    page._wanted, page._wanted_at, page._said_so = case, time.monotonic() - 1, False
    page._fill()
    assert "Reading the evidence of" in page._note.text and not page._names.text
    assert len(page._evidence._rows.data["at"]) == len(page._life._bars.data["at"]) == 0
    monkeypatch.undo()
    page._fill()
    assert len(page._evidence._rows.data["at"]) > 0 and "lie outside" in page._note.text
    assert page._life._cases.data["kind"], "its cases stand beside its use"
