"""A legend stands over its chart, never on what the chart draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from workbench.dashboards.cases.charts import EvidenceChart
from workbench.dashboards.sales.page import Page
from workbench.dashboards.studio.curve import Curve


class Sales(Page):
    """The chart alone."""

    def __init__(self) -> None:
        super().__init__(None)

    _time_controls = _begin = _tick = _past = _show = _show_offers = None


@pytest.mark.parametrize(
    "made", [lambda: EvidenceChart().view, lambda: Curve().plot, lambda: Sales()._chart()]
)
def test_legends_stand_over_their_charts(made: Callable[[], Any]) -> None:
    plot = made()
    assert plot.legend[0] in plot.above and plot.legend[0].orientation == "horizontal"
    assert len(plot.legend) == 1 and plot.legend[0] not in plot.center
