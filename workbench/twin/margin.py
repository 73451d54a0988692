"""Margin: what is sold less what is bought, on the same records, by SIM, customer, offer or network; loss-makers first.

    table = margin(lake, "buying.yaml", {"roaming-wholesale": Who(offers=("pulse",))}, by="device")

A buying catalogue (``side: buy``) prices the same usage as the offers that are sold. Its subscriptions are made here: every
device of a segment is bought under the offer named for it, on a branch, and rated by the production path. So each margin
is a difference of two exact sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.billing import name_of, plan_of
from workbench.errors import ScenarioError, UsageError
from workbench.lake.lake import Lake
from workbench.lake.open import OpenLake
from workbench.lake.parties import TABLES as PARTIES
from workbench.lake.sql import name as quoted
from workbench.lake.sql import quote
from workbench.model.money import NANO
from workbench.model.offer import Catalogue
from workbench.tariff.catalogue import load
from workbench.twin import past, stage, traffic
from workbench.twin.cell import money
from workbench.twin.patch import as_if_in_force
from workbench.twin.replay import World, replay
from workbench.twin.scenario import Who

UNKNOWN = "(not told)"
"""Where a charge does not carry the dimension asked for."""


@dataclass(frozen=True, slots=True)
class Margin:
    """One row: what is sold and bought under one key, exact, in the currency's main unit."""

    key: str
    currency: str
    revenue: Fraction
    cost: Fraction

    @property
    def margin(self) -> Fraction:
        """Revenue less cost."""
        return self.revenue - self.cost


def margin(
    lake: Lake | OpenLake,
    buying: Catalogue | str | Path,
    serves: Mapping[str, Who] | None = None,
    *,
    by: str = "account",
    period: str = "",
) -> pd.DataFrame:
    """A table of margins: key, currency, revenue, cost, margin, percent of revenue; the largest loss first.

    Args:
        buying: the catalogue of what is bought.
        serves: buying offer -> whose devices it serves; left out: every device whose use it prices.
        by: ``device``, ``account``, ``offer`` (the one sold), or a dimension of the records such as ``network``.

    Raises:
        ScenarioError: ``margin_side``: an offer of ``buying`` is not bought; ``offer_unknown``.
    """
    rows = margins(lake, buying, serves, by=by, period=period)
    return pd.DataFrame(
        [
            {
                by: row.key, "currency": row.currency, "revenue": money(row.revenue), "cost": money(row.cost),
                "margin": money(row.margin),
                "percent": money(round(100 * row.margin / row.revenue, 2)) if row.revenue else None,
            }
            for row in rows
        ],
        columns=[by, "currency", "revenue", "cost", "margin", "percent"],
    )  # fmt: skip


def margins(
    lake: Lake | OpenLake,
    buying: Catalogue | str | Path,
    serves: Mapping[str, Who] | None = None,
    *,
    by: str = "account",
    period: str = "",
) -> list[Margin]:
    """The same as nouns."""
    inner = lake.inner if isinstance(lake, OpenLake) else lake
    bought = buying if isinstance(buying, Catalogue) else load(buying)
    wrong = next((offer.id for offer in bought.offers if offer.side != "buy"), None)
    if wrong is not None or not bought.offers:
        raise ScenarioError(
            f"The offer '{wrong}' is sold, not bought." if wrong else "The buying catalogue holds no offer.",
            where="buying", code="margin_side", cure="Write `side: buy` in every offer of the buying catalogue.",
        )  # fmt: skip
    seen = past.look(inner, period)
    with Lake.open(inner.root.parent, inner.tenant, version=inner.state.version) as base:
        name = stage.branch_name()
        base.branch(name).close()
    try:
        with Lake.open(inner.root.parent, inner.tenant, branch=name) as branch, branch.writer():
            return _worked_out(branch, seen, bought, serves, by)
    finally:
        inner.drop_branch(name)


def _worked_out(
    branch: Lake, seen: past.Past, bought: Catalogue, serves: Mapping[str, Who] | None, by: str
) -> list[Margin]:
    plan = plan_of(branch, seen.catalogue, seen.period)
    label = past.charged_as(branch, seen.period)
    kinds = ("charges", "uncharged", "lines")
    sold = World(
        plan, branch.state.version, (), {kind: tuple(branch.segments(kind, period=label)) for kind in kinds}
    )
    stage.reopen(branch, name_of(seen.period))
    held = branch.segments("subscriptions")
    wanted = as_if_in_force(bought, Catalogue(), seen.period)
    query = " UNION ALL ".join(_served(branch, wanted, serves))
    stage.put_back(
        branch, "subscriptions", [branch.write("subscriptions", query, order_by=PARTIES["subscriptions"])]
    )
    cost = replay(branch, wanted, seen.period)
    stage.put_back(branch, "subscriptions", held)
    return _table(branch, sold, cost, by)


def _served(branch: Lake, wanted: Catalogue, serves: Mapping[str, Who] | None) -> list[str]:
    """SQL of the subscriptions of each buying offer: one per device, on the account that pays for the device."""
    given = serves or {offer.id: Who() for offer in wanted.offers}
    known = {offer.id for offer in wanted.offers}
    found = []
    for offer_id, who in given.items():
        if offer_id not in known:
            raise ScenarioError(
                f"The buying catalogue has no offer '{offer_id}'.", where="serves", code="offer_unknown",
                cure=f"It has: {', '.join(sorted(known))}.",
            )  # fmt: skip
        found.append(
            f"SELECT s.* REPLACE (s.subscription_id || {quote('~' + offer_id)} AS subscription_id, {quote(offer_id)} AS "
            f"offer_id, '' AS overrides) FROM {traffic.chosen(branch, who)} s"
        )
    return found


def _table(branch: Lake, sold: World, cost: World, by: str) -> list[Margin]:
    if by in ("device", "account"):
        key = {"device": "device_key", "account": "account_id"}[by]
        parts = [_sums(branch, world, key) for world in (sold, cost)]
    elif by == "offer":
        parts = [_sums(branch, sold, "offer_id"), _cost_by_offer(branch, sold, cost)]
    else:
        parts = [_by_dimension(branch, world, by) for world in (sold, cost)]
    names = _device_names(branch) if by == "device" else {}
    both: dict[tuple[str, str], list[Fraction]] = {}
    for side, rows in enumerate(parts):
        for key, currency, den, amount in rows:
            told = names.get(key, key) if key is not None else ("(account)" if by == "device" else UNKNOWN)
            place = both.setdefault((str(told), currency), [Fraction(0), Fraction(0)])
            place[side] += Fraction(int(amount), int(den) * NANO)
    made = [Margin(key, currency, *amounts) for (key, currency), amounts in both.items()]
    return sorted(made, key=lambda row: (row.margin, row.key))


def _sums(branch: Lake, world: World, key: str) -> list[tuple[Any, ...]]:
    return branch.con.execute(
        f"SELECT {key}, currency, den, sum(amount)::HUGEINT FROM {world.charges(branch)} GROUP BY ALL ORDER BY ALL"
    ).fetchall()


def _cost_by_offer(branch: Lake, sold: World, cost: World) -> list[tuple[Any, ...]]:
    """A device's cost belongs to the offer that earns most with it."""
    return branch.con.execute(
        "WITH mine AS (SELECT device_key, arg_max(offer_id, earned) AS offer_id FROM (SELECT device_key, offer_id, "
        f"sum(amount::HUGEINT * 1000000000 // den) AS earned FROM {sold.charges(branch)} WHERE side = 'sell' AND device_key "
        "IS NOT NULL GROUP BY ALL) GROUP BY 1) SELECT m.offer_id, c.currency, c.den, sum(c.amount)::HUGEINT "
        f"FROM {cost.charges(branch)} c LEFT JOIN mine m USING (device_key) GROUP BY ALL ORDER BY ALL"
    ).fetchall()


def _by_dimension(branch: Lake, world: World, dimension: str) -> list[tuple[Any, ...]]:
    """Sums by a dimension that charges carry because some price looks at it."""
    carried = [dimension in world.plan.dimensions(stream) for stream in world.plan.streams]
    if not any(carried):
        raise UsageError(
            f"No price of this period looks at {dimension!r}, so charges do not carry it.", where="by", code="split_by",
            cure="Use device, account, offer, or a dimension that prices match on.",
        )  # fmt: skip
    column = quoted(dimension)
    parts = []
    for segment in world.segments["charges"]:
        scan = branch.scan("charges", segments=[segment])
        there = dimension in branch.con.sql(f"SELECT * FROM {scan} LIMIT 0").columns
        parts.append(f"SELECT line_no, amount, {column if there else 'NULL'}::VARCHAR AS told FROM {scan}")
    lines = branch.scan("lines", segments=world.segments["lines"])
    return branch.con.execute(
        f"SELECT c.told, l.currency, l.price_denominator, sum(c.amount)::HUGEINT FROM ({' UNION ALL '.join(parts)}) c "
        f"JOIN {lines} l USING (line_no) GROUP BY ALL ORDER BY ALL"
    ).fetchall()


def _device_names(branch: Lake) -> dict[Any, str]:
    return dict(branch.con.execute(f"SELECT device_key, device_id FROM {branch.scan('devices')}").fetchall())
