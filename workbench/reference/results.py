"""What goes into the reference rater and what comes out of it.

All instants are aware UTC datetimes. Amounts are exact ``Fraction`` of nano-units (1e-9 of the currency's
main unit); nothing here is rounded except ``Line.net_nano`` and what is made from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

ZERO = Fraction(0)


class Unpriceable(ValueError):
    """The reference rater refuses what the specification does not decide, or what no price fits."""


@dataclass(frozen=True, slots=True)
class Use:
    """One record (units of a device and meter in the slot that starts ``at``), or one event (``event_id``
    is set).

    units: base units of the meter. dims: (dimension, value) pairs. events: how many events a record stands
    for. ends_at: only for an event that lasts from ``at`` until then.
    """

    device_id: str
    meter: str
    at: datetime
    units: int
    dims: tuple[tuple[str, str], ...] = ()
    event_id: str = ""
    events: int = 1
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LineKey:
    """What one invoice line stands for, beside its period. ``component_id`` may be the id of a fee or
    adjustment.
    """

    account_id: str
    offer_id: str
    offer_version: int
    component_id: str
    kind: str  # usage | recurring | one_off | true_up | adjustment
    tax_category: str = "standard"
    meter: str = ""


@dataclass(frozen=True, slots=True)
class Charge:
    """The cost of one use (or of one fee and device): ``C(after) - C(before)`` of its counter, exactly.

    device_id and at are empty or the period's start where a charge belongs to no record (fees, true-ups).
    """

    line: LineKey
    device_id: str
    at: datetime
    units: int
    amount_nano: Fraction
    event_id: str = ""
    rate_id: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """An invoice line: the exact sum of its charges and, the only rounded money there is, ``net_nano``."""

    key: LineKey
    currency: str
    units: int
    amount_nano: Fraction
    net_nano: int


@dataclass(frozen=True, slots=True)
class Uncharged:
    """A use that no charge was made for, and why: see ``rater.REASONS``."""

    use: Use
    reason: str


@dataclass(frozen=True, slots=True)
class Share:
    """What one partner is owed by one offer version in the period: exact, and rounded once for the
    statement.
    """

    partner_id: str
    offer_id: str
    offer_version: int
    currency: str
    amount_nano: Fraction
    statement_nano: int


@dataclass(frozen=True, slots=True)
class TaxTotal:
    """The tax of one account at one rate: computed on the summed base of that rate."""

    account_id: str
    currency: str
    category: str
    rate: Fraction
    base_nano: int
    tax_nano: int
    inclusive: bool = False


@dataclass(slots=True)
class Invoice:
    """The totals of one account in one currency, with what earlier invoices put off: nano-units of whole minor units.

    deferred_nano: put off to a later period because all that waits is below the minimum. settled_nano: taken from paid
    balances.
    """

    account_id: str
    currency: str
    net_nano: int
    tax_nano: int
    gross_nano: int
    deferred_nano: int = 0
    settled_nano: int = 0
    payable_nano: int = 0


@dataclass(slots=True)
class Bill:
    """Everything one period comes to."""

    start: datetime
    end: datetime
    charges: list[Charge] = field(default_factory=list)
    uncharged: list[Uncharged] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    shares: list[Share] = field(default_factory=list)
    taxes: list[TaxTotal] = field(default_factory=list)
    invoices: list[Invoice] = field(default_factory=list)

    def line(self, account_id: str, component_id: str, kind: str = "usage") -> Line:
        """The one line of that account, component and kind. Raises ``KeyError`` when there is none or
        several.
        """
        found = [
            line
            for line in self.lines
            if (line.key.account_id, line.key.component_id, line.key.kind) == (account_id, component_id, kind)
        ]
        if len(found) != 1:
            raise KeyError(f"{len(found)} lines for {account_id}, {component_id}, {kind}")
        return found[0]

    def total_nano(self, account_id: str) -> Fraction:
        """The exact sum of an account's lines, before rounding and tax."""
        return sum((line.amount_nano for line in self.lines if line.key.account_id == account_id), ZERO)
