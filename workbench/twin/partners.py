"""Partner shares of a world, exact and unrounded, by the same arithmetic as a close (``settlement.splits``)."""

from __future__ import annotations

from fractions import Fraction

from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.settlement.splits import OPERATOR, Basis, shares
from workbench.settlement.terms import in_currency, split_of
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
    groups: dict[tuple[str, int, str], list[tuple[str, str, Fraction, int]]] = {}
    for offer, version, currency, part, kind, den, inclusive, ppm, amount, units in rows:
        exact = Fraction(int(amount), int(den)) * (Fraction(PPM, PPM + ppm) if inclusive else 1)
        groups.setdefault((offer, version, currency), []).append((part, kind, exact, int(units)))
    for (offer_id, version, currency), parts in groups.items():
        split = split_of(in_currency(world.offer(offer_id, version), currency))
        wanted = {rule.components for rule in split.rules if rule.per == "device" and rule.kind == "fixed"}
        devices = {names: _devices(lake, source, offer_id, version, names) for names in wanted}
        basis = _basis(parts, devices, shared=split.share_true_ups)
        for partner, share in shares(split, basis, operator=OPERATOR).items():
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


def _devices(lake: Lake, source: str, offer_id: str, version: int, components: tuple[str, ...]) -> int:
    chosen = f" AND component_id IN ({', '.join(map(quote, components))})" if components else ""
    row = lake.con.execute(
        f"SELECT count(DISTINCT device_key) FROM {source} WHERE offer_id = {quote(offer_id)} "
        f"AND offer_version = {int(version)}{chosen}"
    ).fetchall()
    return int(row[0][0])
