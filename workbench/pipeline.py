"""THE MAIN PATH: deliveries to money, as a tuple of stages and one loop.

    land      files and their mappings become sorted, immutable segments; bad rows become rejects
    mediate   duplicates fall away, events become usage records, the proof is kept
    rate      records become charges, by the one formula
    settle    charges become invoices, partner statements and balanced postings; the period is closed

There is no mode. A simulation passes a simulated fleet's deliveries, a branch of the lake, a patched catalogue and a
replay clock; a live collector passes small deliveries for ever. Each stage ends in commits, reads from the lake what
is left to do, and so may be killed anywhere and run again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from workbench.billing import name_of, plan_of, rate_period, settle_period
from workbench.clock import Clock
from workbench.lake.lake import Lake
from workbench.mediation.delivery import Delivery, deliver
from workbench.mediation.mediate import mediate_stream
from workbench.mediation.policy import Policy
from workbench.mediation.stream import Stream
from workbench.model.offer import Catalogue
from workbench.model.plan import Period
from workbench.rating.spans import hold_spans
from workbench.settlement.adjust import AdjustResult
from workbench.settlement.holds import Hold


class Watch(Protocol):
    """Someone who is told how far the work is (a progress bar, a log, nobody)."""

    def begin(self, stage: str, total: int | None) -> None:
        """A stage starts; ``total`` is its number of rows where that is known."""
        ...

    def advance(self, rows: int) -> None:
        """So many more rows of the stage are done."""
        ...


class Unwatched:
    """Tells nobody."""

    def begin(self, stage: str, total: int | None) -> None:
        """Nothing happens."""

    def advance(self, rows: int) -> None:
        """Nothing happens."""


@dataclass(slots=True)
class Job:
    """What the stages work on.

    Attributes:
        lake: inside ``lake.writer()``.
        source: deliveries, in any order; the same file twice is one delivery.
        policy: grid, partitions, folds, horizons.
        catalogue: offers; None stops the job before rating.
        period: the billing period to rate and to close; None likewise.
        clock: says when the close happened; nothing else asks it.
        watch: told of progress.
        workers: partitions worked on at a time.
        run: noted in every commit (command, seed, code version).
        holds: lines that wait for a case and are not billed; None keeps what an earlier close held as it is.
    """

    lake: Lake
    source: Iterable[Delivery]
    policy: Policy
    catalogue: Catalogue | None
    period: Period | None
    clock: Clock
    watch: Watch = field(default_factory=Unwatched)
    workers: int = 2
    run: dict[str, str] = field(default_factory=dict)
    holds: Sequence[Hold] | None = None


@dataclass(slots=True)
class Outcome:
    """Wall seconds by stage, and what each stage counted."""

    wall_seconds: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, **numbers: int) -> None:
        """Add to the named counts."""
        for name, number in numbers.items():
            self.counts[name] = self.counts.get(name, 0) + number


Stage = Callable[[Job, Outcome], None]


def land(job: Job, outcome: Outcome) -> None:
    """Every delivery becomes landed segments and rejects, one commit each."""
    job.watch.begin("land", None)
    for delivery in job.source:
        done = deliver(job.lake, delivery, job.policy)
        accounts = done.account["streams"].values()
        rows = sum(account["rows"] for account in accounts)
        if done.skipped:
            outcome.count(deliveries_skipped=1)
        else:
            facts = {
                "delivery": {done.delivery_id: done.account},
                "stream": {name: stream.to_json() for name, stream in done.streams.items()},
            }
            job.lake.commit({**job.run, "stage": "land"}, add=done.segments, facts=facts)
            outcome.count(
                deliveries=1,
                delivered=rows,
                landed=sum(account["landed"] for account in accounts),
                rejects=sum(account["rejected"] for account in accounts),
            )
        job.watch.advance(rows)


def mediate(job: Job, outcome: Outcome) -> None:
    """Every stream's records are brought up to date with what has landed, one commit a stream."""
    streams = [Stream.from_json(data) for data in job.lake.facts("stream").values()]
    total = sum(
        segment.rows for stream in streams for segment in job.lake.segments("landed", stream=stream.name)
    )
    job.watch.begin("mediate", total)
    for stream in sorted(streams, key=lambda s: s.name):
        done = mediate_stream(job.lake, stream, workers=job.workers, progress=job.watch.advance)
        if done.add:
            job.lake.commit(
                {**job.run, "stage": "mediate", "stream": stream.name}, add=done.add, remove=done.remove
            )
        outcome.count(windows_mediated=done.windows, partitions_mediated=done.partitions)


def rate(job: Job, outcome: Outcome) -> None:
    """The period's records become charges, one commit; charges whose records and prices did not change are kept."""
    if job.catalogue is None or job.period is None:
        return
    plan = plan_of(job.lake, job.catalogue, job.period)
    if name_of(job.period) not in job.lake.facts("close"):  # what was closed is billed as it was
        taken = {(offer.offer_id, offer.version) for offer in plan.offers}
        hold_spans((o for o in job.catalogue.offers if (o.id, o.version) in taken), job.period)
    job.watch.begin("rate", sum(segment.rows for segment in job.lake.segments("records")))
    done = rate_period(job.lake, plan, job.watch.advance)
    if done.facts:
        job.lake.commit(
            {**job.run, "stage": "rate", "period": done.name},
            add=done.add,
            remove=done.remove,
            facts=done.facts,
        )
    outcome.count(charges=done.charges, uncharged=done.uncharged)


def settle(job: Job, outcome: Outcome) -> None:
    """The period is closed: invoices, statements and postings in one commit; later events become adjustments."""
    if job.catalogue is None or job.period is None:
        return
    job.watch.begin("settle", None)
    plan = plan_of(job.lake, job.catalogue, job.period)
    result = settle_period(job.lake, plan, job.clock.now(), holds=job.holds)
    outcome.count(documents=result.documents if isinstance(result, AdjustResult) else result.invoices)


STAGES: tuple[Stage, ...] = (land, mediate, rate, settle)


def run(stages: Sequence[Stage], job: Job) -> Outcome:
    """Run the stages in order on one job.

    Raises:
        WorkbenchError: a stage could not do its work; what was committed before stands, and running again goes on.
    """
    outcome = Outcome()
    for stage in stages:
        begun = time.perf_counter()
        stage(job, outcome)
        outcome.wall_seconds[stage.__name__] = time.perf_counter() - begun
    return outcome
