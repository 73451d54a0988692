"""``workbench keys``: who may ask the API of a live lake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import shell

keys = typer.Typer(help="Keys of the API: make one, list them, take one back.", no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Hang the commands into the tree."""
    app.add_typer(keys, name="keys", rich_help_panel=shell.KEEP)


def _kept(lake: Path):  # type: ignore[no-untyped-def]
    from workbench.api.keys import Keys

    return Keys(lake / "keys.json")


@keys.command("add")
def make(
    lake: shell.LakeArgument,
    name: Annotated[str, typer.Option(help="What people call it.")],
    role: Annotated[str, typer.Option(help="customer, care or operator.")] = "customer",
    account: Annotated[
        list[str] | None, typer.Option(help="An account a customer may see; repeat it.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it opens.")] = 365,
    tenant: shell.TenantOption = "main",
    as_json: shell.JsonOption = False,
) -> None:
    """Make a key. It is shown once; what is kept is its hash."""
    until = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    secret = _kept(lake).add(name, tenant, role, account or (), until)
    shell.answer(
        as_json, {"name": name, "key": secret, "expires_at": until}, lambda console: console.print(secret)
    )


@keys.command("list")
def listed(lake: shell.LakeArgument, as_json: shell.JsonOption = False) -> None:
    """List the keys; what they open, not what they are."""
    found = [
        {"name": key.name, "tenant": key.tenant, "role": key.role, "accounts": ", ".join(key.accounts),
         "expires_at": key.expires_at} for key in _kept(lake).listed()
    ]  # fmt: skip
    shell.answer(as_json, {"keys": found}, lambda console: shell.show_rows(console, found))


@keys.command()
def revoke(
    lake: shell.LakeArgument,
    name: Annotated[str, typer.Argument(help="The key's name, as `list` shows it.")],
    as_json: shell.JsonOption = False,
) -> None:
    """Take a key back; it stops at once, also in a server that runs."""
    _kept(lake).revoke(name)
    shell.answer(as_json, {"revoked": name}, lambda console: console.print(f"{name} opens nothing any more."))
