"""The live node: one thread that owns the lake, turns what journals hold into records, and keeps care's memory fresh.

    journals ──> batch ──> landed, mediated, committed ──> what changed ──> usage and bill in memory
                                                 └──> merges, rating of the period: beside, committed with a later batch

There is no mode: a replay brings another clock. Everything the node knows can be made again from the lake and the
journals; it may be killed at any moment and started again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from workbench.billing import RatedPeriod, plan_of, rate_period
from workbench.clock import Clock, SystemClock
from workbench.errors import WorkbenchError
from workbench.journal.consumers import keep_position
from workbench.journal.reader import Batch
from workbench.journal.several import JournalSet
from workbench.lake.frozen import frozen
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.live.care import Care, Standing
from workbench.live.changes import Change, changes_of
from workbench.live.figures import Figures
from workbench.live.replaced import Replaced
from workbench.live.requests import Requests
from workbench.mediation.intake import JOURNAL, Intake, Taken
from workbench.mediation.merging import Merger
from workbench.mediation.policy import Policy
from workbench.mediation.routes import Routes
from workbench.model.offer import Catalogue
from workbench.model.plan import Period

log = logging.getLogger(__name__)
CONSUMER = "lake"


@dataclass(frozen=True, slots=True)
class Settings:
    """How patient a node is.

    Attributes:
        linger_seconds: how long a batch gathers messages after its first.
        bytes_max: a batch takes no more than about this.
        rate_seconds: the lake's charges are worked out anew at least this long after the last time; 0: never.
        rate_share: and at most this share of the time goes into that.
        clock_speed: seconds of the clock in one second of the machine; freshness is told in the machine's.
        threads, memory_limit: for the lake's engine.
    """

    linger_seconds: float = 0.25
    bytes_max: int = 6 << 20
    rate_seconds: float = 15.0
    rate_share: float = 0.1
    clock_speed: float = 1.0
    threads: int = 2
    memory_limit: str = "1GB"


class LiveNode:
    """Start it, ask it, stop it.

    Args:
        path, tenant: the lake; made when it is not there.
        journals: the folder that holds the journals.
        routes, policy: how messages are read and kept.
        catalogue: what use costs; None leaves money out.
        clock: says what time it is; a replay brings its own.
        period: the billing period to keep in memory; the calendar month of the clock when left out.
    """

    def __init__(
        self,
        path: Path,
        journals: Path,
        routes: Routes,
        policy: Policy,
        catalogue: Catalogue | None = None,
        *,
        tenant: str = "main",
        clock: Clock | None = None,
        period: Period | None = None,
        settings: Settings | None = None,
        ready: Callable[[Lake], None] | None = None,
    ) -> None:
        self.path, self.tenant, self.journals = path, tenant, journals
        self.routes, self.policy, self.catalogue = routes, policy, catalogue
        self.clock, self.settings = clock or SystemClock(), settings or Settings()
        self.figures, self.requests = Figures(), Requests(path / tenant / "requests")
        self._given, self._ready = period, ready
        self._stop = threading.Event()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self._care: Care | None = None
        self.failed: BaseException | None = None

    @property
    def standing(self) -> Standing:
        """Usage and bill so far."""
        return self._care.standing if self._care else Standing()

    @property
    def healthy(self) -> bool:
        """Whether the node works."""
        return self._thread.is_alive() and self.failed is None

    def start(self, wait_seconds: float = 60.0) -> LiveNode:
        """Start the thread and wait until it owns the lake.

        Raises:
            WorkbenchError: it could not.
        """
        self._thread.start()
        self._started.wait(wait_seconds)
        if self.failed is not None:
            raise self.failed
        return self

    def stop(self, timeout_seconds: float = 60.0) -> None:
        """Take what the journals hold, commit it, let go of the lake."""
        self._stop.set()
        self._thread.join(timeout_seconds)

    def settled(self, timeout_seconds: float = 30.0) -> bool:
        """Wait until everything that is in the journals now is in the lake and in memory."""
        deadline = time.monotonic() + timeout_seconds
        self.figures.empty_turns = 0
        while time.monotonic() < deadline and self.healthy:
            if self.figures.empty_turns >= 2 and not (self._care and self._care.stale):
                return True
            time.sleep(0.02)
        return False

    # -- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            with (
                Lake.open(
                    self.path,
                    self.tenant,
                    create=True,
                    threads=self.settings.threads,
                    memory_limit=self.settings.memory_limit,
                ) as lake,
                lake.writer(),
                Beside() as beside,
            ):
                self._serve(lake, beside)
        except WorkbenchError as error:
            self.failed = error
            log.error("live: %s", error)
        except Exception as error:
            self.failed = error
            log.exception("live: stopped by a defect")
        finally:
            self._started.set()

    def _serve(self, lake: Lake, beside: Beside) -> None:
        if self._ready:
            self._ready(lake)
        merger, replaced = Merger(), Replaced()
        intake = Intake(lake, self.routes, self.policy, merger=merger)
        readers = JournalSet(self.journals, {n: f["position"] for n, f in lake.facts(JOURNAL).items()})
        period = self._given or month_of(self.clock.now())
        self._care = Care(frozen(lake), self.catalogue, period)
        self._care.rebuild(_newest_ns(lake))
        self._care.lake = lake
        self.figures.hold(lake)
        self._started.set()
        try:
            while True:
                ending = self._stop.is_set()
                batches = self._gather(readers, ending)
                begun = time.perf_counter()
                taken = intake.take(batches) if batches else intake.merge()
                self._after(lake, taken, batches, replaced, time.perf_counter() - begun, merger.merged)
                for request in self.requests.waiting():
                    self._after(
                        lake,
                        self.requests.answer(request, intake, self.clock.now()),
                        [],
                        replaced,
                        0.0,
                        merger.merged,
                    )
                beside.turn(self, lake)
                if not beside.busy:  # slow work reads the version it began with
                    replaced.sweep(lake)
                if ending and not batches:
                    break
            merger.close()
            self._after(lake, intake.merge(), [], replaced, 0.0, merger.merged)
            beside.finish(self, lake)
            replaced.sweep(lake, everything=True)
        finally:
            merger.close()
            self._care.close()

    def _gather(self, readers: JournalSet, ending: bool) -> list[Batch]:
        """What the journals hold; waits a moment for more, so that a commit is worth its while."""
        batches = readers.read(self.settings.bytes_max, 0.0 if ending else 0.1)
        size = sum(len(batch.messages) for batch in batches)
        if batches and not ending and size < 2_000:
            time.sleep(self.settings.linger_seconds)
            batches += readers.read(self.settings.bytes_max)
        self.figures.lag_messages = sum(len(batch.messages) for batch in batches)
        self.figures.empty_turns = 0 if batches else self.figures.empty_turns + 1
        return batches

    def _after(
        self,
        lake: Lake,
        taken: Taken,
        batches: Sequence[Batch],
        replaced: Replaced,
        seconds: float,
        merged: int = 0,
    ) -> None:
        """Tell memory and counters what a commit changed."""
        if not taken.version:
            return
        figures, care = self.figures, self._care
        assert care is not None
        changes = changes_of(taken.add, taken.remove)
        if changes:
            care.apply(changes, taken.received_ns[1])
        for batch in batches:
            keep_position(self.journals / batch.journal, f"{CONSUMER}-{self.tenant}", batch.end)
        now_ns = _now_ns(self.clock)
        if taken.messages:
            figures.batches += 1
            waited = (now_ns - taken.received_ns[0]) / 1e9 / self.settings.clock_speed
            figures.fresh(max(0.0, waited), taken.messages)
        figures.messages += taken.messages
        figures.landed += taken.landed
        figures.hold(lake)
        figures.rejected += taken.rejected
        figures.dead += taken.dead
        figures.busy_seconds += seconds
        figures.lag_messages = 0
        for reason, count in taken.reasons.items():
            figures.reasons[reason] = figures.reasons.get(reason, 0) + count
        for source, (count, last_ns) in taken.sources.items():
            figures.source(source, count, last_ns)
        replaced.add(lake, taken.remove)
        figures.merged = merged

    def took_place(self, care: Care, changes: Sequence[Change]) -> None:
        """Put a memory that was made beside in the place of the old one, and add what came meanwhile."""
        old, self._care = self._care, care
        care.apply(changes, old.standing.updated_ns if old else 0)
        if old:
            old.close()

    @property
    def care(self) -> Care:
        """The memory in use."""
        assert self._care is not None
        return self._care

    def period_now(self) -> Period:
        """The billing period the clock is in."""
        return self._given or month_of(self.clock.now())


class Beside:
    """Slow work in a thread of its own: memory made anew, the period's charges. At most one piece at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="beside")
        self._rating: Future[tuple[RatedPeriod, float]] | None = None
        self._making: Future[tuple[Care, float]] | None = None
        self._making_from: dict[tuple[str, str], Segment] = {}
        self._next_rating = self._next_making = 0.0
        self._rated_version = self._rating_from = 0

    def __enter__(self) -> Beside:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def busy(self) -> bool:
        """Whether a piece of work is under way."""
        return self._rating is not None or self._making is not None

    def turn(self, node: LiveNode, lake: Lake) -> None:
        """Take what is finished, start what is due; called by the node after every batch."""
        self._take_care(node)
        self._take_rating(node, lake)
        now, care = time.monotonic(), node.care
        rolled = node.period_now() != care.period
        due = care.stale or care.plan_outdated() or rolled
        if self._making is None and due and (now >= self._next_making or rolled):
            view = frozen(lake)
            fresh = Care(view, node.catalogue, node.period_now())
            self._making = self._pool.submit(_made, fresh, care.standing.updated_ns)
            self._making_from = {(s.stream, s.partition): s for s in view.segments("records")}
        if self._rating is None and now >= self._next_rating and self._rating_due(node, lake):
            self._begin_rating(node, lake)

    def finish(self, node: LiveNode, lake: Lake) -> None:
        """Charges catch up with the records that were taken last, so that a lake at rest can be proven."""
        self._take_rating(node, lake, wait=True)
        if self._rating_due(node, lake):
            self._begin_rating(node, lake)
            self._take_rating(node, lake, wait=True)

    def _begin_rating(self, node: LiveNode, lake: Lake) -> None:
        self._rating_from = lake.state.version
        self._rating = self._pool.submit(_rated, frozen(lake), node.catalogue, node.period_now())

    def _rating_due(self, node: LiveNode, lake: Lake) -> bool:
        wanted = node.settings.rate_seconds > 0 and node.catalogue is not None
        return wanted and self._rated_version != lake.state.version and bool(lake.segments("accounts"))

    def _take_care(self, node: LiveNode) -> None:
        if self._making is None or not self._making.done():
            return
        (care, seconds), self._making = self._making.result(), None
        self._next_making = time.monotonic() + max(2.0, 4 * seconds)
        lake = node.care.lake
        care.lake = lake
        now = {(s.stream, s.partition): s for s in lake.segments("records")}
        changes = [
            Change(key[0], key[1], self._making_from.get(key), segment)
            for key, segment in sorted(now.items())
            if key not in self._making_from or self._making_from[key].sha256 != segment.sha256
        ]
        node.took_place(care, changes)

    def _take_rating(self, node: LiveNode, lake: Lake, wait: bool = False) -> None:
        if self._rating is None or not (wait or self._rating.done()):
            return
        future, self._rating = self._rating, None
        done, seconds = future.result()
        self._next_rating = time.monotonic() + max(
            node.settings.rate_seconds, seconds / node.settings.rate_share
        )
        whole = (
            self._rating_from == lake.state.version
        )  # else batches came meanwhile, which are to be rated yet
        if done.facts:
            lake.commit(
                {"stage": "rate", "period": done.name}, add=done.add, remove=done.remove, facts=done.facts
            )
            node.figures.rated += 1
            node.figures.hold(lake)
        self._rated_version = lake.state.version if whole else 0


def _made(care: Care, updated_ns: int) -> tuple[Care, float]:
    begun = time.perf_counter()
    care.rebuild(updated_ns)
    return care, time.perf_counter() - begun


def _rated(view: Lake, catalogue: Catalogue | None, period: Period) -> tuple[RatedPeriod, float]:
    begun = time.perf_counter()
    assert catalogue is not None
    try:
        done = rate_period(view, plan_of(view, catalogue, period))
    finally:
        view.con.close()
    return done, time.perf_counter() - begun


def _newest_ns(lake: Lake) -> int:
    found = [
        datetime.fromisoformat(f["received_at"]) for f in lake.facts(JOURNAL).values() if f["received_at"]
    ]
    return max((int(at.timestamp() * 1e6) * 1000 for at in found), default=0)


def _now_ns(clock: Clock) -> int:
    return int(clock.now().timestamp() * 1e6) * 1000


def month_of(at: datetime) -> Period:
    """The calendar month an instant lies in, UTC."""
    start = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return Period(start, (start + timedelta(days=32)).replace(day=1))
