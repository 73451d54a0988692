"""Events that arrive after the close: every promise still holds, and nothing closed was touched (I15, I16)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.verify import world
from workbench.billing import plan_of, rate_period, settle_period
from workbench.lake.lake import Lake
from workbench.mediation.delivery import Delivery, deliver
from workbench.mediation.mapping_file import load_mapping
from workbench.mediation.mediate import mediate_stream
from workbench.mediation.policy import load_policy
from workbench.mediation.stream import Stream
from workbench.model.plan import Period
from workbench.verify.run import verify


@pytest.fixture
def late(tmp_path: Path) -> Path:
    """A closed world, then one more delivery for it: two new readings, one copy of an old one, a new lamp's."""
    world.make(tmp_path)
    rows = world.lamp_rows()
    first = {name: values[0] for name, values in rows.items()}
    fresh = [
        {**first, "ts": world.START + timedelta(hours=5, minutes=minute), "energy_mwh": 5000 + minute}
        for minute in (1, 2)
    ]
    fresh += [first, {**fresh[0], "device_id": "lamp-10", "ts": world.START + timedelta(hours=1, seconds=7)}]
    for row in fresh:
        row["received_at"] = world.END + timedelta(days=1)
    path = tmp_path / "inbox" / "late.parquet"
    pq.write_table(pa.table({name: [row[name] for row in fresh] for name in rows}), path)
    policy = load_policy(tmp_path / "policy.yaml")
    with Lake.open(tmp_path / "lake", inputs=[tmp_path / "inbox"]) as lake, lake.writer():
        mapping = load_mapping(tmp_path / "lamps.yaml")
        done = deliver(lake, Delivery(path, mapping, world.END + timedelta(days=2)), policy)
        streams = {name: stream.to_json() for name, stream in done.streams.items()}
        facts = {"delivery": {done.delivery_id: done.account}, "stream": streams}
        lake.commit({"stage": "land"}, add=done.segments, facts=facts)
    return tmp_path / "lake"


def mediate(lake: Lake) -> None:
    for data in lake.facts("stream").values():
        done = mediate_stream(lake, Stream.from_json(data))
        if done.add:
            lake.commit({"stage": "mediate"}, add=done.add, remove=done.remove)


def settle(lake: Lake) -> None:
    plan = plan_of(lake, world.catalogue(), Period(world.START, world.END))
    rated = rate_period(lake, plan)
    lake.commit({"stage": "rate"}, add=rated.add, remove=rated.remove, facts=rated.facts)
    settle_period(lake, plan, world.END + timedelta(days=3))


def test_every_promise_holds_after_an_adjustment(late):
    with Lake.open(late) as lake:
        with lake.writer():
            mediate(lake)
            settle(lake)
        report = verify(lake, full=True)
        assert report.ok, report.verdict()
        counts = {result.name: result.counts for result in report.results}
        assert counts["deliveries_add_up"]["deliveries"] == 4
        assert any(kind.endswith("#1") for kind in lake.facts("close"))


def test_landed_but_not_mediated_is_noticed(late):
    with Lake.open(late) as lake:
        report = verify(lake, full=True)
    assert not report.ok
    failed = {result.name for result in report.results if result.verdict == "fails"}
    assert {"landed_rows_told", "records_again"} <= failed


def test_mediated_but_not_charged_is_noticed(late):
    """The late use of a closed period belongs to a second set of charges; until there is one, it is unbilled."""
    with Lake.open(late) as lake:
        with lake.writer():
            mediate(lake)
        report = verify(lake, full=True)
    failed = {result.name for result in report.results if result.verdict == "fails"}
    assert "records_charged" in failed
    assert "records_again" not in failed


def test_a_branch_is_proven_on_production_and_its_own_work(late):
    with Lake.open(late) as lake, lake.branch("what-if") as branch:
        with branch.writer():
            mediate(branch)
            settle(branch)
        report = verify(branch, full=True)
        assert report.ok, report.verdict()
        assert not verify(lake, full=True, only=["landed_rows_told"]).ok, "production has not mediated yet"
