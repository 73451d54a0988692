"""Evidence is read beside the pages: on a large lake a query takes seconds, and no page may stand still for another's case."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.casework.case import Case
from workbench.casework.evidence import Evidence, evidence, timeline
from workbench.errors import WorkbenchError
from workbench.lake.lake import Lake

KEPT = 64
"""Cases whose evidence is remembered."""
WAITING_MAX = 8
"""Cases that wait to be read; who still wants an older one asks again."""


@dataclass(frozen=True)
class Shown:
    """What the charts of a case draw.

    Attributes:
        seen: its evidence; None when it could not be read. life: its first device's, without the cases.
        trouble: why it could not be read.
    """

    seen: Evidence | None
    life: dict[str, Any]
    trouble: str = ""


class Reading:
    """Reads cases one after another, the one asked for last first, through a reader of its own."""

    def __init__(self, path: Path, tenant: str = "main") -> None:
        self._where = (path, tenant)
        self._found: OrderedDict[str, Shown] = OrderedDict()
        self._wishes: OrderedDict[str, Case] = OrderedDict()
        self._lake: Lake | None = None
        self._now = ""
        self._works = False
        self._change = threading.Condition()

    def get(self, case: Case) -> Shown | None:
        """What is known of a case; None while it is read. Never waits."""
        with self._change:
            if case.case_id in self._found:
                self._found.move_to_end(case.case_id)
                return self._found[case.case_id]
            if case.case_id != self._now and case.case_id not in self._wishes:
                self._wishes[case.case_id] = case
                while len(self._wishes) > WAITING_MAX:
                    self._wishes.popitem(last=False)
            if not self._works:
                self._works = True
                threading.Thread(target=self._work, name="evidence", daemon=True).start()
            return None

    def wait(self, case: Case) -> Shown:
        """The same for who has time."""
        while (found := self.get(case)) is None:
            with self._change:
                self._change.wait(0.1)
        return found

    def _work(self) -> None:
        """Read until nobody wants anything more."""
        while True:
            with self._change:
                if not self._wishes:
                    self._works = False
                    return
                self._now, case = self._wishes.popitem()
            found = self._read(case)
            with self._change:
                self._found[case.case_id], self._now = found, ""
                while len(self._found) > KEPT:
                    self._found.popitem(last=False)
                self._change.notify_all()

    def _read(self, case: Case) -> Shown:
        try:
            if self._lake is None:
                self._lake = Lake.open(*self._where)
            return Shown(evidence(self._lake, case), timeline(self._lake, case.devices[0], []))
        except WorkbenchError as error:
            return Shown(None, {}, f"{error.what} {error.cure}")
        except Exception as error:  # whatever it is, the page says so, and the next case is read
            return Shown(None, {}, f"The evidence could not be read: {error}")
