"""How fast the simulators make events in memory, and how much memory that takes.

    python benchmarks/generate.py                       200,000 lamps, six delivered hours
    python benchmarks/generate.py --fleet meters --devices 50000
    python benchmarks/generate.py --json --write out/x  with Parquet files

Each hour is one Arrow table that is dropped before the next, as a consumer would do. CPU seconds are the process's own
(user + system), so that a shared machine does not spoil the figure; wall seconds are printed beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

import simulators
from simulators.sinks.files import put

SMOKE = os.environ.get("WORKBENCH_BENCH") == "smoke"


def measure(name: str, devices: int, hours: int, write: Path | None) -> dict[str, float | int | str]:
    """Generate and time; the first hour is left out of the rate, since it pays for the machine's fresh memory."""
    fleet = simulators.fleet(name, devices)
    rows, first_rows, marks = 0, 0, [(time.process_time(), time.perf_counter())]
    for hour, table in fleet.hours(hours / 24):  # not enumerate(): its tuple would keep a second hour alive
        if write:
            put(table, write / f"{hour:%Y-%m-%dT%H}.parquet", "parquet")
        rows += table.num_rows
        if not first_rows:
            first_rows = table.num_rows
            marks.append((time.process_time(), time.perf_counter()))
        del table
    cpu, wall = time.process_time() - marks[1][0], time.perf_counter() - marks[1][1]
    return {
        "fleet": name,
        "devices": devices,
        "hours": hours,
        "rows": rows,
        "first_hour_cpu_seconds": round(marks[1][0] - marks[0][0], 3),
        "cpu_seconds": round(cpu, 3),
        "wall_seconds": round(wall, 3),
        "million_rows_per_cpu_second": round((rows - first_rows) / max(cpu, 1e-9) / 1e6, 2),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fleet", default="streetlights")
    parser.add_argument("--devices", type=int, default=2_000 if SMOKE else 200_000)
    parser.add_argument("--hours", type=int, default=1 if SMOKE else 6)
    parser.add_argument("--write", type=Path, help="also write each hour as Parquet into this folder")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = measure(asked.fleet, asked.devices, asked.hours, asked.write)
    if asked.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        sys.stdout.write("".join(f"{name:32}{value}\n" for name, value in found.items()))


if __name__ == "__main__":
    main()
