"""A million operations in the log, and no snapshot: how long a restart takes."""

from __future__ import annotations

import time
import zlib
from pathlib import Path

import pytest

from tests.charging.world import T0
from workbench.charging.batches import pack
from workbench.charging.messages import Command, Debit, Open, TopUp, encode
from workbench.charging.node import Node
from workbench.charging.recovery import recover
from workbench.journal.journal import Journal
from workbench.journal.message import RawMessage


@pytest.mark.slow
def test_a_million_operations_are_read_in_ten_seconds(tmp_path: Path) -> None:
    node, number, operations = Node(), 0, 1_000_000
    with Journal(tmp_path / "log") as journal:
        while number < operations:
            records, said = [], 0
            for _ in range(500):
                account = f"a{number % 10_000}"
                message: Command
                if number < 10_000:
                    message = Open(account=account, id=f"{number}")
                elif number < 20_000:
                    message = TopUp(account=account, id=f"{number}", amount_nano=10**12)
                else:
                    message = Debit(account=account, id=f"{number}", amount_nano=1000)
                handled = node.ask(message, T0 + number)
                records.append(encode(message))
                said = zlib.crc32(handled.answer, said)
                number += 1
            payload = pack(node.seq, records, said)
            journal.append((RawMessage("", "charge", "", "", "", payload, (T0 + number - 1) * 1000),))
            if number % 50_000 == 0:
                assert journal.flush(60)
        assert journal.flush(60)
    began = time.process_time()
    found = recover(tmp_path, ("main",))
    took = time.process_time() - began
    assert found.requests == operations
    assert found.node.seq == operations
    assert took < 10, f"{took:.1f} s of processor time"
