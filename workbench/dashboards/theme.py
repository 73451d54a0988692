"""One look for all pages: the frame, its two themes, cards and tiles. Nothing here is fetched from outside."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

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

_SHAPE = {"shape": {"borderRadius": 4}, "typography": {"fontSize": 13}}
THEMES = {
    "light": {"palette": {"primary": {"main": ACCENT}, "secondary": {"main": WARM}, "background": {"default": "#f6f7f9"}}, **_SHAPE},
    "dark": {"palette": {"primary": {"main": "#2dd4bf"}, "secondary": {"main": "#fbbf24"}}, **_SHAPE},
}  # fmt: skip


def page(title: str, main: list[Any], header: list[Any] | None = None) -> pmui.Page:
    """The frame every page stands in."""
    return pmui.Page(
        title=title,
        main=[pn.Column(*main, sizing_mode="stretch_width", margin=(16, 24), max_width=1440)],
        header=header or [],
        theme_config=THEMES,
        sidebar_open=False,
        busy_indicator=None,
    )


def card(title: str, *content: Any, **options: Any) -> pmui.Paper:
    """A panel with an overline title."""
    head = pmui.Typography(title, variant="overline", sx={"color": "text.secondary", "lineHeight": 1.4})
    look = {"border": "1px solid", "borderColor": "divider", "padding": "14px 16px", "width": "100%"}
    return pmui.Paper(head, *content, elevation=0, sx=look, sizing_mode="stretch_width", **options)


class Tile:
    """A number with its name: ``set`` changes it without touching the rest of the page."""

    def __init__(self, name: str, note: str = "") -> None:
        self._value = pmui.Typography(
            "–", variant="h5", sx={"fontWeight": 600, "fontVariantNumeric": "tabular-nums"}
        )
        self._note = pmui.Typography(note, variant="caption", sx={"color": "text.secondary"})
        self.view = card(name, self._value, self._note)

    def set(self, value: str, note: str | None = None) -> None:
        """Show another value (and note)."""
        if self._value.object != value:
            self._value.object = value
        if note is not None and self._note.object != note:
            self._note.object = note


def empty(what: str, cure: str) -> pn.viewable.Viewable:
    """What stands where there is nothing yet: it says what to do."""
    return pmui.Alert(f"{what} {cure}", severity="info", sizing_mode="stretch_width")
