"""Commands that look at a lake: status, records, trace, and the projection."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from tests.cli.conftest import Said

Say = Callable[..., Said]


def test_status_tells_streams_parties_and_periods(say: Say, town: Path) -> None:
    found = say("status", town, "--json").object
    (stream,) = found["streams"]
    assert (stream["stream"], stream["events"], stream["records"]) == ("lamps.energy", 30 * 120, 30 * 8)
    assert stream["landed"] == stream["events"] + stream["duplicates"]
    assert found["parties"]["subscriptions"] == 30
    assert [(each["period"], each["state"]) for each in found["periods"]] == [
        ("2026-03-02/2026-03-03", "closed")
    ]
    shown = say("status", town)
    assert shown.code == 0
    assert "lamps.energy" in shown.out


def test_a_trace_ends_at_the_events_that_were_billed(say: Say, town: Path) -> None:
    found = say("trace", town, "--json").object
    charge, record, events = found["charge"], found["record"], found["events"]
    assert found["proven"] is True
    assert found["line"]["kind"] == "usage"
    counted = [event for event in events if event["became"] == "event"]
    assert (record["n_events"], record["units"]) == (len(counted), sum(event["units"] for event in counted))
    assert record["n_duplicates"] == len(events) - len(counted)
    assert (charge["units"], charge["amount"], charge["price_denominator"]) == (
        record["units"],
        record["units"],
        20,
    )


def test_every_level_of_a_trace_can_be_named(say: Say, town: Path) -> None:
    whole = say("trace", town, "--json").object
    number, line = whole["invoice"]["invoice_no"], whole["line"]["line_no"]
    for charge in whole["charges"]:
        said = say("trace", town, number, "--line", line, "--device", charge["device_id"], "--window",
                   charge["window_start"], "--json")  # fmt: skip
        assert said.object["charge"] == charge
        assert said.object["proven"] is True
    exact = sum(
        (Fraction(each["amount"], each["price_denominator"]) for each in whole["charges"]), Fraction(0)
    )
    assert exact <= Fraction(whole["line"]["exact_nano"])


def test_a_trace_of_rent_ends_at_its_charge(say: Say, town: Path) -> None:
    number = say("invoice", "list", town, "--json").object["invoices"][0]["invoice_no"]
    lines = say("invoice", "show", town, number, "--json").object["lines"]
    rent = next(line["line_no"] for line in lines if line["kind"] == "recurring")
    found = say("trace", town, number, "--line", rent, "--json").object
    assert Fraction(found["charge"]["amount"], found["charge"]["price_denominator"]) == 100_000_000
    assert "record" not in found
    assert say("trace", town, number, "--line", rent).code == 0


@pytest.mark.parametrize(
    "words", [("--line", "999"), ("--device", "lamp-999999"), ("--window", "2027-01-01"), ("INV-9999",)]
)
def test_what_is_not_there_is_said(say: Say, town: Path, words: tuple[str, ...]) -> None:
    said = say("trace", town, *words, "--json")
    assert said.code == 2
    assert said.error["code"] in ("trace_missing", "unknown_document")


def test_a_trace_is_drawn_for_people(say: Say, town: Path) -> None:
    said = say("trace", town)
    assert said.code == 0
    assert "found again" in said.out


def test_records_can_be_narrowed(say: Say, town: Path) -> None:
    found = say("records", town, "lamps.energy", "--device", "lamp-000003", "--json").object
    assert found["total"] == 8
    assert {record["device_id"] for record in found["records"]} == {"lamp-000003"}
    later = say("records", town, "--device", "lamp-000003", "--window", "2026-03-02T01:30Z", "--json").object
    assert later["total"] == 2
    assert say("records", town, "--limit", "3").code == 0


def test_parties_can_be_shown(say: Say, town: Path) -> None:
    found = say("parties", "show", town, "devices_info", "--limit", "4", "--json").object
    assert (found["total"], len(found["rows"])) == (30, 4)
    assert say("parties", "show", town).code == 0


def test_the_projection_comes_back_the_same(say: Say, town: Path) -> None:
    before = say("project", town, "--json").object
    after = say("rebuild", town, "--json").object
    assert after["same"] is True
    assert after["row_hashes"] == before["row_hashes"]
    assert say("rebuild", town).code == 0
