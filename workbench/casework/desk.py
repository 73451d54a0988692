"""The queue: what a command line, a notebook and the analyst page all do, on one durable log.

desk = Desk.of(lake)                       # nothing is written yet
desk.look(lake)                            # detectors run, new cases are opened
desk.queue()[0].case.sentence              # what to look at first
desk.verdict([case_id], "confirmed", "ladder was there", who="ann")
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from workbench.casework.case import BENIGN, RANDOM_CHECK, SUPPRESSED, VERDICTS, Case
from workbench.casework.fold import UNDOABLE, State, apply, folded
from workbench.casework.log import Event, Log
from workbench.casework.making import cases_of
from workbench.casework.ranking import Beliefs, believe, contradictions, ordered
from workbench.casework.suppression import BENIGN_DAYS, Suppression, checked
from workbench.clock import Clock, SystemClock
from workbench.errors import CaseworkError
from workbench.insight.detect import Opened, detect
from workbench.insight.finding import Findings
from workbench.lake.lake import Lake
from workbench.model.ids import short_hash

FOLDER = "casework"


@dataclass(frozen=True, slots=True)
class Ranked:
    """A case's place in the queue: ``chance`` that it is true, and ``score``, money times chance by minutes."""

    case: Case
    chance: float
    score: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**self.case.as_dict(), "chance": round(self.chance, 4), "score": round(self.score, 4),
                "minutes": self.case.about.minutes, "stake": str(self.case.stake)}  # fmt: skip


class Desk:
    """One tenant's queue.

    Args:
        folder: where the log and what is made of it are kept.
    """

    def __init__(self, folder: Path, tenant: str = "main", clock: Clock | None = None) -> None:
        self.folder, self.tenant = folder, tenant
        self.clock: Clock = clock or SystemClock()
        self._log = Log(folder / "log.ndjson")
        self._events: list[Event] = []
        self._state = State()
        self._beliefs: tuple[int, Beliefs] | None = None
        self._lock = threading.RLock()

    @classmethod
    def of(cls, lake: Lake | Opened, clock: Clock | None = None) -> Desk:
        """The queue of a lake."""
        inner = lake if isinstance(lake, Lake) else lake.inner
        return cls(inner.root / FOLDER, inner.tenant, clock)

    # -- reading ---------------------------------------------------------------------------------------------

    def refresh(self) -> State:
        """Take in what others wrote."""
        with self._lock:
            self._take(self._log.read())
            return self._state

    def _take(self, events: Sequence[Event]) -> None:
        if not events:
            return
        self._events += events
        if any(event["what"] == "undo" for event in events):
            self._state = folded(self._events)
        else:
            for event in events:
                apply(self._state, event)

    @property
    def version(self) -> int:
        """How many events there are."""
        return len(self._events)

    @property
    def looked(self) -> int:
        """The lake's version that was looked at last; -1 for never."""
        return self.refresh().looked

    def cases(self) -> list[Case]:
        """Every case as it stands now, suppressed ones marked."""
        now, state = self.clock.now(), self.refresh()
        active = [rule for rule in state.suppressions.values() if rule.active(now)]
        return [
            replace(case, state=SUPPRESSED)
            if not case.closed and any(rule.fits(case) for rule in active)
            else case
            for case in state.cases.values()
        ]

    def case(self, case_id: str) -> Case:
        """One case by its id or the beginning of it.

        Raises:
            CaseworkError: ``case_unknown``.
        """
        found = [case for case in self.cases() if case_id and case.case_id.startswith(case_id)]
        if len(found) != 1:
            raise CaseworkError(
                f"{len(found) or 'No'} cases are called {case_id[:40]!r}.",
                where=str(self.folder), cure="`workbench queue list LAKE --all` shows every case's id.", code="case_unknown",
            )  # fmt: skip
        return found[0]

    def queue(self, *, everything: bool = False) -> list[Ranked]:
        """What is to do, best first; closed and suppressed cases only with ``everything``."""
        shown = [case for case in self.cases() if everything or not (case.closed or case.state == SUPPRESSED)]
        return [Ranked(*row) for row in ordered(shown, self.beliefs)]

    @property
    def beliefs(self) -> Beliefs:
        """What the verdicts say so far; made again only when there are new events."""
        self.refresh()
        if self._beliefs is None or self._beliefs[0] != self.version:
            self._beliefs = (self.version, believe(list(self._state.cases.values())))
        return self._beliefs[1]

    def suppressions(self) -> list[Suppression]:
        """Every rule, newest last."""
        return list(self.refresh().suppressions.values())

    # -- looking ---------------------------------------------------------------------------------------------

    def look(
        self,
        lake: Lake | Opened,
        findings: Findings | None = None,
        *,
        who: str = "detectors",
        progress: Callable[[str], None] = lambda _: None,
    ) -> int:
        """Run the detectors and open what is new; returns how many cases that were.

        Args:
            findings: what was found already; the detectors run when it is left out.

        Raises:
            CaseworkError: ``nothing_to_look_at``: the lake has no usage.
        """
        inner = lake if isinstance(lake, Lake) else lake.inner
        if not inner.segments("landed") and not inner.segments("records"):
            raise CaseworkError(
                "This lake holds no usage, so there is nothing to find.", where=str(inner.root),
                cure="Bring usage in first (`workbench ingest`, `workbench demo`).", code="nothing_to_look_at",
            )  # fmt: skip
        found = findings if findings is not None else detect(inner, priced=False, progress=progress)
        made = cases_of(inner, found)

        def new(others: list[Event]) -> list[Event]:
            self._take(others)
            events: list[Event] = []
            for case in made:
                before = self._state.cases.get(case.case_id)
                if before is None:
                    events.append({"what": "case", "case": case.as_dict()})
                elif case.kind != RANDOM_CHECK and _moved(before, case):
                    data = case.as_dict()
                    kept = ("at_risk", "billed", "expected", "until", "sentence", "surprise")
                    events.append(
                        {"what": "seen", "case": case.case_id} | {name: data[name] for name in kept}
                    )
            return [*events, {"what": "looked", "version": inner.state.version}]

        return sum(event["what"] == "case" for event in self._write(new, who))

    def _write(self, make: Callable[[list[Event]], list[Event]], who: str) -> list[Event]:
        at = self.clock.now().isoformat(timespec="milliseconds")
        with self._lock:
            _, made = self._log.append(make, at=at, who=who)
            self._take(made)
        return made

    def _say(self, make: Callable[[], list[Event]], who: str) -> list[Event]:
        """Write what ``make`` decides on the state as it is now, others' events included."""

        def decide(others: list[Event]) -> list[Event]:
            self._take(others)
            return make()

        return self._write(decide, who)

    # -- deciding --------------------------------------------------------------------------------------------

    def assign(self, ids: Iterable[str], to: str, *, who: str) -> list[Case]:
        """Give cases to somebody; to nobody with an empty name."""
        return self._each(ids, who, lambda case: {"what": "assign", "case": case.case_id, "to": to})

    def note(self, ids: Iterable[str], words: str, *, who: str) -> list[Case]:
        """Write a remark into the history."""
        return self._each(
            ids, who, lambda case: {"what": "note", "case": case.case_id, "words": words}, closed_too=True
        )

    def verdict(self, ids: Iterable[str], verdict: str, why: str = "", *, who: str) -> list[Case]:
        """Say what is true of cases, all or none of them.

        ``benign`` also keeps the same device's cases of the same reason quiet for a month. Verdicts that contradict each
        other (see ``labels_at_odds``) stay in the history and teach nothing.

        Raises:
            CaseworkError: ``case_unknown``, ``case_closed``, ``verdict_unknown``.
        """
        if verdict not in VERDICTS:
            raise CaseworkError(f"{verdict[:40]!r} is no verdict.", where="verdict",
                                cure=f"Say one of {', '.join(VERDICTS)}.", code="verdict_unknown")  # fmt: skip
        done = self._each(
            ids, who, lambda case: {"what": "verdict", "case": case.case_id, "verdict": verdict, "why": why},
            and_then=self._quiet if verdict == BENIGN else None,
        )  # fmt: skip
        self._keep_ranker()
        return done

    def _quiet(self, case: Case) -> Event:
        until = self.clock.now() + timedelta(days=BENIGN_DAYS)
        scope = {"device": case.subject, "kind": case.kind}
        return {"what": "suppress", "id": short_hash(case.case_id, until, size=4), "scope": scope,
                "until": until.isoformat(timespec="seconds"), "why": f"benign: {case.case_id}"}  # fmt: skip

    def reopen(self, ids: Iterable[str], why: str, *, who: str) -> list[Case]:
        """Take verdicts back for another look."""
        return self._each(
            ids, who, lambda case: {"what": "reopen", "case": case.case_id, "why": why}, closed_too=True
        )

    def _each(
        self,
        ids: Iterable[str],
        who: str,
        event: Callable[[Case], Event],
        *,
        closed_too: bool = False,
        and_then: Callable[[Case], Event] | None = None,
    ) -> list[Case]:
        asked = list(dict.fromkeys(ids))
        if not asked:
            raise CaseworkError(
                "No case was named.", where="cases", cure="Name at least one id.", code="case_unknown"
            )

        def make() -> list[Event]:
            found = [self.case(case_id) for case_id in asked]
            for case in found:
                if case.closed and not closed_too:
                    raise CaseworkError(
                        f"Case {case.case_id} is {case.state} already ({case.verdict}).", where=case.subject,
                        cure="Reopen it first if that was wrong: `workbench queue reopen`.", code="case_closed",
                    )  # fmt: skip
            return [*map(event, found), *(map(and_then, found) if and_then else ())]

        made = self._say(make, who)
        return [self.case(one["case"]) for one in made if "case" in one and one["what"] != "suppress"]

    def suppress(self, scope: dict[str, str], until: datetime, why: str, *, who: str) -> Suppression:
        """Keep cases quiet until an instant.

        Raises:
            CaseworkError: ``suppression_scope``, ``suppression_past``.
        """
        kept, end = checked(scope, until, self.clock.now())
        rule_id = short_hash(sorted(kept.items()), end, self.version, size=4)
        event = {"what": "suppress", "id": rule_id, "scope": kept, "until": end.isoformat(), "why": why}
        self._say(lambda: [event], who)
        return self._state.suppressions[rule_id]

    def lift(self, rule_id: str, *, who: str) -> Suppression:
        """End a suppression now.

        Raises:
            CaseworkError: ``suppression_unknown``.
        """

        def make() -> list[Event]:
            if rule_id not in self._state.suppressions:
                raise CaseworkError(f"There is no suppression {rule_id[:40]!r}.", where=str(self.folder),
                                    cure="`workbench queue suppress --list` names them.", code="suppression_unknown")  # fmt: skip
            return [{"what": "lift", "id": rule_id}]

        self._say(make, who)
        return self._state.suppressions[rule_id]

    def undo(self, *, who: str) -> list[str]:
        """Take back the last thing this person did that left no trace outside; returns the cases it touched.

        Raises:
            CaseworkError: ``nothing_to_undo``.
        """
        touched: list[str] = []

        def make() -> list[Event]:
            undone = {seq for event in self._events if event["what"] == "undo" for seq in event["undoes"]}
            mine = [
                e
                for e in self._events
                if e["who"] == who and e["seq"] not in undone and e["what"] in UNDOABLE
            ]
            if not mine:
                raise CaseworkError("There is nothing to take back.", where=who, code="nothing_to_undo",
                                    cure="Actions reached somebody outside; do their opposite instead.")  # fmt: skip
            together = [event for event in mine if event["at"] == mine[-1]["at"]]
            touched.extend(event["case"] for event in together if "case" in event)
            return [{"what": "undo", "undoes": [event["seq"] for event in together]}]

        self._say(make, who)
        self._keep_ranker()
        return list(dict.fromkeys(touched))

    def acted(
        self, case_id: str, action: str, ref: str, words: str, document: dict[str, Any], *, who: str
    ) -> Case:
        """Write down that an action was taken; see ``actions.py``."""
        event = {
            "what": "action",
            "case": case_id,
            "action": action,
            "ref": ref,
            "words": words,
            "document": document,
        }
        self._say(lambda: [event], who)
        return self.case(case_id)

    def outcome(self, offer: str, account: str, said: str, *, who: str) -> None:
        """What came of an upsell offer: ``accepted`` or ``declined``; also for held-out customers who moved by themselves."""
        self._say(lambda: [{"what": "outcome", "offer": offer, "account": account, "said": said}], who)

    # -- learning --------------------------------------------------------------------------------------------

    def labels_at_odds(self) -> list[tuple[Case, Case]]:
        """Pairs of cases whose verdicts contradict each other."""
        return contradictions(self.cases())

    def _keep_ranker(self) -> None:
        """Write the ranker beside the log, as plain numbers, whenever there is one."""
        ranker = self.beliefs.ranker
        if ranker is not None:
            draft = self.folder / "ranker.json.tmp"
            draft.write_text(ranker.as_json())
            draft.replace(self.folder / "ranker.json")


def _moved(before: Case, now: Case) -> bool:
    return (before.until, before.at_risk, before.surprise) != (now.until, now.at_risk, now.surprise)
