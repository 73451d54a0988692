"""``import workbench as wb``: few names, sorted, all there, and quick to import."""

from __future__ import annotations

import subprocess
import sys

import workbench

PUBLIC = list(getattr(workbench, "__all__", []))


def test_public_names_are_few_sorted_and_real() -> None:
    assert sorted(PUBLIC, key=lambda name: (name.islower(), name)) == PUBLIC or sorted(PUBLIC) == PUBLIC
    assert len(PUBLIC) <= 27  # the analyst's and the sales people's one name each came last
    assert not [name for name in PUBLIC if not hasattr(workbench, name)]


def test_public_names_are_documented() -> None:
    assert not [name for name in PUBLIC if not (getattr(workbench, name).__doc__ or "").strip()]


def test_the_package_is_imported_without_screens_and_servers() -> None:
    """A notebook's first cell and every command wait for this import."""
    heavy = ("panel", "bokeh", "holoviews", "jupyterlab", "uvicorn", "sklearn")
    lines = f"import sys, workbench; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
