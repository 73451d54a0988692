"""``workbench parties``: who pays, what uses, who shares, and under which offer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import shell
from workbench.errors import UsageError

TABLES = ("accounts", "partners", "devices_info", "subscriptions", "identities")


def add(app: typer.Typer) -> None:
    """Hang the commands into the tree."""
    group = typer.Typer(
        help="Accounts, partners, devices, subscriptions and SIM identities.", no_args_is_help=True
    )
    group.command("load")(load)
    group.command("show")(show)
    app.add_typer(group, name="parties", rich_help_panel=shell.BILL)


def load(
    lake: Annotated[Path, typer.Argument(metavar="LAKE", help="The lake's folder; made when there is none.")],
    accounts: Annotated[
        Path | None, typer.Option(help="account_id, name, currency, zone, billing_anchor_day ...")
    ] = None,
    partners: Annotated[Path | None, typer.Option(help="partner_id, name")] = None,
    devices: Annotated[
        Path | None, typer.Option(help="device_id, kind, site, lat, lon, group_id, attributes")
    ] = None,
    subscriptions: Annotated[
        Path | None,
        typer.Option(
            help="subscription_id, account_id, device_id or group_id, offer_id, starts_at, ends_at, sim_state"
        ),
    ] = None,
    identities: Annotated[
        Path | None, typer.Option(help="kind (iccid, imsi, eid, imei), value, device_id, starts_at")
    ] = None,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Load party tables from CSV or Parquet; each table given takes the place of the one before, all in one step.

    Everything is checked first, also between the tables; the first row that is wrong is named and nothing is changed.
    Times carry their zone (2026-01-01T00:00:00Z).
    """
    from workbench.lake import parties

    files = dict(zip(TABLES, (accounts, partners, devices, subscriptions, identities), strict=True))
    given = {kind: path for kind, path in files.items() if path is not None}
    if not given:
        raise UsageError("There is nothing to load.", cure="Name a file, for example --accounts accounts.csv")
    with shell.writing(lake, tenant, create=True) as opened:
        version = parties.replace(opened, given, {"stage": "parties", "command": "parties load"})
        rows = {kind: sum(segment.rows for segment in opened.segments(kind)) for kind in TABLES}
    found = {"lake": str(lake), "version": version, "loaded": sorted(given), "rows": rows}
    shell.answer(
        as_json,
        found,
        lambda console: console.print(
            ", ".join(f"[bold]{rows[kind]:,}[/] {kind.replace('_info', '')}" for kind in given)
        ),
    )


def show(
    lake: shell.LakeArgument,
    table: Annotated[str, typer.Argument(help=f"One of {', '.join(TABLES)}.")] = "accounts",
    limit: Annotated[int, typer.Option(min=1, help="At most so many rows.")] = 20,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Show the first rows of a party table."""
    if table not in TABLES:
        raise UsageError(
            f"There is no party table {table!r}.",
            cure=f"Choose from {', '.join(TABLES)}.",
            code="party_table",
        )
    with shell.reading(lake, tenant) as opened:
        total = sum(segment.rows for segment in opened.segments(table))
        rows = shell.rows(opened, f"SELECT * FROM {opened.scan(table)} ORDER BY 1 LIMIT {int(limit)}")
    found = {"table": table, "total": total, "rows": rows}
    shell.answer(
        as_json, found, lambda console: shell.show_rows(console, rows, f"{table}: {len(rows)} of {total:,}")
    )
