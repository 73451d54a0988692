"""Beside the node: carry out the log again, write snapshots and the table of answers from it.

A process of its own does this, so the node never stops for a snapshot; and since every answer must come out as it was
given, each snapshot is also a proof of the log it was made from.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from workbench.charging import answers, snapshot
from workbench.charging.recovery import recover


def follow(folder: Path, tenants: tuple[str, ...], upto: int | None = None) -> dict[str, int]:
    """Bring the snapshot and the answers of a folder up to the log, or up to a position of it.

    Answers first, then the snapshot: whoever finds the snapshot finds its answers.

    Returns: ``seq`` and ``position`` of the snapshot, ``answers`` kept, ``requests`` carried out.
    """
    found = recover(folder, tenants, upto)
    node = found.node
    rows = ((key, digest, said, node.now) for key, (digest, said) in node.answers.items())
    kept = answers.write(folder, rows, node.now)
    snapshot.write(folder, node, found.position)
    return {"seq": node.seq, "position": found.position, "answers": kept, "requests": found.requests}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(follow(Path(sys.argv[1]), tuple(sys.argv[2].split(",")))) + "\n")
