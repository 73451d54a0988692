"""Use that is not as usual: a day off its own profile, a meter that reports nothing any more, and the ways of stealing."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import DAY_MS, Batch
from workbench.insight.fleet.hourly import Hourly
from workbench.insight.fleet.scores import Scores, nothing
from workbench.insight.methods import theft

_FALL = 1.5  # real consumption anomalies are mostly meters that stop or report too little
_WEEK = 7
_DAYS_LEAST = 14
_THEFT_DAYS_LEAST = 35
_ZERO_SLOTS_LEAST_DAYS = 1.0


class _OfUse:
    """Base: a view on shared hourly use; figures are recomputed only when something came in."""

    kind, rule, unit = "", "", "units a day"

    def __init__(self, use: Hourly) -> None:
        self._use, self.column = use, use.column

    def update(self, batch: Batch) -> None:
        """Add to the shared sums."""
        self._use.add(batch)

    def scores(self, now_ms: int) -> Scores:
        """What is known now."""
        days, use = self._use.table()
        if len(days) < self._days_least():
            return nothing(self._use.devices)
        parts = []
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)  # devices without a day are NaN, and stay so
            for piece in self._use.pieces():
                parts.append(self._judge(days, use[piece].astype(np.float64)))
        return _joined(parts)

    def _days_least(self) -> int:
        return _DAYS_LEAST

    def _judge(self, days: Array, use: Array) -> Scores:
        raise AssertionError("each rule judges in its own way")


class Consumption(_OfUse):
    """A day far from the device's own week, its level followed over seven days."""

    kind, rule = "consumption", "usage.profile"

    def _judge(self, days: Array, use: Array) -> Scores:
        weekend = (days + 3) % _WEEK >= 5  # day 0 of 1970 was a Thursday
        usual = np.empty_like(use)
        for part in (weekend, ~weekend):
            usual[:, part] = np.nanmedian(use[:, part], axis=1, keepdims=True) if part.any() else 0.0
        away = use - usual
        level = _rolling(np.nanmedian(away, axis=2))
        rest = away - level[:, :, None]
        middle = np.nanmedian(use, axis=(1, 2))
        spread = np.nanmedian(np.abs(rest), axis=1, keepdims=True)
        spread = (
            spread
            + 0.5 * np.nanmedian(np.abs(rest), axis=(1, 2))[:, None, None]
            + 0.05 * middle[:, None, None]
            + 1e-6
        )
        z = rest / spread
        whole = np.nanmean(rest, axis=2)
        usual_day = np.nanmedian(np.abs(whole), axis=1, keepdims=True) + 0.05 * middle[:, None] + 1e-6
        odd = np.nanmean(_weighed(z), axis=2) + _weighed(whole / usual_day)
        odd = np.where(np.isfinite(odd), odd, -np.inf)
        at = odd.argmax(axis=1)
        rows = np.arange(len(use))
        known = np.isfinite(use).any(axis=2).sum(axis=1)
        typical = np.nanmedian(np.where(np.isfinite(odd), odd, np.nan), axis=1)
        seen, expected = (
            np.nansum(use, axis=2)[rows, at],
            np.nansum(usual + level[:, :, None], axis=2)[rows, at],
        )
        return Scores(
            np.nan_to_num(odd[rows, at] - typical, nan=-np.inf, neginf=-np.inf), (known >= _DAYS_LEAST) & (middle >= 0),
            days[at] * DAY_MS, (days[at] + 1) * DAY_MS - 1, np.nan_to_num(seen), np.nan_to_num(np.maximum(expected, 0)),
            np.zeros(len(use), dtype=bool), 0.3,
        )  # fmt: skip


class ZeroUse(_OfUse):
    """A meter that goes on reporting, and reports nothing: the longest such stretch, against its own and its peers'."""

    kind, rule, unit = "zero_usage", "usage.zero", "days at zero"

    def _judge(self, days: Array, use: Array) -> Scores:
        flat = use.reshape(len(use), -1)
        known, zero = np.isfinite(flat), flat == 0
        length = np.zeros(len(use))
        best, at, second = np.zeros(len(use)), np.zeros(len(use), dtype=np.int64), np.zeros(len(use))
        for slot in range(flat.shape[1]):
            # An unread slot neither ends a stretch nor makes it longer.
            ended = known[:, slot] & ~zero[:, slot]
            second = np.where(ended & (length > second) & (length < best), length, second)
            length = np.where(zero[:, slot], length + 1, np.where(ended, 0, length))
            longer = length > best
            second = np.where(longer & (length == 1), np.maximum(second, best), second)
            best, at = np.where(longer, length, best), np.where(longer, slot, at)
        per_day = use.shape[2]
        uses = (flat > 0).sum(axis=1) >= 2 * per_day
        long = best / per_day
        usual = np.maximum(second / per_day, 0.25)
        end = days[at // per_day] * DAY_MS + (at % per_day + 1) * (DAY_MS // per_day)
        begin = np.maximum(end - (best * (DAY_MS // per_day)).astype(np.int64), days[0] * DAY_MS)
        raw = np.where(long >= _ZERO_SLOTS_LEAST_DAYS, np.log(long / usual), -1.0)
        return Scores(
            raw, uses & (known.sum(axis=1) >= _DAYS_LEAST * per_day // 2), begin, end - 1, long, usual,
            np.zeros(len(use), dtype=bool), 0.4,
        )  # fmt: skip


class Ways:
    """The change points of all ways of stealing, found once for the detectors that name one way each."""

    def __init__(self, use: Hourly) -> None:
        self._use = use
        self._of: Array | None = None
        self._found: list[tuple[theft.Suspicion, Array, Array]] = []

    def found(self) -> list[tuple[theft.Suspicion, Array, Array]]:
        """Per piece of the fleet: the suspicion, mean use a day before the change and after it, per way."""
        _, use = self._use.table()
        if self._of is not use:
            self._of = use
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore", RuntimeWarning)
                self._found = [_ways(use[piece].astype(np.float64)) for piece in self._use.pieces()]
        return self._found


class Change(_OfUse):
    """One way of taking more than is paid for, as a lasting change against the peers (see ``methods/theft.py``)."""

    def __init__(self, use: Hourly, ways: Ways, way: str) -> None:
        super().__init__(use)
        self._ways, self._place = ways, theft.KINDS.index(way)
        self.kind = "arbitrage" if way == "reversed" else "theft"
        self.rule = f"{self.kind}.{way.replace(' ', '_')}"

    def scores(self, now_ms: int) -> Scores:
        """How unusual the change is, since when, and use a day after and before it."""
        days, use = self._use.table()
        if len(days) < _THEFT_DAYS_LEAST:
            return nothing(self._use.devices)
        parts = []
        for piece, (found, before, after) in zip(self._use.pieces(), self._ways.found(), strict=True):
            mine = use[piece]
            known = np.isfinite(mine).any(axis=2).sum(axis=1) >= _THEFT_DAYS_LEAST
            at = np.minimum(found.day[:, self._place], len(days) - 1)
            # Most peers have no change of a kind at all: below one spread of the peers all are alike.
            raw = np.log1p(np.maximum(np.nan_to_num(found.z[:, self._place]), 1.0))
            parts.append(
                Scores(raw, known, days[at] * DAY_MS, np.full(len(at), (days[-1] + 1) * DAY_MS - 1),
                       after[:, self._place], before[:, self._place], np.zeros(len(at), dtype=bool), 0.3)
            )  # fmt: skip
        return _joined(parts)


def of_use(column: str, devices: int) -> list[_OfUse]:
    """All detectors of use over one shared store."""
    use = Hourly(column, devices)
    ways = Ways(use)
    return [Consumption(use), ZeroUse(use), *(Change(use, ways, way) for way in theft.KINDS)]


def _ways(use: Array) -> tuple[theft.Suspicion, Array, Array]:
    found = theft.suspicion(use)
    daily = np.nansum(use, axis=2)
    total = np.cumsum(daily, axis=1)
    at = np.clip(found.day, 1, daily.shape[1] - 1)
    before = np.take_along_axis(total, at - 1, axis=1)
    return found, before / at, (total[:, -1:] - before) / (daily.shape[1] - at)


def _weighed(z: Array) -> Array:
    """A distance by its order of magnitude; a fall weighs more than a rise."""
    return np.asarray(_FALL * np.log1p(np.clip(-z, 0, None)) + np.log1p(np.clip(z, 0, None)))


def _rolling(daily: Array) -> Array:
    """Median of the seven days around each day."""
    half = _WEEK // 2
    wide = np.pad(daily, ((0, 0), (half, half)), constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(wide, _WEEK, axis=1)
    return np.nan_to_num(np.nanmedian(around, axis=2))


def _joined(parts: list[Scores]) -> Scores:
    def of(which: Callable[[Scores], Array]) -> Array:
        return np.concatenate([which(part) for part in parts])

    return Scores(
        of(lambda s: s.raw), of(lambda s: s.enough), of(lambda s: s.since), of(lambda s: s.until),
        of(lambda s: s.observed), of(lambda s: s.expected), of(lambda s: s.certain), parts[0].spread_least,
    )  # fmt: skip
