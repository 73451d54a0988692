"""The whole main path under I5 and I6: however events come, charges and invoices are the same files, byte for byte."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import simulators
from workbench.clock import ReplayClock
from workbench.lake import parties
from workbench.lake.lake import Lake
from workbench.mediation.delivery import Delivery
from workbench.mediation.mapping_file import parse_mapping
from workbench.mediation.policy import Policy, StreamPolicy
from workbench.model.plan import Period
from workbench.pipeline import STAGES, Job, Outcome, run
from workbench.tariff.catalogue import load
from workbench.verify.run import verify

ROOT = Path(__file__).parent.parent
DAY = datetime(2026, 3, 2, tzinfo=UTC)
PERIOD = Period(DAY, DAY + timedelta(days=1))
LAMPS = 8
MAPPING = parse_mapping(
    """
mapping: 1
source: lamps
time: {zone: UTC, ends_at: ts, received_at: received_at}
device: {column: device_id}
meters:
  energy: {column: energy_mwh, unit: mWh}
samples: {lux: {type: integer}, status: {type: integer}}
"""
)
BILLED = ("charges", "lines", "uncharged", "invoices", "invoice_lines", "statements", "ledger")


@pytest.fixture(scope="module")
def events() -> pa.Table:
    """Three hours of eight lamps with copies, as they arrive."""
    fleet = simulators.streetlights(devices=LAMPS, seed=11, start="2026-03-02", duplicates=0.2)
    return pa.concat_tables([table for _, table in fleet.hours(3 / 24)]).combine_chunks()


def _parties(lake: Lake) -> None:
    ids = [f"lamp-{n:06d}" for n in range(1, LAMPS + 1)]
    since = datetime(2026, 1, 1)
    accounts = [
        {"account_id": f"street-{n}", "name": f"Street {n}", "currency": "EUR", "zone": "UTC", "billing_anchor_day": 1,
         "tax_region": "DE", "credit_limit_nano": 0, "owner": "city"} for n in range(2)
    ]  # fmt: skip
    subscriptions = [
        {"subscription_id": f"sub-{i}", "account_id": f"street-{n % 2}", "device_id": i, "group_id": None,
         "offer_id": "street-lamps", "starts_at": since, "ends_at": None, "sim_state": "active", "overrides": "{}"}
        for n, i in enumerate(ids)
    ]  # fmt: skip
    partners = [{"partner_id": name, "name": name} for name in ("operator", "lamp-supplier")]
    devices = [
        {
            "device_id": i,
            "kind": "streetlight",
            "site": "",
            "lat": None,
            "lon": None,
            "group_id": "",
            "attributes": "{}",
        }
        for i in ids
    ]
    tables = {
        "accounts": accounts,
        "subscriptions": subscriptions,
        "partners": partners,
        "devices_info": devices,
    }
    parties.replace(
        lake, {name: pa.Table.from_pylist(rows) for name, rows in tables.items()}, {"stage": "parties"}
    )


def _billed(
    folder: Path, parts: Sequence[pa.Table], *, threads: int, each: bool = False
) -> tuple[dict[str, list[str]], Outcome]:
    """Bill deliveries in a new lake; with ``each`` the path runs up to rating after every delivery.

    Returns: the hashes of the billed files by kind, and what the last run counted.
    """
    inbox = folder / "in"
    inbox.mkdir(parents=True)
    deliveries = []
    for number, part in enumerate(parts):
        path = inbox / f"{number:03d}.parquet"
        pq.write_table(part, path)
        deliveries.append(Delivery(path, MAPPING, DAY + timedelta(hours=6)))
    policy = Policy(default=StreamPolicy(partition="hour"))
    catalogue = load(ROOT / "datasets" / "catalog" / "street-lamps.yaml")
    with Lake.open(folder / "lake", create=True, inputs=[inbox], threads=threads) as lake, lake.writer():
        _parties(lake)

        def job(source: Sequence[Delivery]) -> Job:
            return Job(lake, source, policy, catalogue, PERIOD, ReplayClock(PERIOD.end), workers=threads)

        if each:
            for delivery in deliveries:
                run(STAGES[:-1], job([delivery]))
        outcome = run(STAGES, job(deliveries))
        return {kind: [segment.sha256 for segment in lake.segments(kind)] for kind in BILLED}, outcome


@settings(
    deadline=None, max_examples=3, phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(
    seed=st.integers(0, 10**6), parts=st.integers(2, 4), twice=st.booleans(), threads=st.sampled_from([1, 2])
)
def test_order_batches_copies_and_threads_do_not_show(
    events: pa.Table,
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    parts: int,
    twice: bool,
    threads: int,
) -> None:
    """One tidy delivery, or shuffled crumbs, every event twice, rated after each crumb: the same bill."""
    folder = tmp_path_factory.mktemp("bill")
    once, first = _billed(folder / "once", [events], threads=2)
    order = list(range(events.num_rows)) * (2 if twice else 1)
    random.Random(seed).shuffle(order)
    crumbs = [events.take(order[n::parts]) for n in range(parts)]
    again, _ = _billed(folder / "again", crumbs, threads=threads, each=True)
    assert again == once
    assert all(once[kind] for kind in ("charges", "invoices", "statements", "ledger"))
    assert first.counts["delivered"] == events.num_rows


def test_running_again_changes_nothing(events: pa.Table, tmp_path: Path) -> None:
    """A finished job run again lands nothing, mediates nothing, and closes nothing a second time."""
    once, _ = _billed(tmp_path / "a", [events], threads=2)
    twice, outcome = _billed(tmp_path / "b", [events], threads=2, each=True)
    assert twice == once
    assert outcome.counts["deliveries_skipped"] == 1
    assert outcome.counts["windows_mediated"] == 0


def test_a_closed_period_is_left_alone_until_something_changes(events: pa.Table, tmp_path: Path) -> None:
    """Running the whole path again after the close writes no second set of charges and no version at all."""
    _billed(tmp_path, [events], threads=2)
    with Lake.open(tmp_path / "lake") as lake, lake.writer():
        version = lake.state.version
        catalogue = load(ROOT / "datasets" / "catalog" / "street-lamps.yaml")
        job = Job(lake, [], Policy(), catalogue, PERIOD, ReplayClock(PERIOD.end))
        run(STAGES, job)
        assert lake.state.version == version


def test_a_late_event_stores_only_the_charges_it_changed(events: pa.Table, tmp_path: Path) -> None:
    """Of a closed period that is rated again, hours without news share the files of the close."""
    late = pc.and_(
        pc.equal(events["device_id"], "lamp-000001"),
        pc.less(events["ts"], DAY.replace(minute=5, tzinfo=None)),
    )
    _billed(tmp_path, [events.filter(pc.invert(late))], threads=2)
    path = tmp_path / "late.parquet"
    pq.write_table(events.filter(late), path)
    catalogue = load(ROOT / "datasets" / "catalog" / "street-lamps.yaml")
    with Lake.open(tmp_path / "lake", inputs=[tmp_path]) as lake, lake.writer():
        closed = {s.partition: s for s in lake.segments("charges") if s.stream}
        source = [Delivery(path, MAPPING, DAY + timedelta(days=2))]
        policy = Policy(default=StreamPolicy(partition="hour"))
        run(STAGES, Job(lake, source, policy, catalogue, PERIOD, ReplayClock(PERIOD.end + timedelta(days=2))))
        again = {
            s.partition: s for s in lake.segments("charges") if s.stream and s.period.endswith("#rerated")
        }
        assert again.keys() == closed.keys()
        assert len(closed) == 3
        same = {
            part for part in closed if (lake.root / again[part].path).samefile(lake.root / closed[part].path)
        }
        assert same == set(sorted(closed)[1:])
        assert verify(lake, full=True).ok
