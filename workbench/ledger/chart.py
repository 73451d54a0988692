"""The chart of accounts: an account is a typed string, ``kind:name``.

``receivable:acme`` is what the account acme owes, ``payable:city-power`` what a partner is owed. The kind
decides on which side the account grows and where an export files it; the name is whatever the rest of the
house calls the party, offer, tax category or currency.
"""

from __future__ import annotations

from enum import Enum

from workbench.errors import SettlementError


class Side(Enum):
    """The side on which an account grows."""

    DEBIT = 1
    CREDIT = -1


class AccountKind(Enum):
    """Every kind of account there is: (prefix, section of the chart, side on which it grows)."""

    RECEIVABLE = ("receivable", "Assets", Side.DEBIT)
    """What a paying account owes on issued invoices."""
    UNBILLED = ("unbilled", "Assets", Side.DEBIT)
    """What a paying account owes on lines deferred by a minimum invoice."""
    CASH = ("cash", "Assets", Side.DEBIT)
    """Money received or paid out."""
    PREPAID = ("prepaid", "Liabilities", Side.CREDIT)
    """Balances paid in advance."""
    PAYABLE = ("payable", "Liabilities", Side.CREDIT)
    """What a partner is owed."""
    TAX = ("tax", "Liabilities", Side.CREDIT)
    """Tax collected, by category."""
    REVENUE = ("revenue", "Income", Side.CREDIT)
    """What the operator keeps of an offer, once partners' shares are booked out."""
    ROUNDING = ("rounding", "Income", Side.CREDIT)
    """What rounding invoice lines brought (or cost), by currency; the operator's."""

    @property
    def prefix(self) -> str:
        """The text before the colon."""
        return self.value[0]

    @property
    def section(self) -> str:
        """Assets, Liabilities or Income."""
        return self.value[1]

    @property
    def side(self) -> Side:
        """The side on which accounts of this kind grow."""
        return self.value[2]


KINDS = {kind.prefix: kind for kind in AccountKind}


def receivable(account_id: str) -> str:
    """The account of what ``account_id`` owes."""
    return f"receivable:{account_id}"


def unbilled(account_id: str) -> str:
    """The account of what ``account_id`` owes but was not invoiced yet."""
    return f"unbilled:{account_id}"


def revenue(offer_id: str) -> str:
    """The account of what an offer earns."""
    return f"revenue:{offer_id}"


def payable(partner_id: str) -> str:
    """The account of what a partner is owed."""
    return f"payable:{partner_id}"


def tax(category: str) -> str:
    """The account of tax collected under a category."""
    return f"tax:{category}"


def rounding(currency: str) -> str:
    """The operator's account of rounding differences in one currency."""
    return f"rounding:{currency}"


def parse(account: str) -> tuple[AccountKind, str]:
    """Kind and name of an account string.

    Raises:
        SettlementError: code ``unknown_ledger_account`` when the text is no account of this chart.

    >>> parse("payable:city-power")[1]
    'city-power'
    """
    prefix, colon, name = account.partition(":")
    kind = KINDS.get(prefix)
    if kind is None or not colon or not name:
        raise SettlementError(
            f"{account!r} is not an account of the ledger.",
            cure=f"Accounts read kind:name with a kind of {', '.join(sorted(KINDS))}.",
            code="unknown_ledger_account",
        )
    return kind, name
