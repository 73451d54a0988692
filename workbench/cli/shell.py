"""What all commands share: consoles, the words for common arguments, the one way to answer, and how errors look."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

if TYPE_CHECKING:
    from workbench.lake.lake import Lake

SEE, BILL, LOOK, KEEP = PANELS = ("See it work", "Bill usage", "Look and prove", "Keep house")
"""The groups of ``workbench --help``."""

LakeArgument = Annotated[
    Path,
    typer.Argument(metavar="LAKE", envvar="WORKBENCH_LAKE", show_envvar=True, help="The lake's folder."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else there.")
]
TenantOption = Annotated[
    str, typer.Option("--tenant", help="Whose facts: one lake can hold several tenants.")
]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, max=256, help="How many cores to use.")]


def instant(text: str | datetime) -> datetime:
    """An instant in words: ISO 8601; without a zone it is UTC. Raises ValueError."""
    at = text if isinstance(text, datetime) else datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def people() -> Console:
    """Where people read results."""
    return Console()


def remarks() -> Console:
    """Where progress, remarks and errors go: standard error."""
    return Console(stderr=True)


def answer(as_json: bool, data: Mapping[str, Any], show: Callable[[Console], None]) -> None:
    """Answer a command: one JSON object for a program, or whatever ``show`` draws for people."""
    if as_json:
        sys.stdout.write(json.dumps(data, default=_plain, ensure_ascii=False) + "\n")
    else:
        show(people())


def _plain(value: object) -> object:
    """JSON for what JSON has no word for. Exact numbers stay exact: whole decimals as numbers, fractions as text."""
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else str(value)
    if isinstance(value, datetime):
        return value.isoformat() + ("" if value.tzinfo else "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


@contextmanager
def reading(path: Path, tenant: str = "main", threads: int = 2) -> Iterator[Lake]:
    """A lake opened for reading, closed at the end."""
    from workbench.lake.lake import Lake

    with Lake.open(path, tenant, threads=threads) as lake:
        yield lake


@contextmanager
def writing(
    path: Path, tenant: str = "main", *, create: bool = False, inputs: tuple[Path, ...] = (), threads: int = 2
) -> Iterator[Lake]:
    """A lake opened for writing, its lock held until the end."""
    from workbench.lake.lake import Lake

    with Lake.open(path, tenant, create=create, inputs=inputs, threads=threads) as lake, lake.writer():
        yield lake


def rows(lake: Lake, sql: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
    """A query's rows as dictionaries; amounts stay exact (whole DECIMALs become integers)."""
    cursor = lake.con.execute(sql, list(values))
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, map(_exact, row), strict=True)) for row in cursor.fetchall()]


def _exact(value: Any) -> Any:
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value


def show_rows(console: Console, found: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """A table of dictionaries; numbers to the right, nothing as a dot."""
    table = Table(title=title, title_justify="left", title_style="dim", box=None, pad_edge=False)
    for name in found[0] if found else ():
        whole = all(isinstance(row[name], int | None) for row in found)
        table.add_column(name.replace("_", " "), justify="right" if whole else "left", overflow="fold")
    for row in found:
        table.add_row(*(_cell(value) for value in row.values()))
    console.print(table)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "[dim]·[/]"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else escape(str(value))


def show_error(error: Mapping[str, str], as_json: bool) -> None:
    """An error on standard error: one JSON object, or a panel with the sentence, the place and the cure.

    Args:
        error: ``code``, ``what``, ``where``, ``cure``.
    """
    if as_json:
        sys.stderr.write(json.dumps({"error": dict(error)}, ensure_ascii=False) + "\n")
        return
    lines = [escape(error["what"])]
    if error["where"]:
        lines.append(f"[dim]at[/]   {escape(error['where'])}")
    if error["cure"]:
        lines.append(f"[dim]cure[/] {escape(error['cure'])}")
    remarks().print(Panel("\n".join(lines), title=error["code"], title_align="left", border_style="red"))


class JsonLines(logging.Formatter):
    """One log record as one JSON object on one line: what a newline in a message cannot break."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        said = {"at": at, "level": record.levelname.lower(), "from": record.name, "said": record.getMessage()}
        if record.exc_info:
            said["error"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


def structured_logs() -> None:
    """Let the workbench's own logs go to standard error as JSON lines; safe to call again."""
    logger = logging.getLogger("workbench")
    if not any(isinstance(handler.formatter, JsonLines) for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
