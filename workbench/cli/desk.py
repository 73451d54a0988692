"""What commands about the queue share: who is working, and the queue of a lake, looked at when the lake has moved on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import shell

if TYPE_CHECKING:
    from workbench.casework.desk import Desk
    from workbench.lake.lake import Lake

WhoOption = Annotated[
    str, typer.Option("--who", envvar="WORKBENCH_USER", help="Your name, for the history. [your login]")
]


def login(who: str) -> str:
    """Who is working: the name given, or the login."""
    return who or os.environ.get("USER") or os.environ.get("LOGNAME") or "somebody"


def desk_of(lake: Lake, *, look: bool = True) -> Desk:
    """The queue of a lake; the detectors run when the lake has moved on since they last did."""
    from workbench.casework.desk import Desk

    desk = Desk.of(lake)
    if look and desk.looked < lake.state.version:
        with shell.remarks().status("looking") as status:
            desk.look(lake, progress=lambda one: status.update(f"looking at {one}"))
    return desk
