"""Beside the node: carry out the log again, write snapshots, the table of answers, and the lake's postings from it.

A process of its own does this, so the node never stops for a snapshot; and since every answer must come out as it was
given, each snapshot is also a proof of the log it was made from.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from workbench.charging import answers, snapshot
from workbench.charging.book import Collector, book, booked_upto, utc_now
from workbench.charging.recovery import recover
from workbench.errors import LakeLocked

LOCK_SECONDS = 20.0


def follow(
    folder: Path, tenants: tuple[str, ...], upto: int | None = None, lake: Path | None = None
) -> dict[str, int]:
    """Bring the snapshot and the answers of a folder up to the log, or up to a position of it.

    The lake first, then answers, then the snapshot: whoever finds the snapshot finds what belongs to it, and what comes
    before it can be done again without harm.

    Returns: ``seq`` and ``position`` of the snapshot, ``answers`` kept, ``requests`` carried out, ``postings`` booked.

    Raises:
        LakeLocked: another process writes to the lake; nothing was changed.
    """
    facts = Collector(booked_upto(lake, folder.name, tenants)) if lake is not None else None
    found = recover(folder, tenants, upto, facts.listen if facts is not None else None)
    node, posted = found.node, 0
    for tenant in tenants if lake is not None and facts is not None else ():
        assert lake is not None
        assert facts is not None
        charged = facts.rows.get(tenant, [])
        posted += _patiently(partial(book, lake, folder.name, tenant, node, charged, utc_now(node.now)))
    rows = ((key, digest, said, node.now) for key, (digest, said, _) in node.remembered())
    kept = answers.write(folder, rows, node.now)
    snapshot.write(folder, node, found.position)
    return {
        "seq": node.seq,
        "position": found.position,
        "answers": kept,
        "requests": found.requests,
        "postings": posted,
    }


def _patiently(do: Callable[[], int]) -> int:
    """Several nodes may book into one lake: wait for its lock a while."""
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return do()
        except LakeLocked:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


if __name__ == "__main__":
    os.nice(10)  # the node comes first
    folder_, tenants_, lake_, upto_ = (*sys.argv[1:], "", "")[:4]
    made = follow(
        Path(folder_),
        tuple(tenants_.split(",")),
        int(upto_) if upto_ else None,
        Path(lake_) if lake_ else None,
    )
    sys.stdout.write(json.dumps(made) + "\n")
