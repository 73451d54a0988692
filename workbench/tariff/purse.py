"""Over which denominator the credits an account spends are counted.

A credit pays a part of a charge, exactly, and what is left of it is handed on: to the next charge, to another version of
the offer in the same period, to the next period. So what is left is counted over the denominators of all that came before,
and the lines of credits must be able to say it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa

from workbench.model.offer import Catalogue
from workbench.tariff.sql import run

if TYPE_CHECKING:
    import duckdb

Held = Mapping[tuple[str, str], int]
"""By (account id, offer id): a denominator over which all that is left of its credits is whole nano."""


def widen(con: duckdb.DuckDBPyConnection, catalogue: Catalogue, held: Held) -> None:
    """Raise the lines of credits in ``plan_lines``: those of one account and offer share one denominator."""
    credits = sorted({(offer.id, credit.id) for offer in catalogue.offers for credit in offer.credits})
    if not credits:
        return
    left = sorted((*key, Decimal(denominator)) for key, denominator in held.items())
    con.register("plan_in_credits", _table(credits, "offer_id", "component_id"))
    con.register("plan_in_held", _table(left, "account_id", "offer_id", "denominator"))
    run(
        con,
        "UPDATE plan_lines SET price_denominator = w.denominator::DECIMAL(38, 0) FROM ("
        "SELECT account_id, offer_id, list_reduce(list(denominator), lambda a, b: lcm(a, b)) AS denominator FROM ("
        "SELECT account_id, offer_id, price_denominator::HUGEINT AS denominator FROM plan_lines "
        "JOIN plan_in_credits USING (offer_id, component_id) WHERE kind = 'adjustment' "
        "UNION SELECT account_id, offer_id, denominator::HUGEINT FROM plan_in_held) GROUP BY ALL) w, plan_in_credits c "
        "WHERE plan_lines.kind = 'adjustment' AND plan_lines.account_id = w.account_id AND plan_lines.offer_id = w.offer_id "
        "AND c.offer_id = plan_lines.offer_id AND c.component_id = plan_lines.component_id",
    )
    for name in ("credits", "held"):
        con.unregister(f"plan_in_{name}")


def _table(rows: Sequence[tuple[object, ...]], *names: str) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    kinds = [pa.decimal128(38, 0) if name == "denominator" else pa.string() for name in names]
    return pa.table([pa.array(list(c), k) for c, k in zip(columns, kinds, strict=True)], names=list(names))
