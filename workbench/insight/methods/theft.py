"""Use that stops being metered: five ways to steal, each as a change in a number per day, judged against peers.

For each way there is a daily figure that such theft shifts and weather, holidays and guests do not. The change point of
each figure is found, the size of the shift is compared with the shifts of all peers, and the most unusual way names
the suspicion and its date.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.insight.arrays import Array

KINDS = ("scaled", "bypassed hours", "days at zero", "noise", "reversed")
_EDGE_DAYS = 7  # a change needs a week on both sides
_PROFILE_DAYS = (
    21  # days from which a household's usual day is drawn, all before any candidate change it is used for
)
_ZERO_KWH = 1e-6
_DEAD_SHARE = 0.2  # of the median household's day; below it a household says little


@dataclass(frozen=True)
class Suspicion:
    """Per household (rows): how unusual its shift is for each way of stealing, and when the shift began.

    Attributes:
        z: robust z of the shift against all peers, one column per way in ``KINDS``.
        day: position of the first changed day, one column per way.
    """

    z: Array
    day: Array

    @property
    def score(self) -> Array:
        """The most unusual way counts, and a little of the rest; unbounded, so that the top is never tied."""
        positive = np.log1p(np.clip(self.z, 0.0, None))
        return np.asarray(positive.max(axis=1) + 0.2 * positive.sum(axis=1), dtype=float)

    @property
    def kind(self) -> Array:
        """Which way, as position in ``KINDS``."""
        return np.asarray(self.z.argmax(axis=1))

    @property
    def onset(self) -> Array:
        """First changed day under that way."""
        return np.asarray(self.day[np.arange(len(self.day)), self.kind])


def suspicion(use: Array) -> Suspicion:
    """Judge a fleet of meters.

    Args:
        use: households x days x slots of use; NaN where nothing was read.
    """
    figures = daily_figures(use)
    shifts, days = zip(*(change(figure) for figure in figures.values()), strict=True)
    z = np.column_stack([_against_peers(shift) for shift in shifts]) * _alive(use)[:, None]
    return Suspicion(z, np.column_stack(days))


def daily_figures(use: Array) -> dict[str, Array]:
    """For each way of stealing a figure per household and day that such theft moves upwards."""
    day = np.nansum(use, axis=2)
    zero_day = (day <= _ZERO_KWH).astype(float)
    alive = np.where(day > _ZERO_KWH, 1.0, np.nan)
    usual = np.nanmedian(use[:, :_PROFILE_DAYS], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        like = _correlation(use, usual[:, None, :])
        mirrored = _correlation(use, usual[:, None, ::-1])
        smooth = _correlation(use[:, :, 1:], use[:, :, :-1])
    return {
        "scaled": -_common_level(use) * alive,
        "bypassed hours": _emptied_hours(use) * alive,
        "days at zero": zero_day,
        "noise": -(smooth + 0.5 * like) * alive,
        "reversed": (mirrored - like) * alive,
    }


def _alive(use: Array) -> Array:
    """Full weight for a household that uses something; one that is nearly dead cannot be told from a thief."""
    usual = np.nanmedian(np.nansum(use, axis=2), axis=1)
    return np.asarray(np.minimum(1.0, usual / max(_DEAD_SHARE * float(np.median(usual)), 1e-9)) ** 2)


def _common_level(use: Array) -> Array:
    """Log level that low, middle and high slots of a day share, relative to the peers of that day.

    Weather and absence move the high slots and leave the base load; a meter that counts a share moves all alike. The
    smallest fall of the three is therefore what is left of a household's fall that only theft explains.
    """
    levels = []
    for share in (0.15, 0.5, 0.9):
        level = np.log(np.nanquantile(use, share, axis=2) + 1e-3)
        own = level - np.nanmedian(level[:, :_PROFILE_DAYS], axis=1, keepdims=True)
        levels.append(own - np.nanmedian(own, axis=0, keepdims=True))
    return np.asarray(np.nanmax(np.stack(levels), axis=0))


def _emptied_hours(use: Array) -> Array:
    """Slots of a day at zero that are not usually at zero in this household, as a share of the day."""
    usually = np.nanmean(use[:, :_PROFILE_DAYS] <= _ZERO_KWH, axis=1)
    empty = (use <= _ZERO_KWH) & (usually < 0.2)[:, None, :]
    return np.asarray(empty.mean(axis=2))


def _correlation(left: Array, right: Array) -> Array:
    left = left - np.nanmean(left, axis=2, keepdims=True)
    right = right - np.nanmean(right, axis=2, keepdims=True)
    product = np.nansum(left * right, axis=2)
    size = np.sqrt(np.nansum(left**2, axis=2) * np.nansum(right**2, axis=2))
    return np.where(size > 0, product / np.where(size > 0, size, 1.0), 0.0)


def change(figure: Array) -> tuple[Array, Array]:
    """The largest lasting rise of a daily figure, in its own day-to-day spread.

    Returns: per household the rise as a t statistic (0: none) and the first day after it.
    """
    households, days = figure.shape
    known = np.isfinite(figure)
    value = np.where(known, figure, 0.0)
    count, total = np.cumsum(known, axis=1), np.cumsum(value, axis=1)
    square = np.cumsum(value**2, axis=1)
    best, place = np.full(households, 0.0), np.full(households, days)
    for cut in range(_EDGE_DAYS, days - _EDGE_DAYS):
        before, after = count[:, cut - 1], count[:, -1] - count[:, cut - 1]
        enough = (before >= _EDGE_DAYS) & (after >= 3)
        low = total[:, cut - 1] / np.maximum(before, 1)
        high = (total[:, -1] - total[:, cut - 1]) / np.maximum(after, 1)
        within = square[:, -1] - before * low**2 - after * high**2
        spread = np.sqrt(np.maximum(within, 0) / np.maximum(before + after - 2, 1)) + 0.02
        rise = (high - low) / spread * np.sqrt(before * after / np.maximum(before + after, 1))
        better = enough & (rise > best)
        best, place = np.where(better, rise, best), np.where(better, cut, place)
    return best, place


def _against_peers(shift: Array) -> Array:
    """Robust z of each household's shift; half of the fleet sets the scale, so thieves do not hide each other."""
    middle = float(np.median(shift))
    above = shift[shift > middle]
    spread = float(np.median(above) - middle) if len(above) > len(shift) / 4 else 0.0
    return np.asarray((shift - middle) / max(spread, 0.7))


def plain(use: Array) -> Array:
    """The baseline: mean rank of four plain differences between the first and the last third of the days."""
    third = use.shape[1] // 3
    first, last = use[:, :third], use[:, -third:]
    drop = np.log(np.nanmean(first, axis=(1, 2)) + 1e-3) - np.log(np.nanmean(last, axis=(1, 2)) + 1e-3)
    zeros = (last <= _ZERO_KWH).mean(axis=(1, 2)) - (first <= _ZERO_KWH).mean(axis=(1, 2))
    usual, now = np.nanmean(first, axis=1), np.nanmean(last, axis=1)
    unlike = -_correlation(usual[:, None, :], now[:, None, :])[:, 0]
    flat = usual.std(axis=1) / (usual.mean(axis=1) + 1e-3) - now.std(axis=1) / (now.mean(axis=1) + 1e-3)
    ranks = [np.argsort(np.argsort(one)) / len(one) for one in (drop, zeros, unlike, flat)]
    return np.asarray(np.mean(ranks, axis=0) + 0.5 * np.max(ranks, axis=0))
