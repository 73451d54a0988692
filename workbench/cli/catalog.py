"""``workbench catalog check | diff | publish | show | schema``: price lists as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import shell

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.model.offer import Catalogue
    from workbench.tariff.check import Finding

group = typer.Typer(help="Check, compare, publish and show price lists.", no_args_is_help=True)
CatalogPath = Annotated[Path, typer.Argument(metavar="PATH", help="A catalogue file, or a folder of them.")]


def add(app: typer.Typer) -> None:
    """Hang the commands into the tree."""
    app.add_typer(group, name="catalog", rich_help_panel=shell.BILL)


@group.command()
def check(path: CatalogPath, as_json: shell.JsonOption = False) -> None:
    """Read a catalogue and judge it: what is wrong stops here; what is odd is listed with a witness."""
    from workbench.tariff.catalogue import load
    from workbench.tariff.check import check as judge

    with shell.remarks().status("reading") as status:
        catalogue = load(path)
        total = f"{len(catalogue.offers):,}"
        findings = judge(catalogue, path, lambda done: status.update(f"checking {done:,} of {total} offers"))
    data = {
        "offers": len(catalogue.offers),
        "sha256": catalogue.sha256,
        "warnings": sum(finding.severity == "warning" for finding in findings),
        "findings": [finding.as_dict() for finding in findings],
    }
    shell.answer(as_json, data, lambda console: _show_findings(console, catalogue, findings))


def _show_findings(console: Console, catalogue: Catalogue, findings: list[Finding]) -> None:
    from rich.markup import escape

    versions = len(catalogue.offers)
    if not versions:
        console.print("[yellow]![/] Nothing to price: no offer is declared here (`offers:`).")
        return
    console.print(f"[green]✓[/] {versions} offer version{'s' if versions != 1 else ''} can be priced.")
    for finding in findings:
        mark = "[yellow]![/]" if finding.severity == "warning" else "[dim]·[/]"
        console.print(
            f"{mark} [bold]{escape(finding.offer_id)}[/] {escape(finding.sentence)} [dim]{finding.code}[/]"
        )


@group.command()
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The catalogue as it was.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The catalogue as it is to be.")],
    as_json: shell.JsonOption = False,
) -> None:
    """Say in sentences what changes between two catalogues (the newest version of each offer)."""
    from workbench.tariff.catalogue import load
    from workbench.tariff.diff import diff_catalogues

    sentences = diff_catalogues(load(old), load(new))

    def draw(console: Console) -> None:
        for sentence in sentences or ["Nothing changes."]:
            console.print(sentence, markup=False, highlight=False)

    shell.answer(as_json, {"changes": sentences}, draw)


@group.command()
def publish(
    path: CatalogPath,
    backdate: Annotated[
        bool, typer.Option("--backdate", help="Allow versions that have begun already.")
    ] = False,
    override: Annotated[
        str,
        typer.Option(metavar="REASON", help="Publish without a passed gate; the reason is signed and kept."),
    ] = "",
    as_json: shell.JsonOption = False,
) -> None:
    """Make every new version immutable: its hash goes into `catalog.lock` beside the files.

    A new version of an offer that was published before must have passed `workbench twin gate`. The first version of an
    offer moves nobody's bill and needs none.
    """
    from workbench.clock import SystemClock
    from workbench.tariff.catalogue import load
    from workbench.tariff.check import check as judge
    from workbench.twin.publishing import publish as let_out

    catalogue = load(path)
    findings = judge(catalogue, path)
    folder = path if path.is_dir() else path.parent
    fresh = let_out(catalogue, folder, SystemClock().now(), override=override, backdate=backdate)
    data = {
        "published": [
            {"offer_id": o.id, "version": o.version, "sha256": o.sha256, "effective": o.effective}
            for o in fresh
        ],
        "warnings": sum(finding.severity == "warning" for finding in findings),
    }

    def draw(console: Console) -> None:
        for offer in fresh:
            console.print(
                f"[green]✓[/] {offer.id} version {offer.version}, from {offer.effective} [dim]{offer.sha256[:12]}[/]"
            )
        if not fresh:
            console.print("Nothing new to publish.")

    shell.answer(as_json, data, draw)


@group.command()
def show(path: CatalogPath, as_json: shell.JsonOption = False) -> None:
    """Print a catalogue as the engine understood it."""
    from workbench.tariff.canonical import plain
    from workbench.tariff.catalogue import load

    catalogue = load(path)
    data = {
        "sha256": catalogue.sha256,
        "meters": plain(catalogue.meters),
        "offers": [plain(offer) | {"sha256": offer.sha256} for offer in catalogue.offers],
    }
    shell.answer(as_json, data, lambda console: _show(console, catalogue))


def _show(console: Console, catalogue: Catalogue) -> None:
    from rich.markup import escape
    from rich.table import Table

    from workbench.tariff.describe import describe

    for offer in catalogue.offers:
        title = f" ({escape(offer.title)})" if offer.title else ""
        console.print(
            f"[bold]{offer.id}[/]{title} [dim]version {offer.version}, from {offer.effective}, {offer.sha256[:12]}[/]",
            highlight=False,
        )
        table = Table(box=None, show_header=False)
        for what, sentence in describe(offer, catalogue):
            table.add_row(f"[bold]{escape(what)}[/]", escape(sentence))
        console.print(table)


@group.command()
def schema() -> None:
    """Print the JSON Schema of catalogue files, for editors."""
    from workbench.tariff.schema import schema as build

    print(json.dumps(build(), indent=2))
