"""``workbench ingest`` and ``workbench mediate``: files to events to usage records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import shell
from workbench.cli.progress import Bars
from workbench.errors import FileUnreadable, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.lake.lake import Lake
    from workbench.mediation.delivery import Delivery
    from workbench.pipeline import Job

_FORMATS = (".parquet", ".ndjson", ".jsonl", ".json", ".csv", ".cbor", ".senml", ".senmlc")


def add(app: typer.Typer) -> None:
    """Hang the commands into the tree."""
    app.command(rich_help_panel=shell.BILL)(ingest)
    app.command(rich_help_panel=shell.BILL)(mediate)


def ingest(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Usage files, or folders of them. The same file twice counts once."
        ),
    ],
    mapping: Annotated[Path, typer.Option(help="What their columns mean (YAML); see examples/.")],
    lake: Annotated[
        Path, typer.Option(envvar="WORKBENCH_LAKE", help="The lake; made when there is none.")
    ] = Path("lake"),
    policy: Annotated[
        Path | None,
        typer.Option(
            help="How events are kept (YAML): grid, partition, horizons, and the dimensions that prices look at. "
            "Left out: 15 minutes, by hour, none."
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="A parameter of the mapping (repeatable)."),
    ] = None,
    received_at: Annotated[
        datetime | None,
        typer.Option(
            parser=shell.instant,
            metavar="INSTANT",
            help="When the files came in, where rows do not say. Left out: now.",
        ),
    ] = None,
    land_only: Annotated[
        bool, typer.Option("--land-only", help="Land the rows; `workbench mediate` goes on later.")
    ] = False,
    tenant: shell.TenantOption = "main",
    threads: shell.ThreadsOption = 2,
    as_json: shell.JsonOption = False,
) -> None:
    """Bring files of usage into a lake.

    Parquet, NDJSON, CSV, SenML (JSON and CBOR) and CloudEvents. Rows become events, or rejects with a reason; copies
    are found, also across files and days; events become usage records.
    """
    from workbench.mediation.delivery import Delivery
    from workbench.mediation.mapping_file import load_mapping
    from workbench.mediation.policy import Policy, load_policy
    from workbench.pipeline import land, run
    from workbench.pipeline import mediate as fold

    params = _params(param or [])
    said = load_mapping(mapping, params)
    rules = load_policy(policy) if policy else Policy()
    chosen = _files(files)
    came = received_at or _now()
    deliveries = [Delivery(path, said, came) for path in chosen]
    with (
        shell.writing(lake, tenant, create=True, inputs=tuple(chosen), threads=threads) as opened,
        Bars(shell.remarks()) as bars,
    ):
        before = opened.state.version
        outcome = run((land,) if land_only else (land, fold), _job(opened, deliveries, rules, bars, threads))
        found = {
            "lake": str(lake),
            "files": len(chosen),
            "files_skipped": outcome.counts.get("deliveries_skipped", 0),
            "rows": outcome.counts.get("delivered", 0),
            "landed": outcome.counts.get("landed", 0),
            "rejects": outcome.counts.get("rejects", 0),
            "reject_reasons": _reasons(opened, before),
            "windows_mediated": outcome.counts.get("windows_mediated", 0),
            "streams": sorted(said.streams),
            "wall_seconds": {stage: round(seconds, 3) for stage, seconds in outcome.wall_seconds.items()},
        }
    shell.answer(as_json, found, lambda console: _show(console, found))


def mediate(
    lake: shell.LakeArgument,
    tenant: shell.TenantOption = "main",
    threads: shell.ThreadsOption = 2,
    as_json: shell.JsonOption = False,
) -> None:
    """Bring usage records up to date with what has landed; only windows that changed are done again."""
    from workbench.mediation.policy import Policy
    from workbench.pipeline import mediate as fold
    from workbench.pipeline import run

    with shell.writing(lake, tenant, threads=threads) as opened, Bars(shell.remarks()) as bars:
        outcome = run((fold,), _job(opened, [], Policy(), bars, threads))
        records = opened.segments("records")
        found = {
            "lake": str(lake),
            "windows_mediated": outcome.counts.get("windows_mediated", 0),
            "partitions_mediated": outcome.counts.get("partitions_mediated", 0),
            "records": sum(segment.rows for segment in records),
            "events_accepted": sum(segment.controls.get("events", 0) for segment in records),
            "duplicates": sum(segment.controls.get("duplicates", 0) for segment in records),
            "wall_seconds": {stage: round(seconds, 3) for stage, seconds in outcome.wall_seconds.items()},
        }
    shell.answer(
        as_json,
        found,
        lambda console: console.print(
            f"{found['windows_mediated']:,} windows done; the lake holds {found['records']:,} usage records of "
            f"{found['events_accepted']:,} events."
        ),
    )


def _job(lake: Lake, deliveries: Sequence[Delivery], policy: Any, bars: Bars, threads: int) -> Job:
    from workbench.clock import SystemClock
    from workbench.pipeline import Job

    return Job(
        lake=lake, source=deliveries, policy=policy, catalogue=None, period=None, clock=SystemClock(), watch=bars,
        workers=threads, run={"command": "ingest"},
    )  # fmt: skip


def _now() -> datetime:
    from workbench.clock import SystemClock

    return SystemClock().now()


def _params(words: Sequence[str]) -> dict[str, str]:
    """``["device=house-2"]`` as a mapping.

    Raises:
        UsageError: a word has no ``=``.
    """
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(
                f"{word!r} is not a parameter.", where="--param", cure="Write --param device=house-2."
            )
        found[name] = value
    return found


def _files(paths: Sequence[Path]) -> list[Path]:
    """The files meant: each path, or what lies in it when it is a folder.

    Raises:
        FileUnreadable: a path does not exist, or a folder holds nothing that could be usage.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix.lower() in _FORMATS)
            if not inside:
                raise FileUnreadable(
                    "The folder holds no usage file.",
                    where=str(path),
                    cure=f"Files end in {', '.join(_FORMATS)}.",
                )
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise FileUnreadable("There is no such file.", where=str(path), cure="Check the path.")
    return [path.resolve() for path in dict.fromkeys(found)]


def _reasons(lake: Lake, before: int) -> dict[str, int]:
    """How many rows were rejected for what, in the deliveries of this run."""
    landed = {
        fact
        for entry in lake.history()[before:]
        for fact in entry.get("facts", {}).get("delivery", {})
    }  # fmt: skip
    segments = [segment for segment in lake.segments("rejects") if segment.partition in landed]
    rows = lake.con.execute(
        f"SELECT reason, count(*) FROM {lake.scan('rejects', segments=segments)} GROUP BY reason ORDER BY 2 DESC, 1"
    ).fetchall()
    return {reason: int(count) for reason, count in rows}


def _show(console: Console, found: dict[str, Any]) -> None:
    from workbench.mediation.reasons import REASONS

    console.print(
        f"[bold]{found['landed']:,}[/] of {found['rows']:,} rows landed from {found['files']:,} file(s)"
        + (f", {found['files_skipped']:,} of them known already" if found["files_skipped"] else "")
        + f"; {found['windows_mediated']:,} usage records made or renewed."
    )
    for reason, count in found["reject_reasons"].items():
        meaning, cure = REASONS.get(reason, (reason.replace("_", " "), ""))
        console.print(
            f"  [yellow]{count:,}[/] rejected: {meaning} [dim]({reason}){f': {cure}' if cure else ''}[/]"
        )
    if "time_too_old" in found["reject_reasons"]:
        console.print(
            "  [dim]Are these files of the past? Say when they came in: --received-at 2024-05-01[/]"
        )
