"""Makes ``counter.parquet``: a register read every minute, as binary floats, exchanged once. It is seeded.

The numbers in README.md, which tests hold against the product, are printed by this script.
"""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

START = datetime(2026, 3, 28, 7, tzinfo=UTC).replace(tzinfo=None)
MINUTES = 2 * 24 * 60
EXCHANGED_AT = 1_500
SILENT = range(2_000, 2_200)
PULSE_ML = 3_785


def main() -> None:
    """Write the file and say what is in it."""
    chance, register, used = random.Random(3), 45_287_526, 0
    times, readings = list[datetime](), list[float]()
    for minute in range(MINUTES):
        if minute == EXCHANGED_AT:
            register = 0
        pulses = chance.choice((1, 1, 2, 4)) if minute and chance.random() < 0.13 else 0
        register += pulses * PULSE_ML
        used += pulses * PULSE_ML
        if minute in SILENT:
            continue
        times.append(START + timedelta(minutes=minute))
        readings.append(register / 1000)
    table = pa.table(
        {"ts": pa.array(times, pa.timestamp("us")), "counter": readings, "inst_rate": [0.0] * len(times)}
    )
    pq.write_table(table, Path(__file__).with_name("counter.parquet"), compression="zstd")
    sys.stdout.write(f"{len(times)} rows, {used} ml used, last reading {register} ml\n")


if __name__ == "__main__":
    main()
