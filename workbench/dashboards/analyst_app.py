"""The analyst page: the queue, one case with its evidence, one device's life, the fleet on a map; everything by keyboard too."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from workbench.casework.actions import act
from workbench.casework.case import BENIGN, CONFIRMED, UNSURE, Case
from workbench.casework.desk import Ranked
from workbench.dashboards import theme
from workbench.dashboards.cases import drawing
from workbench.dashboards.cases.charts import EvidenceChart, FleetMap, LifeChart
from workbench.dashboards.cases.keys import Keys
from workbench.dashboards.cases.reading import Shown
from workbench.dashboards.cases.store import CaseStore
from workbench.dashboards.sessions import address, watched
from workbench.dashboards.text import count
from workbench.errors import WorkbenchError

TICK_MS = 1_000
FILL_MS = 120
"""How often is asked whether the evidence that is wanted was read."""
_SAY_AFTER_SECONDS = 0.25
"""What takes a moment only is not announced."""
_KEYS = "jkuax123456789"
_ACTIONS = {"4": "hold", "5": "dispute", "6": "field_order", "7": "suspend", "8": "block"}
_VERDICTS = {"1": CONFIRMED, "2": BENIGN, "3": UNSURE}


class AnalystPage(param.Parameterized):
    """One session's page. ``case`` and ``kind`` are the URL's query: a link shows the same case."""

    case = param.String(default="", doc="The case on show, by its id.")
    kind = param.String(default="", doc="Only this reason.")

    def __init__(self, store: CaseStore, who: str = "analyst") -> None:
        super().__init__()
        self._store, self._who = store, who
        self._marked: list[str] = []
        self._seen: tuple[Any, ...] = ()
        self._wanted: Case | None = None
        self._wanted_at, self._said_so = 0.0, False
        self._decided = 0
        self._tiles = theme.Tiles(
            {
                "open": "Waiting",
                "stake": "At stake",
                "hours": "To review",
                "sure": "Likely true",
                "decided": "Decided",
                "learned": "Learned from",
            }
        )

    # -- parts -----------------------------------------------------------------------------------------------

    def view(self) -> pmui.Page:
        """The page, ready to serve."""
        links = theme.links("analyst")
        location = address()
        if location is not None:
            location.sync(self, {"case": "case", "kind": "kind"})
        self._list, self._detail, self._said, self._note, self._names, self._quality, self._drift = (
            theme.lively(sizing_mode="stretch_width", stylesheets=[drawing.CSS]) for _ in range(7)
        )
        self._keys = Keys(_KEYS, self._heard)
        self._evidence, self._life = EvidenceChart(), LifeChart()
        self._map = FleetMap(self._store.fleet, self._open)
        self._told = pmui.Alert("", severity="info", sizing_mode="stretch_width", visible=False)
        help_ = theme.lively(sizing_mode="stretch_width", stylesheets=[drawing.CSS])
        help_.text = drawing.HELP
        left = theme.stack(
            theme.card("What to look at first", self._filter(), self._list),
            theme.card(f"{count(self._map.total)} devices, those with a case on top", self._map.view),
            theme.card("Have the inputs moved?", self._drift),
        )
        right = theme.stack(
            theme.card("The case", self._detail, self._said),
            theme.card("Evidence", self._note, self._evidence.view),
            theme.card("This device by the hour", self._life.view, self._names),
            theme.card("Detectors on planted faults", self._quality),
        )
        desk = pn.Column(left, right, sizing_mode="stretch_width", styles=theme.PAIRED, margin=0)
        self._show()
        pn.state.onload(self._start)
        return theme.page(
            "Analyst", [self._keys, self._told, self._tiles.view, help_, desk], links, wide=True
        )

    def _filter(self) -> Any:
        self._kinds = pmui.Select(
            label="Reason",
            options={"all reasons": ""},
            value="",
            size="small",
            width=220,
            sx=theme.FIELD,
            margin=(10, 0, 6, 0),
        )
        self._kinds.param.watch(lambda event: self.param.update(kind=event.new), "value")
        self.param.watch(lambda *_: self._show(), "kind")
        return self._kinds

    def _start(self) -> None:
        beats = [
            pn.state.add_periodic_callback(self._tick, period=TICK_MS),
            pn.state.add_periodic_callback(self._fill, period=FILL_MS),
        ]

        def stop(_: Any) -> None:
            for beat in beats:
                beat.stop()

        pn.state.on_session_destroyed(stop)
        self._tick()

    def _tick(self) -> None:
        """Others work on the same queue: take in what they did; show what the detectors are doing."""
        if not watched():
            return
        if not self._store.ready.is_set():
            self._told.param.update(object=f"A moment, {self._store.told} …", visible=True)
            return
        if self._store.trouble:
            self._told.param.update(object=self._store.trouble, severity="warning", visible=True)
        elif self._told.visible:
            self._told.visible = False
        if not self._quality.text and self._store.judged.is_set():
            self._quality.text = drawing.quality_html(self._store.quality)
            self._drift.text = drawing.drift_html(self._store.drift)
        self._store.queue()
        if self._now() != self._seen:
            self._show()

    def _now(self) -> tuple[Any, ...]:
        return (
            self._store.desk.version,
            self._store.ready.is_set(),
            self.kind,
            self.case,
            tuple(self._marked),
        )

    # -- what a person does -----------------------------------------------------------------------------------

    def _heard(self, message: dict[str, Any]) -> None:
        key, tell = str(message.get("key", "")), message.get("tell")
        if tell == "case":
            self._open(str(message["value"]))
            return
        if tell == "key":
            key = str(message["value"])
        with pn.io.hold():
            self._press(key)

    def _press(self, key: str) -> None:
        if key in "jk" and key:
            self._step(1 if key == "j" else -1)
        elif key in _VERDICTS:
            self._do(lambda ids: self._verdict(ids, _VERDICTS[key]), moves=True)
        elif key in _ACTIONS:
            self._do(lambda ids: self._act(ids, _ACTIONS[key]))
        elif key == "9":
            self._do(self._quiet, moves=True)
        elif key == "a":
            self._do(
                lambda ids: self._told_of(
                    self._store.desk.assign(ids, self._who, who=self._who), f"{self._who} has it"
                )
            )
        elif key == "u":
            self._do(self._undo)
        elif key == "x" and self.case:
            self._marked = (
                [one for one in self._marked if one != self.case]
                if self.case in self._marked
                else [*self._marked, self.case]
            )
            self._show()

    def _do(self, deed: Callable[[list[str]], str], *, moves: bool = False) -> None:
        """Do something to the marked cases, or to the one on show; say what came of it, and go on to the next."""
        ids = self._marked or ([self.case] if self.case else [])
        rows = self._rows()
        place = next((at for at, one in enumerate(rows) if one.case.case_id == self.case), 0)
        try:
            words, mood = deed(ids), "good"
        except WorkbenchError as error:
            words, mood = f"{error.what} {error.cure}", "bad"
        else:
            self._marked = []
            if moves:
                left = self._rows()
                self.case = left[min(place, len(left) - 1)].case.case_id if left else ""
        self._said.text = f'<div class="said {mood}">{escape(words)}</div>'
        self._show()

    def _verdict(self, ids: list[str], verdict: str) -> str:
        done = self._store.desk.verdict(ids, verdict, who=self._who)
        self._decided += len(done)
        return f"{self._named(done)}: {verdict}. Press u to take it back."

    def _act(self, ids: list[str], action: str) -> str:
        words = []
        for case_id in ids:
            blocked = action == "block" and "block" in self._store.desk.case(case_id).done
            action = "unblock" if blocked else action
            with self._store.lock:
                ref, _, now = act(self._store.desk, self._store.lake, case_id, action, who=self._who, wires=self._store.wires,
                                  outbox=self._store.outbox)  # fmt: skip
            words.append(ref if now else f"{ref} was done before")
        return f"{action.replace('_', ' ')}: {', '.join(words)}."

    def _quiet(self, ids: list[str]) -> str:
        desk = self._store.desk
        cases = [desk.case(case_id) for case_id in ids]
        for case in cases:
            desk.suppress(
                {"device": case.subject, "kind": case.kind},
                desk.clock.now() + timedelta(days=1),
                "quiet for a day",
                who=self._who,
            )
        return f"{self._named(cases)}: quiet for a day."

    def _undo(self, _ids: list[str]) -> str:
        touched = self._store.desk.undo(who=self._who)
        self._decided = max(0, self._decided - len(touched))
        if touched:
            self.case = touched[0]
        return "Taken back."

    def _told_of(self, cases: list[Case], words: str) -> str:
        return f"{self._named(cases)}: {words}."

    def _named(self, cases: list[Case]) -> str:
        return cases[0].subject if len(cases) == 1 else f"{len(cases)} cases"

    def _step(self, by: int) -> None:
        rows = self._rows()[: drawing.SHOWN]
        if rows:
            at = next((place for place, one in enumerate(rows) if one.case.case_id == self.case), -by)
            self.case = rows[max(0, min(at + by, len(rows) - 1))].case.case_id
            self._show()

    def _open(self, case_id: str) -> None:
        self.case = case_id
        self._show()

    # -- drawing -----------------------------------------------------------------------------------------------

    def _rows(self) -> list[Ranked]:
        return [one for one in self._store.queue() if self.kind in ("", one.case.kind)]

    def _show(self) -> None:
        whole = self._store.queue()
        rows = self._rows()
        chosen = self._chosen(rows)
        if chosen is not None and not self.case:
            self.case = chosen.case.case_id
        self._seen = self._now()
        kinds = sorted({one.case.kind for one in whole})
        options = {"all reasons": "", **{kind.replace("_", " "): kind for kind in kinds}}
        if options != self._kinds.options:
            self._kinds.options = options
        looking = not rows and not self._store.ready.is_set()
        self._list.text = drawing.LOOKING if looking else drawing.queue_html(rows, self.case, self._marked)
        self._keys.shown = self.case
        self._show_tiles(rows)
        self._map.show(whole, self.case)
        if chosen is None:
            self._wanted = None
            self._detail.text = drawing.LOOKING if looking else drawing.queue_html([], "", ())
            return
        self._detail.text = drawing.case_html(chosen)
        self._charts_soon(chosen.case)

    def _chosen(self, rows: list[Ranked]) -> Ranked | None:
        """The case on show; one that a link names may be closed already."""
        for one in rows:
            if one.case.case_id == self.case:
                return one
        if self.case:
            try:
                case = self._store.desk.case(self.case)
            except WorkbenchError:
                self.case = ""
            else:
                return Ranked(case, self._store.desk.beliefs.chances([case])[0], 0.0)
        return rows[0] if rows else None

    def _charts_soon(self, case: Case) -> None:
        """Draw the charts of the case that is still wanted in a moment: who holds j down waits for none of them."""
        self._wanted, self._wanted_at, self._said_so = case, time.monotonic(), False
        document = pn.state.curdoc
        if document is None or document.session_context is None:
            self._store.read(case)
            self._fill()

    def _fill(self) -> None:
        """Draw the charts that are wanted once their evidence is there; say that it is read when that takes longer."""
        case, waited = self._wanted, time.monotonic() - self._wanted_at
        if case is None or not watched():
            return
        found = self._store.shown(case)
        if found is not None:
            self._wanted = None
            self._draw(case, found)
        elif waited > _SAY_AFTER_SECONDS and not self._said_so:
            self._said_so = True
            self._blank(case)

    def _draw(self, case: Case, found: Shown) -> None:
        with pn.io.hold():
            if found.seen is None:
                self._blank(case, found.trouble)
                return
            self._evidence.show(found.seen, case)
            self._note.text = f'<div class="sub">{escape(drawing.evidence_note(found.seen))}</div>'
            self._life.show(found.life)
            self._names.text = drawing.life_html(found.life)

    def _blank(self, case: Case, trouble: str = "") -> None:
        """No curve of the case before may stand under this one's name."""
        with pn.io.hold():
            self._evidence.clear()
            self._life.clear()
            self._note.text = drawing.reading_html(case, trouble)
            self._names.text = ""

    def _show_tiles(self, rows: list[Ranked]) -> None:
        tiles = self._tiles
        tiles.set(
            "open", count(len(rows)), f"{len(self._marked)} marked" if self._marked else "cases, best first"
        )
        stake = sum(one.chance * float(one.case.stake) for one in rows)
        tiles.set("stake", f"{stake:,.0f} EUR", "chance times money or risk")
        minutes = sum(one.case.about.minutes for one in rows)
        tiles.set("hours", f"{minutes // 60} h {minutes % 60:02d}", "for all of them")
        top = rows[:20]
        sure = sum(one.chance for one in top) / len(top) if top else 0.0
        tiles.set("sure", f"{100 * sure:.0f} %", f"of the first {len(top)}, expected")
        tiles.set("decided", count(self._decided), "by you, in this session")
        beliefs = self._store.desk.beliefs
        labels = sum(yes + no for yes, no in beliefs.counts.values())
        learned = (
            "a ranker is at work" if beliefs.ranker else f"{max(0, 50 - labels)} more and a ranker learns"
        )
        tiles.set(
            "learned",
            f"{labels} verdicts",
            f"{len(beliefs.left_out)} contradict" if beliefs.left_out else learned,
        )
        tiles.show()
