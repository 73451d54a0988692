"""Properties against an oracle that shares no code with the product: Python's decimal and zoneinfo."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Context, Decimal
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mediation.reading import NOW, at, connection, read_bytes
from workbench.mediation.cells import nested, quantity
from workbench.mediation.policy import AcceptWindow

MODES = {"half_up": ROUND_HALF_UP, "up": ROUND_UP, "down": ROUND_DOWN}
WIDE = Context(prec=200)


def oracle(text: str, scale: Fraction, mode: str) -> int | None:
    """Base units by decimal arithmetic; None for what must be a reject."""
    exact = Fraction(Decimal(text)) * scale
    if mode == "exact":
        return exact.numerator if exact.denominator == 1 and -(2**63) <= exact.numerator < 2**63 else None
    value = WIDE.divide(Decimal(exact.numerator), Decimal(exact.denominator)).quantize(
        Decimal(1), MODES[mode], WIDE
    )
    return int(value) if -(2**63) <= value < 2**63 else None


texts = st.builds(
    lambda sign, whole, part: f"{sign}{whole}{'.' + part if part else ''}",
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 10**13).map(str),
    st.text("0123456789", max_size=12),
)
scales = st.sampled_from(
    [Fraction(1), Fraction(1000), Fraction(1, 1000), Fraction(5, 18), Fraction(36, 10), Fraction(1, 7)]
)


@settings(deadline=None, max_examples=60)
@given(st.lists(texts, min_size=1, max_size=20), scales, st.sampled_from([*MODES, "exact"]))
def test_decimal_text_becomes_the_exact_units(found: list[str], scale: Fraction, mode: str) -> None:
    cell = quantity("x", "VARCHAR", scale, mode, None, negative=True)  # type: ignore[arg-type]
    ok = " AND ".join(f"coalesce({check.good}, false)" for check in cell.checks)
    listed = ", ".join(f"('{text}')" for text in found)
    relation = nested(f"(VALUES {listed}) t(x)", [cell])
    rows = connection().execute(f"SELECT CASE WHEN {ok} THEN {cell.value} END FROM {relation}").fetchall()
    assert [row[0] for row in rows] == [oracle(text, scale, mode) for text in found]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20),
    scales,
    st.sampled_from([*MODES, "exact"]),
)
def test_integers_become_the_exact_units(found: list[int], scale: Fraction, mode: str) -> None:
    cell = quantity("x", "BIGINT", scale, mode, None, negative=True)  # type: ignore[arg-type]
    ok = " AND ".join(f"coalesce({check.good}, false)" for check in cell.checks)
    listed = ", ".join(f"('{number}'::BIGINT)" for number in found)
    relation = nested(f"(VALUES {listed}) t(x)", [cell])
    rows = connection().execute(f"SELECT CASE WHEN {ok} THEN {cell.value} END FROM {relation}").fetchall()
    assert [row[0] for row in rows] == [oracle(str(number), scale, mode) for number in found]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=30), st.integers(0, 6))
def test_floats_come_back_as_the_decimals_they_were_made_from(found: list[int], decimals: int) -> None:
    cell = quantity("x", "DOUBLE", Fraction(10**decimals), "exact", decimals, negative=True)
    usable = [number for number in found if abs(number) < 2**53]
    listed = ", ".join(f"({Decimal(number).scaleb(-decimals)}::DOUBLE)" for number in usable) or "(0::DOUBLE)"
    ok = " AND ".join(f"coalesce({check.good}, false)" for check in cell.checks)
    relation = nested(f"(VALUES {listed}) t(x)", [cell])
    rows = connection().execute(f"SELECT CASE WHEN {ok} THEN {cell.value} END FROM {relation}").fetchall()
    assert [row[0] for row in rows] == (usable or [0])


@pytest.mark.parametrize(
    "zone", ["Europe/Paris", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
@pytest.mark.parametrize("ambiguous", ["reject", "earlier", "later"])
def test_wall_clocks_through_a_year_of_changes(tmp_path: Path, zone: str, ambiguous: str) -> None:
    """Every quarter of an hour around the changes, and others by chance, against zoneinfo."""
    tz, chance = ZoneInfo(zone), random.Random(zone)
    start = at(2025, 1, 1)
    walls = [start + timedelta(minutes=15 * step) for step in range(4 * 24 * 365) if chance.random() < 0.003]
    for step in range(365 * 24):
        instant = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=step)
        if instant.astimezone(tz).utcoffset() != (instant + timedelta(hours=1)).astimezone(tz).utcoffset():
            local = instant.astimezone(tz).replace(tzinfo=None)
            walls += [local + timedelta(minutes=15 * quarter) for quarter in range(-12, 13)]
    expected: list[tuple[datetime, datetime | str]] = []
    for wall in walls:
        first, second = (wall.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first.astimezone(tz).replace(tzinfo=None) != wall:
            expected.append((wall, "time_does_not_exist"))
        elif first != second and ambiguous == "reject":
            expected.append((wall, "time_is_ambiguous"))
        else:
            expected.append((wall, (first if ambiguous == "earlier" else second).replace(tzinfo=None)))
    mapping = f"""
source: s
time: {{ends_at: {{column: ts, zone: {zone}, ambiguous: {ambiguous}}}}}
device: {{column: n}}
meters: {{n: {{column: n, unit: count}}}}
"""
    lines = [json.dumps({"ts": wall.isoformat(), "n": number}) for number, (wall, _) in enumerate(expected)]
    found = read_bytes(
        tmp_path,
        "a.ndjson",
        "\n".join(lines).encode(),
        mapping,
        received_at=NOW,
        accept=AcceptWindow(None, None),
    )
    answers: dict[int, datetime | str] = {item["units"]: item["ends_at"] for item in found.items}
    answers |= {reject["item_no"] - 1: reject["reason"] for reject in found.rejects}
    assert answers == {number: answer for number, (_, answer) in enumerate(expected)}
