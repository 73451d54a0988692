"""The notebooks in JupyterLab, run in a real Chromium: every output shows, and nobody outside is asked."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser.served import HERE, answers
from workbench.cli.lab import command, environment

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ["01_meet_the_fleet", "02_your_first_bill"]
SETTINGS = {"@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"}}
BEGUN = """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].some(
  each => /^\\[(\\*|\\d+)\\]:$/.test(each.textContent))"""
DONE = """count => {
  const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(each => each.textContent);
  return prompts.length === count && prompts.every(text => /^\\[\\d+\\]:$/.test(text));
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``workbench lab`` on copies of the notebooks; every cell is kept on the page, also out of sight."""
    home = tmp_path_factory.mktemp("lab")
    for place in ("notebooks", "datasets"):
        shutil.copytree(ROOT / place, home / place)
    for name, values in SETTINGS.items():
        package, _, plugin = name.rpartition("/")
        file = home / "settings" / package / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
           "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces")}  # fmt: skip
    words = [*command(home / "notebooks", port, no_browser=True), "--IdentityProvider.token="]
    made = environment({**os.environ, **own}, port)
    with subprocess.Popen(words, env=made, stderr=subprocess.DEVNULL, cwd=home) as server:
        try:
            answers(f"http://127.0.0.1:{port}/api", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_output_shows_without_internet(name: str, lab: str, browser, picture) -> None:
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    charts = sum(".hvplot" in source.replace("import hvplot", "") for source in code)
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(420_000)
    foreign, errors = [], []
    page.on("request", lambda asked: foreign.append(asked.url) if _outside(asked.url) else None)
    page.on("pageerror", lambda error: errors.append(str(error)[:300]))
    # A workspace of its own: else the notebook before is on the page too.
    page.goto(f"{lab}/lab/workspaces/{name}/tree/{name}.ipynb", wait_until="commit")
    page.locator(".jp-CodeCell").first.wait_for()
    page.get_by_text("Python 3 (ipykernel) | Idle").first.wait_for()
    _run_all(page)
    page.wait_for_function(DONE, arg=len(code))
    if charts:
        page.locator(".jp-OutputArea .bk-Figure").nth(charts - 1).wait_for(state="attached")
    failed = page.locator("[data-mime-type='application/vnd.jupyter.error']")
    assert failed.count() == 0, failed.first.inner_text()
    assert charts
    assert page.locator(".jp-OutputArea .bk-Figure").count() >= charts
    page.locator(".jp-OutputArea .bk-Figure").first.scroll_into_view_if_needed()
    page.wait_for_timeout(1_000)
    picture(page, f"lab-{name[:2]}.png")
    page.close()
    assert foreign == []
    assert errors == []


def _run_all(page) -> None:
    """Run every cell: asked again where nothing has begun: on a machine that stood still in between the click was once lost."""
    for _ in range(5):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        with suppress(Exception):
            page.wait_for_function(BEGUN, timeout=20_000)
            return
    raise AssertionError("no cell has begun to run")


def _outside(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in ("data", "blob") and parts.hostname not in HERE
