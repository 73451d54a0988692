"""Many places as one picture: what is counted where."""

from __future__ import annotations

import numpy as np

from workbench.dashboards.shading import DENSITY_CELLS, MEAN_CELLS, by_density, by_mean


def box(cells: tuple[int, int]) -> tuple[float, float, float, float]:
    """One degree a cell."""
    return (0.0, float(cells[0]), 0.0, float(cells[1]))


def test_each_point_counts_on_nine_cells_and_neighbours_add_up() -> None:
    lon, lat = np.array([10.5, 100.5, 100.5, 101.5, -3.0]), np.array([20.5, 20.5, 20.5, 20.5, 20.5])
    found = by_density(lon, lat, box(DENSITY_CELLS))
    seen = found["image"][0]
    assert seen.shape == DENSITY_CELLS[::-1] and seen.dtype == np.uint32
    assert (seen[19:22, 9:12] == 1).all(), "one alone"
    assert [int(seen[20, x]) for x in (98, 99, 100, 101, 102, 103)] == [0, 2, 3, 3, 1, 0]
    assert int(seen.sum()) == 4 * 9, "who is outside is not counted"
    assert (found["x"], found["y"], found["dw"], found["dh"]) == ([0.0], [0.0], [600.0], [320.0])


def test_the_edges_of_the_box_are_inside() -> None:
    west, east, south, north = box(DENSITY_CELLS)
    seen = by_density(np.array([west, east]), np.array([south, north]), (west, east, south, north))["image"][
        0
    ]
    assert seen[0, 0] == seen[-1, -1] == 1 and int(seen.sum()) == 2 * 4


def test_a_picture_of_values_shows_their_mean_and_nothing_where_nobody_is() -> None:
    lon, lat = np.array([5.5, 5.5, 50.5, 52.5]), np.full(4, 7.5)
    seen = by_mean(lon, lat, np.array([0.0, 1.0, 9.0, 0.0]), box(MEAN_CELLS))["image"][0]
    assert seen.dtype == np.float32
    assert [float(seen[7, x]) for x in (5, 6, 49, 50, 51, 52)] == [0.5, 0.5, 9.0, 9.0, 4.5, 0.0]
    assert np.isnan(seen[7, 300]) and int((~np.isnan(seen)).sum()) == 9 + 15
