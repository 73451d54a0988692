"""The live page in a real Chromium: it moves, asks nobody outside, and says what ``workbench status`` and the lake say."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import Watcher
from workbench.cli.status import of
from workbench.lake.lake import Lake

pytestmark = pytest.mark.browser
PROGRAM = "from workbench.cli.main import main; main()"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A live town of a hundred lamps: where its page is, and its lake."""
    lake = tmp_path_factory.mktemp("live") / "lake"
    words = [sys.executable, "-c", PROGRAM, "live", "--lake", str(lake), "--devices", "300", "--port", "0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        for line in server.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+(?=/live)", line):
                break
        else:
            raise AssertionError("the server has ended")
        import threading

        threading.Thread(target=server.stderr.read, daemon=True).start()
        yield found[0], lake
        server.send_signal(signal.SIGINT)
        server.wait(60)


def number(page: object, tile: str) -> int:
    return int(page.locator(f"[data-tile={tile}]").first.inner_text().replace(",", ""))


def test_it_moves_and_says_what_the_lake_says(browser, town, picture) -> None:
    address, lake = town
    watcher = Watcher(browser, address)
    page = watcher.open("/live")
    page.locator("[data-tile=events]").first.wait_for()
    before = number(page, "acknowledged")
    best = max(watcher.streamed(5, page) for _ in range(3))
    assert best >= 5
    assert number(page, "acknowledged") > before
    for _ in range(200):
        shown = number(page, "events"), number(page, "records")
        version = int(re.sub(r"\D", "", page.get_by_text("lake version").first.inner_text()))
        with Lake.open(lake) as opened:
            if opened.state.version == version:
                told = of(opened)["streams"]
                assert (sum(s["events"] for s in told), sum(s["records"] for s in told)) == shown
                break
        page.wait_for_timeout(100)
    else:
        raise AssertionError("page and lake never stood at one version")
    page.get_by_text("reporting").first.wait_for()
    picture(page, "live.png")
    page.get_by_role("button", name="Toggle theme").click()
    page.wait_for_timeout(2_000)
    picture(page, "live-dark.png")
    page.close()
    assert watcher.wrong == []


def test_the_sales_page_moves_with_the_same_pipeline(browser, town, picture) -> None:
    address, _ = town
    watcher = Watcher(browser, address)
    page = watcher.open("/sales")
    page.get_by_text("customers", exact=False).first.wait_for()
    page.locator(
        "[data-tile=spend]", has_text=re.compile("[0-9]")
    ).first.wait_for()  # a locator looks into shadow roots
    assert max(watcher.streamed(4, page) for _ in range(4)) >= 5
    clock = page.get_by_text(re.compile(r"^\w{3} \d\d \w{3}\s+\d\d:\d\d:\d\d$")).first
    before = clock.inner_text()
    page.wait_for_timeout(1_500)
    assert clock.inner_text() != before
    assert page.get_by_role("button", name="Playing").count() == 0
    picture(page, "sales-live.png")
    page.close()
    assert watcher.wrong == []
