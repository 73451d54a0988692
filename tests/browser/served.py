"""Pages of a lake, served by the program itself for as long as a test needs them, and one who watches them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

HERE = {"127.0.0.1", "localhost"}


@contextmanager
def served(lake: Path) -> Iterator[str]:
    """The address of ``workbench serve`` over a lake, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = "from workbench.cli.main import main; main()"
    words = [sys.executable, "-c", program, "serve", str(lake), "--port", str(port)]
    settings = {**os.environ, "WORKBENCH_GATE_KEY": str(lake.with_name("gate.pem"))}
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, env=settings) as server:
        try:
            answers(f"http://127.0.0.1:{port}/health", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def answers(address: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers; a failure when it ends, or does not within five minutes."""
    for _ in range(600):
        assert server.poll() is None, "the server has ended"
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server does not answer")


@dataclass
class Watcher:
    """Opens pages, and remembers what none of them may do."""

    browser: object
    address: str
    wrong: list[str] = field(default_factory=list)
    frames: list[tuple[float, bytes]] = field(default_factory=list)
    pages: list[object] = field(default_factory=list)

    def open(self, path: str, wide: int = 1440) -> object:
        """A page, on its way."""
        page = self.browser.new_page(viewport={"width": wide, "height": 900})
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
