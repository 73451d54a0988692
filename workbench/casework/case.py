"""The nouns of the queue: what a case is, in which states it can be, what each reason costs to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from typing import Any

OPEN, WORKING, WAITING, RESOLVED, DISMISSED, SUPPRESSED = STATES = (
    "open", "working", "waiting", "resolved", "dismissed", "suppressed",
)  # fmt: skip
"""``working``: somebody has it. ``waiting``: an action is under way. ``resolved``: confirmed. ``dismissed``: benign.
``suppressed``: a rule says not now; it opens again when the rule expires."""
CLOSED = (RESOLVED, DISMISSED)

CONFIRMED, BENIGN, UNSURE = VERDICTS = ("confirmed", "benign", "unsure")
RANDOM_CHECK = "random_check"
"""The reason of a case that no detector raised: a device drawn at random, so that verdicts teach more than what is flagged."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the queue knows of a reason before anybody has judged a case of it.

    Attributes:
        minutes: to review one case. prior: how often such a case turns out to be true.
        stake_nano: what is at stake where the bill says nothing (a visit, a stolen SIM's bad month), in nano-units of the
            account's currency: a parameter of the house, not a measurement.
        actions: what is usually done about it, most usual first.
    """

    minutes: int
    prior: float
    stake_nano: int
    actions: tuple[str, ...] = ("field_order", "hold", "dispute")


_SIM = ("suspend", "block", "hold")
_BILL = ("hold", "dispute")
KINDS: Mapping[str, Kind] = {
    "stuck": Kind(4, 0.80, 20 * 10**9),
    "silent": Kind(3, 0.75, 15 * 10**9),
    "outage": Kind(10, 0.90, 120 * 10**9),
    "spike": Kind(5, 0.50, 5 * 10**9),
    "sentinel": Kind(2, 0.90, 20 * 10**9),
    "drift": Kind(8, 0.50, 10 * 10**9),
    "counter_reset": Kind(5, 0.80, 10 * 10**9, _BILL),
    "duplicate": Kind(4, 0.70, 2 * 10**9, _BILL),
    "reordered": Kind(3, 0.60, 10**9),
    "late": Kind(3, 0.60, 2 * 10**9),
    "conflict": Kind(6, 0.70, 5 * 10**9, _BILL),
    "compromised": Kind(15, 0.60, 250 * 10**9, _SIM),
    "zombie": Kind(2, 0.90, 3 * 10**9, ("suspend", "hold")),
    "used_not_billed": Kind(6, 0.90, 5 * 10**9, _BILL),
    "billed_while_suspended": Kind(4, 0.95, 5 * 10**9, _BILL),
    "reconnect_storm": Kind(6, 0.80, 30 * 10**9, ("suspend", "field_order")),
    "imei_lock_breach": Kind(8, 0.85, 200 * 10**9, _SIM),
    "zero_usage": Kind(4, 0.50, 5 * 10**9),
    "metering_outage": Kind(5, 0.70, 15 * 10**9),
    "theft": Kind(20, 0.50, 150 * 10**9),
    "consumption": Kind(8, 0.40, 10 * 10**9),
    "arbitrage": Kind(15, 0.40, 50 * 10**9, _BILL),
    "failing": Kind(6, 0.60, 90 * 10**9),
    RANDOM_CHECK: Kind(3, 0.02, 10**9),
}
"""By reason; others count as ``OTHER``."""
OTHER = Kind(6, 0.50, 5 * 10**9)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to a case: ``what`` by ``who`` at ``at`` (ISO 8601, UTC), and its words."""

    seq: int
    at: str
    who: str
    what: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to decide on: a device or a cluster of them, a reason, a period.

    Attributes:
        case_id: a hash of tenant, subject, reason and period: seen again, it is the same case.
        subject: device id, or the group of a cluster; ``members`` are a cluster's devices.
        kind: the reason: a finding's kind, or ``random_check``.
        period: the billing period the episode began in, as the lake names it; a day where none was rated.
        since, until: the episode, UTC without zone.
        at_risk: money wrongly billed or not billed, exact, main unit of ``currency``; None where the bill says nothing.
        surprise: -log10 of the chance that a healthy peer looks as bad.
        clears, query, sentence, reasons: the finding's own words and figures.
        sampled: the chance with which a case like this reaches the queue: 1 for findings, less for random checks.
        history: what happened, oldest first. verdict, cause: the last word on it.
    """

    case_id: str
    subject: str
    kind: str
    period: str
    stream: str
    account: str
    account_name: str
    members: tuple[str, ...]
    since: datetime
    until: datetime
    at_risk: Fraction | None
    billed: Fraction | None
    expected: Fraction | None
    currency: str
    priced_by: str
    surprise: float
    sentence: str
    clears: str
    query: str
    reasons: tuple[Mapping[str, Any], ...]
    findings: tuple[str, ...]
    learning: bool = False
    place: tuple[float, float] | None = None
    sampled: float = 1.0
    state: str = OPEN
    assignee: str = ""
    verdict: str = ""
    cause: str = ""
    history: tuple[Step, ...] = ()
    done: tuple[str, ...] = field(default=())

    @property
    def about(self) -> Kind:
        """What is known of its reason."""
        return KINDS.get(self.kind, OTHER)

    @property
    def closed(self) -> bool:
        """Whether a verdict ended it."""
        return self.state in CLOSED

    @property
    def devices(self) -> tuple[str, ...]:
        """Every device it is about."""
        return self.members or (self.subject,)

    @property
    def stake(self) -> Fraction:
        """Money at risk, or what the house says is at stake where the bill says nothing or less than that per device.

        A frozen lamp costs a fraction of a cent of energy and a visit: the larger of the two orders the queue.
        """
        house = Fraction(self.about.stake_nano, 10**9) * max(1, min(len(self.members), 20))
        return max(self.at_risk or Fraction(0), house)

    def with_step(self, step: Step, **changes: Any) -> Case:
        """The case after something happened to it."""
        return replace(self, history=(*self.history, step), **changes)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: exact amounts as text."""
        found = {name: getattr(self, name) for name in (
            "case_id", "subject", "kind", "period", "stream", "account", "account_name", "currency", "priced_by",
            "surprise", "sentence", "clears", "query", "learning", "sampled", "state", "assignee", "verdict", "cause",
        )}  # fmt: skip
        money = {name: _text(getattr(self, name)) for name in ("at_risk", "billed", "expected")}
        return found | money | {
            "members": list(self.members), "since": self.since.isoformat(), "until": self.until.isoformat(),
            "reasons": [dict(reason) for reason in self.reasons], "findings": list(self.findings),
            "place": list(self.place) if self.place else None, "actions_done": list(self.done),
            "history": [{"at": s.at, "who": s.who, "what": s.what, "words": s.words} for s in self.history],
        }  # fmt: skip


def _text(amount: Fraction | None) -> str | None:
    return None if amount is None else str(amount)


def restored(data: Mapping[str, Any]) -> Case:
    """A case as it was opened, from what the log holds."""
    place = data.get("place")
    return Case(
        **{name: data[name] for name in (
            "case_id", "subject", "kind", "period", "stream", "account", "account_name", "currency", "priced_by",
            "surprise", "sentence", "clears", "query", "learning", "sampled",
        )},
        members=tuple(data["members"]), since=datetime.fromisoformat(data["since"]),
        until=datetime.fromisoformat(data["until"]), at_risk=_amount(data["at_risk"]), billed=_amount(data["billed"]),
        expected=_amount(data["expected"]), reasons=tuple(data["reasons"]), findings=tuple(data["findings"]),
        place=(place[0], place[1]) if place else None,
    )  # fmt: skip


def _amount(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)
