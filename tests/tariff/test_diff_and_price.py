"""What a reader of a diff and a caller of the calculator are told: every changed figure, and every word they got wrong."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from babel.core import get_global

from workbench.errors import CatalogueError, UsageError
from workbench.model.money import MINOR_DIGITS
from workbench.tariff.catalogue import load, loads
from workbench.tariff.describe import describe
from workbench.tariff.diff import diff_catalogues
from workbench.tariff.quote import price

POOLED = Path("datasets/catalog/pooled-m2m.yaml")
ROAMING = Path("datasets/catalog/roaming-trackers.yaml")


def changed(*pairs: tuple[str, str]) -> list[str]:
    text = POOLED.read_text(encoding="utf-8")
    for before, after in (("version: 1", "version: 2"), *pairs):
        assert before in text
        text = text.replace(before, after, 1)
    return diff_catalogues(load(POOLED), loads(text))


def test_another_number_of_tiers_says_all_prices() -> None:
    (said,) = changed(
        (
            "tiers: [{up_to: 1 GB, amount: 0.10},",
            "tiers: [{up_to: 1 GB, amount: 0.10}, {up_to: 2 GB, amount: 0.08},",
        )
    )
    assert said == (
        "From 1 January 2026 'data' of 'Pooled M2M data plan' is up to 1 GB 0.1; up to 2 GB 0.08; beyond 0.06 EUR per MB, "
        "each unit at its tier; it was up to 1 GB 0.1; beyond 0.06 EUR per MB, each unit at its tier."
    )


def test_what_has_parts_is_told_by_those_that_differ() -> None:
    said = changed(("units: 20 MB", "units: 30 MB"), ("cap: 10 GB", "cap: 5 GB"), ("rate: 19 %", "rate: 7 %"))
    start = " from 1 January 2026."
    free = (
        "20 MB free every month from each member, by its days (unused ones live 2 more months, at most 10 GB)"
    )
    now = free.replace("20", "30").replace("10", "5")
    assert said == [
        f"From 1 January 2026 the free units of 'data' of 'Pooled M2M data plan' are {now}; they were {free}.",
        f"The tax 'standard' of 'Pooled M2M data plan' falls from 19 to 7 %{start}",
    ]
    (said,) = changed(("units: 20 MB", "units: 30 MB"))
    assert said == f"The free units of 'data' of 'Pooled M2M data plan' rise from 20 MB to 30 MB{start}"


def test_another_model_says_both_prices() -> None:
    (said,) = changed(
        (
            "graduated: {per: 1 MB, tiers: [{up_to: 1 GB, amount: 0.10}, {amount: 0.06}]}",
            "per_unit: {amount: 0.07, per: 1 MB}",
        )
    )
    assert "it was up to 1 GB 0.1; beyond 0.06 EUR per MB, each unit at its tier." in said
    assert "is 0.07 EUR per MB;" in said


def test_of_several_offers_one_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        price(ROAMING, "5 MB")
    assert (caught.value.code, caught.value.cure) == (
        "offer_ambiguous",
        "Name one with --id. It has: roaming-trackers, roaming-wholesale.",
    )
    with pytest.raises(UsageError, match="holds no offer 'nobody'"):
        price(ROAMING, "5 MB", offer_id="nobody")
    # 5 MB are 4,883 started KiB, 5,000,192 bytes, at 0.05 EUR per MB.
    assert str(price(ROAMING, "5 MB", offer_id="roaming-trackers", country="DE").amount * 10**7) == "2500096"


def test_of_several_prices_one_is_named() -> None:
    car = Path("datasets/catalog/connected-car.yaml")
    with pytest.raises(UsageError) as caught:
        price(Path("datasets/catalog/ev-charging.yaml"), "5 kWh")
    assert caught.value.code == "price_ambiguous"
    assert "Name one with --component. It has: " in str(caught.value.cure)
    with pytest.raises(UsageError, match="has no price 'nothing'") as caught:
        price(car, "5", component="nothing")
    assert caught.value.code == "price_unknown"


def test_a_dimension_the_meter_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        price(ROAMING, "5 MB", offer_id="roaming-trackers", dimensions={"zone": "EU"})
    assert (caught.value.code, caught.value.cure) == ("dimension_unknown", "It has: country.")


@pytest.mark.parametrize(
    ("before", "after", "cure"),
    [
        ("    scope: pool\n", "    scope: pool\n    scope: pool\n", "Keep one of the two."),
        ("rate: 19 %", "rate: 19", "Write `19 %` if that is what is meant."),
        ("currency: EUR", "currency: EURO", "Use the ISO 4217 code of a currency in use."),
        # what others call it, where the nearest spelling is another thing
        ("    scope: pool\n", "    scope: pool\n    minimum: 20\n", "Did you mean `commitment`?"),
        ("    scope: pool\n", "    scope: pool\n    cap: 20\n", "Did you mean `maximum`?"),
        ("    scope: pool\n", "    scope: pool\n    vat: 19 %\n", "Did you mean `taxes`?"),
        ("    scope: pool\n", "    scope: pool\n    valid_from: 2026-01-01\n", "Did you mean `effective`?"),
        ("    scope: pool\n", "    scope: pool\n    scop: pool\n", "Did you mean `scope`?"),
    ],
)
def test_the_cure_fits_the_mistake(before: str, after: str, cure: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        loads(POOLED.read_text(encoding="utf-8").replace(before, after))
    assert caught.value.cure == cure


@pytest.mark.parametrize("code", ["RSD", "PKR", "LKR", "BDT", "GEL", "LYD", "RWF"])
def test_a_currency_in_use_is_known(code: str) -> None:
    text = ROAMING.read_text(encoding="utf-8").replace("currency: EUR", f"currency: {code}")
    assert {offer.currency for offer in loads(text).offers} == {code}


def test_currencies_are_those_in_use_somewhere() -> None:
    """The locale data of another library, as far as it goes: what is tender in a territory today has minor digits here."""
    tender = {
        code
        for rows in get_global("territory_currencies").values()
        for code, _, until, legal in rows
        if until is None and legal
    }
    assert tender <= set(MINOR_DIGITS)
    assert (MINOR_DIGITS["RSD"], MINOR_DIGITS["IQD"], MINOR_DIGITS["KMF"]) == (2, 3, 0)


MODELS = {
    "per_unit": "{amount: 0.07, per: 1 MB}",
    "graduated": "{per: 1 MB, tiers: [{up_to: 1 GB, amount: 0.10}, {amount: 0.06}]}",
    "volume": "{per: 1 MB, tiers: [{up_to: 1 GB, amount: 0.10}, {amount: 0.06}]}",
    "stair_step": "{steps: [{up_to: 1 GB, amount: 3}, {amount: 5}]}",
    "package": "{amount: 0.50, size: 10 MB}",
    "p95": "{amount: 3.20, per: 1 Mbit/s}",
    "percentage": "{rate: 2 %}",
    "graduated_percentage": "{tiers: [{up_to: 1000, rate: 2 %}, {rate: 1 %}]}",
    "dynamic": "{factor: 1.2}",
}


@pytest.mark.parametrize(("old", "new"), list(permutations(MODELS, 2)))
def test_any_model_may_become_any_other(old: str, new: str) -> None:
    """The diff says what the price is and what it was, in the words in which the catalogue is shown."""
    found = {}
    for version, model in ((1, old), (2, new)):
        money = model in ("percentage", "graduated_percentage", "dynamic")
        meter = "{id: m.sales, unit: nano, currency: EUR}" if money else "{id: m.sales, unit: byte}"
        found[model] = loads(f"""
meters: [{meter}]
partners: [{{id: op}}]
offers:
  - {{id: o, version: {version}, currency: EUR, effective: 2026-0{version}-01, split: {{rest: op}},
     prices: [{{id: p, meter: m.sales, {model}: {MODELS[model]}}}]}}
""")
    words = {model: dict(describe(known.offers[0], known))["p"] for model, known in found.items()}
    said = " ".join(diff_catalogues(found[old], found[new]))
    assert words[new] in said
    assert f"it was {words[old]}." in said
