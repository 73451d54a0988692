"""The replay's clock: running totals, nothing before the tape, everything after it."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction

import pytest

from workbench.dashboards.replay import WINDOW, Tape, tape_of
from workbench.dashboards.store import Store

NOON = datetime(2026, 3, 2, 12)


@pytest.fixture
def tape() -> Tape:
    times = [NOON, NOON + WINDOW, NOON + 4 * WINDOW]
    takings = [{"a": Fraction(1)}, {"a": Fraction(3)}, {"a": Fraction(3), "b": Fraction(7)}]
    return Tape(times, [900, 2700, 2800], [0, 10, 10], [2, 4, 6], [250_000, 500_000, 0], takings)


def test_before_the_tape_there_is_nothing(tape: Tape) -> None:
    moment = tape.at(NOON - timedelta(seconds=1))
    assert (moment.events, moment.records, moment.takings) == (0, 0, {})


def test_events_come_evenly_and_money_when_its_window_has_ended(tape: Tape) -> None:
    half = tape.at(NOON + WINDOW / 2)
    assert (half.events, half.events_per_second, half.takings) == (450, 1, {})
    later = tape.at(NOON + WINDOW * 3 / 2)
    assert (later.events, later.duplicates, later.records) == (1800, 5, 3)
    assert later.takings == {"a": Fraction(1)}
    assert later.drawn["power_kw"] == 2.0


def test_in_a_gap_all_that_ended_is_there(tape: Tape) -> None:
    assert tape.at(NOON + 3 * WINDOW).takings == {"a": Fraction(3)}


def test_the_end_holds_everything(tape: Tape) -> None:
    moment = tape.at(tape.end)
    assert (moment.events, moment.duplicates, moment.records) == (2800, 10, 6)
    assert moment.takings == tape.takings[-1]


def test_a_jump_draws_what_would_have_been_played(tape: Tape) -> None:
    drawn = tape.drawn_until(NOON + 2 * WINDOW)
    assert drawn == {"at": tape.times[:2], "rate": [1, 2], "power": [1.0, 2.0]}
    assert tape.drawn_until(NOON)["at"] == []
    assert tape.peaks == (2, 2.0)


def test_a_lakes_tape_ends_at_its_totals(store: Store) -> None:
    moment = tape_of(store).at(tape_of(store).end)
    totals = store.totals
    assert (moment.events, moment.duplicates, moment.records) == (
        totals.events,
        totals.duplicates,
        totals.records,
    )
