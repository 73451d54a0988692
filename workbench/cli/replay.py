"""``workbench replay``: a lake's past through the same wire, on a clock that runs faster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import shell
from workbench.cli.acting import SecretOption, WebhookOption, wires_of
from workbench.cli.live import serve_live
from workbench.errors import UsageError

if TYPE_CHECKING:
    from workbench.lake.lake import Lake


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command(rich_help_panel=shell.SEE)(replay)


def replay(
    lake: shell.LakeArgument,
    to: Annotated[Path | None, typer.Option(help="The lake it becomes; LAKE-replay when left out.")] = None,
    speed: Annotated[
        float, typer.Option(min=0.01, max=100_000, help="Seconds of then in one second of now.")
    ] = 60,
    since: Annotated[str, typer.Option(help="From when, as received; the beginning when left out.")] = "",
    until: Annotated[str, typer.Option(help="Until when; the end when left out.")] = "",
    policy: Annotated[Path | None, typer.Option(help="Policy file for the horizons.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Page, API and metrics; 0 picks one.")] = 5006,
    stay: Annotated[bool, typer.Option("--stay", help="Go on showing the page when all was said.")] = False,
    webhook: WebhookOption = "",
    secret: SecretOption = None,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Play a lake's past again: every message at its time, sixty times as fast, through listener, journal and mediation.

    There is no replay mode: the clock that stamps receipts runs faster, and that is all. What comes out is a lake of its
    own whose records are the original's, byte for byte. Parties, prices and what may be sold next are copied from it.
    """
    from workbench.casework.plans import FILE as SALES
    from workbench.clock import PacedClock
    from workbench.lake.lake import Lake
    from workbench.live import past
    from workbench.mediation.policy import Policy, load_policy

    to = to or lake.with_name(f"{lake.name}-replay")
    if to.exists():
        raise UsageError(
            "There is something already.", where=str(to), cure="Delete it, or choose another --to."
        )
    with Lake.open(lake, tenant) as source:
        span = past.span_of(source)
        if span is None:
            raise UsageError(
                "This lake has no past to play.", where=str(lake), cure="Ingest something first."
            )
        first = _instant(since) if since else span[0]
        last = _instant(until) if until else span[1] + timedelta(seconds=1)
        streams = past.streams_of(source)
        parties = {kind: source.con.sql(f"SELECT * FROM {source.scan(kind)}").to_arrow_table()
                   for kind in ("accounts", "partners", "devices_info", "subscriptions", "identities")
                   if source.segments(kind)}  # fmt: skip
        catalogue, period = _prices(source)

        def ready(opened: Lake) -> None:
            from workbench.lake.parties import replace

            if (lake / SALES).exists():
                (to / SALES).write_bytes((lake / SALES).read_bytes())

            if parties and not opened.segments("accounts"):
                replace(opened, parties, {"stage": "parties"})

        serve_live(
            to,
            tenant=tenant,
            port=port,
            mqtt_port=0,
            clock=PacedClock(first.replace(tzinfo=UTC), speed),
            routes=past.routes_of(streams),
            policy=past.policy_of(streams, load_policy(policy) if policy else Policy()),
            catalogue=catalogue,
            messages=past.said(source, streams, first, last),
            ready=ready,
            seconds=0,
            as_json=as_json,
            period=period,
            until_sent=not stay,
            wires=wires_of(webhook, secret),
        )


def _prices(lake: Lake):  # type: ignore[no-untyped-def]
    """The newest period's catalogue, as the lake remembers it, and the period; nothing of a lake that has no prices."""
    from workbench.model.plan import Period
    from workbench.tariff import restore

    segments = sorted((s for s in lake.segments("catalog") if s.period), key=lambda s: s.period)
    if not segments:
        return None, None
    name = segments[-1].period.partition("#")[0]
    stored = lake.con.execute(
        f"SELECT offer_id, version, sha256, text FROM {lake.scan('catalog', segments=[segments[-1]])}"
    ).fetchall()
    start, end = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in name.split("/"))
    return restore.catalogue(stored), Period(start, end)


def _instant(text: str) -> datetime:
    try:
        return shell.instant(text).astimezone(UTC).replace(tzinfo=None)
    except ValueError:
        raise UsageError(f"{text!r} is no instant.", cure="Write 2026-03-02T08:00.") from None
