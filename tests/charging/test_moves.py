"""Accounts that move between two nodes in memory: nothing is lost, nothing doubled, and only one of them answers."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pytest

from tests.charging.world import CATALOGUE, EUR, SECOND, T0, ask, open_node
from workbench.charging.alone import compare
from workbench.charging.durable import LocalNode
from workbench.charging.messages import (
    Answer,
    Arrive,
    Balance,
    Command,
    Commit,
    Debit,
    Depart,
    Moved,
    Open,
    Publish,
    Refund,
    Remember,
    Reserve,
    TopUp,
    decode_answer,
    encode,
)
from workbench.charging.node import OPERATOR, Node
from workbench.charging.portable import account_out
from workbench.charging.snapshot import Shot, restore
from workbench.charging.state import rescale
from workbench.errors import ChargingError


def move(source: Node, target: Node, *names: str, epoch: int = 1, to: str = "b", came: str = "a") -> bool:
    """A whole hand-over; answers whether the target took it."""
    leave = [("main", name) for name in names]
    assert ask(source, Depart(tenant=OPERATOR, id=f"{epoch} out", epoch=epoch, to=to, leave=leave)).ok
    parcel = source.parcels[epoch, to]
    rows = [(key, known[0], known[1]) for key, known in source.answers.items() if key.startswith("main")]
    assert ask(target, Remember(tenant=OPERATOR, id=f"{epoch} answers", answers=rows)).ok
    arrive = Arrive(
        tenant=OPERATOR, id=f"{epoch} in", epoch=epoch, came=came, seq=parcel.seq, parcel=parcel.body
    )
    taken = ask(target, arrive).ok
    assert ask(source, Moved(tenant=OPERATOR, id=f"{epoch} done", epoch=epoch, to=to, back=not taken)).ok
    return taken


def guest() -> Node:
    node = open_node()
    node.guest_of = "a"
    return node


def test_everything_of_an_account_goes_along_and_comes_back() -> None:
    home, other = open_node("x", balance=10 * EUR), guest()
    ask(home, TopUp(account="x", id="units", meter="car.data", units=500, bucket="pack"))
    made = ask(home, Reserve(account="x", id="r", meter="car.data", units=900, device="d", seconds=60))
    spent = home.handle(encode(Debit(account="x", id="d", meter="car.sms", units=2)), T0).answer
    before = account_out(home.accounts["main", "x"])[:10]
    exposure = home.exposure
    assert move(home, other, "x")
    assert account_out(other.accounts["main", "x"])[:10] == before
    assert (home.exposure, other.exposure, home.parcels) == (0, exposure, {})
    said = ask(home, Balance(account="x"))
    assert (said.code, said.where) == ("elsewhere", "b")
    assert ask(home, Debit(account="x", id="d", meter="car.sms", units=2)).code == "elsewhere"
    assert other.handle(encode(Debit(account="x", id="d", meter="car.sms", units=2)), T0).answer == spent
    assert ask(other, Debit(account="x", id="d", meter="car.sms", units=3)).code == "key_reused"
    assert ask(other, Refund(account="x", id="back", of="d")).charged == -decode_answer(spent).charged
    assert ask(other, Commit(account="x", id="c", reservation=made.reservation, used=900)).ok
    assert move(other, home, "x", epoch=2, to="a", came="b")
    assert ask(other, Balance(account="x")).where == "a"
    left = ask(home, Balance(account="x"))
    # 500 units of the pack, 400 rated: the first 500 cost 0.02 per 100
    assert left.balance == (10 * EUR - 4 * 20_000_000) * left.denominator
    assert ask(home, Commit(account="x", id="c", reservation=made.reservation, used=900)).ok
    assert ask(home, Balance(account="x")).balance == left.balance


def test_a_pool_s_members_move_together_and_new_ones_follow() -> None:
    home, other = open_node("m1", "m2", pool="family"), guest()
    ask(home, Open(account="alone", id="o", offers=("car",)))
    ask(home, TopUp(account="m1", id="g", amount_nano=EUR, bucket="gift", pool="family"))
    assert move(home, other, "m1")
    assert set(home.accounts) == {("main", "alone")}
    assert home.pools == {}
    assert ask(other, Debit(account="m2", id="d", amount_nano=EUR)).ok
    assert ask(other, Debit(account="m1", id="d1", amount_nano=1)).code == "insufficient_balance"
    fresh = encode(Open(account="m3", id="o3", offers=("car",), pool="family"))
    handled = home.handle(fresh, T0)
    assert (decode_answer(handled.answer).where, handled.record) == ("b", fresh)
    assert ask(other, Open(account="m3", id="o3", offers=("car",), pool="family")).ok
    assert ask(home, Balance(account="m3")).where == "b"
    assert ask(home, Open(account="alone", id="o4", offers=("car",), pool="family")).code == "busy"
    assert ask(other, Open(account="stranger", id="s", offers=("car",))).where == "a"
    assert ask(other, Open(account="m1", id="q", offers=("car",), pool="new pool")).code == "busy"
    assert move(other, home, "m3", epoch=2, to="a", came="b")
    assert {name for _, name in home.accounts} == {"alone", "m1", "m2", "m3"}
    assert home.pools["main", "family"].members == 3
    assert home.away == home.away_pools == {}


def test_only_the_operator_moves_accounts() -> None:
    node = open_node("x")
    forged = Depart(tenant="main", id="f", epoch=1, to="b", leave=[("main", "x")])
    assert ask(node, forged).code == "forged_tenant"
    body = encode(Depart(tenant=OPERATOR, id="f", epoch=1, to="b", leave=[("main", "x")]))
    assert decode_answer(node.handle(body, T0, "main").answer).code == "forged_tenant"
    assert ("main", "x") in node.accounts


def test_an_overtaken_hand_over_changes_nothing() -> None:
    """The first parcel comes a second time, after the account went home and away again: it is refused."""
    home, other = open_node("x", balance=EUR), guest()
    leave = [("main", "x")]
    ask(home, Depart(tenant=OPERATOR, id="1", epoch=1, to="b", leave=leave))
    parcel = home.parcels[1, "b"]
    first = Arrive(tenant=OPERATOR, id="in", epoch=1, came="a", seq=parcel.seq, parcel=parcel.body)
    assert ask(other, first).ok
    assert ask(other, first).ok  # the same id: the same answer, and nothing done
    again = Arrive(tenant=OPERATOR, id="in again", epoch=1, came="a", seq=parcel.seq, parcel=parcel.body)
    assert ask(other, again).code == "stale_move"
    ask(home, Moved(tenant=OPERATOR, id="m", epoch=1, to="b"))
    assert move(other, home, "x", epoch=2, to="a", came="b")
    assert (
        ask(other, Arrive(tenant=OPERATOR, id="late", epoch=1, came="a", seq=1, parcel=parcel.body)).code
        == "stale_move"
    )
    assert ask(home, Depart(tenant=OPERATOR, id="9", epoch=2, to="b", leave=leave)).code == "stale_move"
    assert ("main", "x") not in other.accounts


def test_a_parcel_that_is_refused_is_taken_back() -> None:
    home, other = open_node("x", balance=EUR), Node()
    other.guest_of = "a"
    before = account_out(home.accounts["main", "x"])
    assert not move(home, other, "x")  # it has no catalogue
    assert account_out(home.accounts["main", "x"]) == before
    assert ask(home, Debit(account="x", id="d", meter="car.sms", units=1)).ok


@pytest.mark.parametrize("finer_at_home", [True, False])
def test_nodes_of_another_denominator_agree_on_every_amount(finer_at_home: bool) -> None:
    finer = CATALOGUE + CATALOGUE.partition("offers:")[2].replace("id: car\n", "id: third\n").replace(
        "amount: 0.10, per: 60 second", "amount: 0.01, per: 7 second"
    )
    home, other = open_node("x", balance=EUR), guest()
    ask(home, Reserve(account="x", id="r", meter="car.data", units=800, device="d"))
    for node in (home, other):
        assert ask(node, Publish(tenant=OPERATOR, id="finer", text=finer)).ok
    assert home.scale == other.scale > 1
    once = home if finer_at_home else other  # it once had a list that was finer still
    once.tariffs.scale = once.scale = once.scale * 3
    rescale(once.accounts.values(), once.pools.values(), 3)
    once.exposure *= 3
    assert move(home, other, "x")
    said = ask(other, Balance(account="x"))
    assert said.balance == EUR * said.denominator
    assert other.exposure == other.accounts["main", "x"].required > 0
    done = ask(other, Commit(account="x", id="c", reservation=1, used=800))
    assert done.charged == (5 * 20_000_000 + 3 * 50_000_000) * done.denominator
    assert other.exposure == 0


def test_a_reservation_that_ran_out_on_the_way_is_not_settled() -> None:
    home, other = open_node("x", balance=EUR), guest()
    made = ask(home, Reserve(account="x", id="r", meter="car.sms", units=3, seconds=1))
    assert move(home, other, "x")
    late = T0 + 2 * SECOND
    refused = ask(other, Commit(account="x", id="c", reservation=made.reservation, used=1), late)
    assert refused.code == "reservation_expired"
    assert other.tick(late) == 1
    assert other.exposure == 0


def test_a_snapshot_keeps_what_is_on_its_way() -> None:
    home = open_node("x", "y", pool="p", balance=EUR)
    ask(home, Depart(tenant=OPERATOR, id="1", epoch=4, to="b", leave=[("main", "x")]))
    said = json.loads(json.dumps(home.moves_out(), default=lambda raw: raw.hex()))
    shot = Shot(0, home.seq, T0, str(home.scale), CATALOGUE, (0, 0, 0), [], [], home.moves_out())
    again = restore(shot, ("main",))
    assert json.loads(json.dumps(again.moves_out(), default=lambda raw: raw.hex())) == said
    assert ask(again, Balance(account="y")).where == "b"
    assert ask(again, Moved(tenant=OPERATOR, id="m", epoch=4, to="b", back=True)).ok
    assert ask(again, Balance(account="y")).balance == EUR * home.scale


def test_nodes_that_moved_accounts_come_to_what_one_would_have_alone(tmp_path: Path) -> None:
    """From the logs of both, pools, reservations and retries and all; and what is missing or wrong is seen."""
    rng, count = random.Random(8), itertools.count()

    def said(node: LocalNode, message: Command) -> Answer:
        return decode_answer(node.ask(message))

    def carry(source: LocalNode, target: LocalNode, names: list[str], came: str, to: str) -> None:
        epoch = next(count) + 1
        leave = [("main", name) for name in names]
        assert said(source, Depart(tenant=OPERATOR, id=f"{epoch} out", epoch=epoch, to=to, leave=leave)).ok
        parcel = source.durable.node.parcels[epoch, to]
        rows = [
            (key, known[0], known[1]) for key, known in source.durable.node.answers.items() if key[0] == "m"
        ]
        assert said(target, Remember(tenant=OPERATOR, id=f"{epoch} answers", answers=rows)).ok
        arrive = Arrive(
            tenant=OPERATOR, id=f"{epoch} in", epoch=epoch, came=came, seq=parcel.seq, parcel=parcel.body
        )
        assert said(target, arrive).ok
        assert said(source, Moved(tenant=OPERATOR, id=f"{epoch} done", epoch=epoch, to=to)).ok

    folders = [tmp_path / "home", tmp_path / "second"]
    with LocalNode(folders[0]) as home, LocalNode(folders[1]) as second:
        second.durable.node.guest_of = "home"
        for node in (home, second):
            assert said(node, Publish(tenant=OPERATOR, id="catalogue", text=CATALOGUE)).ok
        names = [f"x{number}" for number in range(6)]
        for number, name in enumerate(names):
            assert said(
                home, Open(account=name, id=f"o{name}", offers=("car",), pool="p" if number < 2 else "")
            ).ok
            assert said(home, TopUp(account=name, id=f"t{name}", amount_nano=EUR)).ok
        said(home, TopUp(account="x0", id="gift", amount_nano=EUR // 3, bucket="gift", pool="p"))
        held: dict[str, int] = {}
        for turn in range(8):
            for step in range(40):
                name = rng.choice(names)
                node = second if ("main", name) in second.durable.node.accounts else home
                key = f"{turn}-{step}"
                if name in held:
                    said(
                        node, Commit(account=name, id=key, reservation=held.pop(name), used=rng.randrange(90))
                    )
                elif rng.random() < 0.3:
                    made = said(node, Reserve(account=name, id=key, meter="car.data", units=100, device="d"))
                    if made.ok:
                        held[name] = made.reservation
                else:
                    said(
                        node,
                        Debit(
                            account=name,
                            id=key,
                            meter=rng.choice(("car.sms", "car.data")),
                            units=1,
                            device="d",
                        ),
                    )
            away = sorted(name for _, name in second.durable.node.accounts)
            if turn % 2 == 0:
                carry(home, second, ["x0", *rng.sample(names[2:], 2)], "home", "second")
            elif away and turn < 7:
                carry(second, home, away, "second", "home")
        assert second.durable.node.accounts, "some are away at the end"
    found = compare(folders, ("main",))
    assert (found.ok, found.accounts, found.nodes, found.moves) == (True, 6, 2, 7), found
    assert not compare(folders[0], ("main",)).ok, "those that are away are missed"
    with pytest.raises(ChargingError, match="never left"):
        compare([folders[1], _lost(folders[0])], ("main",))


def _lost(folder: Path) -> Path:
    """A home whose log was lost."""
    empty = folder.parent / "lost" / folder.name
    with LocalNode(empty):
        pass
    return empty
