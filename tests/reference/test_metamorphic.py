"""Relations that must hold between two bills, whatever the prices: no oracle needed (invariants.md, 6.3).

Each is asked of the reference often and of the batch driver a few times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.golden.case import Case
from tests.golden.engine import Manner, by_batch
from tests.golden.outcome import LineName, Outcome, by_reference
from tests.reference.worlds import END, START, per_unit, with_offer, worlds
from workbench.model.party import Account, Device, Subscription
from workbench.model.price import Package, PerUnit, Price, StairStep
from workbench.reference.results import Use

Rater = Callable[[Case], list[Outcome]]
RATERS = [pytest.param(by_reference, 60, id="reference"), pytest.param(by_batch, 4, id="batch")]


def bill(rater: Rater, case: Case) -> dict[LineName, Fraction]:
    """The exact lines that are not zero."""
    return {name: amount for name, amount in rater(case)[0].lines.items() if amount != 0}


def holds(relation: Callable[..., None], examples: int, *arguments: st.SearchStrategy[object]) -> None:
    """Try a relation on so many random worlds."""
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    limited = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=checks)
    limited(given(*arguments)(relation))()


@pytest.mark.parametrize("rater, examples", RATERS)
def test_the_order_of_use_does_not_matter(rater: Rater, examples: int) -> None:
    def relation(case: Case, dice: object) -> None:
        shuffled = list(case.uses)
        dice.shuffle(shuffled)  # type: ignore[attr-defined]
        assert bill(rater, replace(case, uses=tuple(shuffled))) == bill(rater, case)

    holds(relation, examples, worlds(), st.randoms(use_true_random=False))


@pytest.mark.parametrize("rater, examples", RATERS)
def test_two_halves_of_a_record_cost_what_it_costs(rater: Rater, examples: int) -> None:
    def relation(case: Case) -> None:
        halves: list[Use] = []
        for use in case.uses:
            halves += [replace(use, units=use.units // 2), replace(use, units=use.units - use.units // 2)]
        assert bill(rater, replace(case, uses=tuple(halves))) == bill(rater, case)

    holds(relation, examples, worlds())


@pytest.mark.parametrize("rater, examples", RATERS)
def test_a_record_of_zero_units_changes_nothing(rater: Rater, examples: int) -> None:
    def relation(case: Case, slot: int) -> None:
        nothing = Use("a", "m.use", START + slot * timedelta(minutes=15), 0, (("country", "DE"),))
        assert bill(rater, replace(case, uses=(*case.uses, nothing))) == bill(rater, case)

    holds(relation, examples, worlds(), st.integers(0, 2000))


def dearer(price: Price, factor: int) -> Price:
    """The price with every amount of money multiplied."""
    if isinstance(price, PerUnit | Package):
        return replace(price, amount=price.amount * factor)
    if isinstance(price, StairStep):
        return replace(price, steps=tuple(replace(s, amount=s.amount * factor) for s in price.steps))
    tiers = tuple(replace(t, amount=t.amount * factor, flat=t.flat * factor) for t in price.tiers)  # type: ignore[union-attr]
    return replace(price, tiers=tiers)  # type: ignore[call-arg]


@pytest.mark.parametrize("rater, examples", RATERS)
def test_ten_times_the_prices_are_ten_times_the_bill(rater: Rater, examples: int) -> None:
    def relation(case: Case) -> None:
        offer = case.catalogue.offers[0]
        components = tuple(
            replace(c, rates=tuple(replace(r, price=dearer(r.price, 10)) for r in c.rates))
            for c in offer.components
        )
        fees = tuple(replace(fee, amount=fee.amount * 10) for fee in offer.fees)
        tenfold = bill(rater, with_offer(case, components=components, fees=fees))
        assert tenfold == {name: 10 * amount for name, amount in bill(rater, case).items()}

    holds(relation, examples, worlds())


def test_renamed_partners_get_what_they_got() -> None:
    names = {"operator": "zoe", "maker": "adam", "landlord": "maker"}

    def relation(case: Case) -> None:
        split = case.catalogue.offers[0].split
        assert split is not None
        rules = tuple(replace(rule, partner=names[rule.partner]) for rule in split.rules)
        renamed = by_reference(with_offer(case, split=replace(split, rules=rules, rest=names[split.rest])))[0]
        shares = by_reference(case)[0].shares
        assert shares is not None
        assert renamed.shares == {names[partner]: amount for partner, amount in shares.items()}

    holds(relation, 60, worlds())


def test_shares_sum_to_the_bill() -> None:
    def relation(case: Case) -> None:
        outcome = by_reference(case)[0]
        assert outcome.shares is not None
        assert outcome.statements is not None
        assert sum(outcome.shares.values()) == sum(outcome.lines.values())
        whole = sum(outcome.lines.values(), Fraction(0)) / 10**7
        assert abs(Fraction(sum(outcome.statements.values()), 10**7) - whole) <= Fraction(1, 2)

    holds(relation, 60, worlds())


@pytest.mark.parametrize("rater, examples", RATERS)
def test_all_instants_and_the_zone_may_move_together(rater: Rater, examples: int) -> None:
    """UTC, and five hours later in a zone five hours behind, are the same local month."""
    later = timedelta(hours=5)

    def in_zone(case: Case, zone: str, moved: timedelta) -> Case:
        account = replace(case.parties.accounts[0], zone=zone)
        subscriptions = tuple(replace(s, starts_at=s.starts_at + moved) for s in case.parties.subscriptions)
        offer = case.catalogue.offers[0]
        components = tuple(
            replace(
                c,
                rates=tuple(
                    replace(r, windows=tuple(replace(w, zone=zone) for w in r.windows)) for r in c.rates
                ),
            )
            for c in offer.components
        )
        period = (START + timedelta(hours=1) + moved, END + timedelta(hours=2) + moved)
        uses = tuple(replace(use, at=use.at + moved) for use in case.uses)
        parties = replace(case.parties, accounts=(account,), subscriptions=subscriptions)
        changed = with_offer(case, zone=zone, components=components)
        return replace(changed, parties=parties, uses=uses, periods=(period,))

    def relation(case: Case) -> None:
        here, there = in_zone(case, "UTC", timedelta(0)), in_zone(case, "Etc/GMT+5", later)
        assert bill(rater, here) == bill(rater, there)

    holds(relation, examples, worlds())


@pytest.mark.parametrize("rater, examples", RATERS)
def test_the_days_of_a_month_sum_to_the_month(rater: Rater, examples: int) -> None:
    """For prices that need no counter, and fees by the day; a whole week each, to make it quick."""

    def relation(case: Case) -> None:
        offer = case.catalogue.offers[0]
        plain = tuple(replace(c, allowance=None) for c in offer.components)
        case = with_offer(case, components=plain, fees=offer.fees[:1])
        # Local midnights: the clocks go forward on the fourth Sunday, so the last week begins an hour earlier.
        cuts = [START + timedelta(days=7 * n) for n in range(4)] + [START + timedelta(days=29, hours=-1), END]
        parts: dict[LineName, Fraction] = {}
        for span in pairwise(cuts):
            for name, amount in bill(rater, replace(case, periods=(span,))).items():
                parts[name] = parts.get(name, Fraction(0)) + amount
        assert parts == bill(rater, case)

    holds(relation, max(2, examples // 2), worlds(per_unit))


@pytest.mark.parametrize("rater, examples", RATERS)
def test_another_customer_changes_nothing(rater: Rater, examples: int) -> None:
    def relation(case: Case) -> None:
        neighbour = Subscription("s-z", "zeta", "offer", START - timedelta(days=99), device_id="z")
        parties = replace(
            case.parties,
            accounts=(*case.parties.accounts, Account("zeta", zone="Europe/Berlin")),
            devices=(*case.parties.devices, Device("z")),
            subscriptions=(*case.parties.subscriptions, neighbour),
        )
        theirs = tuple(replace(use, device_id="z") for use in case.uses)
        both = bill(rater, replace(case, parties=parties, uses=(*case.uses, *theirs)))
        assert {name: amount for name, amount in both.items() if name[0] == "acme"} == bill(rater, case)

    holds(relation, examples, worlds())


def test_partitions_and_threads_do_not_matter() -> None:
    def relation(case: Case, parts: int) -> None:
        plain = by_batch(case)[0]
        assert by_batch(case, Manner(parts=parts, threads=1)) == [plain]

    holds(relation, 4, worlds(), st.integers(2, 5))
