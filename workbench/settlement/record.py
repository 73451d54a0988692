"""The record a close leaves in the manifest: totals, balances and the exact files, chained to the close
before it.

The chain makes the set of closes tamper-evident on its own; that their files are still the ones named is what
``checks.closed_rows_unchanged`` proves (I16).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.lake.lake import Lake
from workbench.lake.segment import Segment

FACT = "close"


def genesis(tenant: str) -> str:
    """What the first close of a tenant follows."""
    return hashlib.sha256(f"close\x1f{tenant}".encode()).hexdigest()


def seal(fact: Mapping[str, Any]) -> str:
    """The hash of a close's record: of everything in it but the hash, keys sorted."""
    body = {name: value for name, value in fact.items() if name != "hash"}
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def in_order(lake: Lake) -> list[tuple[str, dict[str, Any]]]:
    """Closes and adjustments by the order they were made in: (id, record)."""
    return sorted(lake.facts(FACT).items(), key=lambda item: int(item[1]["sequence"]))


def chained(lake: Lake, record: Mapping[str, Any]) -> dict[str, Any]:
    """``record`` with its place: sequence, the hash it follows, and its own."""
    made = in_order(lake)
    last = made[-1][1]["hash"] if made else genesis(lake.tenant)
    fact = {**record, "sequence": len(made) + 1, "follows": last}
    return {**fact, "hash": seal(fact)}


def files(segments: Sequence[Segment]) -> dict[str, str]:
    """Segment id to the sha256 of its bytes."""
    return {segment.id: segment.sha256 for segment in sorted(segments, key=lambda item: item.id)}
