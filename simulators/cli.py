"""The command line: one command per fleet, and ``list``.

Progress goes to standard error. With ``--json`` standard output holds exactly one object.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from simulators.base import DEFAULT_START, Fleet
from simulators.errors import SimulatorError
from simulators.faults.spec import KINDS, PRESETS
from simulators.fleets import REGISTRY, fleet, kind_of
from simulators.samples import write_samples
from simulators.sinks.files import FORMATS, Written, write

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Simulate a fleet of devices and write what arrives, hour by hour.\n\n"
    "Same arguments, same bytes. Try: `python -m simulators streetlights --devices 2000 --days 1 --to lake-in/`",
)
_err = Console(stderr=True)
_FAULTS = f"What goes wrong: a preset ({', '.join(PRESETS)}) or e.g. 'stuck=5,silent=1%'. Kinds: {', '.join(KINDS)}."

Devices = Annotated[int, typer.Option(help="How many devices.", show_default=True)]
Days = Annotated[float, typer.Option(help="How long they send; 0.25 is six hours.")]
Seed = Annotated[int, typer.Option(help="Same seed, same bytes.")]
Start = Annotated[str, typer.Option(help="First instant, UTC, on the hour: 2026-03-02 or 2026-03-02T06:00.")]
To = Annotated[Path, typer.Option(help="Folder to write to; made when it is not there.")]
Format = Annotated[str, typer.Option(help=f"{' or '.join(FORMATS)}.")]
FaultText = Annotated[str, typer.Option("--faults", help=_FAULTS)]
Duplicates = Annotated[
    float | None, typer.Option(help="Share delivered twice, 0.015 is 1.5 %; default: the fleet's own.")
]
Loss = Annotated[float | None, typer.Option(help="Share that never arrives; default: the fleet's own.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def _command(name: str) -> Callable[..., None]:
    def run(
        devices: Devices = 1000,
        days: Days = 1.0,
        seed: Seed = 7,
        start: Start = DEFAULT_START,
        to: To = Path("lake-in"),
        format: Format = "parquet",
        faults: FaultText = "none",
        duplicates: Duplicates = None,
        loss: Loss = None,
        as_json: Json = False,
    ) -> None:
        began = time.perf_counter()
        made = fleet(name, devices, seed=seed, start=start, duplicates=duplicates, loss=loss)
        if faults != "none":
            made = made.with_faults(faults, days)
        written = _with_progress(made, to, days, format)
        _report(written, to, time.perf_counter() - began, as_json)

    return run


for _name, _kind in REGISTRY.items():
    app.command(_name, help=f"{_kind.title}.")(_command(_name))


@app.command("list", help="Name the fleets, what they send and what can go wrong.")
def list_(as_json: Json = False) -> None:
    """Print every fleet with its columns and key."""
    if as_json:
        _print_json({"fleets": [describe(kind) for kind in REGISTRY.values()], "faults": KINDS})
        return
    table = Table("fleet", "what", "key", "columns", title="Fleets")
    for kind in REGISTRY.values():
        names = ", ".join(column.name for column in kind.columns)
        table.add_row(kind.name, kind.title, ", ".join(kind.key), names)
    faults = Table("fault", "what happens", title="Faults")
    for name, note in KINDS.items():
        faults.add_row(name, note)
    Console().print(table, faults)


@app.command("samples", help="Write a tiny sample and a data card of every fleet.")
def samples_(to: To = Path("datasets/fleets"), as_json: Json = False) -> None:
    """Write what is committed under ``datasets/fleets``."""
    count = write_samples(to)
    if as_json:
        _print_json({"files": count, "to": str(to)})
    else:
        _err.print(f"{count} files under {to}", highlight=False)


def describe(kind: type[Fleet]) -> dict[str, object]:
    """A fleet for a program: name, key, event time, columns with type and note."""
    return {
        "name": kind.name,
        "title": kind.title,
        "key": list(kind.key),
        "event_time": kind.event_time,
        "counter": kind.counter,
        "columns": [{"name": c.name, "type": str(c.type), "note": c.note} for c in kind.columns],
    }


def _with_progress(made: Fleet, to: Path, days: float, format: str) -> Written:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("hours"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_err, disable=not _err.is_terminal, transient=True) as bar:
        task = bar.add_task(made.name, total=round(days * 24))

        def step(hour: datetime, rows: int, path: Path) -> None:
            bar.advance(task)

        return write(made, to, days=days, format=format, progress=step)


def _report(written: Written, to: Path, seconds: float, as_json: bool) -> None:
    if as_json:
        _print_json({**asdict(written), "to": str(to), "wall_seconds": round(seconds, 3)})
        return
    _err.print(
        f"[bold]{written.deliveries:,}[/] deliveries of {written.devices:,} devices in {len(written.files)} files "
        f"({written.bytes / 1e6:,.1f} MB, {seconds:.1f} s) under [bold]{to / written.fleet}[/]"
    )
    if written.faults:
        _err.print(f"{written.faults} faults; the truth about them: {to / 'labels'}", highlight=False)


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")


def main() -> None:
    """Run the command; our own errors become one sentence and exit code 2."""
    try:
        wanted = sys.argv[1] if len(sys.argv) > 1 else "list"
        if not wanted.startswith("-") and wanted not in ("list", "samples"):
            kind_of(wanted)
        app()
    except SimulatorError as problem:
        if "--json" in sys.argv:
            _print_json({"error": problem.as_dict()})
        _err.print(str(problem), style="red", markup=False, highlight=False)
        raise SystemExit(2) from None
