"""What a killed writer leaves behind, and how the next one removes it: only what no version names."""

from __future__ import annotations

from pathlib import Path

from workbench.lake import schemas
from workbench.lake.engine import sweep_scratch
from workbench.lake.manifest import Manifest


def sweep(root: Path, home: Path, manifest: Manifest) -> None:
    """Remove files below ``home`` that no entry of ``manifest`` names; the caller holds the lock of ``home``.

    Args:
        root: the tenant's folder, which segment paths are relative to.
        home: where this lake writes: ``root``, or a branch's own folder.

    Raises:
        ManifestDamaged: the chain cannot be believed, so nothing is removed.
    """
    known = {data["path"] for entry in manifest.entries() for data in entry["add"]}
    for kind in schemas.KINDS:
        for path in (home / kind).rglob("*"):
            if path.is_file() and path.relative_to(root).as_posix() not in known:
                path.unlink()
    for path in manifest.folder.glob("*.tmp"):
        path.unlink()
    sweep_scratch(root / "spill")
