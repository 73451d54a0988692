"""A node in a process of its own, to be killed: ``python -m tests.charging.killing FOLDER SOCKET SNAPSHOT_REQUESTS``."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.charging.world import CATALOGUE
from workbench.charging.serve import Doors, serve
from workbench.journal.settings import JournalSettings

if __name__ == "__main__":
    folder, path, snapshots = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    doors = Doors(
        folder, catalogue=CATALOGUE, socket=path, snapshot_requests=snapshots,
        more={"settings": JournalSettings(segment_bytes=1 << 20)},
    )  # fmt: skip
    serve(doors, lambda running: sys.stdout.write("ready\n") and sys.stdout.flush())
