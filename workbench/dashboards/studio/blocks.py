"""An offer as an ordered list of blocks, and back: pure, no widgets, and nothing of the YAML is lost but comments.

A block is a map of the offer file that a person would name: a price, a fee, a discount, the split. Some hold blocks of
their own: a price its rates (time of use, roaming zones), its allowance and its rounding; the split its partners'
shares. What is no block (id, currency, dates) stays in the offer's header; meters and partners are shared by the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from workbench.dashboards.studio.plain import Path, Plain, Written, read, write
from workbench.errors import CatalogueError

LISTS = {
    "prices": "price",
    "bundles": "bundle",
    "fees": "fee",
    "discounts": "discount",
    "credits": "credit",
    "sponsorships": "sponsorship",
    "taxes": "tax",
}
"""A section of an offer that is a list of maps, and the kind of block each of them is."""
SINGLES = ("trial", "maximum", "commitment", "micropayment", "split")
"""A section that is one map."""
SECTION = {kind: section for section, kind in LISTS.items()} | {kind: kind for kind in (*SINGLES, "pool")}
INNER = {"rates": "rate", "rules": "share"}
HOLDS = {"price": ("rate", "allowance", "increment"), "split": ("share",)}
"""Which blocks stand inside which."""
_POOL = ("scope", "pool_cap_units", "overage")


@dataclass(frozen=True, slots=True)
class Block:
    """One building block.

    Attributes:
        uid: its name for as long as the page is open.
        fields: the map as it is written, without what its inner blocks say.
        order: the keys of the map in the order of the file; inner sections included.
    """

    uid: str
    kind: str
    fields: Mapping[str, Plain]
    subs: tuple[Block, ...] = ()
    order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A catalogue file of which one offer is being built.

    Attributes:
        shared: the file's other sections (meters, partners, holidays), in order.
        header: what the offer says outside of its blocks.
        order: the offer's keys in the order of the file.
        others: the file's other offers; at: which place among them this one has.
        last: the highest number given to a block so far.
    """

    shared: Mapping[str, Plain]
    header: Mapping[str, Plain]
    blocks: tuple[Block, ...]
    order: tuple[str, ...] = ()
    sections: tuple[str, ...] = ("offers",)
    others: tuple[Plain, ...] = ()
    at: int = 0
    last: int = 0

    def block(self, uid: str) -> Block | None:
        """The block of that name, inner ones included."""
        return next((block for block in every(self.blocks) if block.uid == uid), None)

    def head_of(self, uid: str) -> Block | None:
        """The outer block that holds an inner one."""
        return next((block for block in self.blocks if any(sub.uid == uid for sub in block.subs)), None)


def every(blocks: tuple[Block, ...]) -> Iterator[Block]:
    """All blocks, inner ones after the one that holds them."""
    for block in blocks:
        yield block
        yield from block.subs


# -- from YAML -----------------------------------------------------------------------------------------------


def draft_of(text: str, offer_id: str = "") -> Draft:
    """The draft that a catalogue file's text is.

    Args:
        offer_id: which of its offers, the file's first when it is left out; the last version of it is taken.

    Raises:
        CatalogueError: it is no YAML, or not of the shape in which blocks can be seen (the sentence says where).
    """
    values = read(text)
    offers = values.get("offers")
    if not isinstance(offers, list) or not offers or not all(isinstance(offer, Mapping) for offer in offers):
        raise CatalogueError(
            "There is no offer in the text.",
            where="offer",
            code="yaml_shape",
            cure="Begin with `offers:` and one `- id: ...` below it.",
        )
    wanted = offer_id or offers[0].get("id")
    at = next((n for n in reversed(range(len(offers))) if offers[n].get("id") == wanted), 0)
    offer = cast("Mapping[str, Plain]", offers[at])
    count = _Count()
    return Draft(
        shared={key: value for key, value in values.items() if key != "offers"},
        header={key: value for key, value in offer.items() if _is_header(key, offer)},
        blocks=tuple(_blocks(offer, count)),
        order=tuple(offer),
        sections=tuple(values),
        others=tuple(other for n, other in enumerate(offers) if n != at),
        at=at,
        last=count.value,
    )


class _Count:
    def __init__(self) -> None:
        self.value = 0

    def next(self) -> str:
        self.value += 1
        return f"b{self.value}"


def _pooled(offer: Mapping[str, Plain]) -> bool:
    return offer.get("scope") == "pool"


def _is_header(key: str, offer: Mapping[str, Plain]) -> bool:
    if key in _POOL and _pooled(offer):
        return False
    return not (_listed(key, offer) or _single(key, offer))


def _listed(key: str, offer: Mapping[str, Plain]) -> bool:
    value = offer[key]
    return (
        key in LISTS
        and isinstance(value, list)
        and bool(value)
        and all(isinstance(item, Mapping) for item in value)
    )


def _single(key: str, offer: Mapping[str, Plain]) -> bool:
    return key in SINGLES and isinstance(offer[key], Mapping)


def _blocks(offer: Mapping[str, Plain], count: _Count) -> Iterator[Block]:
    for key, value in offer.items():
        if _listed(key, offer):
            for item in value:
                yield _block(LISTS[key], item, count)
        elif _single(key, offer):
            yield _block(key, value, count)
        elif key == "scope" and _pooled(offer):
            fields = {name: offer[name] for name in _POOL if name in offer}
            yield Block(count.next(), "pool", fields, order=tuple(fields))


def _block(kind: str, values: Mapping[str, Plain], count: _Count) -> Block:
    uid, fields, subs = count.next(), {}, []
    for key, value in values.items():
        inner = _inner(kind, key, value)
        if inner == "list":
            subs += [_block(INNER[key], item, count) for item in value]
        elif inner == "one":
            subs.append(Block(count.next(), key, value, order=tuple(value)))
        else:
            fields[key] = value
    return Block(uid, kind, fields, tuple(subs), tuple(values))


def _inner(kind: str, key: str, value: Plain) -> str:
    if INNER.get(key) in HOLDS.get(kind, ()) and isinstance(value, list) and value:
        return "list" if all(isinstance(item, Mapping) for item in value) else ""
    return "one" if key in HOLDS.get(kind, ()) and isinstance(value, Mapping) else ""


# -- to YAML -------------------------------------------------------------------------------------------------


def values_of(draft: Draft) -> dict[str, Plain]:
    """The catalogue file as plain values."""
    offers = [*draft.others]
    offers.insert(draft.at, offer_of(draft))
    whole = dict(draft.shared)
    keys = [key for key in draft.sections if key == "offers" or key in whole]
    keys += [key for key in whole if key not in keys]
    if "offers" not in keys:
        keys.append("offers")
    return {key: offers if key == "offers" else whole[key] for key in keys}


def offer_of(draft: Draft) -> dict[str, Plain]:
    """The offer alone as plain values."""
    sections: dict[str, Any] = {}
    for block in draft.blocks:
        section = SECTION[block.kind]
        if block.kind == "pool":
            sections.update(block.fields)
        elif section in LISTS:
            sections.setdefault(section, []).append(_value(block))
        else:
            sections[section] = _value(block)
    found = {**draft.header, **sections}
    return {key: found[key] for key in _ordered(draft, list(found), list(sections))}


def _ordered(draft: Draft, keys: list[str], sections: list[str]) -> list[str]:
    """The file's own order; its sections among themselves as their blocks were arranged; what is new near its like."""
    old = [key for key in draft.order if key in keys]
    slots = iter([key for key in sections if key in old])
    found = [next(slots) if key in sections else key for key in old]
    for key in (key for key in keys if key not in old):
        above = [name for name in sections[: sections.index(key)] if name in found] if key in sections else []
        first = next((n for n, name in enumerate(found) if name in sections), len(found))
        found.insert(found.index(above[-1]) + 1 if above else first, key)
    return found


def _value(block: Block) -> dict[str, Plain]:
    values: dict[str, Any] = dict(block.fields)
    for sub in block.subs:
        section = next((key for key, kind in INNER.items() if kind == sub.kind), sub.kind)
        if section in INNER:
            values.setdefault(section, []).append(_value(sub))
        else:
            values[section] = dict(sub.fields)
    keys = [key for key in block.order if key in values]
    return {key: values[key] for key in [*keys, *(key for key in values if key not in keys)]}


def text_of(draft: Draft) -> Written:
    """The draft as YAML."""
    return write(values_of(draft))


def owner(draft: Draft, path: Path) -> tuple[str, Path]:
    """Whose field a path of the file is: the block's uid ("" for the header) and the path inside it."""
    if path[:2] != ("offers", draft.at):
        return "", path
    inside = path[2:]
    for block in draft.blocks:
        place = _place(block, draft.blocks, SECTION[block.kind], block.kind in LISTS.values())
        if block.kind == "pool" and inside[:1] and inside[0] in block.fields:
            return block.uid, inside
        if place and inside[: len(place)] == place:
            rest = inside[len(place) :]
            for sub in block.subs:
                section = next((key for key, kind in INNER.items() if kind == sub.kind), sub.kind)
                spot = _place(sub, block.subs, section, section in INNER)
                if rest[: len(spot)] == spot:
                    return sub.uid, rest[len(spot) :]
            return block.uid, rest
    return "", inside


def _place(block: Block, among: tuple[Block, ...], section: str, listed: bool) -> Path:
    if not listed:
        return () if block.kind == "pool" else (section,)
    return (section, [other.uid for other in among if other.kind == block.kind].index(block.uid))


def renew(old: Draft, new: Draft) -> Draft:
    """The draft read from edited text, its blocks named as they were where they are still the same ones.

    So a page keeps what is unfolded, and the order in which blocks of different sections were arranged.
    """
    names = dict(_same(old.blocks, new.blocks))
    count = max(old.last, new.last)
    renamed = []
    for block in new.blocks:
        uid = names.get(block.uid, "")
        if not uid:
            count += 1
            uid = f"b{count}"
        before = old.block(uid)
        inner = dict(_same(before.subs if before else (), block.subs))
        subs = []
        for sub in block.subs:
            if sub.uid not in inner:
                count += 1
            subs.append(replace(sub, uid=inner.get(sub.uid, f"b{count}")))
        renamed.append(replace(block, uid=uid, subs=tuple(subs)))
    return replace(new, blocks=_arranged(old.blocks, renamed), last=count)


def _same(old: tuple[Block, ...], new: tuple[Block, ...]) -> Iterator[tuple[str, str]]:
    """Pairs (name in ``new``, name in ``old``): of one kind, and of one id or at one place of their section."""
    left = list(old)
    for block in new:
        kin = [other for other in left if other.kind == block.kind]
        named = [other for other in kin if other.fields.get("id") == block.fields.get("id")]
        if named or kin:
            found = (named or kin)[0]
            left.remove(found)
            yield block.uid, found.uid


def _arranged(old: tuple[Block, ...], new: list[Block]) -> tuple[Block, ...]:
    """``new`` in the order of ``old`` where that does not change the order inside a section."""
    places = {block.uid: n for n, block in enumerate(old)}
    if any(block.uid not in places for block in new):
        return tuple(new)
    found = sorted(new, key=lambda block: places[block.uid])
    kinds = {block.kind for block in new}
    kept = all([b for b in found if b.kind == kind] == [b for b in new if b.kind == kind] for kind in kinds)
    return tuple(found) if kept else tuple(new)
