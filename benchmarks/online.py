"""Online rating, one event at a time, on one core in plain Python.

    python -m benchmarks.online [--events 300000]

Prices a price list of each kind a charging node meets most: graduated over devices, packages over a pool, time of use with
a matrix of countries, and a percentage of each sale with floor and cap. Counters live in memory; nothing is written.
The figure is events per CPU second of the slowest; wall seconds stand beside it. The sums are compared with C(total).
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from workbench.model.plan import Period
from workbench.rating.online import OnlineRater
from workbench.tariff.catalogue import loads
from workbench.tariff.compile import compile_offer

PERIOD = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
DEVICES = 5000
HEAD = """
meters:
  - {id: m.data, unit: byte, dimensions: [country]}
  - {id: m.sales, unit: nano, currency: EUR}
partners: [{id: op}]
offers:
  - {id: o, version: 1, currency: EUR, effective: 2026-01-01, zone: Europe/Berlin, split: {rest: op}, scope: %s, prices: [%s]}
"""
PRICES = {
    "graduated": ("device", "{id: p, meter: m.data, graduated: {per: 1 MB, tiers: [{up_to: 1 MB, amount: 0.02}, "
                  "{up_to: 20 MB, amount: 0.01, flat: 1.00}, {amount: 0.005}]}}"),
    "package": ("pool", "{id: p, meter: m.data, package: {amount: 0.50, size: 100 kB, free: 1 MB}}"),
    "time of use and country": ("device", '{id: p, meter: m.data, rates: [{id: a, match: {country: [FR, IT]}, per_unit: '
                                '{amount: 0.10, per: 1 MB}}, {id: n, windows: [{from: "22:00", to: "06:00"}], per_unit: '
                                '{amount: 0.01, per: 1 MB}}, {id: d, per_unit: {amount: 0.02, per: 1 MB}}]}'),
    "percentage": ("device", "{id: p, meter: m.sales, percentage: {rate: 1.5 %, fee: 0.05, floor: 0.10, cap: 3.00}}"),
}  # fmt: skip


def main() -> None:
    """Rate each price list, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=300_000)
    asked = parser.parse_args()
    found = {name: _measure(name, asked.events) for name in PRICES}
    slowest = min(one["events_per_cpu_second"] for one in found.values())
    print(json.dumps({"events": asked.events, "slowest_events_per_cpu_second": slowest, "prices": found}))


def _measure(name: str, events: int) -> dict[str, int]:
    scope, price = PRICES[name]
    catalogue = loads(HEAD % (scope, price))
    offer = compile_offer(catalogue.offers[0], catalogue)
    rater = OnlineRater(offer, PERIOD)
    meter = offer.components[0].meter
    uses = [
        (n % DEVICES if scope == "device" else 0, 1000 + n * 37 % 5000, PERIOD.start + timedelta(seconds=n * 8 % 2_600_000),
         {"country": ("DE", "FR", "US")[n % 3]})
        for n in range(events)
    ]  # fmt: skip
    total = 0
    gc.freeze()
    cpu, wall = time.process_time(), time.perf_counter()
    for holder, units, at, dims in uses:
        for charged in rater.rate(holder, meter, units, at, dims):
            total += charged.amount
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if name == "package":  # one pool: its charges must come to C(total)
        used = sum(units for _, units, _, _ in uses)
        packages = -(-max(0, used - 1_000_000) // 100_000)
        if Fraction(total, offer.components[0].denominator) != Fraction(packages, 2) * 10**9:
            raise SystemExit("the charges of the pool do not sum to C(total)")
    return {"events_per_cpu_second": round(events / cpu), "events_per_second": round(events / wall)}


if __name__ == "__main__":
    main()
