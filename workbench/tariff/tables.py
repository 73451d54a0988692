"""Compiled offers as Arrow tables of integers: what the batch driver joins records with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from math import lcm
from typing import Any

import pyarrow as pa

from workbench.errors import AmountOverflow
from workbench.model.offer import Catalogue
from workbench.model.plan import Period, PlanComponent, PlanFee, PlanOffer, PlanRate, PlanSponsor
from workbench.tariff.amount import part_unit
from workbench.tariff.calendar import billed_days, counter_windows, expand
from workbench.tariff.compile import INT64, day_parts
from workbench.tariff.variants import Variant

_TYPES: dict[str, pa.DataType] = {
    "i": pa.int64(), "n": pa.int32(), "t": pa.timestamp("us"), "s": pa.string(), "b": pa.bool_(),
}  # fmt: skip
_SCHEMAS: dict[str, dict[str, str]] = {
    "parts": {"offer_no": "n", "offer_id": "s", "offer_version": "n", "component_id": "s", "kind": "s",
              "meter": "s",
              "currency": "s", "denominator": "i", "tax_category": "s", "tax_rate_ppm": "n", "tax_inclusive": "b",
              "side": "s", "primary_meter": "b", "fold": "s", "title": "s", "online": "b"},
    "offers": {"offer_no": "n", "offer_id": "s", "version": "n", "currency": "s", "side": "s", "charged": "s",
               "zone": "s", "period": "s", "trial_days": "n"},
    "components": {"comp_no": "n", "offer_no": "n", "component_id": "s", "meter": "s", "denominator": "i",
                   "linear": "b", "scope": "s", "fold": "s", "sell": "b", "online": "b", "short": "b",
                   "free_units": "i", "contribution": "s",
                   "may_miss": "b", "shape": "s", "unique_of": "s", "increment_units": "i", "increment_add": "i",
                   "by_device": "b", "allows": "b", "bundle_no": "n", "weight": "i", "sponsored": "b", "closes": "b"},
    "bundles": {"bundle_no": "n", "offer_no": "n", "bundle_id": "s", "credits": "i", "contribution": "s",
                "scope": "s"},
    "sponsors": {"sponsor_no": "n", "offer_no": "n", "comp_no": "n", "position": "n", "sponsor_id": "s",
                 "account_id": "s",
                 "budget": "b", "blocks": "b", "wants": "n"},
    "sponsor_matches": {"sponsor_no": "n", "dimension": "s", "value": "s"},
    "bursts": {"comp_no": "n", "meter": "s", "outward": "b", "slot_seconds": "i", "summed": "b",
               "drop_numerator": "i",
               "drop_denominator": "i", "slope": "i"},
    "heard": {"comp_no": "n", "meter": "s"},
    "buckets": {"comp_no": "n", "from_at": "t", "until_at": "t"},
    "rates": {"rate_no": "n", "comp_no": "n", "position": "n", "counter_no": "n", "rate_id": "s",
              "linear": "b", "jumps": "b",
              "version": "n", "slope": "i", "fee": "i", "floor": "i", "cap": "i", "increment_units": "i",
              "increment_add": "i", "at_zero": "i", "price_no": "n", "part_unit": "i", "pool_cap": "i", "by_excess": "b"},
    "steps": {"rate_no": "n", "step_no": "n", "from_units": "i", "origin_units": "i", "base": "i",
              "block_units": "i", "block_amount": "i"},
    "matches": {"rate_no": "n", "dimension": "s", "value": "s"},
    "windows": {"rate_no": "n", "from_at": "t", "until_at": "t"},
    "lives": {"comp_no": "n", "from_at": "t", "until_at": "t"},
    "days": {"zone": "s", "day_no": "n", "days": "n", "day_start": "t", "day_end": "t"},
    "fees": {"fee_no": "n", "offer_no": "n", "fee_id": "s", "denominator": "i", "every": "s", "per": "s",
             "whole": "b", "phase_from": "n", "phase_until": "n", "states": "s"},
    "fee_days": {"fee_no": "n", "day_no": "n", "day_start": "t", "day_end": "t", "amount": "i"},
}  # fmt: skip


def naive(at: datetime) -> datetime:
    """A UTC instant as the lake writes it: without a zone."""
    return at.astimezone(UTC).replace(tzinfo=None)


def table(name: str, rows: Iterable[Sequence[Any]]) -> pa.Table:
    """Rows as an Arrow table of the named schema."""
    schema = pa.schema([(column, _TYPES[kind]) for column, kind in _SCHEMAS[name].items()])
    listed = list(rows)
    columns: list[Sequence[Any]] = list(zip(*listed, strict=True)) if listed else [[] for _ in schema]
    return pa.table(
        [pa.array(column, f.type) for column, f in zip(columns, schema, strict=True)], schema=schema
    )


def _sponsor_tables(sponsors: Sequence[tuple[int, int, int, PlanSponsor]]) -> dict[str, pa.Table]:
    """``sponsors`` and ``sponsor_matches`` from (component, offer, position, sponsor)."""
    return {
        "sponsors": table(
            "sponsors",
            (
                (
                    number,
                    offer_no,
                    comp_no,
                    position,
                    p.id,
                    p.account,
                    p.budget is not None,
                    p.blocks,
                    len(p.match),
                )
                for number, (comp_no, offer_no, position, p) in enumerate(sponsors, 1)
            ),
        ),
        "sponsor_matches": table(
            "sponsor_matches",
            (
                (number, dimension, value)
                for number, (*_, sponsor) in enumerate(sponsors, 1)
                for dimension, values in sponsor.match
                for value in values
            ),
        ),
    }


def offer_tables(
    variants: Sequence[Variant], catalogue: Catalogue, period: Period, billing: Period
) -> dict[str, pa.Table]:
    """``offers components rates steps matches windows lives fees fee_days`` of the variants.

    Args:
        period: what is rated. billing: the whole billing period it belongs to, by whose days fees are prorated.
    """
    offers = [variant.offer for variant in variants]
    components = [(number, part) for number, offer in enumerate(offers, 1) for part in offer.components]
    rates = [
        (comp_no, offers[offer_no - 1], component, position, rate)
        for comp_no, (offer_no, component) in enumerate(components, 1)
        for position, rate in enumerate(component.rates)
    ]
    fees = [(number, fee) for number, offer in enumerate(offers, 1) for fee in offer.fees]
    numbers = _bundle_numbers(offers)
    sponsors = [
        (comp_no, offer_no, position, sponsor)
        for comp_no, (offer_no, component) in enumerate(components, 1)
        for position, sponsor in enumerate(offers[offer_no - 1].sponsors)
        if component.id in sponsor.components
    ]
    return {
        "offers": table("offers", (_offer_row(number, offer) for number, offer in enumerate(offers, 1))),
        "components": table(
            "components",
            (
                _component_row(
                    no,
                    offer_no,
                    offers[offer_no - 1],
                    c,
                    _bundle_key(numbers, offers[offer_no - 1], c.bundle),
                )
                for no, (offer_no, c) in enumerate(components, 1)
            ),
        ),
        "rates": table("rates", _rate_rows(rates)),
        "steps": table("steps", _step_rows(rates)),
        "matches": table(
            "matches",
            (
                (number, dimension, value)
                for number, (*_, rate) in enumerate(rates, 1)
                for dimension, values in rate.match
                for value in values
            ),
        ),
        "windows": table("windows", _window_rows(rates, catalogue, period)),
        "lives": table("lives", _life_rows(components, offers, period)),
        "bundles": table("bundles", _bundle_rows(offers, numbers)),
        **_sponsor_tables(sponsors),
        "bursts": table("bursts", _burst_rows(components)),
        "heard": table(
            "heard", ((no, meter) for no, (_, c) in enumerate(components, 1) for meter in c.meters)
        ),
        "buckets": table("buckets", _bucket_rows(components, offers, period)),
        "days": table("days", _day_rows(sorted({offer.zone for offer in offers}), period, billing)),
        "fees": table(
            "fees",
            (
                _fee_row(no, offer_no, offers[offer_no - 1], fee, billing)
                for no, (offer_no, fee) in enumerate(fees, 1)
            ),
        ),
        "fee_days": table("fee_days", _fee_day_rows(fees, offers, period, billing)),
    }


def part_table(offers: Sequence[PlanOffer], billing: Period) -> pa.Table:
    """Everything a line can be of: each usage price and fee of each variant, with its denominator and tax.

    ``primary_meter`` marks the first price of a meter: the units of primary sell lines sum to the records' units.
    ``online`` marks prices that a charging node owns: they have lines, and no record is ever charged on them.
    """
    rows: list[tuple[Any, ...]] = []
    for number, offer in enumerate(offers, 1):
        taxes = {category: (ppm, inclusive) for category, ppm, inclusive in offer.taxes}
        head = (number, offer.offer_id, offer.version)
        seen: set[str] = set()
        online = offer.charged == "node"
        for c in offer.components:
            tax = (c.tax_category, *taxes.get(c.tax_category, (0, False)))
            rows.append((*head, c.id, "usage", c.meter, offer.currency, c.denominator, *tax, offer.side,
                         c.meter not in seen and not online, c.fold, c.title, online))  # fmt: skip
            seen.add(c.meter)
        for fee in offer.fees:
            tax = (fee.tax_category, *taxes.get(fee.tax_category, (0, False)))
            kind = "one_off" if fee.every == "once" else "recurring"
            parts = day_parts(fee, len(billed_days(billing, offer.zone)))
            rows.append((*head, fee.id, kind, "", offer.currency, fee.denominator * parts, *tax, offer.side, False,
                         "", fee.title, False))  # fmt: skip
        rows += _adjustment_parts(number, offer, billing)
    return table("parts", rows)


def _adjustment_parts(number: int, offer: PlanOffer, billing: Period) -> Iterator[tuple[Any, ...]]:
    """Lines of adjustments: one denominator in which every sum of the offer's charges and every limit is whole."""
    taxes = {category: (ppm, inclusive) for category, ppm, inclusive in offer.taxes}
    days = len(billed_days(billing, offer.zone))
    common = lcm(
        1,
        *(component.denominator for component in offer.components),
        *(fee.denominator * day_parts(fee, days) for fee in offer.fees),
        *(a.denominator * (days if a.daily else 1) for a in offer.adjustments),
    )
    for a in offer.adjustments:
        yield (number, offer.offer_id, offer.version, a.id, a.kind, "", offer.currency, common, a.tax_category,
               *taxes.get(a.tax_category, (0, False)), offer.side, False, "", "", False)  # fmt: skip


def _offer_row(number: int, offer: PlanOffer) -> tuple[Any, ...]:
    return (number, offer.offer_id, offer.version, offer.currency, offer.side, offer.charged, offer.zone,
            offer.period, offer.trial_days)  # fmt: skip


def _component_row(
    number: int, offer_no: int, offer: PlanOffer, component: PlanComponent, bundle_no: int
) -> tuple[Any, ...]:
    return (number, offer_no, component.id, component.meter, component.denominator, component.linear,
            component.scope, component.fold, offer.side == "sell", offer.charged == "node",
            component.counter_period != "billing", component.free_units, component.contribution,
            component.free_when_unmatched, component.shape, component.unique_of, component.increment_units,
            component.increment_add, component.increment_of == "device",
            component.free_units > 0 or component.rollover is not None, bundle_no, component.weight,
            component.sponsored, component.closes)  # fmt: skip


_Rates = Sequence[tuple[int, PlanOffer, PlanComponent, int, PlanRate]]


def _counter_key(offer: PlanOffer, component: PlanComponent, rate: PlanRate) -> tuple[str | int, ...]:
    """What a counter is of, beside its holder and life; a version that resets counters has its own."""
    return (offer.offer_id, offer.currency, component.id, rate.id, offer.version if offer.resets else 0)


def _rate_rows(rates: _Rates) -> Iterator[tuple[Any, ...]]:
    """``counter_no`` is shared by the versions and variants of one rate: a counter survives a change of version.

    ``price_no`` is shared by the variants of a version that price alike (they differ in something else).
    """
    keys = sorted({_counter_key(offer, c, rate) for _, offer, c, _, rate in rates})
    counters: Mapping[tuple[str | int, ...], int] = {key: number for number, key in enumerate(keys, 1)}
    same: dict[object, int] = {}
    for number, (comp_no, offer, c, position, rate) in enumerate(rates, 1):
        conversion = rate.conversion
        price_no = same.setdefault((_counter_key(offer, c, rate), offer.version, rate.steps), number)
        slope = conversion.rate if conversion else rate.steps[0].block_amount
        yield (
            number, comp_no, position, counters[_counter_key(offer, c, rate)], rate.id,
            c.linear, rate.jumps, offer.version, slope, conversion.fee if conversion else 0,
            conversion.floor if conversion else None, conversion.cap if conversion else None,
            1 if c.shape in ("event", "bucket") else c.increment_units,
            0 if c.shape in ("event", "bucket") else c.increment_add, rate.steps[0].base,
            price_no, part_unit(c.denominator, rate.steps), c.pool_cap, c.by_excess,
        )  # fmt: skip


def _step_rows(rates: _Rates) -> Iterator[tuple[Any, ...]]:
    for number, (*_, rate) in enumerate(rates, 1):
        for step_no, step in enumerate(rate.steps):
            if max(step.base, step.block_amount) > INT64:
                raise AmountOverflow(
                    f"The rate '{rate.id}' needs numbers beyond 64 bits once its variants share a denominator.",
                    where=f"rate {rate.id}",
                    cure="Use fewer digits in its amounts, discounts or exchange rate.",
                )
            yield (
                number,
                step_no,
                step.from_units,
                step.origin_units,
                step.base,
                step.block_units,
                step.block_amount,
            )


def _window_rows(rates: _Rates, catalogue: Catalogue, period: Period) -> Iterator[tuple[Any, ...]]:
    calendars = {calendar.id: calendar for calendar in catalogue.holidays}
    for number, (*_, rate) in enumerate(rates, 1):
        if rate.windows:
            found = expand(rate.windows, period, calendars) or [(period.start, period.start)]
            for start, end in found:
                yield number, naive(start), naive(end)


def _life_rows(
    components: Sequence[tuple[int, PlanComponent]], offers: Sequence[PlanOffer], period: Period
) -> Iterator[tuple[Any, ...]]:
    for number, (offer_no, component) in enumerate(components, 1):
        if component.counter_period != "billing":
            for start, end in counter_windows(period, offers[offer_no - 1].zone, component.counter_period):
                yield number, naive(start), naive(end)


def _bundle_numbers(offers: Sequence[PlanOffer]) -> dict[tuple[str, str, str], int]:
    """A bundle keeps its number over the versions and variants of its offer."""
    keys = sorted(
        {(offer.offer_id, offer.currency, bundle.id) for offer in offers for bundle in offer.bundles}
    )
    return {key: number for number, key in enumerate(keys, 1)}


def _bundle_key(numbers: Mapping[tuple[str, str, str], int], offer: PlanOffer, bundle: str) -> int:
    return numbers.get((offer.offer_id, offer.currency, bundle), 0)


def _bundle_rows(
    offers: Sequence[PlanOffer], numbers: Mapping[tuple[str, str, str], int]
) -> Iterator[tuple[Any, ...]]:
    for offer_no, offer in enumerate(offers, 1):
        for bundle in offer.bundles:
            number = numbers[offer.offer_id, offer.currency, bundle.id]
            yield number, offer_no, bundle.id, bundle.credits, bundle.contribution, offer.scope


def _burst_rows(components: Sequence[tuple[int, PlanComponent]]) -> Iterator[tuple[Any, ...]]:
    """Percentile prices, once per meter they look at."""
    for number, (_, component) in enumerate(components, 1):
        price = component.rates[0].percentile
        for meter in component.meters if price else ():
            assert price is not None
            yield (
                number, meter, meter != component.meter, price.slot_seconds, price.direction == "sum",
                price.drop_numerator, price.drop_denominator, component.rates[0].steps[0].block_amount,
            )  # fmt: skip


def _bucket_rows(
    components: Sequence[tuple[int, PlanComponent]], offers: Sequence[PlanOffer], period: Period
) -> Iterator[tuple[Any, ...]]:
    """The local days of components whose quantity is rounded per day."""
    for number, (offer_no, component) in enumerate(components, 1):
        if component.increment_per == "day":
            for start, end in counter_windows(period, offers[offer_no - 1].zone, "day"):
                yield number, naive(start), naive(end)


def _day_rows(zones: Sequence[str], period: Period, billing: Period) -> Iterator[tuple[Any, ...]]:
    """The local days that end inside the period, numbered within the billing period."""
    for zone in zones:
        days = billed_days(billing, zone)
        for number, (_, start, end) in enumerate(days):
            if period.start < end <= period.end:
                yield zone, number, len(days), naive(start), naive(end)


# -- fees ----------------------------------------------------------------------------------------------------


def _fee_row(number: int, offer_no: int, offer: PlanOffer, fee: PlanFee, billing: Period) -> tuple[Any, ...]:
    until = 2**31 - 1 if fee.to_period is None else fee.to_period + 1
    days = len(billed_days(billing, offer.zone))
    return (number, offer_no, fee.id, fee.denominator * day_parts(fee, days), fee.every, fee.per, _whole(fee),
            fee.from_period, until, ",".join(sorted(fee.states)))  # fmt: skip


def _whole(fee: PlanFee) -> bool:
    """Due as a whole or not at all."""
    return fee.every == "once" or (fee.every == "period" and fee.proration == "full_if_active")


def day_amount(fee: PlanFee, day: int, days: int) -> int:
    """A fee's amount for day ``day`` (from 0) of ``days``, over ``denominator * day_parts``; the days sum to the fee.

    30-day: the position in the period is ``min(day, 30)``, and the last day always ends at 30.
    """
    if fee.every == "period" and fee.proration == "30-day":
        before, after = min(day, 30), 30 if day + 1 == days else min(day + 1, 30)
        return fee.amount * (after - before)
    return fee.amount


def _fee_day_rows(
    fees: Sequence[tuple[int, PlanFee]], offers: Sequence[PlanOffer], period: Period, billing: Period
) -> Iterator[tuple[Any, ...]]:
    for number, (offer_no, fee) in enumerate(fees, 1):
        days = billed_days(billing, offers[offer_no - 1].zone)
        for day_no, (_, start, end) in enumerate(days):
            if period.start < end <= period.end:
                yield number, day_no, naive(start), naive(end), day_amount(fee, day_no, len(days))
