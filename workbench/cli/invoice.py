"""``workbench invoice`` and ``statement``: the documents a close made."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from workbench.cli import shell
from workbench.cli.bill import period_in
from workbench.errors import UsageError

if TYPE_CHECKING:
    from workbench.lake.lake import Lake

HtmlOption = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write it as one self-contained page instead.")
]
AnyPeriodOption = Annotated[
    str,
    typer.Option("--period", metavar="PERIOD", help="Such as 2026-03. Left out: the newest that is closed."),
]


def add(app: typer.Typer) -> None:
    """Hang the commands into the tree."""
    group = typer.Typer(help="The invoices of closed periods.", no_args_is_help=True)
    group.command("list")(list_invoices)
    group.command("show")(show_invoice)
    app.add_typer(group, name="invoice", rich_help_panel=shell.LOOK)
    app.command(rich_help_panel=shell.LOOK)(statement)


def list_invoices(
    lake: shell.LakeArgument,
    period: AnyPeriodOption = "",
    account: Annotated[str, typer.Option(help="Only this account's.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the largest first.")] = 20,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """List invoices, the largest first."""
    from workbench.cli.summary import money

    with shell.reading(lake, tenant) as opened:
        name = closed_period(opened, period)
        where = "WHERE i.account_id = ?" if account else ""
        source = f"{opened.scan('invoices', period=name)} i LEFT JOIN {opened.scan('accounts')} a USING (account_id)"
        values = [account] if account else []
        total = shell.rows(opened, f"SELECT count(*) AS n FROM {source} {where}", values)[0]["n"]
        found = shell.rows(
            opened,
            "SELECT i.invoice_no, i.account_id, a.name, i.currency, i.net_nano, i.tax_nano, i.gross_nano, i.state "
            f"FROM {source} {where} ORDER BY i.gross_nano DESC, i.invoice_no LIMIT {int(limit)}",
            values,
        )
    shown = [
        {"invoice": row["invoice_no"], "account": row["name"] or row["account_id"],
         "net": money(row["net_nano"], row["currency"]), "with tax": money(row["gross_nano"], row["currency"]),
         "state": row["state"]}
        for row in found
    ]  # fmt: skip
    title = f"{len(found)} of {total:,} invoices of {name}; one of them: workbench invoice show {lake} NUMBER"
    shell.answer(
        as_json,
        {"period": name, "total": total, "invoices": found},
        lambda console: shell.show_rows(console, shown, title),
    )


def show_invoice(
    lake: shell.LakeArgument,
    number: Annotated[
        str, typer.Argument(metavar="[NUMBER]", help="Left out: the largest of the newest period.")
    ] = "",
    annex: Annotated[bool, typer.Option("--annex", help="Also what each device came to, unrounded.")] = False,
    html: HtmlOption = None,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Show an invoice: lines, tax, and what each line was before it was rounded."""
    from workbench.settlement import papers, render

    with shell.reading(lake, tenant) as opened:
        paper = papers.invoice(opened, number or largest_invoice(opened), annex=annex)
    if html:
        html.write_text(render.invoice_html(paper), encoding="utf-8")
    shell.answer(
        as_json,
        asdict(paper) | ({"html": str(html)} if html else {}),
        lambda console: console.print(
            f"Written to [bold]{escape(str(html))}[/]" if html else render.invoice_text(paper, markup=True),
            highlight=False,
        ),
    )


def statement(
    lake: shell.LakeArgument,
    partner: Annotated[
        str, typer.Argument(metavar="[PARTNER]", help="Left out: all partners, a line each.")
    ] = "",
    period: AnyPeriodOption = "",
    html: HtmlOption = None,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Show what partners are owed: exact shares, and the statements they were cut to."""
    from workbench.settlement import papers, render

    with shell.reading(lake, tenant) as opened:
        name = closed_period(opened, period)
        if not partner:
            return _all_statements(opened, name, as_json)
        paper = papers.statement(opened, partner, name)
    if html:
        html.write_text(render.statement_html(paper), encoding="utf-8")
    shell.answer(
        as_json,
        asdict(paper) | ({"html": str(html)} if html else {}),
        lambda console: console.print(
            f"Written to [bold]{escape(str(html))}[/]" if html else render.statement_text(paper, markup=True),
            highlight=False,
        ),
    )
    return None


def _all_statements(lake: Lake, period: str, as_json: bool) -> None:
    from workbench.cli.summary import money

    found = shell.rows(
        lake,
        "SELECT s.partner_id, p.name, s.currency, sum(s.statement_nano) AS statement_nano "
        f"FROM {lake.scan('statements', period=period)} s LEFT JOIN {lake.scan('partners')} p USING (partner_id) "
        "GROUP BY ALL ORDER BY 4 DESC, 1",
    )
    shown = [
        {
            "partner": row["partner_id"],
            "name": row["name"],
            "owed": money(row["statement_nano"], row["currency"]),
        }
        for row in found
    ]
    shell.answer(
        as_json,
        {"period": period, "statements": found},
        lambda console: shell.show_rows(console, shown, f"statements of {period}"),
    )


def closed_period(lake: Lake, words: str) -> str:
    """The name of the closed period meant: the newest when none is named.

    Raises:
        UsageError: ``nothing_closed``: there is no such closed period.
    """
    from workbench.billing import name_of

    closed = sorted(set(lake.facts("close")) & {segment.period for segment in lake.segments("invoices")})
    wanted = name_of(period_in(words)) if words else (closed[-1] if closed else "")
    if wanted not in closed:
        raise UsageError(
            f"The period {wanted} is not closed." if wanted else "No period of this lake is closed.",
            where=str(lake.root),
            cure=f"Closed: {', '.join(closed)}."
            if closed
            else "Run `workbench rate` and `workbench close` first.",
            code="nothing_closed",
        )
    return wanted


def largest_invoice(lake: Lake) -> str:
    """The number of the largest invoice of the newest closed period.

    Raises:
        UsageError: nothing is closed.
    """
    source = lake.scan("invoices", period=closed_period(lake, ""))
    return str(
        shell.rows(lake, f"SELECT invoice_no FROM {source} ORDER BY gross_nano DESC, invoice_no LIMIT 1")[0][
            "invoice_no"
        ]
    )
