"""How offers leave the house: a signed webhook per trigger, a self-contained page, a mail that is ready to be sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from fractions import Fraction
from html import escape
from math import sqrt
from typing import Any

from workbench.casework.maintenance import MaintenanceOffer
from workbench.casework.outbox import Outbox, Wires
from workbench.casework.standing import PERIODS, Offer, Standing
from workbench.casework.upsell import Upsell
from workbench.twin.show import rounded

_LOOK = """
body{font:15px/1.5 system-ui,sans-serif;color:#0f172a;background:#f6f7f9;margin:0;padding:24px}
main{max-width:960px;margin:auto}h1{font-size:22px;margin:0}p.sub{color:#64748b;margin:4px 0 20px}
section{background:#fff;border:1px solid #e2e8f0;border-radius:8px;padding:16px 20px;margin:0 0 16px}
h2{font-size:12px;letter-spacing:.06em;text-transform:uppercase;color:#64748b;margin:0 0 8px}
table{width:100%;border-collapse:collapse}td,th{padding:7px 10px 7px 0;border-bottom:1px solid #eef2f6;text-align:left;
vertical-align:top}
th{font-size:12px;color:#64748b;font-weight:500}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.why{color:#64748b;font-size:13px}.good{color:#0f766e;font-weight:600}.bar{background:#e2e8f0;border-radius:4px;height:8px;min-width:90px}
.bar i{display:block;height:8px;border-radius:4px;background:#0f766e}
@media(max-width:600px){body{padding:12px}.wide{display:none}}
@media(prefers-color-scheme:dark){body{background:#121212;color:#e5e7eb}section{background:#1e1e1e;border-color:#333}
td,th{border-color:#2c2c2c}.bar{background:#333}.good,.bar i{color:#2dd4bf}.bar i{background:#2dd4bf}}
"""


def tell(offers: Iterable[Offer], outbox: Outbox, wires: Wires) -> int:
    """Tell the webhook of every offer that is not held back; each is accepted once, however often it is asked for.

    Raises:
        CaseworkError: see ``Outbox.send``.
    """
    return sum(
        outbox.send(f"offer-{one.offer_id}", {"type": "upsell.trigger", **one.as_dict()}, wires)
        for one in offers
        if not one.held_out
    )


@dataclass(frozen=True, slots=True)
class Lift:
    """What offering does: the share that moved among those offered and among those held out, and the difference's 95 % interval."""

    offered: int
    offered_moved: int
    held_out: int
    held_out_moved: int
    difference: float | None
    low: float | None
    high: float | None


def lift(found: Upsell, outcomes: Mapping[str, Mapping[str, Any]]) -> Lift:
    """Compare outcomes (``accepted`` or ``declined``, by offer id) of both groups; no figure while one is empty."""

    def moved(offers: Iterable[Offer]) -> tuple[int, int]:
        said = [str(outcomes[one.offer_id]["said"]) for one in offers if one.offer_id in outcomes]
        return len(said), said.count("accepted")

    (many, yes), (kept, anyway) = moved(found.offers), moved(found.held_out)
    if not many or not kept:
        return Lift(many, yes, kept, anyway, None, None, None)
    p, q = yes / many, anyway / kept
    # Agresti and Caffo: two successes and two failures more keep the interval honest for few customers.
    a, b = (yes + 1) / (many + 2), (anyway + 1) / (kept + 2)
    half = 1.96 * sqrt(a * (1 - a) / (many + 2) + b * (1 - b) / (kept + 2))
    return Lift(many, yes, kept, anyway, p - q, a - b - half, a - b + half)


def snapshot_html(found: Upsell, title: str = "Sales", owner: str = "") -> str:
    """One page with everything in it: no script, no picture, nothing fetched. For mail, for an archive, for printing."""
    kept = [one for one in found.standings if owner in ("", one.owner)]
    offers = [one for one in found.offers if owner in ("", one.owner)]
    accounts = {one.account for one in kept}
    visits = [one for one in found.maintenance if one.account in accounts]
    spend = _sums((one.currency, one.bill) for one in kept)
    likely = _sums((one.currency, one.middle) for one in kept)
    head = f"As of {found.at:%d %B %Y %H:%M} UTC, period {escape(found.period)}{f', owner {escape(owner)}' if owner else ''}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_LOOK}</style><main><h1>{escape(title)}</h1><p class=sub>{head}. "
        f"Spend so far {spend}, likely {likely} by the period's end; {len(kept)} customers.</p>"
        f"<section><h2>Offers</h2>{_offers(offers)}</section>"
        f"<section><h2>Maintenance</h2>{_visits(visits)}</section>"
        f"<section><h2>Customers</h2>{_customers(kept)}</section></main></html>"
    )


def _sums(amounts: Iterable[tuple[str, Fraction]]) -> str:
    sums: dict[str, Fraction] = {}
    for currency, amount in amounts:
        sums[currency] = sums.get(currency, Fraction(0)) + amount
    return (
        ", ".join(f"{rounded(amount, currency)} {currency}" for currency, amount in sorted(sums.items()))
        or "nothing"
    )


def _offers(offers: list[Offer]) -> str:
    if not offers:
        return "<p>Nobody would be better off on another plan for sure enough at the moment.</p>"
    rows = "".join(
        f"<tr><td><b>{escape(one.name)}</b><br><span class=why>{escape(one.reason)}</span></td>"
        f"<td>{escape(one.title)}</td><td class='n wide'>{100 * one.chance:.0f} %</td>"
        f"<td class='n good'>{rounded(one.saving, one.currency)} {one.currency}</td></tr>"
        for one in offers
    )
    head = (
        f"<tr><th>customer<th>next plan<th class='n wide'>chance<th class=n>saves in {PERIODS} periods</tr>"
    )
    return f"<table>{head}{rows}</table>"


def _visits(visits: list[MaintenanceOffer]) -> str:
    if not visits:
        return "<p>No failing devices.</p>"
    rows = "".join(
        f"<tr><td><b>{escape(one.name)}</b><br><span class=why>{escape(one.reason)}</span></td>"
        f"<td class=n>{rounded(one.price, one.currency)} {one.currency}</td>"
        f"<td class='n good'>{rounded(one.avoided, one.currency)} {one.currency}</td></tr>"
        for one in visits
    )
    return f"<table><tr><th>customer<th class=n>price<th class=n>avoids</tr>{rows}</table>"


def _customers(kept: list[Standing]) -> str:
    shown = sorted(kept, key=lambda one: (-one.middle, one.account))[:60]
    rows = "".join(
        f"<tr><td>{escape(one.name)}</td><td class=wide>{escape(one.title)}</td>"
        f"<td class=n>{rounded(one.bill, one.currency)}</td><td class=n>{rounded(one.middle, one.currency)} "
        f"<span class='why wide'>{rounded(one.low, one.currency)}–{rounded(one.high, one.currency)}</span></td>"
        f"<td>{_bar(one)}</td></tr>"
        for one in shown
    )
    rest = (
        f"<p class=why>{len(kept) - len(shown)} more customers not shown.</p>"
        if len(kept) > len(shown)
        else ""
    )
    head = "<tr><th>customer<th class=wide>plan<th class=n>so far<th class=n>likely<th>of the next tier</tr>"
    return f"<table>{head}{rows}</table>{rest}"


def _bar(one: Standing) -> str:
    if not one.tier:
        return "<span class=why>no cheaper plan</span>"
    return f"<div class=bar><i style='width:{min(100, round(100 * one.projected / one.tier))}%'></i></div>"


def mail(found: Upsell, to: str, sender: str, owner: str = "", at: datetime | None = None) -> EmailMessage:
    """The snapshot as a mail, ready for any mail program (``.eml``): plain words first, the page as its body."""
    message = EmailMessage()
    message["Subject"] = f"Sales, {found.at:%d %B %Y %H:%M} UTC: {len(found.offers)} offers"
    message["From"], message["To"] = sender, to
    message["Date"] = (at or found.at.replace(tzinfo=UTC)).strftime("%a, %d %b %Y %H:%M:%S +0000")
    lines = [
        f"- {one.name}: {one.title}, saves {rounded(one.saving, one.currency)} {one.currency}"
        for one in found.offers
    ]
    message.set_content("\n".join(lines) or "No offers at the moment.")
    message.add_alternative(snapshot_html(found, owner=owner), subtype="html")
    return message
