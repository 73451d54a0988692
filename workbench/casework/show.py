"""How the queue and offers look in a notebook; nothing is imported before a plot is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.tariff.show import ready_charts

if TYPE_CHECKING:
    from workbench.casework.evidence import Evidence
    from workbench.casework.upsell import Upsell


def evidence_plot(seen: Evidence) -> Any:
    """The series of a case in the band that was expected."""
    ready_charts()
    frame = seen.series
    band = frame.hvplot.area(
        x="at", y="low", y2="high", color="#64748b", alpha=0.25, line_alpha=0, label="expected"
    )
    own = frame.hvplot.line(x="at", y="value", color="#0f766e", label=seen.device)
    inside = frame[frame["inside"]].hvplot.scatter(
        x="at", y="value", color="#d97706", size=14, label="episode"
    )
    return (band * own * inside).opts(
        height=300, responsive=True, title=f"{seen.device}, {seen.column}", ylabel=seen.unit
    )


def tier_plot(found: Upsell) -> Any:
    """Use so far and likely use as shares of the tier at which the next plan gets cheaper."""
    ready_charts()
    rows = [
        {
            "customer": one.name,
            "used": one.used / one.tier,
            "likely": one.projected / one.tier,
            "offered": one.offer is not None,
        }
        for one in found.standings
        if one.tier
    ]
    frame = (
        pd.DataFrame(rows, columns=["customer", "used", "likely", "offered"]).sort_values("likely").tail(25)
    )
    likely = frame.hvplot.barh(x="customer", y="likely", color="#0f766e", alpha=0.35)
    used = frame.hvplot.barh(x="customer", y="used", color="#0f766e")
    return (likely * used).opts(
        height=420, responsive=True, title="Use as a share of the next plan's tier", ylabel="share"
    )
