"""What is booked: a ``Posting`` asks for a movement, a ``LedgerEntry`` is that movement in its place in the
chain.

The canonical text of a posting joins its fields with the unit separator (0x1F). Control characters are
refused in every field, so two different postings never have the same text. The same text is made in Python
(here) and in SQL (``PAYLOAD_SQL``), for one entry or for a million; tests hold the two equal.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from datetime import datetime

from workbench.errors import SettlementError
from workbench.ledger.chart import parse

SEPARATOR = "\x1f"
PAYLOAD_FIELDS = (
    "tx_id", "debit_account", "credit_account", "currency", "amount_nano", "period", "invoice_no", "memo",
)  # fmt: skip
PAYLOAD_SQL = "sha256(" + " || chr(31) || ".join(f"{name}::VARCHAR" for name in PAYLOAD_FIELDS) + ")"
"""SQL of a posting's payload hash over columns of the same names."""

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
AMOUNT_MAX = 10**38 - 1


@dataclass(frozen=True, slots=True)
class Posting:
    """A movement to be booked: ``amount_nano`` flows from the credit account to the debit account.

    Attributes:
        tx_id: what the movement belongs to (an invoice number, a statement id ...).
        posting_key: unique per tenant; booking the same key again with the same payload changes nothing.
        debit_account: see ``chart``.
        credit_account: see ``chart``.
        currency: ISO 4217 code.
        amount_nano: positive integer of nano-units of the currency's main unit.
        period: the billing period it is booked into, ``start/end``.
        invoice_no: the document it stands on; empty when there is none.
        memo: a few words for people.
    """

    tx_id: str
    posting_key: str
    debit_account: str
    credit_account: str
    currency: str
    amount_nano: int
    period: str
    invoice_no: str = ""
    memo: str = ""

    def __post_init__(self) -> None:
        parse(self.debit_account)
        parse(self.credit_account)
        problem = self._problem()
        if problem:
            raise SettlementError(problem, where=f"posting {self.posting_key!r}", code="bad_posting")

    def _problem(self) -> str:
        if type(self.amount_nano) is not int or not 0 < self.amount_nano <= AMOUNT_MAX:
            return f"A posting moves a positive whole number of nano-units, not {self.amount_nano!r}."
        if self.debit_account == self.credit_account:
            return "A posting needs two different accounts."
        if not (self.tx_id and self.posting_key and self.currency):
            return "A posting names its transaction, its key and its currency."
        texts = (str(getattr(self, name)) for name in (*PAYLOAD_FIELDS, "posting_key"))
        return "A posting's texts hold no control characters." if any(map(CONTROL.search, texts)) else ""

    @property
    def payload_sha256(self) -> str:
        """Hash of everything but the key: what must be equal when a key is used again."""
        text = SEPARATOR.join(str(getattr(self, name)) for name in PAYLOAD_FIELDS)
        return hashlib.sha256(text.encode()).hexdigest()

    def reversed(self, *, period: str, memo: str = "") -> Posting:
        """The posting that undoes this one.

        Its key is made from the reversed key alone, so a movement can be undone once: a second reversal
        with the same words returns the first, with other words it is a ``PostingConflict``.

        Args:
            period: the period the correction is booked into (a closed period never changes).
        """
        return replace(
            self,
            tx_id=f"reversal:{self.tx_id}",
            posting_key=f"reversal:{self.posting_key}",
            debit_account=self.credit_account,
            credit_account=self.debit_account,
            period=period,
            memo=memo or f"reversal of {self.posting_key}",
        )


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A posting in its place: numbered, dated, chained to the entry before it. Never edited."""

    entry_no: int
    posting: Posting
    booked_at: datetime = field(compare=False)
    payload_sha256: str
    prev_hash: str
    hash: str
