"""What a node charged comes onto the lines of the bill once, exactly; what was given back is given back there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.lake.lake import Lake
from workbench.model.plan import Period
from workbench.rating.node import charges, mark, without_line

MARCH = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
NOON = datetime(2026, 3, 5, 12)
EXACT = pa.decimal128(38, 0)
SCHEMA = pa.schema(
    [("seq", pa.int64()), ("request_id", pa.string()), ("account_id", pa.string()), ("device_id", pa.string()),
     ("meter", pa.string()), ("used_at", pa.timestamp("us")), ("units", pa.int64()), ("offer_id", pa.string()),
     ("offer_version", pa.int32()), ("component_id", pa.string()), ("rate_id", pa.string()), ("units_before", pa.int64()),
     ("amount", EXACT), ("price_denominator", EXACT), ("dims", pa.string()), ("given", EXACT), ("refers_to", pa.string())]
)  # fmt: skip
DEVICES = "SELECT 7::BIGINT AS device_key, 'd1' AS device_id, 'sim' AS source"
LINES = (
    "(SELECT * FROM (VALUES (1, 'acme', 'o', 1, 'data', 'usage', 6), (2, 'acme', 'o', 1, 'sms', 'usage', 6), "
    "(3, 'acme', 'o', 1, 'data', 'recurring', 6)) "
    "v(line_no, account_id, offer_id, offer_version, component_id, kind, price_denominator))"
)


def row(request: str, amount: int, **said: Any) -> dict[str, Any]:
    """A charge of ``amount`` halves of a nano; what is not said is of the price ``data`` at noon."""
    held = {
        "seq": 1, "request_id": request, "account_id": "acme", "device_id": "d1", "meter": "m.data", "used_at": NOON,
        "units": 5, "offer_id": "o", "offer_version": 1, "component_id": "data", "rate_id": "default", "units_before": 0,
        "amount": Decimal(amount), "price_denominator": Decimal(2), "dims": "", "given": Decimal(0), "refers_to": "",
    }  # fmt: skip
    return held | said


def refund(request: str, of: str, amount: int, **said: Any) -> dict[str, Any]:
    """Money given back: it names the request, but no price."""
    return row(request, -amount, units=0, offer_id="", offer_version=0, component_id="", device_id="",
               refers_to=of, **said)  # fmt: skip


def told(
    path: Path, rows: Sequence[dict[str, Any]]
) -> tuple[str, list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The mark, the charges on lines, and who was charged without one, of a lake with some rows of a node."""
    with Lake.open(path, "main", create=True) as lake, lake.writer():
        if rows:
            table = pa.Table.from_pylist(list(rows), schema=SCHEMA)
            lake.commit(
                {"stage": "node"}, add=[lake.write("online_charges", table), lake.write("devices", DEVICES)]
            )
        names = "line_no, device_key, window_start, units, amount"
        made = lake.con.execute(
            f"SELECT {names} FROM ({charges(lake, MARCH, LINES)}) ORDER BY ALL"
        ).fetchall()
        stray = lake.con.execute(f"{without_line(lake, MARCH, LINES)} ORDER BY ALL").fetchall()
        return mark(lake, MARCH), made, stray


def test_without_a_node_nothing_is_marked_or_charged(tmp_path: Path) -> None:
    assert told(tmp_path / "lake", ()) == ("", [], [])
    outside = [row("r", 9, used_at=datetime(2026, 2, 28, 23)), row("s", 9, used_at=datetime(2026, 4, 1))]
    assert told(tmp_path / "other", outside) == ("", [], [])


def test_charges_stand_over_the_denominator_of_their_line_and_refunds_with_the_dearest_price(
    tmp_path: Path,
) -> None:
    rows = [
        row("r", 9), row("r", 30, component_id="sms", units=1),  # one request under two prices
        row("q", 4, used_at=datetime(2026, 3, 1)),
        row("x", 8, device_id="unheard"),
        refund("back", "r", 6),
    ]  # fmt: skip
    _, made, stray = told(tmp_path / "lake", rows)
    # over sixths of a nano: three times the halves; a device nobody heard of has no key
    assert made == [
        (1, 0, NOON, 5, 24),
        (1, 7, datetime(2026, 3, 1), 5, 12),
        (1, 7, NOON, 5, 27),
        (2, 7, NOON, 1, 90 - 18),
    ]
    assert stray == []


def test_who_is_charged_without_a_subscription_is_named(tmp_path: Path) -> None:
    rows = [
        row("r", 9),
        row("s", 5, account_id="stray"),
        row("t", 0, account_id="free"),
        row("u", 5, offer_version=2),
    ]
    assert told(tmp_path / "lake", rows)[2] == [("acme", "o"), ("stray", "o")]


def test_every_change_of_the_nodes_rows_changes_the_mark(tmp_path: Path) -> None:
    worlds = [
        [row("r", 9)],
        [row("r", 8)],
        [row("r", 9, used_at=datetime(2026, 3, 5, 13))],
        [row("r", 4), row("s", 5)],
        # given back in full within the period, which is not the same as never charged
        [row("r", 9), refund("back", "r", 9)],
        [row("r", 0)],
    ]
    marks = [told(tmp_path / f"lake{number}", rows)[0] for number, rows in enumerate(worlds)]
    assert all(marks)
    assert len(set(marks)) == len(worlds)
    assert told(tmp_path / "again", worlds[0])[0] == marks[0]
