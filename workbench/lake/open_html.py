"""How an opened lake shows itself in a notebook: plain HTML, no script, no style sheet from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from workbench.lake.lake import Lake

_CELL = "padding:2px 12px 2px 0;text-align:{align}"


def lake_html(lake: Lake) -> str:
    """What is in the version ``lake`` looks at: kinds with segments, rows and bytes; streams; periods."""
    where = f"tenant {lake.tenant}" + (f", branch {lake.branch_name}" if lake.branch_name else "")
    head = (
        f"<b>Lake</b> {escape(str(lake.root))} &middot; {escape(where)} &middot; version {lake.state.version}"
    )
    kinds: dict[tuple[str, str], list[int]] = {}
    for segment in lake.state.segments.values():
        sums = kinds.setdefault((segment.kind, segment.stream or segment.period), [0, 0, 0])
        for index, value in enumerate((1, segment.rows, segment.bytes)):
            sums[index] += value
    rows = [
        (kind, of, f"{count:,}", f"{rows:,}", size_text(size))
        for (kind, of), (count, rows, size) in sorted(kinds.items())
    ]
    if not rows:
        return f"{head}<br>It is empty."
    return head + _table(("kind", "stream or period", "segments", "rows", "size"), rows)


def size_text(size: int) -> str:
    """A number of bytes for people, in integer arithmetic."""
    for unit, power in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= power:
            return f"{size // power}.{size % power * 10 // power} {unit}"
    return f"{size} B"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        aligned = ("left" if index < 2 else "right" for index in range(len(cells)))
        return "".join(
            f'<{tag} style="{_CELL.format(align=align)}">{escape(cell)}</{tag}>'
            for cell, align in zip(cells, aligned, strict=True)
        )

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f"<table><thead><tr>{line(head, 'th')}</tr></thead><tbody>{body}</tbody></table>"
