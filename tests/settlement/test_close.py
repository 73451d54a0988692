"""A close from charges to one commit, on a real lake."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.settlement.conftest import CENT, EUR, FEB, INCLUSIVE, JAN, MAR, NOW, Row, offer, small
from workbench.errors import AmountOverflow, LakeReadOnly, SettlementError
from workbench.ledger.balances import balance, trial_balance
from workbench.ledger.checks import CheckResult, ledger_checks
from workbench.model.split import Split, SplitRule
from workbench.settlement.checks import settlement_checks
from workbench.settlement.close import close
from workbench.settlement.terms import Terms


def prove(world):
    for result in [*ledger_checks(world.lake), *settlement_checks(world.lake)]:
        assert result.ok, result


def shut(world, period=JAN, **more):
    result = close(world.lake, world.catalogue, period, NOW, **more)
    prove(world)
    return result


def test_one_account_from_charge_to_books(world):
    """100.005 EUR of energy: the line is rounded once to 100.01, tax 19.00, 30 % of round(T) for the partner."""
    world.rate(JAN, [Row("acme", 100 * EUR * 20, den=20), Row("acme", CENT // 2 * 20, den=20, device=2)])
    result = shut(world)
    assert (result.invoices, result.lines, result.first_invoice) == (1, 1, "INV-000001")
    assert result.totals == {"EUR": {"net": 10001 * CENT, "tax": 1900 * CENT, "gross": 11901 * CENT}}
    assert result.shares == {"EUR": {"city-power": 3000 * CENT, "operator": 7001 * CENT}}
    assert balance(world.lake, "receivable:acme", "EUR") == 11901 * CENT
    assert balance(world.lake, "payable:city-power", "EUR") == 3000 * CENT
    assert balance(world.lake, "revenue:lamp", "EUR") == 7001 * CENT
    assert balance(world.lake, "tax:standard", "EUR") == 1900 * CENT


def test_lines_are_per_component_never_per_device(world):
    """500 devices at 0.024: 12.00, not 500 x 0.02."""
    world.rate(JAN, [Row("acme", 24_000_000, device=number) for number in range(500)])
    assert shut(world).totals["EUR"]["net"] == 12 * EUR


def test_rounding_difference_goes_to_the_operators_account(world):
    """Three accounts of 0.005: each line 0.01, round(T) = round(0.015) = 0.02; 0.01 is the rounding account's."""
    world.rate(JAN, [Row(name, CENT // 2) for name in ("a", "b", "c")])
    result = shut(world)
    assert result.totals["EUR"]["net"] == 3 * CENT
    assert sum(result.shares["EUR"].values()) == 2 * CENT
    assert balance(world.lake, "rounding:EUR", "EUR") == CENT


def test_numbers_are_given_by_account_id_and_go_on(world):
    world.rate(JAN, [Row("b", EUR), Row("a", EUR), Row("c", EUR)])
    world.rate(FEB, [Row("c", EUR), Row("a", EUR)])
    shut(world)
    result = shut(world, FEB)
    assert (result.first_invoice, result.last_invoice) == ("INV-000004", "INV-000005")
    assert world.rows("invoices", "account_id, invoice_no", "invoice_no") == [
        ("a", "INV-000001"), ("b", "INV-000002"), ("c", "INV-000003"), ("a", "INV-000004"), ("c", "INV-000005"),
    ]  # fmt: skip


def test_closing_twice_changes_nothing(world):
    world.rate(JAN, [Row("a", EUR)])
    first = shut(world)
    version = world.lake.state.version
    again = shut(world)
    assert again.already_closed
    assert (again.hash, again.totals, world.lake.state.version) == (first.hash, first.totals, version)


def test_everything_is_in_one_commit(world):
    world.rate(JAN, [Row("a", EUR)])
    version = world.lake.state.version
    assert shut(world).version == version + 1
    added = world.lake.history()[-1]["add"]
    assert {segment["kind"] for segment in added} == {"invoices", "invoice_lines", "ledger", "statements"}


def test_a_close_that_dies_before_its_commit_leaves_nothing(world, monkeypatch):
    world.rate(JAN, [Row("a", EUR)])

    def die(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(world.lake, "commit", die)
        with pytest.raises(KeyboardInterrupt):
            close(world.lake, world.catalogue, JAN, NOW)
    assert world.rows("ledger", "count(*)", "1") == [(0,)]
    assert shut(world).first_invoice == "INV-000001"


def test_the_same_charges_give_the_same_bytes(world, tmp_path):
    from tests.settlement.conftest import World
    from workbench.lake.lake import Lake

    rows = [Row(f"a{number % 7}", number * 12345, den=7, device=number) for number in range(200)]
    world.rate(JAN, rows)
    one = shut(world)
    with Lake.open(tmp_path / "other", create=True, threads=1) as lake, lake.writer():
        other = World(lake)
        other.rate(JAN, rows[::-1])
        close(lake, other.catalogue, JAN, NOW)
        hashes = [
            {s.kind: s.sha256 for s in found.state.segments.values() if s.kind != "charges"}
            for found in (lake, world.lake)
        ]
    assert hashes[0] == hashes[1]
    assert one.invoices == 7


@pytest.mark.parametrize(("currency", "unit"), [("JPY", EUR), ("BHD", 10**6), ("EUR", CENT)])
def test_minor_units_of_currencies(world, currency, unit):
    world.offers["lamp"] = offer(currency=currency)
    world.rate(JAN, [Row("a", 10 * unit + unit // 2, currency=currency)])
    assert shut(world).totals[currency]["net"] == 11 * unit


def test_negative_lines_round_away_from_zero_and_swap_the_sides(world):
    world.rate(JAN, [Row("a", -CENT // 2 - 3 * EUR)])
    result = shut(world)
    assert result.totals["EUR"] == {"net": -301 * CENT, "tax": -57 * CENT, "gross": -358 * CENT}
    assert balance(world.lake, "receivable:a", "EUR") == -358 * CENT
    assert result.shares["EUR"]["city-power"] == -90 * CENT


def test_a_line_of_zero_stands_on_the_invoice_and_books_nothing(world):
    world.rate(JAN, [Row("a", 0)])
    result = shut(world)
    assert (result.invoices, result.lines, result.entries) == (1, 1, 0)


def test_lines_of_a_plan_without_charges_are_not_billed(world):
    lines, charges = world.tables(JAN, [Row("a", EUR), Row("z", 7)])
    kept = charges.filter([True, False])
    parts = [world.lake.write("lines", lines, period=JAN), world.lake.write("charges", kept, period=JAN)]
    world.lake.commit({}, add=parts)
    world.subscribe([Row("a", 1), Row("z", 1)])
    assert shut(world).lines == 1
    assert world.rows("unbilled", "account_id, reason") == [("z", "no_usage")]


def test_tax_is_reckoned_per_rate_on_the_summed_base(world):
    """Three lines of 0.03 at 19 %: 19 % of 0.09 is 0.02; per line it would be 0.01 x 3 = 0.03."""
    rows = [Row("a", 3 * CENT, component=name) for name in ("x", "y", "z")]
    world.rate(JAN, [*rows, Row("a", EUR, component="book", category="reduced", ppm=70_000)])
    assert shut(world).totals["EUR"]["tax"] == (2 + 7) * CENT
    assert balance(world.lake, "tax:reduced", "EUR") == 7 * CENT


def test_inclusive_prices_are_what_the_customer_pays(world):
    """9.99 + 0.50 + 0.01 with 19 % inside: pays 10.50, tax 1.68, and the nets sum to 8.82."""
    world.offers["lamp"] = offer(taxes=INCLUSIVE)
    world.rate(JAN, [Row("a", n * CENT, component=c) for c, n in (("x", 999), ("y", 50), ("z", 1))])
    assert shut(world).totals["EUR"] == {"net": 882 * CENT, "tax": 168 * CENT, "gross": 1050 * CENT}
    nets = world.rows("invoice_lines", "component_id, (net_nano / 10000000)::INT")
    assert nets == [("x", 839), ("y", 42), ("z", 1)]


def test_shares_of_inclusive_prices_are_net_of_tax(world):
    world.offers["lamp"] = offer(taxes=INCLUSIVE)
    world.rate(JAN, [Row("a", 119 * EUR)])
    assert shut(world).shares["EUR"] == {"city-power": 30 * EUR, "operator": 70 * EUR}


def test_two_offers_two_currencies_two_documents(world):
    world.offers["yen"] = offer("yen", currency="JPY")
    world.rate(JAN, [Row("a", EUR), Row("a", 900 * EUR, offer="yen", currency="JPY")])
    result = shut(world)
    assert result.invoices == 2
    assert set(result.totals) == {"EUR", "JPY"}


def test_true_ups_are_the_operators_alone_unless_said(world):
    world.rate(JAN, [Row("a", 10 * EUR), Row("a", 90 * EUR, component="commit", kind="true_up", device=None)])
    assert shut(world).shares["EUR"] == {"city-power": 3 * EUR, "operator": 97 * EUR}


def test_fixed_share_per_device_counts_each_device_once(world):
    split = Split((SplitRule("maker", "fixed", amount=Fraction(1, 100), per="device"),), rest="operator")
    world.offers["lamp"] = offer(split=split)
    world.rate(JAN, [Row("a", EUR, device=n % 3) for n in range(6)] + [Row("b", EUR, device=9)])
    assert shut(world).shares["EUR"] == {"maker": 4 * CENT, "operator": 700 * CENT - 4 * CENT}


def test_bought_offers_are_rated_but_not_invoiced(world):
    world.offers["carrier"] = offer("carrier", side="buy")
    world.rate(JAN, [Row("a", EUR), Row("a", 5 * EUR, offer="carrier")])
    result = shut(world)
    assert (result.lines, result.totals["EUR"]["net"]) == (1, EUR)


def test_a_subscription_without_a_line_has_a_reason(world):
    world.subscribe([Row("idle", 1)])
    world.subscribe([Row("stored", 1)], state="inventory")
    world.rate(JAN, [Row("a", EUR)])
    shut(world)
    assert world.rows("unbilled", "subscription_id, reason") == [
        ("sub-idle-lamp", "no_usage"),
        ("sub-stored-lamp", "sim_inventory"),
    ]


def test_a_check_that_does_not_hold_stops_the_close(world):
    world.rate(JAN, [Row("a", EUR)])
    version = world.lake.state.version

    def broken(lake, period):
        return [CheckResult("I17", False, {}, f"an event of {period} has no charge")]

    with pytest.raises(SettlementError, match="I17 does not hold") as caught:
        close(world.lake, world.catalogue, JAN, NOW, [broken])
    assert (caught.value.code, world.lake.state.version) == ("check_failed", version)


def test_the_same_days_cannot_be_billed_twice_under_another_name(world):
    world.rate(JAN, [Row("a", EUR)])
    shut(world)
    world.rate("2026-01-31/2026-02-01", [Row("a", EUR)])
    with pytest.raises(SettlementError) as caught:
        close(world.lake, world.catalogue, "2026-01-31/2026-02-01", NOW)
    assert caught.value.code == "period_overlap"
    assert "INV-000001" in caught.value.what


def test_what_cannot_be_closed_says_why(world):
    def code(period=JAN):
        with pytest.raises(SettlementError) as caught:
            close(world.lake, world.catalogue, period, NOW)
        return caught.value.code

    assert code() == "nothing_rated"
    world.rate(JAN, [Row("a", EUR, offer="unknown")])
    assert code() == "unknown_offer"
    world.offers["naked"] = offer("naked", split=None)
    world.rate(FEB, [Row("a", EUR, offer="naked")])
    assert code(FEB) == "no_split"
    world.offers["xts"] = offer("xts", currency="XTS")
    world.rate(MAR, [Row("a", EUR, offer="xts", currency="XTS")])
    assert code(MAR) == "unknown_currency"
    assert world.rows("invoices", "count(*)", "1") == [(0,)]


def test_charges_without_a_line_are_refused(world):
    lines, charges = world.tables(JAN, [Row("a", EUR), Row("b", EUR)])
    parts = [
        world.lake.write("lines", lines.slice(0, 1), period=JAN),
        world.lake.write("charges", charges, period=JAN),
    ]
    world.lake.commit({}, add=parts)
    with pytest.raises(SettlementError) as caught:
        close(world.lake, world.catalogue, JAN, NOW)
    assert caught.value.code == "orphan_charges"


def test_a_denominator_beyond_exactness_is_an_error(world):
    world.rate(JAN, [Row("a", EUR, den=10**24)])
    with pytest.raises(AmountOverflow):
        close(world.lake, world.catalogue, JAN, NOW)


def test_large_sums_stay_exact(world):
    """Twenty BIGINT-sized charges: 1.8e20 nano, far beyond int64."""
    world.rate(JAN, [Row("a", 2**63 - 1, device=n) for n in range(20)])
    exact = 20 * (2**63 - 1)
    assert shut(world).totals["EUR"]["net"] == (exact + CENT // 2) // CENT * CENT


def test_closing_needs_the_writers_lock(world, tmp_path):
    from workbench.lake.lake import Lake

    world.rate(JAN, [Row("a", EUR)])
    with Lake.open(world.lake.root.parent) as reader, pytest.raises(LakeReadOnly):
        close(reader, world.catalogue, JAN, NOW)


def test_hostile_names_stay_names(world):
    name = "a'; DROP TABLE x; --\u202e:=cmd"
    world.rate(JAN, [Row(name, EUR)])
    shut(world)
    assert balance(world.lake, f"receivable:{name}", "EUR") == 119 * CENT


def test_the_operator_may_have_another_name(world):
    split = Split((SplitRule("us", rate=Fraction(7, 10)), SplitRule("city", rate=Fraction(3, 10))))
    world.offers["lamp"] = offer(split=split)
    world.rate(JAN, [Row("a", EUR)])
    shut(world, terms=Terms(operator="us"))
    accounts = {b.account for b in trial_balance(world.lake)}
    assert accounts == {"receivable:a", "revenue:lamp", "payable:city", "tax:standard"}


# -- micropayments ------------------------------------------------------------------------------------------------


def test_below_the_minimum_the_amount_waits_and_is_not_lost(world):
    world.offers["lamp"] = offer(micropayment=small(5))
    for period in (JAN, FEB, MAR):
        world.rate(period, [Row("a", 2 * EUR)])
    first, second = shut(world), shut(world, FEB)
    assert [(r.invoices, r.deferred) for r in (first, second)] == [(0, 1), (0, 1)]
    assert balance(world.lake, "unbilled:a", "EUR") == 4 * EUR
    assert balance(world.lake, "tax:standard", "EUR") == 0
    assert first.shares["EUR"]["city-power"] == 60 * CENT
    third = shut(world, MAR)
    assert third.totals["EUR"] == {"net": 6 * EUR, "tax": 114 * CENT, "gross": 714 * CENT}
    assert balance(world.lake, "unbilled:a", "EUR") == 0
    assert balance(world.lake, "receivable:a", "EUR") == 714 * CENT
    assert balance(world.lake, "revenue:lamp", "EUR") == 420 * CENT
    taken = world.rows("invoice_lines", "refers_to, invoice_no", "1", "kind = 'deferred'")
    assert taken == [("DEF-000001", "INV-000001"), ("DEF-000002", "INV-000001")]


def test_exactly_the_minimum_is_issued(world):
    world.offers["lamp"] = offer(micropayment=small(Fraction(119, 100)))
    world.rate(JAN, [Row("a", EUR), Row("b", EUR - CENT)])
    result = shut(world)
    assert (result.invoices, result.deferred) == (1, 1)


def test_the_lowest_minimum_on_a_document_decides(world):
    world.offers["lamp"] = offer(micropayment=small(100))
    world.offers["hub"] = offer("hub", micropayment=small(1))
    world.rate(JAN, [Row("a", EUR), Row("a", EUR, offer="hub"), Row("b", EUR)])
    result = shut(world)
    assert (result.invoices, result.deferred) == (1, 1)


def test_an_account_that_ends_is_billed_however_little(world):
    world.offers["lamp"] = offer(micropayment=small(5))
    world.rate(JAN, [Row("a", EUR)])
    world.rate(FEB, [Row("b", 9 * EUR)])
    shut(world)
    result = shut(world, FEB, terms=Terms(release=frozenset({"a"})))
    assert result.invoices == 2
    assert balance(world.lake, "unbilled:a", "EUR") == 0
    assert balance(world.lake, "receivable:a", "EUR") == 119 * CENT


def test_deferred_inclusive_prices_are_paid_to_the_cent(world):
    world.offers["lamp"] = offer(taxes=INCLUSIVE, micropayment=small(1))
    for period in (JAN, FEB, MAR):
        world.rate(period, [Row("a", 33 * CENT), Row("a", 2 * CENT, component="x")])
    shut(world)
    shut(world, FEB)
    assert shut(world, MAR).totals["EUR"]["gross"] == 105 * CENT
    assert balance(world.lake, "receivable:a", "EUR") == 105 * CENT
    assert balance(world.lake, "unbilled:a", "EUR") == 0


def test_remainders_are_carried_on_a_line_of_their_own(world):
    """0.004 a month: 0.00, then 0.00 with 0.004 carried, then 0.00 + 0.008 carried = 0.01."""
    world.offers["lamp"] = offer(micropayment=small(carry=True))
    for period in (JAN, FEB, MAR):
        world.rate(period, [Row("a", 4_000_000 * 3, den=3)])
    nets = [shut(world, period).totals["EUR"]["net"] for period in (JAN, FEB, MAR)]
    assert nets == [0, 0, CENT]
    carried = world.rows(
        "invoice_lines", "amount::BIGINT, price_denominator::BIGINT, refers_to", "1", "kind = 'carry'"
    )
    assert carried == [(4_000_000, 1, JAN), (8_000_000, 1, FEB)]


def test_a_carried_remainder_is_no_new_revenue_to_share(world):
    world.offers["lamp"] = offer(micropayment=small(carry=True))
    for period in (JAN, FEB, MAR):
        world.rate(period, [Row("a", 4_000_000), Row("b", 4_000_000)])
    got = [sum(shut(world, period).shares["EUR"].values()) for period in (JAN, FEB, MAR)]
    assert got == [CENT, CENT, CENT]  # round(0.008) each month
    assert balance(world.lake, "rounding:EUR", "EUR") == -CENT  # billed 0.02 so far of 0.03 stated


def test_an_account_that_ends_settles_its_remainder(world):
    world.offers["lamp"] = offer(micropayment=small(carry=True))
    world.rate(JAN, [Row("a", 4_000_000)])
    world.rate(FEB, [Row("a", 4_000_000)])
    shut(world)
    result = shut(world, FEB, terms=Terms(release=frozenset({"a"})))
    assert result.totals["EUR"]["net"] == CENT


def test_an_account_without_use_keeps_its_remainder(world):
    world.offers["lamp"] = offer(micropayment=small(carry=True))
    world.rate(JAN, [Row("a", 4_000_000)])
    world.rate(FEB, [Row("b", EUR)])
    world.rate(MAR, [Row("a", 4_000_000)])
    shut(world)
    assert shut(world, FEB).lines == 1
    assert shut(world, MAR).lines == 2
