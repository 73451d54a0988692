"""What other processes ask of the one that owns the lake: small files, each answered in one of the next batches.

A command that finds the lake locked leaves ``<id>.json`` and waits for ``<id>.done``. Asking twice is asking once: what
a request does is safe to do again.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench.errors import LakeLocked, WorkbenchError
from workbench.mediation.intake import Intake, Taken


@dataclass(frozen=True, slots=True)
class Request:
    """One question: where it lies and what it says."""

    path: Path
    asked: dict[str, Any]


class Requests:
    """The folder in which questions wait."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def waiting(self) -> list[Request]:
        """Questions nobody has answered, oldest first."""
        found = []
        for path in sorted(self.folder.glob("*.json")) if self.folder.is_dir() else ():
            try:
                found.append(Request(path, json.loads(path.read_text())))
            except (OSError, ValueError):
                path.unlink(missing_ok=True)
        return found

    def answer(self, request: Request, intake: Intake, now: datetime) -> Taken:
        """Do what a request asks, and say what came of it."""
        try:
            taken = intake.redrive([str(each) for each in request.asked.get("letters", ())], now)
            said: dict[str, Any] = {
                "messages": taken.messages,
                "landed": taken.landed,
                "rejected": taken.rejected,
            }
        except WorkbenchError as error:
            taken, said = Taken(), {"error": error.as_dict()}
        _write(request.path.with_suffix(".done"), said)
        request.path.unlink(missing_ok=True)
        return taken

    def ask(self, asked: dict[str, Any], wait_seconds: float = 10.0) -> dict[str, Any]:
        """Leave a question and wait for its answer.

        Raises:
            LakeLocked: nobody answered: whoever holds the lake is no live node.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{time.time_ns()}-{secrets.token_hex(4)}.json"
        _write(path, asked)
        deadline = time.monotonic() + wait_seconds
        done = path.with_suffix(".done")
        while not done.exists():
            if time.monotonic() > deadline:
                path.unlink(missing_ok=True)
                raise LakeLocked(
                    "Another process writes to this lake, and it takes no requests.",
                    where=str(self.folder.parent),
                    cure="Wait for it to finish, or stop it.",
                )
            time.sleep(0.05)
        said: dict[str, Any] = json.loads(done.read_text())
        done.unlink(missing_ok=True)
        return said


def _write(path: Path, said: dict[str, Any]) -> None:
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps(said))
    draft.replace(path)
