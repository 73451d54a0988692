"""What became of subscriptions that changed on the way: since when each of their rows held, and in which state.

A one-off fee is due once per subscription, on the first local day it was ever in a state in which the fee is due. What
came before a row, and what came later on its first day, decides whether that row owes it (``rating/fees.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from workbench.model.offer import Catalogue
from workbench.tariff.sql import run
from workbench.tariff.tables import naive
from workbench.tariff.timeline import FOREVER, effective_at

if TYPE_CHECKING:
    import duckdb


def turns(con: duckdb.DuckDBPyConnection, at: Mapping[str, str], catalogue: Catalogue) -> None:
    """``plan_turns``: the rows of subscriptions of the period that have several, whenever they held.

    A row holds from its start, or from when its offer was first there; one that had ended by then never held.
    """
    offered: dict[str, object] = {}
    for offer in sorted(catalogue.offers, key=effective_at, reverse=True):
        offered[offer.id] = naive(effective_at(offer))
    arrays = [pa.array(list(offered), pa.string()), pa.array(list(offered.values()), pa.timestamp("us"))]
    con.register("plan_in_offered", pa.table(arrays, names=["offer_id", "offered_at"]))
    run(
        con,
        "CREATE OR REPLACE TEMP TABLE plan_turns AS WITH several AS (SELECT subscription_id "
        f"FROM {at['subscriptions']} GROUP BY 1 HAVING count(*) > 1) "
        "SELECT n.sub_no, s.sim_state, greatest(s.starts_at, o.offered_at) AS first_at "
        f"FROM {at['subscriptions']} s SEMI JOIN several USING (subscription_id) JOIN plan_in_offered o USING (offer_id) "
        "JOIN (SELECT DISTINCT subscription_id, sub_no FROM plan_subs) n USING (subscription_id) "
        "WHERE greatest(s.starts_at, o.offered_at) < coalesce(s.ends_at, $1)",
        [naive(FOREVER)],
    )
    con.unregister("plan_in_offered")
