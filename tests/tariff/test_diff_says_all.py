"""Whatever moves between two versions of an offer is said, with its currency, and never by the name of a field."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from workbench.model.offer import (
    Allowance,
    Catalogue,
    Commitment,
    Component,
    Fee,
    Increment,
    Maximum,
    Offer,
    Rollover,
    Trial,
)
from workbench.model.when import TimeWindow
from workbench.tariff.catalogue import load, loads
from workbench.tariff.diff import diff, diff_catalogues

README = Path("workbench/tariff/README.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)[1]  # type: ignore[index]
FILES = sorted(Path("datasets/catalog").glob("*.yaml"))
ON = " from 1 March 2026."

OTHER_WORDS = {
    "side": "buy", "scope": "event", "zone": "Asia/Kabul", "period": "week", "charged": "node", "overage": "excess",
    "tier_bound": "exclusive", "running": "keep", "counters": "reset", "fold": "max", "counter_period": "hour",
    "unmatched": "free", "timing": "advance", "every": "day", "basis": "collected", "fixed_overrun": "capped",
    "rounding": "nearest", "order": "rollover_first", "contribution": "none", "direction": "sum", "fallback": "block",
    "currency": "USD", "title": "Another", "rest": "somebody", "account": "another", "code": "OTHER", "partner": "other",
    "category": "other", "tax_category": "other",
}  # fmt: skip
"""Another value of a field of words; a field that is not here cannot move alone."""
WHEN_NONE = {
    "to_period": 9, "cap": Fraction(7), "floor": Fraction(7), "guarantee": Fraction(7), "budget": Fraction(7),
    "expires_after_days": 3, "pool_cap_units": 1000, "trial": Trial(3), "maximum": Maximum(Fraction(5)),
    "commitment": Commitment(Fraction(5)), "increment": Increment(10), "allowance": Allowance(10), "rollover": Rollover(2),
}  # fmt: skip
NOT_MOVED = {
    "id",
    "version",
    "sha256",
    "effective",
    "calendar",
    "out_meter",
    "meter",
    "unique_of",
    "kind",
    "split",
}
FIELDS = re.compile(
    r"_|\b(None|True|False|Fraction|upto|up to of|the (per|flat|inclusive|rate|match|windows|to period|of) of)\b|"
    r"\b(periods|components|states|tiers|steps|units) (rises|falls|changes|is)\b|  "
)


def others(value: Any, name: str, owner: Any) -> Iterator[Any]:
    """Values that the field of a noun might have instead."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, Fraction):
        if value or isinstance(owner, Fee):
            yield value * 2 or Fraction(1)
    elif isinstance(value, int):
        yield value * 2 or 60
    elif isinstance(value, date):
        yield date(2020, 1, 1)
    elif isinstance(value, str):
        if OTHER_WORDS.get(name, value) != value:
            yield OTHER_WORDS[name]
    elif value is None:
        if name in WHEN_NONE:
            yield 77 if isinstance(owner, Rollover) else WHEN_NONE[name]
    elif isinstance(value, tuple):
        yield from other_tuples(value, name, owner)
    else:
        yield from moved(value)
        if name in WHEN_NONE:
            yield None


def other_tuples(value: tuple[Any, ...], name: str, owner: Any) -> Iterator[Any]:
    for place, part in enumerate(value if name not in ("match", "weights", "days", "states", "components") or
                                 (value and dataclasses.is_dataclass(value[0])) else ()):  # fmt: skip
        for other in moved(part) if dataclasses.is_dataclass(part) else ():
            yield (*value[:place], other, *value[place + 1 :])
    if name == "weights":
        yield tuple((key, weight + 1) for key, weight in value)
    elif name == "match":
        yield (*value, ("colour", ("red",)))
    elif name == "windows" and not value:
        yield (TimeWindow(60, 120),)
    elif name == "states":
        yield ("inventory",)
    elif name == "days":
        yield (1, 2)
    elif name == "components" and not isinstance(owner, Offer):
        yield (*value, "more")
    elif len(value) > 1 and not isinstance(owner, Component):
        yield value[:-1]


def moved(noun: Any) -> Iterator[Any]:
    """The noun with one of its parts, however deep, moved."""
    for field in dataclasses.fields(noun):
        deep = field.name == "split" and isinstance(noun, Offer)
        if field.name in NOT_MOVED and not deep:
            continue
        for other in others(getattr(noun, field.name), field.name, noun):
            yield dataclasses.replace(noun, **{field.name: other})


CATALOGUES = [loads(EXAMPLE), *(load(file) for file in FILES)]


@pytest.mark.parametrize("catalogue", CATALOGUES, ids=lambda found: found.offers[0].id)
def test_every_part_that_moves_is_told_and_no_field_is_named(catalogue: Catalogue) -> None:
    meters = {meter.id: meter for meter in catalogue.meters}
    asked = 0
    for offer in catalogue.offers:
        for other in moved(offer):
            said = diff(
                offer,
                dataclasses.replace(other, version=offer.version + 1, effective=date(2026, 3, 1)),
                meters,
            )
            assert said
            for sentence in said:
                bare = re.sub(r"'[^']*'", "''", sentence)
                assert not FIELDS.search(bare), sentence
                asked += 1
    assert asked > 30


@pytest.mark.parametrize("catalogue", CATALOGUES, ids=lambda found: found.offers[0].id)
def test_money_that_moves_is_told_with_its_currency_or_as_a_share(catalogue: Catalogue) -> None:
    meters = {meter.id: meter for meter in catalogue.meters}
    for offer in catalogue.offers:
        for other in moved(offer):
            if other.currency == offer.currency:
                said = diff(offer, dataclasses.replace(other, version=9, effective=date(2026, 3, 1)), meters)
                for sentence in said:
                    if re.search(r" (rises|falls) from ", sentence):
                        assert re.search(
                            rf" to [0-9./,]+ ({offer.currency}\b|%|times the amount|[A-Z]{{3}} per )",
                            sentence,
                        ), sentence


TEXT = """
meters: [{id: m.n, unit: message, dimensions: [country]}, {id: m.money, unit: nano, currency: EUR}]
partners: [{id: op}, {id: maker}, {id: other}]
holidays: [{id: de, dates: [2026-01-01]}]
offers:
  - id: s
    version: 1
    title: Smart meter S
    currency: EUR
    effective: 2026-01-01
    prices:
      - id: r
        meter: m.n
        rates:
          - {id: a, match: {country: [CH, GB]}, windows: [{from: "06:00", to: "22:00"}], per_unit: {amount: 0.5}}
          - {id: b, per_unit: {amount: 1}}
      - {id: g, meter: m.n, counter_period: day, graduated: {per: 1 message, tiers: [{up_to: 100, amount: 2, flat: 1}, {amount: 1}]}}
      - {id: shop, meter: m.money, percentage: {rate: 2 %, cap: 3}}
    fees: [{id: base, amount: 1.50}]
    discounts: [{id: loyal, percent: 5 %}, {id: spring, fixed: 1.00, code: SPRING}]
    credits: [{id: welcome, amount: 5}]
    maximum: {amount: 50}
    taxes: [{category: standard, rate: 19 %, inclusive: false}]
    fx: [{currency: USD, rate: 1.1, as_of: 2026-01-01}]
    split: {rest: op, rules: [{partner: maker, percent: 30 %, cap: 100}]}
"""
S = "Smart meter S"
FROM = "From 1 March 2026 "
MOVES = [
    (
        "percent: 30 %, cap: 100", "percent: 30 %, guarantee: 5, cap: 200",
        [
            f"{FROM}the least that 'maker' in '{S}' gets is 5 EUR a month; it was without limit.",
            f"The most that 'maker' in '{S}' gets rises from 100 to 200 EUR a month{ON}",
        ],
    ),
    (
        'country: [CH, GB]}, windows: [{from: "06:00"', 'country: [CH]}, windows: [{from: "07:00"',
        [
            f"{FROM}'r', rate 'a', of '{S}' holds when country is CH from 07:00 to 22:00; it held when country is CH or GB "
            "from 06:00 to 22:00."
        ],
    ),
    ("rate: 1.1,", "rate: 1.2,", [f"The exchange rate to USD of '{S}' rises from 1.1 to 1.2 USD per EUR{ON}"]),
    ("percent: 5 %", "percent: 6 %", [f"The discount 'loyal' of '{S}' rises from 5 to 6 %{ON}"]),
    ("fixed: 1.00", "fixed: 2.00", [f"The discount 'spring' of '{S}' rises from 1 to 2 EUR{ON}"]),
    ("amount: 5}]", "amount: 6}]", [f"The credit 'welcome' of '{S}' rises from 5 to 6 EUR once{ON}"]),
    ("rate: 19 %", "rate: 7 %", [f"The tax 'standard' of '{S}' falls from 19 to 7 %{ON}"]),
    (
        "inclusive: false", "inclusive: true",
        [f"{FROM}the tax 'standard' of '{S}' is 19 % in the prices; it was 19 % on top of the prices."],
    ),
    ("{amount: 50}", "{amount: 60}", [f"The maximum of '{S}' rises from 50 to 60 EUR per account and month{ON}"]),
    ("up_to: 100,", "up_to: 200,", [f"Tier 1 of 'g' of '{S}' ends at 200 messages instead of 100 messages{ON}"]),
    ("flat: 1}", "flat: 2}", [f"The flat fee of tier 1 of 'g' of '{S}' rises from 1 to 2 EUR{ON}"]),
    (
        "rate: 2 %, cap: 3", "rate: 2 %",
        [f"{FROM}the most that an event costs by 'shop' of '{S}' is without limit; it was 3 EUR."],
    ),
    (
        "[{id: base, amount: 1.50}]", "[]",
        [f"{FROM}'{S}' has no fee 'base' any more; it was 1.50 EUR every month per device, by the day."],
    ),
    (
        "          - {id: b,", "          - {id: c, match: {country: [DE]}, per_unit: {amount: 2}}\n          - {id: b,",
        [f"'r' of '{S}' gets a rate 'c' from 1 March 2026: 2 EUR per message when country is DE."],
    ),
    (
        "counter_period: day", "counter_period: hour",
        [f"{FROM}'g' of '{S}' is counted anew every hour; it was counted anew every day."],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "sentences"), MOVES, ids=[after.strip() for _, after, _ in MOVES]
)
def test_where_money_goes_is_said(before: str, after: str, sentences: list[str]) -> None:
    assert before in TEXT
    other = TEXT.replace("version: 1", "version: 2").replace("effective: 2026-01-01", "effective: 2026-03-01")
    assert diff_catalogues(loads(TEXT), loads(other.replace(before, after, 1))) == sentences


def test_calendars_and_meters_are_told_too() -> None:
    other = TEXT.replace("dates: [2026-01-01]", "dates: [2026-05-01]").replace(
        "dimensions: [country]", "dimensions: [country], spans: split"
    )
    assert diff_catalogues(loads(TEXT), loads(other)) == [
        "An event over two rates of the meter 'm.n' is split in proportion; it was counted by its end.",
        "The calendar 'de' gains 1 May 2026.",
        "The calendar 'de' loses 1 January 2026.",
    ]


def test_two_amounts_of_two_currencies_neither_rise_nor_fall() -> None:
    old = loads(TEXT).offers[0]
    fee = dataclasses.replace(old.fees[0], amount=Fraction(2))
    new = dataclasses.replace(old, version=2, currency="USD", fees=(fee,))
    said = diff(old, new, {meter.id: meter for meter in loads(TEXT).meters})
    often = "per device every month"
    assert (
        f"The fee 'base' of '{S}' changes from 1.5 EUR {often} to 2 USD {often} from 1 January 2026." in said
    )
    assert f"From 1 January 2026 all money of '{S}' is in USD; it was in EUR." in said
