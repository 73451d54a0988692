"""The ``split:`` of an offer: who gets what (``model/split.py``)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise

from workbench.model.split import ShareTier, Split, SplitRule
from workbench.tariff.fields import Table

_ZERO = Fraction(0)


def read_split(table: Table, units: Mapping[str, str]) -> Split:
    """The split of an offer; one that says nothing of it is refused.

    Args:
        units: component id to the base unit of its meter, for shares per unit.
    """
    inner = table.table("split", f"the split of {table.place}")
    if inner is None:
        raise table.wrong(
            f"{table.place} has no split.",
            "split_missing",
            "Write it out, even when all of it is yours: `split: {rules: [{partner: operator, percent: 100 %}]}`.",
        )
    found = Split(
        rules=tuple(_split_rule(row, units) for row in inner.tables("rules", "split rule")),
        rest=inner.ident("rest", ""),
        basis=inner.choice("basis", ("billed", "collected"), "billed"),
        fixed_overrun=inner.choice("fixed_overrun", ("operator_bears", "capped"), "operator_bears"),
        share_true_ups=inner.flag("share_true_ups"),
    )
    inner.done()
    return found


def _split_rule(table: Table, units: Mapping[str, str]) -> SplitRule:
    table.place = f"{table.place} ({table.ident('partner')})"
    kinds = [kind for kind in ("fixed", "percent", "tiers") if table.has(kind)]
    if len(kinds) != 1:
        raise table.wrong(
            f"{table.place} needs one share.", "split_kind", "Write `fixed`, `percent` or `tiers`."
        )
    components = table.idents("components")
    fixed = kinds[0] == "fixed"
    per, per_units = _fixed_per(table, units, components) if fixed else ("unit", 1)
    found = SplitRule(
        partner=table.ident("partner"),
        kind=kinds[0],
        rate=table.rate("percent", Fraction(10)) if kinds[0] == "percent" else _ZERO,
        of="gross" if fixed else table.choice("of", ("gross", "remainder"), "gross"),
        amount=table.amount("fixed") if fixed else _ZERO,
        per=per,
        per_units=per_units,
        tiers=_share_tiers(table),
        guarantee=table.maybe_amount("guarantee"),
        cap=table.maybe_amount("cap"),
        components=components,
    )
    table.done()
    return found


def _fixed_per(table: Table, units: Mapping[str, str], components: tuple[str, ...]) -> tuple[str, int]:
    if table.text("per", "device") == "device":
        return "device", 1
    chosen = {units.get(component, "") for component in components or units}
    if len(chosen) != 1 or "" in chosen:
        raise table.wrong(
            f"{table.place}: a fixed share per unit needs components of one meter unit.",
            "split_unit",
            "Name them with `components: [...]`.",
        )
    return "unit", table.quantity("per", chosen.pop(), least=1)


def _share_tiers(table: Table) -> tuple[ShareTier, ...]:
    rows = table.tables("tiers", f"tier of {table.place}")
    tiers = []
    for row in rows:
        tiers.append(ShareTier(row.maybe_amount("up_to"), row.rate("rate")))
        row.done()
    closed = [Fraction(0), *(tier.up_to for tier in tiers[:-1])]
    rising = all(b is not None and a is not None and a < b for a, b in pairwise(closed))
    if tiers and (tiers[-1].up_to is not None or not rising):
        raise table.wrong(
            f"{table.place}: its tiers leave a gap or overlap.",
            "tier_gap",
            "Let `up_to` rise and leave it out of the last tier.",
        )
    return tuple(tiers)
