"""All rows of the bar, in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, cast

from workbench.errors import UsageError
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
from workbench.insight.evaluation.result import Measured


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
    """Measure every row whose files are in the folder.

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
        if folder.has(*row.FILES):
            progress(row.ROW)
            yield from row.rows(folder)


def absent(folder: Folder) -> list[str]:
    """Rows that were left out because a file of theirs is not there."""
    return [row.ROW for row in ROWS if not folder.has(*row.FILES)]
