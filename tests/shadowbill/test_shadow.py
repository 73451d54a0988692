"""The five-minute start: a stranger's file to a bill, and the difference to what was billed."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest

from workbench.errors import MappingError, UsageError
from workbench.shadowbill.offers import starters
from workbench.shadowbill.run import prepare, shadow
from workbench.tariff.catalogue import loads

CDR = """Record ID;ICCID;Customer;Session Start;Session End;Data Usage (MB);Country;Charge EUR
1001;8949000000000000011;ACME;01.03.2026 10:00:00;01.03.2026 10:05:00;1,5;DE;0,02
1002;8949000000000000011;ACME;02.03.2026 11:00:00;02.03.2026 11:05:00;0,25;DE;0,02
1003;8949000000000000029;Beta;03.04.2026 12:00:00;03.04.2026 12:05:00;12,125;FR;0,12
1003;8949000000000000029;Beta;03.04.2026 12:00:00;03.04.2026 12:05:00;12,125;FR;0,12
1004;;Beta;03.04.2026 12:00:00;03.04.2026 12:05:00;1;FR;0,12
1005;8949000000000000029;Beta;03.04.2026 12:00:00;31.02.2026 12:05:00;1;FR;0,12
"""
OFFER = """
meters:
  - {id: sim.data, unit: byte, dimensions: [country]}
partners: [{id: operator}, {id: maker}]
offers:
  - id: sim-card
    version: 1
    title: SIM card
    currency: EUR
    effective: 2030-01-01
    prices:
      - id: data
        meter: sim.data
        rates:
          - {id: home, match: {country: [DE]}, per_unit: {amount: 0.02, per: 1 MB}}
          - {id: abroad, per_unit: {amount: 0.10, per: 1 MB}}
    fees: [{id: sim-day, amount: 0.01, every: day, per: device}]
    split: {rules: [{partner: operator, percent: 70 %}, {partner: maker, percent: 30 %}]}
"""


@pytest.fixture
def cdr(tmp_path: Path) -> Path:
    path = tmp_path / "cdr.csv"
    path.write_text(CDR)
    return path


def test_a_file_alone_becomes_a_bill(cdr: Path) -> None:
    bill = shadow(cdr)
    assert (bill.events, bill.duplicates, bill.rejects) == (3, 1, {"missing_device": 1, "bad_time": 1})
    assert bill.total == Fraction("1.75") / 100 + Fraction("12.125") / 100
    assert bill.by("account") == {"ACME": Fraction("0.0175"), "Beta": Fraction("0.12125")}
    assert bill.periods == ("2026-03-01/2026-04-01", "2026-04-01/2026-05-01")
    assert bill.net_nano == 140_000_000
    assert "1 copies left out" in bill.trace("8949000000000000029")[0]
    assert "<table>" in bill._repr_html_()
    json.dumps(bill.as_dict())


def test_the_old_bill_is_compared_sim_by_sim_largest_first(cdr: Path) -> None:
    billed = pd.DataFrame(
        {
            "sim": ["8949000000000000011", "8949000000000000029", "8949000000000000037", None],
            "net amount": ["0.02", "0.1", "1.00", "0.5"],
        }
    )
    bill = shadow(cdr, billed=billed)
    assert [(each.key[-2:], each.verdict, each.amount) for each in bill.differences] == [
        ("37", "overcharge", Fraction(-1)),
        ("29", "leakage", Fraction("0.02125")),
        ("11", "overcharge", Fraction("-0.0025")),
    ]
    assert bill.leakage == Fraction("0.02125")
    assert bill.overcharge == Fraction("1.0025")
    assert bill.billed_skipped == 1
    assert bill.differences[0].trace == ("no usage in the file",)
    assert "12,125,000 byte of data in 1 event, 1 copies left out" in bill.differences[1].trace[0]
    assert bill.differences_frame()["difference"].sum() == bill.leakage - bill.overcharge


def test_the_old_bill_may_speak_of_accounts(cdr: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.csv"
    old.write_text("customer,net,gross\nACME,0.0175,0.02\nBeta,0.12,0.14\nBeta,0.00125,0\n")
    bill = shadow(cdr, billed=old)
    assert bill.compared_by == "account"
    assert {each.verdict for each in bill.differences} == {"equal"}
    assert (bill.leakage, bill.overcharge) == (0, 0)


def test_your_own_offer_names_the_meters_and_is_asked_what_it_would_have_cost(cdr: Path) -> None:
    bill = shadow(cdr, loads(OFFER))
    # The offer begins in 2030, the file is of 2026; fees are due for the 34 days the file covers, for two SIMs.
    usage = Fraction("1.75") * Fraction("0.02") + Fraction("12.125") * Fraction("0.10")
    assert bill.total == usage + 2 * 34 * Fraction("0.01")
    assert {line.kind for line in bill.lines} == {"usage", "recurring"}


def test_a_data_frame_is_as_good_as_a_file() -> None:
    frame = pd.DataFrame(
        {
            "device_id": [7.0, 7.0, 8.0],
            "timestamp": pd.to_datetime(["2026-01-01 00:00", "2026-01-01 01:00", "2026-01-01 00:00"]),
            "bytes": [1_000_000, 500_000, 250_000],
        }
    )
    bill = shadow(frame, billed=pd.DataFrame({"device": [7.0, 8.0], "amount": [0.015, 0.01]}))
    assert bill.by("device") == {"7": Fraction("0.015"), "8": Fraction("0.0025")}
    assert [(each.key, each.verdict) for each in bill.differences] == [("8", "overcharge"), ("7", "equal")]


def test_a_register_is_billed_by_its_differences() -> None:
    readings = [1000 + 3 * minute for minute in range(60)]
    times = pd.date_range("2026-01-01", periods=60, freq="min", tz="UTC")
    bill = shadow(pd.DataFrame({"meter_id": ["m1"] * 60, "read_at": times, "total_kwh": readings}))
    assert bill.total == Fraction(3 * 59) * Fraction("0.30")


def test_the_same_file_twice_costs_the_same_to_the_last_digit(cdr: Path) -> None:
    once, twice = shadow(cdr), shadow(cdr)
    assert once.lines == twice.lines


def test_a_kept_lake_is_an_ordinary_lake_that_verifies(cdr: Path, tmp_path: Path) -> None:
    from workbench.lake.lake import Lake
    from workbench.verify.run import verify

    bill = shadow(cdr, loads(OFFER), keep=tmp_path / "lake")
    with Lake.open(tmp_path / "lake") as lake:
        report = verify(lake, full=True)
    assert report.ok, report.verdict()
    with pytest.raises(UsageError, match="already"):
        shadow(cdr, keep=tmp_path / "lake")
    assert bill.events == 3


def test_a_saved_mapping_bills_the_same(cdr: Path, tmp_path: Path) -> None:
    prepared = prepare(cdr)
    assert prepared.proposal is not None
    path = prepared.proposal.save(tmp_path / "cdr.yaml")
    assert shadow(cdr, mapping=path, account="Customer").lines == shadow(cdr).lines


def test_starters_fit_the_file(cdr: Path) -> None:
    first, second = starters(prepare(cdr).mapping, Fraction(2, 100))
    assert "0.02 EUR per 1 MB of data" in first.title
    assert second.catalogue.offers[0].fees


def test_what_does_not_fit_is_one_clear_sentence(cdr: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"prices lamps\.energy"):
        shadow(cdr, Path(__file__).parents[2] / "datasets" / "catalog" / "street-lamps.yaml")
    other = tmp_path / "other.csv"
    other.write_text("colour,size\nred,1\n")
    with pytest.raises(MappingError, match="time"):
        shadow(other)
    with pytest.raises(UsageError, match="names a device or account"):
        shadow(cdr, billed=other)
    with pytest.raises(UsageError, match="no table"):
        shadow(5)
