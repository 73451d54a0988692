"""A charging node for notebooks: words in, a dictionary out, money as exact decimals."""

from __future__ import annotations

import itertools
import tempfile
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec

from workbench.charging.durable import LocalNode
from workbench.charging.messages import Command, Publish, encode
from workbench.charging.node import OPERATOR
from workbench.charging.serve import raise_if_refused
from workbench.errors import UsageError

_MONEY = ("charged", "balance", "held", "available", "debt")
_SHOWN = ("ok", "code", "why", "granted", "affordable", "reservation", "feature", "final_unit")


class ChargingNode:
    """A node in this process. Its log is real: an answer comes when it is on disk.

    Args:
        offers: a catalogue file, or its text; the connected cars' when left out.
        folder: where the log is kept; a temporary folder when left out.
    """

    def __init__(self, offers: str | Path = "", folder: str | Path | None = None) -> None:
        from workbench.showcase.cars import catalogue

        self._temporary = tempfile.TemporaryDirectory(prefix="charging-") if folder is None else None
        place = Path(folder) if folder is not None else Path(self._temporary.name if self._temporary else "")
        text = catalogue() if not offers else str(offers) if "\n" in str(offers) else Path(offers).read_text()
        self._node, self._ids = LocalNode(place), itertools.count(1)
        self._first = self._node.durable.node.seq
        if self._node.durable.node.tariffs.text != text:
            raise_if_refused(
                self._node.ask(Publish(tenant=OPERATOR, id=f"catalogue {self._first}", text=text))
            )

    def ask(self, op: str, **words: Any) -> dict[str, Any]:
        """One request, for example ``ask("debit", account="car-1", meter="cars.data", units=1000)``.

        A request without ``id`` gets one. Amounts in the answer are ``Decimal`` of the account's currency, exact.

        Raises:
            UsageError: there is no such operation, or a word is not one of its.
        """
        words.setdefault("id", f"{self._first}-{next(self._ids)}")
        try:
            message = msgspec.convert({"op": op, **words}, type=Command)
        except msgspec.ValidationError as error:
            raise UsageError(
                f"The node does not understand that: {error}.",
                where=op,
                cure="See the operations' own words.",
                code="bad_request",
            ) from error
        answer = msgspec.json.decode(self._node.ask(encode(message)))
        scale = answer.get("denominator", 1)
        money = {name: _decimal(Fraction(answer[name], scale * 10**9)) for name in _MONEY if name in answer}
        return {name: answer[name] for name in _SHOWN if name in answer} | money

    def close(self) -> None:
        """Let go of the log."""
        self._node.__exit__()
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> ChargingNode:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _decimal(amount: Fraction) -> Decimal:
    """Exact where the decimals end within thirty digits, as prices are written in decimals."""
    return Decimal(amount.numerator) / Decimal(amount.denominator)
