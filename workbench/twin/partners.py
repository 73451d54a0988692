"""Partner shares of a world, exact and unrounded, by the same arithmetic as a close (``settlement.splits``)."""

from __future__ import annotations

from fractions import Fraction

from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.settlement.splits import OPERATOR, Basis, in_each_currency
from workbench.settlement.terms import in_order, split_of
from workbench.twin.effects import Pair
from workbench.twin.replay import World

PPM = 1_000_000
Shares = dict[tuple[str, str, str], Fraction]


def partner_shares(lake: Lake, pair: Pair) -> Shares:
    """(``before`` or ``after``, partner, currency) -> exact share in the currency's main unit.

    After: the charges that the candidate replaces, and production's own for the rest.
    """
    found: Shares = {}
    _add(found, "before", lake, pair.before, "")
    last = pair.reacted or pair.after
    taking = pair.taking()
    _add(found, "after", lake, last, taking)
    if taking:
        _add(found, "after", lake, pair.before, f"NOT ({taking})")
    return found


def _add(found: Shares, when: str, lake: Lake, world: World, where: str) -> None:
    source = f"(SELECT * FROM {world.charges(lake)} WHERE side = 'sell'{f' AND {where}' if where else ''})"
    rows = lake.con.execute(
        "SELECT offer_id, offer_version, currency, component_id, kind, den, coalesce(tax_inclusive, false), "
        f"coalesce(tax_rate_ppm, 0), sum(amount)::HUGEINT, sum(units)::HUGEINT FROM {source} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    groups: dict[tuple[str, int], dict[str, list[tuple[str, str, Fraction, int]]]] = {}
    for offer, version, currency, part, kind, den, inclusive, ppm, amount, units in rows:
        exact = Fraction(int(amount), int(den)) * (Fraction(PPM, PPM + ppm) if inclusive else 1)
        parts = groups.setdefault((offer, version), {}).setdefault(currency, [])
        parts.append((part, kind, exact, int(units)))
    for (offer_id, version), earned in groups.items():
        split = split_of(world.offer(offer_id, version))
        wanted = {rule.components for rule in split.rules if rule.per == "device" and rule.kind == "fixed"}
        ordered, bases = in_order(world.offer(offer_id, version), earned), []
        for place, (currency, rate) in enumerate(ordered, 1):
            so_far = [name for name, _ in ordered[:place]]
            devices = {names: _devices(lake, source, offer_id, version, so_far, names) for names in wanted}
            bases.append((rate, _basis(earned[currency], devices, shared=split.share_true_ups)))
        for (currency, _), cut in zip(
            ordered, in_each_currency(split, bases, operator=OPERATOR), strict=True
        ):
            for partner, share in cut.items():
                key = (when, partner, currency)
                found[key] = found.get(key, Fraction(0)) + share / 10**9


def _basis(
    parts: list[tuple[str, str, Fraction, int]], devices: dict[tuple[str, ...], int], *, shared: bool
) -> Basis:
    amounts: dict[str, Fraction] = {}
    units: dict[str, int] = {}
    unshared = Fraction(0)
    for part, kind, exact, used in parts:
        if kind == "true_up" and not shared:
            unshared += exact
            continue
        amounts[part] = amounts.get(part, Fraction(0)) + exact
        if kind == "usage":
            units[part] = units.get(part, 0) + used
    return Basis(amounts, units, devices, unshared)


def _devices(
    lake: Lake, source: str, offer_id: str, version: int, currencies: list[str], components: tuple[str, ...]
) -> int:
    chosen = f" AND component_id IN ({', '.join(map(quote, components))})" if components else ""
    row = lake.con.execute(
        f"SELECT count(DISTINCT device_key) FROM {source} WHERE offer_id = {quote(offer_id)} "
        f"AND offer_version = {int(version)} AND currency IN ({', '.join(map(quote, currencies))}){chosen}"
    ).fetchall()
    return int(row[0][0])
