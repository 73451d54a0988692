"""``workbench project`` and ``rebuild``: the small database beside a lake, and the proof that it adds nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from workbench.cli import shell
from workbench.errors import VerifyFailed

if TYPE_CHECKING:
    from rich.console import Console


def add(app: typer.Typer) -> None:
    """Hang the commands into the tree."""
    app.command(rich_help_panel=shell.KEEP)(project)
    app.command(rich_help_panel=shell.KEEP)(rebuild)


def project(
    lake: shell.LakeArgument, tenant: shell.TenantOption = "main", as_json: shell.JsonOption = False
) -> None:
    """Bring `lake.duckdb` up to date: the lake's small tables and sums, for any tool that reads DuckDB."""
    from workbench.lake import projection

    with shell.reading(lake, tenant) as opened:
        found = {"path": str(projection.ensure(opened)), "version": opened.state.version,
                 "row_hashes": projection.row_hashes(opened)}  # fmt: skip
    shell.answer(as_json, found, lambda console: _show(console, found))


def rebuild(
    lake: shell.LakeArgument, tenant: shell.TenantOption = "main", as_json: shell.JsonOption = False
) -> None:
    """Delete `lake.duckdb`, build it again from the segments, and prove that every table is the same, row for row."""
    from workbench.lake import projection

    with shell.reading(lake, tenant) as opened:
        before = projection.row_hashes(opened)
        path = projection.path_of(opened)
        path.unlink()
        after = projection.row_hashes(opened)
        found = {
            "path": str(path),
            "version": opened.state.version,
            "row_hashes": after,
            "same": before == after,
        }
    shell.answer(as_json, found, lambda console: _show(console, found))
    if before != after:
        table = next(name for name in sorted(before | after) if before.get(name) != after.get(name))
        raise VerifyFailed(
            f"Table {table} came back different.", where=str(path), cure="Run `workbench verify`."
        )


def _show(console: Console, found: dict[str, Any]) -> None:
    console.print(f"[bold]{found['path']}[/] shows version {found['version']}", highlight=False)
    for table, row_hash in found["row_hashes"].items():
        console.print(f"  {table:24} [dim]{row_hash}[/]", highlight=False)
    if found.get("same"):
        console.print("[green]✓[/] built again from the segments: the same rows in every table")
