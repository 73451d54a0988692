"""The simulator's charts: made once, filled with every answer. Floats are heights of bars, never printed amounts."""

from __future__ import annotations

from typing import Any

from bokeh.models import ColumnDataSource, FactorRange, NumeralTickFormatter
from bokeh.plotting import figure

from workbench.dashboards import theme
from workbench.dashboards.simulator.answer import Answer, distribution
from workbench.dashboards.simulator.numbers import Writer

RISE, FALL, STAY = "#d97706", "#0f766e", "#94a3b8"
STEPS_SHOWN = 8


class Waterfall:
    """From production's revenue to the candidate's, rule by rule; the axis looks at what moves."""

    def __init__(self) -> None:
        self._bars = ColumnDataSource(
            {"step": [], "bottom": [], "top": [], "color": [], "text": [], "at": []}
        )
        self.plot = _plot(FactorRange(factors=[]), 290)
        self.plot.vbar(
            x="step",
            bottom="bottom",
            top="top",
            width=0.62,
            color="color",
            source=self._bars,
            line_color=None,
        )
        self.plot.text(x="step", y="at", text="text", source=self._bars, text_align="center", y_offset=-4,
                       text_font_size="11px", text_color=theme.QUIET)  # fmt: skip
        self.plot.xaxis.major_label_orientation = 0.5
        self.plot.yaxis.formatter = NumeralTickFormatter(format="0,0.[00]")

    def show(self, answer: Answer, write: Writer) -> None:
        """Draw an answer."""
        steps = list(answer.steps[:STEPS_SHOWN])
        rest = sum((step.delta for step in answer.steps[STEPS_SHOWN:]), 0 * answer.before)
        rows = [("now", answer.before * 0, answer.before, STAY, write.money(answer.before, answer.currency))]
        running = answer.before
        parts = [(step.name, step.delta) for step in steps] + ([("the others", rest)] if rest else [])
        for name, delta in parts:
            low, high = sorted((running, running + delta))
            rows.append((name, low, high, RISE if delta > 0 else FALL, write.signed(delta, answer.currency)))
            running += delta
        rows.append(
            ("then", answer.after * 0, answer.after, STAY, write.money(answer.after, answer.currency))
        )
        self._bars.data = {
            "step": [row[0] for row in rows], "bottom": [float(row[1]) for row in rows],
            "top": [float(row[2]) for row in rows], "color": [row[3] for row in rows], "text": [row[4] for row in rows],
            "at": [float(row[2]) for row in rows],
        }  # fmt: skip
        self.plot.x_range.factors = [row[0] for row in rows]
        tops = [float(row[2]) for row in rows]
        inner = [float(row[1]) for row in rows[1:-1]] + [float(answer.before), float(answer.after)]
        floor, ceiling = min(inner), max(tops)
        room = (ceiling - floor) * 0.25 or ceiling * 0.1 or 1.0
        self.plot.y_range.start = max(0.0, floor - room)
        self.plot.y_range.end = ceiling + room


class Distribution:
    """How many bills move by how many percent."""

    def __init__(self) -> None:
        self._bars = ColumnDataSource({"label": [], "count": [], "color": [], "text": []})
        self.plot = _plot(FactorRange(factors=[]), 290)
        self.plot.vbar(x="label", top="count", width=0.8, color="color", source=self._bars, line_color=None)
        self.plot.text(x="label", y="count", text="text", source=self._bars, text_align="center", y_offset=-3,
                       text_font_size="11px", text_color=theme.QUIET)  # fmt: skip
        self.plot.xaxis.major_label_orientation = 0.7
        self.plot.xaxis.axis_label = "percent of the bill"
        self.plot.xaxis.axis_label_text_color = theme.QUIET
        self.plot.xaxis.axis_label_text_font_style = "normal"
        self.plot.xaxis.axis_label_text_font_size = "11px"
        self.plot.yaxis.visible = False

    def show(self, answer: Answer, write: Writer) -> None:
        """Draw an answer."""
        rows = distribution(answer.changes)
        self._bars.data = {
            "label": [label for label, _, _ in rows],
            "count": [count for _, count, _ in rows],
            "color": [{1: RISE, -1: FALL, 0: STAY}[side] for _, _, side in rows],
            "text": [write.count(count) if count else "" for _, count, _ in rows],
        }
        self.plot.x_range.factors = [label for label, _, _ in rows]
        self.plot.y_range.end = max((count for _, count, _ in rows), default=1) * 1.15 or 1


def _plot(x_range: Any, height: int) -> figure:
    plot = figure(
        height=height, x_range=x_range, y_range=(0, 1), sizing_mode="stretch_width", tools="", toolbar_location=None,
        outline_line_color=None, background_fill_alpha=0, border_fill_alpha=0,
    )  # fmt: skip
    theme.quiet_axes(plot)
    return plot
