"""Balances are sums of entries and nothing else; whoever stores one stores a cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.ledger.chart import KINDS, parse


class Balance(NamedTuple):
    """One account's sums in one currency, nano-units. ``balance_nano`` is positive on the side the account
    grows.
    """

    account: str
    currency: str
    debit_nano: int
    credit_nano: int
    balance_nano: int


def movements(ledger: str) -> str:
    """SQL of each entry's two sides: account, currency, debit_nano, credit_nano, period, entry_no.

    Args:
        ledger: SQL of a relation with the ledger's columns.
    """
    zero = "0::DECIMAL(38,0)"
    return (
        "(SELECT debit_account AS account, currency, amount_nano AS debit_nano, "
        f"{zero} AS credit_nano, period, entry_no FROM {ledger} UNION ALL "
        f"SELECT credit_account, currency, {zero}, amount_nano, period, entry_no FROM {ledger})"
    )


def trial_balance(lake: Lake, *, prefix: str = "", upto_entry: int | None = None) -> list[Balance]:
    """Every account with its sums, ordered by account and currency.

    Args:
        prefix: only accounts that start with this text (``payable:`` ...).
        upto_entry: as the ledger stood after this entry.
    """
    rows = lake.con.execute(
        f"SELECT account, currency, sum(debit_nano)::HUGEINT, sum(credit_nano)::HUGEINT "
        f"FROM {movements(lake.scan('ledger'))} WHERE starts_with(account, ?) AND entry_no <= ? "
        "GROUP BY account, currency ORDER BY account, currency",
        [prefix, upto_entry if upto_entry is not None else 2**62],
    ).fetchall()
    return [Balance(a, c, d, k, (d - k) * parse(a)[0].side.value) for a, c, d, k in rows]


def balance(lake: Lake, account: str, currency: str) -> int:
    """What stands on ``account``, nano-units, positive on the side it grows; 0 when nothing was ever
    booked.
    """
    parse(account)
    return sum(b.balance_nano for b in trial_balance(lake, prefix=account) if b[:2] == (account, currency))


def kind_totals(lake: Lake, *, upto_entry: int | None = None, more: Sequence[Segment] = ()) -> dict[str, int]:
    """``receivable/EUR`` -> balance over all accounts of the kind: a handful of figures a close can store.

    Args:
        more: ledger segments that are written but not committed, to be counted along.
    """
    ledger = lake.scan("ledger", segments=[*lake.segments("ledger"), *more])
    rows = lake.con.execute(
        "SELECT split_part(account, ':', 1) AS kind, currency, sum(debit_nano - credit_nano)::HUGEINT "
        f"FROM {movements(ledger)} WHERE entry_no <= ? GROUP BY ALL ORDER BY ALL",
        [upto_entry if upto_entry is not None else 2**62],
    ).fetchall()
    return {f"{kind}/{currency}": nano * KINDS[kind].side.value for kind, currency, nano in rows}
