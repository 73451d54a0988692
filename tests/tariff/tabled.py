"""What the tests of compiled tables share: offers in a line or two, and their rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from workbench.model.offer import Catalogue
from workbench.model.plan import Period
from workbench.tariff.calendar import period_at
from workbench.tariff.catalogue import loads
from workbench.tariff.tables import offer_tables, part_table
from workbench.tariff.variants import Variant, variants

HEAD = """
meters:
  - {id: m.data, unit: byte, dimensions: [country, apn]}
  - {id: m.out, unit: byte}
  - {id: m.sms, unit: message}
  - {id: m.sales, unit: nano, currency: EUR}
partners: [{id: op}]
holidays: [{id: h, dates: [2026-01-01]}]
offers:
"""
BERLIN = period_at(datetime(2026, 2, 10, tzinfo=UTC), "Europe/Berlin")
FEBRUARY = Period(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))


def offers(*said: str) -> Catalogue:
    """Versions of one offer, each from a year of its own on."""
    return loads(
        HEAD
        + "".join(
            f"  - {{id: o, version: {n}, currency: EUR, effective: {2019 + n}-01-01, split: {{rest: op}}, {text}}}\n"
            for n, text in enumerate(said, 1)
        )
    )


def made(catalogue: Catalogue, *overrides: str, period: Period = FEBRUARY) -> list[Variant]:
    return variants(catalogue, [("o", text, "EUR") for text in overrides or ("",)], period)


def tables(
    *said: str, overrides: tuple[str, ...] = (), period: Period = FEBRUARY, billing: Period | None = None
) -> dict[str, list[dict[str, Any]]]:
    catalogue = offers(*said)
    found = offer_tables(made(catalogue, *overrides, period=period), catalogue, period, billing or period)
    return {name: table.to_pylist() for name, table in found.items()}


def columns(rows: list[dict[str, Any]], names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names.split()) for row in rows]


def parts(*said: str, period: Period = FEBRUARY) -> list[dict[str, Any]]:
    found = made(offers(*said), period=period)
    return list(part_table([variant.offer for variant in found], period).to_pylist())


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 2, day, hour)


ONE = "per_unit: {amount: 1}"
A = f"prices: [{{id: a, meter: m.data, {ONE}}}]"
TWO = (
    f"prices: [{{id: a, meter: m.data, {ONE}}}, {{id: b, meter: m.data, per_unit: {{amount: 0.5}}}}, "
    f"{{id: c, meter: m.out, {ONE}}}]"
)
