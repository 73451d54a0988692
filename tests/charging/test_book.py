"""Postings reach the ledger exactly once, and say what the node says."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from tests.charging.test_durable import Clock, begin, traffic
from workbench.charging.durable import LocalNode
from workbench.charging.follow import follow
from workbench.charging.messages import Arrive, Debit, Depart, Moved, TopUp, decode_answer
from workbench.charging.node import OPERATOR, Node
from workbench.lake.lake import Lake
from workbench.ledger.checks import ledger_checks


def balances(lake: Lake) -> dict[str, int]:
    """Ledger account to its nano, credits less debits."""
    ledger = lake.scan("ledger")
    rows = lake.con.execute(
        f"SELECT name, sum(nano)::HUGEINT FROM (SELECT credit_account AS name, amount_nano AS nano FROM {ledger} "
        f"UNION ALL SELECT debit_account, -amount_nano FROM {ledger}) GROUP BY 1"
    ).fetchall()
    return {name: int(nano) for name, nano in rows}


def expect_booked(lake: Lake, node: Node) -> None:
    """The ledger's accounts are the node's, to less than a nano-unit that is carried."""
    found = balances(lake)
    for account in node.accounts.values():
        value = account.balance + sum(b.left for b in account.buckets if not b.meter and not b.promotional)
        booked = found.get(f"prepaid:{account.id}", 0) + found.get(f"receivable:{account.id}", 0)
        assert 0 <= booked - Fraction(value, node.scale) < 2, account.id
    earned = sum(sum(account.earned.values()) for account in node.accounts.values())
    income = sum(nano for name, nano in found.items() if name.startswith("revenue:"))
    assert abs(income - Fraction(earned, node.scale)) < 2 * len(node.accounts)
    assert all(check.ok for check in ledger_checks(lake))


def test_the_ledger_says_what_the_node_says_once(tmp_path: Path) -> None:
    clock, folder, lake = Clock(), tmp_path / "node", tmp_path / "lake"
    with begin(folder, clock) as node:
        traffic(node, clock, 21, 150)
        first = follow(folder, ("main",), lake=lake)
        assert first["postings"] > 3
        again = follow(folder, ("main",), lake=lake)
        assert again["postings"] == 0
        traffic(node, clock, 22, 150)
        (folder / "answers.db").touch()
        for path in folder.glob("*.snapshot"):  # killed after the lake's commit, before the snapshot
            path.unlink()
        second = follow(folder, ("main",), lake=lake)
        assert second["requests"] > second["seq"] - first["seq"], "it began from the start again"
        state = node.durable.node
        with Lake.open(lake, "main") as opened:
            expect_booked(opened, state)
            rows = opened.con.execute(
                f"SELECT count(*), count(DISTINCT (seq, component_id)), sum(amount), max(price_denominator) "
                f"FROM {opened.scan('online_charges')}"
            ).fetchone()
            assert rows is not None
            assert rows[0] == rows[1] > 100
            refunds = opened.con.execute(
                f"SELECT sum(amount) FROM {opened.scan('online_charges')} WHERE offer_id = 'car'"
            ).fetchone()
            assert refunds is not None and refunds[0] > 0


def test_every_settled_event_is_in_the_lake_with_its_charge(tmp_path: Path) -> None:
    clock, folder, lake = Clock(), tmp_path / "node", tmp_path / "lake"
    with begin(folder, clock) as node:
        said = node.ask(Debit(account="c", id="one", meter="car.sms", units=2, device="car-7"))
    assert b'"ok":true' in said
    follow(folder, ("main",), lake=lake)
    with Lake.open(lake, "main") as opened:
        rows = opened.con.execute(
            "SELECT request_id, device_id, units, amount / price_denominator::DECIMAL(38,0), offer_version "  # a float cell
            f"FROM {opened.scan('online_charges')}"
        ).fetchall()
    assert rows == [("one", "car-7", 2, 100_000_000, 1)]


def test_debt_is_owed_and_money_repays_it_first(tmp_path: Path) -> None:
    from workbench.charging.book import postings_of
    from workbench.charging.state import Account

    account = Account("main", "a", "EUR")
    account.paid_in, account.earned = 30, {"x": 50}
    first = list(postings_of(account, 1, {}, "t", "p"))
    assert [(p.debit_account, p.credit_account, p.amount_nano) for p in first] == [
        ("cash:charging", "prepaid:a", 30), ("prepaid:a", "revenue:x", 30), ("receivable:a", "revenue:x", 20),
    ]  # fmt: skip
    account.paid_in = 60
    booked = {"cash:charging": -30, "prepaid:a": 0, "receivable:a": -20, "revenue:x": 50}
    second = list(postings_of(account, 1, booked, "u", "p"))
    assert [(p.debit_account, p.credit_account, p.amount_nano) for p in second] == [
        ("cash:charging", "receivable:a", 20), ("cash:charging", "prepaid:a", 10),
    ]  # fmt: skip


def test_accounts_that_moved_are_booked_once_by_whoever_comes_first(tmp_path: Path) -> None:
    """The new owner comes to the lake before the old one has booked the departure: it waits, and nothing is doubled."""
    clock, lake = Clock(), tmp_path / "lake"
    with begin(tmp_path / "home", clock) as home, begin(tmp_path / "far", clock, "") as far:
        traffic(home, clock, 31, 80)
        follow(tmp_path / "home", ("main",), lake=lake)
        traffic(home, clock, 32, 40)
        leave = [("main", "a")]  # and all that share its pool
        home.ask(Depart(tenant=OPERATOR, id="out", epoch=1, to="far", leave=leave))
        parcel = home.durable.node.parcels[1, "far"]
        arrive = Arrive(tenant=OPERATOR, id="in", epoch=1, came="home", seq=parcel.seq, parcel=parcel.body)
        assert decode_answer(far.ask(arrive)).ok
        home.ask(Moved(tenant=OPERATOR, id="done", epoch=1, to="far"))
        far.ask(TopUp(account="a", id="more", amount_nano=7_000_000_000))
        assert follow(tmp_path / "far", ("main",), lake=lake)["postings"] == 0
        follow(tmp_path / "home", ("main",), lake=lake)
        assert follow(tmp_path / "far", ("main",), lake=lake)["postings"] > 0
        both = Node()
        both.scale = home.durable.node.scale
        both.accounts = home.durable.node.accounts | far.durable.node.accounts
        assert far.durable.node.scale == both.scale
        with Lake.open(lake, "main") as opened:
            expect_booked(opened, both)


def test_a_node_without_new_requests_books_nothing(tmp_path: Path) -> None:
    clock = Clock()
    with begin(tmp_path / "node", clock):
        pass
    assert follow(tmp_path / "node", ("main",), lake=tmp_path / "lake")["postings"] == 3 + 0
    with LocalNode(tmp_path / "node", now_ns=clock):
        assert follow(tmp_path / "node", ("main",), lake=tmp_path / "lake")["postings"] == 0
