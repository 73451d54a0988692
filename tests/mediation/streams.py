"""Small lakes and random deliveries for the tests of mediation."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from workbench.lake.lake import Lake
from workbench.mediation.landing import collect, land, typed
from workbench.mediation.mediate import mediate_stream
from workbench.mediation.stream import Cumulative, Stream

START = datetime(2026, 1, 1)
Row = dict[str, Any]

BY_TIME = Stream("s.m", grain="hour", samples={"lux": ""})
BY_EVENT_ID = Stream("s.m", grain="hour", event_id=True, samples={"lux": ""})
BY_FRAME = Stream("s.m", grain="hour", key=("fcnt",), span_seconds=1800)
REGISTER = Stream(
    "s.m", grain="hour", cumulative=Cumulative(rollover_at=1000, max_delta=400, silence_seconds=3600)
)
BY_NETWORK = Stream("s.m", grain="day", dimensions={"network": ""}, grid_seconds=3600)
STREAMS = {
    "by time": BY_TIME,
    "by event id": BY_EVENT_ID,
    "by frame": BY_FRAME,
    "register": REGISTER,
    "by network": BY_NETWORK,
}

_SCHEMA = pa.schema(
    {
        "device_id": pa.string(),
        "ends_at": pa.timestamp("us"),
        "event_id": pa.string(),
        "fcnt": pa.int64(),
        "units": pa.int64(),
        "reading": pa.int64(),
        "received_at": pa.timestamp("us"),
        "lux": pa.int64(),
        "network": pa.string(),
    }
)


@st.composite
def rows(draw: st.DrawFn, max_size: int = 30) -> list[Row]:
    """Deliveries in which copies, conflicts, late rows and shared instants are common."""
    minutes = st.integers(0, 200)

    def one(minute: int, device: int, units: int, frame: int, delay: int, network: str | None) -> Row:
        at = START + timedelta(minutes=minute)
        return {
            "device_id": f"d{device}",
            "ends_at": at,
            "event_id": f"e{frame}-{device}",
            "fcnt": frame % 7,
            "units": units,
            "reading": units * 90,
            "received_at": at + timedelta(seconds=delay),
            "lux": units % 2,
            "network": network,
        }

    events = st.builds(
        one,
        minutes,
        st.integers(0, 3),
        st.integers(0, 11),
        st.integers(0, 40),
        st.integers(0, 3),
        st.sampled_from(["a", "b", None]),
    )
    made = draw(st.lists(events, min_size=1, max_size=max_size))
    copies = draw(
        st.lists(st.tuples(st.integers(0, len(made) - 1), st.integers(0, 9000)), max_size=max_size // 2)
    )
    again = [
        {**made[n], "received_at": made[n]["received_at"] + timedelta(seconds=late)} for n, late in copies
    ]
    return made + again


@contextmanager
def lake_of(
    batches: Sequence[Sequence[Row]],
    stream: Stream,
    *,
    mediate_each: bool = False,
    workers: int = 1,
    threads: int = 2,
):
    """A lake in which the batches were landed one by one, and mediated after each or once at the end."""
    with (
        TemporaryDirectory() as folder,
        Lake.open(Path(folder), create=True, threads=threads) as lake,
        lake.writer(),
    ):
        for number, batch in enumerate(batches):
            stream = land_batch(lake, batch, stream, f"delivery-{number}")
            if mediate_each:
                mediated(lake, stream, workers)
        mediated(lake, stream, workers)
        yield lake, stream


def land_batch(lake: Lake, batch: Sequence[Row], stream: Stream, origin: str) -> Stream:
    """Land one batch and commit it; returns the typed stream."""
    items = pa.Table.from_pylist(list(batch), schema=_SCHEMA)
    lake.con.register("batch_items", items)
    stream = typed(lake.con, "SELECT * FROM batch_items", stream)
    lake.con.unregister("batch_items")
    held, devices = collect(lake, items.schema, items.to_batches(), items.num_rows, "s", [])
    segments = land(lake, held, stream, lake.con, origin=origin)
    lake.commit({"stage": "land"}, add=[*segments, *([devices] if devices else [])])
    return stream


def mediated(lake: Lake, stream: Stream, workers: int = 1) -> int:
    """Mediate what is pending and commit it; returns how many windows were done."""
    done = mediate_stream(lake, stream, workers=workers)
    if done.add:
        lake.commit({"stage": "mediate"}, add=done.add, remove=done.remove)
    return done.windows


def contents(lake: Lake) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], list[str]]:
    """Records, quarantine, and the bytes of the records' files (as hashes)."""
    return (
        lake.con.execute(f"SELECT * FROM {lake.scan('records')} ORDER BY ALL").fetchall(),
        lake.con.execute(f"SELECT * FROM {lake.scan('quarantine')} ORDER BY ALL").fetchall(),
        [segment.sha256 for segment in lake.segments("records")],
    )
