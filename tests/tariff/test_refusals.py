"""What a wrong price list is told, word for word: ``refused.txt`` holds each slip, the line, the sentence and the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tariff.test_bad_catalogues import CASES as BAD
from tests.tariff.test_bad_catalogues import GOOD
from workbench.errors import InputError
from workbench.tariff.catalogue import loads

FILE = Path("tests/tariff/refused.txt")
"""Read by people once. ``python -m tests.tariff.test_refusals`` writes it anew; read what changed before you commit it."""
TEXT = """meters:
  - {id: m.n, unit: message, dimensions: [country, net]}
  - {id: m.sales, unit: nano, currency: EUR}
  - {id: m.dollars, unit: nano, currency: USD}
  - {id: m.bits, unit: byte}
  - {id: m.out, unit: second}
partners: [{id: op}, {id: pa}]
holidays: [{id: de, dates: [2026-01-01]}]
offers:
  - id: o
    version: 1
    currency: EUR
    effective: 2026-01-01
    zone: UTC
    prices:
      - {id: p, meter: m.n, per_unit: {amount: 1}}
    fees: [{id: rent, amount: 1}]
    split: {rest: op}
"""
WORD = "".join(chr(97 + n % 26) for n in range(210))
DIGITS = "1234567890" * 11
ONE = "per_unit: {amount: 1}"
N = "meter: m.n, " + ONE
SALES, BITS = "meter: m.sales, ", "meter: m.bits, "
SPLIT = "split: {rest: op}"


def rows(*said: str) -> tuple[str, str]:
    return ONE, f"rates: [{', '.join(f'{{{each}{ONE}}}' for each in (*said, ''))}]"


def tiers(said: str) -> tuple[str, str]:
    return ONE, f"graduated: {{tiers: [{said}]}}"


def split(said: str) -> tuple[str, str]:
    return SPLIT, f"split: {{{said}}}"


def shares(said: str) -> tuple[str, str]:
    return split(f"rest: op, rules: [{{partner: pa, {said}}}]")


def more(said: str) -> tuple[str, str]:
    return SPLIT, f"{SPLIT}\n    {said}"


SLIPS = {
    # text is quoted by its beginning, and the longest that is taken is said
    "an id of two words": ("id: p,", f"id: '{WORD[:30]} {WORD[:30]}',"),
    "an id of 64 letters": ("id: p,", f"id: {WORD[:64]},"),
    "an id of 65 letters": ("id: p,", f"id: {WORD[:65]},"),
    "a list for an id": ("id: p,", "id: [a],"),
    "a list in a list of ids": ("dimensions: [country, net]", "dimensions: [country, [net]]"),
    "a unit of 20 letters": ("unit: message", f"unit: {WORD[:20]}"),
    "a unit of 21 letters": ("unit: message", f"unit: {WORD[:21]}"),
    "a title of 200 letters": ("id: p,", f"id: p, title: {WORD[:200]},"),
    "a title of 201 letters": ("id: p,", f"id: p, title: {WORD[:201]},"),
    "a currency of 12 letters": ("currency: EUR\n", f"currency: {WORD[:12]}\n"),
    "a currency of 13 letters": ("currency: EUR\n", f"currency: {WORD[:13]}\n"),
    "a meter's currency of 12 letters": ("currency: EUR}", f"currency: {WORD[:12]}}}"),
    "a meter's currency of 13 letters": ("currency: EUR}", f"currency: {WORD[:13]}}}"),
    "an exchange rate to 12 letters": more(f"fx: [{{currency: {WORD[:12]}, rate: 1, as_of: 2026-01-01}}]"),
    "an exchange rate to 13 letters": more(f"fx: [{{currency: {WORD[:13]}, rate: 1, as_of: 2026-01-01}}]"),
    "a zone of 50 letters": ("zone: UTC", f"zone: {WORD[:50]}"),
    "a window's zone of 50 letters": rows(f"windows: [{{zone: {WORD[:50]}}}], "),
    "a choice of 50 letters": ("zone: UTC", f"period: {WORD[:50]}"),
    "a field of 70 letters": ("zone: UTC", f"{WORD[:70]}: 1"),
    "a field of a row": rows("mtch: {country: CH}, "),
    "a flag": ("zone: UTC", "prepaid: yes"),
    # numbers
    "no number": ("version: 1", f"version: x{DIGITS[:50]}"),
    "a number with a zero in front": ("version: 1", f"version: 0{DIGITS[:50]}"),
    "a number of 50 digits": ("version: 1", f"version: {DIGITS[:50]}"),
    "a number of 100 characters": ("version: 1", f"version: {DIGITS[:100]}"),
    "a number of 101 characters": ("version: 1", f"version: {DIGITS[:101]}"),
    "half a version": ("version: 1", f"version: {DIGITS[:20]}.{DIGITS[:29]}"),
    "a version of a million": ("version: 1", "version: 1000000"),
    "one more": ("version: 1", "version: 1000001"),
    "less than nothing": ("amount: 1}", f"amount: -{DIGITS[:25]}.{DIGITS[:25]}}}"),
    "an exchange rate below nothing": more("fx: [{currency: USD, rate: -1, as_of: 2026-01-01}]"),
    "a tax of all": more("taxes: [{rate: 1}]"),
    "a tax of more than all": more("taxes: [{rate: 1.01}]"),
    "a tax of a hundred": more("taxes: [{rate: 100}]"),
    "a tax of more than a hundred": more("taxes: [{rate: 100.1}]"),
    "a tax of 101 percent": more("taxes: [{rate: 101 %}]"),
    "a tax below nothing": more("taxes: [{rate: -0.1}]"),
    "a long tax": more(f"taxes: [{{rate: 2{DIGITS[:20]}.{DIGITS[:25]}}}]"),
    "a tax with four digits": more("taxes: [{rate: 7.1234 %}]"),
    "a tax with five": more("taxes: [{rate: 7.12345 %}]"),
    "a block of 10^18": ("amount: 1}", "amount: 1, per: 1000000000000000000}"),
    "a larger block": ("amount: 1}", "amount: 1, per: 1000000000000000001}"),
    "a block of another kind": ("amount: 1}", "amount: 1, per: 2 kWh}"),
    "a block below nothing": ("amount: 1}", f"amount: 1, per: -{DIGITS[:60]}}}"),
    "a small block below nothing": ("amount: 1}", "amount: 1, per: -1}"),
    "a block that is a word": ("amount: 1}", f"amount: 1, per: {WORD[:50]}}}"),
    # dates, days and times of day
    "the last day of 1969": ("2026-01-01\n", "1969-12-31\n"),
    "the first day of 1970": ("2026-01-01\n", "1970-01-01\n"),
    "the last day of 2200": ("2026-01-01\n", "2200-12-31\n"),
    "the first day of 2201": ("2026-01-01\n", "2201-01-01\n"),
    "a date of 50 letters": ("2026-01-01\n", f"{WORD[:50]}\n"),
    "a list for a date": ("[2026-01-01]", "[[2026-01-01]]"),
    "a day of 30 letters": rows(f"windows: [{{days: {WORD[:30]}}}], "),
    "three days": rows("windows: [{days: mon-wed-fri}], "),
    "a last day that is none": rows("windows: [{days: mon-fry}], "),
    "a list of days with one that is none": rows("windows: [{days: [mon, fry]}], "),
    "a time of 30 letters": rows(f"windows: [{{from: {WORD[:30]}}}], "),
    "a minute after midnight's end": rows("windows: [{to: '24:01'}], "),
    "25 o'clock": rows("windows: [{to: '25:00'}], "),
    "60 minutes": rows("windows: [{to: '23:60'}], "),
    "holidays without a calendar": rows("windows: [{holidays: except}], "),
    "a calendar without holidays": rows("windows: [{calendar: de}], "),
    "an unknown calendar": rows("windows: [{holidays: only, calendar: fr}], "),
    # rows and what they look at
    "a dimension of 50 letters": rows(f"match: {{'A{WORD[:50]}': x}}, "),
    "a value of 100 letters": rows(f"match: {{country: {WORD[:100]}}}, "),
    "a value of 101 letters": rows(f"match: {{country: {WORD[:101]}}}, "),
    "an unknown dimension": rows("match: {size: x}, "),
    "two prices in a row": rows("", "id: b, package: {amount: 1, size: 5}, "),
    "a price and rows": (ONE, f"{ONE}, rates: [{{id: a, {ONE}}}]"),
    "no price": (", " + ONE, ""),
    "rows of one name": (ONE, f"rates: [{{id: a, match: {{net: x}}, {ONE}}}, {{id: a, {ONE}}}]"),
    "no row for the rest": (ONE, f"rates: [{{match: {{net: x}}, {ONE}}}]"),
    "no row for the rest, by time": (ONE, f"rates: [{{windows: [{{days: mon}}], {ONE}}}]"),
    "unique values of nothing": (ONE, f"fold: unique, unique_of: size, {ONE}"),
    "a meter nobody declares": ("meter: m.n", "meter: m.x"),
    # tiers
    "a first tier that is open": tiers("{amount: 1}, {amount: 2}"),
    "a last tier that ends": tiers("{up_to: 5, amount: 1}, {up_to: 9, amount: 2}"),
    "a tier that ends with the one before": tiers("{up_to: 5, amount: 1}, {up_to: 5, amount: 2}, {amount: 1}"),
    "a tier that ends before it": tiers("{up_to: 5, amount: 1}, {up_to: 6, amount: 1}, {up_to: 4, amount: 2}, {amount: 1}"),
    "a tier of one unit": tiers("{up_to: 1, amount: 1}, {up_to: 2, amount: 2}, {amount: 1}"),
    "a tier without an amount": tiers("{up_to: 5, amount: 1}, {up_to: 6, amount: 2}, {amont: 1}"),
    "a tier that is a word": tiers("x"),
    "no tiers": tiers(""),
    "a thousand tiers": tiers("".join(f"{{up_to: {n}, amount: 1}}, " for n in range(1, 1000)) + "{amount: 1}"),
    "one more tier": tiers("".join(f"{{up_to: {n}, amount: 1}}, " for n in range(1, 1001)) + "{amount: 1}"),
    # models and their meters
    "a percentile of messages": (ONE, "p95: {amount: 1}"),
    "the percentile 0": (N, BITS + "p95: {amount: 1, percentile: 0 %}"),
    "slots longer than a day": (N, BITS + "p95: {amount: 1, slot_seconds: 86401}"),
    "slots that divide no day": (N, BITS + "p95: {amount: 1, slot_seconds: 86399}"),
    "a day's slot": (N, BITS + "p95: {amount: 1, slot_seconds: 86400}"),
    "both directions on one meter": (N, BITS + "p95: {amount: 1, out_meter: m.bits}"),
    "directions of two units": (N, BITS + "p95: {amount: 1, out_meter: m.out}"),
    "a direction that is not declared": (N, BITS + "p95: {amount: 1, out_meter: m.x}"),
    "a share of messages": (ONE, "percentage: {rate: 1 %}"),
    "a floor above the cap": (N, SALES + "percentage: {rate: 1 %, floor: 2, cap: 1}"),
    "a floor at the cap": (N, SALES + "percentage: {rate: 1 %, floor: 2, cap: 2}"),
    "a dynamic floor above the cap": (N, SALES + "dynamic: {floor: 2, cap: 1}"),
    "less than a nano": (N, SALES + "graduated_percentage: {tiers: [{up_to: 0.0000000005, rate: 1 %}, {rate: 2 %}]}"),
    "a nano": (N, SALES + "graduated_percentage: {tiers: [{up_to: 0.000000001, rate: 1 %}, {rate: 2 %}]}"),
    "a nano and a half": (N, SALES + "graduated_percentage: {tiers: [{up_to: 0.0000000015, rate: 1 %}, {rate: 2 %}]}"),
    "nothing as a bound": (N, SALES + "graduated_percentage: {tiers: [{up_to: 0, rate: 1 %}, {rate: 2 %}]}"),
    "a price in another money": (N, "meter: m.dollars, percentage: {rate: 1 %}"),
    # a meter
    "a unit that looks like another": ("unit: byte", "unit: Byte"),
    "a reserved dimension": ("[country, net]", "[country, units]"),
    "a dimension in capitals": ("[country, net]", "[country, Net]"),
    "money without a currency": ("unit: nano, currency: EUR", "unit: nano"),
    "a currency without money": ("unit: byte", "unit: byte, currency: EUR"),
    "the same meter again, otherwise": ("id: m.out, unit: second", "id: m.bits, unit: second"),
    # parts that name others
    "a discount on nothing": more("discounts: [{id: d, percent: 5 %, components: [p, x]}]"),
    "a discount on a fee": more("discounts: [{id: d, percent: 5 %, components: [rent]}]"),
    "neither share nor amount off": more("discounts: [{id: d}]"),
    "share and amount off": more("discounts: [{id: d, percent: 5 %, fixed: 1}]"),
    "a commitment of nothing": more("commitment: {amount: 5, components: [x]}"),
    "a maximum of nothing": more("maximum: {amount: 5, components: [x]}"),
    "a sponsor of nothing": more("sponsorships: [{id: s, account: a, components: [x]}]"),
    "a sponsor of no price": more("sponsorships: [{id: s, account: a, components: []}]"),
    "a sponsor who looks at nothing": more("sponsorships: [{id: s, account: a, components: [p], match: {size: x}}]"),
    "a bundle of nothing": more("bundles: [{id: b, credits: 5, weights: {}}]"),
    "a bundle without weights": more("bundles: [{id: b, credits: 5}]"),
    "a bundle of a bundle": more("bundles: [{id: b, credits: 5, weights: {c: 1}}, {id: c, credits: 5, weights: {p: 1}}]"),
    "a bundle of a fee": more("bundles: [{id: b, credits: 5, weights: {rent: 1}}]"),
    "two bundles of one price": more("bundles: [{id: b, credits: 5, weights: {p: 1}}, {id: c, credits: 5, weights: {p: 1}}]"),
    "a bundle and free units": (
        N + "}\n", f"allowance: {{units: 5}}, {N}}}\n    bundles: [{{id: b, credits: 5, weights: {{p: 1}}}}]\n"),
    "a fee in no state": ("id: rent,", "id: rent, states: [active, asleep],"),
    "a fee called as a price": ("id: rent", "id: p"),
    "an empty phase": ("id: rent,", "id: rent, from_period: 3, to_period: 2,"),
    "a phase of one period": ("id: rent,", "id: rent, from_period: 3, to_period: 3,"),
    "two rates to one currency": more(
        "fx: [{currency: USD, rate: 1, as_of: 2026-01-01}, {currency: USD, rate: 2, as_of: 2026-01-02}]"),
    "two rates of one day": more(
        "fx: [{currency: USD, rate: 1, as_of: 2026-01-01}, {currency: USD, rate: 2, as_of: 2026-01-01}]"),
    "a rate to the own currency": more("fx: [{currency: EUR, rate: 1, as_of: 2026-01-01}]"),
    "a rate of nothing": more("fx: [{currency: USD, rate: 0, as_of: 2026-01-01}]"),
    "neither prices nor fees": (f"prices:\n      - {{id: p, {N}}}\n    fees: [{{id: rent, amount: 1}}]", "title: x"),
    # who gets what
    "no split": ("    " + SPLIT + "\n", ""),
    "an empty split": split(""),
    "an unknown partner": split("rest: op, rules: [{partner: me, percent: 1 %}]"),
    "an unknown rest": split("rest: me"),
    "no share": shares("components: [p]"),
    "two shares": shares("fixed: 1, percent: 1 %"),
    "a share of an unknown price": shares("percent: 1 %, components: [x]"),
    "all": shares("percent: 100 %"),
    "nearly ten times all": shares("percent: 999 %"),
    "more than ten times all": shares("percent: 1001 %"),
    "shares of more than all": split("rules: [{partner: op, percent: 60 %}, {partner: pa, percent: 50 %}]"),
    "shares of more than all of one price": split(
        "rest: op, rules: [{partner: op, percent: 60 %, components: [rent]}, {partner: pa, percent: 50 %}]"),
    "a tier of all": shares("tiers: [{up_to: 5, rate: 100 %}, {rate: 50 %}], of: gross"),
    "more than all with a tier": split(
        "rest: op, rules: [{partner: op, percent: 60 %}, {partner: pa, tiers: [{up_to: 5, rate: 50 %}, {rate: 10 %}]}]"),
    "more than the remainder": shares("percent: 101 %, of: remainder"),
    "the whole remainder": shares("percent: 100 %, of: remainder"),
    "all, and nobody gets the rest": split("rules: [{partner: pa, percent: 100 %}]"),
    "99 percent, and nobody gets the rest": split("rules: [{partner: pa, percent: 99 %}]"),
    "all up to a cap, and nobody gets the rest": split("rules: [{partner: pa, percent: 100 %, cap: 5}]"),
    "all and a guarantee, and nobody gets the rest": split("rules: [{partner: pa, percent: 100 %, guarantee: 5}]"),
    "the remainder, and nobody gets the rest": split("rules: [{partner: pa, percent: 100 %, of: remainder}]"),
    "all of one price, and nobody gets the rest": split("rules: [{partner: pa, percent: 100 %, components: [p]}]"),
    "a guarantee above the cap": shares("percent: 10 %, guarantee: 2, cap: 1"),
    "a guarantee at the cap": shares("percent: 10 %, guarantee: 2, cap: 2"),
    "tiers that meet": shares("tiers: [{up_to: 5, rate: 1 %}, {up_to: 5, rate: 2 %}, {rate: 1 %}]"),
    "tiers that fall": shares("tiers: [{up_to: 5, rate: 1 %}, {up_to: 4, rate: 2 %}, {rate: 1 %}]"),
    "tiers that rise": shares("tiers: [{up_to: 5, rate: 1 %}, {up_to: 6, rate: 2 %}, {rate: 1 %}]"),
    "a tier of nothing": shares("tiers: [{up_to: 0, rate: 1 %}, {rate: 1 %}]"),
    "a tier below one": shares("tiers: [{up_to: 0.5, rate: 1 %}, {rate: 1 %}]"),
    "an open tier that is not the last": shares("tiers: [{rate: 1 %}, {rate: 1 %}]"),
    "a last tier of a share that ends": shares("tiers: [{rate: 1 %, up_to: 5}]"),
    "a fixed share per message": shares("fixed: 1, per: 5 messages, components: [p]"),
    "a fixed share per unit of a fee": shares("fixed: 1, per: 5 messages, components: [p, rent]"),
    "a fixed share per unit of all": shares("fixed: 1, per: 5 messages"),
    "a fixed share per no unit": shares("fixed: 1, per: 0 messages, components: [p]"),
}  # fmt: skip


def told(text: str) -> str:
    """What the reader says: the code and the line, the sentence, the cure; or that it takes the price list."""
    try:
        loads(text, "prices.yaml")
    except InputError as error:
        if error.code == "yaml_syntax":  # the parser's own words
            return f"{error.code} at {error.where}\n{error.cure}"
        return f"{error.code} at {error.where}: {error.what}\n{error.cure}"
    return "taken"


def entries() -> dict[str, str]:
    """A slip's name, and what it is told."""
    found = {}
    for name, (old, new) in SLIPS.items():
        assert old in TEXT, name
        found[name] = told(TEXT.replace(old, new, 1))
    for number, (old, new, _) in enumerate(BAD, 1):
        words = " ".join(repr(new).split())
        found[f"{number}. {words if len(words) < 120 else '... ' + words[-100:]}"] = told(
            GOOD.replace(old, new, 1)
        )
    return found


def written() -> dict[str, str]:
    """The same as the file has it."""
    parts = FILE.read_text(encoding="utf-8").rstrip("\n").split("\n\n") if FILE.exists() else []
    return dict(part.split("\n", 1) for part in parts)  # type: ignore[misc]


WRITTEN = written()


@pytest.mark.parametrize(("name", "answer"), list(entries().items()), ids=str)
def test_a_slip_is_told_in_these_words(name: str, answer: str) -> None:
    assert answer == WRITTEN[name]


def test_nothing_is_written_that_is_not_asked() -> None:
    assert list(WRITTEN) == list(entries())


if __name__ == "__main__":
    FILE.write_text(
        "\n\n".join(f"{name}\n{said}" for name, said in entries().items()) + "\n", encoding="utf-8"
    )
