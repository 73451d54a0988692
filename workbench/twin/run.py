"""The work of one simulation: scenarios grouped by traffic, production rated once a traffic, each candidate after it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import pyarrow as pa

from workbench.billing import name_of, plan_of, records_within
from workbench.errors import ScenarioError, WorkbenchError
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.work import cursor_of
from workbench.pipeline import Watch
from workbench.tariff.desk import Desk
from workbench.tariff.plan import Plan
from workbench.twin import candidates, effects, past, reading, stage
from workbench.twin.cell import Cell, Change
from workbench.twin.partners import partner_shares
from workbench.twin.reaction import answer, by_device
from workbench.twin.replay import OF_PERIOD, World, replay
from workbench.twin.scenario import Scenario

RECORDS_MAX = 3_000_000
"""``auto`` replays every record up to so many, and folds them beyond."""


_Moved = dict[tuple[object, tuple[str, ...] | None], list[Segment]]
"""Subscriptions' segments by what was asked of them: moves, offers that are looked at."""


@dataclass
class Run:
    """The work of one simulation, inside the branch's writer."""

    lake: Lake
    seen: past.Past
    depth: str
    watch: Watch
    cells: list[Cell] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def all(self, asked: Sequence[Scenario]) -> None:
        """Every scenario, grouped by traffic, its cell in the place it was asked for."""
        lake = self.lake
        name = name_of(self.seen.period)
        last = past.charged_as(lake, self.seen.period)
        self.rated = lake.facts("rated").get(last)
        self.charged = {kind: tuple(lake.segments(kind, period=last)) for kind in OF_PERIOD}
        stage.reopen(lake, name)
        self.parties = [s for kind in stage.PARTY_KINDS for s in lake.segments(kind)]
        self.records = records_within(lake, self.seen.period)
        total = sum(segment.rows for segment in self.records)
        if self.depth == "auto":
            self.depth = "record" if total <= RECORDS_MAX else "total"
        found: dict[int, Cell] = {}
        groups: dict[object, list[int]] = {}
        names: set[str] = set()
        for place, scenario in enumerate(asked):
            error = self._refused(scenario, names)
            if error is not None:
                found[place] = Cell(scenario, error.as_dict())
            else:
                groups.setdefault(scenario.traffic, []).append(place)
            names.add(scenario.name)
        self.watch.begin("replay", len(asked))
        for places in groups.values():
            for place, cell in zip(places, self._group([asked[p] for p in places]), strict=True):
                found[place] = cell
        self.cells = [found[place] for place in range(len(asked))]

    def _refused(self, scenario: Scenario, names: set[str]) -> ScenarioError | None:
        if scenario.name in names:
            return ScenarioError(
                f"Two scenarios are called {scenario.name!r}; this is the second.",
                where=f"scenario {scenario.name}", cure="Rename one of them.", code="scenario_twice",
            )  # fmt: skip
        if scenario.period and scenario.period != name_of(self.seen.period):
            return ScenarioError(
                f"The scenario looks at {scenario.period}, the run at {name_of(self.seen.period)}.",
                where=f"scenario {scenario.name}", cure="Try one period at a time.", code="scenario_period",
            )  # fmt: skip
        return None

    # -- one traffic -----------------------------------------------------------------------------------------

    def _group(self, scenarios: Sequence[Scenario]) -> list[Cell]:
        """Scenarios that share their traffic."""
        try:
            begun = time.perf_counter()
            crowd = stage.populate(self.lake, scenarios[0], self.parties)
            with cursor_of(self.lake) as con, Desk(con) as desk:
                production = plan_of(self.lake, self.seen.catalogue, self.seen.period, desk=desk)
                moved: _Moved = {}
                plans = [self._planned(scenario, desk, moved) for scenario in scenarios]
            self._took("plan", begun)
            begun = time.perf_counter()
            good = [planned.plan for planned in plans if isinstance(planned, _Planned)]
            records = stage.lay_records(
                self.lake,
                crowd,
                self.records,
                self.seen.period,
                [production, *good],
                fold=self.depth == "total",
            )
            stage.use_records(self.lake, records)
            if not sum(segment.rows for segment in records):
                raise ScenarioError(
                    "The scenario's traffic is empty: the period has no record.", where=name_of(self.seen.period),
                    cure="Choose a period with usage.", code="traffic_empty",
                )  # fmt: skip
            self._took("records", begun)
            begun = time.perf_counter()
            before = self._production(production, records)
            self._took("production", begun)
        except WorkbenchError as error:
            self.watch.advance(len(scenarios))
            return [Cell(scenario, error.as_dict()) for scenario in scenarios]
        shared = _Shared(crowd, records, before)
        return [self._cell(scenario, plan, shared) for scenario, plan in zip(scenarios, plans, strict=True)]

    def _production(self, plan: Plan, records: Sequence[Segment]) -> World:
        """Production on this traffic: its own charges where they were made from this very traffic, else a replay."""
        made_from = {"plan": plan.sha256, "records": ",".join(sorted(segment.id for segment in records))}
        if made_from == self.rated:
            return World(plan, self.lake.state.version, tuple(records), self.charged)
        return replay(self.lake, self.seen.catalogue, self.seen.period, plan)

    def _planned(self, scenario: Scenario, desk: Desk, moved: _Moved) -> _Planned | WorkbenchError:
        """The candidate compiled for the parties on the branch that it concerns.

        Args:
            moved: the subscriptions of candidates before this one, which often are the same.
        """
        try:
            wanted = candidates.wanted(self.seen.catalogue, scenario, self.seen.period)
            offers = candidates.changed(self.seen.catalogue, wanted, scenario)
            held = self.lake.segments("subscriptions")
            key = (scenario.moves, offers)
            stage.put_back(self.lake, "subscriptions", moved.get(key, held))
            try:
                if key not in moved:
                    stage.move(self.lake, scenario.moves, offers)
                    moved[key] = self.lake.segments("subscriptions")
                return _Planned(plan_of(self.lake, wanted, self.seen.period, desk=desk), offers)
            finally:
                stage.put_back(self.lake, "subscriptions", held)
        except WorkbenchError as error:
            return error

    def _cell(self, scenario: Scenario, planned: _Planned | WorkbenchError, shared: _Shared) -> Cell:
        begun = time.perf_counter()
        try:
            if isinstance(planned, WorkbenchError):
                raise planned
            return dataclasses.replace(
                self._tried(scenario, planned, shared), wall_seconds=time.perf_counter() - begun
            )
        except WorkbenchError as error:
            return Cell(scenario, error.as_dict())
        finally:
            self.watch.advance(1)
            self._took("candidates", begun)

    def _tried(self, scenario: Scenario, planned: _Planned, shared: _Shared) -> Cell:
        after = self._replayed(planned, shared.records)
        pair = effects.Pair(shared.before, after, offers=planned.offers)
        if scenario.migration != "everyone":
            pair = dataclasses.replace(pair, movers=self._movers(scenario, pair))
        low: dict[str, Fraction] = {}
        high: dict[str, Fraction] = {}
        if scenario.reaction is not None:
            factors = self._bills(pair)
            reacted = {
                name: self._reacted(getattr(scenario.reaction, name), factors, planned, shared)
                for name in ("low", "high", "mid")
            }
            low, high = (
                reading.revenue(self.lake, dataclasses.replace(pair, reacted=reacted[name]))
                for name in ("low", "high")
            )
            pair = dataclasses.replace(pair, reacted=reacted["mid"])
        table = reading.table(self.lake, pair)
        totals, costs = (reading.totals(self.lake, table, pair, side) for side in ("sell", "buy"))
        return Cell(
            scenario, None, pair, table, reading.changes(self.lake, table, pair), totals, costs,
            partner_shares(self.lake, pair), low, high,
            devices=shared.crowd.devices, records=sum(segment.rows for segment in shared.records),
        )  # fmt: skip

    def _replayed(self, planned: _Planned, records: Sequence[Segment]) -> World:
        """The candidate on the streams that it prices."""
        streams = planned.plan.streams
        stage.use_records(self.lake, [s for s in records if planned.offers is None or s.stream in streams])
        return replay(self.lake, planned.plan.catalogue, self.seen.period, planned.plan)

    def _bills(self, pair: effects.Pair) -> list[Change]:
        """What those who take the candidate pay under the offers it changes, before and after."""
        table = reading.table(self.lake, pair)
        where = pair.taking("offer", "account")
        found = [c for c in reading.changes(self.lake, table, pair, where) if c.before > 0]
        self.lake.con.execute(f"DROP TABLE {table}")
        return found

    def _reacted(
        self, elasticity: Fraction, bills: Sequence[Change], planned: _Planned, shared: _Shared
    ) -> World:
        """The candidate at the use that answers to the bills it makes."""
        more = by_device(planned.plan, {bill.account: answer(elasticity, bill) for bill in bills})
        records = stage.lay_records(
            self.lake, shared.crowd, self.records, self.seen.period, [shared.before.plan, planned.plan],
            fold=self.depth == "total", more=more,
        )  # fmt: skip
        return self._replayed(planned, records)

    def _movers(self, scenario: Scenario, pair: effects.Pair) -> str:
        """A table of the accounts that take the candidate."""
        if scenario.migration == "opt_in":
            changes = reading.changes(self.lake, reading.table(self.lake, pair), pair)
            names = [change.account for change in changes if change.delta < 0]
        else:
            since = self.seen.period.start.replace(tzinfo=None)
            rows = self.lake.con.execute(
                f"SELECT account_id FROM {self.lake.scan('subscriptions')} GROUP BY 1 "
                f"HAVING min(starts_at) >= TIMESTAMP '{since}' OR account_id LIKE '%~new%' ORDER BY 1"
            ).fetchall()
            names = [account for (account,) in rows]
        return reading.keep(self.lake, pa.table({"account_id": pa.array(names, pa.string())}))

    def _took(self, step: str, begun: float) -> None:
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - begun


@dataclass(frozen=True, slots=True)
class _Planned:
    """A candidate, compiled. ``offers``: the ids it changes, which alone it was compiled for; None: every offer."""

    plan: Plan
    offers: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class _Shared:
    """What scenarios of one traffic have in common."""

    crowd: stage.Crowd
    records: list[Segment]
    before: World
