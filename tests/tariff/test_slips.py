"""Slips that change money: refused with the line, or told as a warning where they may be meant."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import pytest

from workbench.errors import CatalogueError
from workbench.tariff.catalogue import load, loads
from workbench.tariff.check import check

HEAD = """meters:
  - {id: m.data, unit: byte, dimensions: [country, net]}
  - {id: m.up, unit: byte}
  - {id: m.time, unit: second}
partners: [{id: op}, {id: pa}]
offers:
  - id: o
    version: 1
    currency: EUR
    effective: 2026-01-01
    split: %s
    prices: [{id: p, meter: m.data, %s}]
    %s
"""
EACH, REST = "per_unit: {amount: 1}", "{rest: op}"


def catalogue(price: str = EACH, more: str = "critical: true", split: str = REST) -> str:
    return HEAD % (split, price, more)


def rows(*conditions: str) -> str:
    """Rate rows under these conditions, in this order."""
    said = (f"{{id: r{n}, {c}{', ' if c else ''}{EACH}}}" for n, c in enumerate(conditions))
    return f"rates: [{', '.join(said)}]"


SLIPS = [
    (catalogue(more="fees: [{id: f, amount: 5, from_period: 5, to_period: 2}]"), 13, "phase_empty"),
    (catalogue(more="discounts: [{id: d, fixed: 5, from_period: 3, to_period: 2}]"), 13, "phase_empty"),
    (catalogue(more="fx: [{currency: USD, rate: 1, as_of: 2026-01-01}, {currency: USD, rate: 2, as_of: 2026-01-01}]"),
     13, "fx_rate"),
    (catalogue(more="sponsorships: [{id: s, account: a, components: []}]"), 13, "covers_nothing"),
    (catalogue(more="bundles: [{id: b, credits: 5, weights: {}}]"), 13, "covers_nothing"),
    (catalogue(split="{rest: op, rules: [{partner: pa, percent: 10 %, guarantee: 10, cap: 5}]}"), 11, "floor_above_cap"),
    (catalogue("p95: {amount: 1, out_meter: m.data}"), 12, "out_meter"),
    (catalogue("p95: {amount: 1, out_meter: m.time}"), 12, "unit_mismatch"),
    (catalogue("p95: {amount: 1, slot_seconds: 7}"), 12, "p95_slots"),
    (catalogue(rows("windows: [{}]", "")), 12, "rate_unreachable"),
    (catalogue(rows("windows: [{to: '12:00'}, {from: '12:00'}]", "")), 12, "rate_unreachable"),
    (catalogue(rows("windows: [{from: '22:00', to: '06:00'}, {from: '06:00', to: '22:00'}]", "")), 12,
     "rate_unreachable"),
    (catalogue(rows("match: {country: CH}", "match: {country: GB}", "match: {country: [CH, GB]}", "")), 12,
     "rate_unreachable"),
    (catalogue(rows("match: {country: CH}, windows: [{from: '06:00', to: '22:00'}]", "match: {country: CH}",
                    "match: {country: CH, net: a}", "")), 12, "rate_unreachable"),
    (catalogue(rows("windows: [{from: '06:00', to: '22:00'}]", "windows: [{from: '08:00', to: '09:00'}]", "")), 12,
     "rate_unreachable"),
    (catalogue(rows("match: {country: [], net: a}", "")), 12, "rate_unreachable"),
    (catalogue(rows("match: {country: CH}", "match: {country: [GB, CH]}, windows: [{to: '12:00'}]",
                    "match: {net: b, country: GB}", "match: {country: GB, net: b}", "")), 12, "rate_unreachable"),
    (catalogue(rows("", "")), 12, "rate_unreachable"),
    (catalogue(more="fx: [{currency: USD, rate: 1, as_of: 2026-01-01}, {currency: USD, rate: 2, as_of: 2026-02-01}]"),
     13, "fx_rate"),
]  # fmt: skip
TOO_MANY = (
    catalogue("graduated: {tiers: [" + ", ".join(f"{{up_to: {n}, amount: 1}}" for n in range(1, 1001))
              + ", {amount: 1}]}"), 12, "tiers_too_many",
)  # fmt: skip


@pytest.mark.parametrize(("text", "line", "code"), [*SLIPS, TOO_MANY], ids=lambda value: str(value)[-40:])
def test_a_slip_is_refused_where_it_stands(tmp_path: Path, text: str, line: int, code: str) -> None:
    file = tmp_path / "o.yaml"
    file.write_text(text)
    with pytest.raises(CatalogueError) as caught:
        load(file)
    assert (caught.value.code, caught.value.where) == (code, f"{file}:{line}")
    assert caught.value.cure


MEANT = [
    catalogue(more="fees: [{id: f, amount: 5, from_period: 2, to_period: 2}]"),
    catalogue(price="scope: pool, allowance: {units: 5}, " + EACH, more="overage: excess"),
    catalogue(split="{rest: op, rules: [{partner: pa, percent: 10 %, guarantee: 5, cap: 5}]}"),
    catalogue("p95: {amount: 1, out_meter: m.up, slot_seconds: 900}"),
    catalogue(rows("windows: [{from: '06:00', to: '22:00'}]", "windows: [{from: '22:00', to: '06:00'}]", "")),
    catalogue(rows("match: {country: CH}", "match: {net: a}", "match: {country: [CH, GB]}", "")),
    catalogue(rows("match: {country: CH}", "match: {country: [CH, GB]}", "")),
    catalogue(rows("windows: [{from: '06:00', to: '22:00'}]", "windows: [{from: '08:00', to: '23:00'}]", "")),
    catalogue(rows("windows: [{from: '06:00', to: '22:00', zone: UTC}]",
                   "windows: [{from: '08:00', to: '09:00', zone: Asia/Tokyo}]", "")),
    catalogue(rows("windows: [{days: mon-fri}]", "windows: [{days: sat}]", "match: {country: CH}", "")),
    catalogue("graduated: {tiers: [" + ", ".join(f"{{up_to: {n}, amount: 1}}" for n in range(1, 1000))
              + ", {amount: 1}]}"),
]  # fmt: skip


@pytest.mark.parametrize("text", MEANT, ids=lambda value: value[-60:])
def test_what_stands_just_beside_a_slip_is_priced(text: str) -> None:
    assert len(loads(text).offers) == 1


def test_what_may_be_meant_is_a_warning() -> None:
    taxed = catalogue(EACH + ", tax_category: lux", more="taxes: [{category: standard, rate: 19 %}]")
    (finding,) = [f for f in check(loads(taxed)) if f.severity == "warning"]
    assert (finding.code, finding.part) == ("tax_category_unnamed", "p")
    assert check(loads(taxed.replace("category: standard", "category: lux"))) == []
    assert check(loads(catalogue(EACH + ", tax_category: lux"))) == []


def test_a_rule_about_a_pool_that_nobody_shares_is_a_warning() -> None:
    for price, rule, told in (
        (EACH, "pool_cap_units: 5", ["pool_rule_idle"]),
        ("scope: pool, " + EACH, "overage: excess", ["pool_rule_idle"]),
        ("allowance: {units: 5}, " + EACH, "overage: excess", ["pool_rule_idle"]),
        ("scope: pool, allowance: {units: 5}, " + EACH, "overage: excess", []),
        (EACH, "overage: use", []),
    ):
        assert [f.code for f in check(loads(catalogue(price, rule)))] == told


def test_a_fixed_share_above_the_price_has_a_witness() -> None:
    price = "graduated: {tiers: [{up_to: 500, amount: 1}, {amount: 0.1}]}"
    share = "{rest: op%s, rules: [{partner: pa, fixed: 0.95, per: 1 byte}]}"
    (found,) = check(loads(catalogue(price, split=share % "")))
    assert (found.code, found.severity, found.part) == ("share_above_price", "note", "p")
    assert found.witness == ((1000, Fraction(550)), (1000, Fraction(950)))
    assert check(loads(catalogue(price, split=share % ", fixed_overrun: capped"))) == []
    assert check(loads(catalogue(price, split=(share % "").replace("0.95", "0.1")))) == []


# -- what is published stays readable ------------------------------------------------------------------------


def _published(folder: Path, text: str) -> Path:
    """A price list whose slip went out before slips were looked for."""
    file = folder / "o.yaml"
    file.write_text(text, "utf-8")
    offers = loads(text, kept=None).offers
    lines = (f"{o.id} {o.version} {o.sha256} {o.effective}\n" for o in offers)
    (folder / "catalog.lock").write_text("".join(lines), "utf-8")
    return file


@pytest.mark.parametrize(("text", "line", "code"), SLIPS)
def test_a_published_version_with_a_slip_is_read_and_told_of(
    text: str, line: int, code: str, tmp_path: Path
) -> None:
    file = _published(tmp_path, text)
    for path in (file, tmp_path):
        catalogue = load(path)
        assert catalogue == load(path)
    warnings = [finding for finding in check(catalogue, file) if finding.severity == "warning"]
    assert code in {finding.code for finding in warnings}
    assert "is in force and stays as it is. For the next version: " in warnings[0].sentence
    assert {f.part for f in warnings} <= (
        {""} if code in ("fx_rate", "floor_above_cap") else {"f", "d", "s", "b", "p"}
    )
    with pytest.raises(CatalogueError) as caught:
        loads(text)
    assert caught.value.code == code


def test_the_next_version_is_refused_for_the_slip_that_the_published_one_may_keep(tmp_path: Path) -> None:
    text = catalogue(more="fees: [{id: f, amount: 5, from_period: 5, to_period: 2}]")
    _published(tmp_path, text)
    newer = text.replace("version: 1", "version: 2").replace("2026-01-01", "2026-02-01")
    (tmp_path / "second.yaml").write_text(newer, "utf-8")
    with pytest.raises(CatalogueError) as caught:
        load(tmp_path)
    assert (caught.value.code, Path(caught.value.where).name) == ("phase_empty", "second.yaml:13")
    (tmp_path / "second.yaml").write_text(newer.replace("to_period: 2", "to_period: 9"), "utf-8")
    assert [offer.version for offer in load(tmp_path).offers] == [1, 2]
    # a slip is not let through under the name of another version, nor when the published text was changed
    (tmp_path / "o.yaml").write_text(text.replace("amount: 5", "amount: 6"), "utf-8")
    with pytest.raises(CatalogueError) as caught:
        load(tmp_path / "o.yaml")
    assert caught.value.code == "phase_empty"


def test_thousands_of_rows_are_held_against_each_other_quickly() -> None:
    many = [f"match: {{country: [X{n}, Y{n}], net: N{n % 7}}}" for n in range(3000)]
    began = time.process_time()
    loads(catalogue(rows(*many, "")))
    with pytest.raises(CatalogueError):
        loads(catalogue(rows(*many, "match: {country: Y5, net: N5}, windows: [{to: '12:00'}]", "")))
    with pytest.raises(CatalogueError) as caught:
        loads(catalogue(rows(*many, "", "")))
    assert (
        caught.value.what == "Rate 'r3001' of price 'p' can never apply: 'r3000' before it take everything."
    )
    assert time.process_time() - began < 15  # each row against each took minutes


def test_what_cannot_be_priced_is_refused_whether_published_or_not(tmp_path: Path) -> None:
    text = catalogue(rows("match: {country: CH}"))  # no default: some use would have no price
    with pytest.raises(CatalogueError) as caught:
        loads(text, kept=None)
    assert caught.value.code == "rate_gap"


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [("", "publish: {running: now}, ", True),
     ("", "publish: {running: keep}, ", False),
     ("", "publish: {running: now, counters: reset}, ", False),
     ("", "", False),
     ("allowance: {units: 5, rollover: {periods: 1}}, ", "", True),
     ("allowance: {units: 5}, ", "", False)],
)  # fmt: skip
@pytest.mark.parametrize("meter", ["m.up", "m.data"])
def test_a_price_that_goes_on_with_another_meters_counter_is_a_warning(
    first: str, second: str, told: bool, meter: str
) -> None:
    """A hundred bytes had been billed, and the next hundred uplinks were priced as the second hundred."""
    offer = "  - {id: o, version: %s, currency: EUR, effective: 2026-0%s-01, %ssplit: {rest: op}, prices: [{id: p, meter: %s, %s%s}]}\n"
    head = HEAD[: HEAD.index("  - id: o")]
    text = head + offer % (1, 1, "", "m.data", first, EACH) + offer % (2, 2, second, meter, first, EACH)
    found = [f for f in check(loads(text)) if f.severity == "warning"]
    assert [(f.code, f.version, f.part) for f in found] == (
        [("counter_of_another_meter", 2, "p")] if told and meter == "m.up" else []
    )
    assert all("counts m.up; in version 1 it counted m.data" in f.sentence for f in found)


STAIRS = "stair_step: {steps: [{up_to: 5, amount: 1}, {amount: 2}]}"


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [(STAIRS, f"{STAIRS}, scope: pool", "all devices of an account share them; in version 1: each device has its own"),
     (f"{EACH}, allowance: {{units: 5}}", f"{EACH}, scope: sim_group", "the devices of a SIM group share them; in version 1: each"),
     (STAIRS, f"{STAIRS}, counter_period: week", "they begin anew every week; in version 1: they begin anew every month"),
     (STAIRS, f"{STAIRS}, scope: device, counter_period: billing", ""),
     (EACH, f"{EACH}, scope: pool", "")],
)  # fmt: skip
@pytest.mark.parametrize("publish", ["running: now", "running: now, counters: reset", "running: keep"])
def test_a_counter_that_cannot_go_on_in_the_middle_of_a_period_is_a_warning(
    first: str, second: str, said: str, publish: str
) -> None:
    offer = (
        "  - {id: o, version: %s, currency: EUR, effective: 2026-0%s-01, publish: {%s}, split: {rest: op}, "
        "prices: [{id: p, meter: m.up, %s}]}\n"
    )
    head = HEAD[: HEAD.index("  - id: o")]
    text = head + offer % (1, 1, "running: next_period", first) + offer % (2, 2, publish, second)
    found = [f for f in check(loads(text)) if f.code == "counter_starts_anew"]
    told = bool(said) and publish == "running: now"
    assert [(f.severity, f.version, f.part) for f in found] == ([("warning", 2, "p")] if told else [])
    assert all(said in f.sentence and "from 2026-02-01" in f.sentence for f in found)
