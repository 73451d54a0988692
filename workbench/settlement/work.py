"""The tables of a settlement run: temporary relations on the lake's connection, and the lake's kinds as SQL.

    settle_rated   one row per rated line: exact totals (HUGEINT) over the price's denominator; a plan lists
    every
                   line there can be, ``charged`` those that have a charge
    settle_offers, settle_inclusive, settle_currency   what the offers and ISO 4217 say about them
    settle_lines   the invoice lines, one row each, still without a document
    settle_docs    the documents: account x currency, state, number
    settle_final, settle_groups, settle_booked   lines with their net; tax per document and rate; lines with documents

Everything is integers; nothing is rounded except where ``half_away`` stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

import pyarrow as pa

from workbench.errors import AmountOverflow, SettlementError
from workbench.lake import schemas
from workbench.lake.engine import one
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.ledger.book import MONEY
from workbench.model.money import MINOR_DIGITS, NANO, minor_nano
from workbench.model.offer import Offer
from workbench.settlement.terms import OfferKey

EXTRA: dict[str, dict[str, str]] = {
    "invoices": {"number": "BIGINT", "kind": "VARCHAR", "refers_to": "VARCHAR", "period": "VARCHAR"},
    "invoice_lines": {
        "currency": "VARCHAR",
        "period": "VARCHAR",
        "period_start": "TIMESTAMP",
        "period_end": "TIMESTAMP",
        "inclusive": "BOOLEAN",
        "rounded_nano": "DECIMAL(38,0)",
        "refers_to": "VARCHAR",
        "of_kind": "VARCHAR",
    },
    "statements": {
        "statement_id": "VARCHAR",
        "period": "VARCHAR",
        "is_operator": "BOOLEAN",
        "refers_to": "VARCHAR",
    },
}
"""Columns that settlement adds to the declared ones of its kinds (README.md says what they mean)."""

TABLES = (
    "settle_rated", "settle_offers", "settle_inclusive", "settle_currency", "settle_lines", "settle_docs",
    "settle_carry", "settle_waiting", "settle_final", "settle_posted", "settle_groups", "settle_booked",
)  # fmt: skip
AMOUNT_LIMIT = 10**36
DENOMINATOR_LIMIT = 10**24


@dataclass(frozen=True, slots=True)
class Rated:
    """A rated period: SQL relations with the columns of ``lines`` and of ``charges``."""

    lines: str
    charges: str


def rated_of(lake: Lake, period: str) -> Rated:
    """The period's lines and charges as they are in the lake."""
    return Rated(lake.scan("lines", period=period), lake.scan("charges", period=period))


def relation(lake: Lake, kind: str, *, period: str | None = None, more: Sequence[Segment] = ()) -> str:
    """SQL of a kind of segment with settlement's extra columns, also when there is no segment yet.

    Args:
        more: segments that are written but not committed, to be read along.
    """
    segments = [*lake.segments(kind, period=period), *more]
    return lake.scan(kind, segments=segments) if segments else schemas.empty_relation(kind, EXTRA.get(kind))


def half_away(numerator: str, denominator: str) -> str:
    """SQL of ``model.money.round_half_away`` over HUGEINT expressions; a test holds the two equal."""
    size = f"((2 * abs({numerator}) + ({denominator})) // (2 * ({denominator})))"
    return f"(CASE WHEN ({numerator}) < 0 THEN -{size} ELSE {size} END)"


def line_id(tenant: str) -> str:
    """SQL of a line's id: a hash of what made it, so that the same line has the same id in every run."""
    parts = (
        "period", "account_id", "offer_id", "offer_version", "component_id", "of_kind", "currency",
        "tax_category", "tax_rate_ppm", "refers_to",
    )  # fmt: skip
    text = " || chr(31) || ".join([f"'{tenant}'", *(f"{part}::VARCHAR" for part in parts)])
    return f"'L' || substr(sha256({text}), 1, 24)"


@contextmanager
def workspace(lake: Lake) -> Iterator[None]:
    """Drop the temporary tables of a run when it ends, however it ends."""
    try:
        yield
    finally:
        for name in TABLES:
            lake.con.execute(f"DROP TABLE IF EXISTS {name}")


def load_rated(lake: Lake, rated: Rated) -> None:
    """Make ``settle_rated``: each line with the exact sums of its charges.

    Raises:
        SettlementError: ``orphan_charges``, ``duplicate_lines``; AmountOverflow when a sum leaves the exact
        range.
    """
    lake.con.execute(
        "CREATE OR REPLACE TEMP TABLE settle_rated AS "
        "SELECT l.line_no, account_id, offer_id, offer_version, component_id, kind, period_start, period_end, "
        "currency, price_denominator::HUGEINT AS den, coalesce(tax_category, '') AS tax_category, "
        "coalesce(tax_rate_ppm, 0) AS tax_rate_ppm, coalesce(c.units, 0)::HUGEINT AS units, "
        "coalesce(c.amount, 0)::HUGEINT AS amount, c.line_no IS NOT NULL AS charged "
        f"FROM {rated.lines} l LEFT JOIN (SELECT line_no, "
        f"sum(units)::HUGEINT AS units, sum(amount)::HUGEINT AS amount FROM {rated.charges} GROUP BY line_no) c "
        "ON c.line_no = l.line_no"
    )
    _refuse(
        lake,
        f"SELECT line_no FROM {rated.charges} ANTI JOIN settle_rated USING (line_no)",
        "Charges name a line that the period does not have.",
        "orphan_charges",
    )
    _refuse(
        lake,
        "SELECT account_id, offer_id, offer_version, component_id, kind, tax_category, currency FROM settle_rated "
        "GROUP BY ALL HAVING count(*) > 1 OR account_id IS NULL OR currency IS NULL",
        "Two lines of the period stand for the same thing, or one for nobody.",
        "duplicate_lines",
    )
    big = one(
        lake.con,
        f"SELECT line_no FROM settle_rated WHERE abs(amount) >= {AMOUNT_LIMIT}::HUGEINT "
        f"OR den >= {DENOMINATOR_LIMIT}::HUGEINT OR den <= 0 OR den IS NULL LIMIT 1",
    )
    if big:
        raise AmountOverflow("A line's total or denominator leaves the exact range.", where=f"line {big[0]}")


def load_offers(lake: Lake, offers: Mapping[OfferKey, Offer]) -> None:
    """Make ``settle_offers``, ``settle_inclusive`` and ``settle_currency``.

    Raises:
        SettlementError: ``unknown_currency`` when a line's currency has no known minor unit.
    """
    terms = [
        (
            *key,
            offer.micropayment.carry_remainder,
            ceil(offer.micropayment.minimum_invoice * NANO),
            offer.side,
            offer.charged == "node",
        )
        for key, offer in offers.items()
    ]
    inclusive = sorted(
        {(*key[:2], tax.category) for key, offer in offers.items() for tax in offer.taxes if tax.inclusive}
    )
    _load(
        lake,
        "settle_offers",
        terms,
        [
            ("offer_id", pa.string()),
            ("offer_version", pa.int32()),
            ("currency", pa.string()),
            ("carry", pa.bool_()),
            ("minimum", MONEY),
            ("side", pa.string()),
            ("online", pa.bool_()),
        ],
    )
    names = [("offer_id", pa.string()), ("offer_version", pa.int32()), ("tax_category", pa.string())]
    _load(lake, "settle_inclusive", inclusive, names)
    units = [(code, minor_nano(code)) for code in sorted(MINOR_DIGITS)]
    _load(lake, "settle_currency", units, [("currency", pa.string()), ("unit", MONEY)])
    _refuse(
        lake,
        "SELECT currency, account_id FROM (FROM settle_rated WHERE charged) ANTI JOIN settle_currency USING (currency)",
        "A line has a currency whose minor unit is not known.",
        "unknown_currency",
    )


def _load(
    lake: Lake, name: str, rows: Sequence[tuple[object, ...]], fields: list[tuple[str, pa.DataType]]
) -> None:
    columns = {
        field: pa.array([row[index] for row in rows], type_) for index, (field, type_) in enumerate(fields)
    }
    register(lake, name, pa.table(columns))


def register(lake: Lake, name: str, table: pa.Table) -> None:
    """Copy an Arrow table into a temporary table; money columns become HUGEINT."""
    casts = ", ".join(f"{f.name}::HUGEINT AS {f.name}" if f.type == MONEY else f.name for f in table.schema)
    lake.con.register("settle_arrow", table)
    try:
        lake.con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {casts} FROM settle_arrow")
    finally:
        lake.con.unregister("settle_arrow")


def offer_keys(lake: Lake) -> Iterable[OfferKey]:
    """The offer versions that ``settle_rated`` names."""
    rows: list[OfferKey] = lake.con.execute(
        "SELECT DISTINCT offer_id, offer_version, currency FROM settle_rated WHERE charged"
    ).fetchall()
    return rows


def idle_keys(lake: Lake) -> Iterable[OfferKey]:
    """The offer versions somebody subscribes to and nothing was charged under."""
    rows: list[OfferKey] = lake.con.execute(
        "SELECT offer_id, offer_version, currency FROM settle_rated GROUP BY ALL HAVING NOT bool_or(charged) ORDER BY ALL"
    ).fetchall()
    return rows


def _refuse(lake: Lake, offenders: str, what: str, code: str) -> None:
    """Raise when a query finds something, naming the first in order."""
    first = one(lake.con, f"SELECT * FROM ({offenders}) ORDER BY ALL LIMIT 1")
    if first is not None:
        raise SettlementError(
            what, where=", ".join(map(str, first)), cure="Rate the period again.", code=code
        )
