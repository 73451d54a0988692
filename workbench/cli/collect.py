"""``workbench collect``: live sources into journals, by worker processes that grow and shrink with the load."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import shell
from workbench.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command(rich_help_panel=shell.BILL)(collect)


def collect(
    sources: Annotated[
        Path,
        typer.Argument(metavar="SOURCES", help="What to collect from (YAML); see examples/sources.yaml."),
    ],
    journal: Annotated[
        Path, typer.Option(help="The folder of the journals; made when there is none.")
    ] = Path("journal"),
    workers: Annotated[
        str,
        typer.Option(metavar="N|auto|LEAST-MOST", help="How many processes; auto: 1 to the number of cores."),
    ] = "1",
    lag: Annotated[
        int, typer.Option(min=1, help="Waiting messages beyond which auto adds a worker.")
    ] = 20_000,
    backlog_mb: Annotated[
        int,
        typer.Option(
            min=0, help="Unread journal per worker beyond which sources are held back; 0: no limit."
        ),
    ] = 4096,
    seconds: Annotated[
        float, typer.Option(min=0, help="Stop by itself after so long; 0: at Ctrl-C.", show_default=False)
    ] = 0,
    as_json: shell.JsonOption = False,
) -> None:
    """Collect messages from brokers, devices, HTTP and folders.

    A message is acknowledged when the journal on this disk has it, not before; a process, broker or machine that dies
    loses nothing that was acknowledged. Every change of the number of workers is written to JOURNAL/decisions.ndjson
    with its reason. What the messages mean is decided later, by mediation.
    """
    from workbench.collectors.scaling import Rules
    from workbench.collectors.source import load_sources
    from workbench.collectors.supervisor import Supervisor

    least, most = _bounds(workers)
    found = load_sources(sources)
    remarks = shell.remarks()
    stop = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stop.set())
    decisions: list[dict[str, Any]] = []

    def told(decision: dict[str, Any]) -> None:
        decisions.append(decision)
        remarks.print(
            f"{decision['decision']}: {decision['workers']} worker(s), {decision['why']}", highlight=False
        )

    rules = Rules(least=least, most=most, lag_most=lag)
    began = time.monotonic()
    with Supervisor(sources.resolve(), journal, rules, told, backlog_mb << 20) as supervisor:
        remarks.print(
            f"collecting from {', '.join(each.name for each in found)} into {journal}; Ctrl-C ends it"
        )
        last: dict[int, dict[str, Any]] = {}
        while not stop.wait(1.0) and not (seconds and time.monotonic() - began > seconds):
            last = supervisor.look() or last
    last |= supervisor.last_statuses
    answer = {
        "journal": str(journal),
        "seconds": round(time.monotonic() - began, 1),
        "sources": _sources(last),
        "decisions": decisions,
    }
    shell.answer(as_json, answer, lambda console: _show(console, answer))


def _bounds(said: str) -> tuple[int, int]:
    """``auto`` or ``2`` or ``1-4``. Raises ``UsageError``."""
    if said == "auto":
        return 1, max(2, os.cpu_count() or 2)
    first, dash, second = said.partition("-")
    if first.isdigit() and (second if dash else first).isdigit():
        least, most = int(first), int(second if dash else first)
        if 1 <= least <= most <= 64:
            return least, most
    raise UsageError(f"{said!r} is no number of workers.", where="--workers", cure="Write auto, 2 or 1-4.")


def _sources(statuses: dict[int, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the workers said, by source; of a worker that left, what it said last."""
    found: dict[str, dict[str, Any]] = {}
    for said in statuses.values():
        for name, source in said["sources"].items():
            mine = found.setdefault(
                name, {"received": 0, "acknowledged": 0, "refused": 0, "pauses": 0, "lag": None}
            )
            for key in ("received", "acknowledged", "refused", "pauses"):
                mine[key] += source[key]
            if source["lag"] is not None:
                mine["lag"] = (mine["lag"] or 0) + source["lag"]
            if source["port"]:
                mine["port"] = source["port"]
    return found


def _show(console: Console, found: dict[str, Any]) -> None:
    rows = [{"source": name, **said} for name, said in found["sources"].items()]
    shell.show_rows(console, rows, f"{found['seconds']:,.0f} s into {found['journal']}")
