"""Tables in the documentation that are made from the code; ``make docs`` rewrites them, tests hold them to it."""

from __future__ import annotations

import re

from tests.house import error_codes
from tests.house.tree import ROOT
from workbench.lake.schemas import KINDS

FORMATS = "docs/file-formats.md"


def kinds_block() -> str:
    """Kind of segment, its columns with their types; an ellipsis where further columns may follow."""
    rows = ["| kind | columns |", "| --- | --- |"]
    for kind, columns in KINDS.items():
        named = [f"{name} {type_}" for name, type_ in columns.items() if name != "..."]
        rows.append(f"| `{kind}` | {', '.join(named)}{' …' if '...' in columns else ''} |")
    return "\n".join(rows)


def with_block(page: str, name: str, block: str) -> str:
    """A page's text with the part between two marks replaced.

    Raises:
        ValueError: the page does not have the two marks.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    made, times = re.subn(f"{begin}.*{end}", lambda _: f"{begin}\n{block}\n{end}", page, flags=re.DOTALL)
    if times != 1:
        raise ValueError(f"the page has {times} places for {name}")
    return made


def main() -> None:
    """Rewrite every table."""
    for page, name, block in (
        (error_codes.PAGE, "codes", error_codes.codes_block()),
        (FORMATS, "kinds", kinds_block()),
    ):
        path = ROOT / page
        path.write_text(with_block(path.read_text(), name, block))


if __name__ == "__main__":
    main()
