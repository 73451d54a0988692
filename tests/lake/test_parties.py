from __future__ import annotations

import time

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from workbench.errors import FileUnreadable, PartyError
from workbench.lake import parties

ACCOUNTS = pa.table({"account_id": ["a1", "a2"], "zone": ["Europe/Berlin", "UTC"]})
DEVICES = pa.table(
    {"device_id": ["d1", "d2"], "group_id": ["g1", None], "lat": [52.5, None], "lon": [13.4, None]}
)


def subscriptions(**columns):
    rows = {
        "subscription_id": ["s1", "s2"],
        "account_id": ["a1", "a2"],
        "device_id": ["d1", "d2"],
        "offer_id": ["lamp", "lamp"],
        "starts_at": ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00+01:00"],
    }
    return pa.table(rows | columns)


def replace(lake, **tables):
    with lake.writer():
        return parties.replace(lake, tables, {"stage": "parties"})


def test_parties_enter_together_with_their_defaults(lake):
    replace(lake, accounts=ACCOUNTS, devices_info=DEVICES, subscriptions=subscriptions())
    rows = lake.con.execute(f"SELECT * FROM {lake.scan('subscriptions')} ORDER BY 1").fetchall()
    assert [(row[5].isoformat(), row[6], row[7], row[8]) for row in rows] == [
        ("2026-01-01T00:00:00", None, "active", "{}"),
        ("2025-12-31T23:00:00", None, "active", "{}"),
    ]


def test_replacing_a_table_leaves_the_others(lake):
    replace(lake, accounts=ACCOUNTS, subscriptions=subscriptions())
    replace(lake, accounts=pa.table({"account_id": ["a1", "a2", "a3"]}))
    assert [s.rows for s in lake.segments("accounts")] == [3]
    assert [s.rows for s in lake.segments("subscriptions")] == [2]


def test_the_same_parties_in_another_order_are_the_same_bytes(lake):
    replace(lake, accounts=ACCOUNTS, subscriptions=subscriptions())
    before = {s.sha256 for s in lake.segments("subscriptions")}
    replace(lake, subscriptions=subscriptions().take([1, 0]))
    assert {s.sha256 for s in lake.segments("subscriptions")} == before


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_files_are_read_like_tables(lake, tmp_path, suffix):
    path = tmp_path / f"subscriptions{suffix}"
    if suffix == ".csv":
        pyarrow.csv.write_csv(subscriptions(), path)
    else:
        pyarrow.parquet.write_table(subscriptions(), path)
    replace(lake, accounts=ACCOUNTS, subscriptions=path)
    assert [s.rows for s in lake.segments("subscriptions")] == [2]


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ({"accounts": pa.table({"account_id": ["a1", "a1"]})}, "party_duplicate"),
        ({"accounts": pa.table({"account_id": ["a1"], "zone": ["Mars/Olympus"]})}, "party_zone"),
        ({"accounts": pa.table({"account_id": ["a1"], "zone": ["../../etc/passwd"]})}, "party_zone"),
        ({"accounts": pa.table({"account_id": ["a1"], "currency": ["EURO"]})}, "party_currency"),
        ({"accounts": pa.table({"account_id": ["a1"], "billing_anchor_day": [32]})}, "party_anchor_day"),
        ({"accounts": pa.table({"account_id": ["a1"], "credit_limit_nano": [0.1]})}, "float_in_money"),
        ({"accounts": pa.table({"account_id": ["a1"], "credit_limit_nano": ["1.5"]})}, "party_value"),
        ({"accounts": pa.table({"account_id": ["a1"], "credit_limit_nano": ["9" * 40]})}, "party_value"),
        ({"accounts": pa.table({"account_id": ["a1", None]})}, "party_value"),
        ({"accounts": pa.table({"account": ["a1"]})}, "party_column"),
        ({"accounts": pa.table({"name": ["a1"]})}, "party_column"),
        ({"payers": pa.table({"name": ["a1"]})}, "party_table"),
        ({"devices_info": pa.table({"device_id": ["d"], "lat": [91.0], "lon": [0.0]})}, "party_position"),
        ({"devices_info": pa.table({"device_id": ["d"], "lat": [float("nan")], "lon": [0.0]})}, "party_position"),
        ({"devices_info": pa.table({"device_id": ["d"], "lat": [1.0]})}, "party_position"),
        ({"devices_info": pa.table({"device_id": ["d"], "attributes": ["{"]})}, "party_json"),
        ({"subscriptions": subscriptions(account_id=["a1", "a9"])}, "party_unknown_account"),
        ({"subscriptions": subscriptions(device_id=["d1", "d1"])}, "party_overlap"),
        ({"subscriptions": subscriptions(group_id=["g", "g"], device_id=[None, None])}, "party_overlap"),
        ({"subscriptions": subscriptions(group_id=["g1", "g1"])}, "party_holder"),
        ({"subscriptions": subscriptions(sim_state=["active", "asleep"])}, "party_sim_state"),
        ({"subscriptions": subscriptions(overrides=["{}", "{a}"])}, "party_json"),
        ({"subscriptions": subscriptions(starts_at=["2026-01-01", "2026-01-01T00:00:00Z"])}, "party_time"),
        ({"subscriptions": subscriptions(starts_at=["2026-01-01T00:00:00", "2026-01-01T00:00:00Z"])}, "party_time"),
        ({"subscriptions": subscriptions(starts_at=["2026-02-30T00:00:00Z", "2026-01-01T00:00:00Z"])}, "party_time"),
        ({"subscriptions": subscriptions(starts_at=["9999-01-01T00:00:00Z", "2026-01-01T00:00:00Z"])}, "party_dates"),
        ({"subscriptions": subscriptions(ends_at=["2026-01-01T00:00:00Z", None])}, "party_dates"),
        (
            {"identities": pa.table({"kind": ["iccid"] * 2, "value": ["8949"] * 2, "device_id": ["d1", "d2"],
                                     "starts_at": ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"]})},
            "party_overlap",
        ),
        (
            {"identities": pa.table({"kind": ["phone"], "value": ["1"], "device_id": ["d"],
                                     "starts_at": ["2026-01-01T00:00:00Z"]})},
            "party_identity",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_wrong_table_is_refused_and_nothing_is_written(lake, table, code):
    replace(lake, accounts=ACCOUNTS)
    version = lake.state.version
    with pytest.raises(PartyError) as error:
        replace(lake, **table)
    assert error.value.code == code
    assert error.value.cure
    lake.refresh()
    assert lake.state.version == version


def test_dropping_an_account_that_still_pays_is_refused(lake):
    replace(lake, accounts=ACCOUNTS, subscriptions=subscriptions())
    with pytest.raises(PartyError) as error:
        replace(lake, accounts=pa.table({"account_id": ["a1"]}))
    assert error.value.code == "party_unknown_account"


def test_a_device_subscribed_by_itself_and_through_its_group_is_refused(lake):
    both = subscriptions(device_id=["d1", None], group_id=[None, "g1"])
    with pytest.raises(PartyError, match="of its group"):
        replace(lake, accounts=ACCOUNTS, devices_info=DEVICES, subscriptions=both)


def test_one_after_the_other_is_no_overlap(lake):
    table = subscriptions(
        device_id=["d1", "d1"],
        starts_at=["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"],
        ends_at=["2026-02-01T00:00:00Z", None],
    )
    assert replace(lake, accounts=ACCOUNTS, subscriptions=table)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None, b""])
def test_an_unreadable_file_is_named(lake, tmp_path, content):
    path = tmp_path / "accounts.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((FileUnreadable, PartyError)) as error:
        replace(lake, accounts=path)
    assert "accounts" in str(error.value)


def test_300_000_subscriptions_are_set_based(lake):
    """A row-by-row check would take minutes; the bound leaves room for a busy machine."""
    count = 300_000
    table = pa.table(
        {
            "subscription_id": [f"s{i}" for i in range(count)],
            "account_id": [f"a{i % 2 + 1}" for i in range(count)],
            "device_id": [f"lamp-{i:06}" for i in range(count)],
            "offer_id": ["lamp"] * count,
            "starts_at": ["2026-01-01T00:00:00Z"] * count,
        }
    )
    started = time.process_time()
    replace(lake, accounts=ACCOUNTS, subscriptions=table)
    assert time.process_time() - started < 12


def test_a_subscription_may_have_dated_rows(lake):
    """A SIM that is suspended for a month: three rows of one subscription, one after the other."""
    table = pa.table(
        {
            "subscription_id": ["s1"] * 2,
            "account_id": ["a1"] * 2,
            "device_id": ["d1"] * 2,
            "offer_id": ["lamp"] * 2,
            "starts_at": ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"],
            "ends_at": ["2026-02-01T00:00:00Z", None],
            "sim_state": ["active", "suspended"],
        }
    )
    replace(lake, accounts=ACCOUNTS, subscriptions=table)
    moved = table.set_column(3, "offer_id", [["lamp", "meter"]])
    with pytest.raises(PartyError) as error:
        replace(lake, subscriptions=moved)
    assert error.value.code == "party_subscription_changed"
