"""Partner statements: exact shares of each offer version, in each currency, rounded once, and what rounding cost.

For one offer version, currency and period let T be the exact net total of its lines. Statements are T's
shares cut to minor units by largest remainder, so they sum to round(T) exactly. Invoice lines were rounded
one by one; the difference between their sum and round(T) is booked to the operator's rounding account.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from itertools import groupby
from typing import Any

import pyarrow as pa

from workbench.errors import AmountOverflow
from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.ledger import chart
from workbench.ledger.book import MONEY
from workbench.ledger.entry import Posting
from workbench.model.ids import short_hash
from workbench.model.money import minor_nano, round_half_away
from workbench.model.offer import Offer
from workbench.settlement.apportion import round_shares
from workbench.settlement.splits import ZERO, Basis, in_each_currency
from workbench.settlement.terms import OfferKey, Terms, in_order, split_of
from workbench.settlement.work import Rated

PPM = 1_000_000


@dataclass(slots=True)
class Takings:
    """What one offer version earned in one currency: the basis of its shares, and its rounded lines' sum."""

    amounts: dict[str, Fraction] = field(default_factory=dict)
    unshared: Fraction = ZERO
    units: dict[str, int] = field(default_factory=dict)
    net_nano: int = 0
    period_start: datetime | None = None
    period_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What one partner is owed by one offer version: ``share`` exact nano, ``statement_nano`` in whole
    units.
    """

    partner_id: str
    offer_id: str
    offer_version: int
    currency: str
    period: str
    period_start: datetime | None
    period_end: datetime | None
    share: Fraction
    statement_nano: int
    is_operator: bool
    refers_to: str = ""

    @property
    def statement_id(self) -> str:
        """Deterministic: the same statement has the same id in every run."""
        made_of = (
            self.period,
            self.partner_id,
            self.offer_id,
            self.offer_version,
            self.currency,
            self.refers_to,
        )
        return f"S{short_hash(*made_of)}"


def takings(lake: Lake, lines: str, offers: Mapping[OfferKey, Offer]) -> dict[OfferKey, Takings]:
    """Sum lines to what splits are reckoned on; carried and deferred lines are no new earnings.

    Args:
        lines: relation with account lines: exact ``amount`` over ``den``, ``net_nano``, ``inclusive`` ...
    """
    found: dict[OfferKey, Takings] = {}
    for row in lake.con.execute(
        "SELECT offer_id, offer_version, currency, component_id, of_kind, den, inclusive, tax_rate_ppm, "
        "sum(amount)::HUGEINT, sum(units)::HUGEINT, sum(net_nano)::HUGEINT, min(period_start), max(period_end) "
        f"FROM {lines} WHERE of_kind <> 'deferred' GROUP BY ALL ORDER BY ALL"
    ).fetchall():
        _count(found.setdefault((row[0], row[1], row[2]), Takings()), row, offers[row[0], row[1], row[2]])
    return found


def statements(
    lake: Lake,
    rated: Rated,
    found: Mapping[OfferKey, Takings],
    offers: Mapping[OfferKey, Offer],
    terms: Terms,
    period: str,
) -> list[Statement]:
    """Every partner's statement, ordered by offer, version, currency and partner.

    Raises:
        SettlementError: an offer has no split; AmountOverflow when an exact share needs more than 38 digits.
    """
    result = []
    for key, cut in sorted(_cut(lake, rated, found, offers, terms).items()):
        rounded = round_shares(cut, minor_nano(key[2]))
        for partner, share in cut.items():
            mine = partner == terms.operator
            span = (found[key].period_start, found[key].period_end)
            result.append(Statement(partner, *key, period, *span, fits(share), rounded[partner], mine))
    return result


def _cut(
    lake: Lake,
    rated: Rated,
    found: Mapping[OfferKey, Takings],
    offers: Mapping[OfferKey, Offer],
    terms: Terms,
) -> dict[OfferKey, dict[str, Fraction]]:
    """Exact shares: one S per offer version, which its currencies move on one after the other."""
    cuts: dict[OfferKey, dict[str, Fraction]] = {}
    for (offer_id, version), group in groupby(sorted(found), key=lambda key: key[:2]):
        keys = {key[2]: key for key in group}
        offer = offers[next(iter(keys.values()))]
        split, earned = split_of(offer), []
        counted = {r.components for r in split.rules if (r.kind, r.per) == ("fixed", "device")}
        ordered = in_order(offer, keys)
        for place, (currency, rate) in enumerate(ordered, 1):
            took, so_far = found[keys[currency]], [name for name, _ in ordered[:place]]
            devices = {
                names: devices_charged(lake, rated, offer_id, version, so_far, names) for names in counted
            }
            earned.append((rate, Basis(took.amounts, took.units, devices, took.unshared)))
        for (currency, _), cut in zip(
            ordered, in_each_currency(split, earned, operator=terms.operator), strict=True
        ):
            cuts[keys[currency]] = cut
    return cuts


def rounded_total(took: Takings, currency: str) -> int:
    """round(T): the exact net total in whole minor units."""
    whole, unit = sum(took.amounts.values(), took.unshared), minor_nano(currency)
    return round_half_away(whole.numerator, whole.denominator * unit) * unit


def postings(
    made: list[Statement], rounding: Mapping[OfferKey, int], period: str, tag: str = ""
) -> Iterator[Posting]:
    """Partners' shares out of revenue, and rounding differences out of (or into) it.

    What is left in ``revenue:<offer>`` afterwards is the operator's own statement.

    Args:
        rounding: what lines were rounded to beyond the rounded total, nano, by group.
        tag: makes the keys of an adjustment differ from those of the close.
    """
    for item in made:
        if item.statement_nano and not item.is_operator:
            tx, memo = item.statement_id, f"share of {item.partner_id}"
            key = f"share:{item.statement_id}"
            sides = (chart.revenue(item.offer_id), chart.payable(item.partner_id))
            yield _movement(tx, key, sides, item.currency, item.statement_nano, period, memo)
    for (offer_id, version, currency), amount in sorted(rounding.items()):
        if amount:
            tx = f"rounding:{period}{tag}"
            key = f"rounding:{period}{tag}:{version}:{currency}:{offer_id}"
            sides = (chart.revenue(offer_id), chart.rounding(currency))
            yield _movement(tx, key, sides, currency, amount, period, "rounded lines less rounded total")


def table(made: list[Statement]) -> pa.Table:
    """Statements with the columns of their segments."""
    money = ("share_numerator", "share_denominator", "statement_nano")
    rows = [
        {
            **{name: getattr(item, name) for name in _PLAIN},
            "share_numerator": item.share.numerator,
            "share_denominator": item.share.denominator,
            "statement_id": item.statement_id,
        }
        for item in made
    ]
    types = {**_PLAIN, **dict.fromkeys(money, MONEY), "statement_id": pa.string()}
    return pa.table({name: pa.array([row[name] for row in rows], type_) for name, type_ in types.items()})


def devices_charged(
    lake: Lake,
    rated: Rated,
    offer_id: str,
    version: int,
    currencies: Sequence[str],
    components: tuple[str, ...],
) -> int:
    """How many devices have at least one charge under these components (empty: under any) of an offer
    version, in any of these currencies.
    """
    chosen = f"AND component_id IN ({', '.join(map(quote, components))})" if components else ""
    row = lake.con.execute(
        f"SELECT count(DISTINCT device_key) FROM {rated.charges} SEMI JOIN (SELECT line_no FROM {rated.lines} "
        f"WHERE offer_id = ? AND offer_version = ? AND list_contains(?, currency) {chosen}) l USING (line_no)",
        [offer_id, version, list(currencies)],
    ).fetchall()
    return int(row[0][0])


def fits(share: Fraction) -> Fraction:
    """``share`` when its numerator and denominator fit DECIMAL(38,0)."""
    if max(abs(share.numerator), share.denominator) >= 10**38:
        raise AmountOverflow(
            "A partner's exact share needs more than 38 digits.", cure="Use rounder prices or rates."
        )
    return share


_PLAIN = {
    "partner_id": pa.string(), "offer_id": pa.string(), "offer_version": pa.int32(),
    "period_start": pa.timestamp("us"), "period_end": pa.timestamp("us"), "currency": pa.string(),
    "statement_nano": MONEY, "period": pa.string(), "is_operator": pa.bool_(), "refers_to": pa.string(),
}  # fmt: skip


def _count(took: Takings, row: tuple[Any, ...], offer: Offer) -> None:
    component, kind, den, inclusive, ppm, amount, units, net = row[3:11]
    took.net_nano += net
    took.period_start = min(filter(None, (took.period_start, row[11])), default=None)
    took.period_end = max(filter(None, (took.period_end, row[12])), default=None)
    if kind == "carry":
        return
    exact = Fraction(amount, den) * (Fraction(PPM, PPM + ppm) if inclusive else 1)
    if kind == "true_up" and not split_of(offer).share_true_ups:
        took.unshared += exact
        return
    took.amounts[component] = took.amounts.get(component, ZERO) + exact
    if kind == "usage":
        took.units[component] = took.units.get(component, 0) + units


def _movement(
    tx: str, key: str, sides: tuple[str, str], currency: str, amount: int, period: str, memo: str
) -> Posting:
    """From ``sides[0]`` to ``sides[1]``: debited from the first when positive, the other way round when
    negative.
    """
    debit, credit = sides if amount > 0 else sides[::-1]
    return Posting(tx, key, debit, credit, currency, abs(amount), period, "", memo)
