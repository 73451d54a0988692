"""What the analyst and sales pages know: one queue over one lake, looked at once in the background, shared by all sessions."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from workbench.casework.case import Case
from workbench.casework.desk import Desk, Ranked
from workbench.casework.outbox import Outbox, Wires
from workbench.casework.quality import Moved, Quality, drift, planted
from workbench.dashboards.cases.fleet import Fleet
from workbench.dashboards.cases.reading import Reading, Shown
from workbench.errors import WorkbenchError
from workbench.lake.lake import Lake


class CaseStore:
    """The queue of a served lake.

    Args:
        wires: where actions go.

    Attributes:
        told: what the detectors are doing, for the page; empty when they are done. trouble: why they could not look.
        quality: cases against what was planted; None where nothing is known. drift: inputs that moved, most first. Both are
            there once ``judged`` is set.
    """

    def __init__(self, path: Path, tenant: str = "main", wires: Wires | None = None) -> None:
        self.lake = Lake.open(path, tenant)
        self.desk = Desk.of(self.lake)
        self.wires = wires or Wires()
        self.outbox = Outbox(self.desk.folder)
        self.lock = threading.RLock()
        self.fleet = Fleet(path, tenant)
        self.reading = Reading(path, tenant)
        self.told, self.trouble = "the detectors are looking", ""
        self.ready, self.judged = threading.Event(), threading.Event()
        self.quality: Quality | None = None
        self.drift: list[Moved] = []
        self._queue: tuple[int, str, list[Ranked]] | None = None
        threading.Thread(target=self._look, name="detectors", daemon=True).start()

    def _look(self) -> None:
        """Let the detectors look, through a reader of their own: nobody's page waits for them."""
        try:
            self.fleet.ready()
            if self.desk.looked < self.lake.state.version:
                with Lake.open(self.lake.root.parent, self.lake.tenant) as reader:
                    self.desk.look(reader, progress=self._progress)
        except WorkbenchError as error:
            self.trouble = f"{error.what} {error.cure}"
        finally:
            self.told = ""
            self.ready.set()
        for one in [] if self.trouble else self.queue()[:1]:  # what a page begins with
            self.reading.get(one.case)
        self._judge()

    def _judge(self) -> None:
        """How good the detectors are, and whether their inputs moved: whole scans, so nobody's page waits for them."""
        with Lake.open(self.lake.root.parent, self.lake.tenant, threads=1) as reader:
            self.quality = planted(reader, self.desk.cases())
            self.drift = drift(reader)
        self.judged.set()

    def _progress(self, stream: str) -> None:
        self.told = f"the detectors are looking at {stream}"

    def queue(self) -> list[Ranked]:
        """What is to do, best first; made again only when something happened."""
        self.desk.refresh()
        minute = f"{self.desk.clock.now():%H:%M}"  # suppressions end by themselves
        if self._queue is None or self._queue[:2] != (self.desk.version, minute):
            self._queue = (self.desk.version, minute, self.desk.queue())
        return self._queue[2]

    def shown(self, case: Case) -> Shown | None:
        """A case's evidence and its first device's life with its cases; None while they are read beside the pages."""
        return self._living(case, self.reading.get(case))

    def read(self, case: Case) -> Shown:
        """The same for who can wait."""
        found = self._living(case, self.reading.wait(case))
        assert found is not None
        return found

    def _living(self, case: Case, found: Shown | None) -> Shown | None:
        if found is None or found.seen is None:
            return found
        device = case.devices[0]
        cases = [one for one in self.desk.cases() if device in one.devices]
        return replace(found, life={**found.life, "cases": cases})
