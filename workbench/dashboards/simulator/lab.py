"""Where simulations run: one at a time for the whole server, their answers kept for everybody who asks the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from workbench.dashboards.simulator.ask import Ask, scenario
from workbench.dashboards.studio.shelf import Shelf
from workbench.lake.lake import Lake
from workbench.model.offer import Catalogue, Offer
from workbench.tariff.catalogue import loads
from workbench.twin.board import Board
from workbench.twin.simulate import simulate
from workbench.twin.simulation import Simulation

KEPT = 4
T = TypeVar("T")


class Progress:
    """How far a run is: read by a page while a thread works."""

    def __init__(self) -> None:
        self.stage, self.done, self.total = "", 0, 0

    def begin(self, stage: str, total: int | None) -> None:
        """A step starts."""
        self.stage, self.done, self.total = stage, 0, total or 0

    def advance(self, rows: int) -> None:
        """So much more of it is done."""
        self.done += rows


class Lab:
    """The twin of one lake, for all sessions.

    Args:
        shelf: where drafts are kept and what is in force is known.
    """

    def __init__(self, path: Path, tenant: str, shelf: Shelf) -> None:
        self.shelf = shelf
        self._path, self._tenant = path, tenant
        self._lock = threading.Lock()
        self._board: Board | None = None
        self._kept: OrderedDict[tuple[Ask, str], Simulation] = OrderedDict()

    def board(self) -> Board:
        """What the sliders stand on; read once.

        Raises:
            WorkbenchError: nothing was rated yet.
        """
        with self._lock:
            if self._board is None:
                with Lake.open(self._path, self._tenant) as lake:
                    self._board = Board.of(lake)
            return self._board

    def drafted(self, key: str) -> tuple[Offer, Catalogue]:
        """A kept draft: its offer, and production with it.

        Raises:
            WorkbenchError: there is none, or it cannot be read.
        """
        text, offer_id = self.shelf.kept(key)
        drafted = loads(text, "draft")
        offer = drafted.offer(offer_id) if offer_id else drafted.offers[0]
        return offer, self.shelf.candidate(drafted, offer)

    def run(self, ask: Ask, progress: Progress) -> Simulation:
        """The answer to a question; the one there is when somebody asked the same of the same prices.

        Raises:
            WorkbenchError: it cannot be asked.
        """
        offer, candidate = self.drafted(ask.draft) if ask.draft else (None, None)
        known = (ask, candidate.sha256 if candidate else "")
        with self._lock:
            if known in self._kept:
                self._kept.move_to_end(known)
                return self._kept[known]
            found = simulate(
                self._path,
                scenario(ask, candidate, offer.id if offer else ""),
                tenant=self._tenant,
                watch=progress,
            )
            self._kept[known] = found
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)  # its branch goes when the last page lets go of it
            return found

    def ask(self, question: Callable[[], T]) -> T:
        """Something asked of a simulation, while nobody else uses its connection."""
        with self._lock:
            return question()
