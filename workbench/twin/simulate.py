"""``simulate``: production and every scenario on the same traffic, on a branch, by the production path.

    open a branch at the lake's version -> reopen the period -> for each traffic: parties, plans, records ->
    rate production once -> rate each candidate -> take the difference apart

Nothing is mediated again: records are reused, and where prices allow it they are folded first (``depth="total"``), so
that twenty scenarios cost little more than one. A scenario that cannot be tried says why; the others go on.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import pyarrow as pa

from workbench.billing import name_of, plan_of, records_within
from workbench.errors import ScenarioError, UsageError, WorkbenchError
from workbench.lake.lake import Lake
from workbench.lake.open import OpenLake
from workbench.lake.segment import Segment
from workbench.model.money import NANO
from workbench.model.offer import Catalogue
from workbench.model.plan import Period
from workbench.pipeline import Unwatched, Watch
from workbench.tariff.catalogue import load as load_catalogue
from workbench.tariff.plan import Plan
from workbench.twin import effects, past, stage
from workbench.twin.partners import partner_shares
from workbench.twin.patch import as_if_in_force, candidate
from workbench.twin.replay import OF_PERIOD, World, replay
from workbench.twin.scenario import Scenario
from workbench.twin.scenario_file import load as load_scenarios
from workbench.twin.simulation import Cell, Change, Simulation

DEPTHS = ("auto", "record", "total")
RECORDS_MAX = 3_000_000
"""``auto`` replays every record up to so many, and folds them beyond."""

PPM = 1_000_000


def simulate(
    lake: Lake | OpenLake | str | Path,
    scenarios: Scenario | str | Path | Iterable[Scenario | str | Path],
    *,
    catalogue: Catalogue | str | Path | None = None,
    period: str = "",
    depth: str = "auto",
    tenant: str = "main",
    threads: int = 2,
    keep: str = "",
    watch: Watch | None = None,
) -> Simulation:
    """Try scenarios on the traffic of a lake.

    Args:
        lake: an opened lake, or its folder. The version it shows is what is looked at, whatever is written meanwhile.
        scenarios: scenarios, or paths of scenario files; a file with a grid is one scenario per combination.
        catalogue: production's prices; left out: those the period was rated by, as the lake remembers them.
        period: as the lake names it (``2026-03-01/2026-04-01``); left out: the newest rated one.
        depth: ``record`` rates every record; ``total`` folds records between instants at which prices change: the same
            exact amounts per account and rule, in a fraction of the time; ``auto`` chooses by size.
        keep: leave the branch in the lake under this name.

    Returns: the simulation; it holds the branch until it is closed.

    Raises:
        ScenarioError, UsageError, LakeError: nothing could be tried at all.
    """
    if depth not in DEPTHS:
        raise UsageError(
            f"There is no depth {depth!r}.", cure=f"Choose from {', '.join(DEPTHS)}.", code="twin_depth"
        )
    asked = list(_all(scenarios))
    if not asked:
        raise ScenarioError("There is no scenario to try.", cure="Pass at least one.", code="scenario_none")
    root, tenant, version = _place(lake, tenant)
    with Lake.open(root, tenant, version=version) as base:
        seen = past.look(base, period or next((s.period for s in asked if s.period), ""), catalogue)
        name = keep or stage.branch_name()
        base.branch(name).close()
    branch = Lake.open(root, tenant, branch=name, threads=threads)
    run = _Run(branch, seen, depth, watch or Unwatched())
    try:
        with branch.writer():
            run.all(asked)
    except BaseException:
        _drop(branch, root, tenant, keep="")
        raise
    return Simulation(
        branch, seen.period, seen.version, run.depth, run.cells, _dropper(branch, root, tenant, keep), run.notes,
        run.seconds,
    )  # fmt: skip


def _all(given: object) -> Iterable[Scenario]:
    if isinstance(given, Scenario):
        yield given
    elif isinstance(given, str | Path):
        yield from load_scenarios(given)
    elif isinstance(given, Iterable):
        for item in given:
            yield from _all(item)
    else:
        raise UsageError(
            f"{str(given)[:40]!r} is no scenario.", cure="Pass a Scenario or the path of a file."
        )


def _place(lake: Lake | OpenLake | str | Path, tenant: str) -> tuple[Path, str, int | None]:
    inner = lake.inner if isinstance(lake, OpenLake) else lake
    if isinstance(inner, Lake):
        return inner.root.parent, inner.tenant, inner.state.version
    return Path(inner), tenant, None


def _dropper(branch: Lake, root: Path, tenant: str, keep: str) -> Callable[[], None]:
    return lambda: _drop(branch, root, tenant, keep)


def _drop(branch: Lake, root: Path, tenant: str, keep: str) -> None:
    name = branch.branch_name
    branch.close()
    if not keep:
        with Lake.open(root, tenant) as lake:
            lake.drop_branch(name)


@dataclass
class _Run:
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
        self.rated = lake.facts("rated").get(name)
        self.charged = {kind: tuple(lake.segments(kind, period=name)) for kind in OF_PERIOD}
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
            production = plan_of(self.lake, self.seen.catalogue, self.seen.period)
            plans = [self._planned(scenario) for scenario in scenarios]
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
            return World(plan, self.lake.state.version, self.charged)
        return replay(self.lake, self.seen.catalogue, self.seen.period, plan)

    def _planned(self, scenario: Scenario) -> _Planned | WorkbenchError:
        """The candidate compiled for the parties on the branch that it concerns."""
        try:
            wanted = _candidate(self.seen.catalogue, scenario, self.seen.period)
            offers = _changed(self.seen.catalogue, wanted, scenario)
            held = self.lake.segments("subscriptions")
            stage.move(self.lake, scenario.moves, offers)
            try:
                return _Planned(plan_of(self.lake, wanted, self.seen.period), offers)
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
                self._revenue(dataclasses.replace(pair, reacted=reacted[name])) for name in ("low", "high")
            )
            pair = dataclasses.replace(pair, reacted=reacted["mid"])
        table = self._table(pair)
        totals, costs = (self._totals(table, pair, side) for side in ("sell", "buy"))
        return Cell(
            scenario, None, pair, table, self._changes(table, pair), totals, costs,
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
        table = self._table(pair)
        where = pair.taking.replace("offer_id", "offer").replace("account_id IN", "account IN")
        found = [c for c in self._changes(table, pair, where) if c.before > 0]
        self.lake.con.execute(f"DROP TABLE {table}")
        return found

    def _reacted(
        self, elasticity: Fraction, bills: Sequence[Change], planned: _Planned, shared: _Shared
    ) -> World:
        """The candidate at the use that answers to the bills it makes."""
        more = _by_device(planned.plan, {bill.account: _answer(elasticity, bill) for bill in bills})
        records = stage.lay_records(
            self.lake, shared.crowd, self.records, self.seen.period, [shared.before.plan, planned.plan],
            fold=self.depth == "total", more=more,
        )  # fmt: skip
        return self._replayed(planned, records)

    def _movers(self, scenario: Scenario, pair: effects.Pair) -> str:
        """A table of the accounts that take the candidate."""
        if scenario.migration == "opt_in":
            changes = self._changes(self._table(pair), pair)
            names = [change.account for change in changes if change.delta < 0]
        else:
            since = self.seen.period.start.replace(tzinfo=None)
            rows = self.lake.con.execute(
                f"SELECT account_id FROM {self.lake.scan('subscriptions')} GROUP BY 1 "
                f"HAVING min(starts_at) >= TIMESTAMP '{since}' OR account_id LIKE '%~new%' ORDER BY 1"
            ).fetchall()
            names = [account for (account,) in rows]
        return self._kept(pa.table({"account_id": pa.array(names, pa.string())}))

    # -- reading ---------------------------------------------------------------------------------------------

    def _kept(self, table: pa.Table) -> str:
        name = f"twin_kept_{next(_NUMBERS)}"
        self.lake.con.register("twin_in", table)
        self.lake.con.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM twin_in")
        self.lake.con.unregister("twin_in")
        return name

    def _names(self, table: str) -> set[str]:
        return {name for (name,) in self.lake.con.execute(f"SELECT account_id FROM {table}").fetchall()}

    def _table(self, pair: effects.Pair) -> str:
        """A pair's contributions by rule, account and device as a table."""
        name = f"twin_delta_{next(_NUMBERS)}"
        by = ("side", "effect", "offer", "rule", "kind", "account", "device_key")
        self.lake.con.execute(
            f"CREATE TEMP TABLE {name} AS FROM {effects.contributions(self.lake, pair, by)}"
        )
        return name

    def _changes(self, table: str, pair: effects.Pair, where: str = "") -> tuple[Change, ...]:
        over = pair.denominators
        chosen = f"side = 'sell' AND {where}" if where else "side = 'sell'"
        rows = self.lake.con.execute(
            "SELECT t.account, any_value(a.name), t.currency, t.b, t.a FROM (SELECT account, currency, "
            f"sum(before)::HUGEINT AS b, sum(after)::HUGEINT AS a FROM {table} WHERE {chosen} GROUP BY ALL) t "
            f"LEFT JOIN {self.lake.scan('accounts')} a ON a.account_id = t.account GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        found = [
            Change(
                account, name or account, currency, *(Fraction(int(x), over[currency] * NANO) for x in (b, a))
            )
            for account, name, currency, b, a in rows
        ]
        return tuple(sorted(found, key=lambda change: (-change.delta, change.account)))

    def _totals(self, table: str, pair: effects.Pair, side: str) -> dict[str, tuple[Fraction, Fraction]]:
        over = pair.denominators
        rows = self.lake.con.execute(
            f"SELECT currency, sum(before)::HUGEINT, sum(after)::HUGEINT FROM {table} WHERE side = '{side}' "
            "GROUP BY 1 ORDER BY 1"
        ).fetchall()
        found = {}
        for currency, *sums in rows:
            before, after = (effects.check_range(int(amount), currency) for amount in sums)
            found[currency] = (
                Fraction(before, over[currency] * NANO),
                Fraction(after, over[currency] * NANO),
            )
        return found

    def _revenue(self, pair: effects.Pair) -> dict[str, Fraction]:
        table = self._table(pair)
        found = {currency: after for currency, (_, after) in self._totals(table, pair, "sell").items()}
        self.lake.con.execute(f"DROP TABLE {table}")
        return found

    def _took(self, step: str, begun: float) -> None:
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - begun


_NUMBERS = iter(range(1, 10**9))


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


def _candidate(production: Catalogue, scenario: Scenario, period: Period) -> Catalogue:
    wanted = production
    if scenario.catalogue is not None:
        given = scenario.catalogue
        proposed = given if isinstance(given, Catalogue) else load_catalogue(given)
        wanted = as_if_in_force(proposed, production, period)
    known = {offer.id for offer in wanted.offers}
    for offer_id in (name for pair in scenario.moves for name in pair):
        if offer_id not in known:
            raise ScenarioError(
                f"The scenario names the offer '{offer_id}', which the catalogue does not have.",
                where=f"scenario {scenario.name}", cure=f"It has: {', '.join(sorted(known))[:200]}.", code="offer_unknown",
            )  # fmt: skip
    return candidate(wanted, scenario.patches, period)


def _changed(production: Catalogue, wanted: Catalogue, scenario: Scenario) -> tuple[str, ...] | None:
    """Ids of the offers that differ; None when nothing does, so that production is replayed on itself, whole."""
    ids = sorted({offer.id for offer in (*production.offers, *wanted.offers)})
    differ = {name for name in ids if production.versions(name) != wanted.versions(name)}
    differ |= {name for pair in scenario.moves for name in pair}
    return tuple(sorted(differ)) or None


def _answer(elasticity: Fraction, change: Change) -> Fraction:
    """The factor on an account's use, in millionths, never below zero."""
    exact = 1 + elasticity * change.delta / change.before
    return Fraction(max(0, int(exact * PPM // 1)), PPM)


def _by_device(plan: Plan, factors: dict[str, Fraction]) -> pa.Table:
    """Factors by account as factors by device; a device that changes hands keeps the first account's."""
    accounts = {row["account_no"]: row["account_id"] for row in plan.tables["accounts"].to_pylist()}
    rows = plan.tables["assignments"].select(["device_key", "account_no"])
    chosen: dict[int, Fraction] = {}
    for key, number in zip(rows["device_key"].to_pylist(), rows["account_no"].to_pylist(), strict=True):
        factor = factors.get(accounts[number])
        if factor is not None and factor != 1:
            chosen.setdefault(key, factor)
    return pa.table(
        {
            "device_key": pa.array(list(chosen), pa.int64()),
            "numerator": pa.array([f.numerator for f in chosen.values()], pa.int64()),
            "denominator": pa.array([f.denominator for f in chosen.values()], pa.int64()),
        }
    )
