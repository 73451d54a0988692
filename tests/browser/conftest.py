"""One tiny city, one server over it, one Chromium, and pages that tell on themselves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.browser.served import Watcher, served

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)

LOADED = """() => { const veiled = root => [...root.querySelectorAll('*')].some(
  part => part.classList.contains('pn-loading') || (part.shadowRoot && veiled(part.shadowRoot)));
  return document.readyState === 'complete' && !veiled(document); }"""
"""Nothing on the page stands behind the veil that Panel draws while it loads."""


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the pages of a tiny demo city are served."""
    from workbench.showcase.build import build
    from workbench.showcase.scene import demo

    lake = tmp_path_factory.mktemp("city") / "lake"
    build(lake, demo(scale=50))
    with served(lake) as found:
        yield found


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """The machine's own Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_api.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def wide_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where two hours of a city are served that has more lamps than a page can draw one by one; all 200,000 for a picture."""
    from workbench.dashboards.lamp_map import GLYPHS_MAX
    from workbench.showcase.build import build
    from workbench.showcase.scene import city

    lake = tmp_path_factory.mktemp("wide") / "lake"
    lamps = 200_000 if os.environ.get("WORKBENCH_SCREENSHOTS") else GLYPHS_MAX + 1_500
    build(lake, city(lamps, hours=2, start=date(2026, 3, 2)))
    with served(lake) as found:
        yield found


@pytest.fixture
def watcher(browser: object, address: str) -> Iterator[Watcher]:
    """Pages on which nothing may go wrong: checked when the test has ended."""
    watcher = Watcher(browser, address)
    yield watcher
    for page in watcher.pages:
        page.close()
    assert watcher.wrong == []


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> object:
    """Writes a page to docs/images when WORKBENCH_SCREENSHOTS is set; waits for what the picture is to show."""

    def take(page: object, name: str, shows: object = None) -> None:
        if os.environ.get("WORKBENCH_SCREENSHOTS"):
            if shows is not None:
                page.get_by_text(shows).first.wait_for()
            folder = Path(request.config.rootpath) / "docs" / "images"
            folder.mkdir(parents=True, exist_ok=True)
            page.wait_for_function(LOADED)
            page.wait_for_timeout(1_000)
            page.screenshot(path=str(folder / name))

    return take
