"""Micro-batches: raw messages of a journal become landed rows, records and rejects in one commit of the lake.

The commit also holds how far the journal was read. So after a kill at any moment either all of a batch is there and it
is not read again, or nothing of it is and it is read again: every message counts once, whatever happened (I1, I7).
Nothing else is remembered: what exact deduplication needs to know are the landed rows and the records themselves.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from workbench.journal.message import RawMessage
from workbench.lake.engine import arrow
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation import deadletters, packs
from workbench.mediation.deadletters import ACCEPTED, REFUSED, Sighting
from workbench.mediation.delivery import Landed, land_stream, stream_of
from workbench.mediation.gateways import apart
from workbench.mediation.identity import resolved
from workbench.mediation.mapping import Mapping
from workbench.mediation.mediate import mediate_stream
from workbench.mediation.merging import LIVE, Merger
from workbench.mediation.messages import Staged, instant_of, normalise_messages, stage
from workbench.mediation.policy import Policy
from workbench.mediation.routes import Routes
from workbench.mediation.stream import Stream
from workbench.mediation.work import Mediated, cursor_of
from workbench.model.ids import short_hash

if TYPE_CHECKING:
    import duckdb

    from workbench.journal.reader import Batch

JOURNAL = "journal"
"""The lake's facts that say how far each journal was read: name -> {position, received_at}."""
REDRIVE = "redrive"
"""Stands for the journal of messages that come from the dead letters."""


@dataclass(slots=True)
class Taken:
    """What one batch became.

    Attributes:
        messages, landed, rejected, dead: counts; ``dead`` messages had at least one rejected row, or no route.
        reasons: rejected rows by reason.
        sources: messages by mapping source, with the newest receipt (ns) of each.
        streams: streams whose records changed.
        add, remove: what the commit changed, all kinds.
        received_ns: receipt of the oldest and the newest message.
        version: the lake's version that holds all this.
    """

    messages: int = 0
    landed: int = 0
    rejected: int = 0
    dead: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    sources: dict[str, tuple[int, int]] = field(default_factory=dict)
    streams: set[str] = field(default_factory=set)
    add: list[Segment] = field(default_factory=list)
    remove: list[Segment] = field(default_factory=list)
    received_ns: tuple[int, int] = (0, 0)
    version: int = 0


class Intake:
    """Takes batches into a lake that this process writes to.

    Args:
        lake: inside ``lake.writer()``.
        routes: which mapping reads which message.
        policy: grid, partitions, horizons.
        run: noted in every commit.
        merger: merges small segments beside; None leaves them as they are.
    """

    def __init__(
        self,
        lake: Lake,
        routes: Routes,
        policy: Policy,
        run: MappingType[str, str] | None = None,
        merger: Merger | None = None,
    ) -> None:
        self.lake, self.routes, self.policy = lake, routes, policy
        self.run, self.merger = {**(run or {}), "stage": "live"}, merger

    def position(self, journal: str) -> int | None:
        """Where a journal is to be read on, by what the lake holds; None when nothing of it is."""
        fact = self.lake.facts(JOURNAL).get(journal)
        return int(fact["position"]) if fact else None

    def take(self, batches: Sequence[Batch]) -> Taken:
        """Land, mediate and commit messages of one or several journals, together with the positions after them.

        Messages below a journal's position are passed over: a batch that is handed in twice counts once.
        """
        numbered: list[tuple[RawMessage, str, int]] = []
        positions: dict[str, dict[str, Any]] = {}
        for batch in batches:
            done = max(self.position(batch.journal) or 0, positions.get(batch.journal, {}).get("position", 0))
            for sequence, message in enumerate(batch.messages, batch.first):
                if sequence >= done:
                    numbered.append((message, batch.journal, sequence))
            last = instant_of(batch.messages[-1].received_at_ns).isoformat() if batch.messages else ""
            positions[batch.journal] = {"position": max(batch.end, done), "received_at": last}
        return self._take(numbered, {JOURNAL: positions})

    def redrive(self, ids: Sequence[str], at: datetime) -> Taken:
        """Take dead letters once more, with the times at which they first came; safe to do again."""
        waiting = {letter["letter_id"] for letter in deadletters.letters(self.lake, waiting=True)}
        known = deadletters.messages(self.lake, ids)
        chosen = [message for name, message in zip(ids, known, strict=True) if name in waiting]
        return self._take([(message, REDRIVE, 0) for message in chosen], {}, driven_at=at)

    def merge(self) -> Taken:
        """Commit what the merger has finished, when no batch came to do it along with."""
        return self._take([], {})

    def _take(
        self,
        numbered: Sequence[tuple[RawMessage, str, int]],
        facts: dict[str, dict[str, dict[str, Any]]],
        driven_at: datetime | None = None,
    ) -> Taken:
        lake, taken = self.lake, Taken(messages=len(numbered))
        add, remove = self.merger.finished(lake) if self.merger else ([], [])
        if not (numbered or add):
            return taken
        change = _Change(list(add), list(remove))
        sightings: list[Sighting] = []
        from_gateways = [item for item in numbered if item[0].content_type == packs.CONTENT_TYPE]
        if from_gateways:
            sightings += self._unpack(from_gateways, change, facts, taken)
        events = [item for item in numbered if item[0].content_type != packs.CONTENT_TYPE]
        for mapping, items in self._by_mapping(events):
            if mapping is None:
                sightings += [_refused(item, "no_route", item[0].topic[:200], driven_at) for item in items]
                continue
            # Each mapping sees what the one before it adds: a device that two of them hear of is registered once.
            with lake.as_if(change.add, change.remove), cursor_of(lake) as con:
                sightings += self._land(con, mapping, items, change, facts, taken, driven_at)
        self._mediate(change, taken)
        taken.dead = sum(seen.outcome == REFUSED for seen in sightings)
        origin = f"{numbered[0][1]}:{numbered[0][2]}:{lake.state.version}" if numbered else ""
        change.apply(deadletters.write(lake, sightings, origin), [])
        times = [item[0].received_at_ns for item in numbered]
        taken.received_ns = (min(times), max(times)) if times else (0, 0)
        lake.commit(self.run, add=change.add, remove=change.remove, facts=facts)
        taken.add, taken.remove, taken.version = change.add, change.remove, lake.state.version
        if self.merger:
            self.merger.consider(lake, taken)
        return taken

    def _unpack(
        self,
        items: Sequence[tuple[RawMessage, str, int]],
        change: _Change,
        facts: dict[str, dict[str, dict[str, Any]]],
        taken: Taken,
    ) -> list[Sighting]:
        """Packs of records that gateways made; answers those that were refused."""
        origin = f"{items[0][1]}:{items[0][2]}:{self.lake.state.version}"
        done = packs.unpack(self.lake, items, origin)
        change.apply(done.add, done.remove)
        for kind, named in done.facts.items():
            facts.setdefault(kind, {}).update(named)
        taken.landed += done.records
        taken.streams |= done.streams
        taken.rejected += len(done.refused)
        for sighting in done.refused:
            taken.reasons[sighting.reason] = taken.reasons.get(sighting.reason, 0) + 1
        return done.refused

    def _by_mapping(
        self, numbered: Sequence[tuple[RawMessage, str, int]]
    ) -> list[tuple[Mapping | None, list[tuple[RawMessage, str, int]]]]:
        """The messages of each mapping, and under None those that no route takes."""
        groups: dict[int, tuple[Mapping | None, list[tuple[RawMessage, str, int]]]] = {}
        for item in numbered:
            found = self.routes.mapping(item[0].source, item[0].topic)
            groups.setdefault(id(found), (found, []))[1].append(item)
        return list(groups.values())

    def _land(
        self,
        con: duckdb.DuckDBPyConnection,
        mapping: Mapping,
        items: Sequence[tuple[RawMessage, str, int]],
        change: _Change,
        facts: dict[str, dict[str, dict[str, Any]]],
        taken: Taken,
        driven_at: datetime | None,
    ) -> list[Sighting]:
        """Land the messages of one source; returns the ones that were refused, or driven again."""
        newest = instant_of(max(message.received_at_ns for message, _, _ in items))
        name = short_hash("live", mapping.source, newest.strftime("%Y-%m-%dT%H"))
        account = self._account(name, mapping, newest)
        staged = stage([message for message, _, _ in items], mapping, account["items"] + 1)
        account["items"] += len(staged.problems)
        account["messages"] += len(items)
        done = Landed(name)
        refused: dict[int, tuple[str, str]] = {}
        parts = normalise_messages(
            con, staged, mapping, received_at=newest, accept=self.policy.accept, delivery_id=name
        )
        for part in parts:
            part = resolved(self.lake, con, part)
            part = apart(self.lake, part, stream_of(part, self.policy))
            counts = land_stream(
                self.lake, con, part, self.policy, done,
                origin=f"{items[0][1]}:{items[0][2]}:{self.lake.state.version}", meta={LIVE: 0},
            )  # fmt: skip
            sums = account["streams"].setdefault(part.stream, dict.fromkeys(counts, 0))
            account["streams"][part.stream] = {key: sums[key] + number for key, number in counts.items()}
            taken.landed += counts["landed"]
            taken.rejected += counts["rejected"]
            if counts["rejected"]:
                _note_refused(con, part.rejects_sql, staged, refused, taken)
        facts.setdefault("delivery", {})[name] = account
        known = self.lake.facts("stream")
        streams = {name: stream.stored for name, stream in done.streams.items()}
        changed = {
            n: s.to_json() for n, s in streams.items() if n not in known or Stream.from_json(known[n]) != s
        }
        if changed:
            facts.setdefault("stream", {}).update(changed)
        count, _ = taken.sources.get(mapping.source, (0, 0))
        taken.sources[mapping.source] = (
            count + len(items),
            max(message.received_at_ns for message, _, _ in items),
        )
        change.apply(done.segments, [])
        change.streams |= streams
        found = [_refused(items[place], *why, driven_at) for place, why in sorted(refused.items())]
        if driven_at is not None:
            found += [
                Sighting(message, ACCEPTED, "", "", driven_at, journal, sequence)
                for place, (message, journal, sequence) in enumerate(items)
                if place not in refused
            ]
        return found

    def _account(self, name: str, mapping: Mapping, at: datetime) -> dict[str, Any]:
        """The line of account of a source's hour, as far as it goes."""
        known = self.lake.facts("delivery").get(name)
        if known:
            return {**known, "received_at": at.isoformat(), "streams": dict(known["streams"])}
        return {
            "source": mapping.source, "file": "", "live": True, "hour": f"{at:%Y-%m-%dT%H}",
            "received_at": at.isoformat(), "mapping_sha256": mapping.sha256, "messages": 0, "items": 0, "streams": {},
        }  # fmt: skip

    def _mediate(self, change: _Change, taken: Taken) -> None:
        """Bring the records of the streams that were landed up to date."""
        for name, stream in sorted(change.streams.items()):
            with self.lake.as_if(change.add, change.remove):
                done: Mediated = mediate_stream(self.lake, stream, workers=1)
            if done.add:
                taken.streams.add(name)
                change.apply(done.add, done.remove)


@dataclass(slots=True)
class _Change:
    """Segments a commit will add and remove, while it is being put together."""

    add: list[Segment]
    remove: list[Segment]
    streams: dict[str, Stream] = field(default_factory=dict)

    def apply(self, add: Sequence[Segment], remove: Sequence[Segment]) -> None:
        """Add a step's outcome; what an earlier step added and this one replaces never was."""
        gone = {segment.id for segment in remove}
        self.add = [segment for segment in self.add if segment.id not in gone] + list(add)
        self.remove += list(remove)


def _refused(
    item: tuple[RawMessage, str, int], reason: str, detail: str, driven_at: datetime | None
) -> Sighting:
    message, journal, sequence = item
    at = driven_at or instant_of(message.received_at_ns)
    return Sighting(message, REFUSED, reason, detail, at.replace(tzinfo=None), journal, sequence)


def _note_refused(
    con: duckdb.DuckDBPyConnection,
    rejects_sql: str,
    staged: Staged,
    refused: dict[int, tuple[str, str]],
    taken: Taken,
) -> None:
    """Which messages had rejected rows, with the first reason of each."""
    rows = arrow(con, f"SELECT item_no, reason, detail FROM ({rejects_sql}) ORDER BY item_no").to_pylist()
    for row in rows:
        taken.reasons[row["reason"]] = taken.reasons.get(row["reason"], 0) + 1
        if row["item_no"]:
            refused.setdefault(staged.message_of(row["item_no"]), (row["reason"], row["detail"] or ""))
