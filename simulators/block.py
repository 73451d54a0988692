"""One block of time: what truly happened, and what of it was delivered."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.columns import Array


@dataclass(frozen=True)
class Block:
    """The true events of one block of time and their deliveries.

    Args:
        columns: equally long arrays by column name (``received_at`` is not among them).
        rows: for each delivery the row of the event it carries.
        received_ms: for each delivery when it arrived [ms since 1970], never before the block begins.
    """

    columns: dict[str, Array]
    rows: Array
    received_ms: Array
