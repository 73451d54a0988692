"""The lineage fingerprint: a portable integer mix of an event's content, in SQL and in Python.

DuckDB's own ``hash()`` is not promised to stay the same between versions and no other engine has it, so each event
is folded into two 32-bit lanes by multiply-and-shift, and a record's fingerprint is the sum of its events' mixes
modulo 2**64: independent of order, and the same at the edge, in the centre and in the verifier. It detects change;
it is no signature (segments and manifests carry SHA-256 for that).

Lane step: ``lane = ((lane xor word) * 2654435761) >> 16``, the middle 32 bits of the product, after Knuth's
multiplicative hashing (The Art of Computer Programming, vol. 3, 6.4); both factors stay below 2**32, so the product
fits an unsigned 64-bit integer exactly. A 64-bit value enters as one word, ``(v xor v >> 29)`` cut to 32 bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

_MULTIPLIER = 2654435761
_SEED = 2166136261
_LOW = 0xFFFFFFFF
_MISSING = 0x9E3779B9
_FOLD = 29
_NARROW = {"BOOLEAN", "TINYINT", "SMALLINT", "UTINYINT", "USMALLINT", "INTEGER"}
_WIDE = {"BIGINT", "UINTEGER", "TIMESTAMP"}


def word_sql(column: str, type_: str, *, nullable: bool) -> str:
    """The 32-bit word of one column as a UBIGINT expression; a missing value has a word of its own."""
    name = f'"{column}"'
    if type_ in _NARROW:
        word = f"({name}::BIGINT & {_LOW})::UBIGINT"
    else:
        whole = f"epoch_us({name})" if type_ == "TIMESTAMP" else f"{name}::BIGINT"
        if type_ not in _WIDE:
            # Text and samples (floats included) go through their text.
            whole = f"(md5_number_lower({name}::VARCHAR) >> 1)::BIGINT"
        word = f"(xor({whole}, {whole} >> {_FOLD}) & {_LOW})::UBIGINT"
    return f"coalesce({word}, {_MISSING}::UBIGINT)" if nullable else word


def mix_sql(first: Mapping[str, str], second: Mapping[str, str]) -> str:
    """One event's mix as a UBIGINT expression.

    Args:
        first: column name to DuckDB type for the high lane (what the event is: time, quantity); never NULL.
        second: the same for the low lane (what came with it: keys, dimensions, samples).
    """
    high, low = _lane_sql(first, nullable=False), _lane_sql(second, nullable=True)
    return f"({high} * 4294967296::UBIGINT + {low})"


def sum_sql(expression: str, where: str = "") -> str:
    """The fingerprint of a group: the sum of its mixes modulo 2**64, as UBIGINT."""
    keep = f" FILTER ({where})" if where else ""
    return f"(coalesce(sum({expression}){keep}, 0) % 18446744073709551616)::UBIGINT"


def _lane_sql(columns: Mapping[str, str], *, nullable: bool) -> str:
    lane = f"{_SEED}::UBIGINT"
    for column, type_ in columns.items():
        word = word_sql(column, type_, nullable=nullable)
        lane = f"(((xor({lane}, {word}) * {_MULTIPLIER}::UBIGINT) >> 16) & {_LOW}::UBIGINT)"
    return lane


def mix(first: Sequence[tuple[object, str]], second: Sequence[tuple[object, str]]) -> int:
    """The same mix for one event in plain Python.

    Args:
        first: (value, DuckDB type) of the high lane's columns; timestamps as microseconds since 1970.
        second: the same for the low lane.

    >>> mix([(5, "BIGINT")], [(None, "SMALLINT")]) == mix([(5, "BIGINT")], [(None, "SMALLINT")])
    True
    """
    return (_lane(first) << 32) + _lane(second)


def _lane(values: Sequence[tuple[object, str]]) -> int:
    lane = _SEED
    for value, type_ in values:
        lane = (((lane ^ _word(value, type_)) * _MULTIPLIER) >> 16) & _LOW
    return lane


def _word(value: object, type_: str) -> int:
    if value is None:
        return _MISSING
    if type_ in _NARROW:
        return int(value) & _LOW  # type: ignore[call-overload]
    if type_ in _WIDE:
        whole = int(value)  # type: ignore[call-overload]
    else:
        # DuckDB's md5_number_lower is the digest's second half read little-endian.
        whole = (
            int.from_bytes(hashlib.md5(str(value).encode(), usedforsecurity=False).digest()[8:], "little")
            >> 1
        )
    return int((whole ^ (whole >> _FOLD)) & _LOW)
