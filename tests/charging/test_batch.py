"""Batch rates the events a node accepted: the charges are the node's, to the unit, per session and per period."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import duckdb
import pyarrow as pa
import pytest

from tests.charging.world import EUR, ask
from workbench.charging.facts import Fact
from workbench.charging.messages import Commit, Debit, Open, Publish, Reserve, TopUp, Update
from workbench.charging.node import OPERATOR, Node
from workbench.charging.tariffs import instant, micros
from workbench.model.ids import device_key
from workbench.model.party import Account, Device, Parties, Subscription
from workbench.model.plan import Period
from workbench.rating.batch import Rater
from workbench.tariff.catalogue import loads
from workbench.tariff.plan import compile_plan

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
STREAMS = ("car.data", "car.sms", "car.call", "car.energy")
CATALOGUE = """
meters:
  - {id: car.data, unit: byte, dimensions: [country]}
  - {id: car.sms, unit: message, dimensions: [country]}
  - {id: car.call, unit: second, dimensions: [country]}
  - {id: car.energy, unit: mWh, dimensions: [country]}
partners: [{id: operator}]
offers:
  - id: car
    version: 1
    currency: EUR
    effective: 2020-01-01
    charged: node
    prices:
      - id: data
        meter: car.data
        rates:
          - id: home
            match: {country: [DE, AT]}
            graduated:
              per: 7 byte
              tiers: [{up_to: 9 kB, amount: 0.0002}, {up_to: 20 kB, amount: 0.0005, flat: 0.01}, {amount: 0.0001}]
          - id: night
            windows: [{from: "22:00", to: "06:00"}]
            per_unit: {amount: 0.0003, per: 11 byte}
          - {id: abroad, package: {amount: 0.5, size: 1 kB, free: 100 byte}}
      - {id: sms, meter: car.sms, allowance: {units: 10 message}, per_unit: {amount: 0.05, per: 1 message}}
      - id: call
        meter: car.call
        counter_period: day
        increment: {units: 60 second, per: period}
        per_unit: {amount: 0.10, per: 60 second}
      - {id: energy, meter: car.energy, scope: pool, graduated: {per: 1 kWh, tiers: [{up_to: 5 Wh, amount: 0.30}, {amount: 0.20}]}}
    split: {rest: operator}
"""
Key = tuple[str, datetime, str, str]


class World:
    """A node whose requests are rated again by batch."""

    def __init__(self, seed: int) -> None:
        self.rng, self.node, self.facts = random.Random(seed), Node(), list[Fact]()
        now = micros(START)
        assert ask(self.node, Publish(tenant=OPERATOR, id="c", text=CATALOGUE), now).ok
        for name in ("a", "b"):
            assert ask(self.node, Open(account=name, id=f"o{name}", offers=("car",)), now).ok
            assert ask(self.node, TopUp(account=name, id=f"t{name}", amount_nano=10**6 * EUR), now).ok
        self.node.facts = self.facts.append

    def drive(self, count: int, *, overlap: bool = True) -> None:
        """Sessions of several slices, abandoned ones, and single events, all over March.

        Without ``overlap`` a session has ended before the next one begins: then the order of events is that of time.
        """
        rng, open_ = self.rng, list[tuple[str, int, int]]()
        instants = sorted(rng.randrange(micros(START), micros(END)) for _ in range(count))
        for number, now in enumerate(instants):
            self.node.tick(now)
            name, country = rng.choice("ab"), rng.choice(("DE", "AT", "US"))
            meter, most = rng.choice(
                (("car.data", 3000), ("car.sms", 3), ("car.call", 200), ("car.energy", 3000))
            )
            wish = {"account": name, "id": f"{number}", "meter": meter, "units": rng.randrange(1, most)}
            wish |= {"device": f"{name}-{rng.randrange(2)}", "dims": {"country": country}}
            kind = rng.randrange(4) if overlap or not open_ else rng.choice((1, 2))
            if kind == 0:
                answer = ask(self.node, Reserve(seconds=7 * 86_400, **wish), now)
                assert answer.ok
                open_.append((name, answer.reservation, answer.granted))
            elif kind in (1, 2) and open_:
                name, session, units = open_.pop(rng.randrange(len(open_)))
                used = rng.randrange(units + 1)
                if kind == 1:
                    update = Update(
                        account=name, id=f"{number}", reservation=session, used=used, more=50, seconds=999_999
                    )
                    if ask(self.node, update, now).ok:
                        open_.append((name, session, 50))
                else:
                    ask(self.node, Commit(account=name, id=f"{number}", reservation=session, used=used), now)
            else:
                assert ask(self.node, Debit(**wish), now).ok

    def charged(self) -> tuple[dict[Key, Fraction], dict[tuple[str, str], Fraction], list[tuple[Key, int]]]:
        """By event (a session's slice is one), by account and price, and the events themselves."""
        events, totals, uses = (
            dict[Key, Fraction](),
            dict[tuple[str, str], Fraction](),
            list[tuple[Key, int]](),
        )
        for fact in self.facts:
            if fact.settled is None or not fact.units:
                continue
            key = (fact.device, instant(fact.at), fact.dims["country"], fact.meter)
            assert key not in events, "two events at one instant"
            uses.append((key, fact.units))
            events[key] = Fraction(fact.settled.amount, self.node.scale)
            for hold, _, _, _, amount in fact.settled.rows:
                name = (fact.account.id, hold.price.component.id)
                totals[name] = totals.get(name, Fraction(0)) + Fraction(amount, self.node.scale)
        return events, totals, uses


def rate_again(
    uses: list[tuple[Key, int]], text: str
) -> tuple[dict[Key, Fraction], dict[tuple[str, str], Fraction], dict[str, int]]:
    """The same events by the batch driver."""
    devices = [f"{name}-{n}" for name in "ab" for n in range(2)]
    began = START - timedelta(days=90)
    parties = Parties(
        accounts=(Account("a"), Account("b")),
        devices=tuple(Device(device) for device in devices),
        subscriptions=tuple(Subscription(f"s{d}", d[0], "car", began, device_id=d) for d in devices),
    )
    names = {device_key("main", device): device for device in devices}
    events, totals, reasons = dict[Key, Fraction](), dict[tuple[str, str], Fraction](), dict[str, int]()
    with duckdb.connect() as con:
        plan = compile_plan(loads(text), parties, Period(START, END), con=con)
        lines = {row["line_no"]: row for row in plan.lines.to_pylist()}
        rater = Rater(con, plan)
        for stream in STREAMS:
            mine = sorted((use for use in uses if use[0][3] == stream), key=lambda use: use[0][1])
            con.register("records", _records(mine))
            rated = rater.rate(stream, "records")
            dims = "country" if "country" in plan.dimensions(stream) else "NULL"
            for line, amount, device, at, country in con.execute(
                f"SELECT line_no, amount, device_key, window_start, {dims} FROM ({rated.charges})"
            ).fetchall():
                nano = Fraction(amount, int(lines[line]["price_denominator"]))
                found = [u[0] for u in mine if (u[0][0], u[0][1]) == (names[device], at.replace(tzinfo=UTC))]
                assert len(found) == 1 and country in (None, found[0][2])
                events[found[0]] = events.get(found[0], Fraction(0)) + nano
                name = (lines[line]["account_id"], lines[line]["component_id"])
                totals[name] = totals.get(name, Fraction(0)) + nano
            for row in con.execute(f"SELECT reason, count(*) FROM ({rated.uncharged}) GROUP BY 1").fetchall():
                reasons[row[0]] = reasons.get(row[0], 0) + row[1]
    return events, totals, reasons


def _records(uses: list[tuple[Key, int]]) -> pa.Table:
    keys = [key for key, _ in uses]
    return pa.table(
        {
            "device_key": pa.array([device_key("main", key[0]) for key in keys], pa.int64()),
            "window_start": pa.array([key[1].replace(tzinfo=None) for key in keys], pa.timestamp("us")),
            "units": pa.array([units for _, units in uses], pa.int64()),
            "n_events": pa.array([1] * len(uses), pa.int32()),
            "country": pa.array([key[2] for key in keys], pa.string()),
        }
    )


@pytest.mark.parametrize("seed", range(6))
def test_batch_comes_to_the_same_per_period(seed: int) -> None:
    world = World(seed)
    world.drive(250)
    _, totals, uses = world.charged()
    assert len(uses) > 100
    _, sums, reasons = rate_again(uses, CATALOGUE.replace("charged: node", "charged: batch"))
    assert {name: nano for name, nano in sums.items() if nano} == {
        n: nano for n, nano in totals.items() if nano
    }
    assert not reasons


@pytest.mark.parametrize("seed", range(3))
def test_batch_comes_to_the_same_per_session(seed: int) -> None:
    world = World(seed)
    world.drive(250, overlap=False)
    events, totals, uses = world.charged()
    again, sums, _ = rate_again(uses, CATALOGUE.replace("charged: node", "charged: batch"))
    assert len(events) > 100
    assert {key: again.get(key, Fraction(0)) for key in events} == events
    assert sum(sums.values()) == sum(totals.values()) == sum(events.values())


def test_telemetry_of_a_meter_the_node_owns_is_not_charged_again() -> None:
    world = World(9)
    world.drive(100)
    _, _, uses = world.charged()
    events, _, reasons = rate_again(uses, CATALOGUE)
    assert not events
    assert reasons == {"charged_online": len(uses)}
