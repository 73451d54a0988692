"""What every check is given: the lake, how much to look at, and the few look-ups they share."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeVar

from workbench.lake import passing
from workbench.lake.engine import one
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.stream import Stream
from workbench.model.offer import Catalogue
from workbench.tariff import restore

T = TypeVar("T")
RERATED = "#rerated"
"""Ends the name of a closed period's second set of charges, which late events made (see ``billing.py``)."""


@dataclass
class Context:
    """A lake under verification.

    Attributes:
        lake: at the version to be proven.
        full: look at everything; else at ``sample`` devices and at accounts that hold about as many.
        sample: how many devices of each stream.
        seed: draws the sample; the same seed draws the same one.
        given_catalogue: the catalogue to rate by, instead of the one the lake remembers.
    """

    lake: Lake
    full: bool
    sample: int
    seed: int
    given_catalogue: Catalogue | None = None
    _drawn: dict[str, tuple[int, int]] = field(default_factory=dict)
    _made: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def streams(self) -> list[Stream]:
        """Every stream that ever landed, as the newest delivery left it."""
        return [Stream.from_json(data) for _, data in sorted(self.lake.facts("stream").items())]

    def catalogue(self, period: str) -> Catalogue | None:
        """The catalogue a period was rated by, as the lake remembers it; None when it does not."""
        if self.given_catalogue is not None:
            return self.given_catalogue
        sql = f"SELECT offer_id, version, sha256, text FROM {self.lake.scan('catalog', period=period)}"
        stored = self.rows(sql)
        return restore.catalogue(stored) if stored else None

    @cached_property
    def periods(self) -> list[str]:
        """Billing periods with lines."""
        return sorted({segment.period for segment in self.lake.segments("lines")})

    def unrated(self, period: str) -> set[str]:
        """Ids of records segments that an open period's charges do not know yet: a live lake between two ratings.

        A closed period waits for nothing: use that came late and is in no second set of charges is unbilled.
        """
        fact = self.lake.facts("rated").get(period)
        if fact is None or period.removesuffix(RERATED) in self.lake.facts("close"):
            return set()
        rated = set(fact["records"].split(","))
        span = self.span(period)
        return {
            segment.id
            for segment in self.lake.segments("records")
            if segment.id not in rated and touches(segment.partition, span)
        }

    def span(self, period: str) -> tuple[datetime, datetime]:
        """Where a period begins and ends, UTC: as its lines say; a period without lines says it in its name."""
        sql = f"SELECT min(period_start), max(period_end) FROM {self.lake.scan('lines', period=period)}"
        start, end = self.one(sql) or (None, None)
        if start is None or end is None:
            start, end = (_instant(part) for part in period.removesuffix(RERATED).split("/"))
        return start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """The entries this version stands on, oldest first: production's, and behind it the branch's own."""
        lake, upto = self.lake, self.lake.state.version
        entries = lake.history()
        if lake.branch_name:
            with Lake.open(lake.root.parent, lake.tenant) as production:
                own = {entry["version"] for entry in entries}
                entries = [
                    e for e in production.history() if e["version"] < min(own, default=upto + 1)
                ] + entries
        return [entry for entry in entries if entry["version"] <= upto]

    @cached_property
    def replaced(self) -> dict[str, Segment]:
        """Segments that later versions replaced, by id; their files are still there, but for those in ``let_go``."""
        every = (Segment.from_json(data) for entry in self.history for data in entry["add"])
        return {segment.id: segment for segment in every if segment.id not in self.lake.state.segments}

    @cached_property
    def let_go(self) -> set[str]:
        """Ids of replaced segments whose files a live node may have deleted since."""
        return passing.may_go(self.history, self.lake.state.segments) & set(self.replaced)

    def within(self, stream: str, column: str = "device_key") -> str:
        """SQL that keeps the devices of a stream to look at.

        A sample is one run of neighbouring keys: a key is a hash, so its neighbours are no neighbours in the street,
        and files that are sorted by key give up a run by reading a small part of themselves.
        """
        if self.full:
            return "true"
        if stream not in self._drawn:
            sql = f"SELECT DISTINCT device_key FROM {self.lake.scan('records', stream=stream)} ORDER BY 1"
            keys = [key for (key,) in self.rows(sql)] or [0]
            first = random.Random(f"{self.seed} {stream}").randrange(max(1, len(keys) - self.sample + 1))
            self._drawn[stream] = (keys[first], keys[min(first + self.sample, len(keys)) - 1])
        low, high = self._drawn[stream]
        return f"{column} BETWEEN {low} AND {high}"

    def name_of(self, device_key: int | None) -> str:
        """A device's own name."""
        if device_key is None:
            return ""
        sql = f"SELECT min(device_id) FROM {self.lake.scan('devices')} WHERE device_key = {int(device_key)}"
        found = self.one(sql)
        return str(found[0]) if found and found[0] is not None else f"with key {device_key}"

    def once(self, what: str, make: Callable[[], T]) -> T:
        """What ``make`` gives, made the first time it is asked for."""
        if what not in self._made:
            self._made[what] = make()
        made: T = self._made[what]
        return made

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self.cursor() as con:
            return con.execute(sql).fetchall()

    def one(self, sql: str) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        with self.cursor() as con:
            return one(con, sql)

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        """A cursor with temporary tables of its own."""
        con = self.lake.con.cursor()
        try:
            yield con
        finally:
            con.close()


def touches(partition: str, span: tuple[datetime, datetime]) -> bool:
    """Whether a partition (``2026-01``, ``2026-01-02`` or ``2026-01-02T03``) touches a span, UTC."""
    start, end = (f"{at:%Y-%m-%dT%H}"[: len(partition)] for at in span)
    return start <= partition <= end


def paths_text(segments: Iterable[Segment]) -> str:
    """The files a counter-example was found in, shortened."""
    paths = [segment.path for segment in segments]
    return ", ".join(paths[:2]) + (f" and {len(paths) - 2} more" if len(paths) > 2 else "")


def _instant(text: str) -> datetime:
    """A half of a period's name, as ``billing.name_of`` writes it."""
    return datetime.strptime(text, "%Y-%m-%dT%H%M%S" if "T" in text else "%Y-%m-%d").replace(tzinfo=UTC)
