"""SQL that reads one cell: its exact value, and the checks that decide whether the row is usage or a reject.

Quantities go through integers only. A decimal number, wherever it comes from, becomes a *mantissa*, an integer of
10**-digits; scaling is an exact ratio of integers, and what does not come out whole is rounded as the meter says,
or refused. Every expression that could overflow is guarded by a CASE, which DuckDB evaluates row by row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from workbench.lake.sql import name as ident
from workbench.mediation.mapping import Rounding

INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
WIDE_INTEGERS = {"UBIGINT", "HUGEINT", "UHUGEINT"}
FLOATS = {"FLOAT", "DOUBLE"}

_WIDEST = 2**127 - 1
_TEXT_DIGITS = 18
_PLAIN = r"[+-]?([0-9]{1,19}(\.[0-9]{0,18})?|\.[0-9]{1,18})"
_NUMERIC = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"


@dataclass(frozen=True, slots=True)
class Check:
    """``good``: SQL that is TRUE for usable rows; ``reason``: SQL of the code otherwise; ``cell``: what was found."""

    good: str
    reason: str
    cell: str = "NULL"


@dataclass(frozen=True, slots=True)
class Cell:
    """A value (typed SQL, NULL where a check fails) and its checks, in the order they are reported.

    ``steps``: intermediate columns the value and the checks refer to, level by level; a level may use those before.
    """

    value: str
    checks: tuple[Check, ...] = ()
    steps: tuple[dict[str, str], ...] = ()


def nested(relation: str, cells: Iterable[Cell]) -> str:
    """``relation`` with the intermediate columns of ``cells``, each computed once."""
    levels: list[dict[str, str]] = []
    for cell in cells:
        for number, level in enumerate(cell.steps):
            if number == len(levels):
                levels.append({})
            levels[number] |= level
    for level in levels:
        relation = (
            f"(SELECT *, {', '.join(f'{sql} AS {name}' for name, sql in level.items())} FROM {relation})"
        )
    return relation


def literal(text: str) -> str:
    """A reason code or other fixed text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def quantity(
    column: str, type_: str, scale: Fraction, rounding: Rounding, decimals: int | None, negative: bool
) -> Cell:
    """A number as BIGINT base units.

    Args:
        column: the file's column; ``type_`` its DuckDB type.
        scale: base units per column unit. ``decimals``: digits a binary float carries (ignored for exact types).
        negative: whether values below zero are usage.
    """
    steps: tuple[dict[str, str], ...] = ()
    mantissa, digits, checks = _mantissa(column, type_, rounding, decimals)
    cell = ident(column)
    factor = scale / 10**digits
    if type_ in INTEGERS and factor == 1:
        value = f"CAST({cell} AS BIGINT)"
    else:
        value = "__quantity"
        steps = (
            {"__mantissa": mantissa},
            {"__product": _product("__mantissa", factor)},
            {value: f"TRY_CAST({_scaled('__product', factor.denominator, rounding)} AS BIGINT)"},
        )
        if rounding == "exact" and factor.denominator > 1:
            whole = f"__product IS NULL OR __product % {factor.denominator} = 0"
            checks.append(Check(whole, literal("not_whole"), cell))
        checks.append(Check(f"{value} IS NOT NULL", literal("number_out_of_range"), cell))
    if not negative:
        checks.append(Check(f"{value} >= 0", literal("negative"), cell))
    return Cell(value, tuple(checks), steps)


def _mantissa(
    column: str, type_: str, rounding: Rounding, decimals: int | None
) -> tuple[str, int, list[Check]]:
    """An integer expression, the number of decimal digits it is shifted by, and the checks it needs."""
    cell = ident(column)
    present = Check(f"{cell} IS NOT NULL", literal("missing_value"))
    if type_ in INTEGERS or type_ in WIDE_INTEGERS:
        return f"TRY_CAST({cell} AS HUGEINT)", 0, [present]
    if type_ in FLOATS:
        digits = decimals or 0
        wide = f"CAST({cell} AS DOUBLE)"
        # Up to 2**53 a double times a power of ten still rounds to the integer its decimal text means.
        usable = f"isfinite({cell}) AND abs({wide}) <= {2**53 // 10**digits}"
        value = f"CASE WHEN {usable} THEN CAST(round({wide} * 1e{digits}) AS HUGEINT) END"
        kind = f"CASE WHEN isnan({cell}) THEN 'nan' WHEN isinf({cell}) THEN 'infinite' ELSE 'number_out_of_range' END"
        checks = [present, Check("__mantissa IS NOT NULL", kind, cell)]
        if rounding == "exact":
            back = f"CAST(__mantissa / 1e{digits} AS {type_}) = {cell}"  # a float cell
            checks.append(Check(back, literal("not_exact"), cell))
        return value, digits, checks
    text = cell if type_ == "VARCHAR" else f"CAST({cell} AS VARCHAR)"
    value, reason = number_text(text)
    return value, _TEXT_DIGITS, [present, Check("__mantissa IS NOT NULL", reason, text)]


def number_text(text: str) -> tuple[str, str]:
    """Decimal text as a HUGEINT of 10**-18, NULL when it is none; and SQL of the reason why it is none."""
    whole = f"split_part({text}, '.', 1)"
    digits = f"rpad(split_part({text}, '.', 2), {_TEXT_DIGITS}, '0')"
    # Most numbers are whole and short: they need no taking apart.
    value = (
        f"CASE WHEN regexp_full_match({text}, '[0-9]{{1,18}}') THEN CAST({text} AS HUGEINT) * {10**_TEXT_DIGITS} "
        f"WHEN regexp_full_match({text}, {literal(_PLAIN)}) THEN TRY_CAST({whole} || {digits} AS HUGEINT) END"
    )
    reason = (
        f"CASE WHEN regexp_full_match(lower({text}), '[+-]?nan') THEN 'nan' "
        f"WHEN regexp_full_match(lower({text}), '[+-]?inf(inity)?') THEN 'infinite' "
        f"WHEN regexp_full_match({text}, {literal(_NUMERIC)}) THEN 'number_out_of_range' ELSE 'not_a_number' END"
    )
    return value, reason


def _product(mantissa: str, factor: Fraction) -> str:
    """mantissa times the factor's numerator as HUGEINT, NULL where it (or its rounding) would overflow."""
    bound = _WIDEST // (2 * factor.numerator) - factor.denominator
    return f"CASE WHEN {mantissa} BETWEEN -{bound} AND {bound} THEN {mantissa} * {factor.numerator} END"


def _scaled(product: str, below: int, rounding: Rounding) -> str:
    """A whole HUGEINT divided by ``below``. Halves go away from zero; up and down are by size."""
    if below == 1:
        return product
    if rounding in {"exact", "down"}:
        return f"({product} // {below})"
    if rounding == "up":
        return f"(sign({product}) * ((abs({product}) + {below - 1}) // {below}))"
    return f"(sign({product}) * ((abs({product}) * 2 + {below}) // {2 * below}))"


def text_cell(column: str, type_: str) -> str:
    """A cell as text: whole floats lose their ``.0`` (a table library may have made them), the rest as printed."""
    cell = ident(column)
    if type_ == "VARCHAR":
        return cell
    if type_ in FLOATS:
        whole = f"{cell} = trunc({cell}) AND abs({cell}) <= {2**53}"
        return (
            f"CASE WHEN {whole} THEN CAST(CAST({cell} AS BIGINT) AS VARCHAR) ELSE CAST({cell} AS VARCHAR) END"
        )
    return f"CAST({cell} AS VARCHAR)"


def carried(column: str, type_: str, kind: str) -> str:
    """A dimension, key or sample cell in its declared type; NULL when it cannot be that."""
    cell = ident(column)
    if kind == "text":
        return text_cell(column, type_)
    if kind == "float":
        value = cell if type_ == "DOUBLE" else f"TRY_CAST({cell} AS DOUBLE)"
        return value if type_ in INTEGERS else f"CASE WHEN isfinite({value}) THEN {value} END"
    if type_ in INTEGERS:
        return f"CAST({cell} AS BIGINT)"
    if type_ in FLOATS:
        return f"CASE WHEN {cell} = trunc({cell}) AND abs({cell}) <= {2**53} THEN CAST({cell} AS BIGINT) END"
    if type_ == "VARCHAR":
        whole = f"regexp_full_match({cell}, '[+-]?[0-9]{{1,19}}(\\.0*)?')"
        return f"CASE WHEN {whole} THEN TRY_CAST(split_part({cell}, '.', 1) AS BIGINT) END"
    return f"TRY_CAST({cell} AS BIGINT)"
