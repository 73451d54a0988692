"""The catalogue format as JSON Schema (draft 2020-12), for completion and squiggles in editors.

The reader (``read_offer.py``, ``read_price.py``) decides; a test holds the two together. Use it in a YAML file with
``# yaml-language-server: $schema=catalogue.schema.json``.
"""

from __future__ import annotations

from typing import Any

from workbench.model.money import MINOR_DIGITS
from workbench.tariff.read_offer import SCOPES, STATES

Schema = dict[str, Any]

_NUMBER = r"^[0-9][0-9_]*(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?"
_DECIMAL = {
    "type": ["number", "string"],
    "minimum": 0,
    "pattern": _NUMBER + "$",
    "description": "Exact decimal text of the currency's main unit.",
}
_PERCENT = {
    "type": ["number", "string"],
    "minimum": 0,
    "pattern": _NUMBER + r"\s*%?$",
    "description": "`30 %` or `0.3`.",
}
_QUANTITY = {
    "type": ["integer", "number", "string"],
    "minimum": 0,
    "pattern": _NUMBER + r"\s*[A-Za-z/0-9]*$",
    "description": "`1 kWh`, `100 MB`, or base units.",
}
_CURRENCY = {"enum": sorted(MINOR_DIGITS)}
_CLOCK = {"type": "string", "pattern": r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$"}
_ID = {"type": ["string", "integer"], "pattern": r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$"}
_IDS = {"type": "array", "items": _ID}
_DATE = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"}
_TEXT = {"type": "string", "maxLength": 200}
_FLAG = {"type": "boolean"}


_BUDGET = {
    **_DECIMAL,
    "description": "The most the sponsor pays per period, unit by unit in the order of use; the units beyond it are the "
    "fallback's.",
}
_FIXED = {
    **_DECIMAL,
    "description": "An amount off the account's charges under this offer (of `components`, when named), once per period, never "
    "below zero.",
}
_CODE = {
    **_ID,
    "description": "A coupon. A percentage is taken off the charges of the subscriptions that carry the code; a fixed amount off "
    "the account's, once, when any of its subscriptions to this offer carries it.",
}


def _whole(least: int = 0, most: int = 10**18) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _one_of(*words: str) -> Schema:
    return {"enum": list(words)}


def _map(required: str = "", /, **properties: Schema) -> Schema:
    names = {name.removesuffix("_"): schema for name, schema in properties.items()}
    return {
        "type": "object",
        "properties": names,
        "required": required.split(),
        "additionalProperties": False,
    }


def _list(items: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": items, "minItems": least}


def _one(schema: Schema, *names: str) -> Schema:
    """The schema of a map that has exactly one of these keys."""
    return {**schema, "oneOf": [{"required": [name]} for name in names]}


def _models() -> dict[str, Schema]:
    """The nine price models by the word a file uses."""
    tiers = _list(_map("amount", up_to=_QUANTITY, amount=_DECIMAL, flat=_DECIMAL), 1)
    event = {"fee": _DECIMAL, "floor": _DECIMAL, "cap": _DECIMAL}
    return {
        "per_unit": _map("amount", amount=_DECIMAL, per=_QUANTITY),
        "graduated": _map("tiers", per=_QUANTITY, tiers=tiers),
        "volume": _map("tiers", per=_QUANTITY, tiers=tiers),
        "stair_step": _map("steps", steps=_list(_map("amount", up_to=_QUANTITY, amount=_DECIMAL), 1)),
        "package": _map("amount size", amount=_DECIMAL, size=_QUANTITY, free=_QUANTITY),
        "percentage": _map("rate", rate=_PERCENT, **event),
        "graduated_percentage": _map(
            "tiers", tiers=_list(_map("rate", up_to=_DECIMAL, rate=_PERCENT, flat=_DECIMAL), 1)
        ),
        "dynamic": _map(factor=_DECIMAL, **event),
        "p95": _map(
            "amount", amount=_DECIMAL, per=_QUANTITY, percentile=_PERCENT, slot_seconds=_whole(1, 86_400),
            direction=_one_of("max", "sum"), out_meter=_ID,
        ),
    }  # fmt: skip


def _match() -> Schema:
    value = {"type": ["string", "integer", "number", "boolean"]}
    return {
        "type": "object",
        "propertyNames": {"pattern": r"^[a-z][a-z0-9_]{0,39}$"},
        "additionalProperties": {"anyOf": [value, _list(value, 1)]},
    }


def _price() -> Schema:
    window = _map(
        from_=_CLOCK, to=_CLOCK, days={"type": ["string", "array"]}, zone=_TEXT,
        holidays=_one_of("ignore", "only", "except"), calendar=_ID,
    )  # fmt: skip
    rollover = _map(
        "periods", periods=_whole(1, 120), cap=_QUANTITY, order=_one_of("own_first", "rollover_first")
    )
    contribution = _one_of("full", "prorated", "none")
    rate = _one(_map(id=_ID, match=_match(), windows=_list(window), **_models()), *_models())
    price = _map(
        "id meter", id=_ID, meter=_ID, title=_TEXT, rates=_list(rate, 1),
        fold=_one_of("sum", "count", "max", "last", "unique", "time_weighted", "p95"), scope=_one_of(*SCOPES),
        counter_period=_one_of("billing", "month", "week", "day", "hour", "minute"),
        increment=_map(
            "units", units=_QUANTITY, per=_one_of("event", "session", "day", "period"),
            of=_one_of("counter", "device"), rounding=_one_of("up", "down", "nearest"),
        ),
        allowance=_map("units", units=_QUANTITY, rollover=rollover, contribution=contribution),
        unique_of=_ID, unmatched=_one_of("refuse", "free"), tax_category=_ID, **_models(),
    )  # fmt: skip
    return _one(price, "rates", *_models())


def _fees_and_limits() -> dict[str, Schema]:
    phase = {"from_period": _whole(1, 10_000), "to_period": _whole(1, 10_000)}
    limit = {"amount": _DECIMAL, "scope": _one_of("account", "device"), "components": _IDS}
    rollover = _map(
        "periods", periods=_whole(1, 120), cap=_whole(), order=_one_of("own_first", "rollover_first")
    )
    return {
        "bundles": _list(
            _map(
                "id credits weights", id=_ID, credits=_whole(1), rollover=rollover,
                weights={"type": "object", "additionalProperties": _whole(1)},
                contribution=_one_of("full", "prorated", "none"),
            )
        ),
        "fees": _list(
            _map(
                "id amount", id=_ID, amount=_DECIMAL, title=_TEXT, every=_one_of("day", "period", "once"),
                per=_one_of("device", "account"), timing=_one_of("advance", "arrears"),
                proration=_one_of("daily", "30-day", "full_if_active"), states=_list(_one_of(*STATES)),
                tax_category=_ID, **phase,
            )
        ),
        "trial": _map("days", days=_whole(1, 3_650)),
        "discounts": _list(
            _one(
                _map("id", id=_ID, percent=_PERCENT, fixed=_FIXED, components=_IDS, code=_CODE, **phase),
                "percent",
                "fixed",
            )
        ),
        "maximum": _map("amount", **limit),
        "commitment": _map("amount", prorated=_FLAG, **limit),
        "credits": _list(
            _map(
                "id amount", id=_ID, amount=_DECIMAL, kind=_one_of("promotional", "paid"), priority=_whole(0, 10_000),
                every=_one_of("once", "period"), expires_after_days=_whole(1, 36_500),
            )
        ),
        "sponsorships": _list(
            _map(
                "id account components", id=_ID, account=_ID, components=_IDS, match=_match(), budget=_BUDGET,
                fallback=_one_of("user", "block"),
            )
        ),
    }  # fmt: skip


def _split() -> Schema:
    rule = _map(
        "partner", partner=_ID, fixed=_DECIMAL, percent=_PERCENT, per={"anyOf": [_one_of("device"), _QUANTITY]},
        of=_one_of("gross", "remainder"),
        tiers=_list(_map("rate", up_to=_DECIMAL, rate=_PERCENT)), guarantee=_DECIMAL, cap=_DECIMAL, components=_IDS,
    )  # fmt: skip
    split = _map(
        rules=_list(_one(rule, "fixed", "percent", "tiers")), rest=_ID, basis=_one_of("billed", "collected"),
        fixed_overrun=_one_of("operator_bears", "capped"), share_true_ups=_FLAG,
    )  # fmt: skip
    return {**split, "anyOf": [{"required": ["rules"]}, {"required": ["rest"]}]}


def _offer() -> Schema:
    return _map(
        "id version currency effective split", id=_ID, version=_whole(1, 10**6), title=_TEXT, side=_one_of("sell", "buy"),
        currency=_CURRENCY, effective=_DATE, zone=_TEXT,
        period=_one_of("month", "week", "day", "quarter", "year"), scope=_one_of(*SCOPES),
        charged=_one_of("batch", "node"), prepaid=_FLAG, critical=_FLAG, pool_cap_units=_whole(1),
        overage=_one_of("use", "excess"),
        conventions=_map(tier_bound=_one_of("inclusive", "exclusive"), flat_fee_at_zero=_FLAG),
        publish=_map(running=_one_of("next_period", "now", "keep"), counters=_one_of("carry", "reset")),
        micropayment=_map(carry_remainder=_FLAG, minimum_invoice=_DECIMAL),
        taxes=_list(_map("rate", category=_ID, rate=_PERCENT, inclusive=_FLAG)),
        fx=_list(_map("currency rate as_of", currency=_CURRENCY, rate=_DECIMAL, as_of=_DATE)),
        prices=_list(_price()), split=_split(), **_fees_and_limits(),
    )  # fmt: skip


def schema() -> Schema:
    """The whole schema."""
    meter = _map(
        "id unit",
        id=_ID,
        unit=_TEXT,
        title=_TEXT,
        dimensions=_IDS,
        currency=_CURRENCY,
        spans=_one_of("start", "end", "split"),
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tariff catalogue",
        **_map(
            meters=_list(meter),
            partners=_list(_map("id", id=_ID, name=_TEXT)),
            holidays=_list(_map("id dates", id=_ID, dates=_list(_DATE))),
            offers=_list(_offer()),
        ),
    }
