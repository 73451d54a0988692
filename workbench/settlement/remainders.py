"""A remainder that is carried on is what rounding left open, once: reckoned again over every close, in the order of closes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.settlement import record
from workbench.tariff import restore

Key = tuple[str, ...]
"""Account, offer, part, currency, tax category, tax rate, inclusive or not: as text."""


@dataclass
class _Lines:
    """The lines of one close or adjustment, by key: exact nano, what they were rounded to, and what was carried in."""

    exact: dict[Key, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    rounded: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    carried: dict[Key, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    settled: dict[Key, int] = field(default_factory=lambda: defaultdict(int))


def wrong_remainder(lake: Lake) -> str:
    """The first line that carries on anything but what is open, or what is open and not carried; empty when all is well.

    What is open of a key is all that was ever exact under it less all that was ever billed. Where an offer carries remainders,
    it comes with the account's next lines of that offer; an account that leaves is billed this period's remainder, too.
    """
    closes = record.in_order(lake)
    carrying = {name: _carrying(lake, name) for name, fact in closes if fact["stage"] == "close"}
    offers = sorted(set().union(*carrying.values()))
    left: dict[Key, Fraction] = defaultdict(Fraction)
    for name, fact in closes if offers else ():
        lines = _lines_of(lake, fact["segments"], offers)
        here = {key[:2] for key in lines.exact}
        for key in sorted({*left, *lines.exact, *lines.carried} if fact["stage"] == "close" else ()):
            if key[1] not in carrying[name]:
                continue
            before = left[key] if key[:2] in here else Fraction(0)
            leaving = left[key] + lines.exact[key] - lines.rounded[key]
            if lines.carried[key] not in (before, leaving):
                return f"{key[0]}'s {key[2]} of {key[1]} carries {lines.carried[key]} nano into {name}, and rounding had left {before}"
        for key in {*lines.exact, *lines.carried}:
            left[key] += lines.exact[key] - lines.rounded[key] - lines.settled[key]
    return ""


def _lines_of(lake: Lake, segments: Iterable[str], offers: list[str]) -> _Lines:
    named = set(segments)
    found = _Lines()
    files = [segment for segment in lake.segments("invoice_lines") if segment.id in named]
    if not files:
        return found
    listed = ", ".join(quote(offer) for offer in offers)
    rows = lake.con.execute(
        "SELECT account_id, offer_id, component_id, currency, tax_category, tax_rate_ppm::VARCHAR, inclusive::VARCHAR, "
        "kind = 'carry', price_denominator::HUGEINT, sum(amount)::HUGEINT, sum(rounded_nano)::HUGEINT FROM "
        f"{lake.scan('invoice_lines', segments=files)} WHERE kind <> 'deferred' AND offer_id IN ({listed}) GROUP BY ALL"
    ).fetchall()
    for *key, carried, denominator, amount, rounded in rows:
        name = tuple(key)
        (found.carried if carried else found.exact)[name] += Fraction(amount, denominator)
        (found.settled if carried else found.rounded)[name] += rounded
    return found


def _carrying(lake: Lake, period: str) -> set[str]:
    """Offers of a period's catalogue that carry remainders."""
    stored = lake.con.execute(
        f"SELECT offer_id, version, sha256, text FROM {lake.scan('catalog', period=period)}"
    ).fetchall()
    offers = restore.catalogue(stored).offers if stored else ()
    return {offer.id for offer in offers if offer.micropayment.carry_remainder}
