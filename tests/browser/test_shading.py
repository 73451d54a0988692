"""Maps of many devices in a real Chromium: one alone is seen, dense places are brighter, and elsewhere the night shows."""

from __future__ import annotations

import re

import numpy as np
import pytest
from bokeh.embed import file_html
from bokeh.models import Range1d
from bokeh.plotting import figure
from bokeh.resources import INLINE

from workbench.dashboards.cases.fleet import GLOW, NIGHT
from workbench.dashboards.shading import by_density, by_mean, density_colors, mean_colors

pytestmark = pytest.mark.browser

BOX = (0.0, 600.0, 0.0, 320.0)
PHONE, DESK = 300, 640
"""Widths in which a map is drawn."""
COLOURS = """() => { const found = [], look = root => root.querySelectorAll('*').forEach(part => {
    if (part.shadowRoot) look(part.shadowRoot);
    if (part.tagName === 'CANVAS' && part.width) found.push(part); });
  look(document);
  const seen = {};
  for (const canvas of found) {
    const points = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    for (let at = 0; at < points.length; at += 4) {
      const color = '#' + [0, 1, 2].map(part => points[at + part].toString(16).padStart(2, '0')).join('');
      if (points[at + 3] === 255) seen[color] = (seen[color] || 0) + 1;
    }
  }
  return seen; }"""


def painted(browser, picture, mapper, wide: int) -> dict[str, int]:
    """How many pixels Bokeh paints in each colour, the night's left out."""
    west, east, south, north = BOX
    plot = figure(
        frame_width=wide, frame_height=wide * 320 // 600, x_range=Range1d(west, east), y_range=Range1d(south, north),
        toolbar_location=None, background_fill_color=NIGHT, border_fill_color=NIGHT, outline_line_color=None,
    )  # fmt: skip
    plot.axis.visible = plot.grid.visible = False
    plot.image("image", "x", "y", "dw", "dh", source=picture, color_mapper=mapper, level="glyph")
    page = browser.new_page(viewport={"width": 1000, "height": 600})
    page.set_content(file_html(plot, INLINE), wait_until="load")
    page.wait_for_function("() => window.Bokeh && Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle")
    page.screenshot()  # what is to be painted is painted
    found = page.evaluate(COLOURS)
    page.close()
    assert found.pop(NIGHT, 0) > 0.9 * wide * wide * 320 / 600, "where nobody is the night shows"
    return found


def light(color: str) -> int:
    return sum(int(part, 16) for part in re.findall("[0-9a-f]{2}", color))


@pytest.mark.parametrize("wide", [PHONE, DESK])
def test_lone_devices_are_seen_and_dense_places_are_brighter(browser, wide: int) -> None:
    lon = np.concatenate([[50.5, 301.5], np.full(7, 501.5)])
    seen = painted(browser, by_density(lon, np.full(9, 100.5), BOX), density_colors(GLOW), wide)
    lone, dense = sorted(seen, key=light)
    assert (lone, dense) == (GLOW[0], GLOW[-1]) and light(lone) > 2 * light(NIGHT)
    assert seen[lone] >= 2 and seen[dense] >= 1


@pytest.mark.parametrize("wide", [PHONE, DESK])
def test_devices_that_are_all_alone_are_as_bright_as_it_gets(browser, wide: int) -> None:
    seen = painted(
        browser, by_density(np.array([50.5, 300.5]), np.full(2, 9.5), BOX), density_colors(GLOW), wide
    )
    assert set(seen) == {GLOW[-1]} and seen[GLOW[-1]] >= 2


@pytest.mark.parametrize("wide", [PHONE, DESK])
def test_means_go_from_the_first_colour_to_the_last_and_no_further(browser, wide: int) -> None:
    lon, lat, kwh = np.array([10.0, 110.0, 210.0]), np.full(3, 50.0), np.array([0.0, 2.0, 99.0])
    seen = painted(browser, by_mean(lon, lat, kwh, BOX), mean_colors(("#000080", "#ffff80"), 2.0), wide)
    assert set(seen) == {"#000080", "#ffff80"} and seen["#ffff80"] > seen["#000080"]
