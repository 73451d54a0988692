"""Values of a block as text for a field, text of a field as values, and a block in a few words."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.dashboards.studio.blocks import Block, Draft
from workbench.dashboards.studio.palette import model_of
from workbench.dashboards.studio.plain import Plain


def block_text(value: Plain) -> str:
    """A value as a field shows it; a list as words with commas."""
    if value is None:
        return ""
    return listed(value) if isinstance(value, list) else str(value)


def listed(value: Plain) -> str:
    """``[DE, AT]`` as ``DE, AT``."""
    if isinstance(value, list):
        return ", ".join(str(item) for item in value if item is not None)
    return str(value or "")


def matched(value: Plain) -> str:
    """``{country: [DE, AT]}`` as ``country: DE, AT``.

    >>> matched({"country": ["DE", "AT"], "apn": "x"})
    'country: DE, AT; apn: x'
    """
    if not isinstance(value, Mapping):
        return str(value or "")
    return "; ".join(f"{key}: {listed(item)}" for key, item in value.items())


def as_list(text: str) -> Plain:
    """What was typed into a field of several words."""
    return [word.strip() for word in text.split(",") if word.strip()]


def as_match(text: str) -> Plain:
    """What was typed into ``When``.

    >>> as_match("country: DE, AT; apn: x")
    {'country': ['DE', 'AT'], 'apn': ['x']}
    """
    found = {}
    for part in text.split(";"):
        key, _, words = part.partition(":")
        if key.strip():
            found[key.strip()] = as_list(words)
    return found


def as_weights(text: str) -> Plain:
    """What was typed into a bundle's ``credits per unit``.

    >>> as_weights("sms: 10; data: 1")
    {'sms': '10', 'data': '1'}
    """
    return {key: listed(words) for key, words in as_match(text).items()}


def summary(block: Block, draft: Draft) -> str:
    """A block in a few words, for when it is folded."""
    said = block.fields
    currency = str(draft.header.get("currency", ""))
    model = model_of(block)
    if block.kind in ("price", "rate"):
        price = _price(said.get(model), model, currency) if model else f"{len(block.subs)} prices"
        when = matched(said.get("match")) or _times(said.get("windows"))
        return f"{when} · {price}" if when and block.kind == "rate" else price
    words = {
        "fee": f"{said.get('amount')} {currency} {_every(said)}",
        "allowance": f"{said.get('units')} free{_rolls(said)}",
        "increment": f"steps of {said.get('units')}",
        "share": f"{said.get('percent') or said.get('fixed') or 'by tiers'}",
        "discount": f"{said.get('percent') or said.get('fixed')} off",
        "maximum": f"at most {said.get('amount')} {currency} per {said.get('scope', 'account')}",
        "commitment": f"at least {said.get('amount')} {currency} per {said.get('scope', 'account')}",
        "trial": f"{said.get('days')} days free",
        "credit": f"{said.get('amount')} {currency} {said.get('every', 'once')}",
        "tax": f"{said.get('rate')}{' included' if said.get('inclusive') == 'true' else ''}",
        "bundle": f"{said.get('credits')} credits",
        "sponsorship": f"{said.get('account')} pays",
        "split": f"rest to {said.get('rest')}" if said.get("rest") else f"{len(block.subs)} shares",
        "micropayment": f"invoice from {said.get('minimum_invoice', '0')} {currency}",
        "pool": "one counter for all SIMs",
    }
    return words.get(block.kind, "")


def _every(said: Mapping[str, Plain]) -> str:
    every, per = said.get("every", "period"), said.get("per", "device")
    return f"once per {per}" if every == "once" else f"per {per} and {every}"


def _rolls(said: Mapping[str, Plain]) -> str:
    roll = said.get("rollover")
    return f", rolls over {roll.get('periods')}×" if isinstance(roll, Mapping) else ""


def _times(windows: Plain) -> str:
    if not isinstance(windows, list) or not windows or not isinstance(windows[0], Mapping):
        return ""
    first = windows[0]
    hours = f"{first.get('from', '00:00')}–{first.get('to', '24:00')}"
    more = f" and {len(windows) - 1} more" if len(windows) > 1 else ""
    return f"{listed(first.get('days'))} {hours}{more}".strip()


def _price(said: Plain, model: str, currency: str) -> str:
    if not isinstance(said, Mapping):
        return ""
    rows = said.get("tiers") or said.get("steps")
    if isinstance(rows, list):
        amounts = [str(row.get("amount") or row.get("rate")) for row in rows if isinstance(row, Mapping)]
        unit = "" if model == "graduated_percentage" else f" {currency}"
        return f"{' → '.join(amounts)}{unit}{_per(said)}"
    if model == "package":
        return f"{said.get('amount')} {currency} per started {said.get('size')}"
    if model == "percentage":
        return str(said.get("rate"))
    if model == "dynamic":
        return f"× {said.get('factor', '1')}"
    return f"{said.get('amount')} {currency}{_per(said)}"


def _per(said: Mapping[str, Plain]) -> str:
    per = said.get("per")
    return f" per {str(per).removeprefix('1 ')}" if per else ""
