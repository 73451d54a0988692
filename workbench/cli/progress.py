"""Progress for people, on standard error: bars on a terminal, one line a stage elsewhere."""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

WORDS = {
    "parties": "who pays for what",
    "land": "events delivered and landed",
    "mediate": "events to records",
    "rate": "records to charges",
    "settle": "split, invoiced, closed",
    "verify": "proven",
    "replay": "scenarios tried",
}
"""What people read instead of a stage's name."""


class _Rate(TextColumn):
    """Rows a second of the running stage."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: object) -> Text:
        """For example ``3.4 M/s``; nothing for stages that are counted in handfuls."""
        speed = getattr(task, "finished_speed", None) or getattr(task, "speed", None) or 0
        if speed < 1000:
            return Text("")
        return Text(f"{speed / 1e6:.1f} M/s" if speed >= 1e6 else f"{speed / 1e3:.0f} k/s", style="dim")


class Bars:
    """A ``pipeline.Watch`` that draws; a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}", style="bold"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._stage, self._begun, self._rows = "", 0.0, 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._finish()
        self._progress.stop()

    def begin(self, stage: str, total: int | None) -> None:
        """The stage before is over, the next one starts."""
        self._finish()
        self._stage, self._begun, self._rows = stage, time.perf_counter(), 0
        self._task = self._progress.add_task(WORDS.get(stage, stage), total=total or None)

    def advance(self, rows: int) -> None:
        """So many more rows of the stage are done."""
        self._rows += rows
        if self._task is not None:
            self._progress.advance(self._task, rows)

    def _finish(self) -> None:
        if self._task is None:
            return
        done = max(self._rows, 1)
        self._progress.update(self._task, total=done, completed=done)
        self._task = None
        if not self._console.is_terminal:
            seconds = time.perf_counter() - self._begun
            self._console.print(f"{self._stage:8} {self._rows:>13,}  {seconds:7.1f} s", highlight=False)
