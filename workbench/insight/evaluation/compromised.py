"""Compromised devices on flow recordings: which (device, destination) pairs are bad?"""

from __future__ import annotations

import numpy as np

from workbench.insight.evaluation.bootstrap import ranking_gain
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.measures import average_precision
from workbench.insight.evaluation.result import Measured, need
from workbench.insight.methods import rarity

FILES = ("iot23_flows",)
ROW = "compromised device"


def rows(folder: Folder) -> list[Measured]:
    """AP over pairs, and the rank of the links of the quiet botnet (Torii) within their device."""
    flows = folder.read("iot23_flows", "capture", "ts", "orig_h", "resp_h", "resp_p", "label", "resp_kind")
    flows["device"] = flows.capture + "|" + flows.orig_h
    evidence = rarity.pairs(flows)
    evidence["ours"], evidence["plain"] = rarity.suspicion(evidence), rarity.plain_rarity(evidence)
    best = evidence.groupby(["device", "resp_h"], sort=True)[["ours", "plain"]].max()
    truth = flows.groupby(["device", "resp_h"], sort=True).agg(
        label=("label", "max"),
        torii=("detailed_label", lambda seen: seen.fillna("").str.contains("Torii").any()),
        capture=("capture", "first"),
    )
    table = best.join(truth).reset_index()
    label, ours, plain = (table[name].to_numpy(dtype=float) for name in ("label", "ours", "plain"))
    need(label.any() and table.capture.nunique() > 1, "no bad pair, or a single capture")
    low, high = ranking_gain(label, ours, plain, table.capture.to_numpy(dtype=str))
    result = [
        Measured(
            ROW, "AP over (device, destination) pairs",
            average_precision(label, plain), average_precision(label, ours), low, high,
            table.capture.nunique(), float(label.mean()),
            note=f"{int(label.sum())} bad of {len(table)} pairs; baseline: public destination and port few devices use",
        )
    ]  # fmt: skip
    ranks = table.groupby("capture")[["ours", "plain"]].rank(ascending=False, method="max")
    torii = table.torii.to_numpy(dtype=bool)
    if torii.any():
        worst = ranks[torii].max()
        result.append(
            Measured(ROW, "worst rank of a Torii link within its capture", float(worst.plain), float(worst.ours),
                     units=int(torii.sum()), lower_is_better=True,
                     note=f"in the whole list: {_ranks(ours, torii)} (baseline {_ranks(plain, torii)})")
        )  # fmt: skip
        clean = ~table.groupby("capture").label.transform("max").to_numpy(dtype=bool)
        if clean.any():
            loud, loud_base = (int((s[clean] >= s[torii].min()).sum()) for s in (ours, plain))
            result.append(
                Measured(ROW, "pairs of clean devices above the weakest Torii link", loud_base, loud,
                         units=table.capture[clean].nunique(), lower_is_better=True)
            )  # fmt: skip
    return result


def _ranks(score: np.ndarray, chosen: np.ndarray) -> str:
    return ", ".join(str(int((score >= one).sum())) for one in sorted(score[chosen], reverse=True))
