"""From a record back to its events: found again, told apart, and proven by the fingerprint."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.mediation.streams import BY_FRAME, BY_TIME, START, lake_of
from tests.mediation.test_dedupe import _row
from workbench.errors import UsageError
from workbench.mediation.lineage import members, stream_named
from workbench.model.ids import device_key


def test_members_are_events_copies_and_conflicts() -> None:
    """Four rows were delivered for two events; each is told what became of it."""
    made = [_row(1), _row(2), _row(2, received=9), _row(1, 7, received=5)]
    with lake_of([made[:2], made[2:]], BY_TIME, mediate_each=True) as (lake, stream):
        found = members(lake, stream, device_key("main", "d"), START)
    assert found.proven
    assert [(row["units"], row["is_event"], row["is_conflict"]) for row in found.rows.to_pylist()] == [
        (5, True, False), (7, False, True), (5, True, False), (5, False, False),
    ]  # fmt: skip


def test_copies_in_other_windows_decide_too() -> None:
    """A frame repeated half an hour later is no event of its own window, and the proof knows it."""
    with lake_of([[_row(0), _row(25)]], BY_FRAME) as (lake, stream):
        second = members(lake, stream, device_key("main", "d"), START + timedelta(minutes=15))
    assert second.proven
    assert [row["is_event"] for row in second.rows.to_pylist()] == [False]


def test_another_record_is_not_proven() -> None:
    """A record made from other rows than those that are there now is called unproven, not explained away."""
    with lake_of([[_row(1)]], BY_TIME) as (lake, stream):
        held = lake.segments("records")
        forged = lake.write(
            "records",
            f"SELECT * REPLACE (fingerprint + 1 AS fingerprint) FROM {lake.scan('records')}",
            stream=stream.name,
            partition=held[0].partition,
            meta=held[0].meta,
        )
        lake.commit({"stage": "forged"}, add=[forged], remove=held)
        assert not members(lake, stream, device_key("main", "d"), START).proven


def test_an_unknown_stream_is_named_with_the_known_ones() -> None:
    """The error lists what there is."""
    with lake_of([[_row(1)]], BY_TIME) as (lake, _), pytest.raises(UsageError, match="no stream 'nope'"):
        stream_named(lake, "nope")
