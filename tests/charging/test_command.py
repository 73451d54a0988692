"""The program itself: started, asked, stopped, started again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.charging.world import CATALOGUE


def workbench(*words: str) -> list[str]:
    return [sys.executable, "-m", "workbench", "charge", *words]


def test_a_node_from_the_command_line(tmp_path: Path) -> None:
    folder, prices = str(tmp_path / "node"), tmp_path / "prices.yaml"
    prices.write_text(CATALOGUE)
    words = workbench(folder, "--catalog", str(prices), "--http", "127.0.0.1:0", "--json")
    for life in range(2):
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["seq"] == 1 + life  # the catalogue, then the account
        document = urllib.request.urlopen(f"http://127.0.0.1:{ready['http']}/openapi.json", timeout=10)
        assert json.load(document)["openapi"].startswith("3.1")
        asked = '{"op":"open","account":"car-1","id":"1","offers":["car"]}'
        answer = subprocess.run(
            workbench(folder, "--ask", asked, "--json"), capture_output=True, check=True, text=True
        )
        assert json.loads(answer.stdout)["ok"]
        status = subprocess.run(
            workbench(folder, "--status", "--json"), capture_output=True, check=True, text=True
        )
        assert json.loads(status.stdout)["accounts"] == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    none = subprocess.run(
        workbench(folder, "--status", "--json"), capture_output=True, text=True, check=False
    )
    assert (none.returncode, json.loads(none.stderr)["error"]["code"]) == (2, "no_node")
