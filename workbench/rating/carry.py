"""What one billing period hands to the next, as tables: free units that roll over, and credits left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from fractions import Fraction
from math import lcm

import pyarrow as pa

from workbench.model.plan import Stock
from workbench.rating.wallet import Balance
from workbench.tariff.grants import stock_table
from workbench.tariff.tables import naive

_EXACT = pa.decimal128(38, 0)
_CREDITS = pa.schema(
    [("account_id", pa.string()), ("offer_id", pa.string()), ("credit_id", pa.string()), ("left_nano", _EXACT),
     ("left_denominator", _EXACT), ("priority", pa.int32()), ("granted_at", pa.timestamp("us")),
     ("expires_at", pa.timestamp("us")), ("kind", pa.string())]
)  # fmt: skip
Balances = Mapping[tuple[str, str], Sequence[Balance]]


def stock_from(table: pa.Table) -> tuple[Stock, ...]:
    """Rows shaped like ``stock_table`` as nouns."""
    return tuple(Stock(**row) for row in table.to_pylist())


def credits_table(balances: Balances) -> pa.Table:
    """Credits that still hold something; ``left_nano / left_denominator`` is what is left, exactly.

    Paid ones stand as they were granted: invoices settle them, and the ledger knows how far.
    """
    rows = [
        (account, offer, b.id, Decimal(b.left.numerator), Decimal(b.left.denominator), b.priority,
         naive(b.granted_at), naive(b.expires_at), b.kind)
        for (account, offer), wallet in sorted(balances.items())
        for b in sorted(wallet, key=lambda balance: balance.order)
        if b.left
    ]  # fmt: skip
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(_CREDITS)
    return pa.table(
        [pa.array(list(c), f.type) for c, f in zip(columns, _CREDITS, strict=True)], schema=_CREDITS
    )


def counted_over(balances: Balances) -> dict[tuple[str, str], int]:
    """By (account id, offer id): the denominator over which all that is left of its credits is whole."""
    return {key: lcm(*(b.left.denominator for b in wallet)) for key, wallet in balances.items() if wallet}


def credits_from(table: pa.Table) -> dict[tuple[str, str], list[Balance]]:
    """Rows shaped like ``credits_table`` as balances per (account id, offer id)."""
    found: dict[tuple[str, str], list[Balance]] = {}
    for row in table.to_pylist():
        balance = Balance(
            row["credit_id"],
            Fraction(int(row["left_nano"]), int(row["left_denominator"])),
            row["priority"],
            row["granted_at"].replace(tzinfo=UTC),
            row["expires_at"].replace(tzinfo=UTC),
            row.get("kind") or "promotional",
        )
        found.setdefault((row["account_id"], row["offer_id"]), []).append(balance)
    return found


__all__ = ["credits_from", "credits_table", "stock_from", "stock_table"]
