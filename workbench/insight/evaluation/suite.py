"""All rows of the bar, in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from workbench.errors import UsageError
from workbench.insight import stored
from workbench.insight.evaluation import (
    charging,
    compromised,
    consumption,
    crossing,
    failing,
    faults,
    fraud,
    frozen,
    labels,
    streams,
    theft,
)
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.learned import Task
from workbench.insight.evaluation.result import Measured, Scarce

_METHODS = Path(stored.__file__).with_name("methods")
_CODE = {
    name: [_METHODS / f"{part}.py" for part in (*parts, "trees")]
    for name, parts in {
        "consumption": ("consumption",), "fraud": ("subscribers", "learning"), "failing": ("failing",),
    }.items()
}  # fmt: skip


class Row(Protocol):
    """One row of the bar; a module, or an object like one."""

    FILES: tuple[str, ...]
    ROW: str

    def rows(self, folder: Folder) -> list[Measured]:
        """Measure it."""


ROWS = cast(
    tuple[Row, ...],
    (frozen, faults, consumption, streams.nab, streams.smap, streams.skab, compromised, fraud, labels, theft, crossing,
     charging, failing),
)  # fmt: skip
"""Each says which ``FILES`` it needs, what its ``ROW`` is called, and gives ``rows(folder)``."""


def evaluate(
    folder: Folder, only: Sequence[str] = (), progress: Callable[[str], None] = lambda _: None
) -> Iterator[Measured]:
    """Measure every row; one whose files are not in the folder, or too small, says so instead of its figures.

    Args:
        only: names of rows (or parts of them); all when empty.
        progress: told the name of each row before it is measured.

    Raises:
        UsageError: ``only`` names no row.
        FileUnreadable: a file is damaged or lacks a column.
    """
    chosen = [row for row in ROWS if not only or any(word in row.ROW for word in only)]
    if not chosen:
        names = ", ".join(dict.fromkeys(row.ROW for row in ROWS))
        raise UsageError(f"No row is called {', '.join(only)}.", cure=f"Rows are: {names}.")
    for row in chosen:
        if not folder.has(*row.FILES):
            yield Measured.nothing(row.ROW, f"not in this folder: {_files(folder, row)}")
            continue
        progress(row.ROW)
        try:
            yield from row.rows(folder)
        except Scarce as little:
            yield Measured.nothing(row.ROW, f"not enough data: {little}")


def absent(folder: Folder) -> list[str]:
    """Rows that cannot be measured because a file of theirs is not there."""
    return [row.ROW for row in ROWS if not folder.has(*row.FILES)]


def _files(folder: Folder, row: Row) -> str:
    return ", ".join(f"{name}.parquet" for name in row.FILES if not folder.has(name))


def learn(
    folder: Folder, to: Path = stored.MODELS, progress: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Fit what can be learned from a folder and store it.

    Returns: the cards of the models by name.

    Raises:
        UsageError: nothing in the folder can be learned from.
    """
    tasks: tuple[tuple[Row, Callable[[], Task]], ...] = (
        (cast(Row, consumption), lambda: consumption.task(folder)),
        (cast(Row, fraud), lambda: fraud.task(folder)),
        (cast(Row, failing), lambda: failing.task(folder)[0]),
    )
    cards: dict[str, Any] = {}
    for row, make in tasks:
        if not folder.has(*row.FILES):
            continue
        try:
            task = make()
        except Scarce as little:
            progress(f"{row.ROW}: not enough data: {little}")
            continue
        progress(task.name)
        card = {
            "data": {name: folder.sha256(name) for name in row.FILES}, "code": stored.code_sha256(*_CODE[task.name]),
            "units": len(task.seen), "rows": len(task.label), "positives": int(task.label.sum()),
        }  # fmt: skip
        stored.save(task.name, task.fitted(), task.seen, card, to)
        cards[task.name] = {**card, "sha256": stored.sha256(task.name, to)}
    if not cards:
        raise UsageError(
            "Nothing here can be learned from.",
            where=str(folder.path),
            cure="Give --data labelled recordings.",
        )
    return cards
