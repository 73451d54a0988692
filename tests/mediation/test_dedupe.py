"""The two plans of exact deduplication agree, and both do what I3 says."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import Phase, given, settings

from tests.mediation.streams import BY_EVENT_ID, BY_FRAME, BY_TIME, START, contents, lake_of, rows
from workbench.mediation.aggregate import records_sql, sorted_records_sql
from workbench.mediation.dedupe import flagged, flagged_sorted

_SHARED = "device_key, window_start, units, n_events, n_duplicates, first_at, last_at, fingerprint, flags"


@settings(deadline=None, max_examples=8, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(made=rows())
def test_the_sorted_plan_equals_the_portable_one(made: list) -> None:
    """Every window the sorted plan calls even is the portable plan's window, column by column; odd ones are told."""
    with lake_of([made], BY_TIME) as (lake, stream):
        for segment in lake.segments("landed"):
            source = lake.scan("landed", segments=[segment])
            fast = f"SELECT * FROM ({sorted_records_sql(f'({flagged_sorted(source, stream)})', stream)})"
            slow = f"SELECT * FROM ({records_sql(f'({flagged(source, stream)})', stream)})"
            even = lake.con.execute(
                f"SELECT {_SHARED} FROM ({fast}) WHERE n_odd = 0 ORDER BY 1, 2"
            ).fetchall()
            clean = lake.con.execute(
                f"SELECT {_SHARED} FROM ({slow}) WHERE n_conflicts = 0 ORDER BY 1, 2"
            ).fetchall()
            assert even == clean


def _row(
    minute: int, units: int = 5, *, received: int = 0, event: str = "e", frame: int = 1, device: str = "d"
) -> dict:
    at = START + timedelta(minutes=minute)
    return {
        "device_id": device, "ends_at": at, "event_id": event, "fcnt": frame, "units": units, "reading": 0,
        "received_at": START + timedelta(minutes=minute, seconds=received), "lux": 1, "network": None,
    }  # fmt: skip


def test_the_first_received_wins_and_the_other_is_quarantined() -> None:
    """Same key, other content: one event, and the loser is listed with its quantity, never billed."""
    with lake_of([[_row(1, 7, received=9), _row(1, 5, received=2), _row(1, 5, received=30)]], BY_TIME) as (
        lake,
        _,
    ):
        records, held, _ = contents(lake)
    assert [(row[2], row[3], row[4]) for row in records] == [(5, 1, 1)]
    assert [(row[4], row[5]) for row in held] == [("conflict", 7)]


def test_an_event_id_is_one_event_wherever_it_turns_up() -> None:
    """A copy hours away in event time is a conflict, since its time differs; the hour it lies in bills nothing."""
    with lake_of([[_row(1, event="x")], [_row(150, event="x")]], BY_EVENT_ID, mediate_each=True) as (lake, _):
        records, held, _ = contents(lake)
    assert sum(row[3] for row in records) == 1
    assert sum(row[2] for row in records) == 5
    assert [row[4] for row in held] == ["conflict"]


def test_a_frame_counter_is_reused_after_its_span() -> None:
    """Copies chain as long as the gap to the copy before is within the span; a longer gap is a new event."""
    near = [_row(0), _row(25), _row(50)]
    with lake_of([near], BY_FRAME) as (lake, _):
        assert sum(row[3] for row in contents(lake)[0]) == 1
    with lake_of([[*near, _row(90)]], BY_FRAME) as (lake, _):
        assert sum(row[3] for row in contents(lake)[0]) == 2


def test_a_late_bridge_joins_two_events() -> None:
    """A copy that arrives later between two events of one key makes them one: records are a function of all rows."""
    apart = [_row(0), _row(50)]
    with lake_of([apart, [_row(25)]], BY_FRAME, mediate_each=True) as (lake, _):
        assert sum(row[3] for row in contents(lake)[0]) == 1


def test_a_segment_out_of_order_is_refused_not_read() -> None:
    """The sorted plan trusts the order and so watches it: a segment written unsorted stops the stage by name."""
    import pyarrow as pa
    import pytest

    from workbench.errors import LakeError
    from workbench.mediation.mediate import mediate_stream

    with lake_of([[_row(1)]], BY_TIME) as (lake, stream):
        source = lake.scan("landed")
        shuffled = lake.con.execute(
            f"SELECT * REPLACE (ends_at + to_minutes(n) AS ends_at) FROM {source}, (VALUES (20), (10)) v(n)"
        ).to_arrow_table()
        assert isinstance(shuffled, pa.Table)
        bad = lake.write(
            "landed",
            shuffled.drop_columns(["n"]),
            stream=stream.name,
            partition="2026-01-01T07",
            origin="bad",
        )
        lake.commit({"stage": "land"}, add=[bad])
        with pytest.raises(LakeError, match="segment_disordered"):
            mediate_stream(lake, stream)
