"""Two small charts as inline SVG: no script, no font, no request. Coordinates are for the eye; labels are exact text."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from html import escape
from itertools import pairwise

from workbench.twin.show import rounded, signed

_WIDE, _ROW, _LEFT, _RIGHT = 760, 30, 230, 130
EDGES = (-50, -25, -15, -10, -5, -1, 0, 0, 1, 5, 10, 15, 25, 50)
"""Bounds of the histogram's bins, in percent; the empty bin in the middle holds the bills that stay."""


def waterfall(before: Fraction, rules: Sequence[tuple[str, Fraction]], after: Fraction, currency: str) -> str:
    """From production's revenue to the candidate's, a bar for each rule.

    The scale is that of the movements: when they are small beside the revenue, the first bar starts off the page.
    """
    largest = sorted(rules, key=lambda rule: -abs(rule[1]))
    shown, rest = largest[:12], largest[12:]
    if rest:
        shown.append((f"{len(rest)} more rules", sum((delta for _, delta in rest), Fraction(0))))
    points = [before]
    for _, delta in shown:
        points.append(points[-1] + delta)
    low, high = min(points), max(points)
    margin = (high - low) / 6 or Fraction(1)
    low, high = max(Fraction(0), low - margin), high + margin
    rows = [_bar(0, "now", low, before, "total", rounded(before, currency), (low, high))]
    at = before
    for place, (name, delta) in enumerate(shown, 1):
        shade = "up" if delta > 0 else "down"
        rows.append(_bar(place, name, at, at + delta, shade, signed(delta, currency), (low, high)))
        at += delta
    rows.append(_bar(len(shown) + 1, "would be", low, after, "total", rounded(after, currency), (low, high)))
    return _svg(len(rows) * _ROW + 6, "".join(rows), f"Revenue rule by rule, {currency}")


def _bar(
    place: int,
    name: str,
    start: Fraction,
    end: Fraction,
    shade: str,
    label: str,
    scale: tuple[Fraction, Fraction],
) -> str:
    low, high = scale
    width = _WIDE - _LEFT - _RIGHT

    def x(amount: Fraction) -> float:
        return _LEFT + float((amount - low) / (high - low)) * width

    left, right = sorted((x(start), x(end)))
    y = place * _ROW + 4
    return ('<text class="name" x="{nx}" y="{ty}" text-anchor="end">{name}</text>'
        '<rect class="{shade}" x="{x:.1f}" y="{y}" width="{w:.1f}" height="{h}" rx="3"/>'
        '<text class="value" x="{vx:.1f}" y="{ty}">{label}</text>').format(
        nx=_LEFT - 10, ty=y + 15, name=escape(name if len(name) < 34 else name[:32] + "…"), shade=shade, x=left, y=y,
        w=max(right - left, 2), h=_ROW - 9, vx=right + 8, label=escape(label),
    )  # fmt: skip


def histogram(percents: Sequence[Fraction]) -> str:
    """How many bills move by how much."""
    names, counts = bins(percents)
    most = max([*counts, 1])
    high, step = 150, _WIDE / len(names)
    parts = []
    for place, (name, count) in enumerate(zip(names, counts, strict=True)):
        tall = 0 if not count else max(3, round(count * (high - 30) / most))
        middle = len(names) // 2
        shade = "down" if place < middle else "up" if place > middle else "same"
        parts.append(
            (
                '<rect class="{shade}" x="{x:.1f}" y="{y}" width="{w:.1f}" height="{h}" rx="3"/>'
                '<text class="count" x="{cx:.1f}" y="{cy}" text-anchor="middle">{count}</text>'
                '<text class="tick" x="{cx:.1f}" y="{ty}" text-anchor="middle">{name}</text>'
            ).format(
                shade=shade,
                x=place * step + 3,
                y=high - tall,
                w=step - 6,
                h=tall,
                cx=place * step + step / 2,
                cy=high - tall - 5,
                count=f"{count:,}" if count else "",
                ty=high + 16,
                name=escape(name),
            )
        )
    return _svg(high + 24, "".join(parts), "How many bills move by how many percent")


def bins(percents: Sequence[Fraction]) -> tuple[list[str], list[int]]:
    """Names and counts of the histogram's bins."""
    names = [f"< {EDGES[0]} %"]
    for low, high in pairwise(EDGES):
        names.append("same" if low == high else f"{low}…{high}")
    names.append(f"> {EDGES[-1]} %")
    counts = [0] * len(names)
    middle = len(names) // 2
    for number in percents:
        if number == 0:
            counts[middle] += 1
        elif number < 0:
            counts[sum(number >= edge for edge in EDGES[: middle - 1])] += 1
        else:
            counts[middle + 1 + sum(number > edge for edge in EDGES[middle + 1 :])] += 1
    return names, counts


def _svg(height: int, inner: str, title: str) -> str:
    return (
        '<svg viewBox="0 0 {w} {h}" role="img" aria-label="{title}" xmlns="http://www.w3.org/2000/svg"><title>{title}</title>'
        "{inner}</svg>"
    ).format(w=_WIDE, h=height, title=escape(title), inner=inner)
