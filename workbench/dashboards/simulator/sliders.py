"""Sliders for an offer's numbers: price, tier bound, allowance, and everybody's use; each move is answered at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from workbench.dashboards import theme
from workbench.dashboards.simulator.ask import Ask, number, scaled
from workbench.errors import UsageError
from workbench.tariff.units_text import quantity_text
from workbench.twin.board import Board, Slider

Moved = Callable[[Board, Ask, str], None]
WHOLE = ("up_to", "allowance")
"""What a slider's path ends with when its number is a quantity of use, not an amount of money."""
_WIDE = 240


def sliders_card(board: Board, asked: Callable[[], Ask], offer: str, moved: Moved) -> list[Any]:
    """The card, or nothing where no offer can be reckoned from totals.

    Args:
        asked: the question as it stands. offer: whose sliders are shown first.
        moved: told the question with a slider somewhere else, and the offer on show.
    """
    offers = sorted({slider.path.partition(".")[0] for slider in board.sliders})
    if not offers:
        return []
    titles = {o.title or o.id: o.id for o in board.catalogue.offers if o.id in offers}
    pick = pmui.Select(
        label="Offer",
        options=titles,
        value=offer if offer in offers else offers[0],
        size="small",
        width=220,
        margin=0,
    )
    body = pn.Row(
        margin=(10, 0, 0, 0),
        styles={"gap": "8px 30px", "flex-wrap": "wrap", **theme.SHRINKS},
        sizing_mode="stretch_width",
    )

    def fill(_event: Any = None) -> None:
        mine = [slider for slider in board.sliders if slider.path.startswith(f"{pick.value}.")]
        body[:] = [_slider(board, slider, asked, moved) for slider in mine] + [
            _growth(board, asked, pick, moved)
        ]

    pick.param.watch(fill, "value")
    fill()
    return [theme.card("Move a number: answered at once", pn.Row(pick, margin=(10, 0, 0, 0)), body)]


def _slider(board: Board, slider: Slider, asked: Callable[[], Ask], moved: Moved) -> Any:
    whole = slider.path.endswith(WHOLE)
    stands = asked().patches.get(slider.path, slider.value)
    live = number(slider.value, "slider") > 0
    moving = pmui.IntSlider(
        label=_label(slider, stands), start=0, end=200, step=5, value=_percent(stands, slider.value) if live else 100,
        width=_WIDE, margin=0, size="small", disabled=not live, color="primary", show_value=False,
    )  # fmt: skip

    def move(event: Any) -> None:
        value = scaled(slider.value, int(event.new), whole=whole)
        moving.label = _label(slider, value)
        patches = {path: old for path, old in asked().patches.items() if path != slider.path}
        if event.new != 100:
            patches[slider.path] = value
        moved(board, asked().moving(patches), slider.path.partition(".")[0])

    moving.param.watch(move, "value_throttled")
    return moving


def _label(slider: Slider, value: str) -> str:
    if slider.path.endswith(WHOLE) and value.isdigit() and slider.unit != "nano":
        return f"{slider.title}: {quantity_text(int(value), slider.unit)}"
    return f"{slider.title}: {value} {slider.unit}"


def _percent(stands: str, value: str) -> int:
    """Where a slider stands, in percent of what is in force; a change written in words leaves it in the middle."""
    try:
        return max(0, min(200, round(100 * number(stands, "slider") / number(value, "slider"))))
    except UsageError:
        return 100


def _growth(board: Board, asked: Callable[[], Ask], pick: Any, moved: Moved) -> Any:
    percent = max(50, min(200, _percent(asked().usage, "1")))
    growth = pmui.IntSlider(
        label=f"Everybody's use: {percent} %", start=50, end=200, step=5, value=percent, width=_WIDE, margin=0, size="small",
        color="secondary", show_value=False,
    )  # fmt: skip

    def move(event: Any) -> None:
        growth.label = f"Everybody's use: {event.new} %"
        usage = scaled("1", int(event.new), whole=False)
        moved(board, dataclasses.replace(asked(), usage=usage), str(pick.value))

    growth.param.watch(move, "value_throttled")
    return growth
