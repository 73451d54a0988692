"""``workbench explain``: one charge as a sentence, and as a trace that a machine can check."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import shell
from workbench.cli.trace import DeviceOption, WindowOption, chain
from workbench.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.lake.lake import Lake


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command(rich_help_panel=shell.LOOK)(explain)


def explain(
    lake: shell.LakeArgument,
    number: Annotated[str, typer.Argument(metavar="[INVOICE]", help="Left out: the largest invoice.")] = "",
    line: Annotated[
        int | None, typer.Option("--line", help="A line's number. Left out: its largest usage.")
    ] = None,
    device: DeviceOption = "",
    window: WindowOption = None,
    check: Annotated[
        Path | None,
        typer.Option(
            "--check",
            metavar="FILE",
            help="Recompute a trace that `--json` wrote before, without the lake's help.",
        ),
    ] = None,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Say why one charge is what it is, in a sentence, and prove it.

    The lake's own price list and records are read again and the amount is worked out anew. With `--json` the whole way
    comes along: events, record, counter, steps, amount, invoice line, with hashes; `--check` recomputes such a trace.
    """
    from workbench.tariff.trace_check import check_trace

    if check is not None:
        trace = _read(check)
        check_trace(trace)
        said = {"checked": True, "amount": trace["amount"], "denominator": trace["denominator"]}
        shell.answer(
            as_json, said, lambda console: console.print("[green]✓[/] The trace gives the amount it says.")
        )
        return
    with shell.reading(lake, tenant) as opened:
        found = told(opened, number, line, device, window)
    check_trace(found["trace"])
    shell.answer(as_json, found, lambda console: _show(console, found))


def told(lake: Lake, number: str, line: int | None, device: str, window: Any) -> dict[str, Any]:
    """The sentence and the trace of the charge that ``workbench trace`` would show."""
    from workbench.cli.invoice import largest_invoice
    from workbench.tariff.trace_check import seal_of
    from workbench.verify.explained import explain_stored

    way = chain(lake, number or largest_invoice(lake), line, device, window)
    charge, paper = way["charge"], way["invoice"]
    if not charge:
        raise UsageError(
            "That line has no charge to explain.", cure="Name another with --line.", code="trace_missing"
        )
    found = explain_stored(
        lake, paper["period"], way["line"]["line_no"], charge["device_key"], charge["window_start"], charge
    )
    trace = found.trace
    trace["line"] |= {
        "invoice_no": paper["invoice_no"], "net_nano": way["line"]["net_nano"],
        "rounded_nano": _rounded(lake, paper["invoice_no"], way["line"]["line_no"]),
    }  # fmt: skip
    if "record" in way:
        record = way["record"]
        trace["record"] = {
            "fingerprint": f"{record['fingerprint']:016x}", "units": record["units"], "n_events": record["n_events"],
            "segments": way["segments"], "proven": way["proven"],
        }  # fmt: skip
    shares = _shares(lake, paper["period"], way["line"], trace["currency"])
    if shares:
        trace["shares"] = shares
    trace["seal"] = seal_of(trace)
    return {"sentence": found.sentence, "trace": trace}


def _rounded(lake: Lake, number: str, line_no: int) -> int:
    """What the line's exact amount was rounded to: its net, or the price paid when tax is inside."""
    sql = f"SELECT rounded_nano FROM {lake.scan('invoice_lines')} WHERE invoice_no = ? AND line_no = ?"
    return int(shell.rows(lake, sql, [number, line_no])[0]["rounded_nano"])


def _shares(lake: Lake, period: str, line: dict[str, Any], currency: str) -> dict[str, Any]:
    """What the offer's whole takings of the period were shared into, exactly; adjustments made since are left out."""
    if not lake.segments("statements", period=period):
        return {}
    rows = shell.rows(
        lake,
        "SELECT partner_id, share_numerator, share_denominator, statement_nano FROM "
        f"{lake.scan('statements', period=period)} WHERE offer_id = ? AND offer_version = ? AND currency = ? "
        "AND refers_to = '' ORDER BY ALL",
        [line["offer_id"], line["offer_version"], currency],
    )
    parts = [Fraction(int(row["share_numerator"]), int(row["share_denominator"])) for row in rows]
    return (
        {
            "currency": currency,
            "takings_nano": str(sum(parts, Fraction(0))),
            "partners": [
                {
                    "partner_id": row["partner_id"],
                    "share_nano": str(part),
                    "statement_nano": int(row["statement_nano"]),
                }
                for row, part in zip(rows, parts, strict=True)
            ],
        }
        if rows
        else {}
    )


def _read(path: Path) -> dict[str, Any]:
    import json

    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} holds no trace: {error}.", cure="Write one: workbench explain LAKE --json > trace.json",
                         code="trace_unreadable") from None  # fmt: skip
    trace = found.get("trace", found) if isinstance(found, dict) else None
    if not isinstance(trace, dict) or not {"amount", "denominator", "parts"} <= trace.keys():
        raise UsageError(f"{path} holds no trace.", cure="Write one: workbench explain LAKE --json > trace.json",
                         code="trace_unreadable")  # fmt: skip
    return trace


def _show(console: Console, found: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from workbench.tariff.show import money

    trace = found["trace"]
    console.print(f"[bold]{escape(found['sentence'])}[/]\n")
    table = Table("step", "after", "up to", "units", "amount", box=None, pad_edge=False)
    for column in table.columns:
        column.justify = "right"
    for part in trace["parts"]:
        amount = Fraction(part["amount"], trace["denominator"] * 10**9)
        units = part["up_to"] - part["after"]
        table.add_row(str(part["step"] + 1), f"{part['after']:,}", f"{part['up_to']:,}", f"{units:,}",
                      money(amount, trace["currency"]))  # fmt: skip
    console.print(table)
    record = trace.get("record")
    if record:
        told = "found again, the same" if record["proven"] else "not what it was made of"
        console.print(
            f"[dim]record[/] {record['units']:,} units of {record['n_events']} event(s), {record['fingerprint']}: {told}"
        )
    if trace["offer"].get("sha256"):
        console.print(f"[dim]price [/] {escape(trace['offer']['id'])} version {trace['offer']['version']}, "
                      f"sha256 {trace['offer']['sha256'][:16]}")  # fmt: skip
    console.print("[green]✓[/] The trace gives the amount that was charged.")
