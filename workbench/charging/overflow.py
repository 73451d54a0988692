"""When accounts should go to another node, and when they should come home: a pure rule over what was seen.

One node's load is a share of what it can bear: 1.0 is full. It is measured by the requests a second that a user said a
node may take, or by the share of a core it used. A wave lasts for several looks before anything happens, so that a short
peak moves nothing; and it must have been over for longer before anybody comes home.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from workbench.charging.moves import Key


@dataclass(frozen=True, slots=True)
class Limits:
    """When to change.

    Attributes:
        most: nodes in all, home included, that ``auto`` starts; nodes that joined come on top.
        rate: requests a second one node may take; 0: measured, by the share of a core.
        full: share of a core at which a measured node counts as full.
        spill: load of home at which accounts leave. target: what home is brought down to, and others are filled to.
        calm: load of all nodes together, as if home bore it alone, under which accounts come home.
        looks_to_spill, looks_to_retract: looks in a row that must agree.
        accounts: the most of one hand-over.
    """

    most: int = 4
    rate: int = 0
    full: float = 0.85
    spill: float = 1.0
    target: float = 0.7
    calm: float = 0.5
    looks_to_spill: int = 2
    looks_to_retract: int = 6
    accounts: int = 2_000


@dataclass(frozen=True, slots=True)
class Seen:
    """One node in one look: requests a second, its load, how many of home's accounts it has, whether it is reached."""

    rate: float
    load: float
    accounts: int = 0
    up: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done: ``spill`` (to ``node``, about ``part`` of home's requests), ``grow``, ``retract``, ``leave``."""

    what: str
    why: str
    node: str = ""
    part: float = 0.0


@dataclass(slots=True)
class Overflow:
    """Decides look by look.

    >>> rule = Overflow(Limits(rate=1000, looks_to_spill=2))
    >>> rule.decide(Seen(1500, 1.5), {})
    >>> rule.decide(Seen(1500, 1.5), {})
    Step(what='grow', why='home takes 1,500 requests/s, 150 % of what one node bears, and no other node has room', node='', part=0.0)
    >>> rule.decide(Seen(1500, 1.5), {"node-1": Seen(0, 0.0)}).what
    'spill'
    """

    limits: Limits
    _high: int = field(default=0)
    _calm: int = field(default=0)

    def decide(self, home: Seen, others: dict[str, Seen], own: int = 0) -> Step | None:
        """The next step; ``None`` for none.

        Args:
            others: by name. own: how many of them ``auto`` started.
        """
        limits = self.limits
        all_load = home.load + sum(seen.load for seen in others.values())
        self._high = self._high + 1 if home.load > limits.spill else 0
        self._calm = self._calm + 1 if all_load < limits.calm else 0
        if self._high >= limits.looks_to_spill:
            return self._spill(home, others, own)
        if self._calm >= limits.looks_to_retract and others:
            return self._retract(all_load, others)
        return None

    def _spill(self, home: Seen, others: dict[str, Seen], own: int) -> Step | None:
        limits = self.limits
        said = f"home takes {home.rate:,.0f} requests/s, {home.load:.0%} of what one node bears".replace(
            "%", " %"
        )
        room = {name: limits.target - seen.load for name, seen in others.items() if seen.up}
        best = max(room, key=lambda name: (room[name], name), default="")
        if not best or room[best] < 0.1:
            if own + 1 >= limits.most:
                return None
            return Step("grow", f"{said}, and no other node has room")
        part = min(home.load - limits.target, room[best]) / home.load
        return Step("spill", said, best, part)

    def _retract(self, load: float, others: dict[str, Seen]) -> Step | None:
        up = {name: seen for name, seen in others.items() if seen.up}
        having = [name for name, seen in up.items() if seen.accounts]
        said = f"all nodes together are at {load:.0%} of what one bears".replace("%", " %")
        if having:
            return Step("retract", said, max(having))
        return Step("leave", said, max(up)) if up else None


def hottest(
    counts: dict[Key, int], part: float, most: int, together: Callable[[Iterable[Key]], list[Key]]
) -> list[Key]:
    """Accounts that were asked most and together make up ``part`` of all requests; with all that share their pools.

    >>> hottest({("main", "a"): 5, ("main", "b"): 3, ("main", "c"): 2}, 0.5, 10, list)
    [('main', 'a')]
    """
    wanted, chosen = part * sum(counts.values()), dict[Key, None]()
    for key in sorted(counts, key=lambda each: (-counts[each], each)):
        if wanted <= 0 or len(chosen) >= most:
            break
        if key in chosen:
            continue
        group = together((key,))
        if len(group) > most:
            continue  # a pool that does not fit a hand-over stays where it is
        for each in group:
            chosen[each] = None
            wanted -= counts.get(each, 0)
    return list(chosen)
