"""A what-if on a day of the city against mediating that day, and twenty scenarios against one, in one run.

    python -m benchmarks.twin [--lamps 200000] [--scenarios 20] [--rounds 1] [--keep FOLDER]

The city's day is landed and mediated by the main path; the time of the stage ``mediate`` is the measure. Then a graduated
tariff with pools is what production sells, and scenarios that change its numbers are tried on the mediated records,
folded. Every run is checked: contributions must sum. Ratios are the figures; the seconds only describe the machine.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from workbench.billing import plan_of, rate_period
from workbench.lake.lake import Lake
from workbench.model.offer import Catalogue
from workbench.showcase.build import build
from workbench.showcase.scene import city
from workbench.tariff.catalogue import loads
from workbench.twin.board import Board
from workbench.twin.reconcile import assert_reconciles
from workbench.twin.scenario import Scenario
from workbench.twin.simulate import simulate

POOLS = """
meters: [{id: lamps.energy, unit: mWh}]
partners: [{id: operator}, {id: lamp-supplier}]
offers:
  - id: lights-on
    version: 2
    currency: EUR
    effective: 2026-01-01
    scope: pool
    prices:
      - id: energy
        meter: lamps.energy
        graduated: {per: 1 kWh, tiers: [{up_to: 100 Wh, amount: 0.00006}, {up_to: 300 Wh, amount: 0.00005}, {amount: 0.00004}]}
    fees: [{id: rent, amount: 0.10, every: day, per: device}]
    split: {rules: [{partner: operator, percent: 70 %}, {partner: lamp-supplier, percent: 30 %}]}
"""


def main() -> None:
    """Build, time, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lamps", type=int, default=200_000)
    parser.add_argument("--scenarios", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="build the lake in this folder and leave it there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = asked.keep or Path(folder) / "city"
        built = build(path, city(asked.lamps))
        catalogue = loads(POOLS)
        _sell(path, catalogue)
        rounds = [_round(path, asked.scenarios) for _ in range(asked.rounds)]
        slider = _slider(path)
    mediate = built.seconds["mediate"]
    one, many = (min(each[name] for each in rounds) for name in ("one", "many"))
    print(json.dumps({
        "lamps": asked.lamps, "mediate_seconds": mediate, "rounds": rounds,
        "what_if_percent_of_mediation": round(100 * one / mediate, 1),
        "scenarios": asked.scenarios, "many_times_one": round(many / one, 2), **slider,
    }))  # fmt: skip


def _sell(path: Path, catalogue: Catalogue) -> None:
    """Let production sell by the pooled tariff: the period is rated again, as late events would have it."""
    scene = city(1)
    with Lake.open(path) as lake, lake.writer():
        done = rate_period(lake, plan_of(lake, catalogue, scene.period))
        lake.commit({"stage": "rate"}, add=done.add, remove=done.remove, facts=done.facts)


def _round(path: Path, count: int) -> dict[str, float]:
    found = {}
    for name, number in (("one", 1), ("many", count)):
        scenarios = [
            Scenario(f"s{place}", patches={"lights-on.energy.tiers.2.amount": f"0.0000{51 + place}"})
            for place in range(number)
        ]
        begun = time.perf_counter()
        with simulate(path, scenarios, depth="total") as sim:
            found[name] = round(time.perf_counter() - begun, 3)
            assert all(cell.error is None for cell in sim), [cell.error for cell in sim]
            if name == "one":
                found |= {f"one_{step}": round(taken, 3) for step, taken in sim.wall_seconds.items()}
                assert_reconciles(sim)
    return found


def _slider(path: Path) -> dict[str, Any]:
    """How long a board takes to build, and to answer."""
    with Lake.open(path) as lake:
        board = Board.of(lake)
        outcome = board.price({"lights-on.energy.tiers.2.amount": "0.00007"}, usage="1.05")
    return {
        "board_build_seconds": round(board.build_seconds, 3),
        "slider_seconds": round(outcome.wall_seconds, 4),
    }


if __name__ == "__main__":
    main()
