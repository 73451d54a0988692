"""Devices that something is sold to at another time: use of theirs is not in force, and not nobody's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from workbench.model.ids import device_key
from workbench.model.offer import Catalogue
from workbench.tariff.sql import run

if TYPE_CHECKING:
    import duckdb


def formerly(
    con: duckdb.DuckDBPyConnection, at: Mapping[str, str], catalogue: Catalogue, tenant: str
) -> None:
    """``plan_formerly``: keys of the devices that only subscriptions before or after the period are for.

    Those that a subscription of the period is for are told from its own terms (``assignments``).
    """
    sold = sorted({offer.id for offer in catalogue.offers if offer.side == "sell"})
    con.register("plan_in_sold", pa.table({"offer_id": pa.array(sold, pa.string())}))
    run(
        con,
        "CREATE OR REPLACE TEMP TABLE plan_formerly AS WITH other AS ("
        f"SELECT nullif(device_id, '') AS device_id, nullif(group_id, '') AS group_id FROM {at['subscriptions']} "
        "SEMI JOIN plan_in_sold USING (offer_id)), "
        "reached AS (SELECT device_id FROM other WHERE device_id IS NOT NULL UNION SELECT g.device_id "
        f"FROM {at['devices_info']} g SEMI JOIN other o ON g.group_id = o.group_id) "
        "SELECT r.device_id, min(d.device_key) AS device_key FROM (SELECT * FROM reached ANTI JOIN ("
        "SELECT k.device_id FROM plan_keys k JOIN plan_assignments a USING (device_key) "
        "JOIN plan_variants v USING (offer_no) JOIN plan_in_sold s ON v.offer_id = s.offer_id) USING (device_id)) r "
        f"LEFT JOIN (SELECT device_id, device_key FROM {at['devices']}) d USING (device_id) GROUP BY 1",
    )
    con.unregister("plan_in_sold")
    unheard = [
        row[0] for row in run(con, "SELECT device_id FROM plan_formerly WHERE device_key IS NULL ORDER BY 1")
    ]
    if unheard:
        keys = pa.array([device_key(tenant, name) for name in unheard], pa.int64())
        con.register("plan_in_keys", pa.table([pa.array(unheard), keys], names=["device_id", "device_key"]))
        run(
            con,
            "UPDATE plan_formerly SET device_key = k.device_key FROM plan_in_keys k "
            "WHERE plan_formerly.device_id = k.device_id",
        )
        con.unregister("plan_in_keys")
