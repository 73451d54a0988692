"""The forms of a diff's sentences: what moves, what becomes something else, what comes and what ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from workbench.model.money import decimal_text
from workbench.model.offer import Offer
from workbench.tariff.show import grouped


@dataclass(frozen=True, slots=True)
class Change:
    """Two versions of one offer, and what sentences about them need.

    Args:
        units: meter id to base unit, as it was and as it is to be.
    """

    old: Offer
    new: Offer
    units: tuple[Mapping[str, str], Mapping[str, str]]

    @property
    def name(self) -> str:
        """The offer, as sentences name it."""
        return f"'{self.new.title or self.new.id}'"

    @property
    def on(self) -> str:
        """The day from which the new version holds."""
        return f"{self.new.effective:%-d %B %Y}"

    @property
    def same_currency(self) -> bool:
        """Whether amounts of both versions can be compared."""
        return self.old.currency == self.new.currency

    def moved(self, subject: str, before: Fraction, after: Fraction, was: str, to: str) -> str:
        """``Tier 2 of 'data' of 'S' falls from 0.0004 to 0.0003 EUR per MB from 1 March 2026.``"""
        verb = "rises" if after > before else "falls"
        return f"{_capital(subject)} {verb} from {was} to {to} from {self.on}."

    def money_moved(self, subject: str, before: Fraction, after: Fraction, per: str = "") -> str:
        """``moved`` for an amount of the offer's currency; amounts of two currencies neither rise nor fall."""
        per = f" {per}" if per else ""
        to = f"{figure(after)} {self.new.currency}{per}"
        if self.same_currency:
            return self.moved(subject, before, after, figure(before), to)
        was = f"{figure(before)} {self.old.currency}{per}"
        return f"{_capital(subject)} changes from {was} to {to} from {self.on}."

    def share_moved(self, subject: str, before: Fraction, after: Fraction, of: str = "") -> str:
        """``moved`` for a percentage."""
        to = f"{decimal_text(after * 100)} %{f' {of}' if of else ''}"
        return self.moved(subject, before, after, decimal_text(before * 100), to)

    def now(self, subject: str, was: str, to: str, *, plural: bool = False) -> Iterator[str]:
        """``From 1 March 2026 the rate ... is B; it was A.``; nothing when both read the same."""
        if was == to:
            return
        verbs = ("are", "they were") if plural else ("is", "it was")
        yield f"From {self.on} {subject} {verbs[0]} {to}; {verbs[1]} {was}."

    def gets(self, what: str, words: str) -> str:
        """Something new."""
        return f"{self.name} gets {what} from {self.on}: {words}."

    def ends(self, what: str, words: str) -> str:
        """Something that is no longer there; what it was is said."""
        return f"From {self.on} {self.name} has no {what} any more; it was {words}."

    def order(self, what: str, before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
        """Another order of the same things, where the first that fits wins."""
        left, right = [
            [name for name in names if name in before and name in after] for names in (before, after)
        ]
        if left != right:
            yield from self.now(f"the order of {what}", ", ".join(before), ", ".join(after))


def neutral(old: Any, new: Any, *numbers: str) -> bool:
    """Whether two parts differ in nothing but these fields."""
    return bool(replace(old, **{name: getattr(new, name) for name in numbers}) == new)


def listed(
    change: Change,
    noun: str,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    words: Callable[[Any, Offer], str],
    figures: Callable[[Change, Any, Any], Iterator[str] | None],
) -> Iterator[str]:
    """The sentences about parts that are known by a name.

    Args:
        figures: the sentences for a part of which only figures moved; None when more than that is different.
    """
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new:
            yield change.ends(f"{noun} '{name}'", words(old[name], change.old))
        elif name not in old:
            yield change.gets(
                f"{'an' if noun[0] in 'aeiou' else 'a'} {noun} '{name}'", words(new[name], change.new)
            )
        elif old[name] != new[name]:
            told = figures(change, old[name], new[name])
            if told is None:
                subject = f"the {noun} '{name}' of {change.name}"
                told = change.now(subject, words(old[name], change.old), words(new[name], change.new))
            yield from told


def figure(amount: Fraction) -> str:
    """An exact number with its thousands apart."""
    return grouped(decimal_text(amount))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
