"""The lineage fingerprint: a portable integer mix of an event's content, in SQL and in Python.

DuckDB's own ``hash()`` is not promised to stay the same between versions and no other engine has it, so each event
is folded into two 32-bit lanes by multiply-and-reduce, and a record's fingerprint is the sum of its events' mixes
modulo 2**64: independent of order, and the same at the edge, in the centre and in the verifier. It detects change;
it is no signature (segments and manifests carry SHA-256 for that).

Lane step: ``lane = ((lane xor word) * 2654435761) mod 4294967291``, Knuth's multiplicative constant and the largest
prime below 2**32; both factors stay below 2**32, so the product fits an unsigned 64-bit integer exactly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

_MULTIPLIER = 2654435761
_PRIME = 4294967291
_SEED = 2166136261
_LOW = 0xFFFFFFFF
_MISSING = 0x9E3779B9


def words_sql(column: str, type_: str) -> list[str]:
    """The 32-bit words of one column as UBIGINT expressions; a missing value has a word of its own."""
    name = f'"{column}"'
    if type_ in {"BOOLEAN", "TINYINT", "SMALLINT", "UTINYINT", "USMALLINT", "INTEGER"}:
        return [f"coalesce(({name}::BIGINT & {_LOW})::UBIGINT, {_MISSING}::UBIGINT)"]
    if type_ in {"BIGINT", "UINTEGER", "TIMESTAMP"}:
        whole = f"epoch_us({name})" if type_ == "TIMESTAMP" else f"{name}::BIGINT"
    else:
        # Text and samples (floats included) go through their text; the digest's low half is a BIGINT pattern.
        whole = f"(md5_number_lower({name}::VARCHAR) >> 1)::BIGINT"
    low = f"coalesce(({whole} & {_LOW})::UBIGINT, {_MISSING}::UBIGINT)"
    high = f"coalesce((({whole} >> 32) & {_LOW})::UBIGINT, {_MISSING}::UBIGINT)"
    return [low, high]


def mix_sql(first: Mapping[str, str], second: Mapping[str, str]) -> str:
    """One event's mix as a UBIGINT expression.

    Args:
        first: column name to DuckDB type for the high lane (what the event is: time, quantity).
        second: the same for the low lane (what came with it: keys, dimensions, samples).
    """
    high, low = _lane_sql(first), _lane_sql(second)
    return f"({high} * 4294967296::UBIGINT + {low})"


def sum_sql(expression: str, where: str = "") -> str:
    """The fingerprint of a group: the sum of its mixes modulo 2**64, as UBIGINT."""
    keep = f" FILTER ({where})" if where else ""
    return f"(coalesce(sum({expression}){keep}, 0) % 18446744073709551616)::UBIGINT"


def _lane_sql(columns: Mapping[str, str]) -> str:
    lane = f"{_SEED}::UBIGINT"
    for column, type_ in columns.items():
        for word in words_sql(column, type_):
            lane = f"((xor({lane}, {word}) * {_MULTIPLIER}::UBIGINT) % {_PRIME}::UBIGINT)"
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
        for word in _words(value, type_):
            lane = ((lane ^ word) * _MULTIPLIER) % _PRIME
    return lane


def _words(value: object, type_: str) -> list[int]:
    narrow = type_ in {"BOOLEAN", "TINYINT", "SMALLINT", "UTINYINT", "USMALLINT", "INTEGER"}
    if value is None:
        return [_MISSING] if narrow else [_MISSING, _MISSING]
    if narrow:
        return [int(value) & _LOW]  # type: ignore[call-overload]
    if type_ in {"BIGINT", "UINTEGER", "TIMESTAMP"}:
        whole = int(value)  # type: ignore[call-overload]
    else:
        # DuckDB's md5_number_lower is the digest's second half read little-endian.
        whole = (
            int.from_bytes(hashlib.md5(str(value).encode(), usedforsecurity=False).digest()[8:], "little")
            >> 1
        )
    return [whole & _LOW, (whole >> 32) & _LOW]
