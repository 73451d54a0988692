"""What a reader is told of two versions, word for word: ``differs.txt`` holds each change and its sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.tariff.catalogue import loads
from workbench.tariff.diff import diff_catalogues

FILE = Path("tests/tariff/differs.txt")
"""Read by people once. ``python -m tests.tariff.test_differs`` writes it anew; read what changed before you commit it."""
TEXT = """
meters:
  - {id: n, unit: message, dimensions: [country]}
  - {id: e, unit: mWh}
  - {id: bits, unit: byte}
  - {id: sales, unit: nano, currency: EUR}
  - {id: alarm, unit: message}
partners: [{id: op}, {id: maker}, {id: site}]
holidays: [{id: de, dates: [2026-01-01, 2026-05-01]}]
offers:
  - id: o
    version: 1
    currency: EUR
    effective: 2026-01-01
    scope: pool
    pool_cap_units: 3000
    prices:
      - {id: flat, meter: n, per_unit: {amount: 0.5}}
      - {id: power, meter: e, per_unit: {amount: 0.3, per: 1 kWh}}
      - {id: block, meter: alarm, package: {amount: 2, size: 10, free: 5}}
      - id: tiers
        meter: n
        allowance: {units: 100, rollover: {periods: 2}}
        increment: {units: 10}
        graduated: {tiers: [{up_to: 1000, amount: 0.02}, {up_to: 5000, amount: 0.01, flat: 3}, {amount: 0.005}]}
      - {id: one, meter: n, graduated: {tiers: [{amount: 2}]}}
      - {id: stairs, meter: n, stair_step: {steps: [{up_to: 10, amount: 3}, {amount: 5}]}}
      - {id: burst, meter: bits, p95: {amount: 3, per: 1 Mbit/s}}
      - {id: sale, meter: sales, percentage: {rate: 2 %, fee: 0.10, floor: 0.20, cap: 3}}
      - {id: part, meter: sales, graduated_percentage: {tiers: [{up_to: 1000, rate: 2 %, flat: 1}, {rate: 1 %}]}}
      - {id: pass, meter: sales, dynamic: {factor: 1.2, floor: 0.20}}
      - id: rows
        meter: n
        scope: device
        rates:
          - {id: a, match: {country: CH}, per_unit: {amount: 1}}
          - {id: b, windows: [{days: mon-fri}], per_unit: {amount: 2}}
          - {id: c, per_unit: {amount: 3}}
    bundles: [{id: care, credits: 100, weights: {flat: 1}}]
    fees: [{id: rent, amount: 1200, title: Rent}, {id: card, amount: 5, every: once, per: account}]
    trial: {days: 14}
    discounts: [{id: loyal, percent: 5 %, components: [flat]}, {id: spring, fixed: 1, code: SPRING}]
    maximum: {amount: 50}
    commitment: {amount: 20}
    credits: [{id: gift, amount: 5}]
    sponsorships: [{id: ota, account: a, components: [block], budget: 10}, {id: ads, account: b, components: [block]}]
    taxes: [{rate: 19 %}, {category: low, rate: 7 %}]
    fx: [{currency: USD, rate: 1.1, as_of: 2026-01-01}]
    micropayment: {minimum_invoice: 5}
    split:
      rest: op
      rules:
        - {partner: maker, percent: 30 %, guarantee: 5}
        - {partner: site, fixed: 0.01, per: 1 kWh, components: [power], cap: 1000}
"""
ROW_A = "          - {id: a, match: {country: CH}, per_unit: {amount: 1}}\n"
ROW_B = "          - {id: b, windows: [{days: mon-fri}], per_unit: {amount: 2}}\n"
MAKER = "        - {partner: maker, percent: 30 %, guarantee: 5}\n"
SITE = "        - {partner: site, fixed: 0.01, per: 1 kWh, components: [power], cap: 1000}\n"
CHANGES = [
    ("", ""),
    # the offer
    ("effective: 2026-03-01", "title: Big\n    effective: 2026-03-01"),
    ("currency: EUR\n    eff", "currency: EUR\n    side: buy\n    eff"),
    ("scope: pool", "scope: sim_group"),
    ("scope: pool\n", "scope: pool\n    period: week\n"),
    ("scope: pool\n", "scope: pool\n    zone: Europe/Berlin\n"),
    ("scope: pool\n", "scope: pool\n    overage: excess\n"),
    ("scope: pool\n", "scope: pool\n    critical: true\n"),
    ("scope: pool\n", "scope: pool\n    conventions: {tier_bound: exclusive, flat_fee_at_zero: true}\n"),
    ("scope: pool\n", "scope: pool\n    publish: {running: now, counters: reset}\n"),
    ("scope: pool\n", "scope: pool\n    publish: {running: keep}\n"),
    ("pool_cap_units: 3000", "pool_cap_units: 30000"),
    ("    pool_cap_units: 3000\n", ""),
    ("days: 14", "days: 1"),
    ("    trial: {days: 14}\n", ""),
    ("{minimum_invoice: 5}", "{minimum_invoice: 7.5}"),
    ("{minimum_invoice: 5}", "{minimum_invoice: 5, carry_remainder: true}"),
    ("version: 2", "version: 1"),
    # limits
    ("maximum: {amount: 50}", "maximum: {amount: 40}"),
    ("    maximum: {amount: 50}\n", ""),
    ("maximum: {amount: 50}", "maximum: {amount: 40, scope: device}"),
    ("commitment: {amount: 20}", "commitment: {amount: 1000000}"),
    ("commitment: {amount: 20}", "commitment: {amount: 20, prorated: false, components: [flat, rent]}"),
    # prices
    ("{amount: 0.5}", "{amount: 0.4}"),
    ("{amount: 0.5}", "{amount: 0.5, per: 100 messages}"),
    ("{amount: 0.3, per: 1 kWh}", "{amount: 0.35, per: 1 kWh}"),
    ("amount: 2, size: 10", "amount: 3, size: 10"),
    ("amount: 2, size: 10", "amount: 2, size: 20"),
    ("free: 5", "free: 6"),
    ("      - {id: one, meter: n, graduated: {tiers: [{amount: 2}]}}\n", ""),
    ("      - {id: one,", "      - {id: new, meter: e, fold: max, per_unit: {amount: 1}}\n      - {id: one,"),
    ("{id: one, meter: n", "{id: one, meter: alarm"),
    ("{id: one, meter: n", "{id: one, title: Once, meter: n"),
    ("{id: one, meter: n", "{id: one, fold: count, meter: n"),
    ("{id: one, meter: n", "{id: one, tax_category: low, meter: n"),
    ("{id: one, meter: n", "{id: one, counter_period: day, meter: n"),
    ("{id: one, meter: n", "{id: one, scope: event, meter: n"),
    ("{id: one, meter: n", "{id: one, fold: unique, unique_of: country, meter: n"),
    (
        "{id: one, meter: n, graduated: {tiers: [{amount: 2}]}}",
        "{id: one, meter: n, graduated: {tiers: [{amount: 2, flat: 1}]}}",
    ),
    (
        "{id: one, meter: n, graduated: {tiers: [{amount: 2}]}}",
        "{id: one, meter: n, volume: {tiers: [{amount: 2}]}}",
    ),
    ("amount: 0.02", "amount: 0.03"),
    ("flat: 3}", "flat: 4}"),
    ("up_to: 5000", "up_to: 6000"),
    ("{amount: 0.005}", "{amount: 0.006}"),
    ("{up_to: 1000, amount: 0.02}, ", ""),
    ("{amount: 0.005}]", "{up_to: 9000, amount: 0.005}, {amount: 0}]"),
    ("graduated: {tiers: [{up_to", "graduated: {per: 10 messages, tiers: [{up_to"),
    ("allowance: {units: 100, ", "allowance: {units: 200, "),
    ("allowance: {units: 100, ", "allowance: {units: 1, "),
    ("periods: 2", "periods: 1"),
    ("        allowance: {units: 100, rollover: {periods: 2}}\n", ""),
    ("increment: {units: 10}", "increment: {units: 5}"),
    ("        increment: {units: 10}\n", ""),
    ("{up_to: 10, amount: 3}", "{up_to: 20, amount: 3}"),
    ("{up_to: 10, amount: 3}", "{up_to: 10, amount: 2}"),
    ("{up_to: 10, amount: 3}, {amount: 5}", "{amount: 5}"),
    ("p95: {amount: 3", "p95: {amount: 4"),
    ("p95: {amount: 3", "p95: {percentile: 90 %, amount: 3"),
    ("rate: 2 %, fee", "rate: 2.5 %, fee"),
    ("fee: 0.10", "fee: 0.20"),
    ("fee: 0.10, ", ""),
    ("floor: 0.20, cap", "floor: 0.30, cap"),
    ("floor: 0.20, cap", "cap"),
    ("cap: 3}", "cap: 2}"),
    ("rate: 2 %, flat", "rate: 3 %, flat"),
    ("rate: 2 %, flat: 1", "rate: 2 %, flat: 2"),
    ("up_to: 1000, rate", "up_to: 2000, rate"),
    ("{rate: 1 %}", "{rate: 0.5 %}"),
    ("factor: 1.2", "factor: 1.1"),
    ("factor: 1.2, floor: 0.20", "factor: 1.2"),
    # rows
    ("match: {country: CH}", "match: {country: [CH, DE]}"),
    ("match: {country: CH}, ", "windows: [{days: sun}], "),
    ("windows: [{days: mon-fri}]", "windows: [{days: mon-fri}, {holidays: only, calendar: de}]"),
    (ROW_A, ""),
    ("{amount: 1}}\n          - {id: b", "{amount: 1.5}}\n          - {id: b"),
    (
        "          - {id: c",
        "          - {id: d, match: {country: DE}, per_unit: {amount: 4}}\n          - {id: c",
    ),
    (ROW_A + ROW_B, ROW_B + ROW_A),
    ("        scope: device\n", ""),
    ("        scope: device\n", "        scope: device\n        unmatched: free\n"),
    # parts with a name
    ("credits: 100,", "credits: 1000,"),
    ("credits: 100,", "credits: 10,"),
    ("{flat: 1}}", "{flat: 2}}"),
    ("{flat: 1}}]", "{flat: 1}}, {id: more, credits: 5, weights: {one: 3}}]"),
    ("    bundles: [{id: care, credits: 100, weights: {flat: 1}}]\n", ""),
    ("amount: 1200", "amount: 1000"),
    ("title: Rent", "title: The rent"),
    (", title: Rent", ""),
    ("title: Rent", "title: Rent, timing: advance"),
    (", {id: card, amount: 5, every: once, per: account}", ""),
    ("{id: card, amount: 5,", "{id: card, amount: 6,"),
    ("{id: card, amount: 5,", "{id: card, from_period: 2, amount: 5,"),
    ("{id: card, amount: 5,", "{id: card, from_period: 2, to_period: 2, amount: 5,"),
    ("{id: card, amount: 5,", "{id: card, to_period: 2, amount: 5,"),
    ("percent: 5 %, ", "percent: 4 %, "),
    ("fixed: 1, ", "fixed: 0.5, "),
    ("fixed: 1, ", "percent: 1 %, "),
    (", {id: spring, fixed: 1, code: SPRING}", ""),
    ("[{id: loyal", "[{id: new, percent: 1 %}, {id: loyal"),
    (
        "{id: loyal, percent: 5 %, components: [flat]}, {id: spring, fixed: 1, code: SPRING}",
        "{id: spring, fixed: 1, code: SPRING}, {id: loyal, percent: 5 %, components: [flat]}",
    ),
    ("{id: gift, amount: 5}", "{id: gift, amount: 4}"),
    ("{id: gift, amount: 5}", "{id: gift, amount: 5, kind: paid}"),
    ("{id: gift, amount: 5}", "{id: gift, amount: 5, every: period, priority: 5}"),
    ("budget: 10}", "budget: 20}"),
    (", budget: 10}", "}"),
    ("components: [block]}]", "components: [block], budget: 3}]"),
    (
        "{id: ota, account: a, components: [block], budget: 10}, {id: ads, account: b, components: [block]}",
        "{id: ads, account: b, components: [block]}, {id: ota, account: a, components: [block], budget: 10}",
    ),
    ("{rate: 19 %}", "{rate: 20 %}"),
    ("{rate: 19 %}", "{rate: 19 %, inclusive: true}"),
    (", {category: low, rate: 7 %}", ""),
    ("rate: 1.1,", "rate: 1.05,"),
    ("as_of: 2026-01-01}", "as_of: 2026-02-01}"),
    ("as_of: 2026-01-01}]", "as_of: 2026-01-01}, {currency: CHF, rate: 0.95, as_of: 2026-01-01}]"),
    # who gets what
    ("percent: 30 %", "percent: 25 %"),
    ("percent: 30 %", "of: remainder, percent: 30 %"),
    ("guarantee: 5}", "guarantee: 6}"),
    (", guarantee: 5}", "}"),
    (", cap: 1000", ", cap: 1500"),
    (", cap: 1000", ""),
    ("guarantee: 5}", "guarantee: 5, cap: 9}"),
    ("fixed: 0.01", "fixed: 0.02"),
    ("per: 1 kWh, components: [power]", "per: device"),
    (MAKER, ""),
    (
        "        - {partner: site",
        "        - {partner: maker, percent: 1 %, components: [one]}\n        - {partner: site",
    ),
    ("        - {partner: site", "        - {partner: op, percent: 1 %}\n        - {partner: site"),
    (MAKER + SITE, SITE + MAKER),
    ("rest: op", "rest: site"),
    ("rest: op", "basis: collected\n      rest: op"),
    ("rest: op", "fixed_overrun: capped\n      rest: op"),
    ("rest: op", "share_true_ups: true\n      rest: op"),
    # meters and calendars
    ("{id: e, unit: mWh}", "{id: e, unit: Wh}"),
    ("dimensions: [country]", "dimensions: [country, net]"),
    ("{id: alarm, unit: message}", "{id: alarm, unit: alarm}"),
    ("{id: bits, unit: byte}", "{id: bits, unit: byte, spans: start}"),
    ("{id: bits, unit: byte}", "{id: bits, unit: byte, spans: split}"),
    ("dates: [2026-01-01, 2026-05-01]", "dates: [2026-05-01, 2026-12-25, 2026-12-26]"),
    ("holidays: [{id", "holidays: [{id: ch, dates: [2026-08-01]}, {id"),
    ("{id: alarm, unit: message}", "{id: alarm, unit: message}\n  - {id: more, unit: message}"),
]


OLD = loads(TEXT)
LATER = TEXT.replace("version: 1", "version: 2").replace("effective: 2026-01-01", "effective: 2026-03-01")


def told(before: str, after: str) -> str:
    """The sentences, one a line."""
    assert before in LATER, before
    said = diff_catalogues(OLD, loads(LATER.replace(before, after, 1)))
    return "\n".join(said) or "nothing"


def names() -> list[str]:
    """What is replaced by what, as one line."""
    return [f"{n}. {before!r} -> {after!r}" for n, (before, after) in enumerate(CHANGES)]


def written() -> dict[str, str]:
    """The file's sentences by the change."""
    parts = FILE.read_text(encoding="utf-8").rstrip("\n").split("\n\n") if FILE.exists() else []
    return dict(part.split("\n", 1) for part in parts)  # type: ignore[misc]


WRITTEN = written()


@pytest.mark.parametrize(
    ("name", "change"), list(zip(names(), CHANGES, strict=True)), ids=range(len(CHANGES))
)
def test_a_change_is_told_in_these_words(name: str, change: tuple[str, str]) -> None:
    assert told(*change) == WRITTEN[name]


def test_nothing_is_written_that_is_not_asked() -> None:
    assert list(WRITTEN) == names()


if __name__ == "__main__":
    said = (f"{name}\n{told(*change)}" for name, change in zip(names(), CHANGES, strict=True))
    FILE.write_text("\n\n".join(said) + "\n", encoding="utf-8")
