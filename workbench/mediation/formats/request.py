"""What a decoder is asked for, and the parts that several text decoders share."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from workbench.errors import FileUnreadable
from workbench.lake.sql import quote
from workbench.mediation.staging import Decoded, Enough, Staging

LONGEST_LINE = 1 << 20
_NUMBER = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Request:
    """Which columns are wanted (``None``: all that the first rows show), which are numbers, and where to stage.

    ``limit``: text formats stop after so many rows (a look at a file, not a reading of it).
    """

    work: Path
    received_at: datetime
    wanted: tuple[str, ...] | None = None
    numeric: frozenset[str] = frozenset()
    options: dict[str, str] = field(default_factory=dict)
    limit: int | None = None


Fill = Callable[[Staging, set[str]], None]


def stage(path: Path, request: Request, columns: tuple[str, ...], fill: Fill) -> Decoded:
    """Run ``fill(staging, seen)`` and describe the staged file; ``seen`` collects the names the file really has."""
    file = request.work / f"staged-{os.getpid()}-{next(_NUMBER)}.parquet"
    staging, seen = Staging(file, columns, request.numeric, request.limit), set[str]()
    try:
        fill(staging, seen)
    except Enough:
        pass
    finally:
        staging.close()
    relation = f"read_parquet({quote(str(file))})"
    found = {name: "VARCHAR" for name in columns if name in seen}
    found |= {name: "VARCHAR" for name in sorted(seen) if name not in found}
    return Decoded(relation, relation, found, staging.rows, True, file)


def opened(path: Path) -> BinaryIO:
    """The file's bytes, a byte-order mark skipped. Raises ``FileUnreadable``."""
    try:
        handle = path.open("rb")
        head = handle.read(4)
    except OSError as problem:
        said = problem.strerror or str(problem)
        raise FileUnreadable(f"It cannot be read: {said}.", where=str(path), cure="Check the path.") from None
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise FileUnreadable("It is UTF-16.", where=str(path), cure="Save it as UTF-8.", code="file_encoding")
    if head[:2] == b"\x1f\x8b" or head == b"PK\x03\x04":
        raise FileUnreadable(
            "It is compressed.", where=str(path), cure="Unpack it first.", code="file_compressed"
        )
    handle.seek(3 if head[:3] == b"\xef\xbb\xbf" else 0)
    return handle


def lines(handle: BinaryIO, first: int = 1) -> Iterator[tuple[int, bytes, bool]]:
    """Numbered lines without their ends, blank ones left out; the flag says that a line is too long to be read.

    Of a line that is too long the first ``LONGEST_LINE`` bytes are given and the rest is passed over.

    Args:
        first: the number of the line ``handle`` stands at.
    """
    for number in itertools.count(first):
        line = handle.readline(LONGEST_LINE)
        if not line:
            return
        too_long = len(line) == LONGEST_LINE and not line.endswith(b"\n")
        if too_long:
            while (rest := handle.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
        if line := line.rstrip(b"\r\n"):
            yield number, line, too_long
