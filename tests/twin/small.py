"""Small lakes with random offers and use, rated and kept, for what must hold whatever is sold."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from tests.rating.worlds import END, METER, START, World, distinct, only_what_fits
from workbench.billing import plan_of, rate_period
from workbench.lake import devices, parties
from workbench.lake.lake import Lake
from workbench.model.ids import device_key
from workbench.model.plan import Period

PERIOD = Period(START, END)


def make(path: Path, world: World) -> None:
    """A lake at ``path`` in which the world's month was rated; a world beyond 64 bits is no example."""
    with Lake.open(path, create=True) as lake, lake.writer():
        add, _ = parties.stage(lake, _parties(world))
        _, known = devices.register(lake, [d.device_id for d in world.parties.devices], "test")
        records = lake.write(
            "records", _records(world), stream=METER.id, partition="2026-03", meta={"grid_seconds": 900},
            order_by=("device_key", "window_start", "country"),
        )  # fmt: skip
        lake.commit({"stage": "test"}, add=[*add, *([known] if known else []), records])
        with only_what_fits():
            done = rate_period(lake, plan_of(lake, world.catalogue, PERIOD))
        lake.commit({"stage": "rate"}, add=done.add, remove=done.remove, facts=done.facts)


def _parties(world: World) -> dict[str, pa.Table]:
    given = world.parties
    naive = [s.starts_at.replace(tzinfo=None) for s in given.subscriptions]
    return {
        "accounts": pa.table(
            {"account_id": [a.account_id for a in given.accounts], "currency": ["EUR"] * len(given.accounts),
             "name": [a.account_id for a in given.accounts]}
        ),
        "partners": pa.table({"partner_id": ["op"], "name": ["op"]}),
        "devices_info": pa.table(
            {"device_id": [d.device_id for d in given.devices], "group_id": [d.group_id or "" for d in given.devices]}
        ),
        "subscriptions": pa.table(
            {
                "subscription_id": [s.subscription_id for s in given.subscriptions],
                "account_id": [s.account_id for s in given.subscriptions],
                "device_id": [s.device_id for s in given.subscriptions],
                "offer_id": [s.offer_id for s in given.subscriptions],
                "starts_at": pa.array(naive, pa.timestamp("us")),
                "sim_state": ["active"] * len(given.subscriptions),
            }
        ),
    }  # fmt: skip


def _records(world: World) -> pa.Table:
    uses = distinct(world.uses)
    at = pa.array([use.at.replace(tzinfo=None) for use in uses], pa.timestamp("us"))
    count = len(uses)
    return pa.table(
        {
            "device_key": pa.array([device_key("main", use.device_id) for use in uses], pa.int64()),
            "window_start": at,
            "units": pa.array([use.units for use in uses], pa.int64()),
            "n_events": pa.array([use.events for use in uses], pa.int32()),
            "n_duplicates": pa.array([0] * count, pa.int32()),
            "first_at": at,
            "last_at": at,
            "fingerprint": pa.array([7] * count, pa.uint64()),
            "flags": pa.array([0] * count, pa.int16()),
            "country": pa.array([dict(use.dims)["country"] for use in uses], pa.string()),
        }
    )
