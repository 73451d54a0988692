"""``workbench queue``: the cases people work from, from a first look to a verdict and an action."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import shell
from workbench.errors import CaseworkError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.casework.case import Case
    from workbench.casework.desk import Desk, Ranked
    from workbench.casework.outbox import Wires
    from workbench.lake.lake import Lake

group = typer.Typer(
    help="Work through what the detectors found: cases in the order in which they are worth your time.\n\n"
    "A case is a device (or many at once), a reason and a period. `list` shows what to look at first, `show` why, "
    "`verdict` says what was true, `act` does something about it. Everything is kept beside the lake, with who and when.",
    no_args_is_help=True,
)
CaseArguments = Annotated[
    list[str], typer.Argument(metavar="CASE...", help="Ids of cases; their beginnings will do.")
]
WhoOption = Annotated[
    str, typer.Option("--who", envvar="WORKBENCH_USER", help="Your name, for the history. [your login]")
]
WebhookOption = Annotated[
    str, typer.Option("--webhook", envvar="WORKBENCH_WEBHOOK", help="URL that is told, signed.")
]
SecretOption = Annotated[
    Path | None,
    typer.Option("--secret", envvar="WORKBENCH_WEBHOOK_SECRET", help="File with the key that signs."),
]


def add(app: typer.Typer) -> None:
    """Hang the commands into the tree."""
    app.add_typer(group, name="queue", rich_help_panel=shell.LOOK)


def login(who: str) -> str:
    """Who is working: the name given, or the login."""
    return who or os.environ.get("USER") or os.environ.get("LOGNAME") or "somebody"


def _desk(lake: Lake, *, look: bool = True) -> Desk:
    """The queue of a lake; the detectors run when the lake has moved on since they last did."""
    from workbench.casework.desk import Desk

    desk = Desk.of(lake)
    if look and desk.looked < lake.state.version:
        with shell.remarks().status("looking") as status:
            desk.look(lake, progress=lambda one: status.update(f"looking at {one}"))
    return desk


@group.command("list")
def list_(
    lake: shell.LakeArgument,
    everything: Annotated[bool, typer.Option("--all", help="Closed and suppressed cases too.")] = False,
    kind: Annotated[str, typer.Option("--kind", help="Only this reason, such as `stuck`.")] = "",
    account: Annotated[str, typer.Option("--account", help="Only this account.")] = "",
    assignee: Annotated[str, typer.Option("--assignee", help="Only what this person has.")] = "",
    top: Annotated[int, typer.Option("--top", min=1, help="So many at most.")] = 40,
    look: Annotated[
        bool, typer.Option("--look/--no-look", help="Run the detectors first when the lake has moved on.")
    ] = True,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """The queue, best first: chance that it is true, times money or risk at stake, by minutes to review."""
    with shell.reading(lake, tenant) as opened:
        desk = _desk(opened, look=look)
        found = [
            one
            for one in desk.queue(everything=everything)
            if kind in ("", one.case.kind)
            and account in ("", one.case.account)
            and assignee in ("", one.case.assignee)
        ]
    states: dict[str, int] = {}
    for case in desk.cases():
        states[case.state] = states.get(case.state, 0) + 1
    odd = len(desk.labels_at_odds())
    answer = {
        "cases": [one.as_dict() for one in found[:top]], "shown": min(top, len(found)), "matching": len(found),
        "by_state": states, "labels_at_odds": odd, "ranker": desk.beliefs.ranker is not None,
    }  # fmt: skip
    shell.answer(as_json, answer, lambda console: _table(console, found[:top], len(found), states, odd))


def _table(console: Console, rows: Sequence[Ranked], matching: int, states: dict[str, int], odd: int) -> None:
    from rich.markup import escape
    from rich.table import Table

    if not rows:
        console.print(
            "Nothing is waiting: the detectors found nothing that fits, or it is all decided (`--all` shows it)."
        )
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head, side in (("case", "left"), ("score", "right"), ("chance", "right"), ("reason", "left"), ("what", "left"),
                       ("account", "left"), ("at risk", "right"), ("state", "left")):  # fmt: skip
        table.add_column(head, justify=side, overflow="fold")  # type: ignore[arg-type]
    for one in rows:
        case = one.case
        who = f"{case.state} ({case.assignee})" if case.assignee else case.state
        table.add_row(case.case_id[:8], f"{one.score:.2f}", f"{100 * one.chance:.0f} %", case.kind.replace("_", " "),
                      escape(_what(case)), escape(case.account_name), _money(case), who)  # fmt: skip
    console.print(table)
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    console.print(f"[dim]{len(rows)} of {matching} shown; {told or 'no cases'}.[/]")
    if odd:
        console.print(
            f"[yellow]{odd} pairs of verdicts contradict each other; they teach nothing until one is reopened.[/]"
        )


def _what(case: Case) -> str:
    return f"{case.subject} ({len(case.members)} devices)" if case.members else case.subject


def _money(case: Case) -> str:
    from workbench.twin.show import rounded

    return (
        ""
        if case.at_risk is None
        else f"{rounded(case.at_risk, case.currency, 5).rstrip('0').rstrip('.')} {case.currency}"
    )


@group.command()
def show(
    lake: shell.LakeArgument,
    case: Annotated[str, typer.Argument(metavar="CASE", help="Its id, or the beginning of it.")],
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """One case: every reason, the money, what would clear it, the evidence and its query, and what was done so far."""
    from workbench.casework.evidence import evidence

    with shell.reading(lake, tenant) as opened:
        found = _desk(opened, look=False).case(case)
        seen = evidence(opened, found)
    answer = found.as_dict() | {
        "evidence": {"device": seen.device, "column": seen.column, "peers": seen.peers, "points": len(seen.series),
                     "outside_band": seen.outside_band},
    }  # fmt: skip

    def tell(console: Console) -> None:
        from rich.markup import escape

        console.print(f"[bold]{found.kind.replace('_', ' ')}[/] {escape(found.sentence)}", highlight=False)
        console.print(
            f"  {found.state}{f', {found.assignee} has it' if found.assignee else ''}; account {escape(found.account_name)}"
        )
        for reason in found.reasons:
            console.print(f"  {reason['rule']}: {reason['observed']} {reason['unit']}, usual {reason['expected']}, "
                          f"peers {reason['peers']}", highlight=False)  # fmt: skip
        if found.at_risk is not None:
            console.print(f"  money: {_money(found)} at risk, priced by {found.priced_by}", highlight=False)
        console.print(f"  evidence: {len(seen.series)} points of {seen.column}, {seen.outside_band} of the episode outside what "
                      f"{seen.peers} peers suggest", highlight=False)  # fmt: skip
        console.print(f"  clears: {escape(found.clears)}\n  query: {escape(found.query)}", highlight=False)
        for step in found.history:
            console.print(
                f"  [dim]{step.at[:16]} {escape(step.who)}[/] {step.what} {escape(step.words)}",
                highlight=False,
            )

    shell.answer(as_json, answer, tell)


@group.command()
def assign(
    lake: shell.LakeArgument,
    cases: CaseArguments,
    to: Annotated[str, typer.Option("--to", help="Who takes them; nobody when left empty.")] = "",
    who: WhoOption = "",
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Give cases to somebody."""
    with shell.reading(lake, tenant) as opened:
        found = _desk(opened, look=False).assign(cases, to, who=login(who))
    _said(as_json, found)


@group.command()
def verdict(
    lake: shell.LakeArgument,
    cases: CaseArguments,
    says: Annotated[
        str, typer.Option("--says", help="`confirmed` (it was true), `benign` (it was not), `unsure`.")
    ],
    why: Annotated[str, typer.Option("--why", help="In your words.")] = "",
    who: WhoOption = "",
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Decide cases, all at once or none. `benign` also keeps that device quiet for this reason for a month.

    Verdicts move the order of what is left at once; from fifty on a ranker learns from them.
    """
    with shell.reading(lake, tenant) as opened:
        found = _desk(opened, look=False).verdict(cases, says, why, who=login(who))
    _said(as_json, found)


@group.command()
def reopen(
    lake: shell.LakeArgument,
    cases: CaseArguments,
    why: Annotated[str, typer.Option("--why", help="In your words.")] = "",
    who: WhoOption = "",
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Take verdicts back for another look."""
    with shell.reading(lake, tenant) as opened:
        found = _desk(opened, look=False).reopen(cases, why, who=login(who))
    _said(as_json, found)


@group.command()
def undo(
    lake: shell.LakeArgument,
    who: WhoOption = "",
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Take back the last thing you did here. Actions reached somebody outside and cannot be taken back."""
    with shell.reading(lake, tenant) as opened:
        desk = _desk(opened, look=False)
        found = [desk.case(one) for one in desk.undo(who=login(who))]
    _said(as_json, found)


@group.command()
def suppress(
    lake: shell.LakeArgument,
    device: Annotated[str, typer.Option("--device", help="Only this device.")] = "",
    account: Annotated[str, typer.Option("--account", help="Only this account's devices.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="Only this reason.")] = "",
    stream: Annotated[str, typer.Option("--stream", help="Only this stream.")] = "",
    days: Annotated[float, typer.Option("--days", help="For how long from now.")] = 7.0,
    until: Annotated[str, typer.Option("--until", help="Or until this instant (ISO 8601, UTC).")] = "",
    why: Annotated[str, typer.Option("--why", help="In your words, such as `maintenance window`.")] = "",
    lift: Annotated[str, typer.Option("--lift", metavar="ID", help="End this suppression instead.")] = "",
    listed: Annotated[bool, typer.Option("--list", help="Show all suppressions instead.")] = False,
    who: WhoOption = "",
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Keep cases quiet for some time, by device, account, reason or stream: a maintenance window, a known oddity."""
    with shell.reading(lake, tenant) as opened:
        desk = _desk(opened, look=False)
        if lift:
            desk.lift(lift, who=login(who))
        elif not listed:
            try:
                end = shell.instant(until) if until else desk.clock.now() + timedelta(days=days)
            except ValueError:
                raise UsageError(f"{until[:40]!r} is no instant.", where="--until", cure="Write 2026-05-01T06:00.",
                                 code="instant") from None  # fmt: skip
            scope = {"device": device, "account": account, "kind": kind, "stream": stream}
            desk.suppress(scope, end, why, who=login(who))
        now = desk.clock.now()
        rules = [rule.as_dict() | {"active": rule.active(now)} for rule in desk.suppressions()]
    rows = [
        {
            **rule,
            "scope": ", ".join(f"{k} {v}" for k, v in rule["scope"].items()),
            "until": rule["until"][:16],
        }
        for rule in rules
    ]
    shell.answer(as_json, {"suppressions": rules}, lambda console: shell.show_rows(console, rows))


@group.command()
def act(
    lake: shell.LakeArgument,
    case: Annotated[str, typer.Argument(metavar="CASE", help="Its id, or the beginning of it.")],
    action: Annotated[
        str,
        typer.Argument(
            metavar="ACTION",
            help="`hold` the bill line, open a `dispute`, create a `field_order`, `suspend` the SIM, `block` it at the charging node.",
        ),
    ],
    note: Annotated[str, typer.Option("--note", help="Words that go along.")] = "",
    webhook: WebhookOption = "",
    secret: SecretOption = None,
    charging: Annotated[
        str,
        typer.Option(
            "--charging", envvar="WORKBENCH_CHARGING", help="HTTP address of the charging node, for `block`."
        ),
    ] = "",
    token: Annotated[
        Path | None, typer.Option("--token", help="File with the token for the charging node.")
    ] = None,
    account: Annotated[
        str, typer.Option("--account", help="The account at the charging node, when it has another name.")
    ] = "",
    who: WhoOption = "",
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Do something about a case; each action once per case, with a reference and a document that can be handed on."""
    from workbench.casework.actions import act as take

    wires = wires_of(webhook, secret, charging, token)
    with shell.reading(lake, tenant) as opened:
        desk = _desk(opened, look=False)
        ref, found, now = take(
            desk, opened, case, action, who=login(who), note=note, wires=wires, charging_account=account
        )
        document = desk.refresh().documents[ref]["document"]
    said = {
        "reference": ref,
        "done_now": now,
        "case": found.case_id,
        "state": found.state,
        "document": document,
    }
    words = "done" if now else "was done before"
    shell.answer(
        as_json,
        said,
        lambda console: console.print(
            f"{action.replace('_', ' ')} {words}: [bold]{ref}[/]; the case is {found.state}."
        ),
    )


def wires_of(webhook: str, secret: Path | None, charging: str = "", token: Path | None = None) -> Wires:
    """Where actions go, with their keys read from files.

    Raises:
        UsageError: ``webhook_secret`` for a webhook without a readable secret.
    """
    from workbench.casework.outbox import Wires

    if webhook and secret is None:
        raise UsageError("A webhook wants a secret, or nobody could tell that it was us.", where="--secret",
                         cure="Give the file that holds it.", code="webhook_secret")  # fmt: skip
    return Wires(webhook, _key(secret), charging, _key(token))


def _key(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text().strip()
    except OSError as error:
        raise UsageError(f"The key cannot be read: {error.strerror}.", where=str(path), cure="Check the path.",
                         code="webhook_secret") from error  # fmt: skip


@group.command()
def deliver(
    lake: shell.LakeArgument, webhook: WebhookOption = "", secret: SecretOption = None,
    tenant: shell.TenantOption = "main", as_json: shell.JsonOption = False,
) -> None:  # fmt: skip
    """Send what a webhook did not accept before; each message is accepted once."""
    from workbench.casework.outbox import Outbox

    with shell.reading(lake, tenant) as opened:
        desk = _desk(opened, look=False)
        sent, failed = Outbox(desk.folder).deliver(wires_of(webhook, secret))
    if failed:
        raise CaseworkError(f"{len(failed)} messages were not accepted, {sent} were.", where=webhook, code="webhook_failed",
                            cure="They stay in the outbox; try again once the receiver is well.")  # fmt: skip
    shell.answer(
        as_json, {"accepted": sent}, lambda console: console.print(f"{sent} messages accepted, none waits.")
    )


@group.command()
def export(
    lake: shell.LakeArgument,
    out: Annotated[
        Path, typer.Option("--out", help="Where to: `.csv`, or `.json` with everything, documents too.")
    ] = Path("cases.csv"),
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Write every case, closed ones too, for a spreadsheet or another system."""
    with shell.reading(lake, tenant) as opened:
        desk = _desk(opened, look=False)
        rows = [one.as_dict() for one in desk.queue(everything=True)]
        documents = {ref: event["document"] for ref, event in desk.refresh().documents.items()}
    if not rows:
        raise CaseworkError("There are no cases to write.", where=str(lake), cure="Run `workbench queue list LAKE` first: it looks.",
                            code="no_cases")  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".json":
        out.write_text(json.dumps({"cases": rows, "documents": documents}, indent=1, ensure_ascii=False))
    else:
        out.write_text(_csv(rows))
    shell.answer(
        as_json,
        {"cases": len(rows), "file": str(out)},
        lambda console: console.print(f"{len(rows)} cases in [bold]{out}[/]."),
    )


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    plain = [name for name, value in rows[0].items() if not isinstance(value, list | dict)]
    writer = csv.DictWriter(text, plain, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _said(as_json: bool, found: Sequence[Case]) -> None:
    rows = [
        {
            "case": case.case_id[:8],
            "reason": case.kind,
            "what": _what(case),
            "state": case.state,
            "assignee": case.assignee,
        }
        for case in found
    ]
    shell.answer(
        as_json, {"cases": [case.as_dict() for case in found]}, lambda console: shell.show_rows(console, rows)
    )
