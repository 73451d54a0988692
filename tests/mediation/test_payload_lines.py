from __future__ import annotations

from decimal import Decimal

import pytest

from workbench.mediation.formats.jsontext import Problem
from workbench.mediation.payloads import rows_of


def read(payload: bytes, kind: str) -> list[object]:
    return [row.reason if isinstance(row, Problem) else row for row in rows_of(payload, kind, Decimal(0))]


def test_ndjson_is_read_line_by_line_and_a_broken_one_costs_only_itself() -> None:
    payload = b'{"a":1.50}\n\nnonsense\r\n{"a":1,"a":2}\n{"a":null,"b":{"c":"x"}}\n[1]\n{"a":"\xff"}'
    assert read(payload, "application/x-ndjson; charset=utf-8") == [
        {"a": "1.50"}, "bad_json", "duplicate_key", {"a": None, "b.c": "x"}, "not_an_object", "bad_utf8",
    ]  # fmt: skip


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_csv_finds_its_delimiter_and_keeps_numbers_as_text(sign: str) -> None:
    rows = [("a", "b"), ("1.50", "x"), ('"2"', f'"y{sign} z\nq"'), ("3",), (), ("4", "")]
    payload = "\ufeff" + "\r\n".join(sign.join(row) for row in rows)
    found = read(payload.encode(), "text/csv")
    assert found == [
        {"a": "1.50", "b": "x"}, {"a": "2", "b": f"y{sign} z\nq"}, "wrong_field_count", {"a": "4", "b": None},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "reason"),
    [(b"", "bad_header"), (b"a,a\n1,2", "bad_header"), (b"a\n\x00", "nul_byte"), (b"a\n\xff", "bad_utf8"), (b'a\n"x', "bad_quotes")],
)  # fmt: skip
def test_a_csv_payload_that_is_none(payload: bytes, reason: str) -> None:
    assert read(payload, "text/csv") == [reason]
