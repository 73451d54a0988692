"""An analyst and a salesperson in a real Chromium: ten cases decided by keyboard; a replayed day that triggers an offer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

import pytest

from tests.browser.served import Watcher, served

pytestmark = pytest.mark.browser

UPDATES_A_SECOND = 5
READY = 180_000


@pytest.fixture(scope="module")
def town_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a town with trouble is served: two days of lamps, homes, chargers and trackers."""
    from workbench.showcase.build import build
    from workbench.showcase.scene import Scene

    lake = tmp_path_factory.mktemp("town") / "lake"
    build(lake, Scene({"lamps": 150, "meters": 80, "chargers": 24, "trackers": 60}, days=2, faults="demo"))
    with served(lake) as found:
        yield found


@pytest.fixture
def people(browser: object, town_address: str) -> Iterator[Watcher]:
    """Pages on which nothing may go wrong."""
    watcher = Watcher(browser, town_address)
    yield watcher
    for page in watcher.pages:
        page.close()
    assert watcher.wrong == []


def open_case(page) -> str:
    """The id of the case on show."""
    return page.locator("[data-case-open]").first.get_attribute("data-case-open")


def waiting(page) -> int:
    return int(page.locator("[data-tile=open]").first.inner_text().replace(",", ""))


def test_an_analyst_triages_ten_cases_by_keyboard(people: Watcher, picture) -> None:
    page = people.open("/analyst")
    page.locator(".row").first.wait_for(timeout=READY)
    page.get_by_text("Detectors on planted faults").wait_for()
    page.locator("[data-case-open]").first.wait_for()
    before = waiting(page)
    assert before >= 12
    page.get_by_text("points of the episode lie outside").first.wait_for()
    page.wait_for_timeout(1_500)
    picture(page, "analyst.png")
    first = open_case(page)
    page.keyboard.press("j")
    page.wait_for_function("(old) => !location.search.includes(old)", arg=first)
    page.keyboard.press("k")
    page.wait_for_function("(old) => location.search.includes(old)", arg=first)
    for number in range(10):
        page.keyboard.press("12"[number % 2])
        page.wait_for_function(
            "([tile, left]) => { const all = []; const walk = (root) => { all.push(...root.querySelectorAll(tile));"
            " root.querySelectorAll('*').forEach(n => n.shadowRoot && walk(n.shadowRoot)); }; walk(document);"
            " return all.some(n => Number(n.textContent.replace(',', '')) === left); }",
            arg=["[data-tile=decided]", number + 1],
        )
    assert waiting(page) == before - 10
    page.get_by_text(re.compile("Press u to take it back")).wait_for()
    page.keyboard.press("u")
    page.get_by_text("Taken back.").wait_for()
    assert waiting(page) == before - 9
    page.keyboard.press("6")
    page.get_by_text(re.compile(r"field order: field-order-\w+")).wait_for()
    page.keyboard.press("7")
    page.get_by_text("No webhook is set").wait_for()
    shared = people.open(page.url.removeprefix(people.address))
    shared.locator("[data-case-open]").first.wait_for()
    assert open_case(shared) == open_case(page)


def test_the_analyst_page_at_night_and_on_a_phone(people: Watcher, picture) -> None:
    page = people.open("/analyst")
    page.locator(".row").first.wait_for(timeout=READY)
    page.get_by_role("button", name="Toggle theme").click()
    page.wait_for_timeout(3_000)
    picture(page, "analyst-dark.png")
    narrow = people.open("/analyst", wide=480)
    narrow.locator(".row").first.wait_for()
    narrow.wait_for_timeout(3_000)
    fits(narrow, 480)
    picture(narrow, "analyst-narrow.png")


def test_a_salesperson_sees_a_day_trigger_an_offer_and_opens_its_reason(people: Watcher, picture) -> None:
    page = people.open("/sales?at=2026-03-03T11:00")
    page.locator("[data-tile=spend]").first.wait_for(timeout=READY)
    page.get_by_text("Nobody would be better off on another plan for sure enough yet.").wait_for(
        timeout=READY
    )
    offer = page.locator(".offer").first
    offer.wait_for()
    page.get_by_text("new", exact=True).first.wait_for()
    offer.click()
    reason = page.locator("[data-reason]").first
    reason.wait_for()
    said = reason.inner_text()
    assert "% sure to use at least" in said and "costs less" in said and "EUR" in said
    page.wait_for_url("**offer=*")
    page.wait_for_timeout(2_000)
    picture(page, "sales.png")
    best = 0.0
    for _ in range(6):  # the twin's replay of the offers may still be running beside it
        best = max(best, people.streamed(4, page))
        if best >= UPDATES_A_SECOND:
            break
    assert best >= UPDATES_A_SECOND
    with page.expect_download() as got:
        page.get_by_role("button", name="Snapshot").click()
    assert got.value.suggested_filename == "sales.html"
    page.get_by_role("button", name="Link").click()
    link = page.locator("a", has_text="/sales?").first
    link.wait_for()
    shared = people.open(str(link.get_attribute("href")).removeprefix(people.address))
    shared.locator("[data-reason]").first.wait_for(timeout=READY)


def test_the_sales_page_on_a_wall_at_night_and_on_a_phone(people: Watcher, picture) -> None:
    page = people.open("/sales?at=2026-03-03T18:00")
    page.locator(".offer").first.wait_for(timeout=READY)
    page.get_by_role("button", name="Toggle theme").click()
    page.wait_for_timeout(3_000)
    picture(page, "sales-dark.png")
    wall = people.open("/sales?kiosk=true&at=2026-03-03T18:00", wide=1920)
    wall.locator(".offer").first.wait_for()
    assert wall.get_by_role("button", name="Playing").count() == 0
    assert not wall.locator("header").first.is_visible()
    narrow = people.open("/sales?at=2026-03-03T18:00", wide=480)
    narrow.locator(".offer").first.wait_for()
    narrow.wait_for_timeout(2_000)
    fits(narrow, 480)
    picture(narrow, "sales-narrow.png")


def fits(page, wide: int) -> None:
    """Nothing is cut at the right, and no card lies over another."""
    assert page.evaluate("() => document.documentElement.scrollWidth") <= wide
    boxes = [part.bounding_box() for part in page.locator(".bk-Figure, .MuiPaper-root").all()]
    assert max(box["x"] + box["width"] for box in boxes if box) <= wide, "a card is cut at the right"
    cards = [box for part in page.locator("main .MuiPaper-root").all() if (box := part.bounding_box())]
    assert cards and not [(a, b) for a, b in combinations(cards, 2) if cover(a, b)], (
        "a card lies over another"
    )
    assert page.get_by_role("button", name="Toggle theme").bounding_box()["x"] < wide - 24, (
        "the theme cannot be chosen"
    )


def cover(one: dict[str, float], other: dict[str, float]) -> bool:
    """Whether two boxes share some place and neither is inside the other."""
    shared = [
        min(one[at] + one[size], other[at] + other[size]) - max(one[at], other[at])
        for at, size in (("x", "width"), ("y", "height"))
    ]
    least = min(one["width"] * one["height"], other["width"] * other["height"])
    return min(shared) > 1 and shared[0] * shared[1] < 0.99 * least
