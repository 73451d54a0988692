"""What a node refuses and grants, case by case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from tests.charging.world import CATALOGUE, EUR, SECOND, T0, ask, open_node
from workbench.charging.messages import (
    Arrive,
    Balance,
    Commit,
    Debit,
    Open,
    Publish,
    Refund,
    Reserve,
    TopUp,
    Unlock,
    Update,
    decode_answer,
    encode,
)
from workbench.charging.node import BYTES_MAX, OPERATOR, Node
from workbench.charging.refusals import REFUSALS
from workbench.charging.state import Account
from workbench.charging.tariffs import instant

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
BAD: dict[str, tuple[Any, str]] = {
    "nothing wished for": (Debit(account="a", id="x", meter="car.sms"), "bad_quantity"),
    "a negative quantity": (Debit(account="a", id="x", meter="car.sms", units=-3), "bad_quantity"),
    "a huge quantity": (Debit(account="a", id="x", meter="car.sms", units=2**62), "bad_quantity"),
    "a negative amount": (Debit(account="a", id="x", amount_nano=-5), "bad_amount"),
    "an amount of 30 digits": (Debit(account="a", id="x", amount_nano=10**30), "bad_amount"),
    "units and money": (Debit(account="a", id="x", meter="car.sms", units=1, amount_nano=1), "bad_quantity"),
    "an unknown meter": (Debit(account="a", id="x", meter="car.wash", units=1), "unknown_meter"),
    "an unknown account": (Debit(account="nobody", id="x", meter="car.sms", units=1), "unknown_account"),
    "another tenant": (Debit(tenant="them", account="a", id="x", meter="car.sms", units=1), "unknown_tenant"),
    "no id": (Debit(account="a", meter="car.sms", units=1), "bad_id"),
    "a long id": (Debit(account="a", id="x" * 129, meter="car.sms", units=1), "bad_id"),
    "an id with a control": (Debit(account="a", id="x\ny", meter="car.sms", units=1), "bad_id"),
    "the future": (
        Debit(account="a", id="x", meter="car.sms", units=1, at=NOON + timedelta(days=1)),
        "too_late",
    ),
    "ancient times": (
        Debit(account="a", id="x", meter="car.sms", units=1, at=datetime(1970, 1, 1, tzinfo=UTC)),
        "too_early",
    ),
    "no zone": (Debit(account="a", id="x", meter="car.sms", units=1, at=datetime(2026, 6, 1)), "no_zone"),
    "too many dimensions": (
        Debit(account="a", id="x", meter="car.sms", units=1, dims={str(n): "" for n in range(17)}),
        "bad_dimensions",
    ),
    "no seconds": (Reserve(account="a", id="x", meter="car.sms", units=1, seconds=0), "bad_seconds"),
    "a year of seconds": (
        Reserve(account="a", id="x", meter="car.sms", units=1, seconds=366 * 86_400),
        "bad_seconds",
    ),
    "a rating group below zero": (
        Debit(account="a", id="x", meter="car.sms", units=1, rating_group=-1),
        "bad_rating_group",
    ),
    "a rating group of 33 bits": (
        Reserve(account="a", id="x", meter="car.sms", units=1, rating_group=2**32),
        "bad_rating_group",
    ),
    "a rating group of 3,000 digits": (
        Unlock(account="a", id="x", feature="f", meter="car.sms", units=1, rating_group=10**3000),
        "bad_rating_group",
    ),
    "a bucket of a meter with a control": (
        TopUp(account="a", id="x", meter="\x00", units=1, bucket="b"),
        "bad_account",
    ),
    "a parcel that is none": (
        Arrive(tenant=OPERATOR, id="x", epoch=1, came="elsewhere", seq=1, parcel=b"\x00\x00"),
        "bad_request",
    ),
    "a parcel that breaks off": (
        Arrive(tenant=OPERATOR, id="x", epoch=1, came="elsewhere", seq=1, parcel=b"\x94\xa1"),
        "bad_request",
    ),
    "a critical service without a contract": (
        Debit(account="a", id="x", meter="car.sms", units=1, critical=True),
        "critical_not_allowed",
    ),
    "an unknown reservation": (Commit(account="a", id="x", reservation=77, used=1), "unknown_reservation"),
    "a refund of nothing": (Refund(account="a", id="x", of="never"), "unknown_charge"),
    "a refund of a top-up": (Refund(account="a", id="x", of="first money of a"), "unknown_charge"),
    "nothing topped up": (TopUp(account="a", id="x"), "bad_quantity"),
    "negative money": (TopUp(account="a", id="x", amount_nano=-1), "bad_amount"),
    "units into the balance": (TopUp(account="a", id="x", meter="car.sms", units=1), "bad_account"),
    "a bucket that has expired": (
        TopUp(account="a", id="x", amount_nano=1, bucket="b", expires_at=NOON - timedelta(days=1)),
        "too_early",
    ),
    "an unknown offer": (Open(account="c", id="x", offers=("truck",)), "unknown_offer"),
    "another currency": (Open(account="a", id="x", currency="USD"), "currency_mismatch"),
    "a catalogue by a tenant": (Publish(id="x", text=CATALOGUE), "forged_tenant"),
}


def snapshot(account: Account) -> tuple[Any, ...]:
    return (account.balance, account.required, account.held, account.sequence, len(account.reservations))


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_are_refused_by_name_and_change_nothing(name: str) -> None:
    node = open_node("a", balance=EUR)
    message, code = BAD[name]
    before, accounts = snapshot(node.accounts["main", "a"]), len(node.accounts)
    answer = ask(node, message)
    assert (answer.ok, answer.code) == (False, code)
    assert answer.why == REFUSALS[code][1]
    assert (snapshot(node.accounts["main", "a"]), len(node.accounts)) == (before, accounts)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_request"),
        (b"\xff\xfe", "bad_request"),
        (b"[]", "bad_request"),
        (b"{}", "bad_request"),
        (b'{"op":"steal"}', "bad_request"),
        (b'{"op":"debit","account":"a","id":"x","meter":"car.sms","units":1.5}', "bad_request"),
        (b'{"op":"debit","account":"a","id":"x","meter":"car.sms","units":1e3}', "bad_request"),
        (b'{"op":"debit","account":"a","id":"x","meter":"car.sms","units":NaN}', "bad_request"),
        (b'{"op":"debit","account":"a","id":"x","meter":"car.sms","units":"1"}', "bad_request"),
        (b'{"op":"debit","account":"a","id":"x","price":0}', "bad_request"),
        (b'{"op":"debit","account":"a","id":"x","units":' + b"9" * 5000 + b"}", "bad_request"),
        (b'{"op":"debit","account":' + b"[" * 30_000 + b"}", "bad_request"),
        (
            b'{"op":"debit","account":"a","id":"x","dims":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001,
            "bad_request",
        ),
        (b'{"op":"debit","account":"' + b"a" * BYTES_MAX + b'"}', "too_large"),
        (b" " * 10_000_000, "too_large"),
    ],
)
def test_bytes_that_are_no_request(body: bytes, code: str) -> None:
    node = open_node("a", balance=EUR)
    handled = node.handle(body, T0)
    assert decode_answer(handled.answer).code == code
    assert not handled.record


def test_a_caller_speaks_for_its_own_tenant_only() -> None:
    node = Node(("main", "them"))
    assert ask(node, Open(account="a", id="o", tenant="them")).ok
    body = encode(Balance(account="a", tenant="them"))
    assert decode_answer(node.handle(body, T0, "main").answer).code == "forged_tenant"
    assert decode_answer(node.handle(body, T0, "them").answer).ok
    publish = encode(Publish(tenant=OPERATOR, id="p", text=CATALOGUE))
    assert decode_answer(node.handle(publish, T0, "main").answer).code == "forged_tenant"


def test_the_same_id_of_two_tenants_is_two_requests() -> None:
    node = Node(("main", "them"))
    for tenant in ("main", "them"):
        assert ask(node, Open(account="a", id="o", tenant=tenant)).ok
        assert ask(node, TopUp(account="a", id="t", tenant=tenant, amount_nano=5)).balance == 5


def test_too_many_reservations() -> None:
    node = open_node("a", balance=1000 * EUR)
    answers = [ask(node, Reserve(account="a", id=f"r{n}", meter="car.sms", units=1)) for n in range(10_000)]
    assert sum(answer.ok for answer in answers) == 1_000
    assert {answer.code for answer in answers if not answer.ok} == {"too_many_reservations"}
    assert node.tick(T0 + 600 * SECOND) == 1_000
    assert node.exposure == 0


def test_a_part_is_granted_when_asked_for_and_says_what_comes_after() -> None:
    node = open_node("a", balance=120_000_000, at_limit="throttle")
    answer = ask(node, Reserve(account="a", id="r", meter="car.sms", units=5, partial=True, rating_group=7))
    assert (answer.granted, answer.final_unit, answer.rating_group) == (2, "throttle", 7)
    assert ask(node, Reserve(account="a", id="s", meter="car.sms", units=5, partial=True)).affordable == 0


def test_critical_services_are_granted_past_the_limit_as_debt() -> None:
    node = open_node("a", balance=50_000_000, critical=True)
    assert ask(node, Debit(account="a", id="plain", meter="car.sms", units=3)).code == "insufficient_balance"
    answer = ask(node, Debit(account="a", id="ecall", meter="car.sms", units=3, critical=True))
    assert (answer.ok, answer.balance, answer.debt) == (
        True,
        -100_000_000 * node.scale,
        100_000_000 * node.scale,
    )


def test_unlock_on_pay() -> None:
    """Refuse, top up, accept: each in one round trip; unlocked again costs nothing."""
    node = open_node("a")
    wish = {"account": "a", "meter": "car.unlock", "units": 1, "feature": "navigation", "seconds": 86_400}
    assert ask(node, Unlock(id="u1", **wish)).code == "insufficient_balance"
    assert ask(node, TopUp(account="a", id="t", amount_nano=5 * EUR)).ok
    answer = ask(node, Unlock(id="u2", **wish))
    assert Fraction(answer.charged, answer.denominator) == 4_990_000_000
    assert answer.expires_at == T0 + 86_400 * SECOND
    assert ask(node, Unlock(id="u3", **wish), T0 + 5 * SECOND).charged == 0
    assert ask(node, Unlock(id="u4", **wish), T0 + 90_000 * SECOND).code == "insufficient_balance"


def test_two_sessions_that_share_a_counter_never_cost_more_than_was_held() -> None:
    """The second to settle reaches the dearer step: what the first gave back was never free to spend."""
    node = open_node("a", balance=300_000_000)  # 500 at 0.02 and 400 at 0.05 per 100: C(900) = 0.30
    for name in ("r1", "r2"):
        assert ask(node, Reserve(account="a", id=name, meter="car.data", units=450)).ok
    first = ask(node, Commit(account="a", id="c2", reservation=2, used=450))
    assert first.available == 0
    second = ask(node, Commit(account="a", id="c1", reservation=1, used=450))
    assert Fraction(first.charged + second.charged, first.denominator) == 300_000_000
    assert second.balance == 0


def test_rounding_per_event_is_held_and_charged_in_whole_increments() -> None:
    node = open_node("a", balance=EUR)
    answer = ask(node, Reserve(account="a", id="r", meter="car.call", units=61))
    assert Fraction(answer.held, answer.denominator) == 200_000_000
    assert ask(node, Commit(account="a", id="c", reservation=1, used=59)).charged == 100_000_000 * node.scale


def test_an_update_settles_even_when_no_more_can_be_granted() -> None:
    node = open_node("a", balance=100_000_000)
    assert ask(node, Reserve(account="a", id="r", meter="car.sms", units=2)).ok
    answer = ask(node, Update(account="a", id="u", reservation=1, used=2, more=2))
    assert (answer.ok, answer.code, answer.granted, answer.final_unit) == (
        True,
        "insufficient_balance",
        0,
        "cut_off",
    )
    assert (answer.balance, answer.held) == (0, 0)


def test_pools_are_shared_and_buckets_expire() -> None:
    node = open_node("a", "b", pool="family")
    for account in ("a", "b"):
        assert ask(node, Balance(account=account)).available == 0
    later = instant(T0 + 60 * SECOND)
    assert ask(
        node, TopUp(account="a", id="p", amount_nano=EUR, bucket="gift", pool="family", expires_at=later)
    ).ok
    assert ask(node, Debit(account="b", id="d", meter="car.sms", units=4)).ok
    assert ask(node, Balance(account="a")).available == 800_000_000 * node.scale
    assert ask(node, Reserve(account="a", id="r", meter="car.sms", units=16)).ok
    assert ask(node, Debit(account="b", id="e", meter="car.sms", units=1)).code == "insufficient_balance"
    assert ask(node, Commit(account="a", id="c", reservation=1, used=16), T0 + 61 * SECOND).ok
    assert ask(node, Debit(account="a", id="f", meter="car.sms", units=1), T0 + 61 * SECOND).affordable == 0


def test_thresholds_are_told_once_each_time() -> None:
    node = open_node("a", balance=EUR, low_nano=(500_000_000,))
    assert ask(node, TopUp(account="a", id="b", meter="car.data", units=100, bucket="pack")).ok
    for n in range(10):
        assert ask(node, Debit(account="a", id=f"d{n}", meter="car.data", units=10)).ok
    assert [(n.kind, n.about, n.threshold) for n in node.notices] == [
        ("bucket_used", "pack", 50), ("bucket_used", "pack", 80), ("bucket_used", "pack", 100),
    ]  # fmt: skip
    node.notices.clear()
    for n in range(12):
        assert ask(node, Debit(account="a", id=f"e{n}", meter="car.sms", units=1)).ok
    assert [n.kind for n in node.notices] == ["balance_low"]
    assert ask(node, TopUp(account="a", id="more", amount_nano=EUR)).ok
    assert ask(node, Debit(account="a", id="f", meter="car.sms", units=20)).ok
    assert [n.kind for n in node.notices] == ["balance_low", "balance_low"]
    assert len({n.id for n in node.notices}) == 2


def test_a_finer_catalogue_changes_no_amount() -> None:
    node = open_node("a", balance=EUR)
    assert ask(node, Reserve(account="a", id="r", meter="car.sms", units=3)).ok
    scale = node.scale
    finer = CATALOGUE.replace("    split:", "    split:") + CATALOGUE.split("offers:")[1].replace(
        "version: 1", "version: 2"
    ).replace("2020-01-01", "2027-01-01").replace("0.00005, per: 1 kWh", "0.00005, per: 7 kWh")
    assert ask(node, Publish(tenant=OPERATOR, id="p2", text=finer)).ok
    assert node.scale == 7 * scale
    answer = ask(node, Commit(account="a", id="c", reservation=1, used=3))
    assert Fraction(answer.balance, answer.denominator) == 850_000_000
    changed = CATALOGUE.replace("0.05, per: 1 message", "0.06, per: 1 message")
    assert ask(node, Publish(tenant=OPERATOR, id="p3", text=changed)).code == "catalogue_refused"
