"""``workbench trace`` and ``records``: from an invoice to the very events it was made of."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from workbench.cli import shell
from workbench.cli.invoice import largest_invoice
from workbench.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table
    from rich.tree import Tree

    from workbench.lake.lake import Lake
    from workbench.mediation.stream import Stream

_SHOWN = 20
_INVOICE = ("invoice_no", "account_id", "account_name", "period", "currency", "net_nano")
_LINE = ("line_no", "offer_id", "offer_version", "component_id", "kind", "units", "exact_nano", "net_nano")


def add(app: typer.Typer) -> None:
    """Hang the commands into the tree."""
    app.command(rich_help_panel=shell.LOOK)(trace)
    app.command(rich_help_panel=shell.LOOK)(records)


def naive(text: str | datetime) -> datetime:
    """An instant in words as the lake writes it: UTC without a zone. Raises ValueError."""
    return shell.instant(text).astimezone(UTC).replace(tzinfo=None)


DeviceOption = Annotated[
    str, typer.Option("--device", help="A device's id. Left out: the one that costs most.")
]
WindowOption = Annotated[
    datetime | None,
    typer.Option(
        "--window", parser=naive, metavar="INSTANT", help="A record's window. Left out: the dearest one."
    ),
]


def trace(
    lake: shell.LakeArgument,
    number: Annotated[str, typer.Argument(metavar="[INVOICE]", help="Left out: the largest invoice.")] = "",
    line: Annotated[
        int | None, typer.Option("--line", help="A line's number. Left out: its largest usage.")
    ] = None,
    device: DeviceOption = "",
    window: WindowOption = None,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Follow the money down: invoice, line, charge, usage record, raw events, and the proof that they belong together.

    Every level that is not named shows its largest entry, so `workbench trace LAKE` always ends at real events.
    """
    with shell.reading(lake, tenant) as opened:
        found = chain(opened, number or largest_invoice(opened), line, device, window)
    shell.answer(as_json, found, lambda console: console.print(_tree(found)))


def chain(
    lake: Lake, number: str, line_no: int | None, device: str, window: datetime | None
) -> dict[str, Any]:
    """Everything between an invoice and the events behind one of its charges.

    Returns: ``invoice``, ``line``, ``charges`` (of the line's device), ``charge``, and for usage ``record``, ``events``
        and ``proven``: whether the events found again have the record's count and fingerprint; ``without_record``
        instead, and why, for what no single record makes (a percentile, a pool's charge, a flat fee due without use).

    Raises:
        SettlementError: there is no such invoice.
        UsageError: ``trace_missing``: it has no such line, device or window.
    """
    from workbench.settlement.papers import invoice

    paper = invoice(lake, number)
    lines = [line for line in paper.lines if line_no in (None, line.line_no)]
    if not lines:
        raise _missing(
            f"{number} has no line {line_no}", f"Its lines: {', '.join(str(x.line_no) for x in paper.lines)}."
        )
    line = max(lines, key=lambda each: (each.kind == "usage", each.exact_nano))
    head = {name: getattr(paper, name) for name in _INVOICE} | {"lines": len(paper.lines)}
    described = {name: getattr(line, name) for name in _LINE}
    charges, meter, devices = _charges(lake, paper.period, line.line_no, device)
    charge = _one_charge(charges, window, number)
    found = {"invoice": head, "line": {**described, "meter": meter, "devices": devices},
             "charges": charges[:_SHOWN], "charges_total": len(charges), "charge": charge}  # fmt: skip
    return found | (_record(lake, paper.period, meter, charge) if line.kind == "usage" and charge else {})


def _charges(lake: Lake, period: str, line_no: int, device: str) -> tuple[list[dict[str, Any]], str, int]:
    """A line's charges for one device (the dearest when none is named), its meter, and how many devices it has."""
    source = (
        f"{lake.scan('charges', period=period)} c JOIN {lake.scan('lines', period=period)} l USING (line_no)"
    )
    names = f"LEFT JOIN {lake.scan('devices')} d USING (device_key)"
    key = [int(line_no)]
    told = shell.rows(
        lake,
        "SELECT min(l.meter) AS meter, count(DISTINCT c.device_key) AS devices, "
        f"arg_max(c.device_key, c.total) AS dearest FROM (SELECT line_no, device_key, sum(amount)::HUGEINT AS total "
        f"FROM {lake.scan('charges', period=period)} WHERE line_no = ? GROUP BY ALL) c "
        f"JOIN {lake.scan('lines', period=period)} l USING (line_no)",
        key,
    )[0]
    chosen, values = (
        ("d.device_id = ?", [*key, device])
        if device
        else ("c.device_key IS NOT DISTINCT FROM ?", [*key, told["dearest"]])
    )
    rows = shell.rows(
        lake,
        "SELECT d.device_id, c.*, l.price_denominator FROM "
        f"{source} {names} WHERE c.line_no = ? AND {chosen} ORDER BY c.window_start, c.step",
        values,
    )
    if device and not rows:
        raise _missing(
            f"Line {line_no} has no charge for device {device}", "Leave --device out to see the dearest one."
        )
    for row in rows:
        del row["line_no"]
    return rows, told["meter"] or "", told["devices"] or 0


def _one_charge(charges: list[dict[str, Any]], window: datetime | None, number: str) -> dict[str, Any]:
    within = [charge for charge in charges if window in (None, charge["window_start"])]
    if window and not within:
        raise _missing(f"{number} has no charge in the window {window:%Y-%m-%d %H:%M}", "Leave --window out.")
    return max(within, key=lambda charge: charge["amount"], default={})


def _record(lake: Lake, period: str, meter: str, charge: dict[str, Any]) -> dict[str, Any]:
    """The usage record behind a charge, and the events behind the record; or why no single record is behind it."""
    from workbench.mediation.lineage import members, stream_named

    stream = stream_named(lake, meter)
    own = lake.con.execute(
        f"DESCRIBE SELECT * FROM {lake.scan('charges', stream=meter, period=period)}"
    ).fetchall()
    kept = {column[0] for column in own}  # other streams' charges are told apart by other dimensions
    dimensions = {name: charge[name] for name in stream.dimensions if name in charge and name in kept}
    device, at = charge["device_key"], charge["window_start"]
    found = members(lake, stream, device, at, dimensions) if device is not None else None
    if found is None or found.record is None or (charge["units"] == 0 and found.record["units"]):
        return {
            "without_record": "due without use"
            if charge["units"] == 0
            else "made by the close, of many records"
        }
    return {
        "record": found.record,
        "events": [_event(row) for row in found.rows.to_pylist()],
        "segments": list(found.segments),
        "proven": found.proven,
    }


def _event(row: dict[str, Any]) -> dict[str, Any]:
    """A landed row with what became of it in one word."""
    became = "event" if row.pop("is_event") else "conflict" if row["is_conflict"] else "duplicate"
    del row["is_conflict"], row["device_key"]
    return {"became": became, **row}


def _missing(what: str, cure: str) -> UsageError:
    return UsageError(f"{what}.", cure=cure, code="trace_missing")


def _tree(found: dict[str, Any]) -> Tree:
    from rich.tree import Tree

    from workbench.cli.summary import money

    paper, line, charge = found["invoice"], found["line"], found["charge"]
    currency = paper["currency"]
    who = escape(paper["account_name"] or paper["account_id"])
    net = money(paper["net_nano"], currency)
    tree = Tree(
        f"[bold]{paper['invoice_no']}[/] {who}, {paper['period']}: [bold]{net}[/] net, {paper['lines']} line(s)"
    )
    net, whole = money(line["net_nano"], currency), f"{_exact(line['exact_nano'])} {currency}"
    offer = f"{line['offer_id']} v{line['offer_version']}, {line['component_id']} ({line['kind']})"
    told = f"{line['units']:,} units, {line['devices']:,} device(s)"
    node = tree.add(f"line {line['line_no']}: {offer}: [bold]{net}[/], exactly {whole}; {told}")
    if not charge:
        return tree
    cost = f"{_exact(Fraction(charge['amount'], charge['price_denominator']))} {currency}"
    when = f"{charge['device_id'] or 'no device'}, {charge['window_start']:%Y-%m-%d %H:%M}"
    more = f"[dim](one of {found['charges_total']:,} of this device)[/]"
    node = node.add(f"charge: {when}: {charge['units']:,} units cost [bold]{cost}[/] {more}")
    if found.get("record"):
        _record_tree(node, found)
    elif "without_record" in found:
        node.add(f"no single record: {found['without_record']}")
    return tree


def _record_tree(node: Tree, found: dict[str, Any]) -> None:
    record = found["record"]
    proof = "[green]✓ found again, the same[/]" if found["proven"] else "[red]✗ not what it was made of[/]"
    told = f"{record['n_events']} event(s), {record['n_duplicates']} duplicate(s) dropped"
    mark = f"fingerprint {record['fingerprint']:016x}"
    node = node.add(f"record: {record['units']:,} units of {told}; {mark} {proof}")
    node.add(_events(found["events"][:_SHOWN]))
    if len(found["events"]) > _SHOWN:
        node.add(f"[dim]and {len(found['events']) - _SHOWN} more: --json shows all[/]")


def _events(events: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    times = [name for name, value in events[0].items() if isinstance(value, datetime)] if events else []
    for name in events[0] if events else ():
        plain = name == "became" or name in times
        table.add_column(name.replace("_", " "), justify="left" if plain else "right", no_wrap=plain)
    for event in events:
        cells = [
            f"{value:%d. %H:%M:%S.%f}"[:-3] if isinstance(value, datetime) else escape(str(value))
            for value in event.values()
        ]
        table.add_row(*cells, style="" if event["became"] == "event" else "yellow")
    return table


def _exact(nano: Fraction) -> str:
    from workbench.settlement.render import exact

    return exact(nano)


def records(
    lake: shell.LakeArgument,
    stream: Annotated[
        str, typer.Argument(metavar="[STREAM]", help="Such as lamps.energy. Left out: the first.")
    ] = "",
    device: Annotated[str, typer.Option("--device", help="Only this device's.")] = "",
    window: Annotated[
        datetime | None,
        typer.Option("--window", parser=naive, metavar="INSTANT", help="Only from this instant on."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows.")] = 20,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Show usage records: one per device and window, with the counts and the fingerprint that prove them."""
    from workbench.mediation.lineage import stream_named

    with shell.reading(lake, tenant) as opened:
        names = sorted(opened.facts("stream"))
        said: Stream = stream_named(opened, stream or (names[0] if names else ""))
        where, values = "WHERE true", list[object]()
        if device:
            where, values = f"{where} AND d.device_id = ?", [*values, device]
        if window:
            where, values = f"{where} AND r.window_start >= ?", [*values, window]
        source = f"{opened.scan('records', stream=said.name)} r LEFT JOIN {opened.scan('devices')} d USING (device_key)"
        total = shell.rows(opened, f"SELECT count(*) AS n FROM {source} {where}", values)[0]["n"]
        found = shell.rows(
            opened,
            f"SELECT d.device_id, r.* EXCLUDE (device_key) FROM {source} {where} "
            f"ORDER BY r.window_start, d.device_id LIMIT {int(limit)}",
            values,
        )
    hidden = ("first_at", "last_at", "fingerprint")  # --json has them
    shown = [{name: value for name, value in row.items() if name not in hidden} for row in found]
    title = f"{len(found)} of {total:,} records of {said.name}, {said.grid_seconds // 60} minutes each"
    shell.answer(
        as_json,
        {"stream": said.name, "grid_seconds": said.grid_seconds, "total": total, "records": found},
        lambda console: shell.show_rows(console, shown, title),
    )
