"""The sales page as HTML: gauges, offers with their reason, visits, customers. Every word from data is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from html import escape
from pathlib import Path

from workbench.casework.maintenance import MaintenanceOffer
from workbench.casework.standing import PERIODS, Offer, Standing
from workbench.twin.show import rounded

NEW = timedelta(hours=1)
CSS = (Path(__file__).parent / "look.css").read_text()


def gauges_html(standings: Sequence[Standing], top: int = 12) -> str:
    """How near customers are to the next plan's tier: used, likely by the period's end, and the tier as a mark."""
    near = [one for one in standings if one.tier and one.state == "forecast"]
    # Those who may still go either way first: whom one is sure of stands among the offers.
    near.sort(key=lambda one: (one.chance > 0.99, -one.chance, -one.projected / (one.tier or 1), one.account))
    if not near:
        words = "Chances need a whole day, and one stretch as long as what is left of the period. They come as it plays."
        return f'<div class="none">{words}</div>'
    rows = []
    for one in near[:top]:
        assert one.tier
        full = max(one.projected, one.tier) * 1.08
        sure = " sure" if one.chance >= 0.7 else ""
        rows.append(
            f'<div class="gauge"><div class="name">{escape(one.name)}<small>{escape(one.title)}</small></div>'
            f'<div class="track"><em style="width:{100 * one.projected / full:.1f}%"></em>'
            f'<i style="width:{100 * one.used / full:.1f}%"></i><b style="left:{100 * one.tier / full:.1f}%"></b></div>'
            f'<div class="p{sure}">{100 * one.chance:.0f} %</div></div>'
        )
    return "".join(rows)


def offers_html(
    offers: Sequence[Offer],
    standings: Sequence[Standing],
    opened: str,
    now: datetime,
    replayed: dict[str, tuple[Fraction, Fraction]],
) -> str:
    """The offers, largest saving first; the opened one with its reason."""
    shown = [one for one in offers if not one.held_out]
    if not shown:
        return (
            '<div class="none">Nobody would be better off on another plan for sure enough yet.<br>'
            "An offer needs a chance of 70 % and a saving over three periods.</div>"
        )
    where = {(one.account, one.current): one for one in standings}
    parts = []
    for one in shown[:40]:
        new = is_new(one, now)
        reason = (
            _reason(one, where.get((one.account, one.current)), replayed.get(one.offer_id))
            if one.offer_id == opened
            else ""
        )
        parts.append(
            f'<div class="offer{" new" if new else ""}" data-tell="offer" data-value="{escape(one.offer_id)}"><div class="top">'
            f'<div><div class="who">{escape(one.name)}{"<span class=tag>new</span>" if new else ""}</div>'
            f'<div class="plan">{escape(one.current)} → {escape(one.title)} · {100 * one.chance:.0f} % sure</div></div>'
            f'<div class="saves">{rounded(one.saving, one.currency)} {escape(one.currency)}'
            f"<small>in {PERIODS} periods</small></div></div>{reason}</div>"
        )
    return f'<div class="scroll">{"".join(parts)}</div>'


def is_new(one: Offer, now: datetime) -> bool:
    """Whether an offer was triggered in the last hour."""
    return now - one.triggered_at < NEW


def _reason(one: Offer, where: Standing | None, replayed: tuple[Fraction, Fraction] | None) -> str:
    cells = []
    if where is not None:
        cells += [
            ("bill now", where.bill),
            ("likely", where.middle),
            ("at least", where.low),
            ("at most", where.high),
        ]
    facts = "".join(
        f"<div><span>{name}</span><b>{rounded(value, one.currency)} {escape(one.currency)}</b></div>"
        for name, value in cells
    )
    twin = (
        f" Replayed by the twin on the whole period's own use: {rounded(replayed[0], one.currency)} now, "
        f"{rounded(replayed[1], one.currency)} then."
        if replayed is not None
        else ""
    )
    left = (
        f" Not counted: {where.left_out:,} units of an open case."
        if where is not None and where.left_out
        else ""
    )
    return (
        f'<div class="reason" data-reason="{escape(one.offer_id)}">{escape(one.reason)}{escape(twin)}{escape(left)}'
        f"<br>Offered since {one.triggered_at:%d %b %H:%M}.<div class='facts'>{facts}</div></div>"
    )


def visits_html(visits: Sequence[MaintenanceOffer]) -> str:
    """Maintenance offers, most worth first."""
    if not visits:
        return '<div class="none">No device is failing, or the catalogue sells no care.</div>'
    return "".join(
        f'<div class="visit"><div>{escape(one.name)}<small>{escape(one.reason)}</small></div>'
        f'<div class="n">{rounded(one.price, one.currency)} {escape(one.currency)}'
        f"<small>avoids {rounded(one.avoided, one.currency)}</small></div></div>"
        for one in visits[:12]
    )


def share_link(address: str, path: dict[str, str]) -> str:
    """The page's address with its state."""
    from urllib.parse import urlencode

    return f"{address.partition('?')[0]}?{urlencode({name: value for name, value in path.items() if value})}"
