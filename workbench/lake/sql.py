"""SQL text: literals and file relations. No connection is needed to write it."""

from __future__ import annotations

from collections.abc import Sequence


def read_parquet(paths: Sequence[str]) -> str:
    """SQL text that reads these files as one relation, columns matched by name."""
    listed = ", ".join(quote(path) for path in paths)
    union = ", union_by_name=true" if len(paths) > 1 else ""
    return f"read_parquet([{listed}]{union})"


def quote(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def name(text: str) -> str:
    """A SQL identifier, whatever characters it holds."""
    return '"' + text.replace('"', '""') + '"'
