"""How many workers there should be: a pure rule over what the workers said of themselves.

More when messages wait and the wait does not shrink, or when every worker is busy; fewer when nothing waits and one less
could do the work. Each needs to hold for a while, and a change is given time to show, so that the number does not swing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """When to change.

    Attributes:
        least, most: bounds of the number of workers.
        lag_most: messages that may wait, in all, before one worker more is wanted.
        busy_share: share of a core at which a worker counts as busy.
        idle_share: share of a core below which the work would fit on fewer.
        looks_to_grow, looks_to_shrink: looks in a row that must agree.
        looks_to_settle: looks after a change at which nothing is decided.
    """

    least: int = 1
    most: int = 4
    lag_most: int = 20_000
    busy_share: float = 0.8
    idle_share: float = 0.3
    looks_to_grow: int = 3
    looks_to_shrink: int = 15
    looks_to_settle: int = 5


@dataclass(frozen=True, slots=True)
class Look:
    """What the workers say at one time: messages waiting at the sources (None: no wire says), share of a core each."""

    workers: int
    lag: int | None
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """A new number of workers, and why, in words for an operator."""

    workers: int
    why: str


class Scaler:
    """Decides look by look. ``decide`` is called about once a second.

    >>> scaler = Scaler(Rules(looks_to_grow=2, looks_to_settle=0))
    >>> scaler.decide(Look(1, 50_000, (0.5,)))
    >>> scaler.decide(Look(1, 60_000, (0.5,)))
    Decision(workers=2, why='60,000 messages wait, and 10,000 more than before')
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._grow = self._shrink = self._settling = 0
        self._lag_before: int | None = None

    def decide(self, look: Look) -> Decision | None:
        """The change that is wanted now; None for none."""
        rules, before, self._lag_before = self.rules, self._lag_before, look.lag
        if self._settling:
            self._settling -= 1
            return None
        why_grow, why_shrink = self._wants_more(look, before), self._wants_fewer(look)
        self._grow = self._grow + 1 if why_grow else 0
        self._shrink = self._shrink + 1 if why_shrink else 0
        if self._grow >= rules.looks_to_grow and look.workers < rules.most:
            return self._changed(look.workers + 1, why_grow)
        if self._shrink >= rules.looks_to_shrink and look.workers > rules.least:
            return self._changed(look.workers - 1, why_shrink)
        return None

    def _changed(self, workers: int, why: str) -> Decision:
        self._grow = self._shrink = 0
        self._settling = self.rules.looks_to_settle
        return Decision(workers, why)

    def _wants_more(self, look: Look, before: int | None) -> str:
        lag = look.lag or 0
        if lag > self.rules.lag_most and lag >= 0.9 * (before or 0):
            return f"{lag:,} messages wait, and {lag - (before or 0):,} more than before"
        if look.shares and min(look.shares) > self.rules.busy_share:
            return f"every worker is busy (the least at {min(look.shares):.0%} of a core)"
        return ""

    def _wants_fewer(self, look: Look) -> str:
        if look.workers < 2 or (look.lag or 0) > self.rules.lag_most // 10:
            return ""
        share = sum(look.shares) / (look.workers - 1)
        if share < self.rules.idle_share:
            return f"{look.lag or 0:,} messages wait, and one less would be at {share:.0%} of a core"
        return ""
