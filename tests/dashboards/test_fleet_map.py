"""The fleet's map: a picture of many devices lies above the night it stands on, and a zoom ends in dots."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from bokeh.models import BoxAnnotation, Image

from workbench.dashboards.cases import fleet as fleets
from workbench.dashboards.cases.charts import FleetMap
from workbench.dashboards.cases.fleet import GLYPHS_MAX, Fleet

LEVELS = ("image", "underlay", "glyph", "guide", "annotation", "overlay")
"""In the order in which a browser paints them."""


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch, tmp_path) -> Fleet:
    """Twice as many devices as are drawn as dots, half of them in one square."""
    random, many = np.random.default_rng(7), 2 * GLYPHS_MAX
    lon = np.concatenate([random.uniform(10.0, 10.01, many // 2), random.uniform(10.0, 10.2, many // 2)])
    lat = np.concatenate([random.uniform(50.0, 50.01, many // 2), random.uniform(50.0, 50.1, many // 2)])
    ids = np.array([f"lamp-{n}" for n in range(many)], dtype=object)
    monkeypatch.setattr(fleets.Fleet, "_table", (ids, lon, lat))
    return Fleet(tmp_path)


def test_the_picture_is_painted_above_the_night(fleet: Fleet) -> None:
    view = FleetMap(fleet, lambda _: None).view
    image = next(one for one in view.renderers if isinstance(getattr(one, "glyph", None), Image))
    night = next(one for one in view.select({"type": BoxAnnotation}) if one.fill_alpha == 1.0)
    assert LEVELS.index(image.level) > LEVELS.index(night.level)
    assert (image.data_source.data["image"][0] > 0).mean() > 0.005


def test_a_zoom_ends_in_dots_and_every_session_begins_with_the_same_picture(fleet: Fleet) -> None:
    first, second = FleetMap(fleet, lambda _: None), FleetMap(fleet, lambda _: None)
    assert first._picture.data["image"][0] is second._picture.data["image"][0]
    first._moved(SimpleNamespace(x0=10.1, x1=10.2, y0=50.05, y1=50.1))
    assert first._picture.data["image"] == [] and 0 < len(first._dots.data["lon"]) <= GLYPHS_MAX
    inside = fleet.inside((10.1, 10.2, 50.05, 50.1))
    assert list(first._dots.data["device"]) == list(fleet.ids[inside])
    west, east, south, north = fleet.bounds
    first._moved(SimpleNamespace(x0=west, x1=east, y0=south, y1=north))
    assert len(first._picture.data["image"]) == 1 and len(first._dots.data["lon"]) == 0
