"""Makes ``uplinks.parquet``: LoRaWAN receptions with every quirk of real ones. Run it from anywhere; it is seeded.

The numbers in README.md, which tests hold against the product, are printed by this script: they are counted while
the rows are made, not found in them afterwards.
"""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

START = datetime(2026, 3, 28, tzinfo=UTC).replace(tzinfo=None)
Row = tuple[str, float | None, int, str, float, float, datetime]


def device_rows(
    device: str, period: float, frames: int, restarts: set[int], seed: int
) -> tuple[list[Row], dict[str, int]]:
    """One device's receptions: lost frames, copies up to half an hour late, joins that reset the counter.

    Returns: the rows, and how many of them are frames, copies and joins, with the payload bytes of the frames.
    """
    chance, rows, counter, now = random.Random(seed), list[Row](), 0, START
    counts = {"frames": 0, "copies": 0, "joins": 0, "payload_bytes": 0}
    for number in range(frames):
        now += timedelta(seconds=period * chance.uniform(0.97, 1.03))
        if number in restarts:
            now += timedelta(minutes=45)
            rows.append((device, None, 0, "SF12", 3600.0, 4.0, now))
            counts["joins"] += 1
            counter = 0
        counter += 1
        if chance.random() < 0.05:
            continue
        size = chance.choice((0, 6, 8, 15, 17))
        content = (size, 3600.0 - number // 10, round(chance.uniform(2, 30), 1))
        rows.append((device, float(counter), content[0], "SF12", content[1], content[2], now))
        counts["frames"] += 1
        counts["payload_bytes"] += size
        heard = now
        while chance.random() < 0.25:
            heard += timedelta(seconds=chance.choice((2.5, 9.0, 55.0, 197.0, 1790.0)))
            rate = chance.choice(("SF12", "SF11"))
            rows.append((device, float(counter), content[0], rate, content[1], content[2], heard))
            counts["copies"] += 1
    return rows, counts


def main() -> None:
    """Write the file and say what is in it."""
    found: list[Row] = []
    for device, period, frames, restarts, seed in (
        ("70b3d50000000001", 600.0, 400, set[int](), 1),
        ("70b3d50000000002", 55.0, 900, {200, 300, 700}, 2),
    ):
        rows, counts = device_rows(device, period, frames, restarts, seed)
        found += rows
        sys.stdout.write(f"{device}: {len(rows)} rows, {counts}\n")
    found.sort(key=lambda row: row[-1])
    names = ("device", "fcnt", "payload_bytes", "datarate", "battery_mv", "temperature")
    columns = dict(zip(names, zip(*(row[:-1] for row in found), strict=True), strict=True))
    table = pa.table({**columns, "ts": pa.array([row[-1] for row in found], pa.timestamp("us"))})
    pq.write_table(table, Path(__file__).with_name("uplinks.parquet"), compression="zstd")


if __name__ == "__main__":
    main()
