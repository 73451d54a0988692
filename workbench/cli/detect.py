"""``workbench detect run | evaluate``: what is wrong in a lake, and how well that is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import shell

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.insight.evaluation.result import Measured
    from workbench.insight.finding import Findings

group = typer.Typer(
    help="Find stuck sensors, compromised devices, theft and failing devices; measure how well that works.",
    no_args_is_help=True,
)
DataOption = Annotated[
    Path, typer.Option("--data", help="Folder of recordings with labels; files that are absent are left out.")
]


def add(app: typer.Typer) -> None:
    """Hang the commands into the tree."""
    app.add_typer(group, name="detect", rich_help_panel=shell.LOOK)


@group.command("run")
def run_(
    lake: shell.LakeArgument,
    stream: Annotated[
        str, typer.Option("--stream", help="Only this stream; all of them when left out.")
    ] = "",
    explain: Annotated[bool, typer.Option("--explain", help="Say why, for every finding.")] = False,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Look at every device of a lake and list what is wrong, the most surprising first."""
    from workbench.insight.detect import detect

    with shell.reading(lake, tenant) as opened, shell.remarks().status("looking") as status:
        found = detect(opened, stream, progress=lambda one: status.update(f"looking at {one}"))
    answer: dict[str, Any] = {
        "findings": [one.as_dict() for one in found],
        "judged": found.judged,
        "learning": found.learning,
    }
    shell.answer(as_json, answer, lambda console: _list(console, found, explain))


def _list(console: Console, found: Findings, explain: bool) -> None:
    from rich.markup import escape

    for index, one in enumerate(found):
        text = found.explain(index) if explain else one.sentence()
        console.print(f"[bold]{one.kind}[/] {escape(text)}", highlight=False)
    judged = ", ".join(f"{count:,} of {stream}" for stream, count in found.judged.items())
    learning = sum(len(devices) for devices in found.learning.values())
    console.print(
        f"[dim]{len(found)} findings; judged {judged or 'nothing'}; {learning} devices still learning.[/]"
    )


@group.command()
def evaluate(
    data: DataOption,
    only: Annotated[
        list[str] | None,
        typer.Option("--rows", "--only", help="Only rows whose name holds this; may be repeated."),
    ] = None,
    as_json: shell.JsonOption = False,
) -> None:
    """Score every detector beside its baseline, with the interval of the gain over devices.

    Learned rows use the parameters that are shipped when they have seen none of the folder's devices; otherwise (on the
    recordings they were fitted on) devices are held out in turn. The last column says which.
    """
    from workbench.insight.evaluation.folder import Folder
    from workbench.insight.evaluation.suite import absent
    from workbench.insight.evaluation.suite import evaluate as measure

    folder = Folder(data)
    remarks = shell.remarks()
    found: list[Measured] = []
    with remarks.status("measuring") as status:
        for one in measure(folder, only or (), lambda row: status.update(f"measuring: {row}")):
            found.append(one)
            status.update(f"measured: {one.row}")
    answer: dict[str, Any] = {
        "data": str(data),
        "rows": [one.as_dict() for one in found],
        "absent": absent(folder),
    }
    shell.answer(as_json, answer, lambda console: _show(console, found, answer["absent"]))


def _show(console: Console, found: list[Measured], left_out: list[str]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("capability", "measure"):
        table.add_column(name, overflow="fold")
    for name in ("baseline", "ours", "gain, 95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", overflow="fold", style="dim")
    last = ""
    for one in found:
        gain = "" if one.low is None else f"{one.low:+.3f} … {one.high:+.3f}"
        baseline = "" if one.baseline is None else f"{one.baseline:.3f}"
        ours = "" if one.ours is None else f"{one.ours:.3f}"
        row = f"[bold]{one.row}[/]" if one.row != last else ""
        mark = "[green]" if one.sure else ""
        table.add_row(row, one.measure, baseline, ours, f"{mark}{gain}", one.note)
        last = one.row
    console.print(table)
    console.print("[dim]Green: the interval over devices excludes zero. No point-adjusted F1 anywhere.[/]")
    if left_out:
        console.print(f"[dim]Not in this folder: {', '.join(left_out)}[/]")


@group.command()
def learn(
    data: DataOption,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder of the parameters; the shipped ones when left out.")
    ] = None,
    as_json: shell.JsonOption = False,
) -> None:
    """Fit what is learned on labelled recordings and keep it as plain numbers with their hashes (no pickle).

    The same recordings and the same code give the same bytes.
    """
    from workbench.insight.evaluation.folder import Folder
    from workbench.insight.evaluation.suite import learn as fit
    from workbench.insight.stored import MODELS

    with shell.remarks().status("learning") as status:
        cards = fit(Folder(data), to or MODELS, lambda name: status.update(f"learning: {name}"))
    shell.answer(as_json, {"models": cards}, lambda console: _list_models(console, cards))


def _list_models(console: Console, cards: dict[str, Any]) -> None:
    for name, card in cards.items():
        console.print(
            f"{name}: fitted on {card['units']} units, sha256 {card['sha256'][:12]}…", highlight=False
        )
