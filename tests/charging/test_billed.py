"""From a charging node to the invoice: what was charged in real time is billed once, and what was paid is not asked for."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pytest

from tests.charging.test_batch import CATALOGUE
from workbench.billing import plan_of, rate_period, settle_period
from workbench.charging import book as booking
from workbench.charging.durable import LocalNode
from workbench.charging.follow import follow
from workbench.charging.messages import (
    Command,
    Commit,
    Debit,
    Open,
    Publish,
    Refund,
    Reserve,
    TopUp,
    decode_answer,
)
from workbench.charging.node import OPERATOR
from workbench.charging.tariffs import micros
from workbench.lake.lake import Lake
from workbench.lake.parties import replace
from workbench.model.party import Account, Device, Partner, Subscription
from workbench.model.plan import Period
from workbench.settlement.papers import invoice
from workbench.settlement.render import invoice_text
from workbench.tariff.catalogue import loads
from workbench.verify.context import Context
from workbench.verify.node import node_charges
from workbench.verify.run import verify

MARCH = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
NAME = "2026-03-01/2026-04-01"
EUR = 10**9


class Node:
    """A node whose clock is set by hand; each request has an id of its own."""

    def __init__(self, folder: Path) -> None:
        self.at = datetime(2026, 3, 5, 12, tzinfo=UTC)
        self.node = LocalNode(folder, now_ns=lambda: micros(self.at) * 1000)

    def ask(self, message: Command) -> int:
        said = decode_answer(self.node.ask(message))
        assert said.ok, said
        return said.reservation


def lake_with_parties(path: Path) -> None:
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    parties = {
        "accounts": (Account("acme", "Acme"), Account("bolt", "Bolt")),
        "partners": (Partner("operator"),),
        "devices_info": (Device("car-1"), Device("car-2")),
        "subscriptions": (
            Subscription("s1", "acme", "car", begins, device_id="car-1"),
            Subscription("s2", "bolt", "car", begins, device_id="car-2"),
        ),
    }
    tables = {kind: pa.Table.from_pylist([asdict(row) for row in rows]) for kind, rows in parties.items()}
    with Lake.open(path, "main", create=True) as lake, lake.writer():
        replace(lake, tables, {"stage": "parties"})


def drive(node: Node) -> None:
    """Two accounts: one pays before, one afterwards; use of several prices, a refund, promotional money."""
    node.ask(Publish(tenant=OPERATOR, id="catalogue", text=CATALOGUE))
    node.ask(Open(account="acme", id="o1", offers=("car",)))
    node.ask(TopUp(account="acme", id="t1", amount_nano=20 * EUR))
    node.ask(TopUp(account="acme", id="t2", amount_nano=EUR // 10, bucket="gift", promotional=True))
    node.ask(Open(account="bolt", id="o2", offers=("car",), credit_limit_nano=50 * EUR))
    for number in range(20):
        account, device = ("acme", "car-1") if number % 2 else ("bolt", "car-2")
        node.ask(Debit(account=account, id=f"s{number}", meter="car.sms", units=7, device=device))
        held = Reserve(
            account=account,
            id=f"r{number}",
            meter="car.data",
            units=3_000,
            device=device,
            dims={"country": "DE"},
        )
        made = node.ask(held)
        node.ask(Commit(account=account, id=f"c{number}", reservation=made, used=1_000 + 37 * number))
    node.ask(Open(account="stray", id="o3", offers=("car",), credit_limit_nano=EUR))
    node.ask(Debit(account="stray", id="s", meter="car.sms", units=11))
    node.ask(Refund(account="acme", id="back", of="s13", amount_nano=123_456_789))


def test_an_invoice_holds_what_the_node_charged(tmp_path: Path) -> None:
    path = tmp_path / "lake"
    lake_with_parties(path)
    node = Node(tmp_path / "node")
    drive(node)
    follow(tmp_path / "node", ("main",), lake=path)
    with Lake.open(path, "main") as lake, lake.writer():
        plan = plan_of(lake, loads(CATALOGUE), MARCH)
        rated = rate_period(lake, plan)
        lake.commit({"stage": "rate"}, add=rated.add, remove=rated.remove, facts=rated.facts)
        assert rate_period(lake, plan).add == []
        made = settle_period(lake, plan, datetime(2026, 4, 2, tzinfo=UTC))
        assert made.invoices == 2
        left = lake.con.execute(
            f"SELECT account_id, reason FROM {lake.scan('unbilled')} WHERE subscription_id = ''"
        )
        assert left.fetchall() == [("stray", "charged_without_subscription")]
        state = node.node.durable.node
        for name in ("acme", "bolt"):
            account = state.accounts["main", name]
            charged = Fraction(sum(account.earned.values()), state.scale)
            (number,) = lake.con.execute(
                f"SELECT invoice_no FROM {lake.scan('invoices')} WHERE account_id = ?", [name]
            ).fetchall()[0]
            paper = invoice(lake, number)
            gift = Fraction(EUR, 10) if name == "acme" else 0
            assert sum(line.exact_nano for line in paper.lines) == charged + gift
            assert {line.component_id for line in paper.lines} == {"sms", "data"}
            assert 0 <= charged + gift - paper.online_nano < 2
            balance = _balance(lake, f"receivable:{name}") + _balance(lake, f"prepaid:{name}")
            # Left: what the balance says, less the gift that nobody paid; a cent of rounding a line, a nano a posting.
            worth = Fraction(account.balance, state.scale)
            assert abs(-balance - worth - 0) <= 2 * 5_000_000 + 4
            assert "Charged in real time before" in invoice_text(paper)
        assert _balance(lake, "receivable:acme") <= 2 * 5_000_000 + 4
    # A late event: booked after the close, billed as an adjustment.
    node.ask(Debit(account="acme", id="late", meter="car.sms", units=3, device="car-1"))
    follow(tmp_path / "node", ("main",), lake=path)
    with Lake.open(path, "main") as lake, lake.writer():
        assert node_charges(Context(lake, True, 10, 1)).counts["pending"] == 1
        rated = rate_period(lake, plan)
        assert rated.closed == NAME
        lake.commit({"stage": "rate"}, add=rated.add, remove=rated.remove, facts=rated.facts)
        settle_period(lake, plan, datetime(2026, 4, 3, tzinfo=UTC))
        late = lake.con.execute(
            f"SELECT sum(units) FROM {lake.scan('invoice_lines')} WHERE kind = 'adjustment'"
        ).fetchall()
        assert late == [(3,)]
        report = verify(lake, full=True)
        assert report.ok, report.first_failure


def _balance(lake: Lake, name: str) -> int:
    """Debits less credits of a ledger account."""
    rows = lake.con.execute(
        f"SELECT coalesce(sum(if(debit_account = $1, amount_nano, -amount_nano)), 0)::HUGEINT FROM {lake.scan('ledger')} "
        "WHERE debit_account = $1 OR credit_account = $1",
        [name],
    ).fetchall()
    return int(rows[0][0])


def test_a_posting_that_is_missing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lake"
    lake_with_parties(path)
    node = Node(tmp_path / "node")
    drive(node)
    real = booking.postings_of
    monkeypatch.setattr(booking, "postings_of", lambda *words: list(real(*words))[:-1])
    follow(tmp_path / "node", ("main",), lake=path)
    with Lake.open(path, "main") as lake:
        found = node_charges(Context(lake, True, 10, 1))
    assert found.wrong is not None
    assert "is not what they charged" in found.wrong.what
