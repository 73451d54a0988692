"""What can be put into an offer, in the words of the trade, and what each block begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from workbench.dashboards.studio.blocks import Block, Draft, every
from workbench.dashboards.studio.plain import Plain
from workbench.model.money import decimal_text, exact
from workbench.model.units import kind_of

MODELS = {
    "per_unit": "Per unit",
    "graduated": "Graduated tiers",
    "volume": "Volume tiers",
    "stair_step": "Stair-step",
    "package": "Package",
    "percentage": "Percentage of a sale",
    "graduated_percentage": "Percentage by tiers",
    "dynamic": "The event's own amount",
    "p95": "Burst (95th percentile)",
}
"""The price models by the word a file uses, as people call them."""
MONEY_MODELS = ("percentage", "graduated_percentage", "dynamic")


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the palette. ``kind`` is the block it makes; ``inside`` the kind of block it belongs in."""

    name: str
    label: str
    note: str
    icon: str
    kind: str
    inside: str = ""


PALETTE: tuple[tuple[str, tuple[Item, ...]], ...] = (
    (
        "Prices",
        (
            Item("per_unit", "Per unit", "every unit at one price", "unit", "price"),
            Item("graduated", "Graduated tiers", "each unit at the price of its tier", "tiers", "price"),
            Item("volume", "Volume tiers", "all units at the tier reached", "volume", "price"),
            Item("stair_step", "Stair-step", "one price for the step reached", "stairs", "price"),
            Item("package", "Package", "every started package", "package", "price"),
            Item("percentage", "Percentage", "a share of each sale", "percent", "price"),
            Item("p95", "Burst", "95th percentile of the rate", "burst", "price"),
        ),
    ),
    (
        "Within a price",
        (
            Item("allowance", "Allowance", "free units, with rollover", "gift", "allowance", "price"),
            Item("window", "Time of use", "another price at these times", "clock", "rate", "price"),
            Item("match", "By country, network …", "another price where this fits", "globe", "rate", "price"),
            Item("increment", "Rounding", "the smallest quantity billed", "ruler", "increment", "price"),
        ),
    ),
    (
        "Whole offer",
        (
            Item("fee", "Fee", "monthly, daily or once", "fee", "fee"),
            Item("pool", "Pool", "all SIMs share one counter", "pool", "pool"),
            Item("bundle", "Bundle", "one stock for several meters", "bundle", "bundle"),
            Item("sponsorship", "Sponsored use", "somebody else pays", "heart", "sponsorship"),
            Item("discount", "Discount", "a percentage, an amount, a code", "discount", "discount"),
            Item("maximum", "Maximum", "the most a period costs", "cap", "maximum"),
            Item("commitment", "Commitment", "a promised minimum spend", "floor", "commitment"),
            Item("micropayment", "Minimum invoice", "small bills wait", "coins", "micropayment"),
            Item("trial", "Trial", "free first days", "trial", "trial"),
            Item("credit", "Welcome credit", "money given with the offer", "credit", "credit"),
            Item("tax", "Tax", "a rate and its category", "tax", "tax"),
        ),
    ),
    (
        "Who gets what",
        (
            Item("split", "Split", "what the shares are cut from", "split", "split"),
            Item("share", "Partner's share", "a percentage or a fixed part", "share", "share", "split"),
        ),
    ),
)
ITEMS = {item.name: item for _, items in PALETTE for item in items}
SINGULAR = ("pool", "maximum", "commitment", "trial", "split", "micropayment", "allowance", "increment")
"""Kinds of which an offer (a price, for the inner ones) holds at most one."""

_BLOCKS = {
    "data": ("1 MB", "100 MB", "10 MB"),
    "energy": ("1 kWh", "100 kWh", "10 kWh"),
    "time": ("1 minute", "100 minutes", "10 minutes"),
    "volume": ("1 m3", "100 m3", "10 m3"),
    "length": ("1 km", "100 km", "10 km"),
    "money": ("1", "100", "10"),
}


def sizes(unit: str) -> tuple[str, str, str]:
    """A block, a first tier's bound and an allowance that make sense for a meter's unit.

    >>> sizes("byte")[0], sizes("press")[1]
    ('1 MB', '100 press')
    """
    return _BLOCKS.get(kind_of(unit), (f"1 {unit}", f"100 {unit}", f"10 {unit}"))


def meters_of(draft: Draft) -> list[Mapping[str, Plain]]:
    """The file's meters that can be named."""
    found = draft.shared.get("meters") or []
    return [
        meter
        for meter in found
        if isinstance(meter, Mapping) and isinstance(meter.get("id"), str) and isinstance(meter.get("unit"), str)
    ]  # fmt: skip


def partners_of(draft: Draft) -> list[str]:
    """The ids of the file's partners."""
    found = draft.shared.get("partners") or []
    return [row["id"] for row in found if isinstance(row, Mapping) and isinstance(row.get("id"), str)]


def unit_of(draft: Draft, meter: Plain) -> str:
    """A meter's base unit; ``unit`` when nobody declares it."""
    return next((str(row["unit"]) for row in meters_of(draft) if row["id"] == meter), "unit")


def new_id(draft: Draft, wanted: str) -> str:
    """``wanted``, or with a number where it is taken."""
    taken = {block.fields.get("id") for block in every(draft.blocks)}
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    return name


def fresh(draft: Draft, item: Item, head: Block | None = None) -> dict[str, Plain]:
    """What a new block says before anybody changed it: complete, so that the offer can be priced at once."""
    if item.kind == "price":
        return _price(draft, item.name)
    prices = [block for block in draft.blocks if block.kind == "price"]
    names = [str(block.fields.get("id")) for block in prices]
    meter = head.fields.get("meter") if head else None
    unit = unit_of(draft, meter) if meter else "unit"
    partners = partners_of(draft) or ["operator"]
    made: dict[str, dict[str, Plain]] = {
        "allowance": {"units": sizes(unit)[2]},
        "increment": {"units": sizes(unit)[0], "per": "period"},
        "rate": _rate(draft, item.name, head, unit),
        "fee": {"id": new_id(draft, "fee"), "amount": "1.00", "every": "period", "per": "device"},
        "pool": {"scope": "pool"},
        "bundle": {"id": new_id(draft, "bundle"), "credits": "1000", "weights": dict.fromkeys(names, "1")},
        "sponsorship": {
            "id": new_id(draft, "sponsor"), "account": "sponsor-account", "components": names[:1],
            "match": {"apn": ["updates.example"]}, "fallback": "user",
        },
        "discount": {"id": new_id(draft, "discount"), "percent": "10 %"},
        "maximum": {"amount": "50.00", "scope": "device"},
        "commitment": {"amount": "10.00", "scope": "account"},
        "micropayment": {"carry_remainder": "true", "minimum_invoice": "5.00"},
        "trial": {"days": "14"},
        "credit": {"id": new_id(draft, "welcome"), "amount": "5.00", "kind": "promotional", "every": "once"},
        "tax": {"category": "reduced" if _taxed(draft) else "standard", "rate": "19 %"},
        "split": {"rest": partners[0]},
        "share": {"partner": partners[-1], "percent": "10 %"},
    }  # fmt: skip
    return made[item.kind]


def _taxed(draft: Draft) -> bool:
    return any(block.kind == "tax" for block in draft.blocks)


def _price(draft: Draft, model: str) -> dict[str, Plain]:
    money = model in MONEY_MODELS
    meters = meters_of(draft)
    used = [block.fields.get("meter") for block in draft.blocks if block.kind == "price"]
    ranked = sorted(meters, key=lambda row: ((row["unit"] == "nano") != money, row["id"] not in used))
    meter = str(ranked[0]["id"]) if ranked else "source.meter"
    name = "burst" if model == "p95" else model.replace("_", "-")
    return {
        "id": new_id(draft, name),
        "meter": meter,
        model: terms(model, unit_of(draft, meter), known_amount(draft, meter)),
    }


def _rate(draft: Draft, name: str, head: Block | None, unit: str) -> dict[str, Plain]:
    """Another price at night, or for a country; at first half of what the price above asks."""
    meter = head.fields.get("meter") if head else None
    amount = known_amount(draft, str(meter)) if meter else Fraction(1, 10)
    price = {"per_unit": {"amount": decimal_text(amount / 2), "per": sizes(unit)[0]}}
    if name == "window":
        night = {"from": "22:00", "to": "06:00"}
        return {"id": new_id(draft, "night"), "windows": [night], **price}
    row = next((row for row in meters_of(draft) if row["id"] == meter), {})
    dimensions = row.get("dimensions")
    dimension = str(dimensions[0]) if isinstance(dimensions, list) and dimensions else "country"
    return {"id": new_id(draft, "zone"), "match": {dimension: ["DE"]}, **price}


def terms(model: str, unit: str, amount: Fraction) -> dict[str, Plain]:
    """The fields of one price model, beginning with an amount per the unit's usual block."""
    block, bound, _ = sizes(unit)
    full, less = decimal_text(amount), decimal_text(amount * Fraction(4, 5))
    tiers: list[Plain] = [{"up_to": bound, "amount": full}, {"amount": less}]
    made: dict[str, dict[str, Plain]] = {
        "per_unit": {"amount": full, "per": block},
        "graduated": {"per": block, "tiers": tiers},
        "volume": {"per": block, "tiers": tiers},
        "stair_step": {"steps": [{"up_to": bound, "amount": "5.00"}, {"amount": "9.00"}]},
        "package": {"amount": full, "size": block},
        "percentage": {"rate": "1.5 %", "fee": "0.05"},
        "graduated_percentage": {"tiers": [{"up_to": "1000.00", "rate": "2 %"}, {"rate": "1 %"}]},
        "dynamic": {"factor": "1.2"},
        "p95": {"amount": "3.20", "per": "1 Mbit/s"},
    }
    return made[model]


def known_amount(draft: Draft, meter: str) -> Fraction:
    """What the offer already asks per block of a meter; a tenth where it says nothing that can be read."""
    for block in every(draft.blocks):
        if block.fields.get("meter", meter) != meter:
            continue
        for model in ("per_unit", "graduated", "volume", "package"):
            said = block.fields.get(model)
            rows = said.get("tiers") if isinstance(said, Mapping) else None
            first = rows[0] if isinstance(rows, list) and rows else said
            amount = first.get("amount") if isinstance(first, Mapping) else None
            try:
                return exact(str(amount))
            except ValueError:
                continue
    return Fraction(1, 10)


def model_of(block: Block) -> str:
    """The price model a price or rate is written in; empty for a price by situation."""
    return next((model for model in MODELS if model in block.fields), "")
