"""Rating 20 million usage records with a graduated tariff per customer, against a plain running sum, in one run.

    python -m benchmarks.rating [--devices 200000] [--windows 100] [--customers 500] [--rounds 4] [--memory 8GB]

Both sides read the same table of records (device, window, units), find each device's customer in a table, price with
the same three tiers over the customer's use in order of time, and write one exact charge per record: line, device,
window, units, amount, step. The baseline is the query one would write first: a running sum over all records of each
customer, C(after) - C(before) per record. Every charge must be equal, or the run fails. The sides take turns to be first,
after one cold round that is printed but not in the ratios; the ratio of wall seconds is the figure, that of CPU seconds
the steadier one on a shared machine.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from datetime import UTC, datetime

import duckdb

from workbench.model.plan import Period
from workbench.rating.batch import Rater
from workbench.tariff.catalogue import loads
from workbench.tariff.plan import Plan, compile_plan

PERIOD = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
_KEY = "(i * 7046029254386353131::HUGEINT % 9223372036854775783)::BIGINT"  # as scattered as real device keys
_UNITS = 1500  # what a device uses in a window on average


def catalogue(total: int) -> str:
    """Three tiers, whose bounds every customer passes in the period."""
    return f"""
meters: [{{id: fleet.energy, unit: mWh}}]
partners: [{{id: operator}}]
offers:
  - id: graduated
    version: 1
    currency: EUR
    effective: 2026-01-01
    scope: pool
    split: {{rest: operator}}
    prices:
      - id: energy
        meter: fleet.energy
        graduated:
          per: 1 kWh
          tiers: [{{up_to: {total // 4}, amount: 0.00005}}, {{up_to: {total * 3 // 4}, amount: 0.00004}}, {{amount: 0.00003}}]
"""


def main() -> None:
    """Make the records, time both sides in turn, compare every charge, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=200_000)
    parser.add_argument("--windows", type=int, default=100)
    parser.add_argument("--customers", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--memory", default="8GB")
    asked = parser.parse_args()
    total = asked.devices // asked.customers * asked.windows * _UNITS
    with duckdb.connect(config={"memory_limit": asked.memory, "threads": 2}) as con:
        _records(con, asked.devices, asked.windows, asked.customers)
        begun = time.perf_counter()
        plan = compile_plan(loads(catalogue(total)), _parties(asked.customers), PERIOD, con=con)
        compiled = time.perf_counter() - begun
        con.register("plan_lines", plan.lines)
        con.execute(
            "CREATE TABLE numbered AS SELECT device_key, line_no FROM fleet JOIN plan_lines USING (account_id)"
        )
        cold = _round(
            con, plan, total, ours_first=False
        )  # the process has no memory yet; told, but in no ratio
        rounds = [_round(con, plan, total, ours_first=bool(n % 2)) for n in range(asked.rounds)]
    ratios = sorted(one["running_sum"] / one["rated"] for one in rounds)
    of_cpu = sorted(one["running_sum_cpu"] / one["rated_cpu"] for one in rounds)
    print(json.dumps({
        "records": asked.devices * asked.windows, "customers": asked.customers, "cold": cold, "rounds": rounds,
        "ratio_worst": round(ratios[0], 2), "ratio_median": round(ratios[len(ratios) // 2], 2),
        "cpu_ratio_worst": round(of_cpu[0], 2), "cpu_ratio_median": round(of_cpu[len(of_cpu) // 2], 2),
        "compile_seconds": round(compiled, 2),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }))  # fmt: skip


def _records(con: duckdb.DuckDBPyConnection, devices: int, windows: int, customers: int) -> None:
    con.execute(
        f"CREATE TABLE fleet AS SELECT i, {_KEY} AS device_key, 'd' || i AS device_id, "
        f"'c' || (i // {devices // customers}) AS account_id FROM range({devices}) t(i)"
    )
    con.execute(
        "CREATE TABLE records AS SELECT device_key, TIMESTAMP '2026-01-05' + to_minutes((w * 15)::INTEGER) AS window_start, "
        f"({_UNITS // 2} + (i * 31 + w * 17) % {_UNITS})::BIGINT AS units, 15::INTEGER AS n_events "
        f"FROM fleet, range({windows}) t(w) ORDER BY device_key, window_start"
    )


def _parties(customers: int) -> dict[str, str]:
    return {
        "accounts": f"(SELECT 'c' || i AS account_id, 'EUR' AS currency, 'UTC' AS zone, 1 AS billing_anchor_day "
        f"FROM range({customers}) t(i))",
        "devices_info": "(SELECT device_id, NULL::VARCHAR AS group_id FROM fleet)",
        "devices": "(SELECT device_key, device_id FROM fleet)",
        "subscriptions": "(SELECT 's' || i AS subscription_id, account_id, device_id, NULL::VARCHAR AS group_id, "
        "'graduated' AS offer_id, TIMESTAMP '2026-01-01' AS starts_at, NULL::TIMESTAMP AS ends_at, 'active' AS sim_state, "
        "'' AS overrides FROM fleet)",
    }


def _round(con: duckdb.DuckDBPyConnection, plan: Plan, total: int, *, ours_first: bool) -> dict[str, float]:
    """Both sides once, the charges compared, the tables dropped. They take turns to be first: the second one finds
    memory filled with the first one's charges.
    """
    con.execute("DROP TABLE IF EXISTS ours; DROP TABLE IF EXISTS theirs")
    spans = {}
    for side in ("ours", "theirs") if ours_first else ("theirs", "ours"):
        begun = _now()
        if side == "theirs":
            con.execute(f"CREATE TABLE theirs AS {_running_sum(plan, total)}")
            spans["running_sum"] = begun, _now()
            continue
        with Rater(con, plan) as rater:
            ready = _now()
            charges = rater.rate("fleet.energy", "records").charges
            con.execute(f"CREATE TABLE ours AS {charges}")
            spans["tables"], spans["rated"] = (begun, ready), (ready, _now())
    differing = con.execute(
        "SELECT count(*) FROM ours FULL JOIN theirs USING (device_key, window_start) "
        "WHERE (ours.line_no, ours.units, ours.amount, ours.step) IS DISTINCT FROM "
        "(theirs.line_no, theirs.units, theirs.amount, theirs.step)"
    ).fetchall()[0][0]
    if differing:
        raise SystemExit(f"{differing} charges differ")
    walls = {name: round(end[0] - start[0], 2) for name, (start, end) in spans.items()}
    return walls | {f"{name}_cpu": round(end[1] - start[1], 2) for name, (start, end) in spans.items()}


def _now() -> tuple[float, float]:
    """Wall and CPU seconds."""
    return time.perf_counter(), time.process_time()


def _running_sum(plan: Plan, total: int) -> str:
    """The plain query: every record's running sum within its customer, and the closed form of three tiers at both ends."""
    first, second, third = (step.block_amount for step in plan.offers[0].components[0].rates[0].steps)
    low, high = total // 4, total * 3 // 4

    def cost(x: str) -> str:
        return f"({first} * {x} - {first - second} * greatest(0, {x} - {low}) - {second - third} * greatest(0, {x} - {high}))"

    return (
        f"SELECT line_no, device_key, window_start, units, ({cost('after')} - {cost('(after - units)')})::BIGINT AS amount, "
        f"(CASE WHEN after <= {low} THEN 0 WHEN after <= {high} THEN 1 ELSE 2 END)::SMALLINT AS step FROM ("
        "SELECT f.line_no, r.device_key, r.window_start, r.units, (sum(r.units) OVER (PARTITION BY f.line_no ORDER BY "
        "r.window_start, r.device_key ROWS UNBOUNDED PRECEDING))::BIGINT AS after "
        "FROM records r JOIN numbered f ON f.device_key = r.device_key)"
    )


if __name__ == "__main__":
    main()
