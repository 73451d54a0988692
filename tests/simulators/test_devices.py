"""What is particular to each fleet."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import simulators
from simulators.devices import meters, vending
from simulators.traffic import Traffic

QUIET = Traffic(loss=0.0, duplicates=0.0)


def days(fleet: simulators.Fleet, count: float) -> pa.Table:
    return pa.concat_tables([table for _, table in fleet.hours(count)]).combine_chunks()


def ordered(table: pa.Table, time: str) -> pa.Table:
    """By device and time; arrow sorts no dictionaries, so the codes stand for the names."""
    codes = table["device_id"].combine_chunks().indices
    return table.append_column("code", codes).sort_by([("code", "ascending"), (time, "ascending")])


def test_meter_registers_grow_by_what_was_used_and_go_round() -> None:
    fleet = meters.Meters(3_000, seed=2, traffic=QUIET)
    table = days(fleet, 3)
    order = ordered(table, "ts")
    readings = order["reading_wh"].to_numpy().reshape(3_000, 3 * 96)
    steps = np.diff(readings, axis=1)
    falling = np.argwhere(steps < 0)
    around = [(meter, slot) for meter, slot in falling if readings[meter, slot] > meters.REGISTER_WH - 30_000]
    assert len(around) >= 10, "one meter in a hundred is about to go round"
    exchanged = {int(meter) for day in range(3) for meter in fleet.exchanges(20514 + day)[0]}
    assert {int(meter) for meter, _ in falling} - {int(meter) for meter, _ in around} <= exchanged
    assert exchanged, "some meters are exchanged"
    steady = np.setdiff1d(np.arange(3_000), [int(meter) for meter, _ in falling])
    first_day = fleet.daily_wh(20514)  # 2026-03-02 in days since 1970
    assert (readings[steady, 96] - readings[steady, 0] == first_day[steady]).all()


def test_meters_differ_by_season() -> None:
    winter, summer = (
        int(simulators.meters(200, seed=2, start=f"2026-{month}-15").daily_wh(day).sum())  # type: ignore[attr-defined]
        for month, day in (("01", 20468), ("07", 20649))
    )
    assert winter > 1.2 * summer


def test_cars_wake_together_and_firmware_comes_in_waves() -> None:
    table = days(simulators.cars(400, seed=2), 3)
    kinds = table["kind"].cast(pa.string())
    wake = table.filter(pc.and_(pc.equal(kinds, "wakeup"), pc.equal(pc.hour(table["ts"]), 3)))
    assert len(pc.unique(wake["device_id"].cast(pa.string()))) >= 390
    firmware = table.filter(pc.equal(kinds, "firmware"))
    cars = firmware.append_column("day", pc.day(firmware["ts"])).group_by(["day", "device_id"]).aggregate([])
    per_day = cars.group_by("day").aggregate([("device_id", "count")]).to_pydict()
    counts = dict(zip(per_day["day"], per_day["device_id_count"], strict=True))
    assert counts[2] < counts[3]
    assert sum(counts.values()) >= 395, "every car is in exactly one wave"
    image = firmware.group_by("device_id").aggregate([("event_id", "count_distinct"), ("bytes", "sum")])
    assert pc.max(image["event_id_count_distinct"]).as_py() == 24
    assert pc.min(firmware["bytes"]).as_py() > 1_000_000


def test_charging_sessions_do_not_overlap_and_follow_the_measured_quartiles() -> None:
    table = days(simulators.chargers(1_500, seed=2, duplicates=0.0), 5)
    energy = table["energy_wh"].to_numpy() / 1000
    low, middle, high = np.percentile(energy, [25, 50, 75])
    assert (abs(low - 4.36) < 0.5, abs(middle - 6.27) < 0.3, abs(high - 6.79) < 0.3) == (True, True, True)
    assert pc.all(pc.greater(table["ended_at"], table["started_at"])).as_py()
    order = ordered(table, "started_at")
    code = order["code"].to_numpy()
    same = code[1:] == code[:-1]
    gap = (
        order["started_at"].cast(pa.int64()).to_numpy()[1:]
        - order["ended_at"].cast(pa.int64()).to_numpy()[:-1]
    )
    assert (gap[same] >= 0).all()


def test_trackers_roam() -> None:
    table = days(simulators.trackers(200, seed=2), 2)
    assert len(pc.unique(table["country"].cast(pa.string()))) >= 6
    pairs = table.group_by(["country", "network"]).aggregate([]).to_pylist()
    codes: dict[str, set[str]] = {}
    for pair in pairs:
        codes.setdefault(pair["country"], set()).add(pair["network"][:3])
    assert all(len(found) == 1 for found in codes.values()), "a country has one mobile country code"


def test_half_of_the_esims_wake_on_the_hour() -> None:
    table = days(simulators.esims(1_000, seed=2), 0.25)
    seconds = pc.add(pc.multiply(pc.minute(table["ts"]), 60), pc.second(table["ts"]))
    share = pc.mean(pc.less(seconds, 10).cast(pa.float64())).as_py()
    assert 0.4 < share < 0.6


def test_buttons_press_once_each_and_batteries_sink() -> None:
    fleet = simulators.buttons(50, seed=2)
    table = days(fleet, 1)
    assert pc.unique(table["presses"]).to_pylist() == [1]
    later = simulators.buttons(50, seed=2).table(datetime(2026, 4, 1), datetime(2026, 4, 2))
    assert pc.mean(later["battery_mv"]).as_py() < pc.mean(table["battery_mv"]).as_py() - 50


def test_vending_frames_are_thirty_bytes_with_a_valid_checksum() -> None:
    fleet = simulators.vending(20, seed=2)
    message = next(fleet.messages(1 / 24))
    assert len(message.payload) == 30
    table = fleet.table("2026-03-02", "2026-03-02T01:00")
    batch = table.to_batches()[0]
    frame = np.frombuffer(message.payload, dtype=vending.FRAME)[0]
    assert f"vend-{frame['machine']:06d}" == batch["device_id"][0].as_py() == message.topic.split("/")[1]
    assert int(frame["temperature_dc"]) == batch["temperature_dc"][0].as_py()
    crc = 0xFFFF
    for byte in message.payload[:-2]:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    assert crc == int(frame["crc"])


def test_hubs_publish_every_minute_within_milliseconds() -> None:
    table = days(simulators.hubs(20, seed=2, duplicates=0.0, loss=0.0), 1 / 24)
    order = ordered(table, "ts")
    at = order["ts"].cast(pa.int64()).to_numpy().reshape(20, 60)
    assert abs(np.diff(at, axis=1) - 60_000_000).max() <= 16_000


def test_identities_have_valid_check_digits() -> None:
    cars = simulators.cars(50, seed=2).inventory()
    for name in ("iccid", "imei"):
        for text in cars[name].to_pylist():
            digits = [int(sign) for sign in reversed(text)]
            total = sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
            assert total % 10 == 0, f"{name} {text} fails Luhn"
    assert {len(text) for text in cars["imsi"].to_pylist()} == {15}
    assert {len(text) for text in cars["imei"].to_pylist()} == {15}
    assert all(len(text) == 32 and int(text) % 97 == 1 for text in cars["eid"].to_pylist())
