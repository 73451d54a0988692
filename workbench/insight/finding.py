"""A finding: what a detector saw of a device, why that is unusual, what would clear it, and what money hangs on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Any, overload

import pandas as pd

KINDS = (
    "stuck", "silent", "outage", "spike", "sentinel", "drift", "counter_reset", "duplicate", "reordered", "late",
    "conflict", "compromised", "zombie", "used_not_billed", "billed_while_suspended", "reconnect_storm",
    "imei_lock_breach", "zero_usage", "consumption", "theft", "arbitrage", "failing", "metering_outage",
)  # fmt: skip
"""What can be found.

An outage is many silences of one group at once. Zero usage is a device that reports, but nothing; a metering outage is
one that does not report, while its register goes on: what was used in between is known, but not when."""


@dataclass(frozen=True)
class Money:
    """What hangs on a finding, exact, in the currency's main unit.

    Attributes:
        billed: what the period's use costs as delivered.
        expected: what it costs without the anomaly (the use that is usual for the device).
        currency: ISO code.
        priced_by: offer and version whose price was asked.
    """

    billed: Fraction
    expected: Fraction
    currency: str
    priced_by: str

    @property
    def at_risk(self) -> Fraction:
        """Wrongly billed or not billed: the difference, never negative."""
        return abs(self.billed - self.expected)


@dataclass(frozen=True)
class Reason:
    """One rule that speaks against a device.

    Attributes:
        rule: the rule's id, such as ``stuck.run``.
        column: what it watched; empty for deliveries.
        surprise: -log10 of the chance that a healthy peer's worst is this bad; comparable between rules and devices.
        observed, expected: the figure, and what is usual for this device; ``unit`` says of what.
        peers: what is usual among its peers.
    """

    rule: str
    column: str
    surprise: float
    observed: float
    expected: float
    peers: float
    unit: str


@dataclass(frozen=True)
class Finding:
    """One thing to look at. The same data give the same finding with the same id.

    Attributes:
        finding_id: a hash of what makes it this finding: tenant, stream, device, kind, first reason, since.
        kind: one of ``KINDS``.
        stream: where it was seen; empty for the SIM estate's findings.
        device_id: the device, or the group of an outage.
        members: devices of an outage, else empty.
        reasons: strongest first; the first names the kind.
        since, until: the episode, UTC without zone; ``until`` is the last reading in it.
        query: SQL that shows the evidence; ``open_lake(path).sql(query)`` runs it.
        clears: what would have to be true for it not to be raised.
        chance: the tail probability of the first reason.
        state: ``judged``, or ``learning`` for a device seen too little to be sure.
        money: None until priced, or where nothing is billed by the stream.
    """

    finding_id: str
    kind: str
    stream: str
    device_id: str
    reasons: tuple[Reason, ...]
    since: datetime
    until: datetime
    query: str
    clears: str
    chance: float
    members: tuple[str, ...] = ()
    state: str = "judged"
    money: Money | None = None

    def priced(self, money: Money | None) -> Finding:
        """The same finding with its money."""
        return replace(self, money=money)

    def sentence(self) -> str:
        """The finding in a sentence a person can act on."""
        first = self.reasons[0]
        what = self.kind.replace("_", " ")
        seen = f"{_number(first.observed)} {first.unit}".strip()
        usual = f"usual {_number(first.expected)}, peers {_number(first.peers)}"
        where = f"{self.device_id} ({len(self.members)} devices)" if self.members else self.device_id
        text = f"{where}: {what}"
        text += f" of {first.column}" if first.column else ""
        text += f", {seen} ({usual}), since {self.since:%Y-%m-%d %H:%M}"
        if self.money is not None and self.money.at_risk:
            text += f"; at risk {float(self.money.at_risk):.4g} {self.money.currency}"
        return text + "."

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON and tables; exact amounts as text."""
        money = self.money
        return {
            "finding_id": self.finding_id, "kind": self.kind, "stream": self.stream, "device_id": self.device_id,
            "members": list(self.members), "since": self.since.isoformat(), "until": self.until.isoformat(),
            "chance": self.chance, "state": self.state, "sentence": self.sentence(), "clears": self.clears,
            "query": self.query, "reasons": [vars(reason) for reason in self.reasons],
            "billed": str(money.billed) if money else None, "expected_cost": str(money.expected) if money else None,
            "at_risk": str(money.at_risk) if money else None, "currency": money.currency if money else None,
        }  # fmt: skip


class Findings(Sequence[Finding]):
    """Findings in the order of their surprise, with what a notebook asks of them.

    Attributes:
        learning: devices that were seen too little to be judged, by stream.
        judged: how many devices were judged, by stream.
    """

    def __init__(
        self,
        found: Sequence[Finding],
        judged: dict[str, int] | None = None,
        learning: dict[str, list[str]] | None = None,
    ) -> None:
        self._found = list(found)
        self.judged = judged or {}
        self.learning = learning or {}

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Finding]: ...
    def __getitem__(self, index: int | slice) -> Finding | Sequence[Finding]:
        return self._found[index]

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found)

    def of(self, *kinds: str) -> Findings:
        """Only these kinds."""
        return Findings([one for one in self._found if one.kind in kinds], self.judged, self.learning)

    def frame(self) -> pd.DataFrame:
        """One row per finding."""
        columns = [
            "device_id",
            "kind",
            "stream",
            "since",
            "until",
            "observed",
            "expected",
            "peers",
            "unit",
            "surprise",
            "at_risk",
        ]
        rows = [
            {
                "device_id": one.device_id, "kind": one.kind, "stream": one.stream, "since": one.since,
                "until": one.until, "observed": one.reasons[0].observed, "expected": one.reasons[0].expected,
                "peers": one.reasons[0].peers, "unit": one.reasons[0].unit, "surprise": one.reasons[0].surprise,
                "at_risk": str(one.money.at_risk) if one.money else None,
            }
            for one in self._found
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def explain(self, index: int) -> str:
        """Why a finding was raised: every reason, the money, what would clear it, and where to look."""
        one = self._found[index]
        lines = [one.sentence(), ""]
        for reason in one.reasons:
            about = f" of {reason.column}" if reason.column else ""
            lines.append(
                f"  {reason.rule}{about}: {_number(reason.observed)} {reason.unit}, usual {_number(reason.expected)}, "
                f"peers {_number(reason.peers)}; one in {_odds(reason.surprise)} healthy peers looks as bad"
            )
        if one.money is not None:
            money = one.money
            lines.append(
                f"  money: {float(money.billed):.4g} as delivered, {float(money.expected):.4g} without it, "
                f"{float(money.at_risk):.4g} {money.currency} at risk (priced by {money.priced_by})"
            )
        lines += [f"  clears: {one.clears}", f"  evidence: {one.query}"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        html = self.frame().to_html(max_rows=20)
        return str(html)


def _number(value: float) -> str:
    if value != value:
        return "unknown"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.3g}"


def _odds(surprise: float) -> str:
    return f"{10 ** min(surprise, 12):,.0f}"
