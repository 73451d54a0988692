"""Rules that say *not now*: scoped, with a reason and an end; never a change of a threshold for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workbench.casework.case import Case
from workbench.errors import CaseworkError

SCOPES = ("device", "account", "kind", "stream", "group")
BENIGN_DAYS = 30
"""How long a benign verdict keeps the same device's cases of the same reason quiet."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """One rule: every field of ``scope`` must fit a case. It ends at ``until``."""

    suppression_id: str
    scope: Mapping[str, str]
    until: datetime
    why: str
    who: str
    lifted: bool = False

    def active(self, now: datetime) -> bool:
        """Whether it still holds."""
        return not self.lifted and now < self.until

    def fits(self, case: Case) -> bool:
        """Whether a case lies in its scope."""
        asked = {
            "account": case.account,
            "kind": case.kind,
            "stream": case.stream,
            "group": case.subject if case.members else "",
        }
        return all(
            value in case.devices or value == case.subject if name == "device" else asked[name] == value
            for name, value in self.scope.items()
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "suppression_id": self.suppression_id, "scope": dict(self.scope), "until": self.until.isoformat(),
            "why": self.why, "who": self.who, "lifted": self.lifted,
        }  # fmt: skip


def checked(scope: Mapping[str, str], until: datetime, now: datetime) -> tuple[dict[str, str], datetime]:
    """A scope and an end that make sense.

    Raises:
        CaseworkError: ``suppression_scope`` for an empty or unknown one, ``suppression_past`` for an end that has passed.
    """
    kept = {name: value for name, value in scope.items() if value}
    wrong = sorted(set(kept) - set(SCOPES))
    if not kept or wrong:
        raise CaseworkError(
            f"A suppression cannot be scoped by {wrong[0]!r}." if wrong else "A suppression without a scope would hide everything.",
            where="scope", cure=f"Name at least one of {', '.join(SCOPES)}.", code="suppression_scope",
        )  # fmt: skip
    end = until if until.tzinfo else until.replace(tzinfo=UTC)
    if end <= now:
        raise CaseworkError(
            f"The suppression would have ended at {end:%Y-%m-%d %H:%M} UTC, before it began.", where="until",
            cure="Give an end that is still to come, such as a day from now.", code="suppression_past",
        )  # fmt: skip
    return kept, end
