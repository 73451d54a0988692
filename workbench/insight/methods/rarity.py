"""Who talks to what, and who else does: rarity of destination and port against the fleet.

An infected device is not told by its own past (many are infected from their first day on) but by talking to places and
ports nobody else needs. A port with many destinations of one device is a pool (time servers, a cloud): each of them
says less. A port that carries something else than its usual protocol, a flood, and data by the megabyte say more.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.insight.arrays import Array

SPOKEN = {21: "ftp", 22: "ssh", 25: "smtp", 53: "dns", 80: "http", 443: "ssl", 8080: "http"}
"""What well-known ports carry, as flow recorders name it."""

FAILED = ("S0", "REJ", "RSTOS0", "RSTR", "RSTRH", "SH", "SHR")
WEIGHTS = {
    "destination_rare": 1.0, "port_rare": 1.0, "alone_on_port": 1.0, "other_protocol": 3.0,
    "sent": 0.3, "received": 0.3, "often": 0.2, "flood": 1.5,
}  # fmt: skip
"""Log terms of a pair's suspicion; their sizes were chosen by hand on the development captures and are all round."""


def pairs(flows: pd.DataFrame) -> pd.DataFrame:
    """One row per (device, destination, port) of what a fleet's devices did.

    Args:
        flows: ``device``, ``ts`` [s], ``resp_h``, ``resp_p``, ``proto``, ``service``, ``conn_state``, ``history``,
            ``orig_bytes``, ``resp_bytes``, ``resp_kind`` (public, private, multicast).

    Returns: the evidence: ``public``, ``flows``, ``sent`` and ``received`` bytes, ``failed`` share, ``flood`` share,
    ``other_protocol`` share, ``destination_devices``, ``port_devices``, ``port_destinations``, ``gap_cv``.
    """
    plain = flows.sort_values(["device", "resp_h", "resp_p", "ts"], kind="stable")
    sent, received = plain.orig_bytes.fillna(0.0), plain.resp_bytes.fillna(0.0)
    gap = plain.groupby(["device", "resp_h", "resp_p"]).ts.diff()
    begun = plain.history.fillna("").str.startswith("S") | (plain.proto != "tcp")
    spoke = begun & (sent > 0) & (received > 0) & plain.resp_p.isin(list(SPOKEN))
    plain = plain.assign(
        sent=sent,
        received=received,
        failed=plain.conn_state.isin(FAILED).astype(float),
        flood=(gap < 0.01).astype(float),
        other_protocol=(spoke & (plain.service.fillna("") != plain.resp_p.map(SPOKEN))).astype(float),
        public=(plain.resp_kind == "public"),
        gap=gap,
    )
    grouped = plain.groupby(["device", "resp_h", "resp_p"], sort=True)
    table = grouped.agg(
        public=("public", "max"), flows=("ts", "size"), sent=("sent", "sum"), received=("received", "sum"),
        failed=("failed", "mean"), flood=("flood", "mean"), other_protocol=("other_protocol", "mean"),
        gap_mean=("gap", "mean"), gap_std=("gap", "std"), since=("ts", "min"),
    ).reset_index()  # fmt: skip
    table["gap_cv"] = table.gap_std / table.gap_mean
    table["destination_devices"] = table.groupby("resp_h").device.transform("nunique")
    table["port_devices"] = table.groupby("resp_p").device.transform("nunique")
    mine = table[table.public].groupby(["device", "resp_p"]).resp_h.transform("nunique")
    table["port_destinations"] = mine.reindex(table.index).fillna(1)
    return table


def terms(table: pd.DataFrame) -> pd.DataFrame:
    """The terms of each pair's suspicion, one column each, already weighted: the largest is the reason."""
    devices = max(table.device.nunique(), 1)
    raw = {
        "destination_rare": np.log(devices / table.destination_devices),
        "port_rare": np.log(devices / table.port_devices),
        "alone_on_port": -np.log(table.port_destinations),
        "other_protocol": table.other_protocol,
        "sent": np.log1p(table.sent / 1e3),
        "received": np.log1p(table.received / 1e4),
        "often": np.log1p(table.flows),
        "flood": np.where(table.flows >= 10, table.flood, 0.0),
    }
    return pd.DataFrame({name: WEIGHTS[name] * value for name, value in raw.items()}, index=table.index)


def suspicion(table: pd.DataFrame) -> Array:
    """Suspicion of each pair; places inside the house come last."""
    total = terms(table).sum(axis=1).to_numpy()
    return np.where(table.public.to_numpy(dtype=bool), total, total.min(initial=0.0) - 10.0)


def plain_rarity(table: pd.DataFrame) -> Array:
    """The baseline: a public destination and port that few other devices use."""
    rare = 1.0 / table.destination_devices + 1.0 / table.port_devices
    return np.where(table.public.to_numpy(dtype=bool), rare, -1.0)
