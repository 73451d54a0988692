"""``workbench queue``: the cases people work from, from a first look to a verdict and an action."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import acting, shell
from workbench.cli.desk import WhoOption, desk_of, login
from workbench.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.casework.case import Case
    from workbench.casework.desk import Ranked

group = typer.Typer(
    help="Work through what the detectors found: cases in the order in which they are worth your time.\n\n"
    "A case is a device (or many at once), a reason and a period. `list` shows what to look at first, `show` why, "
    "`verdict` says what was true, `act` does something about it. Everything is kept beside the lake, with who and when.",
    no_args_is_help=True,
)
CaseArguments = Annotated[
    list[str], typer.Argument(metavar="CASE...", help="Ids of cases; their beginnings will do.")
]


def add(app: typer.Typer) -> None:
    """Hang the commands into the tree."""
    acting.add_to(group)
    app.add_typer(group, name="queue", rich_help_panel=shell.LOOK)


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
    from workbench.casework.measures import measures

    with shell.reading(lake, tenant) as opened:
        desk = desk_of(opened, look=look)
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
        "measures": measures(desk.cases()).as_dict(),
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
        found = desk_of(opened, look=False).case(case)
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
        found = desk_of(opened, look=False).assign(cases, to, who=login(who))
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
        found = desk_of(opened, look=False).verdict(cases, says, why, who=login(who))
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
        found = desk_of(opened, look=False).reopen(cases, why, who=login(who))
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
        desk = desk_of(opened, look=False)
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
        desk = desk_of(opened, look=False)
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
