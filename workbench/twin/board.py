"""The what-if board: sliders for price, allowance and growth, answered in a moment for a whole city.

    board = Board.of(lake)                                       # once: what every counter holds, from the records
    board.price({"lights-on.energy.amount": "0.00007"}).totals   # then, as often as a slider moves

A bill is ``C(total)`` per counter, so records are only read once. The arithmetic is ``tariff.amount``, on the rows that
``tariff.variants`` compiles; the answer is ``simulate``'s, to the last nano, and every offer is checked against
production's own charges before the board trusts itself with it. What cannot be reckoned from totals (bundles, sponsors,
percentiles, adjustments, another structure) is refused with ``board_cannot``: let ``simulate`` do it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from workbench.billing import plan_of, records_within
from workbench.errors import ScenarioError
from workbench.lake.lake import Lake
from workbench.lake.open import OpenLake
from workbench.model.money import NANO, decimal_text
from workbench.model.offer import Catalogue
from workbench.model.plan import Period, PlanOffer
from workbench.tariff.plan import Plan
from workbench.tariff.variants import variants
from workbench.twin import past
from workbench.twin.cell import Change
from workbench.twin.counters import Counter, Fees, Held, fee_totals, held_totals, members
from workbench.twin.patch import candidate
from workbench.twin.reckon import allowances, bill_of, plain_offers
from workbench.twin.scenario import patch

Key = tuple[str, str, str]
"""Account, rule (``offer.part``), currency."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the sliders come to; everything exact, in the currency's main unit.

    Attributes:
        totals: currency -> (before, after). rules: (rule, currency) -> (before, after).
        changes: every account, largest rise first.
        wall_seconds: how long it took.
    """

    totals: Mapping[str, tuple[Fraction, Fraction]]
    rules: Mapping[tuple[str, str], tuple[Fraction, Fraction]]
    changes: tuple[Change, ...]
    wall_seconds: float


@dataclass(frozen=True, slots=True)
class Slider:
    """A number that can be moved: the patch's path, its value now as exact text, and what it is."""

    path: str
    value: str
    title: str
    unit: str


@dataclass(frozen=True)
class Board:
    """Totals of a period, ready to be priced again and again.

    Attributes:
        plain: ids of the offers that can be reckoned from totals; ``reasons`` says why the others cannot.
        build_seconds: what reading the records took. bought: currency -> what is paid for what is bought.
    """

    period: Period
    version: int
    catalogue: Catalogue
    plan: Plan
    held: Held
    names: Mapping[str, str]
    before: Mapping[Key, Fraction]
    plain: frozenset[str]
    reasons: Mapping[str, str]
    build_seconds: float
    bought: Mapping[str, Fraction] = field(default_factory=dict)
    _wanted: tuple[tuple[str, str, str], ...] = field(repr=False, default=())

    @classmethod
    def of(
        cls, lake: Lake | OpenLake, *, period: str = "", catalogue: Catalogue | str | Path | None = None
    ) -> Board:
        """Read the totals of a rated period once; nothing is written.

        Raises:
            ScenarioError: no such period was rated.
        """
        begun = time.perf_counter()
        inner = lake.inner if isinstance(lake, OpenLake) else lake
        seen = past.look(inner, period, catalogue)
        plan = plan_of(inner, seen.catalogue, seen.period)
        held = held_totals(inner, plan, records_within(inner, seen.period))
        held = dataclasses.replace(held, fees=fee_totals(inner, plan), members=members(inner, plan))
        before, names = _production(inner, seen.period)
        reasons = plain_offers(plan, held, before)
        wanted = inner.con.execute(
            f"SELECT DISTINCT s.offer_id, coalesce(s.overrides, ''), a.currency FROM {inner.scan('subscriptions')} s "
            f"JOIN {inner.scan('accounts')} a USING (account_id) WHERE s.starts_at < $1 AND coalesce(s.ends_at, "
            "TIMESTAMP '2260-01-01') > $2 ORDER BY ALL",
            [at.replace(tzinfo=None) for at in (seen.period.end, seen.period.start)],
        ).fetchall()
        ids = {offer.offer_id for offer in plan.offers}
        return cls(
            seen.period, seen.version, seen.catalogue, plan, held, names, before, frozenset(ids - set(reasons)), reasons,
            time.perf_counter() - begun, _bought(inner, seen.period), tuple(wanted),
        )  # fmt: skip

    @property
    def sliders(self) -> tuple[Slider, ...]:
        """The numbers of the plain offers that a page can offer as sliders, by path."""
        found = [
            slider
            for offer in self.catalogue.offers
            if offer.id in self.plain
            for slider in _sliders(self.catalogue, offer)
        ]
        return tuple(sorted(found, key=lambda slider: slider.path))

    def price(self, patches: Mapping[str, Any] | None = None, *, usage: str | Fraction = "1") -> Outcome:
        """The period under other numbers.

        Args:
            patches: as in a ``Scenario``: ``{"offer.path": value}``.
            usage: every device's use times this, rounded down per device and counter.

        Raises:
            ScenarioError: a patch is wrong, or ``board_cannot``: the answer does not follow from totals.
        """
        begun = time.perf_counter()
        factor = Fraction(usage)
        chosen = [patch(name, value) for name, value in (patches or {}).items()]
        touched = {each.offer for each in chosen}
        if factor != 1:
            touched |= {offer.offer_id for offer in self.plan.offers}
        for offer_id in sorted(touched & set(self.reasons)):
            raise _cannot(offer_id, self.reasons[offer_id])
        proposed = candidate(self.catalogue, chosen, self.period)
        offers = [variant.offer for variant in variants(proposed, self._wanted, self.period)]
        self._same_shape(offers, touched)
        after = dict(self.before)
        for key in [key for key in after if key[1].partition(".")[0] in touched]:
            del after[key]
        for key, amount in bill_of(self.held, offers, allowances(self.held, offers), touched, factor):
            after[key] = after.get(key, Fraction(0)) + amount
        return self._outcome(after, begun)

    def _same_shape(self, offers: Sequence[PlanOffer], touched: Iterable[str]) -> None:
        """Refuse a patch that moves counters, lines or fees about: totals say nothing about those."""
        if len(offers) != len(self.plan.offers):
            raise _cannot(", ".join(sorted(touched)), "the patch changes which versions hold")
        for old, new in zip(self.plan.offers, offers, strict=True):
            if old.offer_id in touched and _shape(old) != _shape(new):
                raise _cannot(old.offer_id, "the patch changes more than numbers")

    def _outcome(self, after: Mapping[Key, Fraction], begun: float) -> Outcome:
        zero = Fraction(0)
        totals: dict[str, list[Fraction]] = {}
        rules: dict[tuple[str, str], list[Fraction]] = {}
        bills: dict[tuple[str, str], list[Fraction]] = {}
        for key in self.before.keys() | after.keys():
            account, rule, currency = key
            pair = (self.before.get(key, zero), after.get(key, zero))
            places: tuple[list[Fraction], ...] = (
                totals.setdefault(currency, [zero, zero]),
                rules.setdefault((rule, currency), [zero, zero]),
                bills.setdefault((account, currency), [zero, zero]),
            )
            for place in places:
                place[0] += pair[0]
                place[1] += pair[1]
        changes = [Change(a, self.names.get(a, a), c, *amounts) for (a, c), amounts in bills.items()]
        return Outcome(
            {currency: (b, a) for currency, (b, a) in sorted(totals.items())},
            {rule: (b, a) for rule, (b, a) in sorted(rules.items())},
            tuple(sorted(changes, key=lambda change: (-change.delta, change.account))),
            time.perf_counter() - begun,
        )


def _production(lake: Lake, period: Period) -> tuple[dict[Key, Fraction], dict[str, str]]:
    """What production charged, by account and rule, sold offers only; and accounts' names."""
    name = past.charged_as(lake, period)
    rows = lake.con.execute(
        "SELECT l.account_id, l.offer_id || '.' || l.component_id, l.currency, l.price_denominator, "
        f"sum(c.amount)::HUGEINT FROM {lake.scan('charges', period=name)} c JOIN {lake.scan('lines', period=name)} l "
        "USING (line_no) WHERE l.side = 'sell' GROUP BY ALL"
    ).fetchall()
    found: dict[Key, Fraction] = {}
    for account, rule, currency, denominator, amount in rows:
        key = (account, rule, currency)
        found[key] = found.get(key, Fraction(0)) + Fraction(int(amount), int(denominator) * NANO)
    names = dict(lake.con.execute(f"SELECT account_id, name FROM {lake.scan('accounts')}").fetchall())
    return found, names


def _bought(lake: Lake, period: Period) -> dict[str, Fraction]:
    name = past.charged_as(lake, period)
    rows = lake.con.execute(
        f"SELECT l.currency, l.price_denominator, sum(c.amount)::HUGEINT FROM {lake.scan('charges', period=name)} c JOIN "
        f"{lake.scan('lines', period=name)} l USING (line_no) WHERE l.side = 'buy' GROUP BY ALL"
    ).fetchall()
    found: dict[str, Fraction] = {}
    for currency, denominator, amount in rows:
        found[currency] = found.get(currency, Fraction(0)) + Fraction(int(amount), int(denominator) * NANO)
    return found


def _shape(offer: PlanOffer) -> tuple[object, ...]:
    """Everything about a compiled offer but its numbers."""
    parts = tuple(
        (c.id, c.meter, c.fold, c.scope, c.counter_period, c.increment_units, c.increment_add, c.contribution, c.rollover,
         tuple((r.id, r.match, r.windows) for r in c.rates))
        for c in offer.components
    )  # fmt: skip
    fees = tuple(
        (f.id, f.every, f.per, f.proration, f.states, f.from_period, f.to_period) for f in offer.fees
    )
    rest = (
        offer.side,
        offer.currency,
        offer.zone,
        offer.period,
        offer.trial_days,
        offer.adjustments,
        offer.scope,
    )
    return offer.offer_id, parts, fees, rest


def _sliders(catalogue: Catalogue, offer: Any) -> Iterable[Slider]:
    for fee in offer.fees:
        yield Slider(f"{offer.id}.{fee.id}.amount", _text(fee.amount), fee.title or fee.id, offer.currency)
    for part in offer.components:
        unit = catalogue.meter(part.meter).unit
        title = part.title or part.id
        for rate in part.rates:
            base = f"{offer.id}.{part.id}" + (f".{rate.id}" if len(part.rates) > 1 else "")
            name = title + (f", {rate.id}" if len(part.rates) > 1 else "")
            price = rate.price
            if hasattr(price, "amount"):
                yield Slider(f"{base}.amount", _text(price.amount), name, offer.currency)
            for place, tier in enumerate(getattr(price, "tiers", ()) or getattr(price, "steps", ()), 1):
                where = "tiers" if hasattr(price, "tiers") else "steps"
                if hasattr(tier, "amount"):
                    yield Slider(
                        f"{base}.{where}.{place}.amount",
                        _text(tier.amount),
                        f"{name}, tier {place}",
                        offer.currency,
                    )
                if tier.up_to is not None:
                    yield Slider(
                        f"{base}.{where}.{place}.up_to", str(tier.up_to), f"{name}, tier {place} ends", unit
                    )
        if len(part.rates) == 1:
            free = part.allowance.units if part.allowance else 0
            yield Slider(f"{offer.id}.{part.id}.allowance", str(free), f"{title}, free", unit)


def _text(amount: Fraction) -> str:
    return decimal_text(amount)


def _cannot(offer_id: str, why: str) -> ScenarioError:
    return ScenarioError(
        f"The board cannot reckon '{offer_id}' from totals: {why}.",
        where=f"offer {offer_id}",
        cure="Run it as a scenario (`wb.simulate`, `workbench twin run`).",
        code="board_cannot",
    )


__all__ = ["Board", "Counter", "Fees", "Outcome", "Slider"]
