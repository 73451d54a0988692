"""Write a fleet to a folder: one file per delivered hour, and what belongs to it beside.

    <to>/<fleet>/2026-03-02T00.parquet    deliveries, sorted by arrival
    <to>/inventory/<fleet>.parquet        one row per device
    <to>/labels/<fleet>.parquet           the truth about faults; nothing that detects may read it
    <to>/cards/<fleet>.json               what was asked for and what came out

A file appears under its name when it is complete, never before. The card is written last.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from simulators.base import Fleet
from simulators.errors import ArgumentBad, TargetBad
from simulators.sinks import ndjson, parquet

FORMATS = {"parquet": parquet.write, "ndjson": ndjson.write}

Progress = Callable[[datetime, int, Path], None]


@dataclass(frozen=True)
class Written:
    """What a run wrote.

    Args:
        fleet, devices, seed, start, days, duplicates, faults: what was asked for.
        deliveries: rows in all files of the stream, copies included.
        files: names of those files, relative to the folder.
        bytes: their size.
        key, event_time: how a true event is told apart, and which column says when it happened.
    """

    fleet: str
    devices: int
    seed: int
    start: str
    days: float
    duplicates: float
    faults: int
    deliveries: int
    files: list[str]
    bytes: int
    key: list[str]
    event_time: str


def write(
    fleet: Fleet,
    to: str | os.PathLike[str],
    *,
    days: float = 1.0,
    format: str = "parquet",
    progress: Progress | None = None,
) -> Written:
    """Write a fleet's deliveries of some days, its inventory, its labels and its card.

    Args:
        fleet: any fleet, with or without faults.
        to: the folder; made when it is not there.
        days: how long the devices send; stragglers after that get files of their own hour.
        format: ``parquet`` or ``ndjson``.
        progress: called after each file with its hour, its rows and its path.

    Raises ``ArgumentBad``, ``TargetBad``.
    """
    if format not in FORMATS:
        raise ArgumentBad(
            f"{format!r} is not a format.",
            where="format",
            code="format_unknown",
            cure=f"Choose {' or '.join(FORMATS)}.",
        )
    root, files, deliveries, size = Path(to), [], 0, 0
    with _explained(root):
        for hour, table in fleet.hours(days):
            path = root / fleet.name / f"{hour:%Y-%m-%dT%H}.{format}"
            put(table, path, format)
            deliveries, size = deliveries + table.num_rows, size + path.stat().st_size
            files.append(str(path.relative_to(root)))
            if progress:
                progress(hour, table.num_rows, path)
        put(fleet.inventory(), root / "inventory" / f"{fleet.name}.{format}", format)
        labels = fleet.labels()
        put(labels, root / "labels" / f"{fleet.name}.{format}", format)
        written = Written(
            fleet.name, fleet.devices, fleet.seed, fleet.start.isoformat(), days, fleet.traffic.duplicates,
            labels.num_rows, deliveries, files, size, list(fleet.key), fleet.event_time,
        )  # fmt: skip
        _forget(root, root / "cards" / f"{fleet.name}.json", files)
        _card(root / "cards" / f"{fleet.name}.json", written)
    return written


def put(table: pa.Table, path: Path, format: str) -> None:
    """Write one table under a temporary name and give it its own name when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    FORMATS[format](table, temporary)
    temporary.replace(path)


def _forget(root: Path, card: Path, files: list[str]) -> None:
    """Remove what an earlier run into the same folder listed in its card and this one did not write again."""
    if card.exists():
        for name in set(json.loads(card.read_text())["files"]) - set(files):
            (root / name).unlink(missing_ok=True)


def _card(path: Path, written: Written) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(json.dumps(asdict(written), indent=2) + "\n")
    temporary.replace(path)


@contextmanager
def _explained(root: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one of ours."""
    try:
        yield
    except OSError as problem:
        raise TargetBad(
            f"{root} cannot be written to: {problem.strerror or problem}.",
            where=str(problem.filename or root),
            cure="Choose another folder with --to, or make room.",
        ) from problem
