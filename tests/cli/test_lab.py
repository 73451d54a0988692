"""``workbench lab``: the right server, the right environment, and Panel's files from this machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from workbench.cli.lab import CONFIG, command, environment
from workbench.cli.main import run


def test_the_command_listens_to_this_machine_only(tmp_path: Path) -> None:
    words = command(tmp_path, 8899, no_browser=True)
    assert words[:3] == [sys.executable, "-m", "jupyterlab"]
    assert {"--ip=127.0.0.1", "--port=8899", "--no-browser", f"--ServerApp.root_dir={tmp_path}"} <= set(words)
    assert "--no-browser" not in command(tmp_path, 8899)


def test_the_environment_leads_outputs_back_to_the_server() -> None:
    made = environment({"HOME": "/home/x", "JUPYTER_CONFIG_PATH": "/etc/mine"}, 8899)
    assert made["HOME"] == "/home/x"
    assert made["PANEL_INLINE"] == "True"
    assert made["PANEL_CDN_ROOT"] == "http://127.0.0.1:8899/panel-cdn/"
    assert made["JUPYTER_CONFIG_PATH"] == f"{CONFIG}{os.pathsep}/etc/mine"


def test_nothing_asks_for_news() -> None:
    text = (CONFIG / "labconfig" / "default_setting_overrides.json").read_text()
    told = json.loads(text)["@jupyterlab/apputils-extension:notification"]
    assert told == {"fetchNews": "false", "checkForUpdates": False}


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["lab", str(tmp_path / "nowhere"), "--port", "0", "--no-browser"]) == 2
    assert "no such folder" in capfd.readouterr().err


def test_panels_own_files_are_served(tmp_path: Path) -> None:
    """The address that Panel writes into an output answers, in a server started the way ``lab`` does."""
    from panel.io.resources import DIST_DIR, JS_VERSION

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = command(tmp_path, port, no_browser=True)
    words[2] = (
        "jupyter_server"  # the same server without the lab's own application: it starts in half the time
    )
    made = environment({**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}, port)
    address = f"{made['PANEL_CDN_ROOT']}{JS_VERSION}/dist/panel.min.js"
    with subprocess.Popen(words, env=made, stderr=subprocess.DEVNULL) as server:
        try:
            body, headers = _get(address, server)
        finally:
            server.terminate()
    assert body == (Path(DIST_DIR) / "panel.min.js").read_bytes()
    assert headers["Access-Control-Allow-Origin"] == "*"


def _get(address: str, server: subprocess.Popen[bytes]) -> tuple[bytes, dict[str, str]]:
    for _ in range(120):
        assert server.poll() is None, "the server has ended"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.read(), dict(answer.headers)
        except urllib.error.HTTPError:
            raise
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server does not answer")
