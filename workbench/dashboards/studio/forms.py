"""The typed fields of each kind of block: where each is written, its name for people, what kind of text it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from workbench.dashboards.studio.blocks import Block, Draft
from workbench.dashboards.studio.palette import MODELS, meters_of, model_of, partners_of
from workbench.dashboards.studio.plain import Path

Options = tuple[tuple[str, str], ...]
SCOPES: Options = (("device", "Device"), ("sim_group", "SIM group"), ("pool", "Pool"), ("event", "Event"))


@dataclass(frozen=True, slots=True)
class Spec:
    """One field: where it is written, its name for people, what kind of text it takes."""

    path: Path
    label: str
    kind: str = "text"
    options: Options = ()
    suffix: str = ""
    hint: str = ""
    more: bool = False
    command: str = ""


def _choice(*words: str) -> Options:
    return tuple((word, word.replace("_", " ").capitalize()) for word in words)


_CONTRIBUTION = (("full", "Full"), ("prorated", "By active days"), ("none", "For the whole pool"))
_PHASE = (
    Spec(("from_period",), "From period", "whole", hint="1", more=True),
    Spec(("to_period",), "To period", "whole", hint="no end", more=True),
)
_ID = Spec(("id",), "Id", "ident")
_TAXED = Spec(("tax_category",), "Tax category", "ident", hint="standard", more=True)
_ONLY = Spec(("components",), "Only for", "list", hint="all prices", more=True)
_ROLL = (
    Spec(("rollover", "periods"), "Rolls over for", "whole", suffix="periods", hint="not at all"),
    Spec(("rollover", "cap"), "Stock at most", "quantity", hint="no cap"),
    Spec(("rollover", "order"), "Used first", "choice", (("own_first", "This period's"), ("rollover_first", "Rolled over"))),
)  # fmt: skip
_MODEL_FIELDS: dict[str, tuple[Spec, ...]] = {
    "per_unit": (
        Spec(("per_unit", "amount"), "Amount", "money"),
        Spec(("per_unit", "per"), "Per", "quantity", hint="1"),
    ),
    "graduated": (Spec(("graduated", "per"), "Amounts are per", "quantity", hint="1"),),
    "volume": (Spec(("volume", "per"), "Amounts are per", "quantity", hint="1"),),
    "stair_step": (),
    "package": (
        Spec(("package", "amount"), "Amount per package", "money"),
        Spec(("package", "size"), "Package of", "quantity"),
        Spec(("package", "free"), "Free first", "quantity", hint="none"),
    ),
    "percentage": (
        Spec(("percentage", "rate"), "Rate", "percent"), Spec(("percentage", "fee"), "Plus per sale", "money", hint="0"),
        Spec(("percentage", "floor"), "At least", "money", hint="none"), Spec(("percentage", "cap"), "At most", "money", hint="none"),
    ),
    "graduated_percentage": (),
    "dynamic": (
        Spec(("dynamic", "factor"), "Times", "money"), Spec(("dynamic", "fee"), "Plus per event", "money", hint="0"),
        Spec(("dynamic", "floor"), "At least", "money", hint="none"), Spec(("dynamic", "cap"), "At most", "money", hint="none"),
    ),
    "p95": (
        Spec(("p95", "amount"), "Amount", "money"), Spec(("p95", "per"), "Per", "quantity"),
        Spec(("p95", "percentile"), "Percentile", "percent", hint="95 %"),
        Spec(("p95", "direction"), "Directions", "choice", (("max", "The higher"), ("sum", "Their sum"))),
        Spec(("p95", "out_meter"), "Other direction's meter", "ident", hint="none", more=True),
        Spec(("p95", "slot_seconds"), "Slot", "whole", suffix="s", hint="300", more=True),
    ),
}  # fmt: skip
_COUNTED = (
    Spec(("counter_period",), "Counted anew every", "choice",
        (("billing", "Billing period"), *_choice("month", "week", "day", "hour", "minute")), more=True),
    Spec(("fold",), "Billed is the", "choice", _choice("sum", "count", "max", "last", "unique"), more=True),
    Spec(("unmatched",), "What fits no rate", "choice", (("refuse", "Is refused"), ("free", "Is free")), more=True),
    Spec(("title",), "Title", "text", more=True),
    _TAXED,
)  # fmt: skip
_FIELDS: dict[str, tuple[Spec, ...]] = {
    "allowance": (
        Spec(("units",), "Free units", "quantity"),
        Spec(("contribution",), "Each SIM brings", "choice", _CONTRIBUTION), *_ROLL,
    ),
    "increment": (
        Spec(("units",), "Steps of", "quantity"), Spec(("per",), "Per", "choice", _choice("event", "session", "day", "period")),
        Spec(("rounding",), "Rounded", "choice", _choice("up", "down", "nearest")),
        Spec(("of",), "For each", "choice", _choice("counter", "device"), more=True),
    ),
    "bundle": (
        _ID, Spec(("credits",), "Credits", "whole"), Spec(("weights",), "Credits per unit", "weights"),
        Spec(("contribution",), "Each SIM brings", "choice", _CONTRIBUTION, more=True), *_ROLL,
    ),
    "fee": (
        _ID, Spec(("amount",), "Amount", "money"),
        Spec(("every",), "Every", "choice", (("period", "Period"), ("day", "Day"), ("once", "Once"))),
        Spec(("per",), "Per", "choice", _choice("device", "account")), Spec(("title",), "Title", "text", more=True),
        Spec(("timing",), "Billed", "choice", (("arrears", "Afterwards"), ("advance", "In advance")), more=True),
        Spec(("proration",), "Part periods", "choice",
            (("daily", "By days"), ("30-day", "By 30ths"), ("full_if_active", "In full")), more=True),
        *_PHASE, _TAXED,
    ),
    "pool": (),
    "trial": (Spec(("days",), "Free days", "whole"),),
    "discount": (
        _ID, Spec(("percent",), "Percent off", "percent", hint="or an amount"),
        Spec(("fixed",), "Amount off", "money", hint="or a percentage"),
        Spec(("code",), "With code", "ident", hint="for everybody", more=True), *_PHASE, _ONLY,
    ),
    "maximum": (Spec(("amount",), "At most", "money"), Spec(("scope",), "For each", "choice", _choice("account", "device")), _ONLY),
    "commitment": (
        Spec(("amount",), "At least", "money"), Spec(("scope",), "For each", "choice", _choice("account", "device")),
        Spec(("prorated",), "Part periods", "choice", (("true", "In proportion"), ("false", "In full")), more=True), _ONLY,
    ),
    "credit": (
        _ID, Spec(("amount",), "Amount", "money"), Spec(("kind",), "Kind", "choice", _choice("promotional", "paid")),
        Spec(("every",), "Given", "choice", (("once", "Once"), ("period", "Every period"))),
        Spec(("expires_after_days",), "Lives", "whole", suffix="days", hint="for ever"),
        Spec(("priority",), "Priority", "whole", hint="100", more=True),
    ),
    "sponsorship": (
        _ID, Spec(("account",), "Sponsor's account", "ident"), Spec(("components",), "Pays for", "list"),
        Spec(("match",), "When", "match"),
        Spec(("budget",), "Budget a period", "money", hint="unlimited"),
        Spec(("fallback",), "Beyond it", "choice", (("user", "The user pays"), ("block", "Use is blocked"))),
    ),
    "tax": (
        Spec(("category",), "Category", "ident"), Spec(("rate",), "Rate", "percent"),
        Spec(("inclusive",), "Prices", "choice", (("false", "Are net"), ("true", "Include it"))),
    ),
    "micropayment": (
        Spec(("minimum_invoice",), "Invoice from", "money", hint="0"),
        Spec(("carry_remainder",), "Rounding rest", "choice", (("false", "Is booked"), ("true", "Is carried over"))),
    ),
}  # fmt: skip


def header(draft: Draft) -> list[Spec]:
    """The fields of the offer itself."""
    return [
        Spec(("title",), "Title"), Spec(("id",), "Offer id", "ident"), Spec(("version",), "Version", "whole"),
        Spec(("effective",), "In force from", "day"), Spec(("currency",), "Currency", "ident"),
        Spec(("period",), "Billed every", "choice", _choice("month", "week", "day", "quarter", "year")),
        Spec(("zone",), "Time zone", hint="UTC"),
        Spec(("scope",), "Counted together for each", "segments", SCOPES, command="target"),
    ]  # fmt: skip


def specs(block: Block, draft: Draft) -> Iterator[Spec]:
    """The fields of a block, in order."""
    model = model_of(block)
    if block.kind == "price":
        yield _ID
        yield Spec(("meter",), "Meter", "choice", _meters(draft))
    if block.kind == "rate":
        yield _ID
        if "match" in block.fields or "windows" not in block.fields:
            yield Spec(("match",), "When", "match", hint="always")
    if block.kind in ("price", "rate"):
        if model:
            yield Spec(("model",), "Priced", "choice", tuple(MODELS.items()), command="model")
        yield from _MODEL_FIELDS.get(model, ())
    if block.kind == "price":
        yield from _COUNTED
    if block.kind == "split":
        yield Spec(
            ("rest",), "The rest goes to", "choice", (("", "Nobody"), *((p, p) for p in partners_of(draft)))
        )
        yield Spec(("basis",), "Shared is what is", "choice", _choice("billed", "collected"))
        yield Spec(
            ("fixed_overrun",),
            "Fixed above the charge",
            "choice",
            (("operator_bears", "Rest pays"), ("capped", "Capped")),
            more=True,
        )
        yield Spec(
            ("share_true_ups",),
            "True-ups",
            "choice",
            (("false", "Not shared"), ("true", "Shared")),
            more=True,
        )
    if block.kind == "share":
        yield from _share(block, draft)
    yield from _FIELDS.get(block.kind, ())


def _meters(draft: Draft) -> Options:
    return tuple((str(row["id"]), str(row.get("title") or row["id"])) for row in meters_of(draft))


def _share(block: Block, draft: Draft) -> Iterator[Spec]:
    yield Spec(("partner",), "Partner", "choice", tuple((name, name) for name in partners_of(draft)))
    if "tiers" not in block.fields:
        yield Spec(("percent",), "Percent", "percent", hint="or an amount")
        yield Spec(("fixed",), "Fixed amount", "money", hint="or a percentage")
    if "fixed" in block.fields:
        yield Spec(("per",), "For each", "quantity", hint="device")
    else:
        yield Spec(("of",), "Of", "choice", (("gross", "The whole"), ("remainder", "What is left")))
    yield Spec(("guarantee",), "At least", "money", hint="none", more=True)
    yield Spec(("cap",), "At most", "money", hint="none", more=True)
    yield _ONLY
