"""Three thousand malformed payloads: no crash, each refused with a reason, kept whole, and the good ones behind it taken."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import cbor2

from tests.mediation.test_intake import POLICY, said
from workbench.journal.message import RawMessage
from workbench.journal.reader import Batch
from workbench.lake.engine import one
from workbench.lake.lake import Lake
from workbench.mediation import deadletters
from workbench.mediation.intake import Intake
from workbench.mediation.mapping_file import parse_mapping
from workbench.mediation.reasons import REASONS
from workbench.mediation.routes import Route, Routes

MAPPING = parse_mapping(
    """
source: lamps
time: {zone: UTC, ends_at: ts}
device: {column: device}
meters:
  energy: {column: mwh, unit: mWh, unit_column: unit, column_unit: mWh}
"""
)
CORPUS = 3_000
GOOD = b'{"device":"d1","ts":"2026-03-02T00:00:01Z","mwh":5,"unit":"mWh"}'


def text(**changed: object) -> bytes:
    """The good payload with other members; ``...`` leaves one out, and text in ``<>`` goes in as it is."""
    row: dict[str, object] = {"device": "d1", "ts": "2026-03-02T00:00:01Z", "mwh": 5, "unit": "mWh"} | changed
    parts = []
    for name, value in row.items():
        if value is ...:
            continue
        raw = isinstance(value, str) and value.startswith("<")
        parts.append(f'"{name}":{value[1:-1] if raw else json.dumps(value)}')  # type: ignore[index]
    return ("{" + ",".join(parts) + "}").encode("utf-8", "surrogatepass")


def deep(chance: random.Random) -> bytes:
    levels = chance.choice([9, 60, 5_000, 200_000])
    return b'{"a":' * levels + b"1" + b"}" * levels


def cut(chance: random.Random) -> bytes:
    return GOOD[: chance.randrange(len(GOOD))]


def flipped(chance: random.Random) -> bytes:
    """One structural byte made into something else."""
    place = chance.choice([i for i, byte in enumerate(GOOD) if chr(byte) in '{}":,'])
    return GOOD[:place] + bytes([chance.choice(b"\x01\x7f@;")]) + GOOD[place + 1 :]


WAYS: tuple[Callable[[random.Random], bytes], ...] = (
    deep, cut, flipped,
    lambda c: text(mwh=c.choice(["<NaN>", "<Infinity>", "<-Infinity>", "NaN", "inf", "nan"])),
    lambda c: text(mwh=c.choice(["<1e400>", "<-1e400>", "<1e19>", f"<{10 ** c.randrange(20, 300)}>", "<0.5>", "<-0.1>"])),
    lambda c: text(mwh=c.choice([-1, -(2**63), True, [], {}, "five", "0x10", "1_000", "", None, ...])),
    lambda c: text(ts=c.choice(["2026-03-02T23:59:60Z", "2026-02-30T00:00:00Z", "yesterday", "infinity", "", 0, None, ...])),
    lambda c: text(ts=c.choice(["9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z", "2026-03-03T00:00:00Z", "2025-03-02T00:00:00Z"])),
    lambda c: text(unit=c.choice(["kWh", "MWH", "", None, 1, ...])),
    lambda c: text(device=c.choice(["", " d1", "\t", None, "x" * 300, ..., "other"])),
    lambda c: GOOD[:-1] + c.choice([b',"mwh":5}', b',"device":"d2"}', b', "ts" : 1}']),
    lambda c: GOOD.replace(b"d1", c.choice([b"\x00", b"\\u0000", b"\xff\xfe", b"\\ud800", b"\xc3\x28"])),
    lambda c: c.choice([b"", b"null", b"7", b'"text"', b"[]x", b"[7,8]", b"\xef\xbb\xbf", b"{}", b"not json", b"\x00"]),
    lambda c: c.choice([b"\x9f", b"\xa1", b"\x82\x01", b"\xbf\xff\x00", cbor2.dumps([{"n": 5}]), cbor2.dumps({1: 2})]),
    lambda c: text(mwh=[1, 2], ts=["2026-03-02T00:00:01Z"] * c.choice([1, 3])),
    lambda c: bytes(c.randrange(256) for _ in range(c.randrange(1, 80))),
)  # fmt: skip


def corpus(seed: int) -> list[RawMessage]:
    chance = random.Random(seed)
    found = []
    for number in range(CORPUS):
        payload = WAYS[number % len(WAYS)](chance)
        found.append(said(1)._replace(payload=payload, device="d1", topic=f"lamps/{number}"))
    return found


def test_every_one_is_refused_with_a_reason_and_none_is_in_the_way(tmp_path: Path) -> None:
    bad = corpus(11)
    good = [said(n)._replace(payload=text(ts=f"2026-03-02T00:00:{n:02d}Z")) for n in range(60)]
    mixed = [
        m for n, message in enumerate(bad) for m in ([message, good[n // 50]] if n % 50 == 25 else [message])
    ]
    with Lake.open(tmp_path, create=True) as lake, lake.writer():
        intake = Intake(lake, Routes([Route(MAPPING, "lamps/#")]), POLICY)
        for at in range(0, len(mixed), 1_000):
            part = mixed[at : at + 1_000]
            taken = intake.take([Batch("wire-0", at, part)])
            assert set(taken.reasons) <= set(REASONS)
        (events,) = one(lake.con, f"SELECT sum(n_events) FROM {lake.scan('records')}") or (0,)
        assert events == len(good)
        letters = deadletters.letters(lake)
        kept = {letter["topic"] for letter in letters}
        silent = [m.payload[:80] for m in bad if m.topic not in kept]
        assert silent == []
        assert {letter["reason"] for letter in letters} >= {
            "bad_json", "duplicate_key", "too_deep", "nul_byte", "bad_utf8", "nan", "infinite", "number_out_of_range",
            "not_whole", "negative", "not_a_number", "bad_time", "time_out_of_range", "time_in_future", "time_too_old",
            "wrong_unit", "missing_device", "bad_device", "not_the_sender", "bad_cbor", "ragged_columns",
        }  # fmt: skip
