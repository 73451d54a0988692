"""Registers: partitions in time order, each starting from the readings before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.counters import deltas_sql, tail_sql
from workbench.mediation.dedupe import flagged
from workbench.mediation.landing import landed_partitions
from workbench.mediation.publish import base_of, publish
from workbench.mediation.stream import Stream
from workbench.mediation.work import Mediated, Progress, Work, count_of, cursor_of

if TYPE_CHECKING:
    import duckdb


def mediate_registers(
    lake: Lake, stream: Stream, works: Sequence[Work], progress: Progress | None
) -> Mediated:
    """Readings need the reading before: walk the partitions in time order and carry each device's last one along.

    A late reading changes the deltas around it, so its device is redone in that partition and in every later one whose
    starting reading changed; the walk stops for a device as soon as its carried reading is what it was.
    """
    total = Mediated()
    fresh = {work.partition: work for work in works}
    landed = landed_partitions(lake.segments("landed", stream=stream.name))
    known = {
        s.partition: s
        for s in lake.segments("records", stream=stream.name)
        if s.meta.get("policy") == stream.policy_hash
    }
    states = {s.partition: s for s in lake.segments("state", stream=stream.name) if s.partition in known}
    with cursor_of(lake) as con:
        con.execute(f"CREATE TEMP TABLE tail AS SELECT * FROM {lake.scan('state', segments=[])}")
        con.execute("CREATE TEMP TABLE changed (device_key BIGINT)")
        for partition, segments in landed.items():
            work = fresh.get(partition) or Work(partition, segments, [], known.get(partition))
            moved = count_of(con, "changed")
            if work.fresh or moved or partition not in states:
                total.absorb(_register_partition(lake, con, stream, work, states.get(partition)))
            else:
                con.execute(
                    f"CREATE OR REPLACE TEMP TABLE tail AS SELECT * FROM {lake.scan('state', segments=[states[partition]])}"
                )
            if progress and work.fresh:
                progress(sum(segment.rows for segment in work.fresh))
    return total


def _register_partition(
    lake: Lake, con: duckdb.DuckDBPyConnection, stream: Stream, work: Work, state: Segment | None
) -> Mediated:
    for table in ("touched", "base", "redone", "rows_of", "devices_of"):
        con.execute(f"DROP TABLE IF EXISTS {table}")
    source = lake.scan("landed", segments=work.landed)
    new = lake.scan("landed", segments=work.fresh if work.records else work.landed)
    con.execute(
        f"CREATE TEMP TABLE devices_of AS SELECT device_key FROM {new} UNION SELECT device_key FROM changed"
    )
    con.execute(
        f"CREATE TEMP TABLE rows_of AS {flagged(f'(SELECT r.* FROM {source} r SEMI JOIN devices_of USING (device_key))', stream)}"
    )
    con.execute(f"CREATE TEMP TABLE redone AS {deltas_sql('rows_of', 'tail', stream)}")
    base_of(lake, con, stream, work)
    con.execute(
        f"CREATE TEMP TABLE touched AS SELECT DISTINCT device_key, {stream.window_sql()} AS window_start FROM redone "
        "UNION SELECT DISTINCT device_key, window_start FROM base SEMI JOIN devices_of USING (device_key)"
    )
    held = (
        f"SELECT '{stream.name}' AS stream, device_key, ends_at, received_at, 'delta_over_bound' AS reason, held AS quantity, "
        "'more than the device can use since its reading before' AS detail FROM redone WHERE held IS NOT NULL"
    )
    done = publish(lake, con, stream, work, count_of(con, "touched"), redone=True, held=held)
    old = lake.scan("state", segments=[state] if state else [])
    con.execute(f"CREATE OR REPLACE TEMP TABLE tail AS {tail_sql('rows_of', 'tail', 'devices_of', old)}")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE changed AS SELECT coalesce(t.device_key, o.device_key) AS device_key FROM tail t "
        f"FULL JOIN {old} o USING (device_key) WHERE t.reading IS DISTINCT FROM o.reading OR t.ends_at IS DISTINCT FROM o.ends_at"
    )
    segment = lake.write(
        "state",
        "SELECT * FROM tail",
        stream=stream.name,
        partition=work.partition,
        order_by=["device_key"],
        con=con,
    )
    done.absorb(Mediated(add=[segment], remove=[state] if state else []))
    return done
