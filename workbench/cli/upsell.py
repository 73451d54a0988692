"""``workbench upsell``: who could be offered what, why, what it saves; visits for failing devices; what came of it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import shell
from workbench.cli.acting import SecretOption, WebhookOption, wires_of
from workbench.cli.desk import WhoOption, login
from workbench.errors import CaseworkError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.casework.upsell import Upsell


def add(app: typer.Typer) -> None:
    """Hang the command into the tree."""
    app.command(rich_help_panel=shell.LOOK)(upsell)


def upsell(
    lake: shell.LakeArgument,
    offers: Annotated[
        Path | None,
        typer.Option("--offers", help="What may be sold next: a YAML file or a folder. [LAKE/sales.yaml]"),
    ] = None,
    at: Annotated[str, typer.Option("--at", help="As if it were this instant (ISO 8601, UTC).")] = "",
    owner: Annotated[str, typer.Option("--owner", help="Only accounts of this owner.")] = "",
    account: Annotated[str, typer.Option("--account", help="Only this account, whatever comes of it.")] = "",
    replay: Annotated[
        bool,
        typer.Option(
            "--replay/--no-replay", help="Let the twin replay each offer on the customer's own use."
        ),
    ] = True,
    snapshot: Annotated[
        Path | None, typer.Option("--snapshot", help="Write a page that needs nothing else (HTML).")
    ] = None,
    mail: Annotated[Path | None, typer.Option("--mail", help="Write the snapshot as a mail (.eml).")] = None,
    to: Annotated[str, typer.Option("--to", help="Whom the mail is for.")] = "sales@localhost",
    webhook: WebhookOption = "",
    secret: SecretOption = None,
    outcome: Annotated[
        str, typer.Option("--outcome", metavar="OFFER", help="Write down what came of this offer.")
    ] = "",
    said: Annotated[
        str, typer.Option("--said", help="With --outcome: `accepted` or `declined`.")
    ] = "accepted",
    who: WhoOption = "",
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Who would be better off on another plan, how sure that is, and what it saves him over three periods.

    An offer appears when the use will reach the next plan's tier with a chance of 0.7 or more and the plan is cheaper over three
    periods on the customer's own use, or prices what he uses and his plan does not. Use in an open case of `workbench queue` never
    counts. One customer in ten is never offered anything: the lift is measured against them.
    """
    from workbench.casework.outbox import Outbox
    from workbench.casework.telling import lift, snapshot_html, tell
    from workbench.casework.telling import mail as as_mail
    from workbench.casework.upsell import upsell as find
    from workbench.cli.desk import desk_of

    wires = wires_of(webhook, secret)
    with shell.reading(lake, tenant) as opened:
        desk = desk_of(opened)
        with shell.remarks().status("reading") as status:
            found = find(
                opened,
                offers,
                at=_instant(at),
                desk=desk,
                replay=replay,
                progress=lambda step: status.update(step),
            )
        found = _only(found, owner, account)
        if outcome:
            _outcome(desk, found, outcome, said, login(who))
        told = tell(found.offers, Outbox(desk.folder), wires) if webhook else 0
        measured = lift(found, desk.refresh().outcomes)
    for path, text in (
        (snapshot, lambda: snapshot_html(found, owner=owner)),
        (mail, lambda: str(as_mail(found, to, "workbench@localhost", owner))),
    ):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text(), encoding="utf-8")
    answer: dict[str, Any] = found.as_dict() | {"webhooks": told, "lift": vars_of(measured)}
    shell.answer(as_json, answer, lambda console: _show(console, found, told))


def vars_of(measured: Any) -> dict[str, Any]:
    """The lift as plain values."""
    return {name: getattr(measured, name) for name in measured.__slots__}


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return shell.instant(text).replace(tzinfo=None)
    except ValueError:
        raise UsageError(
            f"{text[:40]!r} is no instant.", where="--at", cure="Write 2026-05-01T06:00.", code="instant"
        ) from None


def _only(found: Upsell, owner: str, account: str) -> Upsell:
    """One owner's or one account's part.

    Raises:
        CaseworkError: ``customer_unknown``; ``customer_no_usage`` when an account is asked for that used nothing.
    """
    from dataclasses import replace

    kept = tuple(s for s in found.standings if owner in ("", s.owner) and account in ("", s.account))
    if account and not kept:
        raise CaseworkError(f"There is no customer {account[:40]!r} with a priced plan.", where="--account",
                            cure="Look at the accounts of `workbench upsell LAKE --json`.", code="customer_unknown")  # fmt: skip
    if account and all(one.state == "no_usage" for one in kept):
        raise CaseworkError(f"{kept[0].name} has used nothing that counts, so nothing can be foreseen.", where=account,
                            cure="Wait for usage, or look for open cases of his devices: `workbench queue list`.",
                            code="customer_no_usage")  # fmt: skip
    names = {one.account for one in kept}
    return replace(
        found, standings=kept, offers=tuple(one for one in found.offers if one.account in names),
        held_out=tuple(one for one in found.held_out if one.account in names),
        maintenance=tuple(one for one in found.maintenance if one.account in names or not (owner or account)),
    )  # fmt: skip


def _outcome(desk: Any, found: Upsell, offer: str, said: str, who: str) -> None:
    if said not in ("accepted", "declined"):
        raise UsageError(
            f"{said[:40]!r} is no outcome.", where="--said", cure="Say accepted or declined.", code="outcome"
        )
    known = {one.offer_id: one.account for one in (*found.offers, *found.held_out)}
    if offer not in known:
        raise CaseworkError(f"There is no offer {offer[:40]!r} in this period.", where="--outcome", code="offer_unknown_here",
                            cure="`workbench upsell LAKE --json` names them.")  # fmt: skip
    desk.outcome(offer, known[offer], said, who=who)


def _show(console: Console, found: Upsell, told: int) -> None:
    from rich.markup import escape
    from rich.table import Table

    from workbench.twin.show import rounded

    table = Table(box=None, pad_edge=False, header_style="dim")
    for head, side in (
        ("customer", "left"),
        ("next plan", "left"),
        ("chance", "right"),
        ("saves in 3 periods", "right"),
        ("why", "left"),
    ):
        table.add_column(head, justify=side, overflow="fold")  # type: ignore[arg-type]
    for one in found.offers:
        table.add_row(escape(one.name), escape(one.title), f"{100 * one.chance:.0f} %",
                      f"[green]{rounded(one.saving, one.currency)} {one.currency}[/]", f"[dim]{escape(one.reason)}[/]")  # fmt: skip
    console.print(table if found.offers else "Nobody would be better off on another plan for sure enough.")
    for visit in found.maintenance:
        console.print(f"Visit {escape(visit.name)}: {escape(visit.reason)} {rounded(visit.price, visit.currency)} {visit.currency}, "
                      f"avoids [green]{rounded(visit.avoided, visit.currency)}[/].", highlight=False)  # fmt: skip
    states = found.as_dict()["states"]
    console.print(
        f"[dim]{len(found.standings)} customers: {states['forecast']} foreseen, {states['not_enough_data']} with not enough data, "
        f"{states['no_usage']} without usage; {len(found.held_out)} held out{f'; {told} told by webhook' if told else ''}.[/]"
    )
