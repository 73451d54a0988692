"""VUS-PR: precision and recall of a score over labelled *ranges*, averaged over how wide a range's borders are taken.

A label says "about here". Each border is therefore softened by up to ``width`` readings (weight falling as a square
root), a range counts as found once anything in it is flagged, and the area under precision and recall is averaged over
all widths from none to ``width``. Defined by Paparrizos et al., "Volume under the surface" (VLDB 2022); written anew
here, without the loop over thresholds: one sort of the scores serves all widths.
"""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.evaluation.budget import segments

_THRESHOLDS = 250
_WIDTH_ELSE, _WIDTH_MOST, _LAGS = 125, 300, 400


def vus_pr(label: Array, score: Array, width: int) -> float:
    """Volume under the precision-recall surface.

    Args:
        label: 0 or 1 per reading, in time order.
        score: suspicion per reading.
        width: the widest soft border, in readings; a period of the series is usual.

    Returns: 0 to 1; NaN when nothing is labelled.
    """
    flag = np.asarray(label) > 0
    count = len(flag)
    found = segments(flag)
    if not found:
        return float("nan")
    score = np.asarray(score, dtype=float)
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    level = ranked[np.linspace(0, count - 1, _THRESHOLDS).astype(int)]
    flagged = np.searchsorted(-ranked, -level, side="right")
    core = np.cumsum(flag[order])[flagged - 1]
    areas = [
        _area(
            _softened(flag, found, one), _merged(found, one, count), flag, score, order, level, flagged, core
        )
        for one in range(width + 1)
    ]
    return float(np.mean(areas))


def _area(
    soft: Array, ranges: list[tuple[int, int]], flag: Array, score: Array, order: Array, level: Array, flagged: Array,
    core: Array,
) -> float:  # fmt: skip
    true = np.cumsum(soft[order])[flagged - 1]
    positives = float(flag.sum())
    labels = true - core + positives  # a missed core counts in full, a missed border does not
    recall = np.minimum(true / ((positives + labels) / 2), 1.0)
    best = np.sort([score[begin:end].max() for begin, end in ranges])
    touched = (len(ranges) - np.searchsorted(best, level, side="left")) / len(ranges)
    reached = np.r_[0.0, recall * touched]
    return float(np.dot(np.diff(reached), true / flagged))


def _softened(flag: Array, found: list[tuple[int, int]], width: int) -> Array:
    soft = flag.astype(float)
    for begin, end in found:
        after = np.arange(end, min(end + width // 2, len(flag)))
        soft[after] += np.sqrt(1 - (after - end + 1) / max(width, 1))
        before = np.arange(max(begin - width // 2, 0), begin)
        soft[before] += np.sqrt(1 - (begin - before) / max(width, 1))
    return np.minimum(soft, 1.0)


def _merged(found: list[tuple[int, int]], width: int, count: int) -> list[tuple[int, int]]:
    """Ranges with their borders; those that now touch are one."""
    half = width // 2
    result = [(max(found[0][0] - half, 0), found[0][1] + half)]
    for begin, end in found[1:]:
        if result[-1][1] - 1 < begin - half:
            result.append((begin - half, end + half))
        else:
            result[-1] = (result[-1][0], end + half)
    return [(begin, min(end, count)) for begin, end in result]


def period(values: Array) -> int:
    """Readings after which a series is most like itself; 125 where it never is. The usual width of borders."""
    known = np.asarray(values, dtype=float)[:20_000]
    known = known[np.isfinite(known)]
    if len(known) < 8 or np.ptp(known) == 0:
        return _WIDTH_ELSE
    away = known - known.mean()
    size = 1 << (2 * len(away) - 1).bit_length()
    power = np.abs(np.fft.rfft(away, size)) ** 2
    like = np.fft.irfft(power, size)[: min(_LAGS + 1, len(away))]
    like = like[3:] / like[0]
    peaks = 1 + np.flatnonzero((like[1:-1] > like[:-2]) & (like[1:-1] > like[2:]))
    if not len(peaks):
        return _WIDTH_ELSE
    lag = int(peaks[np.argmax(like[peaks])])
    return _WIDTH_ELSE if lag < 3 or lag > _WIDTH_MOST else lag + 3
