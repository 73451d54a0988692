"""Party tables of a city: everything held by somebody, once, and accepted by the lake's own rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simulators
from workbench.lake import parties
from workbench.lake.lake import Lake
from workbench.showcase.cast import CASTS, cast_of, offers
from workbench.showcase.parties import _apportion, _companies, party_tables

SIZES = {"lamps": 300, "meters": 20, "chargers": 6, "trackers": 30, "vending": 7, "cars": 9, "hubs": 8,
         "buttons": 11, "esims": 12}  # fmt: skip


def tables(sizes: dict[str, int]) -> dict[str, pa.Table]:
    casts = [cast for cast in CASTS if cast.source in sizes]
    inventories = [(cast, simulators.fleet(cast.fleet, sizes[cast.source]).inventory()) for cast in casts]
    return party_tables(inventories, offers(casts))


@pytest.fixture(scope="module")
def small() -> dict[str, pa.Table]:
    return tables(SIZES)


def test_the_lake_accepts_them(small: dict[str, pa.Table], tmp_path: Path) -> None:
    with Lake.open(tmp_path / "lake", create=True) as lake, lake.writer():
        parties.replace(lake, small, {"stage": "test"})
        rows = {kind: sum(segment.rows for segment in lake.segments(kind)) for kind in small}
    assert rows == {kind: table.num_rows for kind, table in small.items()}


def test_every_device_is_subscribed_once_to_its_fleets_offer(small: dict[str, pa.Table]) -> None:
    subscribed = small["subscriptions"]
    assert sorted(subscribed["device_id"].to_pylist()) == sorted(
        small["devices_info"]["device_id"].to_pylist()
    )
    counts = {row["values"]: row["counts"] for row in pc.value_counts(subscribed["offer_id"]).to_pylist()}
    assert counts == {cast.offer_id: SIZES[cast.source] for cast in CASTS}


def test_every_account_holds_something_and_reads_like_somebody(small: dict[str, pa.Table]) -> None:
    held = set(small["subscriptions"]["account_id"].to_pylist())
    accounts = small["accounts"].to_pylist()
    assert {row["account_id"] for row in accounts} == held
    assert all(row["name"] and not row["name"].startswith("account") for row in accounts)
    assert {"blue-parcel-vans", "st-bridget-hospital", "city-old-town-01", "home-meters-000001"} <= held


def test_a_company_with_several_fleets_is_one_account(small: dict[str, pa.Table]) -> None:
    rows = small["subscriptions"].to_pylist()
    assert {row["offer_id"] for row in rows if row["account_id"] == "blue-parcel-vans"} >= {
        "wanderer",
        "garage-pass",
    }


def test_sims_point_to_devices_and_are_nobody_elses(small: dict[str, pa.Table]) -> None:
    rows = small["identities"].to_pylist()
    assert len({(row["kind"], row["value"]) for row in rows}) == len(rows)
    assert {row["kind"] for row in rows} == {"iccid", "imsi", "imei", "eid"}
    trackers = [row for row in rows if row["kind"] == "imsi" and row["device_id"].startswith("asset-")]
    assert len(trackers) == SIZES["trackers"]


@pytest.mark.parametrize("lamps", [1, 5, 50, 20_000])
def test_quarters_are_about_four_hundred_lamps_of_one_district(lamps: int) -> None:
    inventory = simulators.fleet("streetlights", lamps).inventory()
    made = party_tables([(cast_of("lamps"), inventory)], offers([cast_of("lamps")]))
    districts = len(set(inventory["district"].to_pylist()))
    assert made["accounts"].num_rows == max(districts, lamps // 400)
    sizes = pc.value_counts(made["subscriptions"]["account_id"]).field("counts").to_numpy()
    assert sizes.sum() == lamps
    if lamps == 20_000:
        assert 250 < sizes.min() <= sizes.max() < 550


def test_a_quarter_lies_in_one_district() -> None:
    inventory = simulators.fleet("streetlights", 20_000).inventory()
    made = party_tables([(cast_of("lamps"), inventory)], offers([cast_of("lamps")]))
    pairs = set(
        zip(made["subscriptions"]["account_id"].to_pylist(), inventory["district"].to_pylist(), strict=True)
    )
    assert len(pairs) == made["accounts"].num_rows


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=16), st.integers(0, 600))
def test_quarters_are_shared_out_to_the_last_one(counts: list[int], more: int) -> None:
    total = len(counts) + more
    shares = _apportion(counts, total)
    assert sum(shares) == total
    assert min(shares) >= 1


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 5), st.integers(1, 500))
def test_companies_come_in_order_the_first_the_largest(companies: int, devices: int) -> None:
    names = [f"Company {number}" for number in range(companies)]
    ids, kept, code = _companies(names, devices)
    sizes = np.bincount(code, minlength=len(kept))
    assert len(code) == devices
    assert kept == names[: len(kept)] or devices < companies * companies
    assert (sizes > 0).all()
    assert ids[0] == "company-0"
    assert sizes[0] == sizes.max()
