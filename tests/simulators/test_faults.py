"""Every kind of fault does what its label says, to its device, in its time, and to nothing else."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import simulators
from simulators.errors import FaultSpecBad
from simulators.faults import plan
from simulators.faults.spec import KINDS, PRESETS

START = "2026-03-02"


def everything(fleet: simulators.Fleet, days: float = 1.0) -> pa.Table:
    return pa.concat_tables([table for _, table in fleet.hours(days)]).combine_chunks()


def pair(name: str, spec: str, devices: int = 30, days: float = 1.0) -> tuple[pa.Table, pa.Table, list[dict]]:
    """The healthy deliveries, the faulty ones, and the labels."""
    healthy = simulators.fleet(name, devices, seed=4, duplicates=0.0, loss=0.0, start=START)
    faulty = healthy.with_faults(spec, days)
    return everything(healthy, days), everything(faulty, days), (faulty.labels().to_pylist())


def of(table: pa.Table, label: dict, time: str = "ts") -> pa.Table:
    """The rows of a label's device in its time, in the order of event time."""
    mine = pc.equal(table["device_id"].cast(pa.string()), label["device_id"])
    inside = pc.and_(
        pc.greater_equal(table[time], label["starts_at"]), pc.less(table[time], label["ends_at"])
    )
    return table.filter(pc.and_(mine, inside)).sort_by(time)


def others(table: pa.Table, labels: list[dict]) -> pa.Table:
    names = pa.array([label["device_id"] for label in labels])
    return table.filter(pc.invert(pc.is_in(table["device_id"].cast(pa.string()), names)))


@pytest.mark.parametrize("name", list(simulators.REGISTRY))
def test_all_kinds_leave_other_devices_alone_and_hours_can_still_be_made_alone(name: str) -> None:
    healthy, faulty, labels = pair(name, "all", devices=60)
    fitting = plan.fitting(simulators.REGISTRY[name])
    assert {label["kind"] for label in labels} == fitting
    assert len({label["device_id"] for label in labels}) == len(labels), "one fault per device"
    touched, untouched = others(faulty, labels), others(healthy, labels)
    for column in healthy.column_names:
        assert (
            touched[column]
            .cast(str_of(touched[column].type))
            .equals(untouched[column].cast(str_of(untouched[column].type)))
        ), column
    again = simulators.fleet(name, 60, seed=4, duplicates=0.0, loss=0.0, start=START).with_faults("all", 1.0)
    hour = again.table("2026-03-02T15:00", "2026-03-02T16:00").combine_chunks()
    received = faulty["received_at"]
    mask = pc.and_(pc.equal(pc.hour(received), 15), pc.equal(pc.day(received), 2))
    assert hour.equals(faulty.filter(mask).combine_chunks())


def str_of(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_dictionary(kind) else kind


def test_stuck_holds_its_first_value() -> None:
    healthy, faulty, labels = pair("streetlights", "stuck=4")
    for label in labels:
        seen, truth = of(faulty, label), of(healthy, label)
        values = seen[label["column"]].unique().to_pylist()
        assert values == [truth[label["column"]][0].as_py()]
        assert label["rows"] == seen.num_rows >= 60


def test_silent_says_nothing() -> None:
    healthy, faulty, labels = pair("streetlights", "silent=4")
    for label in labels:
        assert of(faulty, label).num_rows == 0
        assert of(healthy, label).num_rows == label["rows"] > 0


def test_drift_grows_to_its_share_of_the_level() -> None:
    healthy, faulty, labels = pair("hubs", "drift=4")
    for label in labels:
        seen = of(faulty, label)[label["column"]].to_numpy().astype(float)
        gap = seen - of(healthy, label)[label["column"]].to_numpy()
        third = len(gap) // 3
        assert abs(gap[-third:].mean()) > 3 * abs(gap[:third].mean())
        assert (gap[-1] > 0) == (label["magnitude"] > 0)


def test_spikes_stand_out_and_sentinels_say_no_data() -> None:
    healthy, faulty, labels = pair("streetlights", "spike=5,sentinel=5")
    for label in labels:
        seen = of(faulty, label)[label["column"]].to_pylist()
        if label["kind"] == "sentinel":
            assert set(seen) == {-9999}
        else:
            assert min(seen) > max(of(healthy, label)[label["column"]].to_pylist())
        assert 1 <= len(seen) == label["rows"] <= 101


def test_counter_reset_counts_from_zero() -> None:
    healthy, faulty, labels = pair("meters", "counter_reset=5")
    for label in labels:
        seen, truth = (
            of(faulty, label)["reading_wh"].to_pylist(),
            of(healthy, label)["reading_wh"].to_pylist(),
        )
        assert seen[0] == 0
        assert [reading + truth[0] for reading in seen] == truth


def test_duplicates_repeat_and_conflicts_contradict() -> None:
    healthy, faulty, labels = pair("streetlights", "duplicate=3,conflict=3")
    for label in labels:
        seen = of(faulty, label).group_by("ts").aggregate([("energy_mwh", "count"), ("received_at", "count")])
        payload = of(faulty, label).group_by(["ts", "energy_mwh", "lux"]).aggregate([])
        truth = of(healthy, label).num_rows
        assert seen.num_rows == truth, "no new keys"
        if label["kind"] == "conflict":
            assert payload.num_rows == 2 * truth
        else:
            assert payload.num_rows == truth < of(faulty, label).num_rows


def test_late_arrives_after_its_end_and_reordered_overtakes() -> None:
    healthy, faulty, labels = pair("streetlights", "late=4,reordered=4")
    for label in labels:
        seen = of(faulty, label)
        assert seen.num_rows == of(healthy, label).num_rows
        received = seen["received_at"].cast(pa.int64()).to_numpy()
        if label["kind"] == "late":
            assert pc.min(seen["received_at"]).as_py() >= label["ends_at"]
        else:
            assert (received[1:] < received[:-1]).any()


def test_late_reaches_from_minutes_to_days() -> None:
    fleet = simulators.streetlights(devices=400, seed=4).with_faults("late=200", 8)
    hours = [label["magnitude"] for label in fleet.labels().to_pylist()]
    assert min(hours) < 0.5
    assert max(hours) > 48


@pytest.mark.parametrize("name", ["cars", "trackers", "hubs", "esims"])
def test_a_compromised_sim_shows_its_aspects(name: str) -> None:
    healthy, faulty, labels = pair(name, "compromised=12", devices=40)
    usual = set(healthy["destination"].unique().to_pylist())
    for label in labels:
        aspects, seen, truth = label["detail"].split("+"), of(faulty, label), of(healthy, label)
        foreign = set(seen["destination"].unique().to_pylist()) - usual
        assert len(foreign) == ("destination" in aspects)
        if "imei" in aspects:
            known = truth["imei"].unique().to_pylist()
            assert set(seen["imei"].unique().to_pylist()).isdisjoint(known)
        if aspects == ["volume"] and truth.num_rows:
            assert pc.sum(seen["bytes"]).as_py() > 5 * pc.sum(truth["bytes"]).as_py()
        if "hours" in aspects:
            assert seen.num_rows >= truth.num_rows
        assert label["rows"] > 0 or not truth.num_rows


def test_labels_are_the_same_for_the_same_seed_and_never_in_the_stream() -> None:
    tables = [simulators.trackers(60, seed=4).with_faults("all").labels() for _ in range(2)]
    assert tables[0].equals(tables[1])
    fleet = simulators.trackers(60, seed=4)
    assert fleet.with_faults("all").schema.equals(fleet.schema)


def test_presets_fit_any_fleet_and_any_size() -> None:
    for preset in PRESETS:
        for name in simulators.REGISTRY:
            for devices in (1, 5, 200):
                labels = simulators.fleet(name, devices).with_faults(preset).labels()
                assert labels.num_rows <= devices


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("stick=3", "fault_unknown"),
        ("counter_reset=3", "fault_unfit"),
        ("stuck=many", "fault_spec_bad"),
        ("stuck=-1", "fault_spec_bad"),
        ("stuck=150%", "fault_spec_bad"),
        ("stuck=", "fault_spec_bad"),
        (",", "fault_spec_bad"),
        ("stuck=20,silent=20", "faults_too_many"),
    ],
)
def test_bad_specifications_are_named_with_a_cure(spec: str, code: str) -> None:
    with pytest.raises(FaultSpecBad) as caught:
        simulators.streetlights(devices=30).with_faults(spec)
    assert caught.value.code == code
    assert caught.value.cure


def test_every_kind_is_planned_and_explained() -> None:
    covered = set().union(*(plan.fitting(kind) for kind in simulators.REGISTRY.values()))
    assert covered == set(KINDS)
