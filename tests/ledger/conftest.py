"""A writable lake of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from workbench.lake.lake import Lake
from workbench.ledger.entry import Posting

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
PERIOD = "2026-01-01/2026-02-01"


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with Lake.open(tmp_path / "lake", create=True) as lake, lake.writer():
        yield lake


@pytest.fixture
def posting():
    def make(key: str = "line:1", amount: int = 100, **more: str) -> Posting:
        fields = {"debit_account": "receivable:acme", "credit_account": "revenue:lamp", "memo": "", **more}
        return Posting(
            tx_id="INV-000001", posting_key=key, currency="EUR", amount_nano=amount, period=PERIOD, **fields
        )

    return make
