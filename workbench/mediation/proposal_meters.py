"""The ``meters:`` part of a proposal: which columns are quantities, in which units, and which are running registers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.mediation import guesses
from workbench.mediation.guesses import Guess
from workbench.mediation.looking import Column
from workbench.model.units import UnitMismatch, ratio

if TYPE_CHECKING:
    from workbench.mediation.propose import Offered, _Found

_FINE = {0: "unit", 3: "milliunit", 6: "microunit", 9: "nanounit"}


@dataclass(frozen=True, slots=True)
class Metered:
    """A meter of the proposal: its name, the unit kept, and its lines of YAML."""

    name: str
    unit: str
    lines: tuple[str, ...]


def metered(found: _Found, offered: Sequence[Offered]) -> list[Metered]:
    """The meters, at least one: where nothing is a quantity, each row counts as one event."""
    long = guesses.meter_column(found.columns, found.taken)
    if long is not None:
        found.take(long)
        return _long(found, long, offered)
    named = guesses.unit_column(found.columns, found.taken)
    chosen = guesses.quantities(found.columns, found.taken)
    sure = [guess for guess in chosen if guess.sure >= 80]
    if named is not None and chosen and len(named.column.values) == 1:
        found.take(named)
        spoken = named.column.values[0]
        told = guesses.UNITS.get(spoken.lower(), (spoken, spoken))
        reason = f"{chosen[0].reason}, in {spoken} by {named.column.name!r}"
        chosen = [Guess("quantity", chosen[0].column, reason, 85, told)]
        sure = chosen
    chosen = _fitting(sure, offered) or sure or chosen[:1]
    if not chosen:
        found.notes.append("No column looks like a quantity: each row counts as one event.")
        name, unit = _names(found, None, ("event", "event"), offered)
        return [Metered(name, unit, (f"  {name}: {{count: true, unit: {unit}}}  # every row is one",))]
    found.take(*chosen)
    return [_meter(found, guess, offered) for guess in chosen]


def _fitting(chosen: list[Guess], offered: Sequence[Offered]) -> list[Guess]:
    """The quantities that some offered meter counts, where meters are offered."""
    return [guess for guess in chosen if _offer_of(guess, guess.unit, offered) is not None]


def _offer_of(
    guess: Guess | None, unit: tuple[str, str] | None, offered: Sequence[Offered]
) -> Offered | None:
    """The offered meter of the quantity's kind; of several the one whose name the column's name contains."""
    fits = [meter for meter in offered if unit is None or _converts(unit[0], meter.unit)]
    if guess is not None and len(fits) > 1:
        words = set(guess.column.words)
        fits = sorted(fits, key=lambda meter: not words & set(re.split(r"[^a-z0-9]+", meter.id)))
    return fits[0] if fits else None


def _converts(unit: str, base: str) -> bool:
    try:
        ratio(unit, base)
    except UnitMismatch:
        return False
    return True


def _names(
    found: _Found, guess: Guess | None, unit: tuple[str, str] | None, offered: Sequence[Offered]
) -> tuple[str, str]:
    """The meter's name and the unit kept: those of the offered meter, else made from the column."""
    offer = _offer_of(guess, unit, offered)
    if offer is not None and offer.id.partition(".")[0] == found.source:
        return offer.id.partition(".")[2], offer.unit
    words = (
        [word for word in guess.column.words if word not in guesses.UNITS | guesses.EMPTY_WORDS]
        if guess
        else []
    )
    name = re.sub(r"[^a-z0-9]+", "-", "-".join(words)).strip("-")
    kind = {"byte": "data", "mWh": "energy", "ml": "volume", "ms": "time"}
    kept = unit[1] if unit else ""
    return name or kind.get(kept, "") or (guess.column.words[-1] if guess else "events"), kept


def _meter(found: _Found, guess: Guess, offered: Sequence[Offered]) -> Metered:
    column = guess.column
    name, unit = _names(found, guess, guess.unit, offered)
    said = [f"column: {_quoted(column.name)}"]
    if guess.unit and unit:
        said += [f"column_unit: {guess.unit[0]}", f"unit: {unit}"]
    else:
        digits = next(fine for fine in (*_FINE, 12) if fine >= min(column.decimals, 12))
        unit = unit or _FINE.get(digits, "picounit")
        said += [f"unit: {unit}", *([f"scale: {10**digits}"] if digits else [])]
        found.notes.append(f"The unit of {column.name!r} is not known: usage is kept in {unit}. Set `unit:`.")
    said += [f"decimals: {min(column.decimals, 9)}"] if column.is_float else []
    said += ["rounding: half_up"] if column.is_float or column.decimals else []
    said += ["missing: skip"] if column.filled < 0.95 else []
    if column.numbers and min(column.numbers) < 0:
        said.append("negative: reject")
        found.notes.append(f"{column.name!r} has values below zero: they become rejects.")
    remark = guess.reason
    register, falls = _register(found, column)
    if register:
        said.append("cumulative: {first: baseline, reset: from_zero}")
        remark += "; a running register: its numbers hardly ever fall, so the use is the difference between readings"
        if falls:
            found.notes.append(
                f"{column.name!r} falls {falls} times: each is taken for a new meter that starts at 0."
            )
    return Metered(name, unit, (f"  {name}:  # {remark}", *(f"    {line}" for line in said)))


def _register(found: _Found, column: Column) -> tuple[bool, int]:
    """Whether a column is a running register; only names that can be one, or numbers far above their steps, are."""
    times, device = found.one("ends_at"), found.one("device")
    if times is None:
        return False, 0
    if found.one("starts_at") is not None and not guesses.says_register(column):
        return False, 0
    names = device.column.cells if device else [""] * len(column.cells)
    rows = [
        (name or "", cell.replace(".", "").replace(",", ".") if column.decimal_comma else cell)
        for _, name, cell in sorted(
            zip(times.column.cells, names, column.cells, strict=True), key=lambda row: row[0] or ""
        )
        if cell is not None and re.fullmatch(r"[+-]?[0-9.,eE+-]+", cell)
    ]
    return guesses.rising(rows, guesses.says_register(column))


def _long(found: _Found, long: Guess, offered: Sequence[Offered]) -> list[Metered]:
    """One meter per value of the meter column, all over the same quantity column."""
    amount = next(
        (
            c
            for c in found.columns
            if c.name not in found.taken
            and c.numbers
            and set(c.words) & {"value", "quantity", "qty", "reading"}
        ),
        None,
    )
    if amount is None:
        return []
    found.take(Guess("quantity", amount, "the one column of values", 80))
    units = guesses.unit_column(found.columns, found.taken)
    found.take(units)
    meters = []
    for value in long.column.values:
        unit = _unit_beside(long.column, units.column if units else None, value)
        name = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-") or "meter"
        known = (
            guesses.UNITS.get(unit.lower())
            if unit
            else guesses.UNITS.get(re.split(r"[^a-z0-9]+", value.lower())[-1])
        )
        said = [f"column: {_quoted(amount.name)}", f"named: [{_quoted(value)}]"]
        said += [f"column_unit: {known[0]}", f"unit: {known[1]}"] if known else [f"unit: {unit or 'unit'}"]
        said += [f"unit_column: {_quoted(units.column.name)}"] if units and known and known[0] == unit else []
        said += [f"decimals: {min(amount.decimals, 9)}"] if amount.is_float else []
        said += ["rounding: half_up"] if amount.decimals else []
        meters.append(
            Metered(name, known[1] if known else unit or "unit", (f"  {name}:", *(f"    {s}" for s in said)))
        )
    return meters


def _unit_beside(names: Column, units: Column | None, value: str) -> str:
    if units is None:
        return ""
    found = {unit for name, unit in zip(names.cells, units.cells, strict=True) if name == value and unit}
    return found.pop() if len(found) == 1 else ""


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", text) else "'" + text.replace("'", "''") + "'"
