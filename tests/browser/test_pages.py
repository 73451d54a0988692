"""The pages in a real Chromium: they move, they lead from an invoice to the raw events, and they ask nobody outside."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest

from tests.browser.served import Watcher

pytestmark = pytest.mark.browser

UPDATES_A_SECOND = 5
EVENING = re.compile(r"^\w+ \d+ \w+\s+(19|20|21):\d\d$")
"""The clock while lamps are lit: a map of lamps by day is grey."""
PAINTED = """() => window.Bokeh && Bokeh.documents.some(doc => [...doc._all_models.values()].some(
  model => model.type === 'GlyphRenderer' && model.glyph.type === 'Image' && model.level !== 'image'
    && (model.data_source.data.image || []).length > 0))"""
"""A picture has come, and lies above the night: on the level of images it would lie below."""


def test_the_city_moves(watcher, picture) -> None:
    page = watcher.open("/city")
    tile = page.locator("[data-tile=events]").first
    tile.wait_for()
    page.wait_for_function("() => window.Bokeh && Bokeh.documents.length > 0")
    page.wait_for_timeout(5_000)
    before = tile.inner_text()
    best = 0.0
    for _ in range(4):  # a busy machine may need a moment
        best = max(best, watcher.streamed(5, page))
        if best >= UPDATES_A_SECOND:
            break
    assert best >= UPDATES_A_SECOND
    assert tile.inner_text() != before
    picture(page, "city.png", EVENING)


def test_the_city_at_night_and_stopped(watcher, picture) -> None:
    page = watcher.open("/city")
    page.locator("[data-tile=events]").first.wait_for()
    page.get_by_text("Who gets what, whole period").wait_for()
    page.get_by_role("button", name="Toggle theme").click()
    page.wait_for_timeout(5_000)
    picture(page, "city-dark.png")
    page.get_by_role("button", name="Playing").click()
    page.wait_for_timeout(3_000)
    assert watcher.streamed(3, page) == 0


def test_many_lamps_are_one_picture(browser, wide_address, picture) -> None:
    """More lamps than a page can draw one by one are shaded here, and sent as a picture."""
    watcher = Watcher(browser, wide_address)
    page = watcher.open("/city")
    page.locator("[data-tile=events]").first.wait_for()
    page.wait_for_function(PAINTED)
    page.wait_for_timeout(6_000)
    picture(page, "city-many.png")
    page.close()
    assert watcher.wrong == []


def test_the_city_on_a_narrow_screen(watcher, picture) -> None:
    page = watcher.open("/city", wide=420)
    page.locator("[data-tile=events]").first.wait_for()
    page.get_by_text("Who gets what, whole period").wait_for()
    page.wait_for_timeout(4_000)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 420
    boxes = [chart.bounding_box() for chart in page.locator(".bk-Figure, .MuiPaper-root").all()]
    assert max(box["x"] + box["width"] for box in boxes if box) <= 420, "a card is cut at the right"
    picture(page, "city-narrow.png")


def test_from_an_invoice_to_the_raw_events(watcher, picture) -> None:
    page = watcher.open("/explorer")
    _follow(page, "INV-", "invoice=INV-")
    _follow(page, "usage", "line=")
    page.get_by_text("What each device owes").wait_for()
    _follow(page, "EUR", "device=")
    page.get_by_text("Charges of ").first.wait_for()
    _follow(page, "EUR", "window=")
    _proven(page)
    picture(page, "explorer.png")

    shared = watcher.open(page.url.removeprefix(watcher.address))
    _proven(shared)
    shared.get_by_role("button", name="All invoices").click()
    _row(shared, "INV-").wait_for()


def _row(page, words: str):
    """The first row of the table on show that holds these words."""
    return page.locator(".tabulator-row", has_text=re.compile(re.escape(words))).first


def _follow(page, words: str, query: str) -> None:
    """Click a row until the page has gone where it leads: a table may be drawn anew under the mouse."""
    for _ in range(5):
        _row(page, words).click()
        with suppress(Exception):
            page.wait_for_url(f"**{query}*", timeout=25_000)
            return
    raise AssertionError(f"the row {words!r} does not lead to {query}")


def _proven(page) -> None:
    page.get_by_text("it matches").wait_for()
    _row(page, "event").wait_for()
