"""What an offer says is told in words, all of it; and what the calculator shows is true, for the eye and for a program."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import pytest

from workbench.errors import UsageError
from workbench.tariff.catalogue import load, loads
from workbench.tariff.describe import describe
from workbench.tariff.quote import price
from workbench.tariff.schema import schema
from workbench.tariff.show import amount_text, average_name, curve_svg, details, headline
from workbench.tariff.units_text import quantity_text, quantity_words

CATALOG = Path("datasets/catalog")
README = Path("workbench/tariff/README.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)[1]  # type: ignore[index]


def told(text: str) -> list[tuple[str, str]]:
    catalogue = loads(text)
    return list(describe(catalogue.offers[0], catalogue))


CHANGES = [
    ("side: sell", "side: buy"), ("scope: pool", "scope: device"), ("tier_bound: inclusive", "tier_bound: exclusive"),
    ("flat_fee_at_zero: false", "flat_fee_at_zero: true"), ("period: month ", "period: quarter "),
    ("units: 1 KiB, per: period", "units: 1 KiB, per: day"), ("{units: 1 KiB,", "{units: 1 KiB, of: device,"),
    ("{units: 1 KiB,", "{units: 1 KiB, rounding: down,"), ("units: 5 MB", "units: 6 MB"),
    ("contribution: prorated", "contribution: none"), ("periods: 1", "periods: 2"), ("cap: 100 MB", "cap: 90 MB"),
    ("order: own_first", "order: rollover_first"), ("counter_period: billing", "counter_period: day"),
    ("flat: 1.00", "flat: 2.00"), ("country: [CH, GB]", "country: [CH]"), ('from: "22:00"', 'from: "21:00"'),
    ("holidays: only, calendar: de", "days: [sat]"), ("free: 10 messages", "free: 20 messages"),
    ("rate: 1.5 %, fee: 0.05", "rate: 1.5 %, fee: 0.06"), ("floor: 0.10", "floor: 0.11"), ("cap: 3.00", "cap: 4.00"),
    ("credits: 1000", "credits: 2000"), ("{sms: 10}", "{sms: 20}"), ("timing: advance", "timing: arrears"),
    ("proration: daily", "proration: 30-day"), ("every: once, per: device", "every: once, per: account"),
    ("days: 14", "days: 15"), ("components: [data], from_period: 13", "components: [data], from_period: 14"),
    ("code: SPRING26", "code: SUMMER26"), ("to_period: 3", "to_period: 4"),
    ("amount: 500.00, scope: account", "amount: 500.00, scope: device"),
    ("prorated: true", "prorated: false"), ("kind: promotional", "kind: paid"), ("expires_after_days: 90", "expires_after_days: 91"),
    ("budget: 100.00", "budget: 101.00"), ("match: {apn: [ota.example]}", "match: {apn: [other.example]}"),
    ("rate: 19 %", "rate: 7 %"), ("inclusive: false", "inclusive: true"), ("rate: 1.0850", "rate: 1.0860"),
    ("carry_remainder: true", "carry_remainder: false"), ("minimum_invoice: 5.00", "minimum_invoice: 6.00"),
    ("basis: billed", "basis: collected"), ("fixed_overrun: operator_bears", "fixed_overrun: capped"),
    ("fixed: 0.01, per: device", "fixed: 0.02, per: device"), ("of: remainder", "of: gross"), ("guarantee: 10.00", "guarantee: 11.00"),
    ("cap: 500.00", "cap: 600.00"),
]  # fmt: skip


FILE = Path("tests/tariff/said.txt")
"""What the README's example says, and after each change what it says otherwise: read by people once, word for word.

``python -m tests.tariff.test_offer_in_words`` writes it anew; read what changed before you commit it.
"""
SAID = FILE.read_text(encoding="utf-8").split("\n\n")


def spoken(old: str, new: str) -> str:
    """A change and what an offer then says otherwise; without a change, all that it says."""
    before, after = told(EXAMPLE), told(EXAMPLE.replace(old, new, 1))
    fresh = [f"{what}: {sentence}" for what, sentence in after if not old or (what, sentence) not in before]
    return "\n".join([f"{old} -> {new}", *fresh] if old else fresh)


@pytest.mark.parametrize(
    ("number", "old", "new"), [(n, *each) for n, each in enumerate([("", ""), *CHANGES])]
)
def test_whatever_an_offer_says_is_told(number: int, old: str, new: str) -> None:
    assert old in EXAMPLE
    assert not old or told(EXAMPLE) != told(EXAMPLE.replace(old, new, 1))
    assert spoken(old, new) == SAID[number].strip()


def test_what_fits_no_row_is_told_only_where_something_may_fit_none() -> None:
    """The last row decides: it holds for everything, or it looks at something."""
    free = EXAMPLE.replace(
        "        meter: tracker.roaming\n", "        meter: tracker.roaming\n        unmatched: free\n", 1
    )
    last = "          - {id: world, per_unit: {amount: 0.10, per: 1 MB}}\n"
    assert last in free
    assert ("roaming/else", "free") not in told(free)
    assert ("roaming/else", "free") in told(free.replace(last, ""))


ROWS = {
    "net": "{id: a, match: {country: CH}, per_unit: {amount: 2}}",
    "time": "{id: b, windows: [{days: mon-fri}], per_unit: {amount: 3}}",
    "all": "{id: c, per_unit: {amount: 1}}",
}


@pytest.mark.parametrize(
    ("rows", "free"),
    [("net all", False), ("time all", False), ("all", False), ("time net", True), ("net time", True), ("net", True), ("time", True)],
)  # fmt: skip
def test_the_last_row_alone_says_whether_something_is_left(rows: str, free: bool) -> None:
    said = ", ".join(ROWS[name] for name in rows.split())
    text = MINE.replace("- {id: up, meter: m.up, counter_period: month, per_unit: {amount: 1}}",
                        f"- {{id: up, meter: m.data, unmatched: free, rates: [{said}]}}")  # fmt: skip
    assert (("up/else", "free") in told(text)) == free


def test_words_of_a_split_name_the_block() -> None:
    catalogue = load(CATALOG / "ev-charging.yaml")
    said = dict(describe(catalogue.offers[0], catalogue))
    assert said["split"] == "grid-owner 0.08 EUR per kWh of energy, site-owner 10 %, the rest charge-operator"
    assert said["energy/weekend"] == "0.39 EUR per kWh on sat, sun or on holidays of de-2026"


@pytest.mark.parametrize(
    ("units", "base", "words"),
    [
        (601, "second", "601 seconds"), (600, "second", "10 minutes"), (60, "second", "1 minute"), (200, "second", "200 seconds"),
        (1024, "byte", "1 KiB"), (5_000_192, "byte", "5,000,192 bytes"), (1, "byte", "1 byte"), (7000, "second", "7,000 seconds"),
        (2, "press", "2 presses"), (3, "delivery", "3 deliveries"), (0, "mWh", "0 mWh"), (2_500_000, "mWh", "2.5 kWh"),
    ],
)  # fmt: skip
def test_quantities_as_people_say_them(units: int, base: str, words: str) -> None:
    assert quantity_words(units, base) == words


def test_a_quantity_can_be_read_back() -> None:
    """A price list is written with these words: a third of a minute is no decimal number, so seconds it is."""
    assert quantity_text(200, "second") == "200 second"


def test_the_step_that_is_named_is_the_step_that_is_priced() -> None:
    car = CATALOG / "connected-car.yaml"
    at_fifty, beyond = (price(car, units, feature="night-vision") for units in (50, 101))
    assert [(p.label, p.amount) for p in at_fifty.portions] == [("2 EUR for all", 2)]
    assert [(p.label, p.amount) for p in beyond.portions] == [("4 EUR for all", 4)]
    assert (0, 0) in at_fifty.curve
    assert (1, 2) in at_fifty.curve


def test_started_blocks_end_where_they_end() -> None:
    quote = price(CATALOG / "ev-charging.yaml", 601, component="blocking")
    assert [(p.label, p.after, p.up_to, p.amount) for p in quote.portions] == [
        ("free units", 0, 600, 0),
        ("1.5 EUR per started 15 minutes after 10 minutes free", 600, 601, Fraction(3, 2)),
    ]


def test_use_that_no_row_fits_is_free_where_the_offer_says_so() -> None:
    quote = price(CATALOG / "connected-car.yaml", 30)
    assert (quote.amount, quote.rate_id) == (0, "")
    assert (
        "Other rows look at feature (park-assist, night-vision); without it, this is what holds."
        in quote.notes
    )


def test_money_and_rates_are_asked_for_in_their_own_units() -> None:
    sale = price(CATALOG / "vending-micropayments.yaml", "3.50 EUR", component="sales")
    assert sale.amount == Fraction(625, 10_000)
    assert headline(sale) == "0.0625 EUR for 3.50 EUR of 'sales'"
    assert price(CATALOG / "burstable-gateway.yaml", "5 Mbit/s").amount == 16
    with pytest.raises(UsageError) as caught:
        price(CATALOG / "vending-micropayments.yaml", "3.50", component="sales")
    assert "`3.50 EUR`" in caught.value.cure
    with pytest.raises(UsageError):
        price(CATALOG / "vending-micropayments.yaml", "3.50 USD", component="sales")


def test_time_is_told_in_the_offers_zone_and_tax_as_it_is() -> None:
    file = CATALOG / "ev-charging.yaml"
    first, again = (
        price(file, "1 kWh", component="energy", at=datetime(2026, 10, 25, hour, 30, tzinfo=UTC))
        for hour in (0, 1)
    )
    assert "used 2026-10-25 02:30+02:00 Europe/Berlin; 19 % tax included" in details(first)[0]
    assert "used 2026-10-25 02:30+01:00 Europe/Berlin" in details(again)[0]
    assert first.amount == again.amount == Fraction(29, 100)


def test_an_amount_without_end_is_marked_and_told_exactly() -> None:
    quote = price(CATALOG / "burstable-gateway.yaml", "5 GB")
    assert headline(quote).startswith("≈ 426.666667 EUR for 5 GB")
    assert "Exactly 1280/3 EUR." in details(quote)
    assert amount_text(Fraction(1, 20_000_000), "EUR") == "0.00000005 EUR"
    assert quote.as_dict()["amount"] == "1280/3"


@pytest.mark.parametrize("file", sorted(CATALOG.glob("*.yaml")), ids=lambda file: file.stem)
def test_what_a_notebook_shows_needs_nothing_from_elsewhere(file: Path) -> None:
    catalogue = load(file)
    for offer in catalogue.offers:
        for component in offer.components:
            quote = price(offer, 3_000_000, component=component.id, catalogue=catalogue)
            html = quote._repr_html_()
            root = ElementTree.fromstring(html.replace("&nbsp;", " "))
            assert {"svg", "table"} <= {element.tag for element in root.iter()}
            assert "<script" not in html
            assert "http" not in html
            assert headline(quote) in "".join(root.itertext())
            heads = [[cell.text for cell in row.iter("th")] for row in root.iter("thead")]
            assert heads == [["price", "after", "up to", "amount"], ["use", "bill", average_name(quote)]]
            for _, amount in quote.shape:
                assert amount_text(amount, quote.currency) in html
            drawn = [
                tuple(map(int, pair.split(","))) for pair in root.find(".//polyline").get("points").split()
            ]  # type: ignore[union-attr]
            assert all(0 <= x <= 524 and 0 <= y <= 256 for x, y in drawn)


DRAWN = [
    ("tiered", "1.5 GB", "0 EUR,5 EUR,10 EUR", "0,0.5,1,1.5,2,2.5", "GB"),
    ("tiered", "0", "0 EUR,1 EUR,2 EUR", "0,50,100", "MB"),
    ("falling", "1200", "0 USD,2 USD,4 USD,6 USD,8 USD,10 USD", "0,500,1,000,1,500", "messages"),
    ("share", "12.5 EUR", "0 EUR,0.1 EUR,0.2 EUR,0.3 EUR,0.4 EUR", "0,5,10,15", "EUR"),
    ("thirds", "7200", "0 JPY,0.5 JPY,1 JPY,1.5 JPY,2 JPY", "0,0.5,1,1.5,2", "hours"),
    ("thirds", "50", "0 JPY,0.005 JPY,0.01 JPY,0.015 JPY", "0,0.2,0.4,0.6,0.8,1", "minutes"),
    ("thirds", "3000", "0 JPY,0.2 JPY,0.4 JPY,0.6 JPY,0.8 JPY", "0,10,20,30,40,50", "minutes"),
    ("thirds", "1", "0 JPY,0.0002 JPY,0.0004 JPY", "0,1,2", "seconds"),
    ("blocks", "3.2 kWh", "0 EUR,0.1 EUR,0.2 EUR,0.3 EUR,0.4 EUR", "0,1,2,3,4", "kWh"),
]


@pytest.mark.parametrize(("offer", "units", "money", "use", "unit"), DRAWN)
def test_the_axes_of_a_curve_are_round_and_where_they_say(
    offer: str, units: str, money: str, use: str, unit: str
) -> None:
    quote = price(Path("tests/cli/shown.yaml"), units, offer_id=offer)
    root = ElementTree.fromstring(curve_svg(quote))
    texts = [
        (int(e.get("x", 0)), int(e.get("y", 0)), e.get("text-anchor"), e.text) for e in root.iter("text")
    ]
    high = [(y - 4, text) for x, y, _, text in texts if x == 88]
    low = [(x, anchor, text) for x, y, anchor, text in texts if y == 234]
    assert [text for _, text in high] == money.split(",")
    assert ",".join(str(text) for _, _, text in low) == use
    assert [text for _, y, _, text in texts if y == 252] == [unit]
    last, most = quote.curve[-1][0], max(amount for _, amount in quote.curve)
    for y, text in high:
        assert y == 214 - int(200 * Fraction(text.split()[0]) / most)  # type: ignore[union-attr]
    size = {"GB": 10**9, "MB": 10**6, "EUR": 10**9, "hours": 3600, "minutes": 60, "kWh": 10**6}.get(unit, 1)
    for x, anchor, text in low:
        assert x == 96 + int(404 * Fraction(str(text).replace(",", "")) * size / last)
        assert anchor == ("middle" if x < 470 else "end")
    spot = root.find("circle")
    assert (int(spot.get("cx", 0)), int(spot.get("cy", 0))) == (  # type: ignore[union-attr]
        96 + 404 * quote.units // last,
        214 - int(200 * quote.amount / most),
    )


def test_who_pays_is_said_where_it_surprises() -> None:
    said = dict(told(EXAMPLE))
    assert said["ota"].endswith("100.00 EUR a month; the units beyond it, in the order of use, the user pays")
    assert (
        "off the account's charges, once, when one of its subscriptions carries the code SPRING26"
        in said["spring"]
    )
    fields = schema()["properties"]["offers"]["items"]["properties"]
    assert "unit by unit" in fields["sponsorships"]["items"]["properties"]["budget"]["description"]
    assert "any of its subscriptions" in fields["discounts"]["items"]["properties"]["code"]["description"]


MINE = """
meters: [{id: m.data, unit: byte, dimensions: [country]}, {id: m.up, unit: uplink}, {id: m.idle, unit: second}]
partners: [{id: op}]
offers:
  - id: mine
    version: 1
    currency: EUR
    effective: 2026-01-01
    scope: pool
    prices:
      - {id: data, meter: m.data, increment: {units: 1 KiB, per: day}, per_unit: {amount: 2, per: 1 MB}}
      - {id: text, meter: m.data, rates: [{id: ch, match: {country: CH}, windows: [{days: mon-fri}, {days: [mon, wed]}],
         per_unit: {amount: 3, per: 1 MB}}, {id: rest, per_unit: {amount: 1, per: 1 MB}}]}
      - {id: up, meter: m.up, counter_period: month, per_unit: {amount: 1}}
      - {id: idle, meter: m.idle, scope: event, per_unit: {amount: 1, per: 1 minute}}
      - {id: own, meter: m.idle, scope: device, allowance: {units: 10 minutes}, per_unit: {amount: 1, per: 1 minute}}
      - {id: shared, meter: m.idle, allowance: {units: 10 minutes}, per_unit: {amount: 1, per: 1 minute}}
    bundles: [{id: included, credits: 9, weights: {text: 1}}]
    period: year
    split: {rest: op}
"""


@pytest.mark.parametrize(
    ("name", "note"),
    [("data", "Counted in steps of 1 KiB per day, rounded up."),
     ("text", "As if the credits of 'included' were spent; they are taken first."),
     ("up", "All in one month; it is counted anew every month."),
     ("idle", "All in one event; each is counted alone."),
     ("own", "The free units are those of one device in one year."),
     ("shared", "The free units are those of one member of the pool in one year.")],
)  # fmt: skip
def test_a_price_says_whose_units_these_are_and_what_is_taken_off_first(name: str, note: str) -> None:
    """A product manager had read 50 EUR for 100 MB of which 50 are included, and ten minutes a year as ten a session."""
    quote = price(loads(MINE), 7, component=name)
    assert note in quote.notes
    assert sum("credits" in n or "one " in n or "Counted" in n for n in quote.notes) == 1
    assert note in str(quote)
    assert str(quote).startswith(headline(quote) + "\n")


def test_free_units_are_told_with_their_period_and_days_as_they_are_written() -> None:
    words = dict(describe(loads(MINE).offers[0], loads(MINE)))
    assert (
        words["own"] == "1 EUR per minute, 10 minutes free every year; each device has a counter of its own"
    )
    assert words["text/ch"].endswith("when country is CH on mon-fri or on mon, wed")


WINDOWS = [
    ("days: mon-fri", "on mon-fri"), ("days: fri-mon", "on mon, fri, sat, sun"), ("days: sat-sun", "on sat, sun"),
    ("days: mon-wed", "on mon-wed"), ("days: sun-tue", "on mon, tue, sun"), ("days: wed-wed", "on wed"), ("days: Sat", "on sat"),
    ("days: [tue, mon, tue]", "on mon, tue"), ("days: [mon-tue, thu-fri]", "on mon, tue, thu, fri"), ("days: tue-mon", "at any time"),
    ("days: [mon, tue, thu]", "on mon, tue, thu"), ("from: '06:00'", "from 06:00 to 24:00"), ("to: '06:05'", "from 00:00 to 06:05"),
    ("from: '00:00', to: '24:00'", "at any time"), ("from: '00:00', to: '23:59'", "from 00:00 to 23:59"),
    ("from: '00:01', to: '24:00'", "from 00:01 to 24:00"), ("from: '22:00', to: '06:00', days: mon", "on mon from 22:00 to 06:00"),
    ("holidays: only, calendar: ch", "on holidays of ch"),
    ("holidays: only, calendar: ch, days: mon, to: '12:00'", "on holidays of ch from 00:00 to 12:00"),
    ("holidays: except, calendar: ch", "on all days but no holidays of ch"),
    ("holidays: except, calendar: ch, days: mon-fri", "on mon-fri but no holidays of ch"),
    ("days: mon, zone: Europe/Zurich", "on mon (Europe/Zurich)"), ("days: mon, zone: UTC", "on mon"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "said"), WINDOWS)
def test_a_window_is_told_as_it_is_written(written: str, said: str) -> None:
    text = MINE.replace("[{days: mon-fri}, {days: [mon, wed]}]", f"[{{{written}}}]").replace(
        "partners:", "holidays: [{id: ch, dates: [2026-08-01]}]\npartners:"
    )
    assert dict(told(text))["text/ch"] == f"3 EUR per MB when country is CH {said}"


def test_a_time_without_a_zone_is_never_this_machines() -> None:
    held = price(loads(MINE), 7, component="up", at="2026-03-01T18:00+01:00")
    assert held.at == datetime(2026, 3, 1, 17, tzinfo=UTC)
    for at in ("2026-03-01T18:00", "noon", datetime(2026, 3, 1, 18)):
        with pytest.raises(UsageError) as caught:
            price(loads(MINE), 7, component="up", at=at)
        assert caught.value.code == "time"


@pytest.mark.parametrize(
    ("asked", "units", "what", "cure"),
    [({"component": "ups"}, 7, "The offer 'mine' has no price 'ups'.", "up (m.up)"),
     ({"meter": "m.ups"}, 7, "The offer 'mine' has no price of the meter 'm.ups'.", "up (m.up)"),
     ({"meter": "m.data"}, 7, "2 prices of 'mine' fit.", "data (m.data), text (m.data)"),
     ({"component": "idle"}, "25:30", "'25:30' is not a quantity of second", "such as `2 hour`"),
     ({"component": "up"}, "7k", "'7k' is not a quantity of uplink", "such as `2 uplinks`")],
)  # fmt: skip
def test_a_price_that_is_not_there_and_a_quantity_that_is_none_are_named(
    asked: dict[str, str], units: int | str, what: str, cure: str
) -> None:
    with pytest.raises(UsageError) as caught:
        price(loads(MINE), units, **asked)  # type: ignore[arg-type]
    assert what in caught.value.what
    assert cure in caught.value.cure


if __name__ == "__main__":
    FILE.write_text("\n\n".join(spoken(*each) for each in [("", ""), *CHANGES]) + "\n", encoding="utf-8")
