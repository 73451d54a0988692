"""Which offers are compared: all of a few, and of very many those that are the cheapest somewhere."""

from __future__ import annotations

from workbench.tariff.catalogue import loads
from workbench.tariff.check import check
from workbench.tariff.compare import MOST

HEAD = "meters: [{id: m.a, unit: byte}, {id: m.b, unit: byte}]\npartners: [{id: op}]\noffers:\n"


def offers(number: int, meter: str = "m.a", currency: str = "EUR") -> str:
    """Offers of which each has a higher fee and a lower price than the one before."""
    return "".join(
        f"  - {{id: o{n:03}{meter[2:]}{currency}, version: 1, currency: {currency}, effective: 2026-01-01, split: {{rest: op}}, "
        f"fees: [{{id: f, amount: {n}}}], prices: [{{id: p, meter: {meter}, per_unit: {{amount: {number - n}, per: 1 MB}}}}]}}\n"
        for n in range(number)
    )


def codes(text: str) -> list[str]:
    return [finding.code for finding in check(loads(HEAD + text))]


def test_a_few_are_compared_each_with_each() -> None:
    assert codes(offers(MOST)) == ["arbitrage"] * (MOST * (MOST - 1) // 2)


def test_of_many_only_those_that_are_the_cheapest_somewhere_and_it_is_said() -> None:
    found = check(loads(HEAD + offers(60)))
    (told,) = [f for f in found if f.code == "arbitrage_part"]
    assert told.sentence.startswith("60 offers price m.a")
    assert (told.offer_id, told.part) == ("o000aEUR", "m.a")
    crossing = [f for f in found if f.code == "arbitrage"]
    assert crossing
    assert len(crossing) < 60
    named = " ".join(f.sentence for f in crossing)
    assert "'o000aEUR'" in named
    assert "'o059aEUR'" in named


def test_other_meters_and_currencies_are_no_rivals() -> None:
    assert codes(offers(1) + offers(1, meter="m.b") + offers(1, currency="USD")) == []


def test_how_many_are_judged_is_told() -> None:
    told: list[int] = []
    check(loads(HEAD + offers(3)), progress=told.append)
    assert told == [1, 2, 3]


def test_an_offer_that_is_the_cheapest_at_nothing_or_at_ten_units_only_is_compared() -> None:
    """Of very many offers, those are looked at that are the cheapest of all at 0, 1, 10, 100 ... units."""
    line = (
        "  - {{id: {0}, version: 1, currency: EUR, effective: 2026-01-01, split: {{rest: op}}, fees: [{{id: f, amount: {1}}}], "
        "prices: [{{id: p, meter: m.a, stair_step: {{steps: [{2}{{amount: 2000000}}]}}}}]}}\n"
    )
    nothing = line.format("nothing", 0, "")
    tens = line.format("tens", 0.1, "{up_to: 9, amount: 2000000}, {up_to: 10, amount: 0.0001}, ")
    many = "".join(offers(61).splitlines(keepends=True)[1:])

    def compared(text: str) -> int:
        (told,) = [f for f in check(loads(HEAD + text)) if f.code == "arbitrage_part"]
        return int(told.sentence.rpartition("(")[2].removesuffix(")."))

    assert compared(many + nothing) == compared(many + tens) == compared(many) + 1
    assert compared(many + nothing + tens) == compared(many) + 2
