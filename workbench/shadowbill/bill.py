"""The result of a shadow bill: exact lines, the comparison with what was billed, and how both look in a notebook."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from html import escape
from typing import TYPE_CHECKING, Any

from workbench.model.money import MINOR_DIGITS, NANO, decimal_text, round_half_away

if TYPE_CHECKING:
    import pandas as pd

    from workbench.shadowbill.billed import Billed

_SHOWN = 15


@dataclass(frozen=True, slots=True)
class Line:
    """What one device used by one price in one period, and the exact amount in the currency's main unit.

    ``events``, ``duplicates``, ``first_at``, ``last_at``: the usage behind it; empty for fees. ``device`` is empty for
    what an account pays as a whole.
    """

    period: str
    account: str
    device: str
    component: str
    kind: str
    meter: str
    unit: str
    units: int
    amount: Fraction
    events: int = 0
    duplicates: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None

    def sentence(self, currency: str) -> str:
        """The line in words: what was used, in how many events, and what it comes to."""
        amount = f"{decimal_text(self.amount, MINOR_DIGITS.get(currency, 2))} {currency}"
        if self.kind != "usage":
            return f"{_month(self.period)}: {self.component} ({self.kind.replace('_', ' ')}): {amount}"
        copies = f", {self.duplicates:,} copies left out" if self.duplicates else ""
        span = f", {self.first_at:%Y-%m-%d %H:%M} to {self.last_at:%Y-%m-%d %H:%M}" if self.first_at else ""
        events = f"{self.events:,} event{'' if self.events == 1 else 's'}"
        return (
            f"{_month(self.period)}: {self.units:,} {self.unit or 'units'} of {self.component} in {events}"
            f"{copies}{span}: {amount}"
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """One SIM or account: ``amount = shadow - billed``; above zero too little was billed, below zero too much."""

    key: str
    shadow: Fraction
    billed: Fraction
    trace: tuple[str, ...] = ()

    @property
    def amount(self) -> Fraction:
        """What the old bill is short of (positive) or over (negative)."""
        return self.shadow - self.billed

    @property
    def verdict(self) -> str:
        """``leakage``, ``overcharge`` or ``equal``."""
        return "leakage" if self.amount > 0 else "overcharge" if self.amount < 0 else "equal"


@dataclass(frozen=True)
class ShadowBill:
    """A bill beside the one that was sent.

    ``rows``: of the file, once per meter: events + duplicates + rejects + quarantined (registers: readings).
    ``differences``: largest first; empty when nothing was compared. ``*_nano``: of the invoices, rounded per line.
    """

    file: str
    offer: str
    currency: str
    periods: tuple[str, ...]
    rows: int
    events: int
    duplicates: int
    rejects: Mapping[str, int]
    quarantined: Mapping[str, int]
    uncharged: Mapping[str, int]
    lines: tuple[Line, ...]
    net_nano: int
    tax_nano: int
    gross_nano: int
    mapping: str = field(default="", repr=False)
    notes: tuple[str, ...] = ()
    wall_seconds: Mapping[str, float] = field(default_factory=dict)
    compared_by: str = ""
    differences: tuple[Difference, ...] = ()
    billed_rows: int = 0
    billed_skipped: int = 0

    @property
    def total(self) -> Fraction:
        """The exact sum of all lines, main unit of the currency."""
        return sum((line.amount for line in self.lines), Fraction(0))

    @property
    def devices(self) -> list[str]:
        """Ids of the devices with a line."""
        return sorted({line.device for line in self.lines if line.device})

    @property
    def accounts(self) -> list[str]:
        """Ids of the accounts with a line."""
        return sorted({line.account for line in self.lines})

    @property
    def leakage(self) -> Fraction:
        """What the old system did not bill."""
        return sum((each.amount for each in self.differences if each.amount > 0), Fraction(0))

    @property
    def overcharge(self) -> Fraction:
        """What the old system billed too much, as a positive amount."""
        return -sum((each.amount for each in self.differences if each.amount < 0), Fraction(0))

    def by(self, key: str) -> dict[str, Fraction]:
        """Exact amounts by ``device`` or ``account``."""
        found: dict[str, Fraction] = {}
        for line in self.lines:
            name = str(getattr(line, key))
            found[name] = found.get(name, Fraction(0)) + line.amount
        return found

    def trace(self, key: str) -> list[str]:
        """The lines of one device or account, in words."""
        return [line.sentence(self.currency) for line in self.lines if key in (line.device, line.account)]

    def against(self, billed: Billed) -> ShadowBill:
        """The same bill, compared with what was billed: every key of either side, the largest difference first."""
        ours = self.by(billed.by)
        ours.pop("", None)
        keys = sorted(ours.keys() | billed.amounts.keys())
        traces = self._traces(billed.by)
        found = [
            Difference(
                key,
                ours.get(key, Fraction(0)),
                billed.amounts.get(key, Fraction(0)),
                tuple(traces.get(key, ["no usage in the file"])),
            )
            for key in keys
        ]
        found.sort(key=lambda each: (-abs(each.amount), each.key))
        return dataclasses.replace(
            self,
            compared_by=billed.by,
            differences=tuple(found),
            billed_rows=billed.rows,
            billed_skipped=billed.skipped,
        )

    def _traces(self, by: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for line in self.lines:
            found.setdefault(str(getattr(line, by)), []).append(line.sentence(self.currency))
        return found

    def to_frame(self) -> pd.DataFrame:
        """The lines as a table; amounts as exact ``Fraction`` objects."""
        import pandas as pd

        return pd.DataFrame([dataclasses.asdict(line) for line in self.lines])

    def differences_frame(self) -> pd.DataFrame:
        """The comparison as a table; amounts as exact ``Fraction`` objects."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    self.compared_by or "key": each.key,
                    "billed": each.billed,
                    "shadow": each.shadow,
                    "difference": each.amount,
                    "verdict": each.verdict,
                    "trace": " · ".join(each.trace),
                }
                for each in self.differences
            ]
        )

    def as_dict(self) -> dict[str, Any]:
        """The bill as JSON values; amounts in nano, as whole numbers or exact ``n/d`` text."""
        return {
            "file": self.file,
            "offer": self.offer,
            "currency": self.currency,
            "periods": list(self.periods),
            "rows": self.rows,
            "events_accepted": self.events,
            "duplicates": self.duplicates,
            "rejects": sum(self.rejects.values()),
            "reject_reasons": dict(self.rejects),
            "quarantined": sum(self.quarantined.values()),
            "quarantine_reasons": dict(self.quarantined),
            "uncharged_reasons": dict(self.uncharged),
            "devices": len(self.devices),
            "accounts": len(self.accounts),
            "total_nano": _nano(self.total),
            "invoiced_net_nano": self.net_nano,
            "invoiced_tax_nano": self.tax_nano,
            "invoiced_gross_nano": self.gross_nano,
            "compared_by": self.compared_by,
            "leakage_nano": _nano(self.leakage),
            "overcharge_nano": _nano(self.overcharge),
            "differences": [
                {
                    "key": each.key,
                    "verdict": each.verdict,
                    "billed_nano": _nano(each.billed),
                    "shadow_nano": _nano(each.shadow),
                    "difference_nano": _nano(each.amount),
                    "trace": list(each.trace),
                }
                for each in self.differences
            ],
            "notes": list(self.notes),
            "wall_seconds": {stage: round(taken, 3) for stage, taken in self.wall_seconds.items()},
        }

    def money(self, amount: Fraction) -> str:
        """An amount for people: rounded for the eye to the currency's digits and two more, ``1,234.5000 EUR``."""
        digits = MINOR_DIGITS.get(self.currency, 2) + 2
        shown = Fraction(round_half_away(amount.numerator * 10**digits, amount.denominator), 10**digits)
        whole, _, part = decimal_text(abs(shown), digits).partition(".")
        return f"{'−' if shown < 0 else ''}{int(whole):,}.{part} {self.currency}"

    def money_nano(self, nano: int) -> str:
        """An invoiced amount for people: ``1,234.50 EUR``."""
        return f"{decimal_text(Fraction(nano, NANO), MINOR_DIGITS.get(self.currency, 2))} {self.currency}"

    def headline(self) -> str:
        """The bill in one sentence."""
        return (
            f"{self.money(self.total)} for {len(self.devices):,} devices by {self.offer}: {self.events:,} events, "
            f"{self.duplicates:,} copies left out, {sum(self.rejects.values()):,} rows rejected"
        )

    def _repr_html_(self) -> str:
        rows = _rows(self, self.differences[:_SHOWN]) if self.differences else _totals(self)
        more = max(0, (len(self.differences) or len(self.by("device"))) - _SHOWN)
        tail = f"<p>… and {more:,} more.</p>" if more else ""
        compared = ""
        if self.differences:
            compared = (
                f"<p>Billed too little: <b>{self.money(self.leakage)}</b>. "
                f"Billed too much: <b>{self.money(self.overcharge)}</b>.</p>"
            )
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return f"<div><h4>{escape(self.headline())}</h4>{compared}{rows}{tail}<ul>{notes}</ul></div>"


def _rows(bill: ShadowBill, shown: Iterable[Difference]) -> str:
    cells = "".join(
        f"<tr><td style='text-align:left'><code>{escape(each.key)}</code></td><td>{bill.money(each.billed)}</td>"
        f"<td>{bill.money(each.shadow)}</td><td><b>{bill.money(each.amount)}</b></td><td>{each.verdict}</td>"
        f"<td style='text-align:left'><details><summary>why</summary>{'<br>'.join(map(escape, each.trace))}</details>"
        "</td></tr>"
        for each in shown
    )
    return (
        f"<table><thead><tr><th>{bill.compared_by}</th><th>billed</th><th>shadow</th><th>difference</th><th></th>"
        f"<th></th></tr></thead><tbody>{cells}</tbody></table>"
    )


def _totals(bill: ShadowBill) -> str:
    largest = sorted(bill.by("device").items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
    cells = "".join(
        f"<tr><td style='text-align:left'><code>{escape(device or '(account)')}</code></td>"
        f"<td>{bill.money(amount)}</td></tr>"
        for device, amount in largest
    )
    return f"<table><thead><tr><th>device</th><th>amount</th></tr></thead><tbody>{cells}</tbody></table>"


def _month(period: str) -> str:
    """``2026-03-01/2026-04-01`` as ``2026-03``; other periods as they are."""
    first, _, after = period.partition("/")
    return (
        first[:7]
        if first.endswith("-01") and after.endswith("-01") and len(first) == len("2026-03-01")
        else period
    )


def _nano(amount: Fraction) -> int | str:
    exact = amount * NANO
    return exact.numerator if exact.denominator == 1 else f"{exact.numerator}/{exact.denominator}"
