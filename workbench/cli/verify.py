"""``workbench verify``: prove a lake, show what was looked at, and say where the first promise breaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import shell
from workbench.errors import VerifyFailed

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.verify.report import Report, Result

_MARKS = {"holds": "[green]✓[/]", "fails": "[bold red]✗[/]", "empty": "[dim]·[/]"}


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command("verify", rich_help_panel=shell.LOOK)(verify)


def verify(
    lake: shell.LakeArgument,
    full: Annotated[
        bool, typer.Option("--full", help="Fold and rate everything again, instead of a sample.")
    ] = False,
    sample: Annotated[
        int, typer.Option("--sample", min=1, help="Devices of each stream, and of the accounts, to look at.")
    ] = 200,
    seed: Annotated[int, typer.Option("--seed", help="Draws the sample.")] = 1,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="CHECK", help="Run this check (repeatable).")
    ] = None,
    catalogue: Annotated[
        Path | None,
        typer.Option("--catalog", help="Rate by this catalogue instead of the one the lake remembers."),
    ] = None,
    branch: Annotated[str, typer.Option("--branch", help="Prove this what-if branch.")] = "",
    tenant: shell.TenantOption = "main",
    threads: shell.ThreadsOption = 2,
    as_json: shell.JsonOption = False,
) -> None:
    """Prove that nothing was lost, doubled or altered, from the delivered rows to the ledger.

    Files, counts, sums, documents and the ledger are always checked whole. Folding events and rating records
    once more, by independent rules, looks at a sample unless `--full` is given.

    Ends with code 1 and the first counter-example when a promise does not hold.
    """
    from workbench.cli.bill import in_force
    from workbench.errors import ManifestDamaged
    from workbench.lake.lake import Lake
    from workbench.tariff.catalogue import load
    from workbench.verify import run

    try:
        with (
            Lake.open(lake, tenant, branch=branch, threads=threads) as opened,
            shell.remarks().status("Opening the lake") as status,
        ):
            given = load(catalogue, in_force(opened)) if catalogue else None

            def tell(name: str, result: Result | None) -> None:
                if result is None:
                    status.update(f"Checking {name.replace('_', ' ')}")

            report = run.verify(
                opened, full=full, sample=sample, seed=seed, only=only or (), catalogue=given, progress=tell
            )
    except ManifestDamaged as error:
        report = run.unopened(str(lake), tenant, error, full=full, sample=sample, seed=seed)
    shell.answer(as_json, report.as_dict(), lambda console: show(console, report))
    failed = report.first_failure
    if failed:
        raise VerifyFailed(
            f"{failed.sentence.removesuffix('.')}: this does not hold. {failed.counter_example}",
            where=failed.counter_example.segment if failed.counter_example else "",
            cure="Everything before this check holds; start from the counter-example.",
        )


def show(console: Console, report: Report) -> None:
    """Draw a report as a table with its verdict."""
    from rich.markup import escape
    from rich.table import Table

    from workbench.verify.report import counts_text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(width=1)
    table.add_column(style="dim", width=8)
    table.add_column(ratio=3)
    table.add_column(ratio=2, style="dim")
    table.add_column(justify="right", style="dim", no_wrap=True)
    for result in report.results:
        sentence = escape(result.sentence)
        if result.counter_example:
            sentence += f"\n[red]{escape(str(result.counter_example))}[/]"
        counts = counts_text(result.counts) if result.verdict != "empty" else "nothing to look at"
        table.add_row(
            _MARKS[result.verdict], " ".join(result.invariants), sentence, counts, f"{result.seconds:.1f} s"
        )
    console.print(table)
    console.print(f"[{'bold green' if report.ok else 'bold red'}]{escape(report.verdict())}[/]")
