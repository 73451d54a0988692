"""A notebook exported by plain nbconvert, opened in a Chromium without internet: its chart is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "datasets" / "catalog" / "street-lamps.yaml"


def test_a_price_plotted_in_a_notebook_shows_without_internet(tmp_path: Path, browser) -> None:
    cell = {
        "cell_type": "code", "id": "plot", "metadata": {}, "execution_count": None, "outputs": [],
        "source": f"import workbench as wb\nwb.price({str(CATALOGUE)!r}, '1000 kWh').plot()",
    }  # fmt: skip
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = tmp_path / "price.ipynb"
    notebook.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": [cell]}))
    words = [sys.executable, "-m", "nbconvert", "--execute", "--to", "html", str(notebook)]
    plain = {name: value for name, value in os.environ.items() if name not in ("HOLOVIEWSRC", "PANEL_INLINE")}
    subprocess.run(words, check=True, capture_output=True, env=plain)

    context = browser.new_context(offline=True)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)[:300]))
    page.goto(notebook.with_suffix(".html").as_uri(), wait_until="domcontentloaded")
    page.locator(".bk-Figure").first.wait_for()
    words_there = page.evaluate(
        "() => Bokeh.documents.flatMap(doc => [...doc._all_models.values()]).filter(one => one.type === 'Title')"
        ".map(one => one.text)"
    )
    context.close()
    assert "0.05 EUR for 1 MWh of 'energy'" in words_there
    assert errors == []
