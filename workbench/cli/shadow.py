"""``workbench shadow``: a bill for usage records of one's own, in five minutes, beside what was billed for them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table

from workbench.cli import shell
from workbench.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.mediation.propose import ProposedMapping
    from workbench.shadowbill.bill import ShadowBill
    from workbench.shadowbill.run import Prepared

_SHOWN = 20
_TRACED = 5


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command(rich_help_panel=shell.SEE)(shadow)


def shadow(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Usage records: CSV, NDJSON, Parquet, SenML, CloudEvents.")
    ],
    billed: Annotated[
        Path | None,
        typer.Option(help="What the old system billed, by SIM or account: CSV, NDJSON or Parquet."),
    ] = None,
    offer: Annotated[
        str | None,
        typer.Option(
            metavar="FILE[#ID]", help="A catalogue, and which offer of it. Left out: choose a starter offer."
        ),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="What the columns mean (YAML). Left out: proposed, and shown to you.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="A parameter of the mapping (repeatable)."),
    ] = None,
    account: Annotated[str, typer.Option(metavar="COLUMN", help="The column that says who pays.")] = "",
    billed_amount: Annotated[
        str, typer.Option(metavar="COLUMN", help="The amount's column of the billed file.")
    ] = "",
    lake: Annotated[
        Path | None, typer.Option(help="Keep the lake here, for `workbench verify` and more.")
    ] = None,
    save: Annotated[Path, typer.Option(help="Folder for the proposed mapping and the starter offer.")] = Path(
        "."
    ),
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: take the proposal and the first offer.")
    ] = False,
    threads: shell.ThreadsOption = 2,
    as_json: shell.JsonOption = False,
) -> None:
    """Bill usage records of your own, and find what the old bill missed or charged too much.

    Looks at the file, proposes what its columns mean, and shows you why. Then the records take the same way as in
    production: checked, deduplicated, priced, invoiced. With `--billed` every SIM or account is compared with what was
    billed for it, the largest difference first, each with its trace. Nothing leaves this machine, and nothing stays but
    the mapping and the offer, which are yours to keep (`--lake` keeps the lake as well).

        workbench shadow usage.csv
        workbench shadow usage.csv --billed invoices.csv --offer offers.yaml
    """
    from workbench.cli.progress import Bars
    from workbench.shadowbill.run import bill_of, prepare

    asks = not (yes or as_json)
    if asks and not sys.stdin.isatty():
        raise UsageError(
            "There is nobody to ask.", cure="Add --yes to take the proposal as it is.", code="shadow_no_tty"
        )
    said = shell.remarks()
    prepared = prepare(file.resolve(), offer, mapping=mapping, params=params_in(param or []), account=account)
    if prepared.proposal is not None:
        _confirm(said, prepared.proposal, file, save, asks, quiet=as_json)
    if offer is None:
        prepared = _with_starter(said, prepared, file, save, asks, quiet=as_json)
    with tempfile.TemporaryDirectory(prefix="workbench-shadow-") as folder, Bars(said) as bars:
        work = Path(folder)
        paid = billed.resolve() if billed else None
        bill = bill_of(prepared, lake or work / "lake", work, paid, billed_amount, threads, bars)
    shell.answer(as_json, bill.as_dict(), lambda console: _show(console, bill, lake))


def params_in(words: Sequence[str]) -> dict[str, str]:
    """Parameters written NAME=VALUE. Raises UsageError for anything else."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(
                f"{word!r} is not a parameter.", where="--param", cure="Write --param device=sim-7."
            )
        found[name] = value
    return found


def _confirm(
    said: Console, proposal: ProposedMapping, file: Path, folder: Path, asks: bool, quiet: bool
) -> None:
    """Show the proposal, keep it as a file, and stop when it is not accepted."""
    path = _keep(folder, f"{_stem(file)}.mapping", proposal.text)
    if not quiet:
        table = Table(
            title=f"What {file.name} seems to say", title_justify="left", box=None, header_style="dim"
        )
        for heading in ("column", "is", "sure", "because"):
            table.add_column(heading)
        for guess in proposal.guesses:
            shade = "green" if guess.sure >= 80 else "yellow"
            role = guess.role.replace("_", " ")
            table.add_row(
                escape(guess.column.name),
                role,
                f"[{shade}]{guess.sure} %[/]",
                f"[dim]{escape(guess.reason)}[/]",
            )
        said.print(table)
        for note in proposal.notes:
            said.print(f"  [yellow]look[/] {escape(note)}")
        said.print(f"  [dim]the mapping is in[/] {path}")
    if not asks:
        return
    said.print(Syntax(proposal.text, "yaml", background_color="default"))
    if not typer.confirm("Is that what the columns mean?", default=True, err=True):
        said.print(f"Mend [bold]{path}[/] and run:  workbench shadow {file} --mapping {path}")
        raise typer.Exit


def _with_starter(
    said: Console, prepared: Prepared, file: Path, folder: Path, asks: bool, quiet: bool
) -> Prepared:
    """Let a person choose a starter offer, name a price, or name a catalogue; keep a starter as a file."""
    import dataclasses

    from workbench.model.money import exact
    from workbench.shadowbill import offers

    choices = offers.starters(prepared.mapping)
    chosen = choices[0]
    if asks:
        said.print("\nNo offer was named. What should it cost?")
        for number, starter in enumerate(choices, 1):
            said.print(f"  [bold]{number}[/]  {escape(starter.title)}")
        per = offers.quoted(prepared.mapping.meters[0].unit)[0]
        answer = typer.prompt(
            f"A number, a price per {per} such as 0.02, or a catalogue file", default="1", err=True
        )
        if answer.isdigit() and 1 <= int(answer) <= len(choices):
            chosen = choices[int(answer) - 1]
        else:
            try:
                chosen = offers.starters(prepared.mapping, exact(answer))[0]
            except ValueError:
                catalogue, offer = offers.chosen(answer, prepared.mapping)
                return dataclasses.replace(prepared, catalogue=catalogue, offer=offer)
    path = _keep(folder, f"{_stem(file)}.offer", chosen.text)
    if not quiet:
        said.print(f"  [dim]priced by[/] {escape(chosen.title)}; [dim]the offer is in[/] {path}")
    catalogue = chosen.catalogue
    return dataclasses.replace(prepared, catalogue=catalogue, offer=catalogue.offers[0])


def _stem(file: Path) -> str:
    return file.name.split(".")[0]


def _keep(folder: Path, name: str, text: str) -> Path:
    """Write a file beside the user's own, never over one that says something else."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        path = folder / f"{name}{'' if number == 1 else f'-{number}'}.yaml"
        if not path.exists() or path.read_text(encoding="utf-8") == text:
            break
    path.write_text(text, encoding="utf-8")
    return path


def _show(console: Console, bill: ShadowBill, lake: Path | None) -> None:
    console.print(f"\n[bold]{escape(bill.headline())}[/]")
    for reasons, what in (
        (bill.rejects, "rejected"),
        (bill.quarantined, "in quarantine"),
        (bill.uncharged, "not charged"),
    ):
        for reason, count in reasons.items():
            console.print(f"  [yellow]{count:,}[/] {what}: {_meaning(reason)} [dim]({reason})[/]")
    if bill.differences:
        _show_differences(console, bill)
    else:
        _show_largest(console, bill)
    console.print(
        f"[dim]Invoiced {bill.money_nano(bill.net_nano)} net, {bill.money_nano(bill.gross_nano)} with tax, over "
        f"{len(bill.periods)} period(s).[/]"
    )
    if lake is not None:
        console.print(f"[dim]The lake is in {lake}; prove it with:[/]  workbench verify {lake}")


def _meaning(reason: str) -> str:
    from workbench.mediation.reasons import REASONS

    return REASONS[reason][0] if reason in REASONS else reason.replace("_", " ")


def _show_largest(console: Console, bill: ShadowBill) -> None:
    largest = sorted(bill.by("device").items(), key=lambda item: (-item[1], item[0]))
    table = Table(box=None, header_style="dim")
    table.add_column("device")
    table.add_column("amount", justify="right")
    for device, amount in largest[:_SHOWN]:
        table.add_row(escape(device or "(account)"), bill.money(amount))
    console.print(table)
    if len(largest) > _SHOWN:
        console.print(f"[dim]… and {len(largest) - _SHOWN:,} more.[/]")
    console.print("Was it billed right? Add [bold]--billed FILE[/] with what the old system billed.")


def _show_differences(console: Console, bill: ShadowBill) -> None:
    console.print(
        f"Billed too little: [bold red]{bill.money(bill.leakage)}[/]   "
        f"billed too much: [bold yellow]{bill.money(bill.overcharge)}[/]"
    )
    if bill.billed_skipped:
        console.print(f"[yellow]{bill.billed_skipped:,}[/] rows of the billed file had no readable amount.")
    table = Table(box=None, header_style="dim")
    table.add_column(bill.compared_by)
    for heading in ("billed", "shadow", "difference"):
        table.add_column(heading, justify="right")
    table.add_column("")
    unequal = [each for each in bill.differences if each.amount]
    for each in unequal[:_SHOWN]:
        shade = "red" if each.amount > 0 else "yellow"
        amounts = (bill.money(each.billed), bill.money(each.shadow), f"[{shade}]{bill.money(each.amount)}[/]")
        table.add_row(escape(each.key), *amounts, f"[{shade}]{each.verdict}[/]")
    console.print(table)
    if len(unequal) > _SHOWN:
        console.print(f"[dim]… and {len(unequal) - _SHOWN:,} more; --json lists them all.[/]")
    equal = len(bill.differences) - len(unequal)
    console.print(f"[dim]{equal:,} of {len(bill.differences):,} agree to the last digit.[/]")
    for each in unequal[:_TRACED]:
        console.print(f"[bold]{escape(each.key)}[/]")
        for sentence in each.trace:
            console.print(f"  [dim]{escape(sentence)}[/]")
