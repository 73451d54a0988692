"""A draft as what the builder in the browser draws: plain maps and lists of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.dashboards.studio.blocks import HOLDS, Block, Draft
from workbench.dashboards.studio.forms import Spec, header, specs
from workbench.dashboards.studio.judge import Mistake, Verdict
from workbench.dashboards.studio.palette import ITEMS, MODELS, PALETTE, SINGULAR, model_of
from workbench.dashboards.studio.plain import Path, Plain
from workbench.dashboards.studio.words import block_text, listed, matched, summary
from workbench.tariff.check import Finding

_TONES = {"Prices": "price", "Within a price": "within", "Whole offer": "whole", "Who gets what": "who"}
TONE = {item.name: _TONES[title] for title, items in PALETTE for item in items}
_INVITES = {
    "price": "Drop an allowance, time of use, a country or rounding here",
    "split": "Drop a partner's share here",
}


_TIER = (
    ("up_to", "Up to", "quantity", "no end"),
    ("amount", "Amount", "money", ""),
    ("flat", "Flat fee", "money", "none"),
)
_TABLES: dict[str, tuple[str, str, str, tuple[tuple[str, str, str, str], ...]]] = {
    "graduated": ("tiers", "Tier", "Add a tier", _TIER),
    "volume": ("tiers", "Tier", "Add a tier", _TIER),
    "stair_step": ("steps", "Step", "Add a step", _TIER[:2]),
    "graduated_percentage": (
        "tiers", "Tier", "Add a tier", (("up_to", "Up to", "money", "no end"), ("rate", "Rate", "percent", ""), _TIER[2]),
    ),
}  # fmt: skip
_WINDOWS = (
    ("from", "From", "time", "00:00"), ("to", "To", "time", "24:00"), ("days", "Days", "text", "every day"),
)  # fmt: skip
NOTES = {
    "pool": "All SIMs of an account share one counter; each may bring free units (see the allowance).",
    "commitment": "What is missing at the end of the period becomes a line of its own.",
}


@dataclass(frozen=True, slots=True)
class Told:
    """What goes along with a draft: the judgement, and what was just done."""

    verdict: Verdict
    said: str = ""
    fresh: str = ""
    undo: bool = False
    redo: bool = False
    trouble: str = ""


def state(draft: Draft, told: Told) -> dict[str, Any]:
    """A draft as the builder draws it."""
    mistake = told.verdict.mistake
    head = {
        "fields": [_field(spec, draft.header, draft, mistake, "") for spec in header(draft)],
        "error": _error(mistake, "", len(header(draft)) > 0),
        "remarks": [_remark(r.finding) for r in told.verdict.remarks if not r.uid],
    }
    return {
        "header": head,
        "blocks": [_block(block, draft, told) for block in draft.blocks],
        "said": told.said,
        "told": told.trouble or _verdict_words(told.verdict),
        "fresh": told.fresh,
        "undo": told.undo,
        "redo": told.redo,
    }


def _verdict_words(verdict: Verdict) -> str:
    if verdict.mistake:
        return "One thing to mend before it can be priced"
    warnings = sum(remark.finding.severity == "warning" for remark in verdict.remarks)
    return f"Can be priced; {warnings} warning{'' if warnings == 1 else 's'}" if warnings else "Can be priced"


def _block(block: Block, draft: Draft, told: Told) -> dict[str, Any]:
    mistake = told.verdict.mistake
    model = model_of(block)
    name = model if block.kind == "price" else block.kind
    label, icon = _label(block)
    return {
        "uid": block.uid, "kind": block.kind, "label": label, "icon": icon,
        "name": str(block.fields.get("id") or block.fields.get("partner") or block.fields.get("category") or ""),
        "tone": TONE.get(name, "within" if block.kind in ("rate", "allowance", "increment") else "price"),
        "summary": summary(block, draft),
        "note": NOTES.get(block.kind, ""),
        "copies": block.kind not in SINGULAR and block.kind not in ("rate", "share"),
        "fields": [_field(spec, block.fields, draft, mistake, block.uid) for spec in specs(block, draft)],
        "tables": [_table(*given, block, mistake) for given in _tables(block, model)],
        "accepts": list(HOLDS.get(block.kind, ())),
        "invites": _INVITES.get(block.kind, ""),
        "subs": [_block(sub, draft, told) for sub in block.subs],
        "error": _error(mistake, block.uid, True),
        "remarks": [_remark(r.finding) for r in told.verdict.remarks if r.uid == block.uid],
    }  # fmt: skip


def _label(block: Block) -> tuple[str, str]:
    model = model_of(block)
    if block.kind == "price":
        icon = {"dynamic": "percent", "graduated_percentage": "percent", "p95": "burst"}.get(model, model)
        return MODELS.get(model, "Price by situation"), ITEMS[icon].icon if icon in ITEMS else "globe"
    if block.kind == "rate":
        if "windows" in block.fields:
            return "At these times", "clock"
        return ("Where it fits", "globe") if "match" in block.fields else ("Otherwise", "unit")
    item = ITEMS[block.kind]
    return item.label, item.icon


def _tables(
    block: Block, model: str
) -> Iterator[tuple[Path, str, str, tuple[tuple[str, str, str, str], ...]]]:
    if block.kind in ("price", "rate") and model in _TABLES:
        key, label, adds, columns = _TABLES[model]
        yield (model, key), label, adds, columns
    if block.kind == "rate" and "windows" in block.fields:
        yield ("windows",), "Time", "Add a time", _WINDOWS
    if block.kind == "share" and "tiers" in block.fields:
        yield (
            ("tiers",),
            "Tier",
            "Add a tier",
            (("up_to", "Up to", "money", "no end"), ("rate", "Rate", "percent", "")),
        )


def _table(
    path: Path,
    label: str,
    adds: str,
    columns: tuple[tuple[str, str, str, str], ...],
    block: Block,
    mistake: Mistake | None,
) -> dict[str, Any]:
    rows = _at(block.fields, path)
    wrong = mistake.path if mistake and mistake.uid == block.uid else ()
    return {
        "path": list(path), "label": label, "adds": adds,
        "columns": [{"key": key, "label": name, "kind": kind, "hint": hint} for key, name, kind, hint in columns],
        "rows": [
            {
                "values": {key: block_text(value) for key, value in row.items()} if isinstance(row, Mapping) else {},
                "error": bool(wrong) and wrong[: len(path) + 1] == (*path, at),
            }
            for at, row in enumerate(rows if isinstance(rows, list) else [])
        ],
    }  # fmt: skip


def _at(values: Plain, path: Path) -> Plain:
    for key in path:
        values = values.get(str(key)) if isinstance(values, Mapping) else None
    return values


def _field(
    spec: Spec, values: Mapping[str, Plain], draft: Draft, mistake: Mistake | None, uid: str
) -> dict[str, Any]:
    value = _at(values, spec.path)
    if spec.command == "model":
        value = next((model for model in MODELS if model in values), "")
    if spec.command == "target":
        value = "pool" if any(block.kind == "pool" for block in draft.blocks) else value or "device"
    shown = {"match": matched, "weights": matched, "list": listed}.get(spec.kind, block_text)(value)
    options = spec.options
    if spec.kind == "choice" and shown not in [key for key, _ in options]:
        options = options if not shown and options else ((shown, shown or "–"), *options)
        shown = shown or (options[0][0] if options else "")
    wrong = mistake is not None and mistake.uid == uid and bool(mistake.path) and mistake.path == spec.path
    money = str(draft.header.get("currency", "")) if spec.kind == "money" else ""
    return {
        "path": list(spec.path), "label": spec.label, "kind": spec.kind, "value": shown,
        "options": [list(option) for option in options], "suffix": spec.suffix or money, "hint": spec.hint,
        "more": spec.more and value is None, "command": spec.command,
        "error": f"{mistake.what} {mistake.cure}" if wrong and mistake else "",
    }  # fmt: skip


def _error(mistake: Mistake | None, uid: str, known: bool) -> dict[str, str] | None:
    """The mistake at its block, where no single field can show it."""
    if mistake is None or mistake.uid != uid or not known:
        return None
    return {"what": mistake.what, "cure": mistake.cure}


def _remark(finding: Finding) -> dict[str, str]:
    return {"severity": finding.severity, "sentence": finding.sentence}


def palette() -> list[dict[str, Any]]:
    """The palette as the builder draws it."""
    return [
        {
            "title": title,
            "items": [
                {
                    "name": i.name, "label": i.label, "note": i.note, "icon": i.icon, "kind": i.kind,
                    "inside": i.inside, "tone": TONE[i.name],
                }
                for i in items
            ],
        }
        for title, items in PALETTE
    ]  # fmt: skip
