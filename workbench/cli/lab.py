"""``workbench lab``: JupyterLab with the notebooks, every output drawn from this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import shell
from workbench.cli.serve import free_port
from workbench.errors import UsageError

CONFIG = Path(__file__).resolve().parents[1] / "dashboards" / "lab"
"""Configuration for Jupyter: the extension that serves Panel's files, plots that bring their scripts, and no news from
outside."""


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command(rich_help_panel=shell.SEE)(lab)


def lab(
    folder: Annotated[
        Path | None, typer.Argument(help="What to open; `notebooks`, where there is one, else this folder.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where; 0 picks a free port.")] = 8888,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
) -> None:
    """Open JupyterLab with the notebooks. Tables and charts show without internet."""
    if find_spec("jupyterlab") is None:
        raise UsageError("JupyterLab is not installed.", cure="Run `make setup`.", code="no_jupyterlab")
    port = free_port(port)
    folder = folder or (Path("notebooks") if Path("notebooks").is_dir() else Path())
    if not folder.is_dir():
        raise UsageError("There is no such folder.", where=str(folder), cure="Name a folder of notebooks.")
    running = subprocess.Popen(command(folder, port, no_browser), env=environment(os.environ, port))
    try:
        code = running.wait()
    except KeyboardInterrupt:  # the same Ctrl+C has told the server to stop
        code = running.wait()
    raise typer.Exit(code)


def command(folder: Path, port: int, no_browser: bool = False) -> list[str]:
    """The command line of the server; only this machine can connect, and Ctrl+C asks no questions."""
    words = [
        *(sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", f"--port={port}"),
        *("--ServerApp.port_retries=0", "--ServerApp.answer_yes=True"),
        f"--ServerApp.root_dir={folder.resolve()}",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        words.append("--allow-root")  # in a container everybody is
    return [*words, "--no-browser"] if no_browser else words


def environment(inherited: Mapping[str, str], port: int) -> dict[str, str]:
    """The environment of the server and its kernels.

    Panel writes the addresses of its scripts into every output: they must be absolute and lead back to this server.
    """
    search = [str(CONFIG), *filter(None, [inherited.get("JUPYTER_CONFIG_PATH")])]
    return {
        **inherited,
        "JUPYTER_CONFIG_PATH": os.pathsep.join(search),
        "HOLOVIEWSRC": inherited.get("HOLOVIEWSRC") or str(CONFIG / "holoviews.rc"),
        "PANEL_INLINE": "True",
        "PANEL_CDN_ROOT": f"http://127.0.0.1:{port}/panel-cdn/",
    }
