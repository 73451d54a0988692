"""From the log's events to the queue's state: every event in order, those that were undone left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction

from workbench.casework.case import (
    BENIGN,
    CONFIRMED,
    DISMISSED,
    OPEN,
    RESOLVED,
    WAITING,
    WORKING,
    Case,
    Step,
    restored,
)
from workbench.casework.log import Event
from workbench.casework.suppression import Suppression

UNDOABLE = ("assign", "verdict", "reopen", "note", "suppress", "lift")
"""What left no trace outside the queue; an action did."""


@dataclass
class State:
    """The queue as the log tells it.

    Attributes:
        cases: by id, in the order in which they were opened.
        suppressions: by id. outcomes: what came of offers, by offer id. looked: the lake's version last looked at, or -1.
        documents: references of actions to what they hold.
    """

    cases: dict[str, Case] = field(default_factory=dict)
    suppressions: dict[str, Suppression] = field(default_factory=dict)
    outcomes: dict[str, Event] = field(default_factory=dict)
    documents: dict[str, Event] = field(default_factory=dict)
    looked: int = -1


def folded(events: Iterable[Event]) -> State:
    """The state after all events."""
    listed = list(events)
    undone = {seq for event in listed if event["what"] == "undo" for seq in event["undoes"]}
    state = State()
    for event in listed:
        if event["seq"] not in undone:
            apply(state, event)
    return state


def apply(state: State, event: Event) -> None:
    """One event's effect."""
    what = event["what"]
    if what == "case":
        case = restored(event["case"])
        state.cases[case.case_id] = case.with_step(_step(event, "opened"))
    elif what == "looked":
        state.looked = int(event["version"])
    elif what == "outcome":
        state.outcomes[event["offer"]] = event
    elif what == "suppress":
        state.suppressions[event["id"]] = Suppression(
            event["id"], event["scope"], datetime.fromisoformat(event["until"]), event["why"], event["who"]
        )
    elif what == "lift" and event["id"] in state.suppressions:
        state.suppressions[event["id"]] = replace(state.suppressions[event["id"]], lifted=True)
    elif what in _ON_CASE and event["case"] in state.cases:
        state.cases[event["case"]] = _ON_CASE[what](state.cases[event["case"]], event)
        if what == "action":
            state.documents[event["ref"]] = event


def _step(event: Event, what: str, words: str = "") -> Step:
    return Step(event["seq"], event["at"], event["who"], what, words)


def _seen(case: Case, event: Event) -> Case:
    """The detectors saw it again, further on: figures move, nothing that people did does."""
    billed, expected, at_risk = (
        None if event[name] is None else Fraction(event[name]) for name in ("billed", "expected", "at_risk")
    )
    return replace(
        case, until=datetime.fromisoformat(event["until"]), sentence=event["sentence"],
        surprise=event["surprise"], billed=billed, expected=expected, at_risk=at_risk,
    )  # fmt: skip


def _assign(case: Case, event: Event) -> Case:
    state = (
        WORKING
        if event["to"] and case.state == OPEN
        else OPEN
        if not event["to"] and case.state == WORKING
        else case.state
    )
    words = f"to {event['to']}" if event["to"] else "to nobody"
    return case.with_step(_step(event, "assigned", words), assignee=event["to"], state=state)


def _verdict(case: Case, event: Event) -> Case:
    said = event["verdict"]
    state = RESOLVED if said == CONFIRMED else DISMISSED if said == BENIGN else WORKING
    return case.with_step(
        _step(event, f"verdict {said}", event["why"]), state=state, verdict=said, cause=event["why"],
        assignee=case.assignee or event["who"],
    )  # fmt: skip


def _reopen(case: Case, event: Event) -> Case:
    return case.with_step(
        _step(event, "reopened", event["why"]), state=WORKING if case.assignee else OPEN, verdict="", cause=""
    )


def _note(case: Case, event: Event) -> Case:
    return case.with_step(_step(event, "note", event["words"]))


def _action(case: Case, event: Event) -> Case:
    words = f"{event['ref']}: {event['words']}"
    if event["action"] == "unblock":  # takes the block back: it is not done any more, and can be done again
        left = tuple(action for action in case.done if action != "block")
        return case.with_step(_step(event, "unblock", words), done=left)
    state = case.state if case.closed else WAITING
    return case.with_step(
        _step(event, event["action"], words), state=state, done=(*case.done, event["action"])
    )


_ON_CASE = {
    "seen": _seen,
    "assign": _assign,
    "verdict": _verdict,
    "reopen": _reopen,
    "note": _note,
    "action": _action,
}
