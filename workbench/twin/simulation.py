"""A simulation and what it found: ``compare``, ``movers``, ``waterfall``, ``contributions``, each exact.

Money is a ``Decimal`` of the currency's main unit where it has a finite decimal form, else a ``Fraction``: never a float.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import pandas as pd

from workbench.errors import UsageError
from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.mediation.yamltree import did_you_mean
from workbench.model.ids import device_key
from workbench.model.money import NANO, round_half_away
from workbench.model.plan import Period
from workbench.tariff.tables import naive
from workbench.twin import effects, reading, traces
from workbench.twin.cell import Cell, Change, money
from workbench.twin.traces import Traced


class Simulation:
    """What a run found. It holds a branch of the lake until ``close`` (or until nothing refers to it any more).

    Attributes:
        cells: one per scenario, in order.
        period: what was looked at. version: of the lake the traffic came from. depth: ``record`` or ``total``.
        notes: sentences worth reading (another version since, streams that could not be folded ...).
        wall_seconds: by step.
    """

    def __init__(
        self,
        lake: Lake,
        period: Period,
        version: int,
        depth: str,
        cells: Sequence[Cell],
        drop: Callable[[], None],
        notes: Sequence[str] = (),
        wall_seconds: Mapping[str, float] | None = None,
    ) -> None:
        self.lake, self.period, self.version, self.depth = lake, period, version, depth
        self.cells, self.notes = tuple(cells), tuple(notes)
        self.wall_seconds = dict(wall_seconds or {})
        self._by_device: dict[str, str] = {}
        self._finalizer = weakref.finalize(self, drop)

    def close(self) -> None:
        """Let go of the branch; what was read stays readable, contributions do not."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    # -- looking up ------------------------------------------------------------------------------------------

    def cell(self, scenario: str | None = None) -> Cell:
        """A scenario's cell by name; the only (or first good) one when left out.

        Raises:
            UsageError: there is none of that name, or it failed (its own sentence says why).
        """
        found = next((c for c in self.cells if c.name == scenario), None) if scenario else self._first()
        if found is None:
            cure = did_you_mean(scenario or "", [c.name for c in self.cells], "It has")
            raise UsageError(
                f"The simulation has no scenario {scenario!r}.", cure=cure, code="scenario_unknown"
            )
        if found.error:
            raise UsageError(
                found.error["what"], where=found.name, cure=found.error["cure"], code=found.error["code"]
            )
        return found

    def _first(self) -> Cell | None:
        return next((c for c in self.cells if not c.error), self.cells[0] if self.cells else None)

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells)

    # -- tables ----------------------------------------------------------------------------------------------

    def compare(self) -> pd.DataFrame:
        """One row per scenario and currency: revenue before and after, the difference, who wins and who loses."""
        table = pd.DataFrame([row for cell in self.cells for row in _compared(cell)])
        counts = [name for name in ("up", "down", "same") if name in table]
        return table.astype(dict.fromkeys(counts, "Int64"))

    def movers(self, scenario: str | None = None, n: int = 10) -> pd.DataFrame:
        """The ``n`` accounts whose bills move most, either way: account, name, before, after, delta, percent."""
        changes = sorted(self.cell(scenario).changes, key=lambda c: (-abs(c.delta), c.account))[:n]
        return pd.DataFrame([_change_row(change) for change in changes], columns=_CHANGE)

    def losers(self, scenario: str | None = None, n: int = 10) -> pd.DataFrame:
        """The ``n`` accounts whose bills rise most."""
        rising = [c for c in self.cell(scenario).changes if c.delta > 0]
        return pd.DataFrame([_change_row(c) for c in rising[:n]], columns=_CHANGE)

    def winners(self, scenario: str | None = None, n: int = 10) -> pd.DataFrame:
        """The ``n`` accounts whose bills fall most."""
        falling = [c for c in reversed(self.cell(scenario).changes) if c.delta < 0]
        return pd.DataFrame([_change_row(c) for c in falling[:n]], columns=_CHANGE)

    def churn_risk(self, scenario: str | None = None, percent: int | Fraction = 10) -> pd.DataFrame:
        """Accounts whose bills rise by more than ``percent`` %, the steepest rise first."""
        at_risk = [c for c in self.cell(scenario).changes if c.percent is not None and c.percent > percent]
        at_risk.sort(key=lambda c: (-(c.percent or 0), -c.delta, c.account))
        return pd.DataFrame([_change_row(c) for c in at_risk], columns=_CHANGE)

    def waterfall(self, scenario: str | None = None) -> pd.DataFrame:
        """From production's revenue to the candidate's, rule by rule: step, currency, delta, running total."""
        cell = self.cell(scenario)
        rows: list[dict[str, Any]] = []
        for currency, (before, after) in cell.totals.items():
            rows.append(
                {"step": "production", "currency": currency, "delta": money(before), "total": money(before)}
            )
            running = before
            where = f"currency = {quote(currency)} AND side = 'sell'"
            for effect, rule, delta in self.sums(cell, ("effect", "rule"), where):
                running += delta
                step = rule if effect == "price" else f"{rule} ({effect})"
                if delta:
                    rows.append(
                        {"step": step, "currency": currency, "delta": money(delta), "total": money(running)}
                    )
            rows.append(
                {
                    "step": "candidate",
                    "currency": currency,
                    "delta": money(after - before),
                    "total": money(after),
                }
            )
        return pd.DataFrame(rows, columns=["step", "currency", "delta", "total"])

    def contributions(
        self,
        scenario: str | None = None,
        by: Sequence[str] = ("rule", "account"),
        *,
        account: str = "",
        device: str = "",
        rule: str = "",
        limit: int | None = 100_000,
    ) -> pd.DataFrame:
        """The difference split by any of rule, account, device, window_start, effect, kind, offer, side.

        Args:
            account, device, rule: look at these alone (a device by its id).
            limit: at most so many rows, the largest first; None for all.
        """
        cell = self.cell(scenario)
        keys = _keys(by)
        wheres = [
            f"{name} = {quote(value)}" for name, value in (("account", account), ("rule", rule)) if value
        ]
        if device:
            wheres.append(f"device_key = {self._device_key(device)}")
        rows = self._rows(cell, keys, " AND ".join(wheres), limit)
        names = ["currency", *by, "units_before", "units_after", "before", "after", "delta"]
        return pd.DataFrame(rows, columns=names)

    def shares(self, scenario: str | None = None) -> pd.DataFrame:
        """What each partner is owed, before and after, exact."""
        found = self.cell(scenario).shares
        zero = Fraction(0)
        rows = []
        for partner, currency in sorted({(partner, currency) for _, partner, currency in found}):
            before, after = (found.get((world, partner, currency), zero) for world in ("before", "after"))
            rows.append(
                {"partner": partner, "currency": currency, "before": money(before), "after": money(after),
                 "delta": money(after - before)}
            )  # fmt: skip
        return pd.DataFrame(rows, columns=["partner", "currency", "before", "after", "delta"])

    def trace(
        self,
        scenario: str | None = None,
        *,
        account: str = "",
        rule: str = "",
        device: str = "",
        window: datetime | None = None,
    ) -> Traced:
        """The largest contribution that fits, opened to its two traces side by side.

        Raises:
            UsageError: ``trace_missing``: nothing fits.
        """
        cell = self.cell(scenario)
        wheres = [
            f"{name} = {quote(value)}" for name, value in (("account", account), ("rule", rule)) if value
        ]
        if device:
            wheres.append(f"device_key = {self._device_key(device)}")
        largest = self.lake.con.execute(
            f"SELECT account, rule, device_key FROM {self._table(cell, devices=True)} WHERE side = 'sell'"
            + "".join(f" AND {each}" for each in wheres)
            + " GROUP BY ALL ORDER BY abs(sum(delta)) DESC, sum(before) DESC, account, rule, device_key LIMIT 1"
        ).fetchall()
        if not largest:
            raise traces.nothing(cell.name)
        who, part, key = largest[0]
        same = "device_key IS NULL" if key is None else f"device_key = {int(key)}"
        at = f" AND window_start = TIMESTAMP '{naive(window) if window.tzinfo else window}'" if window else ""
        source = effects.contributions(
            self.lake, _pair(cell), ("account", "rule", "device_key", "window_start"),
            f"side = 'sell' AND account = {quote(who)} AND rule = {quote(part)} AND {same}{at}",
        )  # fmt: skip
        rows = self.lake.con.execute(
            f"SELECT currency, account, rule, device_key, window_start FROM {source} "
            "ORDER BY abs(delta) DESC, window_start LIMIT 1"
        ).fetchall()
        if not rows:
            raise traces.nothing(cell.name)
        found = dict(zip(("currency", "account", "rule", "device_key", "window_start"), rows[0], strict=True))
        return traces.opened(self.lake, _pair(cell), found, self._device_id(key))

    def _device_id(self, key: int | None) -> str:
        if key is None:
            return ""
        rows = self.lake.con.execute(
            f"SELECT any_value(device_id) FROM {self.lake.scan('devices')} WHERE device_key = {int(key)}"
        ).fetchall()
        return str(rows[0][0] or key)

    def plot(self, scenario: str | None = None) -> Any:
        """The waterfall as an hvPlot chart."""
        from workbench.twin.show import waterfall_plot

        return waterfall_plot(self, scenario)

    def _repr_html_(self) -> str:
        from workbench.twin.show import simulation_html

        return simulation_html(self)

    # -- inner workings --------------------------------------------------------------------------------------

    def _table(self, cell: Cell, devices: bool) -> str:
        """A cell's contributions; by device they are worked out when they are first asked for."""
        if not devices:
            return cell.table
        if cell.name not in self._by_device:
            self._by_device[cell.name] = reading.table(self.lake, _pair(cell), devices=True)
        return self._by_device[cell.name]

    def sums(self, cell: Cell, keys: Sequence[str], where: str) -> list[tuple[Any, ...]]:
        """(keys ..., exact delta in main units) of a cell's table, in a total order."""
        listed = ", ".join(keys)
        table = self._table(cell, "device_key" in keys)
        found = self.lake.con.execute(
            f"SELECT currency, {listed}, sum(delta)::HUGEINT FROM {table} WHERE {where} GROUP BY currency, {listed} "
            "ORDER BY ALL"
        ).fetchall()
        over = _pair(cell).denominators
        return [(*row[1:-1], Fraction(int(row[-1]), over[row[0]] * NANO)) for row in found]

    def _rows(self, cell: Cell, keys: Sequence[str], where: str, limit: int | None) -> list[list[Any]]:
        pair = _pair(cell)
        shown = ", ".join(self._shown(key) for key in keys)
        if "window_start" in keys:
            source = effects.contributions(
                self.lake, pair, (*keys, "side", "device_key", "account", "rule"), where
            )
        else:
            table = self._table(cell, "device_key" in keys or "device_key" in where)
            source = f"(SELECT * FROM {table}{f' WHERE {where}' if where else ''})"
        order = ", ".join(map(str, range(1, len(keys) + 2)))
        cut = f" LIMIT {int(limit)}" if limit is not None else ""
        found = self.lake.con.execute(
            f"SELECT currency, {shown}, sum(units_before)::HUGEINT, sum(units_after)::HUGEINT, sum(before)::HUGEINT, "
            f"sum(after)::HUGEINT, sum(delta)::HUGEINT AS d FROM {source} s GROUP BY {order} "
            f"ORDER BY abs(d) DESC, {order}{cut}"
        ).fetchall()
        over = pair.denominators
        return [
            [*row[:-5], int(row[-5]), int(row[-4]),
             *(money(Fraction(int(amount), over[row[0]] * NANO)) for amount in row[-3:])]
            for row in found
        ]  # fmt: skip

    def _shown(self, key: str) -> str:
        if key != "device_key":
            return f"s.{key}"
        return f"(SELECT any_value(d.device_id) FROM {self.lake.scan('devices')} d WHERE d.device_key = s.device_key)"

    def _device_key(self, device: str) -> int:
        return device_key(self.lake.tenant, device)


def _pair(cell: Cell) -> effects.Pair:
    assert cell.pair is not None, "a cell without an error has a pair"
    return cell.pair


def _keys(by: Sequence[str]) -> list[str]:
    keys = ["device_key" if key == "device" else key for key in by]
    for key in keys:
        if key not in effects.KEYS:
            raise UsageError(
                f"A difference cannot be split by {key!r}.",
                cure=did_you_mean(key, ["device", *effects.KEYS], "Split by"),
                code="split_by",
            )
    return keys


_CHANGE = ["account", "name", "currency", "before", "after", "delta", "percent"]


def _change_row(change: Change) -> dict[str, Any]:
    return {
        "account": change.account,
        "name": change.name,
        "currency": change.currency,
        "before": money(change.before),
        "after": money(change.after),
        "delta": money(change.delta),
        "percent": None if change.percent is None else _two_digits(change.percent),
    }


def _compared(cell: Cell) -> Iterator[dict[str, Any]]:
    base = {"scenario": cell.name, **dict(cell.scenario.labels)}
    if cell.error:
        yield {**base, "failed": f"[{cell.error['code']}] {cell.error['what']}"}
        return
    for currency, (before, after) in cell.totals.items():
        mine = [c for c in cell.changes if c.currency == currency]
        rises = [c.percent for c in mine if c.percent is not None]
        yield {
            **base,
            "currency": currency,
            "before": money(before),
            "after": money(after),
            "delta": money(after - before),
            "percent": _two_digits(100 * (after - before) / before) if before else None,
            "up": sum(c.delta > 0 for c in mine),
            "down": sum(c.delta < 0 for c in mine),
            "same": sum(c.delta == 0 for c in mine),
            "most_up_percent": _two_digits(max(rises)) if rises else None,
            **({"low": money(cell.low[currency]), "high": money(cell.high[currency])} if cell.low else {}),
            "failed": "",
        }


def _two_digits(number: Fraction) -> Decimal:
    """For people: two digits, halves away from zero."""
    return Decimal(round_half_away(number.numerator * 100, number.denominator)).scaleb(-2)
