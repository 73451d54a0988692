"""Typed reading of one YAML map: every getter checks, names the line, and says the cure.

``Table`` remembers which keys were asked for, so that ``done()`` can refuse a misspelt one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from workbench.errors import CatalogueError
from workbench.model.money import exact
from workbench.model.units import UnitMismatch, to_base
from workbench.tariff.units_text import many
from workbench.yamltext import Items, Node, Pairs, Scalar

IDENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}\Z", re.ASCII)
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z", re.ASCII)
_QUANTITY = re.compile(
    r"([-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?)\s*([A-Za-z/][A-Za-z/0-9]*)?\Z", re.ASCII
)
_DECIMAL = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?\Z", re.ASCII)
_LONGEST_NUMBER = 100
ELSEWHERE = {
    **dict.fromkeys(("minimum", "minimum_amount", "minimum_spend", "true_up"), ("commitment",)),
    **dict.fromkeys(("cap", "maximum_amount", "maximum_spend"), ("maximum", "cap")),
    **dict.fromkeys(("free_units", "included", "included_units", "free"), ("allowance", "free")),
    **dict.fromkeys(("flat_fee", "flat_amount"), ("flat",)),
    **dict.fromkeys(("unit_amount", "unit_price", "price", "cost"), ("amount",)),
    **dict.fromkeys(("tax", "vat", "tax_rate"), ("taxes",)),
    **dict.fromkeys(("valid_from", "effective_from", "starts_at"), ("effective",)),
    **dict.fromkeys(("name", "description"), ("title",)),
    **dict.fromkeys(("charges", "components", "rate_cards"), ("prices",)),
    **dict.fromkeys(("block_size", "package_size"), ("size",)),
    **dict.fromkeys(("interval", "frequency", "billing_period"), ("every",)),
}
"""What others call a field of ours: the first that the map knows is proposed, since the nearest spelling may mean the
opposite (`minimum` is near `maximum`).
"""
_MAX_UNITS = 10**18


def number_and_unit(text: str) -> tuple[str, str] | None:
    """``2.5 GB``, ``1e6`` and ``-5`` as a number's text and a unit; None where the text is no quantity."""
    found = _QUANTITY.match(text.strip())
    return (found[1], found[2] or "") if found else None


class Table:
    """One map of a catalogue file.

    Args:
        node: the map (anything else is refused).
        file: for errors.
        place: what the map is, in the reader's words (``price 'energy'``).
    """

    def __init__(self, node: Node, file: str, place: str) -> None:
        self.file, self.place = file, place
        if not isinstance(node, Pairs):
            raise self.wrong(
                f"{place} must be a map of fields.", "field_type", "Write `key: value` lines.", node
            )
        self.node = node
        self.asked: list[str] = []

    def wrong(self, what: str, code: str, cure: str, node: Node | None = None) -> CatalogueError:
        """A coded error at ``node`` (default: this map)."""
        line = (node or self.node).line
        return CatalogueError(what, where=f"{self.file}:{line}", cure=cure, code=code)

    def has(self, key: str) -> bool:
        """Whether the key is written (an empty value counts as not written)."""
        if key not in self.asked:
            self.asked.append(key)
        node = self.node.nodes.get(key)
        return node is not None and not (
            isinstance(node, Scalar) and not node.quoted and node.text in ("", "~", "null")
        )

    def child(self, key: str) -> Node:
        """The value of a key; refused when it is missing."""
        if not self.has(key):
            raise self.wrong(f"{self.place} has no `{key}`.", "field_missing", f"Add `{key}:`.")
        return self.node.nodes[key]

    def line(self, key: str) -> int:
        """The line of a key's value, or of the map."""
        return self.node.nodes[key].line if key in self.node.nodes else self.node.line

    def done(self) -> None:
        """Refuse keys nobody asked for."""
        for key, node in self.node.nodes.items():
            if key not in self.asked:
                meant = next((word for word in ELSEWHERE.get(key, ()) if word in self.asked), "")
                near = [meant] if meant else difflib.get_close_matches(key, self.asked, 1)
                cure = (
                    f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(sorted(self.asked))}."
                )
                raise self.wrong(f"{self.place} knows no field `{key[:60]}`.", "field_unknown", cure, node)

    # -- scalars ---------------------------------------------------------------------------------------------

    def scalar(self, key: str) -> Scalar:
        """A plain value."""
        node = self.child(key)
        if not isinstance(node, Scalar):
            raise self.wrong(f"`{key}` must be one value.", "field_type", "Write it on one line.", node)
        return node

    def text(self, key: str, default: str | None = None, most: int = 200) -> str:
        """Free text of at most ``most`` characters."""
        if default is not None and not self.has(key):
            return default
        node = self.scalar(key)
        if len(node.text) > most or not node.text.isprintable():
            raise self.wrong(
                f"`{key}` must be printable text of at most {most} characters.",
                "field_text",
                "Shorten it, and leave out what cannot be printed.",
                node,
            )
        return node.text

    def ident(self, key: str, default: str | None = None) -> str:
        """An identifier: letters, digits, ``_ . -``; at most 64 characters."""
        if default is not None and not self.has(key):
            return default
        return self.check_ident(self.scalar(key), key)

    def check_ident(self, node: Node, key: str) -> str:
        """The node as an identifier."""
        if not isinstance(node, Scalar) or not IDENT.match(node.text):
            shown = node.text[:40] if isinstance(node, Scalar) else "a list or map"
            raise self.wrong(
                f"`{key}` must be an id, but is {shown!r}.",
                "field_id",
                "Use letters, digits, `_`, `.` and `-`, at most 64.",
                node,
            )
        return node.text

    def choice(self, key: str, options: Sequence[str], default: str | None = None) -> str:
        """One of a few words."""
        if default is not None and not self.has(key):
            return default
        node = self.scalar(key)
        if node.text not in options:
            raise self.wrong(
                f"`{key}` cannot be {node.text[:40]!r}.",
                "field_choice",
                f"Use one of: {', '.join(options)}.",
                node,
            )
        return node.text

    def flag(self, key: str, default: bool = False) -> bool:
        """``true`` or ``false``."""
        return self.choice(key, ("true", "false"), "true" if default else "false") == "true"

    def whole(self, key: str, default: int | None = None, least: int = 0, most: int = _MAX_UNITS) -> int:
        """A whole number."""
        if default is not None and not self.has(key):
            return default
        node = self.scalar(key)
        number = self._number(node, key)
        if number.denominator != 1 or not least <= number <= most:
            raise self.wrong(
                f"`{key}` must be a whole number from {least} to {most}, but is {node.text[:40]!r}.",
                "field_whole",
                "Write digits only.",
                node,
            )
        return number.numerator

    def amount(self, key: str, default: Fraction | None = None) -> Fraction:
        """Money or another exact decimal, zero or more."""
        if default is not None and not self.has(key):
            return default
        node = self.scalar(key)
        number = self._number(node, key)
        if number < 0:
            raise self.wrong(
                f"`{key}` is {node.text[:40]}; an amount cannot be negative.",
                "amount_negative",
                "Write zero or more." if key in ("rate", "factor") else "Use a discount to take money off.",
                node,
            )
        return number

    def maybe_amount(self, key: str) -> Fraction | None:
        """``amount``, or ``None`` when it is not written."""
        return self.amount(key) if self.has(key) else None

    def rate(self, key: str, most: Fraction = Fraction(1)) -> Fraction:
        """``30 %`` or ``0.3`` as a fraction from 0 to ``most``."""
        node = self.scalar(key)
        text = node.text.strip()
        number = self._number(Scalar(text.removesuffix("%").strip(), node.line), key)
        if text.endswith("%"):
            number /= 100
        if not 0 <= number <= most:
            raise self.wrong(
                f"`{key}` is {text[:40]}, which is not between 0 and {most * 100} %.",
                "percent_range",
                f"Write `{text} %` if that is what is meant."
                if 1 < number <= 100 and not text.endswith("%")
                else "Write `30 %` or `0.3`.",
                node,
            )
        return number

    def quantity(self, key: str, unit: str, default: int | None = None, least: int = 0) -> int:
        """``1 kWh`` (or a bare whole number) in the meter's base ``unit``."""
        if default is not None and not self.has(key):
            return default
        node = self._short(self.scalar(key), key)
        number_text, word = number_and_unit(node.text) or ("1", node.text.strip())
        number = self._number(Scalar(number_text, node.line), key)
        try:
            units = to_base(number, word or unit, unit)
        except UnitMismatch as error:
            raise self.wrong(
                f"`{key}`: {error}.",
                "unit_mismatch",
                f"Write it in {many(unit)}, or in another unit of that kind.",
                node,
            ) from None
        if not least <= units <= _MAX_UNITS:
            raise self.wrong(
                f"`{key}` must be from {least} to 10^18 {unit}, but is {node.text[:40]}.",
                "quantity_range",
                "Write a smaller one." if units > _MAX_UNITS else "Write a positive quantity.",
                node,
            )
        return units

    def day(self, key: str) -> date:
        """A date, ``2026-03-01``."""
        return self.check_day(self.scalar(key), key)

    def check_day(self, node: Node, key: str) -> date:
        """The node as a date."""
        shown = node.text[:40] if isinstance(node, Scalar) else "a list or map"
        try:
            if not isinstance(node, Scalar) or not re.match(r"\d{4}-\d\d-\d\d\Z", node.text, re.ASCII):
                raise ValueError
            found = date.fromisoformat(node.text)
            if not 1970 <= found.year <= 2200:
                raise ValueError
        except ValueError:
            raise self.wrong(
                f"`{key}` is not a date from 1970 to 2200: {shown!r}.",
                "field_date",
                "Write it as 2026-03-01.",
                node,
            ) from None
        return found

    def _short(self, node: Scalar, key: str) -> Scalar:
        """A number as people write them: nothing long is looked at closely."""
        if len(node.text) > _LONGEST_NUMBER:
            raise self.wrong(
                f"`{key}` has {len(node.text):,} characters; a number has {_LONGEST_NUMBER} at most.",
                "number",
                "Write at most 30 digits on either side of the point.",
                node,
            )
        return node

    def _number(self, node: Scalar, key: str) -> Fraction:
        text = self._short(node, key).text.strip().replace("_", "")
        if re.match(r"[-+]?0[0-9]", text):
            raise self.wrong(
                f"`{key}` begins with a zero: {node.text[:40]!r}.",
                "number",
                "Leave out the zeros in front.",
                node,
            )
        try:
            return exact(node.text)
        except ValueError:
            if _DECIMAL.match(text):
                raise self.wrong(
                    f"`{key}` has more digits than are read: {node.text[:40]!r}.",
                    "number",
                    "Write at most 30 digits on either side of the point.",
                    node,
                ) from None
            raise self.wrong(
                f"`{key}` is not a decimal number: {node.text[:40]!r}.",
                "number",
                "Write it like 0.00005, with a point and without a currency.",
                node,
            ) from None

    # -- structure -------------------------------------------------------------------------------------------

    def items(self, key: str) -> tuple[Node, ...]:
        """A list; empty when it is not written."""
        if not self.has(key):
            return ()
        node = self.node.nodes[key]
        if not isinstance(node, Items):
            raise self.wrong(f"`{key}` must be a list.", "field_type", "Begin each entry with `- `.", node)
        return node.nodes

    def tables(self, key: str, place: str) -> list[Table]:
        """A list of maps."""
        return [Table(node, self.file, f"{place} {number}") for number, node in enumerate(self.items(key), 1)]

    def table(self, key: str, place: str = "") -> Table | None:
        """A map, or ``None`` when it is not written."""
        return Table(self.node.nodes[key], self.file, place or f"`{key}`") if self.has(key) else None

    def idents(self, key: str) -> tuple[str, ...]:
        """A list of ids; empty when it is not written."""
        return tuple(self.check_ident(node, key) for node in self.items(key))
