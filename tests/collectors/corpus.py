"""Three thousand payloads that are no usage, from one seed: what broken, old and hostile senders send."""

from __future__ import annotations

import random
from collections.abc import Iterator

GOOD = b'{"device":"lamp-1","ts":"2026-03-02T00:00:00Z","mwh":%d}'
_VALUES = [
    b"NaN", b"-Infinity", b"1e400", b"-1e400", b"9" * 4000, b"1e-400", b"0x10", b"01", b".5", b"5.", b'"5"', b"null", b"[]", b"{}",
    b'"\\u0000"', b'"\\ud800"', b"tru", b"1_000", b"--1", b"1e", b"\xf0\x9f\x92\xa1", b"'5'",
]  # fmt: skip
_TIMES = [
    b"2026-03-02T23:59:60Z", b"2026-02-30T00:00:00Z", b"0000-00-00T00:00:00Z", b"99999-01-01T00:00:00Z", b"yesterday", b"",
    b"2026-03-02T24:00:00Z", b"2026-03-02T00:00:00", b"-1", b"1e18", b"2026-03-02T00:00:00+99:00",
]  # fmt: skip


def corpus(count: int = 3000, seed: int = 20260302) -> Iterator[bytes]:
    """Payloads, one kind after the other, no two alike on purpose."""
    chance = random.Random(seed)
    kinds = (_cut, _flipped, _deep, _value, _time, _twice, _spoofed, _unit, _noise, _binary)
    for number in range(count):
        yield kinds[number % len(kinds)](chance, number)


def _cut(chance: random.Random, number: int) -> bytes:
    whole = GOOD % number
    return whole[: chance.randrange(len(whole))]


def _flipped(chance: random.Random, number: int) -> bytes:
    whole = bytearray(GOOD % number)
    for _ in range(chance.randint(1, 4)):
        whole[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
    return bytes(whole)


def _deep(chance: random.Random, number: int) -> bytes:
    depth = chance.choice([9, 100, 1000, 20_000])
    opened, closed = chance.choice([(b"[", b"]"), (b'{"a":', b"}")])
    return opened * depth + b"%d" % number + closed * chance.choice([depth, depth - 1, 0])


def _value(chance: random.Random, number: int) -> bytes:
    return (
        b'{"device":"lamp-1","ts":"2026-03-02T00:00:00Z","mwh":'
        + chance.choice(_VALUES)
        + b',"n":%d}' % number
    )


def _time(chance: random.Random, number: int) -> bytes:
    return b'{"device":"lamp-1","ts":"' + chance.choice(_TIMES) + b'","mwh":%d}' % number


def _twice(chance: random.Random, number: int) -> bytes:
    return b'{"device":"lamp-1","ts":"2026-03-02T00:00:00Z","mwh":1,"mwh":%d}' % number


def _spoofed(chance: random.Random, number: int) -> bytes:
    return b'{"device":"lamp-2","tenant":"another","ts":"2026-03-02T00:00:00Z","mwh":%d}' % number


def _unit(chance: random.Random, number: int) -> bytes:
    unit = chance.choice([b"kwh", b"mWH", b"\xb5Wh", b"", b"MWh' OR 1=1 --", b"=cmd|' /C calc'!A0"])
    return b'{"device":"lamp-1","ts":"2026-03-02T00:00:00Z","unit":"' + unit + b'","mwh":%d}' % number


def _noise(chance: random.Random, number: int) -> bytes:
    return chance.randbytes(chance.randrange(1, 300))


def _binary(chance: random.Random, number: int) -> bytes:
    heads = [
        b"\x9f",
        b"\xbf",
        b"\x82\x00",
        b"\xfb\x7f\xf8",
        b"\x1f\x8b\x08",
        b"PK\x03\x04",
        b"PAR1",
        b"\xff\xfe{\x00",
        b"\xef\xbb\xbf",
    ]
    return chance.choice(heads) + chance.randbytes(chance.randrange(0, 40))
