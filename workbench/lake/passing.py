"""Files that a live lake lets go: replaced by its own batches, a moment after they were made.

A live lake makes small segments by the minute and merges them; kept for ever, its history would outgrow its content.
What may go is decided here, by the manifest alone, so that who deletes and who proves follow one rule: it was taken
out by a commit of the live stage, it is of a kind whose rows live on in what replaced it, and no charge that stands was
made from it (the charges of a closed period name records that later batches replaced).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from workbench.lake.segment import Segment

LIVE_STAGE = "live"
KINDS = frozenset({"landed", "records", "quarantine", "state", "rejects", "deadletters", "devices"})


def spared(present: Iterable[Segment]) -> set[str]:
    """Ids of segments that present charges, or whatever else live batches do not make, were made from."""
    return {parent for segment in present if segment.kind not in KINDS for parent in segment.parents}


def may_go(history: Iterable[Mapping[str, Any]], present: Mapping[str, Segment]) -> set[str]:
    """Ids of replaced segments whose files may be gone from a lake.

    Args:
        history: the manifest's entries, oldest first.
        present: segments of the version looked at, by id.
    """
    removed: set[str] = set()
    for entry in history:
        removed -= {Segment.from_json(data).id for data in entry["add"]}
        if entry["run"].get("stage") == LIVE_STAGE:
            removed |= set(entry["remove"])
    return {id_ for id_ in removed - spared(present.values()) - set(present) if id_.split(":")[0] in KINDS}
