from __future__ import annotations

import re
from pathlib import Path

from workbench.mediation.reasons import REASONS

ROOT = Path(__file__).resolve().parents[2]
SPOKEN = re.compile(
    r"""(?:Problem\(|literal\(|bad\([a-z_]+, |THEN |ELSE )f?["']([a-z0-9_]+)["':]|["']([a-z0-9_]+): """
)
NO_REASON = {"utc", "invalid"}


def spoken() -> set[str]:
    """Codes that the source of decoding and normalising hands out."""
    rooms = [ROOT / "workbench" / "mediation" / f"{name}.py" for name in ("binding", "cells", "times")]
    rooms += (ROOT / "workbench" / "mediation" / "formats").glob("*.py")
    found = {next(filter(None, pair)) for path in rooms for pair in SPOKEN.findall(path.read_text())}
    return {code for code in found if "_" in code or code in REASONS} - NO_REASON


def test_every_reason_is_explained_and_none_is_invented() -> None:
    assert spoken() - set(REASONS) == set()
    text = "".join(
        path.read_text()
        for path in (ROOT / "workbench" / "mediation").rglob("*.py")
        if path.stem != "reasons"
    )
    assert [code for code in REASONS if not re.search(rf"\b{code}\b", text)] == []


def test_the_examples_page_lists_every_reason() -> None:
    page = (ROOT / "examples" / "README.md").read_text()
    assert [code for code in REASONS if f"| `{code}` |" not in page] == []
