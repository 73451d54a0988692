"""``workbench status``: what a lake holds, on one screen."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import typer

from workbench.cli import shell

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.lake.lake import Lake

_STREAM = ("landed", "rejects", "quarantined", "events", "duplicates", "records", "to_mediate")
_PERIOD = ("charges", "uncharged", "invoices", "statements")
_QUIET = timedelta(hours=1)
_PARTIES = ("accounts", "partners", "devices_info", "subscriptions", "identities")


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command(rich_help_panel=shell.LOOK)(status)


def status(
    lake: shell.LakeArgument, tenant: shell.TenantOption = "main", as_json: shell.JsonOption = False
) -> None:
    """Show what a lake holds: streams, parties, billing periods, and how far each is.

    Given the folder of a running charging node it shows that node, the nodes beside it and why accounts moved.
    """
    if (lake / "node.sock").exists():
        from workbench.cli.charge import show_node

        show_node(lake / "node.sock", as_json)
        return
    with shell.reading(lake, tenant) as opened:
        found = of(opened)
    shell.answer(as_json, found, lambda console: _show(console, found))


def of(lake: Lake) -> dict[str, Any]:
    """The state of a lake as plain values."""
    return {
        "lake": str(lake.root.parent),
        "tenant": lake.tenant,
        "version": lake.state.version,
        "bytes": sum(segment.bytes for segment in lake.state.segments.values()),
        "segments": len(lake.state.segments),
        "deliveries": len(lake.facts("delivery")),
        "streams": [_stream(lake, name) for name in sorted(lake.facts("stream"))],
        "parties": {kind: _rows(lake, kind) for kind in _PARTIES},
        "periods": [_period(lake, name) for name in _periods(lake)],
        "branches": lake.branches(),
        "sources": _sources(lake),
        "journals": [
            {"journal": name, "position": fact["position"], "received_until": fact["received_at"]}
            for name, fact in sorted(lake.facts("journal").items())
        ],
        "dead_letters": _rows(lake, "deadletters"),
    }


def _sources(lake: Lake) -> list[dict[str, Any]]:
    """What came by the wire, source by source. One that said nothing for an hour while others spoke is quiet: that is
    another thing than messages that say zero.
    """
    last: dict[str, datetime] = {}
    messages: dict[str, int] = {}
    for fact in lake.facts("delivery").values():
        if fact.get("live"):
            at, name = datetime.fromisoformat(fact["received_at"]), fact["source"]
            last[name] = max(last.get(name, at), at)
            messages[name] = messages.get(name, 0) + int(fact["messages"])
    newest = max(last.values(), default=None)
    return [
        {
            "source": name,
            "messages": messages[name],
            "last_message_at": last[name].isoformat(),
            "state": "quiet" if newest and newest - last[name] > _QUIET else "reporting",
        }
        for name in sorted(last)
    ]


def _stream(lake: Lake, name: str) -> dict[str, Any]:
    records = lake.segments("records", stream=name)
    landed = lake.segments("landed", stream=name)
    known = {parent for segment in records for parent in segment.parents}
    partitions = sorted({segment.partition for segment in landed})
    return {
        "stream": name,
        "landed": sum(segment.rows for segment in landed),
        "rejects": _rows(lake, "rejects", stream=name),
        "quarantined": _rows(lake, "quarantine", stream=name),
        "events": sum(segment.controls.get("events", 0) for segment in records),
        "duplicates": sum(segment.controls.get("duplicates", 0) for segment in records),
        "records": sum(segment.rows for segment in records),
        "first_partition": partitions[0] if partitions else None,
        "last_partition": partitions[-1] if partitions else None,
        "to_mediate": sum(segment.rows for segment in landed if segment.id not in known),
    }


def _rows(lake: Lake, kind: str, **where: str) -> int:
    return sum(segment.rows for segment in lake.segments(kind, **where))


def _periods(lake: Lake) -> list[str]:
    return sorted({segment.period for segment in lake.segments("lines") if "#" not in segment.period})


def _period(lake: Lake, name: str) -> dict[str, Any]:
    return {
        "period": name,
        "state": "closed" if name in lake.facts("close") else "open",
        "charges": _rows(lake, "charges", period=name),
        "uncharged": _rows(lake, "uncharged", period=name),
        "invoices": _rows(lake, "invoices", period=name),
        "statements": _rows(lake, "statements", period=name),
    }


def _show(console: Console, found: dict[str, Any]) -> None:
    from rich.table import Table

    console.print(
        f"[bold]{found['lake']}[/] version {found['version']}, {found['segments']:,} segments, "
        f"{found['bytes'] / 2**20:,.1f} MiB, {found['deliveries']:,} deliveries",
        highlight=False,
    )
    _table(
        console, Table(title="streams", title_justify="left", box=None), found["streams"], "stream", _STREAM
    )
    console.print(
        "  ".join(
            f"[bold]{count:,}[/] {kind.replace('_info', '')}" for kind, count in found["parties"].items()
        )
    )
    if found["sources"]:
        shell.show_rows(console, found["sources"], "sources on the wire")
    if found["dead_letters"]:
        console.print(
            f"[yellow]{found['dead_letters']:,}[/] refused messages: workbench deadletter list LAKE"
        )
    if found["periods"]:
        table = Table(title="billing periods", title_justify="left", box=None)
        _table(console, table, found["periods"], "period", _PERIOD, extra="state")
    else:
        console.print(
            "[dim]No period was rated yet: workbench rate LAKE --period 2026-03 --catalog offers.yaml[/]"
        )


def _table(
    console: Console,
    table: Any,
    rows: list[dict[str, Any]],
    name: str,
    numbers: tuple[str, ...],
    extra: str = "",
) -> None:
    for column in (name, *([extra] if extra else [])):
        table.add_column(column, style="bold", no_wrap=True)
    for column in numbers:
        table.add_column(column.replace("_", " "), justify="right")
    for row in rows:
        words = [row[name], *([row[extra]] if extra else [])]
        table.add_row(*words, *(f"{row[column]:,}" if row[column] else "[dim]·[/]" for column in numbers))
    console.print(table)
