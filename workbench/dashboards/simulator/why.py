"""One account's bill, opened: which rules move it, which devices, and one charge's two traces side by side."""

from __future__ import annotations

from fractions import Fraction
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from workbench.dashboards import theme
from workbench.dashboards.simulator.numbers import Writer
from workbench.model.money import decimal_text
from workbench.twin.cell import Change
from workbench.twin.simulation import Simulation
from workbench.twin.traces import Side, Traced

DEVICES = 8
_STYLE = """
.sides {display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); gap: 14px}
.side {border: 1px solid rgba(128,128,128,.28); border-radius: 6px; padding: 12px 14px}
.side.then {border-left: 3px solid #d97706} .side.now {border-left: 3px solid #0f766e}
.side b {font-size: 19px; font-variant-numeric: tabular-nums; display: block; margin: 2px 0 6px}
.side small, .head {font-size: 11px; letter-spacing: .06em; text-transform: uppercase; opacity: .65}
.side p {margin: 0; font-size: 13px; line-height: 1.5; overflow-wrap: anywhere}
.side .proof {margin-top: 8px; font-size: 12px; opacity: .75}
table {border-collapse: collapse; width: 100%; font-size: 13px; margin: 4px 0 10px}
td {padding: 4px 8px; border-bottom: 1px solid rgba(128,128,128,.2); font-variant-numeric: tabular-nums}
td:not(:first-child) {text-align: right; white-space: nowrap} td:first-child {overflow-wrap: anywhere}
"""


def details(sim: Simulation, change: Change, write: Writer) -> Any:
    """The card of one account.

    Raises:
        UsageError: nothing of this account moves.
    """
    rules = sim.contributions(by=("rule",), account=change.account).to_dict("records")
    devices = sim.contributions(by=("device",), account=change.account, limit=DEVICES).to_dict("records")
    traced = sim.trace(account=change.account)
    words = (
        f"**{change.name}** pays {write.money(change.after, change.currency)} instead of "
        f"{write.money(change.before, change.currency)}: {write.signed(change.delta, change.currency)} "
        f"({write.percent(change.percent)})."
    )
    left = _html("By rule", _rows(rules, "rule", change, write))
    right = _html(f"By device, the {DEVICES} that move most", _rows(devices, "device", change, write))
    return theme.card(
        "Why this bill moves",
        pmui.Typography(words, margin=(4, 0)),
        pmui.Grid(
            pmui.Grid(left, size={"xs": 12, "md": 5}), pmui.Grid(right, size={"xs": 12, "md": 7}), container=True, spacing=2,
            sizing_mode="stretch_width",
        ),
        _sides(traced, write),
    )  # fmt: skip


def _html(title: str, rows: str) -> Any:
    return pn.pane.HTML(
        f'<div class="head">{escape(title)}</div><table>{rows}</table>', stylesheets=[_STYLE], sizing_mode="stretch_width",
        margin=0,
    )  # fmt: skip


def _rows(found: list[dict[Any, Any]], key: str, change: Change, write: Writer) -> str:
    cells = []
    for row in found:
        if row["currency"] == change.currency and row["delta"]:
            amounts = (write.money(Fraction(row[name]), change.currency) for name in ("before", "after"))
            name = escape(str(row[key] or "the account"))
            moved = escape(write.signed(Fraction(row["delta"]), change.currency))
            cells.append(
                f"<tr><td>{name}</td><td>{' → '.join(map(escape, amounts))}</td><td>{moved}</td></tr>"
            )
    return "".join(cells)


def _sides(traced: Traced, write: Writer) -> Any:
    head = f"The largest part: {traced.rule}, {traced.device or 'the account'}, {write.instant(traced.window_start)}"
    sides = _side("Now", "now", traced.before, traced, write) + _side(
        "Then", "then", traced.after, traced, write
    )
    return pn.pane.HTML(
        f'<div class="head">{escape(head)}</div><div class="sides" data-traces>{sides}</div>', stylesheets=[_STYLE],
        sizing_mode="stretch_width", margin=0,
    )  # fmt: skip


def _side(name: str, kind: str, side: Side | None, traced: Traced, write: Writer) -> str:
    if side is None:
        return f'<div class="side {kind}"><small>{name}</small><b>–</b><p>No charge.</p></div>'
    exact = f"{decimal_text(side.amount, 2)} {traced.currency}"
    proof = "Its trace was recomputed and gives this amount." if side.checked else ""
    return (
        f'<div class="side {kind}"><small>{name}</small><b>{escape(exact)}</b><p>{escape(side.sentence)}</p>'
        f'<p class="proof">{proof}</p></div>'
    )
