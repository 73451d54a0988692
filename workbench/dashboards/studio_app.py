"""The Studio: build an offer from blocks, see its text and the shape of its bill, let it be checked, publish it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import partial
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui

from workbench.clock import SystemClock
from workbench.dashboards import theme
from workbench.dashboards.studio.component import Builder
from workbench.dashboards.studio.curve import Curve, meters, shape
from workbench.dashboards.studio.desk import Desk
from workbench.dashboards.studio.edit import put
from workbench.dashboards.studio.gatekeeper import Gatekeeper
from workbench.dashboards.studio.publishing import PublishCard
from workbench.dashboards.studio.shelf import Card, Shelf
from workbench.errors import WorkbenchError
from workbench.model.offer import Catalogue, Offer
from workbench.tariff.diff import diff
from workbench.tariff.show import money

_WRAPPED = {"gap": "12px", "flex-wrap": "wrap"}
_NOTES = """
.list {margin: 0; padding: 0; list-style: none; font-size: 13px; line-height: 1.5}
.list li {padding: 5px 0 5px 14px; border-left: 3px solid rgba(128,128,128,.3); margin: 4px 0}
.list li.warning {border-color: #d97706} .list li.error {border-color: #d32f2f} .list li.good {border-color: #0f766e}
.list small {display: block; opacity: .7; font-variant-numeric: tabular-nums}
.quiet {opacity: .65; font-size: 13px}
"""
_GALLERY = """
.cards {display: grid; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); gap: 12px}
.tag {display: inline-block; font-size: 11px; padding: 1px 7px; border-radius: 9px; background: rgba(128,128,128,.16);
  margin: 0 4px 4px 0}
.what {font-size: 12.5px; opacity: .75; min-height: 54px; line-height: 1.45}
.name {font-weight: 600; font-size: 14px; margin-bottom: 2px}
"""


_EDITOR = """
.ace_editor, .ace_gutter {background: transparent !important; color: var(--mui-palette-text-primary) !important}
.ace_gutter {color: var(--mui-palette-text-disabled) !important}
.ace_cursor {color: var(--mui-palette-text-primary) !important}
.ace_active-line, .ace_gutter-active-line {background: var(--mui-palette-action-hover) !important; border: 0 !important;
  outline: 0 !important; box-shadow: none !important}
.ace_selection {background: var(--mui-palette-action-selected) !important}
.ace_indent-guide {opacity: .3}
.ace_meta {color: var(--mui-palette-primary-main) !important}
.ace_numeric, .ace_string, .ace_constant {color: var(--mui-palette-secondary-main) !important}
.ace_keyword {color: var(--mui-palette-text-secondary) !important}
"""


class StudioPage:
    """One session's draft. The shelf is shared; what is on the desk is the session's own."""

    def __init__(self, shelf: Shelf, keeper: Gatekeeper) -> None:
        self._shelf, self._keeper = shelf, keeper
        self._desk: Desk | None = None
        self._card: Card | None = None
        self._body = pn.Column(sizing_mode="stretch_width", margin=0)
        self._quiet = False

    def view(self) -> pmui.Page:
        """The page, ready to serve."""
        key = self._asked_draft()
        if key:
            self._take_up(key)
        else:
            self._gallery()
        return theme.page("Studio", [self._body], theme.links("studio"), wide=True)

    def _asked_draft(self) -> str:
        """The draft that the address names."""
        words = pn.state.session_args.get("draft", [b""]) if pn.state.session_args else [b""]
        return words[0].decode("ascii", "ignore")

    def _take_up(self, key: str) -> None:
        """Go on with a draft that was kept."""
        try:
            text, offer_id = self._shelf.kept(key)
            self._desk = Desk(text, offer_id)
        except WorkbenchError as error:
            self._gallery()
            self._body.insert(0, pmui.Alert(f"{error.what} {error.cure}", severity="warning"))
            return
        offer = self._desk.verdict.offer
        self._card = Card(key, "draft", offer.title if offer else offer_id, "", offer_id, text)
        self._bench()

    # -- the gallery -----------------------------------------------------------------------------------------

    def _gallery(self) -> None:
        cards = self._shelf.cards()
        parts: list[Any] = []
        for kind, title in (
            ("force", "In force: make the next version"),
            ("template", "Templates: begin a new offer"),
        ):
            mine = [card for card in cards if card.kind == kind]
            if mine:
                parts.append(pmui.Typography(title, variant="h6", margin=(6, 0, 0, 0)))
                parts.append(pmui.Grid(
                    *(pmui.Grid(self._card_view(card), size={"xs": 12, "sm": 6, "md": 4, "xl": 3}) for card in mine),
                    container=True, spacing=2, sizing_mode="stretch_width",
                ))  # fmt: skip
        self._body[:] = parts or [
            theme.empty(
                "There is no price list here.", "Rate a lake, or put templates into datasets/catalog."
            )
        ]

    def _card_view(self, card: Card) -> Any:
        tags = "".join(f'<span class="tag">{escape(model)}</span>' for model in card.models[:5])
        told = pn.pane.HTML(
            f'<div class="name">{escape(card.title)}</div><div class="what">{escape(card.note)}</div>{tags}',
            stylesheets=[_GALLERY], sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        label = "Change it" if card.kind == "force" else "Begin with it"
        button = pmui.Button(
            label=label, variant="outlined", size="small", margin=(8, 0, 0, 0), name=card.key
        )
        button.on_click(partial(self._open, card))
        return theme.card(card.kicker, told, button)

    def _open(self, card: Card, _event: Any = None) -> None:
        self._card = card
        desk = Desk(card.text, card.offer_id)
        self._start(desk, card)
        self._desk = desk
        self._bench()

    def _start(self, desk: Desk, card: Card) -> None:
        """The next version's number and a date it can begin on."""
        offer = desk.verdict.offer
        if offer is None:
            return
        if card.kind == "force":
            desk.draft = put(desk.draft, "", ("version",), str(self._shelf.next_version(offer.id)))
        desk.draft = put(desk.draft, "", ("effective",), _next_month(SystemClock().now().date()).isoformat())
        desk.settle()

    # -- the workbench ---------------------------------------------------------------------------------------

    def _bench(self) -> None:
        desk = self._desk
        assert desk is not None
        self._builder = Builder(desk.drawn(), self._heard, sizing_mode="stretch_width", margin=0)
        self._yaml = pn.widgets.CodeEditor(
            value=desk.text, language="yaml", theme="chrome", height=460, sizing_mode="stretch_width", margin=0,
            print_margin=False, stylesheets=[_EDITOR],
        )  # fmt: skip
        self._yaml.param.watch(self._typed, "value")
        self._curve = Curve()
        self._meter = pmui.Select(
            label="Meter", options=[], size="small", width=220, margin=0, sx=theme.FIELD
        )
        self._against = pmui.Select(
            label="Compared with", options={}, size="small", width=260, margin=0, sx=theme.FIELD
        )
        self._told = _html()
        self._checks = _html()
        self._changes = _html()
        self._meter.param.watch(lambda _: self._show_curve(), "value")
        self._against.param.watch(lambda _: self._show_all(), "value")
        self._production = self._shelf.production()
        self._offer_choices()
        self._show_all()
        bar = pn.Row(
            _action("All offers", "arrow_back", lambda _: self._gallery()),
            pmui.Typography(escape(self._card.title if self._card else ""), variant="h6", margin=(4, 8)),
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        curve = theme.card(
            "The bill's shape, one device and period",
            pn.Row(self._meter, self._against, margin=(10, 0, 4, 0), styles=_WRAPPED, sizing_mode="stretch_width"),
            pn.Column(self._curve.plot, margin=0), self._told,
        )  # fmt: skip
        text = theme.card("The same as YAML", self._yaml)
        self._publish = PublishCard(desk, self._shelf, self._keeper, self._republished)
        checks = theme.card("What the checker says", self._checks)
        changes = theme.card("What changes", self._changes)
        stacked = {"gap": "16px"}
        right = pn.Column(
            pn.Column(curve, checks, changes, margin=0, styles=stacked, sizing_mode="stretch_width"),
            pn.Column(text, self._publish.view(), margin=0, styles=stacked, sizing_mode="stretch_width"),
            margin=0, styles=theme.BESIDE, sizing_mode="stretch_width",
        )  # fmt: skip
        self._body[:] = [
            bar,
            pmui.Grid(
                pmui.Grid(self._builder, size={"xs": 12, "lg": 7, "xl": 5}),
                pmui.Grid(right, size={"xs": 12, "lg": 5, "xl": 7}),
                container=True, spacing=2, sizing_mode="stretch_width",
            ),
        ]  # fmt: skip

    def _offer_choices(self) -> None:
        offer = self._desk.verdict.offer if self._desk else None
        if offer is None:
            return
        used = {component.meter for component in offer.components}
        names = sorted({o.id for o in self._production.offers})
        fit = {
            (newest.title or name): name
            for name in names
            for newest in (self._production.offer(name),)
            if name == offer.id or used & {c.meter for c in newest.components}
        }
        options = {**fit, "The draft as it began": ""}
        chosen = offer.id if offer.id in fit.values() else next(iter(fit.values()), "")
        self._against.param.update(options=options, value=chosen)

    def _current(self) -> tuple[Offer, Catalogue] | None:
        """What the draft is held against."""
        name = self._against.value
        if name:
            return self._production.offer(name), self._production
        began = Desk(self._card.text, self._card.offer_id).verdict if self._card else None
        if began is None or began.offer is None or began.catalogue is None:
            return None
        return began.offer, began.catalogue

    # -- what a person does ----------------------------------------------------------------------------------

    def _heard(self, message: Mapping[str, Any]) -> None:
        desk = self._desk
        if desk is None:
            return
        changed = desk.do(message)
        with pn.io.hold():
            if changed:
                self._write_yaml()
                self._show_all()
            self._builder.state = desk.drawn()

    def _typed(self, event: Any) -> None:
        if self._quiet or self._desk is None:
            return
        with pn.io.hold():
            self._desk.retype(str(event.new))
            self._builder.state = self._desk.drawn()
            self._show_all()

    def _write_yaml(self) -> None:
        """Show the draft's text without taking it for something a person typed."""
        self._quiet = True
        try:
            self._yaml.value = self._desk.text if self._desk else ""
        finally:
            self._quiet = False

    def _republished(self) -> None:
        """A version went out: it is what the next one is held against."""
        self._production = self._shelf.production()
        self._offer_choices()

    # -- what is shown ---------------------------------------------------------------------------------------

    def _show_all(self) -> None:
        desk = self._desk
        assert desk is not None
        mistake = desk.mistake
        self._yaml.annotations = (
            [{"row": max(mistake.line - 1, 0), "column": 0, "text": f"{mistake.what} {mistake.cure}", "type": "error"}]
            if mistake else []
        )  # fmt: skip
        self._show_curve()
        self._show_checks()
        self._show_changes()

    def _show_curve(self) -> None:
        verdict = self._desk.verdict if self._desk else None
        if verdict is None or verdict.offer is None or verdict.catalogue is None:
            return
        known = meters(verdict.offer, verdict.catalogue)
        if list(self._meter.options) != known:
            value = self._meter.value if self._meter.value in known else next(iter(known), None)
            self._meter.param.update(options=known, value=value)
        if not self._meter.value:
            self._told.object = '<p class="quiet">A 95th percentile has no curve over one device\'s use.</p>'
            return
        try:
            found = shape(verdict.offer, verdict.catalogue, str(self._meter.value), self._current())
        except WorkbenchError as error:
            self._told.object = f'<p class="quiet">{escape(error.what)}</p>'
            return
        self._curve.show(found)
        self._told.object = _items([("", sentence, "") for sentence in found.told])

    def _show_checks(self) -> None:
        desk = self._desk
        assert desk is not None
        if desk.mistake:
            place = f"line {desk.mistake.line}" if desk.mistake.line else ""
            self._checks.object = _items([("error", f"{desk.mistake.what} {desk.mistake.cure}", place)])
            return
        rows = [
            (
                f.severity,
                f.sentence,
                "; ".join(f"{units:,}: {money(amount, _currency(desk))}" for units, amount in f.witness),
            )
            for f in (remark.finding for remark in desk.verdict.remarks)
        ]
        self._checks.object = _items(
            rows
            or [("good", "Nothing to say: every rule can be reached and no bill falls as use grows.", "")]
        )

    def _show_changes(self) -> None:
        verdict = self._desk.verdict if self._desk else None
        current = self._current()
        if verdict is None or verdict.offer is None or verdict.catalogue is None or current is None:
            self._changes.object = '<p class="quiet">Shown as soon as the draft can be priced.</p>'
            return
        if current[0].id != verdict.offer.id:
            told = [f"'{verdict.offer.id}' is a new offer; '{current[0].id}' stays as it is."]
        else:
            meters_known = {m.id: m for m in (*current[1].meters, *verdict.catalogue.meters)}
            told = diff(current[0], verdict.offer, meters_known)
        self._changes.object = _items([("", sentence, "") for sentence in told or ["Nothing changes yet."]])


def _next_month(today: date) -> date:
    return date(today.year + today.month // 12, today.month % 12 + 1, 1)


def _currency(desk: Desk) -> str:
    return desk.verdict.offer.currency if desk.verdict.offer else ""


def _html() -> Any:
    return pn.pane.HTML("", stylesheets=[_NOTES], sizing_mode="stretch_width", margin=0)


def _items(rows: list[tuple[str, str, str]]) -> str:
    inner = "".join(
        f'<li class="{escape(kind)}">{escape(text)}'
        + (f"<small>{escape(small)}</small>" if small else "")
        + "</li>"
        for kind, text, small in rows
    )
    return f'<ul class="list">{inner}</ul>'


def _action(label: str, icon: str, act: Any) -> Any:
    button = pmui.Button(label=label, icon=icon, variant="text", size="small", margin=0)
    button.on_click(act)
    return button
