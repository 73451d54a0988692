from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.lake.lake import Lake
from workbench.lake.segment import Segment

RECORDS = """
    SELECT d::BIGINT AS device_key, make_timestamp((1767225600 + {hour} * 3600 + w * 900) * 1000000::BIGINT)
        AS window_start, (100 + d * 7 + w)::BIGINT AS units, 15::INTEGER AS n_events, (d % 2)::INTEGER AS n_duplicates,
        make_timestamp(1767225600000000::BIGINT) AS first_at, make_timestamp(1767225600000000::BIGINT) AS last_at,
        (d * 1000003 + w)::UBIGINT AS fingerprint, 0::SMALLINT AS flags
    FROM range({devices}) t(d), range(4) s(w)
"""


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with Lake.open(tmp_path / "lake", create=True) as opened:
        yield opened


@pytest.fixture
def add_hour():
    """Write (and by default commit) one hour of records; returns the segment."""

    def write(lake: Lake, hour: int, devices: int = 50, commit: bool = True) -> Segment:
        segment = lake.write(
            "records",
            RECORDS.format(hour=hour, devices=devices),
            stream="lamps.energy",
            partition=f"2026-01-01T{hour:02}",
            order_by=("device_key", "window_start"),
            controls={"units": "sum(units)"},
        )
        if commit:
            lake.commit({"stage": "mediate"}, add=[segment])
        return segment

    return write


@pytest.fixture
def units():
    """The sum of units of every record a lake shows."""

    def total(lake: Lake) -> int:
        row = lake.con.execute(
            f"SELECT coalesce(sum(units), 0)::BIGINT FROM {lake.scan('records')}"
        ).fetchall()
        return int(row[0][0])

    return total
