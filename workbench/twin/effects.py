"""The exact difference of two worlds, taken apart: rule x customer x device x record, zero residue.

Every amount is an integer over one denominator per currency: the least common multiple of all prices' denominators.
A contribution is what the candidate charges less what production charges under one key; contributions of any grouping
are sums of contributions, so they add up to the total by construction, and ``assert_reconciles`` shows it.

Order of attribution, where more than the price changes: first the price at unchanged use, then the use that reacted to
it (column ``effect``). What an account that does not migrate would pay is taken out before anything is summed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm

from workbench.errors import AmountOverflow
from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.twin.replay import World

KEYS = ("currency", "side", "effect", "offer", "rule", "kind", "account", "device_key", "window_start")
"""What contributions can be grouped by, from coarse to fine."""

_LIMIT = 10**37


@dataclass(frozen=True, slots=True)
class Pair:
    """Production and a candidate on the same traffic.

    Attributes:
        before: production. after: the candidate at unchanged use. reacted: the candidate at the use that reacts to it.
        offers: ids of the offers that the candidate changes; the others were not rated again: None for all.
        movers: SQL of a relation with the ``account_id`` of those who take the candidate; empty: everyone.
    """

    before: World
    after: World
    reacted: World | None = None
    movers: str = ""
    offers: tuple[str, ...] | None = None

    def taking(self, offer: str = "offer_id", account: str = "account_id") -> str:
        """SQL condition of the charges that the candidate replaces; empty: all of them."""
        tests = []
        if self.offers is not None:
            tests.append(f"{offer} IN ({', '.join(map(quote, self.offers))})")
        if self.movers:
            tests.append(f"{account} IN (SELECT account_id FROM {self.movers})")
        return " AND ".join(tests)

    @property
    def denominators(self) -> dict[str, int]:
        """By currency, the denominator of every amount of this pair."""
        found: dict[str, int] = {}
        for world in filter(None, (self.before, self.after, self.reacted)):
            for currency, denominator in world.denominators.items():
                found[currency] = lcm(found.get(currency, 1), denominator)
        for currency, denominator in found.items():
            if denominator >= 10**18:
                raise AmountOverflow(
                    f"The prices in {currency} share no denominator below 10^18.",
                    where=currency,
                    cure="Use prices with fewer digits.",
                )
        return found


def contributions(
    lake: Lake, pair: Pair, by: Sequence[str] = ("rule", "account", "device_key"), where: str = ""
) -> str:
    """SQL of contributions: the keys ``by`` with ``currency`` in front, units and amounts before and after, delta.

    Amounts are HUGEINT over ``pair.denominators[currency]`` nano.

    Args:
        by: out of ``KEYS``.
        where: a condition over ``KEYS`` and ``account``, already safe text.
    """
    keys = ", ".join(dict.fromkeys(("currency", *by)))
    condition = f" WHERE {where}" if where else ""
    coarse = not {"device_key", "window_start"} & {*by, *re.findall(r"\w+", where)}
    return (
        f"(SELECT {keys}, sum(units_before)::HUGEINT AS units_before, sum(units_after)::HUGEINT AS units_after, "
        "sum(before)::HUGEINT AS before, sum(after)::HUGEINT AS after, (sum(after) - sum(before))::HUGEINT AS delta "
        f"FROM {_signed(lake, pair, coarse)}{condition} GROUP BY {keys})"
    )


def _signed(lake: Lake, pair: Pair, coarse: bool) -> str:
    """Every charge of both worlds, in one column if it was, in the other if it would be; ``coarse``: line by line."""
    zeros = "0::HUGEINT AS units_{0}, 0::HUGEINT AS {0}"
    taking = pair.taking()
    stays = f" WHERE {taking}" if taking else ""
    elsewhere = f" WHERE NOT ({taking})" if taking else ""
    denominators = pair.denominators
    fine = "" if coarse else "device_key, window_start, "
    scale = " ".join(
        f"WHEN {quote(currency)} THEN {over}::HUGEINT" for currency, over in denominators.items()
    )

    def part(world: World, column: str, effect: str, condition: str, sign: str = "") -> str:
        other = "after" if column == "before" else "before"
        amount = f"{sign}amount::HUGEINT * ((CASE currency {scale} END) // den)"
        return (
            f"SELECT currency, side, {quote(effect)} AS effect, offer_id AS offer, "
            f"offer_id || '.' || component_id AS rule, kind, account_id AS account, {fine}"
            f"{sign}units AS units_{column}, {amount} AS {column}, {zeros.format(other)} "
            f"FROM {world.charges(lake, whole_lines=coarse)}{condition}"
        )

    parts = [part(pair.before, "before", "price", ""), part(pair.after, "after", "price", stays)]
    if elsewhere:
        parts.append(part(pair.before, "after", "price", elsewhere))
    if pair.reacted is not None:
        parts.append(part(pair.after, "after", "reaction", stays, "-"))
        parts.append(part(pair.reacted, "after", "reaction", stays))
    keys = [key for key in KEYS if not coarse or key not in {"device_key", "window_start"}]
    columns = ", ".join((*keys, "units_before", "before", "units_after", "after"))
    return "(" + " UNION ALL ".join(f"SELECT {columns} FROM ({text})" for text in parts) + ")"


def check_range(total: int, currency: str) -> int:
    """Refuse a sum that came near the end of the engine's integers."""
    if abs(total) >= _LIMIT:
        raise AmountOverflow(
            f"A sum in {currency} leaves the exact range.", where=currency, cure="Look at less traffic."
        )
    return total
