"""What the checker says of a price list that can be priced, word for word: ``judged.txt`` holds each list's judgements."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.errors import CatalogueError
from workbench.model.money import decimal_text
from workbench.tariff.catalogue import loads
from workbench.tariff.check import check

FILE = Path("tests/tariff/judged.txt")
"""Read by people once. ``python -m tests.tariff.test_judged`` writes it anew; read what changed before you commit it."""
HEAD = """meters:
  - {id: n, unit: message, dimensions: [country]}
  - {id: e, unit: mWh}
  - {id: bits, unit: byte}
  - {id: sales, unit: nano, currency: EUR}
partners: [{id: op}, {id: pa}]
offers:
"""
ONE = "per_unit: {amount: 1}"
OFFER = "{id: %s, version: %s, currency: %s, effective: 202%s-01-01, prices: [%s], %s}"


def offer(price: str = f"meter: n, {ONE}", more: str = "", name: str = "o", version: int = 1, currency: str = "EUR",
          prices: str = "", split: str = "{rest: op}") -> str:  # fmt: skip
    rest = ", ".join(part for part in (more, f"split: {split}") if part)
    return OFFER % (name, version, currency, version, prices or f"{{id: p, {price}}}", rest)


FALLS = "volume: {tiers: [{up_to: 10, amount: 2}, {amount: %s}]}"
SHARE = "{rest: op, rules: [{partner: pa, fixed: %s}]}"
COUPONS = "discounts: [%s]"


def coupons(number: int, percent: str) -> str:
    return COUPONS % ", ".join(f"{{id: d{n}, percent: {percent}, code: C{n}}}" for n in range(number))


LISTS = {
    "nothing to say": [offer()],
    # a bill that falls, at the unit that makes it fall
    "a bill that falls": [offer("meter: n, " + FALLS % "1.5")],
    "a bill that falls after free units": [offer("meter: n, allowance: {units: 7}, " + FALLS % "1.5")],
    "a bill that falls by nothing": [offer("meter: n, volume: {tiers: [{up_to: 10, amount: 1.1}, {amount: 1}]}")],
    "a bill that falls by a little": [offer("meter: n, volume: {tiers: [{up_to: 10, amount: 1.2}, {amount: 1}]}")],
    "steps that fall, rounded up": [offer("meter: n, increment: {units: 4}, " + FALLS % "1")],
    "steps that fall, rounded down": [offer("meter: n, increment: {units: 4, rounding: down}, " + FALLS % "1")],
    "steps that fall, rounded to the nearest": [offer("meter: n, increment: {units: 4, rounding: nearest}, " + FALLS % "1")],
    "a stair that falls twice": [offer("meter: n, stair_step: {steps: [{up_to: 5, amount: 3}, {up_to: 9, amount: 2}, {amount: 1}]}")],
    "a row that falls": [offer(f"meter: n, rates: [{{id: a, match: {{country: CH}}, {FALLS % 1}}}, {{id: b, {ONE}}}]")],
    # next to nothing
    "half a cent for all there is": [offer("meter: n, per_unit: {amount: 0.000000000000005}")],
    "less than half a cent": [offer("meter: n, per_unit: {amount: 0.000000000000004}")],
    "less than half a cent of energy": [offer("meter: e, per_unit: {amount: 0.000000000000004}")],
    "half a yen": [offer("meter: n, per_unit: {amount: 0.0000000000005}", currency="JPY")],
    "less than half a yen": [offer("meter: n, per_unit: {amount: 0.0000000000004}", currency="JPY")],
    "nothing": [offer("meter: n, per_unit: {amount: 0}")],
    "nothing in a row": [offer("meter: n, rates: [{id: a, match: {country: CH}, per_unit: {amount: 0}}, "
                               f"{{id: b, {ONE}}}]")],
    "nothing of each sale": [offer("meter: sales, percentage: {rate: 0 %}")],
    "nothing of a percentile": [offer("meter: bits, p95: {amount: 0, percentile: 90 %}")],
    # coupons
    "three coupons that fit together": [offer(more=coupons(3, "33.3333 %"))],
    "four coupons that do not": [offer(more=coupons(4, "33.3333 %"))],
    "four that do": [offer(more=coupons(4, "25 %"))],
    # taxes
    "a category that no tax names": [offer(f"meter: n, tax_category: lux, {ONE}", "taxes: [{rate: 19 %}, {category: low, rate: 7 %}]")],
    "a fee that no tax names": [offer(more="fees: [{id: f, amount: 1, tax_category: lux}], taxes: [{rate: 19 %}]")],
    "a category without any tax": [offer(f"meter: n, tax_category: lux, {ONE}")],
    # pools
    "a cap without a pool": [offer(more="pool_cap_units: 5")],
    "a cap and an excess without free units": [offer(f"meter: n, scope: pool, {ONE}", "pool_cap_units: 5, overage: excess")],
    "a cap of a pool": [offer(f"meter: n, scope: pool, allowance: {{units: 5}}, {ONE}", "pool_cap_units: 5")],
    # shares
    "a share above the price": [offer(split=SHARE % "2, per: 1 message")],
    "a share at the price": [offer(split=SHARE % "1, per: 1 message")],
    "a share above the price of many": [offer("meter: n, graduated: {tiers: [{up_to: 500, amount: 2}, {amount: 0.5}]}",
                                              split=SHARE % "1, per: 1 message")],
    "a share above the price of a million": [offer("meter: n, graduated: {tiers: [{up_to: 499999, amount: 1.5}, {amount: 0.49}]}",
                                                   split=SHARE % "1, per: 1 message")],
    "a share above the price of more than that": [offer("meter: n, graduated: {tiers: [{up_to: 1000000, amount: 1}, {amount: 0.1}]}",
                                                        split=SHARE % "1, per: 1 message")],
    "a share of blocks": [offer("meter: e, allowance: {units: 1 kWh}, per_unit: {amount: 1, per: 1 kWh}",
                                split=SHARE % "0.5, per: 1 kWh")],
    "a share per device": [offer(split=SHARE % "2, per: device")],
    "a share that ends at the price": [offer(split="{fixed_overrun: capped, " + (SHARE % "2, per: 1 message")[1:])],
    "a share of another price": [offer(prices=f"{{id: p, meter: n, {ONE}}}, {{id: q, meter: n, {ONE}}}",
                                       split=SHARE % "2, per: 1 message, components: [q]")],
    "a share of rows": [offer(f"meter: n, rates: [{{id: a, match: {{country: CH}}, {ONE}}}, {{id: b, {ONE}}}]",
                              split=SHARE % "2, per: 1 message")],
    "a share of a percentile": [offer("meter: bits, p95: {amount: 1}", split=SHARE % "2, per: 1 byte")],
    # good to know
    "a sponsor": [offer(more="sponsorships: [{id: s, account: a, components: [p]}]")],
    "a percentile": [offer("meter: bits, p95: {amount: 1, percentile: 97.5 %}")],
    # which is the cheaper one
    "two that cross": [offer(more="fees: [{id: f, amount: 5}]", name="a"), offer("meter: n, per_unit: {amount: 1.5}", name="b")],
    "two that touch": [offer(more="fees: [{id: f, amount: 5}]", name="a"), offer("meter: n, package: {amount: 6, size: 10}", name="b")],
    "two that do not": [offer(more="fees: [{id: f, amount: 5}]", name="a"), offer("meter: n, per_unit: {amount: 0.5}", name="b")],
    "a fee once and a fee a day": [offer(more="fees: [{id: f, amount: 90, every: once}]", name="a"),
                                   offer("meter: n, per_unit: {amount: 0.5}", "fees: [{id: f, amount: 0.5, every: day}]", name="b")],
    "a price that is new in a version taken over at once": [
        offer(),
        offer(prices=f"{{id: p, meter: n, {ONE}}}, {{id: q, meter: e, {FALLS % 3}}}", more="publish: {running: now}", version=2)],
    "a price that jumps, and is counted otherwise from a version taken over at once": [
        offer("meter: n, " + FALLS % 3),
        offer("meter: n, counter_period: day, " + FALLS % 3, "publish: {running: now}", version=2)],
    "a price that begins to jump, and is counted otherwise": [
        offer(), offer("meter: n, counter_period: day, " + FALLS % 3, "publish: {running: now}", version=2)],
    "a price that never jumps, and is counted otherwise": [
        offer(), offer(f"meter: n, counter_period: day, {ONE}", "publish: {running: now}", version=2)],
    "rows are not compared": [
        offer(f"meter: n, rates: [{{id: a, match: {{country: CH}}, per_unit: {{amount: 9}}}}, {{id: b, {ONE}}}]",
              "fees: [{id: f, amount: 5}]", name="a"),
        offer("meter: n, per_unit: {amount: 1.5}", name="b")],
    "sales are not compared": [
        offer("meter: sales, percentage: {rate: 1 %}", "fees: [{id: f, amount: 5}]", name="a"),
        offer("meter: sales, graduated_percentage: {tiers: [{rate: 2 %}]}", name="b")],
    "percentiles are not compared": [
        offer("meter: bits, p95: {amount: 1}", "fees: [{id: f, amount: 5}]", name="a"),
        offer("meter: bits, per_unit: {amount: 1.5}", name="b")],
    "the newest of each": [offer(more="fees: [{id: f, amount: 5}]", name="a"),
                           offer(more="fees: [{id: f, amount: 9}]", name="a", version=2),
                           offer("meter: n, per_unit: {amount: 1.5}", name="b")],
    "what is bought and what is sold": [offer(more="side: buy, fees: [{id: f, amount: 5}]", name="a"),
                                        offer("meter: n, per_unit: {amount: 1.5}", name="b")],
    "a month and a week": [offer(more="period: week, fees: [{id: f, amount: 5}]", name="a"),
                           offer("meter: n, per_unit: {amount: 1.5}", name="b")],
    # the order of what is said
    "warnings come first, then the offers by name": [
        offer("meter: bits, p95: {amount: 1}", name="a"),
        offer(prices=f"{{id: q, meter: n, {FALLS % 1}}}, {{id: p, meter: n, {FALLS % 1}}}", name="c"),
        offer("meter: e, " + FALLS % 1, name="b")],
    # refused, for somebody could not be billed
    "prepaid, and decided at close": [offer(more="prepaid: true, maximum: {amount: 5}")],
    "prepaid, and promised": [offer(more="prepaid: true, commitment: {amount: 5}")],
    "prepaid with money off": [offer(more="prepaid: true, discounts: [{id: d, fixed: 5}]")],
    "prepaid with a percentage off": [offer(more="prepaid: true, discounts: [{id: d, percent: 5 %}]")],
    "prepaid, the last value": [offer(f"meter: n, fold: last, {ONE}", "prepaid: true")],
    "prepaid, the highest value": [offer(f"meter: n, fold: max, {ONE}", "prepaid: true")],
    "prepaid, the number of events": [offer(f"meter: n, fold: count, {ONE}", "prepaid: true")],
    "at a node, and bought": [offer(more="charged: node, side: buy")],
    "at a node with a percentage off": [offer(more="charged: node, discounts: [{id: d, percent: 5 %}]")],
    "at a node with money off": [offer(more="charged: node, discounts: [{id: d, fixed: 5}]")],
    "at a node with a trial": [offer(more="charged: node, trial: {days: 3}")],
    "at a node, taken over at once": [offer(more="charged: node, publish: {running: now}")],
    "at a node, kept": [offer(more="charged: node, publish: {running: keep}")],
    "at a node, begun anew": [offer(more="charged: node, publish: {counters: reset}")],
    "at a node, free units that live on": [offer(
        f"meter: n, allowance: {{units: 5, rollover: {{periods: 1}}}}, {ONE}", "charged: node")],
    "at a node, free units by days": [offer(
        f"meter: n, scope: pool, allowance: {{units: 5, contribution: prorated}}, {ONE}", "charged: node")],
    "at a node, free units": [offer(f"meter: n, allowance: {{units: 5}}, {ONE}", "charged: node")],
    "at a node": [offer(more="charged: node")],
}  # fmt: skip


def told(offers: list[str]) -> str:
    try:
        found = check(loads(HEAD + "".join(f"  - {each}\n" for each in offers)))
    except CatalogueError as error:
        return f"refused: {error.code} at {error.where}: {error.what}"
    return "\n".join(
        f"{f.severity} {f.code}, {f.offer_id} {f.version} {f.part}: {f.sentence}"
        + "".join(f" [{units:,}: {decimal_text(amount)}]" for units, amount in f.witness)
        for f in found
    ) or "nothing"  # fmt: skip


def entries() -> dict[str, str]:
    """A price list's name, and what the checker says."""
    return {name: told(offers) for name, offers in LISTS.items()}


def written() -> dict[str, str]:
    """The same as the file has it."""
    parts = FILE.read_text(encoding="utf-8").rstrip("\n").split("\n\n") if FILE.exists() else []
    return dict(part.split("\n", 1) for part in parts)  # type: ignore[misc]


WRITTEN = written()


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_judged_in_these_words(name: str) -> None:
    assert told(LISTS[name]) == WRITTEN[name]


def test_nothing_is_written_that_is_not_asked() -> None:
    assert list(WRITTEN) == list(LISTS)


if __name__ == "__main__":
    FILE.write_text(
        "\n\n".join(f"{name}\n{said}" for name, said in entries().items()) + "\n", encoding="utf-8"
    )
