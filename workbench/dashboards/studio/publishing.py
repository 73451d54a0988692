"""The card at the end of the way: try it, pass the gate, publish."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from workbench.clock import SystemClock
from workbench.dashboards import theme
from workbench.dashboards.studio.desk import Desk
from workbench.dashboards.studio.gatekeeper import Gatekeeper
from workbench.dashboards.studio.shelf import Shelf
from workbench.errors import WorkbenchError
from workbench.twin.gate import GateResult, Rules

_STYLE = """
.checks {margin: 0; padding: 0; list-style: none; font-size: 13px; line-height: 1.5}
.checks li {padding: 5px 0 5px 14px; border-left: 3px solid #0f766e; margin: 5px 0}
.checks li.failed {border-color: #d32f2f} .checks small {opacity: .7; display: block}
"""
OFFENDERS = 5


class PublishCard:
    """Try, gate, publish.

    Args:
        desk: whose draft it is.
        published: told when a version went out.
    """

    def __init__(self, desk: Desk, shelf: Shelf, keeper: Gatekeeper, published: Callable[[], None]) -> None:
        self._desk, self._shelf, self._keeper, self._published = desk, shelf, keeper, published
        self._try = pmui.Button(label="Try it on real traffic", icon="science", variant="outlined", margin=0)
        self._gate = pmui.Button(label="Run the gate", icon="rule", variant="outlined", margin=0)
        self._publish = pmui.Button(
            label="Publish", icon="publish", variant="contained", color="primary", margin=0
        )
        self._rise = pmui.TextInput(
            label="No bill up more than, %", value="15", width=180, size="small", margin=0
        )
        self._least = pmui.TextInput(
            label="Revenue at least, %", value="100", width=160, size="small", margin=0
        )
        self._reason = pmui.TextInput(
            label="Or why it goes out without the gate (kept)",
            value="",
            size="small",
            sizing_mode="stretch_width",
            margin=0,
        )
        self._bar = pmui.LinearProgress(
            variant="indeterminate", visible=False, sizing_mode="stretch_width", margin=0
        )
        self._checks = pn.pane.HTML("", stylesheets=[_STYLE], sizing_mode="stretch_width", margin=0)
        self._told = pmui.Alert(
            object="", severity="info", visible=False, sizing_mode="stretch_width", margin=0
        )
        self._go = pn.pane.HTML("", width=0, height=0, margin=0)
        self._try.on_click(self._do_try)
        self._gate.on_click(self._do_gate)
        self._publish.on_click(self._do_publish)

    def view(self) -> Any:
        """The card."""
        row = {"gap": "12px", "flex-wrap": "wrap", "align-items": "center"}
        return theme.card(
            "Try, gate, publish",
            pn.Column(
                pn.Row(self._try, self._go, styles=row, margin=0),
                pn.Row(self._rise, self._least, self._gate, styles=row, margin=0),
                self._bar, self._checks, self._reason,
                pn.Row(self._publish, styles=row, margin=0),
                self._told, margin=(8, 0, 0, 0), styles={"gap": "12px"}, sizing_mode="stretch_width",
            ),
        )  # fmt: skip

    def _ready(self) -> bool:
        if self._desk.mistake or self._desk.verdict.offer is None:
            self._say("Mend what the checker says first.", "warning")
            return False
        return True

    def _say(self, words: str, mood: str) -> None:
        self._told.param.update(object=words, severity=mood, visible=True)

    def _do_try(self, _event: Any) -> None:
        offer = self._desk.verdict.offer
        if not self._ready() or offer is None:
            return
        key = self._shelf.keep(self._desk.text, offer.id)
        self._go.object = f'<a data-go href="./simulator?draft={key}"></a>'
        if pn.state.location is not None:
            pn.state.location.param.update(pathname="/simulator", search=f"?draft={key}", reload=True)

    async def _do_gate(self, _event: Any) -> None:
        verdict = self._desk.verdict
        if not self._ready() or verdict.offer is None or verdict.catalogue is None:
            return
        drafted, offer = verdict.catalogue, verdict.offer
        if not self._shelf.is_sold(offer.id):
            told = "Nobody has this offer yet, so no bill moves: it needs no gate. Try it on another offer's customers to compare."
            self._say(told, "info")
            return
        self._bar.visible = True
        self._told.visible = False
        try:
            rules = Rules(max_rise_percent=self._rise.value, revenue_at_least_percent=self._least.value)  # type: ignore[arg-type]
            now = SystemClock().now()
            result, report = await asyncio.to_thread(self._keeper.judge, drafted, offer, rules, now)
        except WorkbenchError as error:
            self._say(f"{error.what} {error.cure}", "error")
            return
        finally:
            self._bar.visible = False
        self._show(result)
        passed = "It passes the gate" if result.passed else "It does not pass the gate"
        mood = "success" if result.passed else "warning"
        self._say(f"{passed}. The signed verdict and a report to mail are kept: {report.name}", mood)

    def _show(self, result: GateResult) -> None:
        rows = []
        for check in result.checks:
            who = ", ".join(check.offenders[:OFFENDERS])
            small = f"<small>{escape(who)}</small>" if who else ""
            rows.append(
                f'<li class="{"" if check.passed else "failed"}">{escape(check.sentence)}{small}</li>'
            )
        self._checks.object = f'<ul class="checks">{"".join(rows)}</ul>'

    def _do_publish(self, _event: Any) -> None:
        offer = self._desk.verdict.offer
        if not self._ready() or offer is None:
            return
        now = SystemClock().now()
        try:
            if self._keeper.wanted(offer):
                self._keeper.override(offer, str(self._reason.value or ""), now)
            path = self._shelf.publish(self._desk.text, offer, now.date())
        except WorkbenchError as error:
            self._say(f"{error.what} {error.cure}", "error")
            return
        self._say(
            f"Published: version {offer.version} of {offer.id} holds from {offer.effective:%-d %B %Y} ({path.name}).",
            "success",
        )
        self._published()
