"""Every change a person can make to a draft, as a function from a draft to the next one.

A block that is named and no longer there changes nothing: two browsers, or an undo, may have been faster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from workbench.dashboards.studio.blocks import HOLDS, Block, Draft
from workbench.dashboards.studio.palette import (
    ITEMS,
    MODELS,
    SINGULAR,
    fresh,
    known_amount,
    model_of,
    new_id,
    terms,
    unit_of,
)
from workbench.dashboards.studio.plain import Path, Plain


def add(draft: Draft, name: str, at: int = -1, head: str = "") -> tuple[Draft, str]:
    """Put a new block of the palette in.

    Args:
        name: the palette's name of it. at: its place among its like; -1 for the last.
        head: the block it goes into, for inner ones; the last that can hold it when it is left out.

    Returns: the draft, and the new block's uid; that of the one there is where an offer holds only one.
    """
    item = ITEMS[name]
    if item.inside:
        holder = draft.block(head) or _holder(draft, item.inside)
        if holder is None:
            if item.inside != "split":
                return draft, ""
            draft, uid = add(draft, "split")
            holder = draft.block(uid)
        assert holder is not None
        return _add_inside(draft, name, at, holder)
    there = next((b for b in draft.blocks if b.kind == item.kind and item.kind in SINGULAR), None)
    if there is not None:
        return draft, there.uid
    block = _named(draft, item.kind, fresh(draft, item))
    draft = replace(draft, last=draft.last + 1)
    if item.kind == "pool":
        draft = replace(draft, header={k: v for k, v in draft.header.items() if k != "scope"})
    return replace(draft, blocks=_inserted(draft.blocks, block, at)), block.uid


def _named(draft: Draft, kind: str, fields: Mapping[str, Plain]) -> Block:
    return Block(f"b{draft.last + 1}", kind, fields, order=tuple(fields))


def _holder(draft: Draft, kind: str) -> Block | None:
    return next((block for block in reversed(draft.blocks) if block.kind == kind), None)


def _add_inside(draft: Draft, name: str, at: int, holder: Block) -> tuple[Draft, str]:
    item = ITEMS[name]
    if item.kind not in HOLDS.get(holder.kind, ()):
        return draft, ""
    there = next((sub for sub in holder.subs if sub.kind == item.kind and item.kind in SINGULAR), None)
    if there is not None:
        return draft, there.uid
    block = _named(draft, item.kind, fresh(draft, item, holder))
    draft = replace(draft, last=draft.last + 1)
    place = 0 if item.kind == "rate" and at < 0 else at
    holder = replace(holder, subs=_inserted(holder.subs, block, place))
    return _with(_by_situation(*_swap(draft, holder)), None), block.uid


def _swap(draft: Draft, block: Block) -> tuple[Draft, Block]:
    return _with(draft, block), block


def _with(draft: Draft, block: Block | None) -> Draft:
    """The draft with a block in the place of the one of its name."""
    if block is None:
        return draft
    blocks = tuple(
        block
        if old.uid == block.uid
        else replace(old, subs=tuple(block if sub.uid == block.uid else sub for sub in old.subs))
        for old in draft.blocks
    )
    return replace(draft, blocks=blocks)


def _by_situation(draft: Draft, block: Block) -> Draft:
    """A price that gets a second price for some situations keeps its own as the last, which holds otherwise."""
    model = model_of(block)
    if not model or not any(sub.kind == "rate" for sub in block.subs):
        return draft
    own = {"id": new_id(draft, "default"), model: block.fields[model]}
    rate = _named(draft, "rate", own)
    fields = {key: value for key, value in block.fields.items() if key != model}
    kept = replace(block, fields=fields, subs=(*block.subs, rate), order=(*fields, "rates"))
    return replace(_with(draft, kept), last=draft.last + 1)


def _inserted(blocks: tuple[Block, ...], block: Block, at: int) -> tuple[Block, ...]:
    place = len(blocks) if at < 0 else min(at, len(blocks))
    return (*blocks[:place], block, *blocks[place:])


def remove(draft: Draft, uid: str) -> Draft:
    """Take a block out, with what it holds."""
    keep = tuple(
        replace(block, subs=tuple(sub for sub in block.subs if sub.uid != uid))
        for block in draft.blocks
        if block.uid != uid
    )
    return replace(draft, blocks=keep)


def move(draft: Draft, uid: str, at: int, head: str = "") -> Draft:
    """Put a block at another place; an inner one perhaps into another block (``head``)."""
    holder = draft.head_of(uid)
    block = draft.block(uid)
    if block is None:
        return draft
    if holder is None:
        rest = tuple(other for other in draft.blocks if other.uid != uid)
        return replace(draft, blocks=_inserted(rest, block, at))
    target = draft.block(head) if head else holder
    if target is None or block.kind not in HOLDS.get(target.kind, ()):
        return draft
    if target.uid != holder.uid and any(s.kind == block.kind and s.kind in SINGULAR for s in target.subs):
        return draft
    draft = remove(draft, uid)
    target = draft.block(target.uid)
    assert target is not None
    target = replace(target, subs=_inserted(target.subs, block, at))
    return _by_situation(*_swap(draft, target))


def duplicate(draft: Draft, uid: str) -> tuple[Draft, str]:
    """A block once more, right after itself, under an id of its own; nothing where only one may be."""
    block = next((found for found in draft.blocks if found.uid == uid), None)
    if block is None or block.kind in SINGULAR:
        return draft, ""
    subs, number = [], draft.last + 1
    for sub in block.subs:
        number += 1
        subs.append(replace(sub, uid=f"b{number}"))
    fields = dict(block.fields)
    if "id" in fields:
        fields["id"] = new_id(draft, str(fields["id"]))
    copy = replace(block, uid=f"b{draft.last + 1}", fields=fields, subs=tuple(subs))
    at = draft.blocks.index(block) + 1
    return replace(draft, blocks=_inserted(draft.blocks, copy, at), last=number), copy.uid


def put(draft: Draft, uid: str, path: Path, value: Plain) -> Draft:
    """Write a field of a block, or of the header (uid ""); ``None`` and "" unwrite it."""
    if not uid:
        return replace(draft, header=_put(draft.header, path, value))
    block = draft.block(uid)
    if block is None:
        return draft
    return _with(draft, replace(block, fields=_put(block.fields, path, value)))


def _put(values: Mapping[str, Plain], path: Path, value: Plain) -> dict[str, Plain]:
    """A copy of a map with one value changed; maps and list rows on the way are made."""
    key, rest = str(path[0]), path[1:]
    found = dict(values)
    if rest:
        inside: Any = found.get(key)
        if isinstance(rest[0], int):
            rows = list(inside) if isinstance(inside, list) else []
            row = rows[rest[0]] if rest[0] < len(rows) else {}
            changed = _put(row if isinstance(row, Mapping) else {}, rest[1:], value)
            rows[rest[0] : rest[0] + 1] = [changed]
            found[key] = rows
        else:
            found[key] = _put(inside if isinstance(inside, Mapping) else {}, rest, value)
            if not found[key]:
                del found[key]
    elif value in (None, "", [], {}):
        found.pop(key, None)
    else:
        found[key] = value
    return found


def rows(draft: Draft, uid: str, path: Path, change: Callable[[list[Plain]], None]) -> Draft:
    """Change the list at ``path`` of a block."""
    block = draft.block(uid)
    if block is None:
        return draft
    found: Any = block.fields
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    rows = list(found) if isinstance(found, list) else []
    change(rows)
    return put(draft, uid, path, rows)


def remodel(draft: Draft, uid: str, model: str) -> Draft:
    """Price the same use by another model, beginning with the amount that was asked so far."""
    block = draft.block(uid)
    old = model_of(block) if block else ""
    if block is None or model not in MODELS or not old or model == old:
        return draft
    head = draft.head_of(uid) or block
    meter = str(head.fields.get("meter", ""))
    alone = replace(draft, blocks=(replace(block, subs=()),))
    made = terms(model, unit_of(draft, meter), known_amount(alone, meter))
    fields = {(model if key == old else key): (made if key == old else v) for key, v in block.fields.items()}
    order = tuple(model if key == old else key for key in block.order)
    return _with(draft, replace(block, fields=fields, order=order))


def target(draft: Draft, scope: str) -> Draft:
    """Whose use is counted together: device, SIM group, pool or event."""
    pool = next((block for block in draft.blocks if block.kind == "pool"), None)
    if scope == "pool":
        return add(draft, "pool", 0)[0]
    if pool is not None:
        draft = remove(draft, pool.uid)
    return put(draft, "", ("scope",), None if scope == "device" and "scope" not in draft.header else scope)
