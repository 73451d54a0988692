"""From a node to the lake: what accounts paid and what offers earned, as postings; what was charged, as rows.

The ledger is brought to where the node stands: of each account the node knows what it paid in and what each offer earned
so far, exactly; the ledger knows what of that was booked; the difference is posted, in whole nano-units. So a sum that
is a fraction of a nano-unit is carried, never lost, and doing this twice books nothing twice, whatever ended the first
time. Postings, rows and how far they go enter the lake in one commit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from workbench.charging.facts import Fact
from workbench.charging.node import Node
from workbench.charging.state import Account
from workbench.charging.tariffs import instant
from workbench.lake.lake import Lake
from workbench.ledger import book as ledger
from workbench.ledger.chart import receivable, revenue
from workbench.ledger.entry import Posting
from workbench.tariff.calendar import period_at

CASH, OWN = "cash:charging", "charging"
PREFIX = "charging:"
ROWS = pa.schema(
    {
        "seq": pa.int64(), "request_id": pa.string(), "account_id": pa.string(), "device_id": pa.string(),
        "meter": pa.string(), "used_at": pa.timestamp("us"), "units": pa.int64(), "offer_id": pa.string(),
        "offer_version": pa.int32(), "component_id": pa.string(), "rate_id": pa.string(), "units_before": pa.int64(),
        "amount": pa.decimal128(38, 0), "price_denominator": pa.decimal128(38, 0), "dims": pa.string(),
        "given": pa.decimal128(38, 0), "refers_to": pa.string(),
    }
)  # fmt: skip
Row = tuple[object, ...]


class Collector:
    """Listens to a node and keeps a row for each price of each slice that was settled behind ``after``."""

    def __init__(self, after: dict[str, int]) -> None:
        self._after = after
        self.rows: dict[str, list[Row]] = {}
        self.node: Node

    def listen(self, node: Node) -> Callable[[Fact], None]:
        """Begin with a node; answers itself."""
        self.node = node
        return self

    def __call__(self, fact: Fact) -> None:
        """One fact."""
        seq, tenant = fact.seq, fact.account.tenant
        if seq <= self._after.get(tenant, 0):
            return
        rows = self.rows.setdefault(tenant, [])
        if fact.kind == "refund":
            rows.append((seq, fact.id, fact.account.id, "", "", instant(fact.now).replace(tzinfo=None), 0, fact.offer, 0,
                         "", "", 0, -fact.paid, self.node.scale, "{}", 0, fact.refers_to))  # fmt: skip
        if fact.settled is None or not fact.units:
            return
        given = fact.settled.given
        head = (seq, fact.id, fact.account.id, fact.device, fact.meter, instant(fact.at).replace(tzinfo=None))
        dims, rated = json.dumps(fact.dims, sort_keys=True), 0
        for hold, units, before, _, amount in fact.settled.rows:
            offer, rate = hold.price, hold.price.component.rates[hold.index].id
            place = (hold.offer, _version(self.node, fact.account, hold.offer, fact.at))
            part = min(given, amount)
            given -= part
            rows.append(
                (
                    *head,
                    units,
                    *place,
                    offer.component.id,
                    rate,
                    before,
                    amount,
                    self.node.scale,
                    dims,
                    part,
                    "",
                )
            )
            rated = max(rated, units)
        if rated < fact.units:  # out of a bucket that was paid before, or an amount without a price
            amount = fact.settled.amount if not fact.settled.rows else 0
            rest = fact.units - rated
            rows.append(
                (*head, rest, "", 0, "", "", 0, amount, self.node.scale, dims, min(given, amount), "")
            )


def _version(node: Node, account: Account, offer_id: str, at: int) -> int:
    return node.tariffs.at(offer_id, account.currency, at).offer.version


def booked_upto(path: Path, name: str, tenants: tuple[str, ...]) -> dict[str, int]:
    """Tenant to the last request of this node that is in the lake."""
    found = {}
    for tenant in tenants:
        with Lake.open(path, tenant, create=True) as lake:
            found[tenant] = int(lake.facts("charging").get(name, {}).get("seq", 0))
    return found


def book(path: Path, name: str, tenant: str, node: Node, rows: list[Row], now: datetime) -> int:
    """Bring one tenant's lake to where a node stands.

    Args:
        name: the node's, in the lake's facts and the postings' keys.
        rows: what ``Collector`` kept for this tenant.
        now: the instant of booking.

    Returns: how many postings were new.

    Raises:
        LakeLocked: another process writes to the lake; nothing was booked.
    """
    with Lake.open(path, tenant, create=True) as lake, lake.writer():
        nodes = lake.facts("charging")
        said = nodes.get(name, {})
        if int(said.get("seq", 0)) >= node.seq and not said.get("postponed"):
            return 0
        month = period_at(instant(node.now), "UTC")
        period = f"{month.start:%Y-%m-%d}/{month.end:%Y-%m-%d}"
        booked = _booked(lake)
        own = [account for account in node.accounts.values() if account.tenant == tenant]
        # An account that came from another node is booked by that node up to its departure, and only then by this one.
        mine = [a for a in own if a.came is None or int(nodes.get(a.came[0], {}).get("seq", 0)) >= a.came[1]]
        postings = [
            posting
            for account in mine
            for posting in postings_of(
                account, node.scale, booked.get(account.id, {}), f"{PREFIX}{name}:{node.seq}", period
            )
        ]
        add = []
        if postings:
            entries = ledger.book(lake, ledger.table(postings), now)
            add.append(
                ledger.write(lake, entries, period=period, partition=f"entry-{entries.head.entry_no:012d}")
            )
        if rows:
            columns = list(zip(*rows, strict=True))
            table = pa.table([pa.array(c, f.type) for c, f in zip(columns, ROWS, strict=True)], schema=ROWS)
            add.append(
                lake.write(
                    "online_charges", table, period=period, order_by=("seq", "component_id"), origin=name
                )
            )
        fact: dict[str, object] = {"seq": node.seq, "denominator": str(node.scale), "now": node.now}
        if len(mine) < len(own):
            fact["postponed"] = len(own) - len(mine)
        lake.commit(
            {"stage": "charging", "node": name, "postings": len(postings)},
            add=add,
            facts={"charging": {name: fact}},
        )
        return len(postings)


def _booked(lake: Lake) -> dict[str, dict[str, int]]:
    """Account to what nodes booked for it so far: nano by ledger account, credits less debits."""
    rows = lake.con.execute(
        "SELECT memo, name, sum(nano)::HUGEINT FROM ("
        f"SELECT memo, credit_account AS name, amount_nano AS nano FROM {lake.scan('ledger')} WHERE starts_with(tx_id, ?) "
        f"UNION ALL SELECT memo, debit_account, -amount_nano FROM {lake.scan('ledger')} WHERE starts_with(tx_id, ?)) "
        "GROUP BY ALL",
        [PREFIX, PREFIX],
    ).fetchall()
    found: dict[str, dict[str, int]] = {}
    for memo, name, nano in rows:
        found.setdefault(memo, {})[name] = int(nano)
    return found


def postings_of(
    account: Account, scale: int, booked: dict[str, int], tx_id: str, period: str
) -> Iterator[Posting]:
    """The movements that are missing: money paid in, then what each offer earned.

    Money repays what is owed before it fills the balance; charges take the balance before they are owed.
    """
    prepaid, owed = f"prepaid:{account.id}", receivable(account.id)
    have, owes = booked.get(prepaid, 0), -booked.get(owed, 0)
    number = 0

    def move(debit: str, credit: str, nano: int) -> Iterator[Posting]:
        nonlocal number
        if nano > 0:
            number += 1
            key = f"{tx_id}:{account.id}:{number}"
            yield Posting(tx_id, key, debit, credit, account.currency, nano, period, memo=account.id)

    paid = account.paid_in // scale + booked.get(CASH, 0)
    back = min(paid, owes)
    yield from move(CASH, owed, back)
    yield from move(CASH, prepaid, paid - back)
    have, owes = have + paid - back, owes - back
    for offer, total in sorted(account.earned.items()):
        income = revenue(offer or OWN)
        due = total // scale - booked.get(income, 0)
        if due >= 0:
            part = min(due, have)
            yield from move(prepaid, income, part)
            yield from move(owed, income, due - part)
            have, owes = have - part, owes + due - part
        else:
            part = min(-due, owes)
            yield from move(income, owed, part)
            yield from move(income, prepaid, -due - part)
            have, owes = have - due - part, owes - part


def utc_now(micros: int) -> datetime:
    """The node's own instant: booking asks no clock."""
    return instant(micros).astimezone(UTC)
