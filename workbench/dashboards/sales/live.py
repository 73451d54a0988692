"""The sales page's numbers out of the running pipeline: spend from the node's memory, everything else from its newest commit.

Two rhythms: a beat, ten times a second, takes the bill as it stands; a step works standings, outlooks and offers out anew as
often as there is time, half of it at most, because the pipeline comes first.
Nothing is worked out before somebody looks or a webhook waits to be told; while nobody looks it is worked out less often.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

from workbench.casework.desk import FOLDER, Desk
from workbench.casework.maintenance import MaintenanceOffer, maintenance_offers
from workbench.casework.outbox import Outbox, Wires
from workbench.casework.plans import sales_catalogue
from workbench.casework.running import Running
from workbench.casework.standing import Offer, Standing
from workbench.casework.telling import tell
from workbench.casework.upsell import Sales, Upsell
from workbench.dashboards.sales.store import Frame, offered
from workbench.errors import CaseworkError, WorkbenchError
from workbench.lake.lake import Lake
from workbench.live.care import Standing as Memory
from workbench.live.node import LiveNode
from workbench.model.money import NANO

log = logging.getLogger(__name__)
BEAT_SECONDS, PACE_SECONDS, UNWATCHED_SECONDS = 0.1, 0.1, 2.0
STEP_SECONDS = 0.05
POINT_SECONDS = 0.5
"""The chart keeps one point in so much of the machine's time."""
LOOK_SHARE = 0.1
"""At most this share of the time goes into the detectors."""
_LOOK_SECONDS = 60.0
_RETRY_SECONDS = 5.0
_KEPT = 3_000
_BEHIND = 60
_LOOKED_SECONDS = 3.0


class LiveSales:
    """Where a live node's customers stand; sessions only read.

    Args:
        wires: who is told of triggers, each once for ever.
        offers: what may be sold next; ``LAKE/sales.yaml`` when left out.

    Attributes:
        frame: the newest; None before the first. beats: how many there were.
        past: frames for charts, by time, thinned out and without customers; earlier ones are made when it starts.
    """

    def __init__(self, node: LiveNode, wires: Wires | None = None, offers: Path | None = None) -> None:
        self._node, self._offers = node, offers
        self._wires = wires or Wires()
        self._outbox = Outbox(node.path / node.tenant / FOLDER)
        self.frame: Frame | None = None
        self.past: list[Frame] = []
        self.beats = 0
        self.maintenance: list[MaintenanceOffer] = []
        self.owners: list[str] = []
        self.told, self.period = "the customers' usage is being read", ""
        self._troubles: dict[str, str] = {}
        self.begin: datetime | None = None
        self.end: datetime | None = None
        self._first: dict[str, datetime] = {}
        self._sums = _Sums()
        self._behind: list[datetime] | None = None
        self._bills: tuple[Memory | None, int, dict[tuple[str, str], Fraction]] = (None, -1, {})
        self._made: _Made | None = None
        self._lock = threading.Lock()
        self._pointed = self._looked = 0.0
        self._untold: dict[str, Offer] = {}
        self._stop, self._wanted = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=self._guarded, args=(name, work), name=name, daemon=True)
            for name, work in (
                ("sales", self._work),
                ("beats", self._beat),
                ("detectors", self._look),
                ("triggers", self._tell),
            )
        ]

    def __enter__(self) -> LiveSales:
        for thread in self._threads:
            thread.start()
        if self._wires.webhook:
            self._wanted.set()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._wanted.set()
        for thread in self._threads:
            thread.join(10)

    @property
    def trouble(self) -> str:
        """What does not work, in words; empty when all is well."""
        return " ".join(self._troubles.values())

    def watch(self) -> None:
        """Say that somebody looks."""
        self._looked = time.monotonic()
        self._wanted.set()

    def found(self, frame: Frame) -> Upsell:
        """A frame as ``wb.upsell`` gives it: for snapshots."""
        kept = [one for one in frame.offers if not one.held_out]
        rest = [one for one in frame.offers if one.held_out]
        return Upsell(
            frame.at, self.period, frame.standings, tuple(kept), tuple(rest), tuple(self.maintenance)
        )

    # -- threads -----------------------------------------------------------------------------------------------

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        """Do a piece of work again and again; what fails is said on the page and tried again."""
        self._wanted.wait()
        while not self._stop.is_set():
            try:
                work()
            except WorkbenchError as error:
                self._troubles[name] = f"{error.what} {error.cure}"
            except Exception:  # a file that went between two versions, say: the next version has another
                log.exception("sales: a piece of work failed and is tried again")
                self._troubles[name] = "Something failed here and is tried again; the log says what."
            else:
                self._troubles.pop(name, None)
                continue
            self._stop.wait(_RETRY_SECONDS)

    def _work(self) -> None:
        """One period, step by step."""
        node = self._node
        if node.catalogue is None:
            raise CaseworkError("This pipeline has no prices, so nobody has a bill to better.", where=str(node.path),
                                cure="Start it with --catalog.", code="nothing_rated")  # fmt: skip
        period = node.care.period
        with Lake.open(node.path, node.tenant) as lake:
            known = sales_catalogue(lake.root.parent, node.catalogue, self._offers)
            self.begin, self.end = (at.replace(tzinfo=None) for at in (period.start, period.end))
            self.period = node.standing.period
            self._sums, self._first, self.past, self._behind, self._made = _Sums(), {}, [], None, None
            desk = Desk.of(lake)
            running = Running(lake, known, period, self.period, desk)
            cases = -1
            while not self._stop.is_set() and node.care.period == period:
                began = time.monotonic()
                self._step(running)
                if cases != desk.version:
                    cases = desk.version
                    self.maintenance = maintenance_offers(desk.queue(), known, lake.tenant)
                watched = began - self._looked < _LOOKED_SECONDS
                # Half of the time at most: the pipeline comes first.
                self._stop.wait(max(PACE_SECONDS if watched else UNWATCHED_SECONDS, time.monotonic() - began))

    def _step(self, running: Running) -> None:
        """Work standings out anew, and what follows from them."""
        memory = self._node.standing
        assert self.begin is not None
        assert self.end is not None
        known = datetime.fromtimestamp(memory.updated_ns // 1000 / 1e6, UTC).replace(tzinfo=None)
        at = min(max(known, self.begin), self.end)
        bills = self._billed(memory)
        if self._node.figures.version != running.lake.state.version:
            running.lake.refresh()
        for one in running.step(at, bills, STEP_SECONDS):
            self._sums.put(one)
        sales = running.sales
        assert sales is not None
        owners = {customer.account: customer.owner for customer in sales.book.customers}
        self.owners = sorted({owner for owner in owners.values() if owner})
        standings = tuple(self._sums.standings.values())
        offers = offered(at, standings, self._first)
        new = [one for one in offers if one.triggered_at == at and not one.held_out]
        self._untold |= {one.offer_id: one for one in new}
        ends = self._sums.ends(spent(bills, owners))
        self._made = _Made(standings, tuple(offers), owners, ends)
        self.told = ""
        self._troubles.pop("sales", None)
        self._one_behind(sales, owners)

    def _beat(self) -> None:
        """One frame: the bill as it stands in the node's memory, and the newest standings."""
        self._stop.wait(BEAT_SECONDS)
        made = self._made
        if made is None or self.begin is None or self.end is None:
            return
        at = min(max(self._node.clock.now().replace(tzinfo=None), self.begin), self.end)
        spend = spent(self._billed(self._node.standing), made.owners)
        # What was foreseen at the last step is no less than what stands on the bill by now.
        ends = [
            {owner: max(amount, end.get(owner, amount)) for owner, amount in spend.items()}
            for end in made.ends
        ]
        frame = Frame(at, made.standings, made.offers, spend, *ends)
        if time.monotonic() - self._pointed >= POINT_SECONDS:
            self._pointed = time.monotonic()
            with self._lock:
                self.past = [*_thinned(self.past), _bare(frame)]
        self.frame, self.beats = frame, self.beats + 1

    def _billed(self, memory: Memory) -> dict[tuple[str, str], Fraction]:
        """The bills, made again only when the node's memory has moved."""
        kept, version, bills = self._bills
        if (
            kept is not memory or version != memory.version
        ):  # a memory made anew may stand at the same version
            version = memory.version
            bills = bills_of(memory)
            self._bills = (memory, version, bills)
        return bills

    def _one_behind(self, sales: Sales, owners: Mapping[str, str]) -> None:
        """Reckon one instant of the period before this process looked, newest first: what was spent by then."""
        slots = sales.book.slots
        if not self.past:
            return
        if self._behind is None:
            whole = [n for n, at in enumerate(slots) if sales.begin < at < self.past[0].at]
            self._behind = [slots[n] for n in whole[:: max(1, len(whole) // _BEHIND)]]
        if not self._behind:
            return
        at, start = self._behind.pop(), sum(slot < sales.begin for slot in slots)
        spend: dict[str, Fraction] = {}
        for place, who in enumerate(sales.book.customers):
            if (kernel := sales.kernels.get(who.offer)) is not None:
                bill = kernel.bill(sales.book.used(place, start, slots.index(at)), devices=len(who.devices))
                for owner in {"", owners[who.account]}:
                    spend[owner] = spend.get(owner, Fraction(0)) + bill
        with self._lock:
            self.past = [Frame(at, (), (), spend, {}, {}, {}), *self.past]

    def _look(self) -> None:
        """Let the detectors look now and then: use in an open case counts for nothing."""
        began = time.monotonic()
        with Lake.open(self._node.path, self._node.tenant) as lake:
            desk = Desk.of(lake)
            if lake.segments("records") and desk.looked < lake.state.version:
                desk.look(lake)
        took = time.monotonic() - began
        self._stop.wait(max(_LOOK_SECONDS, took * (1 - LOOK_SHARE) / LOOK_SHARE))

    def _tell(self) -> None:
        """Tell of triggers; a receiver that is not well is tried again."""
        self._stop.wait(PACE_SECONDS)
        if not self._wires.webhook:
            self._untold.clear()
            return
        for one in list(self._untold.values()):
            tell([one], self._outbox, self._wires)
            del self._untold[one.offer_id]


@dataclass(frozen=True)
class _Made:
    """What a step came to."""

    standings: tuple[Standing, ...]
    offers: tuple[Offer, ...]
    owners: dict[str, str]
    ends: list[dict[str, Fraction]]


class _Sums:
    """The newest standing of every customer, and by owner what is still to come, summed as standings are replaced."""

    def __init__(self) -> None:
        self.standings: dict[tuple[str, str], Standing] = {}
        self._more: dict[str, dict[str, Fraction]] = {"low": {}, "middle": {}, "high": {}}

    def put(self, one: Standing) -> None:
        """Take a standing in the place of the same customer's last one."""
        key = (one.account, one.current)
        old = self.standings.get(key)
        for name, sums in self._more.items():
            change = getattr(one, name) - one.bill
            if old is not None:
                change -= getattr(old, name) - old.bill
            if change:
                for owner in {"", one.owner}:
                    sums[owner] = sums.get(owner, Fraction(0)) + change
        self.standings[key] = one

    def ends(self, spend: Mapping[str, Fraction]) -> list[dict[str, Fraction]]:
        """Lower end, middle and upper end by owner: what is spent and what is still to come."""
        return [
            {owner: amount + sums.get(owner, Fraction(0)) for owner, amount in spend.items()}
            for sums in self._more.values()
        ]


def bills_of(memory: Memory) -> dict[tuple[str, str], Fraction]:
    """What stands on everybody's bill, by account and offer: the node's own charges, exact, main unit."""
    whole: dict[tuple[str, str, int], int] = {}
    for number, amount in list(memory.charges.items()):
        line = memory.lines[number]
        if line.get("side", "sell") == "sell":
            key = (line["account_id"], line["offer_id"], int(line["price_denominator"]))
            whole[key] = whole.get(key, 0) + amount
    found: dict[tuple[str, str], Fraction] = {}
    for (account, offer, denominator), amount in whole.items():
        found[(account, offer)] = found.get((account, offer), Fraction(0)) + Fraction(
            amount, denominator * NANO
        )
    return found


def spent(bills: Mapping[tuple[str, str], Fraction], owners: Mapping[str, str]) -> dict[str, Fraction]:
    """The bills by owner; "" for all of them."""
    found: dict[str, Fraction] = {"": Fraction(0)}
    for (account, _), amount in bills.items():
        for owner in {"", owners.get(account, "")}:
            found[owner] = found.get(owner, Fraction(0)) + amount
    return found


def _bare(frame: Frame) -> Frame:
    """A frame for a chart: of its customers only one, who says whether anything is foreseen."""
    mark = next((one for one in frame.standings if one.state == "forecast"), None)
    return replace(frame, standings=() if mark is None else (mark,), offers=())


def _thinned(past: list[Frame]) -> list[Frame]:
    """Every second point of the older half, when there are too many."""
    half = len(past) // 2
    return past if len(past) < _KEPT else [*past[:half:2], *past[half:]]
