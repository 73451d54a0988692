"""One look for all pages: the frame, its two themes, cards and tiles. Nothing here is fetched from outside."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.models import Div
from panel.util import edit_readonly

ACCENT, WARM, QUIET = "#0f766e", "#d97706", "#64748b"
SERIES = (
    "#0f766e",
    "#d97706",
    "#4f46e5",
    "#be185d",
    "#65a30d",
    "#0891b2",
    "#9333ea",
    "#b45309",
    "#475569",
    "#dc2626",
    "#16a34a",
)

_WHOLE = ".bk-clearfix {display: block !important; width: 100%}"
"""What a lively piece holds is as wide as the piece."""
_TILES = """
.bk-clearfix {display: block; width: 100%}
.tiles {display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 4px 0}
.tile {padding: 2px 18px; border-left: 1px solid rgba(128, 128, 128, .22)}
.tile:first-child {border-left: none; padding-left: 2px}
.name {font-size: 11px; letter-spacing: .06em; text-transform: uppercase; opacity: .65}
.value {font-size: 25px; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.5; white-space: nowrap}
.note {font-size: 12px; opacity: .65; min-height: 17px}
@media (max-width: 600px) {.tiles {grid-template-columns: 1fr 1fr} .tile {padding: 2px 10px}
  .tile:nth-child(odd) {border-left: none; padding-left: 2px}}
"""
_SHAPE = {"shape": {"borderRadius": 4}, "typography": {"fontSize": 13}}
_LIGHT = {"primary": {"main": ACCENT}, "secondary": {"main": WARM}, "background": {"default": "#f6f7f9"}}
_DARK = {"primary": {"main": "#0d9488"}, "secondary": {"main": "#fbbf24"}}
THEMES = {"light": {"palette": _LIGHT, **_SHAPE}, "dark": {"palette": _DARK, **_SHAPE}}


FIELD = {"& .MuiInputBase-root": {"height": "38px"}}
"""Selects and text fields of one height, side by side."""
SHRINKS = {"min-width": "0", "max-height": "none"}
"""For rows that wrap, and what holds them: else Panel asks for the sum of their widths, wider than a phone, and lets
nothing be higher than the window, so that cards beneath each other would lie over each other."""
STACKED = {"gap": "16px", "margin-bottom": "-16px", **SHRINKS}
"""Cards beneath each other. Panel ends a column with a button that is not there, and so with one gap too many."""
_NARROWS = ":host, .paper {min-width: 0 !important}"
"""The same for cards, to which Panel gives the width by hand."""
BESIDE = {
    "display": "grid",
    "grid-template-columns": "repeat(auto-fit, minmax(min(430px, 100%), 1fr))",
    "gap": "16px",
    "max-height": "none",
}
"""Cards beside each other where there is room, beneath each other where there is not."""
PAIRED = BESIDE | {
    "grid-template-columns": "repeat(auto-fit, minmax(min(560px, 100%), 1fr))",
    "align-items": "start",
}
"""The same for wider cards: two and two on a common screen."""
PAGES = {
    "city": "City",
    "explorer": "Charge explorer",
    "studio": "Studio",
    "simulator": "Simulator",
    "analyst": "Analyst",
    "sales": "Sales",
}


_LINK = {"minWidth": 0, "padding": "6px 12px", "whiteSpace": "nowrap"}
_HEADER = {
    "& .header": {"backgroundColor": ACCENT, "backgroundImage": "none"},
    "& .header .title": {"whiteSpace": "nowrap"},
    "& .header .MuiToolbar-root > div:last-of-type": {
        "minWidth": 0,
        "overflowX": "auto",
        "scrollbarWidth": "none",
    },
}
"""White on it can be read at night too; on a phone the links are swiped, and the way to the other theme stays."""


LIVE_PAGES = {"live": "Live", "sales": "Sales"}
"""What a running pipeline serves."""


def links(here: str, pages: Mapping[str, str] = PAGES) -> list[Any]:
    """The way to the other pages, for the header."""
    others = [
        pmui.Button(label=name, href=f"./{path}", variant="text", color="light", margin=0, sx=_LINK)
        for path, name in pages.items()
        if path != here
    ]
    return [pmui.Row(*others, margin=(0, 0, 0, 12))]


def page(
    title: str, main: list[Any], header: list[Any] | None = None, *, wide: bool = False, bare: bool = False
) -> pmui.Page:
    """The frame every page stands in; ``wide`` for pages that use a large screen, ``bare`` for those without a header."""
    made = pmui.Page(
        title=title,
        main=[
            pn.Column(
                *main,
                sizing_mode="stretch_width",
                margin=(16, 24),
                max_width=2200 if wide else 1440,
                styles={"gap": "16px", **SHRINKS},
            )
        ],
        header=header or [],
        theme_config=THEMES,
        sidebar_variant="temporary",  # a closed persistent one pulls the page to the left, even when it is empty
        busy_indicator=None,
        sx={"& .MuiAppBar-root, & .MuiToolbar-root": {"display": "none"}} if bare else _HEADER,
    )
    # Every page listens to whether any session of the server is busy, and each time looks through all its models: with six
    # pages open, live charts fell to half their pace. Nothing is shown of it here, so nobody need listen.
    with edit_readonly(made):
        made.busy = False
    return made


def abreast(*parts: Any) -> list[Any]:
    """Controls of one row stand on one line, whatever their heights."""
    for part in parts:
        part.align = "center"
    return list(parts)


def stack(*cards: Any) -> pn.Column:
    """Cards beneath each other, as one of the columns of a page."""
    return pn.Column(*cards, sizing_mode="stretch_width", styles=STACKED, margin=0)


def card(title: str, *content: Any) -> pmui.Paper:
    """A panel with an overline title."""
    head = pmui.Typography(
        title, variant="overline", sx={"color": "text.secondary", "lineHeight": 1.4}, margin=0
    )
    return _paper(head, *content)


def _paper(*content: Any) -> pmui.Paper:
    look = {"border": "1px solid", "borderColor": "divider", "padding": "12px 16px", "width": "100%"}
    return pmui.Paper(
        *content, elevation=0, sx=look, sizing_mode="stretch_width", margin=0, stylesheets=[_NARROWS]
    )


def lively(**look: Any) -> Div:
    """HTML that changes ten times a second: set its ``text``. A pane would make its style sheets anew each time."""
    return Div(text="", margin=0, **{**look, "stylesheets": [_WHOLE, *look.get("stylesheets", [])]})


class Tiles:
    """A row of numbers with their names and notes, drawn as one piece: ``set`` then ``show`` ten times a second."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names
        self._values = dict.fromkeys(names, ("–", ""))
        self._drawn = lively(sizing_mode="stretch_width", stylesheets=[_TILES])
        self.view = _paper(pn.Column(self._drawn, margin=0, sizing_mode="stretch_width"))

    def set(self, key: str, value: str, note: str = "") -> None:
        """Give one of the numbers another value."""
        self._values[key] = (value, note)

    def show(self) -> None:
        """Draw what was set."""
        parts = [
            f'<div class="tile"><div class="name">{escape(self._names[key])}</div>'
            f'<div class="value" data-tile="{escape(key)}">{escape(value)}</div>'
            f'<div class="note">{escape(note)}</div></div>'
            for key, (value, note) in self._values.items()
        ]
        self._drawn.text = f'<div class="tiles">{"".join(parts)}</div>'


def quiet_axes(plot: Any) -> None:
    """A chart's axes and grid stand back behind what it draws."""
    plot.grid.grid_line_alpha = 0.2
    plot.xgrid.grid_line_color = None
    plot.axis.axis_line_color = None
    plot.axis.major_tick_line_color = None
    plot.axis.minor_tick_line_color = None
    plot.axis.major_label_text_color = QUIET


def legend_above(plot: Any) -> None:
    """A chart's legend stands over it, where it hides nothing of what is drawn."""
    legend = plot.legend[0]
    plot.add_layout(legend, "above")
    legend.orientation, legend.location = "horizontal", "top_left"
    legend.padding, legend.margin, legend.border_line_alpha, legend.background_fill_alpha = 0, 4, 0, 0
    legend.label_text_color, legend.label_text_font_size = QUIET, "12px"


def empty(what: str, cure: str) -> pn.viewable.Viewable:
    """What stands where there is nothing yet: it says what to do."""
    return pmui.Alert(f"{what} {cure}", severity="info", sizing_mode="stretch_width")
