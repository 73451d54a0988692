"""What `workbench queue` does outside the queue: actions, messages that wait, and files for others."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import shell
from workbench.cli.desk import WhoOption, desk_of, login
from workbench.errors import CaseworkError, UsageError

if TYPE_CHECKING:
    from workbench.casework.outbox import Wires

WebhookOption = Annotated[
    str, typer.Option("--webhook", envvar="WORKBENCH_WEBHOOK", help="URL that is told, signed.")
]
SecretOption = Annotated[
    Path | None,
    typer.Option("--secret", envvar="WORKBENCH_WEBHOOK_SECRET", help="File with the key that signs."),
]

ChargingOption = Annotated[
    str,
    typer.Option(
        "--charging",
        envvar="WORKBENCH_CHARGING",
        help="HTTP address of the charging node, for `block` and `unblock`.",
    ),
]


def add_to(group: typer.Typer) -> None:
    """Hang the commands into the tree of `queue`."""
    for command in (act, deliver, export):
        group.command()(command)


def act(
    lake: shell.LakeArgument,
    case: Annotated[str, typer.Argument(metavar="CASE", help="Its id, or the beginning of it.")],
    action: Annotated[
        str,
        typer.Argument(
            metavar="ACTION",
            help="`hold` the bill line, open a `dispute`, create a `field_order`, `suspend` the SIM, `block` it at the "
            "charging node, `unblock` it.",
        ),
    ],
    note: Annotated[str, typer.Option("--note", help="Words that go along.")] = "",
    webhook: WebhookOption = "",
    secret: SecretOption = None,
    charging: ChargingOption = "",
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
        desk = desk_of(opened, look=False)
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


def deliver(
    lake: shell.LakeArgument, webhook: WebhookOption = "", secret: SecretOption = None,
    tenant: shell.TenantOption = "main", as_json: shell.JsonOption = False,
) -> None:  # fmt: skip
    """Send what a webhook did not accept before; each message is accepted once."""
    from workbench.casework.outbox import Outbox

    with shell.reading(lake, tenant) as opened:
        desk = desk_of(opened, look=False)
        sent, failed = Outbox(desk.folder).deliver(wires_of(webhook, secret))
    if failed:
        raise CaseworkError(f"{len(failed)} messages were not accepted, {sent} were.", where=webhook, code="webhook_failed",
                            cure="They stay in the outbox; try again once the receiver is well.")  # fmt: skip
    shell.answer(
        as_json, {"accepted": sent}, lambda console: console.print(f"{sent} messages accepted, none waits.")
    )


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
        desk = desk_of(opened, look=False)
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
