"""The verdict on the lake: a sampled verification, made once when the server starts, in a process of its own.

It computes for a minute; in the server's process the pages would stutter for that long.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path


class Proof:
    """Words for the pages.

    Attributes:
        words: the verdict; until it is there, that it is being made (ends in an ellipsis).
    """

    def __init__(self, path: Path, tenant: str) -> None:
        self.words = "Checking the books against the events ..."
        self._asked = [sys.executable, "-m", "workbench.dashboards.proof", str(path), tenant]
        threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        done = subprocess.run(self._asked, capture_output=True, text=True, check=False)
        failed = "The books could not be checked; run `workbench verify` to see why."
        self.words = done.stdout.strip() if done.returncode == 0 else failed


def words_for(path: Path, tenant: str) -> str:
    """Verify a sample of a lake and say what came out."""
    from workbench.errors import WorkbenchError
    from workbench.lake.lake import Lake
    from workbench.verify.run import verify

    try:
        with Lake.open(path, tenant) as lake:
            return verify(lake).verdict()
    except WorkbenchError as error:
        return str(error)


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(10)
    sys.stdout.write(words_for(Path(sys.argv[1]), sys.argv[2]) + "\n")
