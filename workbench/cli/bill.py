"""``workbench rate`` and ``workbench close``: usage records to charges, charges to invoices and statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import shell
from workbench.cli.progress import Bars
from workbench.errors import UsageError
from workbench.model.money import NANO, decimal_text

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.lake.lake import Lake
    from workbench.model.offer import Catalogue
    from workbench.model.plan import Period
    from workbench.pipeline import Job

CatalogOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--catalog", metavar="PATH", help="Offers: a YAML file or a folder of them (repeatable). Left out: those "
        "the period was rated by before."
    ),
]  # fmt: skip
PeriodOption = Annotated[
    str,
    typer.Option(
        "--period", metavar="PERIOD", help="What to bill, UTC: 2026-03, 2026-03-02, or 2026-03-01/2026-04-01."
    ),
]


def add(app: typer.Typer) -> None:
    """Hang the commands into the tree."""
    app.command(rich_help_panel=shell.BILL)(rate)
    app.command(rich_help_panel=shell.BILL)(close)


def period_in(words: str) -> Period:
    """A billing period in words: a month, a day, or ``first day/day after the last``.

    Raises:
        UsageError: the words are none of these.
    """
    from workbench.model.plan import Period

    try:
        begin, slash, end = words.partition("/")
        if slash:
            first, after = date.fromisoformat(begin), date.fromisoformat(end)
        elif len(words) == len("2026-03"):
            first = date.fromisoformat(f"{words}-01")
            after = (first + timedelta(days=31)).replace(day=1)
        else:
            first = date.fromisoformat(words)
            after = first + timedelta(days=1)
        if after <= first:
            raise ValueError(words)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{words!r} is no billing period.",
            where="--period",
            cure="Write a month (2026-03), a day (2026-03-02), or 2026-03-01/2026-04-01, the end not included.",
            code="period_bad",
        ) from None
    return Period(_midnight(first), _midnight(after))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def in_force(lake: Lake) -> set[str]:
    """Hashes of the offer versions by which periods of the lake were rated."""
    if not (held := lake.segments("catalog")):
        return set()
    rows = lake.con.execute(f"SELECT DISTINCT sha256 FROM {lake.scan('catalog', segments=held)}").fetchall()
    return {row[0] for row in rows}


def catalogue_for(lake: Lake, paths: Sequence[Path] | None, period: str) -> Catalogue:
    """The catalogue in the files given, or the one the lake remembers for a period.

    Raises:
        UsageError: ``catalog_missing``: neither is there.
    """
    from workbench.tariff.catalogue import load
    from workbench.tariff.restore import catalogue

    if paths:
        return load(paths, in_force(lake))
    held = lake.segments("catalog", period=period)
    if not held:
        raise UsageError(
            "The lake does not know yet by which offers to bill this period.",
            where=period,
            cure="Name them: --catalog offers.yaml",
            code="catalog_missing",
        )
    rows = lake.con.execute(
        f"SELECT offer_id, version, sha256, text FROM {lake.scan('catalog', segments=held)}"
    )
    return catalogue(rows.fetchall())


def rate(
    lake: shell.LakeArgument,
    period: PeriodOption,
    catalog: CatalogOption = None,
    tenant: shell.TenantOption = "main",
    threads: shell.ThreadsOption = 2,
    as_json: shell.JsonOption = False,
) -> None:
    """Price the usage records of a period.

    Charges of an open period are derived: rate again whenever records, subscriptions or prices have changed, and only
    what changed is done again. The charges of a closed period stay; `close` bills the difference as an adjustment.
    """
    from workbench.billing import name_of
    from workbench.pipeline import rate as price
    from workbench.pipeline import run

    chosen = period_in(period)
    with shell.writing(lake, tenant, threads=threads) as opened, Bars(shell.remarks()) as bars:
        job = _job(opened, catalogue_for(opened, catalog, name_of(chosen)), chosen, bars, threads)
        outcome = run((price,), job)
        found = {
            "lake": str(lake),
            "period": name_of(chosen),
            "charges": outcome.counts.get("charges", 0),
            "uncharged": outcome.counts.get("uncharged", 0),
            "uncharged_reasons": _uncharged(opened, name_of(chosen)),
            "wall_seconds": {stage: round(seconds, 3) for stage, seconds in outcome.wall_seconds.items()},
        }
    shell.answer(as_json, found, lambda console: _show_rated(console, found))


def close(
    lake: shell.LakeArgument,
    period: PeriodOption,
    tenant: shell.TenantOption = "main",
    issued: Annotated[
        datetime | None,
        typer.Option(
            parser=shell.instant, metavar="INSTANT", help="The date on the invoices. Left out: now."
        ),
    ] = None,
    threads: shell.ThreadsOption = 2,
    as_json: shell.JsonOption = False,
) -> None:
    """Close a rated period: invoices, partner statements and postings, all at once and for good.

    Every line is rounded once; partners' shares are cut so that they sum to the cent; each posting has a debit and a
    credit. Closing twice changes nothing. Usage that comes later is billed as an adjustment: rate the period again, and
    close again. Lines that the queue holds (`workbench queue act ... hold`) are left out and listed; once their case is
    closed, closing again bills them.
    """
    from workbench.billing import name_of
    from workbench.casework.desk import Desk
    from workbench.casework.holds import holds_of
    from workbench.pipeline import run, settle
    from workbench.settlement.holds import held_lines

    chosen = period_in(period)
    with shell.writing(lake, tenant, threads=threads) as opened, Bars(shell.remarks()) as bars:
        name = name_of(chosen)
        job = _job(opened, catalogue_for(opened, None, name), chosen, bars, threads, issued)
        job.holds = holds_of(Desk.of(opened), chosen)
        already, before = name in opened.facts("close"), _documents(opened, name)
        outcome = run((settle,), job)
        found = {
            "lake": str(lake),
            "period": name,
            "was_closed": already,
            "documents": _documents(opened, name) - before,
            "held": [asdict(one) for one in held_lines(opened, name)],
            **_totals(opened, name),
            "wall_seconds": {stage: round(seconds, 3) for stage, seconds in outcome.wall_seconds.items()},
        }
    shell.answer(as_json, found, lambda console: _show_closed(console, found))


def _job(
    lake: Lake, catalogue: Catalogue, period: Period, bars: Bars, threads: int, at: datetime | None = None
) -> Job:
    from workbench.clock import ReplayClock, SystemClock
    from workbench.mediation.policy import Policy
    from workbench.pipeline import Job

    return Job(
        lake=lake, source=(), policy=Policy(), catalogue=catalogue, period=period,
        clock=ReplayClock(at) if at else SystemClock(), watch=bars, workers=threads, run={"command": "bill"},
    )  # fmt: skip


def _documents(lake: Lake, period: str) -> int:
    return sum(segment.rows for segment in lake.segments("invoices", period=period))


def _uncharged(lake: Lake, period: str) -> dict[str, int]:
    rows = lake.con.execute(
        f"SELECT reason, count(*) FROM {lake.scan('uncharged', period=period)} GROUP BY reason ORDER BY 2 DESC, 1"
    ).fetchall()
    return {reason: int(count) for reason, count in rows}


def _totals(lake: Lake, period: str) -> dict[str, Any]:
    """Net, tax and gross of the period's documents by currency, and what partners are owed [nano]."""
    rows = lake.con.execute(
        "SELECT currency, count(*), sum(net_nano), sum(tax_nano), sum(gross_nano) "
        f"FROM {lake.scan('invoices', period=period)} GROUP BY currency ORDER BY currency"
    ).fetchall()
    partners = lake.con.execute(
        f"SELECT currency, partner_id, sum(statement_nano) FROM {lake.scan('statements', period=period)} "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    totals = {
        currency: {"invoices": count, "net_nano": int(net), "tax_nano": int(tax), "gross_nano": int(gross)}
        for currency, count, net, tax, gross in rows
    }
    statements: dict[str, dict[str, int]] = {}
    for currency, partner, nano in partners:
        statements.setdefault(currency, {})[partner] = int(nano)
    return {"totals": totals, "statements": statements}


def _show_rated(console: Console, found: dict[str, Any]) -> None:
    console.print(
        f"[bold]{found['charges']:,}[/] charges for {found['period']}; the period is open until `close`."
    )
    for reason, count in found["uncharged_reasons"].items():
        console.print(f"  [yellow]{count:,}[/] records not charged: {reason.replace('_', ' ')}")


def _show_closed(console: Console, found: dict[str, Any]) -> None:
    from workbench.cli.summary import money

    if found["was_closed"]:
        late = found["documents"]
        told = (
            f"{late:,} adjustment(s) bill what came later"
            if late
            else "nothing came later, so nothing changed"
        )
        console.print(f"{found['period']} was closed already: {told}.")
    for line in found["held"]:
        amount = Fraction(line["amount"], line["den"] * NANO)
        state = "released since" if line["released"] else "held"
        console.print(
            f"  {state}: {line['device_id']}, {line['component_id']} of {line['account_id']}, {decimal_text(amount)} "
            f"{line['currency']}, case {line['case_id']}",
            highlight=False,
        )
    for currency, total in found["totals"].items():
        console.print(
            f"[bold]{total['invoices']:,}[/] documents, {money(total['net_nano'], currency)} net, "
            f"{money(total['gross_nano'], currency)} with tax"
        )
        for partner, nano in found["statements"].get(currency, {}).items():
            console.print(f"  {partner:24} {money(nano, currency):>20}", highlight=False)
