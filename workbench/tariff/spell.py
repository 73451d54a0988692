"""Nouns back to the written form: the maps and words of a catalogue file, as ``read_offer.py`` reads them.

What a noun has by default is left out. Reading what is written here gives the same nouns and the same hashes, so that a
price list which only a lake remembers can be taken up, changed and published again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import date
from fractions import Fraction
from typing import Any

from workbench.model.money import NANO, decimal_text
from workbench.model.offer import Catalogue, Component, Fee, Offer, Rate, Rollover
from workbench.model.price import MODEL_NAMES, GraduatedPercentage, Percentile, Price
from workbench.model.split import Split, SplitRule
from workbench.model.when import TimeWindow
from workbench.tariff.units_text import quantity_text

Written = dict[str, Any]
"""Text, lists of these, and maps of these."""
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def spelled(catalogue: Catalogue) -> Written:
    """A whole catalogue as a catalogue file says it."""
    found: Written = {"meters": [_plain(meter) for meter in catalogue.meters]}
    if catalogue.partners:
        found["partners"] = [_plain(partner) for partner in catalogue.partners]
    if catalogue.holidays:
        found["holidays"] = [_plain(holidays) for holidays in catalogue.holidays]
    units = {meter.id: meter.unit for meter in catalogue.meters}
    return found | {"offers": [spelled_offer(offer, units) for offer in catalogue.offers]}


def spelled_offer(offer: Offer, units: Mapping[str, str]) -> Written:
    """One offer.

    Args:
        units: meter id to base unit.
    """
    names = (
        "id", "version", "title", "side", "currency", "effective", "zone", "period", "scope", "charged", "prepaid",
        "critical", "pool_cap_units", "overage",
    )  # fmt: skip
    found = _plain(offer, only=names)
    for name in ("conventions", "publish", "micropayment"):
        if said := _plain(getattr(offer, name)):
            found[name] = said
    found["prices"] = [_component(component, units[component.meter], offer) for component in offer.components]
    found["bundles"] = [
        _plain(bundle) | {"weights": {name: str(weight) for name, weight in bundle.weights}}
        | _rollover(bundle.rollover, "credit")
        for bundle in offer.bundles
    ]  # fmt: skip
    found["fees"] = [_fee(fee) for fee in offer.fees]
    found["discounts"] = [
        _plain(d, but=("kind", "rate", "amount"))
        | ({"percent": _percent(d.rate)} if d.kind == "percent" else {"fixed": decimal_text(d.amount, 2)})
        for d in offer.discounts
    ]
    found["credits"] = [_plain(credit) for credit in offer.credits]
    found["sponsorships"] = [_plain(s) | _match(s.match) for s in offer.sponsorships]
    for name in ("trial", "maximum", "commitment"):
        if (noun := getattr(offer, name)) is not None:
            found[name] = _plain(noun)
    found["taxes"] = [_plain(tax, but=("rate",)) | {"rate": _percent(tax.rate)} for tax in offer.taxes]
    found["fx"] = [_plain(fx) for fx in offer.fx]
    if offer.split is not None:
        by_component = {component.id: units[component.meter] for component in offer.components}
        found["split"] = _split(offer.split, by_component)
    return {name: value for name, value in found.items() if value not in ([], {})}


def _plain(noun: Any, only: tuple[str, ...] = (), but: tuple[str, ...] = ()) -> Written:
    """The fields of a noun that are plain text, numbers, dates or lists of words, where they are not the default."""
    found: Written = {}
    for field in dataclasses.fields(noun):
        value = getattr(noun, field.name)
        if (only and field.name not in only) or field.name in but or value == field.default:
            continue
        text = _text(value)
        if text is not None:
            found[field.name] = text
    return {name: found[name] for name in only if name in found} if only else found


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Fraction):
        return decimal_text(value, 2)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple) and all(isinstance(item, str | date) for item in value):
        return [_text(item) for item in value]
    return str(value) if isinstance(value, str | int) else None


def _quantity(units: int, base: str) -> str:
    return str(units) if base in ("nano", "") else quantity_text(units, base).replace(",", "")


def _percent(rate: Fraction) -> str:
    return f"{decimal_text(rate * 100)} %"


def _match(pairs: tuple[tuple[str, tuple[str, ...]], ...]) -> Written:
    return {"match": {name: list(values) for name, values in pairs}} if pairs else {}


def _rollover(rollover: Rollover | None, unit: str) -> Written:
    if rollover is None:
        return {}
    said = _plain(rollover, but=("cap",))
    cap = {} if rollover.cap is None else {"cap": _quantity(rollover.cap, unit if unit != "credit" else "")}
    return {"rollover": said | cap}


def _fee(fee: Fee) -> Written:
    return _plain(fee)


# -- prices --------------------------------------------------------------------------------------------------


def _component(component: Component, unit: str, offer: Offer) -> Written:
    found = _plain(component, but=("rates",))
    if component.increment is not None:
        increment = _plain(component.increment, but=("units",))
        found["increment"] = {"units": _quantity(component.increment.units, unit)} | increment
    if component.allowance is not None:
        allowance = component.allowance
        said = {"units": _quantity(allowance.units, unit)} | _plain(allowance, but=("units",))
        found["allowance"] = said | _rollover(allowance.rollover, unit)
    first = component.rates[0]
    if len(component.rates) == 1 and first.id == "default" and not (first.match or first.windows):
        return found | _price(first.price, unit)
    return found | {"rates": [_rate(rate, unit, offer.zone) for rate in component.rates]}


def _rate(rate: Rate, unit: str, zone: str) -> Written:
    found: Written = {"id": rate.id} | _match(rate.match)
    if rate.windows:
        found["windows"] = [_window(window, zone) for window in rate.windows]
    return found | _price(rate.price, unit)


def _window(window: TimeWindow, zone: str) -> Written:
    found: Written = {"from": _clock(window.start_minute), "to": _clock(window.end_minute)}
    if window.days != tuple(range(7)):
        found["days"] = [_DAYS[day] for day in window.days]
    if window.holidays != "ignore":
        found |= {"holidays": window.holidays, "calendar": window.calendar}
    return found if window.zone == zone else found | {"zone": window.zone}


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _price(price: Price, unit: str) -> Written:
    name = "p95" if isinstance(price, Percentile) else MODEL_NAMES[type(price)]
    return {name: dict(_terms(price, "bit/s" if isinstance(price, Percentile) else unit))}


def _terms(price: Any, unit: str) -> Iterator[tuple[str, Any]]:
    """The fields of a price model; quantities in words, rates in percent."""
    rows = getattr(price, "tiers", None) or getattr(price, "steps", None)
    for field in dataclasses.fields(price):
        value = getattr(price, field.name)
        if field.name in ("tiers", "steps"):
            money = isinstance(price, GraduatedPercentage)
            yield field.name, [dict(_tier(row, unit, money=money)) for row in rows or ()]
        elif field.name in ("per", "size", "free") and value != field.default:
            yield field.name, _quantity(value, unit)
        elif field.name in ("rate", "percentile") and value != field.default:
            yield field.name, _percent(value)
        elif value != field.default:
            yield field.name, _text(value)


def _tier(row: Any, unit: str, *, money: bool) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(row):
        value = getattr(row, field.name)
        if field.name == "up_to":
            if value is not None:
                yield field.name, decimal_text(Fraction(value, NANO)) if money else _quantity(value, unit)
        elif field.name == "rate":
            yield field.name, _percent(value)
        elif value != field.default:
            yield field.name, _text(value)


# -- shares --------------------------------------------------------------------------------------------------


def _split(split: Split, units: Mapping[str, str]) -> Written:
    found = _plain(split, but=("rules",))
    rules = [_share(rule, units) for rule in split.rules]
    return found | ({"rules": rules} if rules else {})


def _share(rule: SplitRule, units: Mapping[str, str]) -> Written:
    found: Written = {"partner": rule.partner}
    if rule.kind == "percent":
        found["percent"] = _percent(rule.rate)
    elif rule.kind == "tiers":
        found["tiers"] = [
            {
                **({} if tier.up_to is None else {"up_to": decimal_text(tier.up_to)}),
                "rate": _percent(tier.rate),
            }
            for tier in rule.tiers
        ]
    else:
        named = [units[name] for name in rule.components or units]
        per = "device" if rule.per == "device" else _quantity(rule.per_units, named[0])
        found |= {"fixed": decimal_text(rule.amount, 2), "per": per}
    return found | _plain(rule, only=("of", "guarantee", "cap", "components"))
