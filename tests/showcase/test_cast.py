"""Everything the showcase names is there and fits together: fleets, mappings, policy, offers."""

from __future__ import annotations

import pytest

import simulators
from workbench.errors import UsageError
from workbench.showcase.cast import CASTS, Cast, cast_of, mapping_of, offers, policy
from workbench.tariff.compile import compile_offer


def test_every_fleet_is_on_stage_once() -> None:
    assert sorted(cast.fleet for cast in CASTS) == sorted(simulators.REGISTRY)
    assert len({cast.source for cast in CASTS}) == len(CASTS)


@pytest.mark.parametrize("cast", CASTS, ids=lambda cast: cast.source)
def test_a_mapping_speaks_of_columns_its_fleet_delivers(cast: Cast) -> None:
    mapping = mapping_of(cast)
    assert mapping.source == cast.source
    assert set(mapping.columns) <= set(simulators.REGISTRY[cast.fleet](1).schema.names)


@pytest.mark.parametrize("cast", CASTS, ids=lambda cast: cast.source)
def test_an_offer_prices_its_fleets_meters_and_compiles(cast: Cast) -> None:
    catalogue = offers([cast])
    (offer,) = catalogue.offers
    mapping = mapping_of(cast)
    assert offer.id == cast.offer_id
    assert {component.meter for component in offer.components} == set(mapping.streams)
    assert {meter.id: meter.unit for meter in catalogue.meters} == {
        mapping.stream(meter): meter.unit for meter in mapping.meters
    }
    assert compile_offer(offer, catalogue).components


def test_dimensions_that_prices_look_at_are_kept_apart_by_the_policy() -> None:
    rules, catalogue = policy(), offers()
    for offer in catalogue.offers:
        for component in offer.components:
            wanted = {name for rate in component.rates for name, _ in rate.match}
            assert wanted <= set(rules.for_stream(component.meter).dimensions), component.meter


def test_the_reference_case_is_what_the_front_page_says() -> None:
    catalogue = offers([cast_of("lamps")])
    (offer,) = catalogue.offers
    compiled = compile_offer(offer, catalogue)
    assert (compiled.components[0].denominator, compiled.components[0].rates[0].steps[0].block_amount) == (
        20,
        1,
    )
    assert [(fee.id, str(fee.amount), fee.every) for fee in offer.fees] == [("rent", "1/10", "day")]
    assert [(rule.partner, str(rule.rate)) for rule in offer.split.rules] == [
        ("operator", "7/10"),
        ("lamp-supplier", "3/10"),
    ]


def test_a_fleet_that_is_not_on_stage_is_named() -> None:
    with pytest.raises(UsageError, match="no fleet 'toasters'"):
        cast_of("toasters")
