"""A look at a file's first rows: for every column what its name says and what its values are, nothing decided yet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import TYPE_CHECKING

from workbench.lake.sql import name as ident
from workbench.mediation.staging import Decoded

if TYPE_CHECKING:
    import duckdb

ROWS = 20_000
_TRIED = 300
_MOST = 0.7

_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?( ?(Z|[+-]\d\d(:?\d\d)?))?")
_ZONED = re.compile(r".*\d\d:\d\d.* ?(Z|[+-]\d\d(:?\d\d)?)")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_COMMA = re.compile(r"[+-]?\d{1,3}(\.?\d{3})*,\d+")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")

#: Written times that are neither ISO nor Unix, the likelier first; day before month, as most of the world writes.
PATTERNS = (
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y%m%d%H%M%S",
    "%d-%b-%Y %H:%M:%S",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
)
_UNIX = {"unix_s": 1, "unix_ms": 10**3, "unix_us": 10**6, "unix_ns": 10**9}
_SINCE, _UNTIL = 946_684_800, 4_102_444_800


@dataclass(frozen=True)
class Column:
    """One column as text cells (``None`` where empty), in the file's order."""

    name: str
    type: str
    cells: Sequence[str | None] = field(repr=False)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of the name, small: ``payloadBytes`` -> payload, bytes."""
        return tuple(word.lower() for word in _WORD.findall(self.name.rsplit(".", 1)[-1]))

    @cached_property
    def present(self) -> list[str]:
        """The cells that are not empty."""
        return [cell for cell in self.cells if cell is not None]

    @cached_property
    def values(self) -> list[str]:
        """Different values in the order in which they appear."""
        return list(dict.fromkeys(self.present))

    @property
    def filled(self) -> float:
        """Share of rows with a value."""
        return len(self.present) / len(self.cells) if self.cells else 0.0

    @property
    def variety(self) -> float:
        """Different values per value: 1.0 when every row has its own."""
        return len(self.values) / len(self.present) if self.present else 0.0

    @cached_property
    def decimal_comma(self) -> bool:
        """Whether the numbers are written 1.234,5."""
        tried = self.values[:_TRIED]
        fits = [cell for cell in tried if _COMMA.fullmatch(cell) or cell.lstrip("+-").isdigit()]
        return (
            self.type == "VARCHAR"
            and bool(fits)
            and len(fits) == len(tried)
            and any("," in cell for cell in fits)
        )

    @cached_property
    def numbers(self) -> list[Decimal]:
        """The values as numbers; empty when fewer than nine in ten are."""
        cells = self.values
        if self.decimal_comma:
            cells = [cell.replace(".", "").replace(",", ".") for cell in cells]
        found = [Decimal(cell) for cell in cells if _NUMBER.fullmatch(cell) and _decimal(cell)]
        return found if found and len(found) >= 0.9 * len(cells) else []

    @property
    def is_float(self) -> bool:
        """Whether the file stores binary floats."""
        return self.type in {"DOUBLE", "FLOAT"}

    @cached_property
    def decimals(self) -> int:
        """Digits after the point of the finest number."""
        exponents = (number.normalize().as_tuple().exponent for number in self.numbers)
        return max((-power for power in exponents if isinstance(power, int) and power < 0), default=0)

    @cached_property
    def time_format(self) -> str | None:
        """``auto``, a Unix kind or a pattern that every value fits; ``None`` when this is no time."""
        if self.type.startswith("TIMESTAMP") or self.type == "DATE":
            return "auto"
        tried = self.values[:_TRIED]
        if not tried:
            return None
        if sum(1 for cell in tried if _ISO.fullmatch(cell)) >= _MOST * len(tried):
            return "auto"
        if self.numbers and min(self.numbers) > 0:
            for form, ticks in _UNIX.items():
                if _SINCE * ticks <= min(self.numbers) and max(self.numbers) <= _UNTIL * ticks:
                    return form
        # A broken time here and there is a reject later, not a reason to overlook the column.
        fits = {pattern: sum(_parses(cell, pattern) for cell in tried) for pattern in PATTERNS}
        best = max(PATTERNS, key=lambda pattern: fits[pattern])
        return best if fits[best] >= _MOST * len(tried) else None

    @cached_property
    def zoned(self) -> bool:
        """Whether the times carry their zone, or need none."""
        form = self.time_format or ""
        if self.type == "TIMESTAMP WITH TIME ZONE" or form.startswith("unix"):
            return True
        return (
            form == "auto"
            and self.type == "VARCHAR"
            and all(_ZONED.fullmatch(cell) for cell in self.values[:_TRIED])
        )


def look(con: duckdb.DuckDBPyConnection, found: Decoded) -> list[Column]:
    """The columns of a decoded file, by its first rows; columns of nested types are left out."""
    plain = {
        name: type_
        for name, type_ in found.columns.items()
        if not type_.endswith(("]", ")")) or "DECIMAL" in type_
    }
    listed = ", ".join(f"CAST({ident(name)} AS VARCHAR)" for name in plain)
    condition = "WHERE __problem IS NULL " if found.staged else ""
    rows = con.execute(f"SELECT {listed} FROM {found.relation} {condition}LIMIT {ROWS}").fetchall()
    cells = zip(*rows, strict=True) if rows else ([] for _ in plain)
    return [
        Column(name, type_, [cell or None for cell in column])
        for (name, type_), column in zip(plain.items(), cells, strict=True)
    ]


def _decimal(cell: str) -> bool:
    try:
        return Decimal(cell).is_finite()
    except InvalidOperation:
        return False


def _parses(cell: str, pattern: str) -> bool:
    try:
        datetime.strptime(cell, pattern)  # noqa: DTZ007  whether it parses is all that is asked
    except ValueError:
        return False
    return True
