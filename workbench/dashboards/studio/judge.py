"""What the real reader, compiler and checker say about a draft, each word at the block and field it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from workbench.dashboards.studio.blocks import Block, Draft, every, owner, text_of
from workbench.dashboards.studio.plain import Path, Plain, Written
from workbench.errors import WorkbenchError
from workbench.model.offer import Catalogue, Offer
from workbench.tariff.catalogue import loads
from workbench.tariff.check import Finding, check

_NAME = "offer"
_TICKED = re.compile(r"`([a-z_]+)`")


@dataclass(frozen=True, slots=True)
class Mistake:
    """Why the draft cannot be priced, and where. ``uid`` "" is the header; ``line`` 0: no line is known."""

    what: str
    cure: str
    code: str
    line: int = 0
    uid: str = ""
    path: Path = ()


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding of the checker at the block it is about ("" when it is about the whole offer)."""

    finding: Finding
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A draft, read and judged. ``catalogue`` and ``offer`` are there exactly when there is no ``mistake``."""

    written: Written
    mistake: Mistake | None = None
    catalogue: Catalogue | None = None
    offer: Offer | None = None
    remarks: tuple[Remark, ...] = ()


def judge(draft: Draft, written: Written | None = None) -> Verdict:
    """Read a draft the way a catalogue file is read, and check what it would do."""
    text = written or text_of(draft)
    try:
        catalogue = loads(text.text, _NAME)
        offer = _mine(draft, catalogue)
        findings = check(catalogue)
    except WorkbenchError as error:
        return Verdict(text, _mistake(draft, text, error))
    mine = [f for f in findings if (f.offer_id, f.version) == (offer.id, offer.version)]
    return Verdict(
        text, None, catalogue, offer, tuple(Remark(f, _block_named(draft, f.part)) for f in mine)
    )  # fmt: skip


def mistake_in(text: str, error: WorkbenchError) -> Mistake:
    """An error about edited text: the line is the editor's."""
    return Mistake(error.what, error.cure, error.code, line_of(error))


def line_of(error: WorkbenchError) -> int:
    """The line an error names, 0 for none."""
    _, _, number = error.where.rpartition(":")
    return int(number) if number.isdigit() else 0


def _mine(draft: Draft, catalogue: Catalogue) -> Offer:
    name, version = draft.header.get("id"), draft.header.get("version")
    return next(
        (o for o in catalogue.offers if o.id == name and str(o.version) == version), catalogue.offers[-1]
    )


def _mistake(draft: Draft, written: Written, error: WorkbenchError) -> Mistake:
    line = line_of(error)
    uid, path = owner(draft, written.path(line)) if line else ("", ())
    if not line:
        uid = next((_block_named(draft, name) for name in re.findall(r"'([^']+)'", error.what)[::-1]), "")
    if not uid and error.code.startswith("split"):
        uid = next((block.uid for block in draft.blocks if block.kind == "split"), "")
    block = draft.block(uid)
    fields: Mapping[str, Plain] = block.fields if block else draft.header
    return Mistake(error.what, error.cure, error.code, line, uid, _field(fields, path, error))


def _block_named(draft: Draft, part: str) -> str:
    """The block of an id; ``price/rate`` names the rate inside the price."""
    head, _, inner = part.partition("/")
    for block in every(draft.blocks):
        if block.fields.get("id") == head:
            return next((sub.uid for sub in block.subs if inner and sub.fields.get("id") == inner), block.uid)
    return next((block.uid for block in draft.blocks if _meter_of(block) == part), "")


def _meter_of(block: Block) -> Plain:
    return block.fields.get("meter") if block.kind == "price" else None


def _field(fields: Mapping[str, Plain], path: Path, error: WorkbenchError) -> Path:
    """The field below ``path`` that the sentence names in backticks, or that holds the text it quotes."""
    words = _TICKED.findall(error.what)
    found: Plain = fields
    for key in path:
        found = found.get(str(key)) if isinstance(found, Mapping) else _item(found, key)
    for word in words:
        for deeper in _named(found, word):
            return (*path, *deeper)
    return path


def _item(values: Plain, key: str | int) -> Plain:
    return values[key] if isinstance(values, list) and isinstance(key, int) and key < len(values) else None


def _named(values: Plain, word: str) -> list[Path]:
    """Where a key stands below a value, nearest first."""
    if not isinstance(values, Mapping):
        return []
    near: list[Path] = [(word,)] if word in values else []
    return near + [
        (key, *deeper) for key, value in values.items() if value is not None for deeper in _named(value, word)
    ]
