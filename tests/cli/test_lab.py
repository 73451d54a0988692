"""``workbench lab``: the right server, the right environment, and Panel's files from this machine."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from workbench.cli.lab import CONFIG, command, environment
from workbench.cli.main import run


def test_the_command_listens_to_this_machine_only(tmp_path: Path) -> None:
    words = command(tmp_path, 8899, no_browser=True)
    assert words[:3] == [sys.executable, "-m", "jupyterlab"]
    assert {"--ip=127.0.0.1", "--port=8899", "--no-browser", f"--ServerApp.root_dir={tmp_path}"} <= set(words)
    assert "--no-browser" not in command(tmp_path, 8899)


def test_the_environment_leads_outputs_back_to_the_server() -> None:
    made = environment({"HOME": "/srv/x", "JUPYTER_CONFIG_PATH": "/etc/mine"}, 8899)
    assert made["HOME"] == "/srv/x"
    assert made["PANEL_INLINE"] == "True"
    assert Path(made["HOLOVIEWSRC"]).read_text().strip().endswith("notebook_extension.inline = True")
    assert made["PANEL_CDN_ROOT"] == "http://127.0.0.1:8899/panel-cdn/"
    assert made["JUPYTER_CONFIG_PATH"] == f"{CONFIG}{os.pathsep}/etc/mine"


def test_nothing_asks_for_news() -> None:
    text = (CONFIG / "labconfig" / "default_setting_overrides.json").read_text()
    told = json.loads(text)["@jupyterlab/apputils-extension:notification"]
    assert told == {"fetchNews": "false", "checkForUpdates": False}


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["lab", str(tmp_path / "nowhere"), "--port", "0", "--no-browser"]) == 2
    assert "no such folder" in capfd.readouterr().err


def test_panels_own_files_are_served_over_http() -> None:
    """The extension in a web application of its own, under a prefix as hubs use."""
    from panel.io.resources import DIST_DIR
    from tornado.httpserver import HTTPServer
    from tornado.ioloop import IOLoop
    from tornado.testing import bind_unused_port
    from tornado.web import Application

    from workbench.dashboards.lab_files import _load_jupyter_server_extension

    taken, port = bind_unused_port()
    running: list[IOLoop] = []
    ready = threading.Event()

    def serve() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        application = Application()
        _load_jupyter_server_extension(SimpleNamespace(base_url="/hub/", web_app=application))
        HTTPServer(application).add_socket(taken)
        running.append(IOLoop.current())
        ready.set()
        running[0].start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(30)
    address = f"http://127.0.0.1:{port}/hub/panel-cdn/1.9.4/dist"
    with urllib.request.urlopen(f"{address}/panel.min.js", timeout=30) as answer:
        assert answer.read() == (Path(DIST_DIR) / "panel.min.js").read_bytes()
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    with pytest.raises(urllib.error.HTTPError, match=r"40[34]"):
        urllib.request.urlopen(f"{address}/../package.json", timeout=30)
    running[0].add_callback(running[0].stop)
    thread.join(30)


@pytest.mark.slow
def test_the_address_in_an_output_answers(tmp_path: Path) -> None:
    """The address that Panel writes into an output, asked of a server that ``lab`` has configured."""
    from panel.io.resources import JS_VERSION

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
    assert len(body) > 100_000
    assert headers["Access-Control-Allow-Origin"] == "*"


def _get(address: str, server: subprocess.Popen[bytes]) -> tuple[bytes, dict[str, str]]:
    for _ in range(360):
        assert server.poll() is None, "the server has ended"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.read(), dict(answer.headers)
        except urllib.error.HTTPError:
            raise
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server does not answer")
