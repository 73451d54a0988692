"""``workbench deadletter``: messages that were refused; look at them, mend what was wrong, drive them again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli import shell
from workbench.errors import LakeLocked, UsageError

deadletter = typer.Typer(help="Messages that were refused: list, show, drive again.", no_args_is_help=True)
_SHOWN = 2_000


def add(app: typer.Typer) -> None:
    """Hang the commands into the tree."""
    app.add_typer(deadletter, name="deadletter", rich_help_panel=shell.KEEP)


@deadletter.command("list")
def listed(
    lake: shell.LakeArgument,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those nobody has mended yet.")] = False,
    reason: Annotated[str, typer.Option(help="Only those refused for this reason.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """List refused messages with the reason, how often they came, and whether they wait."""
    from workbench.mediation.deadletters import letters

    with shell.reading(lake, tenant) as opened:
        found = [each for each in letters(opened, waiting=waiting) if reason in ("", each["reason"])]
    shown = found[-limit:]
    columns = ("letter_id", "state", "reason", "tries", "first_seen", "topic")
    rows = [{name: str(each[name]) for name in columns} for each in shown]
    shell.answer(
        as_json, {"count": len(found), "letters": shown}, lambda console: shell.show_rows(console, rows)
    )


@deadletter.command()
def show(
    lake: shell.LakeArgument,
    letter: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Show one refused message whole, and why it was refused."""
    from workbench.mediation.deadletters import letters, messages

    with shell.reading(lake, tenant) as opened:
        (message,) = messages(opened, [letter])
        (found,) = [each for each in letters(opened) if each["letter_id"] == letter]
    payload = message.payload.decode("utf-8", "backslashreplace")
    found |= {"content_type": message.content_type, "payload": payload}
    shell.answer(as_json, found, lambda console: _draw(console, found))


def _draw(console: Any, found: dict[str, Any]) -> None:
    for name, value in found.items():
        console.print(f"[dim]{name.replace('_', ' '):>14}[/]  ", end="")
        console.print(str(value)[:_SHOWN], markup=False, highlight=False)


@deadletter.command()
def redrive(
    lake: shell.LakeArgument,
    letters: Annotated[list[str] | None, typer.Argument(help="Which; with --all none is named.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that wait.")] = False,
    reason: Annotated[str, typer.Option(help="With --all: only those refused for this reason.")] = "",
    routes: Annotated[Path | None, typer.Option(help="Routes file, when no live node runs.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy file, when no live node runs.")] = None,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Drive refused messages again, with the time at which they first came. Doing it twice is doing it once.

    A live node that holds the lake does it, with its own routes; otherwise this command does, with those given or those
    of the made-up city.
    """
    from workbench.live.requests import Requests
    from workbench.mediation.deadletters import letters as known

    if bool(letters) == every:
        raise UsageError("Name letters, or say --all.", cure="`workbench deadletter list LAKE --waiting`")
    chosen = list(letters or ())
    if every:
        with shell.reading(lake, tenant) as opened:
            chosen = [
                each["letter_id"] for each in known(opened, waiting=True) if reason in ("", each["reason"])
            ]
    try:
        found = _drive(lake, tenant, chosen, routes, policy)
    except LakeLocked:
        found = Requests(lake / tenant / "requests").ask({"letters": chosen})
        if "error" in found:
            raise UsageError(
                found["error"]["what"], cure=found["error"]["cure"], code=found["error"]["code"]
            ) from None
    shell.answer(as_json, found, lambda console: shell.show_rows(console, [found]))


def _drive(
    lake: Path, tenant: str, letters: list[str], routes: Path | None, policy: Path | None
) -> dict[str, Any]:
    from workbench.mediation.intake import Intake
    from workbench.mediation.policy import load_policy
    from workbench.mediation.routes import load_routes
    from workbench.showcase.cast import policy as city_policy
    from workbench.showcase.publish import live_routes

    with shell.writing(lake, tenant) as opened:
        intake = Intake(
            opened,
            load_routes(routes) if routes else live_routes(),
            load_policy(policy) if policy else city_policy(),
        )
        taken = intake.redrive(letters, datetime.now(UTC))
    return {"messages": taken.messages, "landed": taken.landed, "rejected": taken.rejected}
