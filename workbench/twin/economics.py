"""What mediation costs, whether an offer still earns money then, and which aggregation grid breaks even.

    case = load_case("examples/vending-economics.yaml")
    case.at(60)            # cost and margin with one record a minute
    case.break_even()      # the finest grid that still earns money

Counts are integers and money is exact. What a byte and a CPU second cost are parameters; how many bytes and seconds an
event takes is measured on this installation (``measured``) or given.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from workbench.errors import ScenarioError
from workbench.mediation.yamltree import Node, Reader, read_text
from workbench.model.money import decimal_text, exact
from workbench.twin.show import rounded

GRIDS = (1, 5, 10, 15, 30, 60, 300, 900, 3600, 21_600, 86_400)
"""Grids to compare, in seconds."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What things cost (currency's main unit) and take. All exact.

    Attributes:
        event_bytes: kept per raw event. record_bytes: kept per usage record and its charge.
        cpu_seconds_per_million_events: to land and mediate. cpu_seconds_per_million_records: to rate and settle.
        storage_per_gb_month, months_kept: what a kept byte costs. cpu_per_hour: a core's hour.
        network_per_million_messages: what a broker or network asks per message that arrives.
        keep_raw: whether raw events are kept beside the records.
    """

    event_bytes: Fraction = Fraction(24)
    record_bytes: Fraction = Fraction(60)
    cpu_seconds_per_million_events: Fraction = Fraction("1.5")
    cpu_seconds_per_million_records: Fraction = Fraction(3)
    storage_per_gb_month: Fraction = Fraction("0.023")
    months_kept: Fraction = Fraction(12)
    cpu_per_hour: Fraction = Fraction("0.05")
    network_per_million_messages: Fraction = Fraction(0)
    keep_raw: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """An offer's economics for a month.

    Attributes:
        devices: how many. interval_seconds: between two events of one device. days: of the month.
        revenue_per_device: what a device brings a month, net of partners' shares.
        edge: whether a gateway aggregates, so that only records travel; else every event does.
    """

    name: str
    devices: int
    interval_seconds: int
    revenue_per_device: Fraction
    costs: Costs = Costs()
    days: int = 30
    currency: str = "EUR"
    edge: bool = False

    @property
    def events(self) -> int:
        """Events in the month."""
        return self.devices * self.days * 86_400 // self.interval_seconds

    @property
    def revenue(self) -> Fraction:
        """What the offer brings in the month."""
        return self.devices * self.revenue_per_device

    def records(self, grid_seconds: int) -> int:
        """Usage records on a grid; a grid finer than the interval has one record an event."""
        return min(self.events, self.devices * -(-self.days * 86_400 // grid_seconds))

    def at(self, grid_seconds: int) -> Economics:
        """What a grid costs and leaves."""
        costs, records = self.costs, self.records(grid_seconds)
        sent = records if self.edge else self.events
        stored = records * costs.record_bytes + (self.events * costs.event_bytes if costs.keep_raw else 0)
        seconds = (
            sent * costs.cpu_seconds_per_million_events + records * costs.cpu_seconds_per_million_records
        ) / 1_000_000
        parts = {
            "storage": stored / 10**9 * costs.storage_per_gb_month * costs.months_kept,
            "computing": seconds / 3600 * costs.cpu_per_hour,
            "network": Fraction(sent) / 1_000_000 * costs.network_per_million_messages,
        }
        return Economics(self, grid_seconds, records, Fraction(stored), seconds, parts)

    def per_event(self) -> Economics:
        """Without aggregation: every event is stored and rated alone."""
        return self.at(self.interval_seconds)

    def break_even(self) -> int | None:
        """The finest grid in whole seconds whose cost the revenue covers; None when none does."""
        low, high = 1, 86_400 * self.days
        if self.at(high).margin < 0:
            return None
        while low < high:
            middle = (low + high) // 2
            if self.at(middle).margin >= 0:
                high = middle
            else:
                low = middle + 1
        return low

    def table(self) -> list[dict[str, Any]]:
        """The grids of ``GRIDS`` with their cost and margin, exact text."""
        return [
            self.at(grid).as_dict() for grid in GRIDS if grid >= self.interval_seconds or grid == GRIDS[0]
        ]

    def sentence(self) -> str:
        """The answer in words."""
        raw = self.per_event()
        grid = self.break_even()
        head = (
            f"{self.name}: {self.events:,} events a month bring {rounded(self.revenue, self.currency)} {self.currency}; "
            f"kept and rated one by one they cost {rounded(raw.cost, self.currency)} {self.currency}."
        )
        if grid is None:
            return head + " No grid makes it pay: what arrives costs more than the offer brings."
        if grid <= self.interval_seconds:
            return head + " It pays even without aggregation."
        quarter = self.at(900)
        return head + (
            f" It breaks even from one record per {grid:,} s on; at a quarter of an hour it costs "
            f"{rounded(quarter.cost, self.currency)} and leaves {rounded(quarter.margin, self.currency)} {self.currency}."
        )


@dataclass(frozen=True, slots=True)
class Economics:
    """A month on one grid."""

    case: Case
    grid_seconds: int
    records: int
    bytes_stored: Fraction
    cpu_seconds: Fraction
    parts: dict[str, Fraction]

    @property
    def cost(self) -> Fraction:
        """All parts together."""
        return sum(self.parts.values(), Fraction(0))

    @property
    def margin(self) -> Fraction:
        """Revenue less cost."""
        return self.case.revenue - self.cost

    def as_dict(self) -> dict[str, Any]:
        """For a program; money as exact text."""
        return {
            "grid_seconds": self.grid_seconds,
            "records": self.records,
            "bytes_stored": int(self.bytes_stored),
            "cpu_seconds": decimal_text(self.cpu_seconds),
            **{name: decimal_text(amount) for name, amount in self.parts.items()},
            "cost": decimal_text(self.cost),
            "revenue": decimal_text(self.case.revenue),
            "margin": decimal_text(self.margin),
        }


def load_case(path: str | Path) -> Case:
    """A case from a YAML file with the names of ``Case``, and of ``Costs`` under ``costs``.

    Raises:
        FileUnreadable, ScenarioError: it cannot be read, or a number is none.
    """
    reader = Reader(str(path), ScenarioError)
    names = ["economics", *(each.name for each in fields(Case) if each.name != "name")]
    found = reader.section(reader.parse(read_text(path)), names, "An economics case")
    for wanted in ("economics", "devices", "interval_seconds", "revenue_per_device"):
        if wanted not in found:
            raise ScenarioError(
                f"The case has no {wanted}.", where=str(path), cure=f"Add `{wanted}:`.", code="scenario_shape"
            )
    values: dict[str, Any] = {"name": reader.text(found["economics"], "economics")}
    for name in ("devices", "interval_seconds", "days"):
        if name in found:
            number = _number(reader, found[name], name)
            if number.denominator != 1 or number <= 0:
                raise reader.fail(found[name], f"{name} is a whole number above zero.", "Mend it.", "number")
            values[name] = int(number)
    values["revenue_per_device"] = _number(reader, found["revenue_per_device"], "revenue_per_device")
    if "currency" in found:
        values["currency"] = reader.text(found["currency"], "currency")
    if "edge" in found:
        values["edge"] = _truth(reader, found["edge"], "edge")
    if "costs" in found:
        values["costs"] = _costs(reader, found["costs"])
    return Case(**values)


def _costs(reader: Reader, node: Node) -> Costs:
    found = reader.section(node, [each.name for each in fields(Costs)], "costs")
    values: dict[str, Any] = {}
    for name, inner in found.items():
        values[name] = _truth(reader, inner, name) if name == "keep_raw" else _number(reader, inner, name)
    return Costs(**values)


def _truth(reader: Reader, node: Node, name: str) -> bool:
    return reader.choice(node, name, ("true", "false", "yes", "no")) in ("true", "yes")


def _number(reader: Reader, node: Node, name: str) -> Fraction:
    text = reader.text(node, name)
    try:
        number = exact(text)
    except ValueError:
        number = Fraction(-1)
    if number < 0:
        raise reader.fail(
            node, f"{name} is a number from zero on, and {text[:40]!r} is not.", "Mend it.", "number"
        )
    return number
