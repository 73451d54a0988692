"""The simulator: a draft, or a few moved numbers, on real traffic; who pays what, and why. Its address is its state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from io import BytesIO, StringIO
from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui
import param

from workbench.clock import SystemClock
from workbench.dashboards import theme
from workbench.dashboards.sessions import address
from workbench.dashboards.simulator import export
from workbench.dashboards.simulator.answer import Answer, of_board, of_twin
from workbench.dashboards.simulator.ask import Ask, number
from workbench.dashboards.simulator.charts import Distribution, Waterfall
from workbench.dashboards.simulator.lab import Lab, Progress
from workbench.dashboards.simulator.numbers import LANGUAGES, Writer
from workbench.dashboards.simulator.sliders import sliders_card
from workbench.dashboards.simulator.why import details
from workbench.errors import WorkbenchError
from workbench.twin.board import Board
from workbench.twin.simulation import Simulation

_ASKED = ("draft", "replaces", "accounts", "usage", "elasticity", "migration", "moved")
_SHOWN = 200
_MIGRATIONS = {
    "Everybody moves": "everyone",
    "Who saves moves": "opt_in",
    "New customers only": "new_customers",
}
_ROW = {"gap": "14px", "flex-wrap": "wrap", "align-items": "center", **theme.SHRINKS}


class SimulatorPage(param.Parameterized):
    """One session. The parameters are the question, the opened bill and the language: the URL's query."""

    draft = param.String(default="", doc="Key of a draft that the Studio kept.")
    replaces = param.String(default="", doc="The offer whose customers get the draft.")
    accounts = param.String(default="", doc="Pattern of account ids.")
    usage = param.String(default="1", doc="Factor on everybody's use.")
    elasticity = param.String(default="", doc="How use answers to the bill, 0 or below.")
    migration = param.String(default="everyone", doc="Who takes the new price.")
    moved = param.String(default="", doc="Sliders: path=value;path=value.")
    offer = param.String(default="", doc="The offer whose sliders are shown.")
    account = param.String(default="", doc="The opened bill.")
    lang = param.String(default="en", doc="en or fr.")

    def __init__(self, lab: Lab) -> None:
        super().__init__()
        self._lab = lab
        self._sim: Simulation | None = None
        self._answer: Answer | None = None
        self._rows: list[str] = []

    def view(self) -> pmui.Page:
        """The page, ready to serve."""
        location = address()
        if location is not None:
            location.sync(self, {name: name for name in (*_ASKED, "offer", "account", "lang")})
        main = self._parts()
        pn.state.onload(self._start)
        return theme.page("Simulator", main, theme.links("simulator"), wide=True)

    @property
    def _ask(self) -> Ask:
        return Ask.of({name: getattr(self, name) for name in _ASKED})

    @property
    def _write(self) -> Writer:
        return Writer("fr" if self.lang == "fr" else "en")

    # -- parts -------------------------------------------------------------------------------------------------

    def _parts(self) -> list[Any]:
        self._told = pmui.Alert(
            object="", severity="info", visible=False, sizing_mode="stretch_width", margin=0
        )
        self._bar = pmui.LinearProgress(
            value=0, variant="determinate", visible=False, sizing_mode="stretch_width", margin=0
        )
        self._tiles = theme.Tiles(
            {
                "before": "Revenue now",
                "after": "Then",
                "delta": "Difference",
                "more": "Pay more",
                "less": "Pay less",
                "same": "Pay the same",
            }
        )
        self._waterfall, self._distribution = Waterfall(), Distribution()
        self._movers = pn.Column(sizing_mode="stretch_width", margin=0, styles=theme.SHRINKS)
        self._shares = pn.Column(sizing_mode="stretch_width", margin=0)
        self._why = pn.Column(sizing_mode="stretch_width", margin=0)
        self._sliders = pn.Column(sizing_mode="stretch_width", margin=0, styles=theme.SHRINKS)
        waterfall = pn.Column(self._waterfall.plot, margin=0)
        moves = pn.Column(self._distribution.plot, margin=0)
        charts = pmui.Grid(
            pmui.Grid(theme.card("From now to then, rule by rule", waterfall), size={"xs": 12, "lg": 7}),
            pmui.Grid(theme.card("Accounts, by how much their bill moves", moves), size={"xs": 12, "lg": 5}),
            pmui.Grid(theme.card("Whose bill moves: click one to see why", self._movers), size={"xs": 12, "lg": 7}),
            pmui.Grid(theme.card("Partners", self._shares), size={"xs": 12, "lg": 5}),
            container=True, spacing=2, sizing_mode="stretch_width",
        )  # fmt: skip
        self._results = pn.Column(
            self._tiles.view,
            self._why,
            charts,
            sizing_mode="stretch_width",
            margin=0,
            styles={"gap": "16px"},
            visible=False,
        )
        return [self._question(), self._bar, self._told, self._sliders, self._results]

    def _question(self) -> Any:
        drafts = {"Prices as they are": "", **{title: key for key, title in self._lab.shelf.drafts().items()}}
        if self.draft and self.draft not in drafts.values():
            drafts[f"Draft {self.draft[:4]}"] = self.draft
        names = {"The same customers": ""}
        names |= {o.title or o.id: o.id for o in self._lab.shelf.production().offers}
        run = pmui.Button(
            label="Run the twin", icon="play_arrow", variant="contained", color="primary", margin=0
        )
        run.on_click(self._run)
        fields = [
            self._input(pmui.Select, "draft", "What to try", 270, options=drafts),
            self._input(pmui.Select, "replaces", "On the customers of", 190, options=names),
            self._input(pmui.TextInput, "accounts", "Accounts", 130, placeholder="all; city-*"),
            self._input(pmui.TextInput, "usage", "Use, times", 90, placeholder="1"),
            self._input(pmui.TextInput, "elasticity", "Elasticity", 100, placeholder="none; -0.3"),
            self._input(pmui.Select, "migration", "Who moves", 180, options=_MIGRATIONS),
        ]
        back = []
        if self.draft:
            there = f"./studio?draft={self.draft}"
            back = [
                pmui.Button(
                    label="Change it in the Studio",
                    icon="edit",
                    href=there,
                    variant="text",
                    size="small",
                    margin=0,
                )
            ]
        return theme.card(
            "What if", pn.Row(*fields, run, margin=(10, 0, 0, 0), styles=_ROW, sizing_mode="stretch_width"),
            pn.Row(self._language(), *back, self._link(), *self._downloads(),
                margin=(10, 0, 0, 0), styles=_ROW, sizing_mode="stretch_width",
            ),
        )  # fmt: skip

    def _input(self, kind: Any, name: str, label: str, width: int, **more: Any) -> Any:
        """A field of the question, bound to its parameter both ways."""
        field = kind(
            label=label,
            value=getattr(self, name),
            width=width,
            size="small",
            margin=0,
            sx=theme.FIELD,
            **more,
        )
        field.param.watch(lambda event: self.param.update({name: event.new or ""}), "value")
        return field

    def _language(self) -> Any:
        chosen = pmui.RadioButtonGroup(options=LANGUAGES, value=self._write.locale, size="small", margin=0)
        chosen.param.watch(lambda event: self._speak(str(event.new)), "value")
        return chosen

    def _speak(self, lang: str) -> None:
        self.lang = lang
        self._show()

    def _link(self) -> Any:
        button = pmui.Button(label="Copy link", icon="link", variant="text", size="small", margin=0)
        button.js_on_click(code="navigator.clipboard && navigator.clipboard.writeText(window.location.href)")
        return button

    def _downloads(self) -> list[Any]:
        made: dict[str, tuple[str, Callable[[Answer], bytes]]] = {
            "Report": ("what-if.html", self._report),
            "Excel": ("what-if.xlsx", lambda answer: export.workbook(answer, self._ask)),
            "Parquet": ("what-if.parquet", export.parquet),
            "YAML": ("what-if.zip", self._bundle),
        }
        return [
            pmui.FileDownload(
                label=label, filename=name, callback=partial(self._made, make), auto=True, embed=False, variant="text",
                size="small", margin=0, button_type="primary",
            )
            for label, (name, make) in made.items()
        ]  # fmt: skip

    def _made(self, make: Callable[[Answer], bytes]) -> Any:
        if self._answer is None:
            return StringIO("There is no answer yet: run the twin, or move a slider.")
        return BytesIO(make(self._answer))

    def _report(self, answer: Answer) -> bytes:
        return export.report(answer, self._ask, self._title(), SystemClock().now(), self._write).encode()

    def _bundle(self, _: Answer) -> bytes:
        if not self.draft:
            return export.bundle(self._ask)
        offer, candidate = self._lab.drafted(self.draft)
        return export.bundle(self._ask, candidate, offer.id)

    def _title(self) -> str:
        if self.draft:
            return f"What if: {self._lab.shelf.drafts().get(self.draft, 'a draft')}"
        return "What if some numbers moved"

    def _table(self, rows: list[dict[str, str]]) -> Any:
        """The accounts that move; made anew with each answer, as a table that was filled unseen has no widths."""
        columns = ["Account", "Now", "Then", "Difference", "%"]
        table = pn.widgets.Tabulator(
            pd.DataFrame(rows, columns=columns, dtype="object"), show_index=False, disabled=True, layout="fit_columns",
            theme="materialize", pagination="local", page_size=10, sizing_mode="stretch_width", selectable=False,
            sortable=False, text_align=dict.fromkeys(columns[1:], "right"), widths={"Account": "38%"}, margin=0,
            stylesheets=[".tabulator-row {cursor: pointer}"],
        )  # fmt: skip
        table.on_click(lambda event: self._open(self._rows[event.row]))
        return table

    # -- asking ------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        """Once the browser is here: the sliders, and the answer the address asks for."""
        self._say("Reading what every counter of the last period holds.", "info")
        try:
            board = await asyncio.to_thread(self._lab.board)
        except WorkbenchError as error:
            self._say(f"{error.what} {error.cure}", "warning")
            return
        self._show_sliders(board)
        if self.draft or self.elasticity or self.accounts or self.account:
            await self._run(None)
        elif self.moved or self.usage not in ("", "1"):
            self._reckon(board)
        else:
            self._say("Choose a draft and run the twin, or move a slider: it answers at once.", "info")

    async def _run(self, _event: Any) -> None:
        progress = Progress()
        self._bar.param.update(visible=True, value=2)
        self._say("The twin replays the traffic on both price lists.", "info")
        ticking = pn.state.add_periodic_callback(lambda: self._tick(progress), period=200)
        try:
            sim = await asyncio.to_thread(self._lab.run, self._ask, progress)
            answer = await asyncio.to_thread(self._lab.ask, lambda: of_twin(sim))
        except WorkbenchError as error:
            self._say(f"{error.what} {error.cure}", "error")
            return
        finally:
            ticking.stop()
            self._bar.visible = False
        self._sim, self._answer = sim, answer
        self._say(self._ran(sim), "success")
        self._show()

    def _ran(self, sim: Simulation) -> str:
        cell = sim.cell()
        seconds = self._write.count(max(1, round(sum(sim.wall_seconds.values()))))
        notes = " ".join(sim.notes)
        period = f"{self._write.day(sim.period.start.date())} – {self._write.day(sim.period.end.date())}"
        return (
            f"{self._write.count(cell.records)} records of {self._write.count(cell.devices)} devices, {period}, priced twice "
            f"in {seconds} s. The parts sum to the whole, to the last nano. {notes}"
        )

    def _tick(self, progress: Progress) -> None:
        share = 100 * progress.done // progress.total if progress.total else 10
        self._bar.value = max(int(self._bar.value), min(95, share or int(self._bar.value) + 2))

    def _reckon(self, board: Board) -> None:
        """The board's answer to where the sliders are."""
        ask = self._ask
        try:
            outcome = board.price(ask.patches, usage=number(ask.usage, "usage"))
        except WorkbenchError as error:
            self._say(f"{error.what} {error.cure}", "warning")
            return
        self._sim, self._answer = None, of_board(outcome)
        milliseconds = self._write.count(max(1, round(outcome.wall_seconds * 1000)))
        words = f"Reckoned from what every counter holds, in {milliseconds} ms: the twin's answer to the last nano, without its traces."
        self._say(words, "success")
        self._show()

    # -- sliders -----------------------------------------------------------------------------------------------

    def _show_sliders(self, board: Board) -> None:
        self._sliders[:] = (
            [] if self.draft else sliders_card(board, lambda: self._ask, self.offer, self._moved_to)
        )

    def _moved_to(self, board: Board, ask: Ask, offer: str) -> None:
        """A slider was let go somewhere else."""
        self.param.update(moved=ask.moved, usage=ask.usage, offer=offer)
        self._reckon(board)

    # -- showing -----------------------------------------------------------------------------------------------

    def _say(self, words: str, mood: str) -> None:
        self._told.param.update(object=words, severity=mood, visible=True)

    def _show(self) -> None:
        answer, write = self._answer, self._write
        if answer is None:
            return
        with pn.io.hold():
            self._show_tiles(answer, write)
            self._waterfall.show(answer, write)
            self._distribution.show(answer, write)
            moved = answer.moved[:_SHOWN]
            self._rows = [change.account for change in moved]
            rows = [
                {"Account": c.name, "Now": write.money(c.before, c.currency), "Then": write.money(c.after, c.currency),
                 "Difference": write.signed(c.delta, c.currency), "%": write.percent(c.percent)}
                for c in moved
            ]  # fmt: skip
            self._movers[:] = [self._table(rows)]
            self._shares[:] = [self._partners(answer, write)]
            self._results.visible = True
        self._explain()

    def _show_tiles(self, answer: Answer, write: Writer) -> None:
        tiles, currency = self._tiles, answer.currency
        tiles.set("before", write.money(answer.before, currency))
        reach = ""
        if answer.low is not None and answer.high is not None and answer.low != answer.high:
            reach = f"{write.money(answer.low, currency)} to {write.money(answer.high, currency)}"
        tiles.set("after", write.money(answer.after, currency), reach)
        tiles.set("delta", write.signed(answer.delta, currency), write.percent(answer.percent))
        most = next(iter(answer.losers), None)
        tiles.set(
            "more",
            write.count(len(answer.losers)),
            f"most: {write.signed(most.delta, currency)}" if most else "",
        )
        least = next(iter(answer.winners), None)
        tiles.set(
            "less",
            write.count(len(answer.winners)),
            f"most: {write.signed(least.delta, currency)}" if least else "",
        )
        tiles.set("same", write.count(answer.same))
        tiles.show()

    def _partners(self, answer: Answer, write: Writer) -> Any:
        if not answer.shares:
            return pmui.Typography(
                "Run the twin to see what each partner is owed.", sx={"color": "text.secondary"}
            )
        rows: list[Mapping[str, str]] = [
            {"Partner": partner, "Now": write.money(before, answer.currency), "Then": write.money(after, answer.currency),
             "Difference": write.signed(after - before, answer.currency)}
            for partner, before, after in answer.shares
        ]  # fmt: skip
        return pn.widgets.Tabulator(
            pd.DataFrame(rows, dtype="object"), show_index=False, disabled=True, layout="fit_columns", theme="materialize",
            sizing_mode="stretch_width", selectable=False, sortable=False,
            text_align=dict.fromkeys(("Now", "Then", "Difference"), "right"),
        )  # fmt: skip

    # -- why ---------------------------------------------------------------------------------------------------

    def _open(self, account: str) -> None:
        self.account = account
        self._explain()

    def _explain(self) -> None:
        answer, sim = self._answer, self._sim
        change = next((c for c in answer.changes if c.account == self.account), None) if answer else None
        if change is None:
            self._why[:] = []
            return
        if sim is None:
            told = f"{escape(change.name)}: run the twin to open this bill down to its two traces."
            self._why[:] = [pmui.Alert(told, severity="info", sizing_mode="stretch_width", margin=0)]
            return
        try:
            self._why[:] = [self._lab.ask(lambda: details(sim, change, self._write))]
        except WorkbenchError as error:
            self._why[:] = [theme.empty(error.what, error.cure)]
