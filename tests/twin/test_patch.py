"""Patches on what is in force, slips and all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from workbench.errors import CatalogueError
from workbench.model.plan import Period
from workbench.tariff.catalogue import loads
from workbench.twin.patch import as_if_in_force, candidate
from workbench.twin.scenario import patch

TEXT = """
meters: [{id: m.data, unit: byte}]
partners: [{id: op}]
offers:
  - id: o
    version: 1
    currency: EUR
    effective: 2026-01-01
    prices: [{id: p, meter: m.data, per_unit: {amount: 1}}]
    fees: [{id: f, amount: 5, from_period: 5, to_period: 2}]
    split: {rest: op}
"""
MARCH = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


def test_a_slip_in_force_is_tried_and_a_new_one_is_refused() -> None:
    production = loads(TEXT, kept=None)
    dearer = candidate(production, [patch("o.p.amount", "2")], MARCH)
    assert [offer.version for offer in dearer.offers] == [2]
    assert as_if_in_force(production, production, MARCH).offers[0].fees == production.offers[0].fees
    clean = loads(TEXT.replace("to_period: 2", "to_period: 9"))
    with pytest.raises(CatalogueError) as caught:
        candidate(clean, [patch("o.f.to_period", "2")], MARCH)
    assert caught.value.code == "phase_empty"
