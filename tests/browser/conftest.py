"""One tiny city, one server over it, one Chromium, and pages that tell on themselves."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
HERE = {"127.0.0.1", "localhost"}


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the pages of a tiny demo city are served."""
    from workbench.showcase.build import build
    from workbench.showcase.scene import demo

    lake = tmp_path_factory.mktemp("city") / "lake"
    build(lake, demo(scale=50))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = "from workbench.cli.main import main; main()"
    words = [sys.executable, "-c", program, "serve", str(lake), "--port", str(port)]
    settings = {**os.environ, "WORKBENCH_GATE_KEY": str(lake.with_name("gate.pem"))}
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, env=settings) as server:
        try:
            _wait(f"http://127.0.0.1:{port}/health", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _wait(address: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        assert server.poll() is None, "the server has ended"
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server does not answer")


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


@dataclass
class Watcher:
    """Opens pages, and remembers what none of them may do."""

    browser: object
    address: str
    wrong: list[str] = field(default_factory=list)
    frames: list[tuple[float, bytes]] = field(default_factory=list)
    pages: list[object] = field(default_factory=list)

    def open(self, path: str) -> object:
        """A page, on its way."""
        page = self.browser.new_page(viewport={"width": 1440, "height": 900})
        self.pages.append(page)
        page.set_default_timeout(120_000)
        page.on("console", lambda said: self._tell("console", said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self._tell("error", str(error)))
        page.on("request", lambda asked: self._foreign(asked.url))
        page.on("response", lambda got: self._tell(str(got.status), got.url) if got.status >= 400 else None)
        page.on("websocket", self._listen)
        page.goto(self.address + path, wait_until="commit")
        return page

    def streamed(self, seconds: float, page: object) -> float:
        """Updates of streaming charts a second that reach the browser, from now on for some time."""
        begin = time.monotonic()
        page.wait_for_timeout(seconds * 1000)
        end = time.monotonic()
        found = [frame for at, frame in self.frames if at >= begin and b"ColumnsStreamed" in frame]
        return len(found) / (end - begin)

    def _listen(self, channel: object) -> None:
        def got(frame: str | bytes) -> None:
            self.frames.append((time.monotonic(), frame.encode() if isinstance(frame, str) else frame))

        self._foreign(channel.url)
        channel.on("framereceived", got)

    def _foreign(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.hostname not in HERE:
            self._tell("foreign", url)

    def _tell(self, kind: str, words: str) -> None:
        self.wrong.append(f"{kind}: {words[:300]}")


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
    """Writes a page to docs/images when WORKBENCH_SCREENSHOTS is set."""

    def take(page: object, name: str) -> None:
        if os.environ.get("WORKBENCH_SCREENSHOTS"):
            folder = Path(request.config.rootpath) / "docs" / "images"
            folder.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(folder / name))

    return take
