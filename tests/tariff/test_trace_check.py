"""A trace that hangs together passes; each single lie is named."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from workbench.errors import RatingError
from workbench.tariff.trace_check import check_trace, seal_of

Trace = dict[str, Any]
TEXT = json.dumps({"id": "o", "version": 3})


def whole() -> Trace:
    """Three units at 2.005 EUR over a denominator of 2; the line holds another 0.01, the partners share 6.03 by 2 : 1."""
    amount = 2 * 3 * 2_005_000_000
    trace: Trace = {
        "offer": {"id": "o", "version": 3, "text": TEXT, "sha256": hashlib.sha256(TEXT.encode()).hexdigest()},
        "component": "a", "units": 3, "denominator": 2, "counter": {"before": 0, "after": 3},
        "rounding": {"units": 1, "add": 0}, "free_units": 0,
        "steps": [{"from_units": 0, "origin_units": 0, "base": 0, "block_units": 1, "block_amount": 2 * 2_005_000_000}],
        "parts": [{"step": 0, "after": 0, "up_to": 3, "amount": amount}], "amount": amount,
        "record": {"units": 3},
        "charge": {"amount": 3 * 2_005_000_000, "denominator": 1, "units": 3},
        "line": {"exact_nano": "6025000000", "rounded_nano": 6_030_000_000, "others_nano": "10000000", "currency": "EUR"},
        "shares": {"currency": "EUR", "takings_nano": "6025000000", "partners": [
            {"share_nano": "4016666666.5", "statement_nano": 4_020_000_000},
            {"share_nano": "2008333333.5", "statement_nano": 2_010_000_000}]},
    }  # fmt: skip
    return sealed(trace)


def sealed(trace: Trace) -> Trace:
    return trace | {"seal": seal_of(trace)}


def refusal(trace: Trace) -> str:
    with pytest.raises(RatingError) as caught:
        check_trace(trace)
    assert caught.value.code == "trace_wrong"
    return caught.value.what


def test_a_trace_that_hangs_together_passes() -> None:
    check_trace(whole())


def put(*path: object, value: object) -> Callable[[Trace], None]:
    def change(trace: Trace) -> None:
        spot: Any = trace
        for key in path[:-1]:
            spot = spot[key]
        spot[path[-1]] = value

    return change


OTHER = json.dumps({"id": "p", "version": 3})
LATER = json.dumps({"id": "o", "version": 4})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([put("amount", value=1)], "says 1, its steps give 12030000000"),
        ([put("parts", 0, "amount", value=1)], "says 12030000000, its steps give 12030000000"),
        ([put("charge", "amount", value=6_015_000_001)], "but 6015000001 over 1 was charged"),
        ([put("charge", "denominator", value=2)], "but 6015000000 over 2 was charged"),
        ([put("offer", "text", value=TEXT + " ")], "carries an offer that is not what its hash says"),
        ([put("offer", "text", value=OTHER), put("offer", "sha256", value=hashlib.sha256(OTHER.encode()).hexdigest())],
         "carries the text of another offer"),
        ([put("offer", "text", value=LATER), put("offer", "sha256", value=hashlib.sha256(LATER.encode()).hexdigest())],
         "carries the text of another offer"),
        ([put("line", "rounded_nano", value=6_020_000_000)], "rounds its line to 6020000000 nano, 6025000000 are 6030000000"),
        ([put("line", "others_nano", value="10000001")], "adds up its line to another amount"),
        ([put("shares", "partners", 0, "share_nano", value="4016666667")], "shares more or less than was taken"),
        ([put("shares", "partners", 0, "statement_nano", value=4_010_000_000)], "states more or less than was taken"),
        ([put("shares", "partners", 0, "statement_nano", value=4_030_000_000),
          put("shares", "partners", 1, "statement_nano", value=2_000_000_000)], "states a share that is not its own, rounded"),
        ([put("shares", "partners", 0, "statement_nano", value=4_020_000_001),
          put("shares", "partners", 1, "statement_nano", value=2_009_999_999)], "states a share that is not its own, rounded"),
        ([put("record", "units", value=4)], "explains 3 units of a record of 4"),
        ([put("charge", "units", value=4)], "charges 4 units of a record of 3"),
        ([put("steps", value=[])], "cannot be recomputed (IndexError)"),
        ([put("free_units", value="2")], "cannot be recomputed (TypeError)"),
        ([put("counter", value={})], "cannot be recomputed (KeyError)"),
        ([put("charge", "denominator", value=0)], "cannot be recomputed (ZeroDivisionError)"),
    ],
)  # fmt: skip
def test_each_lie_is_named(changes: list[Callable[[Trace], None]], said: str) -> None:
    trace = copy.deepcopy(whole())
    del trace["seal"]
    for change in changes:
        change(trace)
    assert said in refusal(sealed(trace))
    # and a seal that was not renewed finds it out too, last of all
    assert refusal(trace | {"seal": whole()["seal"]})


def test_what_is_changed_without_harm_breaks_the_seal() -> None:
    assert "was changed after it was sealed" in refusal(whole() | {"component": "b"})
    check_trace(sealed({k: v for k, v in whole().items() if k not in ("seal", "shares", "line", "charge")}))
    check_trace({k: v for k, v in whole().items() if k != "seal"})


def test_a_share_may_be_just_less_than_a_unit_from_its_statement() -> None:
    trace = whole()
    # 6.025 is 6.03; 4.0100000001 may be stated as 4.02, 4.01 may not
    for share, fine in (("4010000001", True), ("4010000000", False)):
        rest = str(6_025_000_000 - int(share))
        trace["shares"]["partners"][0]["share_nano"] = share
        trace["shares"]["partners"][1]["share_nano"] = rest
        del trace["seal"]
        trace = sealed(trace)
        if fine:
            check_trace(trace)
        else:
            assert "states a share that is not its own" in refusal(trace)


@pytest.mark.parametrize(
    ("record", "charged", "said"),
    [({"units": 9, "n_events": 3}, 3, ""),  # events are counted, whatever they carried
     ({"units": 3, "n_events": 1}, 2, ""),  # two of three units were within a sponsor's budget
     ({"units": 3, "n_events": 1}, 1, "charges 1 units of a record of 3"),
     ({"units": 9, "n_events": 4}, 3, "explains 3 units of a record of 9")],
)  # fmt: skip
def test_all_of_a_record_is_explained_and_what_moved_the_counter_is_charged(
    record: dict[str, int], charged: int, said: str
) -> None:
    trace = whole()
    del trace["seal"]
    trace |= {"record": record, "charge": {"amount": trace["amount"], "denominator": 2, "units": charged}}
    if charged == 2 or said.startswith("charges"):
        trace |= {"counter": {"before": 5, "after": 7}, "amount": 2 * 2 * 2_005_000_000}
        trace["parts"] = [{"step": 0, "after": 5, "up_to": 7, "amount": trace["amount"]}]
        trace["charge"] |= {"amount": trace["amount"]}
    del trace["line"]
    if said:
        assert said in refusal(sealed(trace))
    else:
        check_trace(sealed(trace))


@pytest.mark.parametrize(
    "gone", [("charge",), ("line", "others_nano"), ("line", "rounded_nano"), ("record",), ("shares",)]
)
def test_what_a_trace_does_not_say_is_not_checked(gone: tuple[str, ...]) -> None:
    """A line is seen without its charge, and a charge on a line whose others are not told."""
    trace = whole()
    spot = trace
    for key in gone[:-1]:
        spot = spot[key]
    del spot[gone[-1]], trace["seal"]
    check_trace(trace)


def test_the_seal_does_not_look_at_the_order_of_keys() -> None:
    trace = whole()
    assert seal_of(dict(reversed(trace.items()))) == trace["seal"]
    assert seal_of(trace | {"seal": "x"}) == trace["seal"]
