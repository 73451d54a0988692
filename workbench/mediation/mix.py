"""The lineage fingerprint: a portable integer mix of an event's content, in SQL and in Python.

DuckDB's own ``hash()`` is not promised to stay the same between versions and no other engine has it, so each event
is folded into two 32-bit lanes by multiply-and-shift, and a record's fingerprint is the sum of its events' mixes
modulo 2**64: independent of order, and the same at the edge, in the centre and in the verifier. It detects change;
it is no signature (segments and manifests carry SHA-256 for that).

Lane step: ``lane = ((lane xor word) * 1640531527) >> 16``, cut to 32 bits: the middle of the product, after Knuth's
multiplicative hashing (The Art of Computer Programming, vol. 3, 6.4; the factor is 2**32 less its golden section). One
factor stays below 2**32, the other below 2**31, so the product fits a signed 64-bit integer exactly, which every engine
has. A 64-bit value enters as ``v xor v >> 29``. Words are not cut one by one: the lane is, once per step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

_MULTIPLIER = 1640531527
_SEED = 2166136261
_LOW = 0xFFFFFFFF
_MISSING = 0x9E3779B9
_FOLD = 29
_NARROW = {"BOOLEAN", "TINYINT", "SMALLINT", "UTINYINT", "USMALLINT", "INTEGER"}
_WIDE = {"BIGINT", "UINTEGER", "TIMESTAMP"}


def word_sql(column: str, type_: str, *, nullable: bool) -> str:
    """A column as a BIGINT expression whose lower 32 bits are its word; a missing value has a word of its own."""
    name = f'"{column}"'
    if type_ in _NARROW:
        word = f"{name}::BIGINT"
    else:
        whole = f"epoch_us({name})" if type_ == "TIMESTAMP" else f"{name}::BIGINT"
        if type_ not in _WIDE:
            # Text and samples (floats included) go through their text.
            whole = f"(md5_number_lower({name}::VARCHAR) >> 1)::BIGINT"
        word = f"xor({whole}, {whole} >> {_FOLD})"
    return f"coalesce({word}, {_MISSING})" if nullable else word


def mix_sql(first: Mapping[str, str], second: Mapping[str, str]) -> str:
    """One event's mix as a UBIGINT expression.

    Args:
        first: column name to DuckDB type for the high lane (what the event is: time, quantity); never NULL.
        second: the same for the low lane (what came with it: keys, dimensions, samples).
    """
    high, low = _lane_sql(first, nullable=False), _lane_sql(second, nullable=True)
    return f"({high}::UBIGINT * 4294967296::UBIGINT + {low}::UBIGINT)"


def sum_sql(expression: str, where: str = "") -> str:
    """The fingerprint of a group: the sum of its mixes modulo 2**64, as UBIGINT."""
    keep = f" FILTER ({where})" if where else ""
    return f"(coalesce(sum({expression}){keep}, 0) % 18446744073709551616)::UBIGINT"


def _lane_sql(columns: Mapping[str, str], *, nullable: bool) -> str:
    lane = f"{_SEED}::BIGINT"
    for column, type_ in columns.items():
        word = word_sql(column, type_, nullable=nullable)
        lane = f"(((xor({lane}, {word}) & {_LOW}) * {_MULTIPLIER}) >> 16)"
    return f"({lane} & {_LOW})"


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
