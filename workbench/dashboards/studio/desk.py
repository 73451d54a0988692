"""One person's draft: what was done to it, what the text says, what the judge says; no widgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workbench.dashboards.studio import edit
from workbench.dashboards.studio.blocks import Block, Draft, draft_of, renew, text_of
from workbench.dashboards.studio.drawing import Told, state
from workbench.dashboards.studio.forms import header, specs
from workbench.dashboards.studio.judge import Mistake, Verdict, judge, mistake_in
from workbench.dashboards.studio.palette import ITEMS
from workbench.dashboards.studio.plain import Path, Plain
from workbench.dashboards.studio.words import as_list, as_match, as_weights
from workbench.errors import WorkbenchError

STEPS_KEPT = 100
_PAIRS = {"percent": "fixed", "fixed": "percent"}
"""Fields of a discount or a share of which only one may stand."""


class Desk:
    """A draft on a desk.

    Attributes:
        draft: as it is now. verdict: what the reader and the checker say about it.
        text: the YAML as it is shown: the draft's, or what was typed while that cannot be read.
        torn: why the typed text cannot be shown as blocks; the blocks then stand as they were.
    """

    def __init__(self, text: str, offer_id: str = "") -> None:
        self.draft = draft_of(text, offer_id)
        self._past: list[Draft] = []
        self._future: list[Draft] = []
        self._said = self._fresh = ""
        self.settle()

    def settle(self) -> None:
        """Write the draft out and judge it."""
        self.torn: Mistake | None = None
        self.verdict: Verdict = judge(self.draft, text_of(self.draft))
        self.text = self.verdict.written.text

    @property
    def mistake(self) -> Mistake | None:
        """What is wrong, if anything: with the text first."""
        return self.torn or self.verdict.mistake

    def drawn(self) -> dict[str, Any]:
        """The draft as the builder draws it."""
        trouble = "The text cannot be read yet; the blocks wait" if self.torn else ""
        told = Told(self.verdict, self._said, self._fresh, bool(self._past), bool(self._future), trouble)
        return state(self.draft, told)

    # -- what a person does ----------------------------------------------------------------------------------

    def do(self, message: Mapping[str, Any]) -> bool:
        """Carry out what the builder reports.

        Returns: whether the draft is another one now.
        """
        self._said = self._fresh = ""
        before = self.draft
        after = self._done(message)
        if after == before:
            return False
        if message.get("do") not in ("undo", "redo"):
            self._past = [*self._past, before][-STEPS_KEPT:]
            self._future = []
        self.draft = after
        self.settle()
        return True

    def retype(self, text: str) -> bool:
        """Take edited YAML up; the blocks follow when it has their shape.

        Returns: whether the draft is another one now.
        """
        if text == self.text:
            return False
        self._said = self._fresh = ""
        try:
            after = renew(self.draft, draft_of(text, str(self.draft.header.get("id") or "")))
        except WorkbenchError as error:
            self.text, self.torn = text, mistake_in(text, error)
            return False
        self._past = [*self._past, self.draft][-STEPS_KEPT:]
        self._future = []
        self.draft = after
        self.settle()
        if self.verdict.mistake:
            self.verdict = replace(self.verdict, mistake=_as_typed(text, after, self.verdict.mistake))
        self.text = text
        return True

    def _done(self, message: Mapping[str, Any]) -> Draft:
        what, uid = message.get("do"), str(message.get("uid", ""))
        at = message.get("at")
        place = at if isinstance(at, int) else -1
        if what == "add" and message.get("item") in ITEMS:
            return self._added(str(message["item"]), place, str(message.get("head") or ""))
        if what == "move":
            return self._moved(uid, place, str(message.get("head") or ""))
        if what == "remove":
            self._said = f"{self._name(uid)} is removed."
            return edit.remove(self.draft, uid)
        if what == "copy":
            draft, self._fresh = edit.duplicate(self.draft, uid)
            return draft
        if what == "model":
            return edit.remodel(self.draft, uid, str(message.get("value")))
        if what == "target":
            return edit.target(self.draft, str(message.get("value")))
        if what == "put":
            return self._put(uid, _path(message.get("path")), message.get("value"))
        if what == "rows":
            return self._rows(uid, _path(message.get("path")), message.get("act"))
        return self._stepped(str(what))

    def _stepped(self, what: str) -> Draft:
        if what == "undo" and self._past:
            self._future.append(self.draft)
            self._said = "Undone."
            return self._past.pop()
        if what == "redo" and self._future:
            self._past.append(self.draft)
            self._said = "Done again."
            return self._future.pop()
        return self.draft

    def _added(self, item: str, at: int, head: str) -> Draft:
        draft, self._fresh = edit.add(self.draft, item, at, head)
        label = ITEMS[item].label
        if not self._fresh:
            self._said = f"{label} needs a price to stand in."
        elif draft == self.draft:
            self._said = f"{label} is there already: there can be one."
        else:
            self._said = f"{label} is added."
        return draft

    def _moved(self, uid: str, at: int, head: str) -> Draft:
        draft = edit.move(self.draft, uid, at, head)
        holder = draft.head_of(uid)
        kin = holder.subs if holder else draft.blocks
        places = [block.uid for block in kin]
        if uid in places:
            self._said = f"{self._name(uid)} is at place {places.index(uid) + 1} of {len(places)}."
        return draft

    def _name(self, uid: str) -> str:
        block = self.draft.block(uid)
        return str(block.fields.get("id") or block.kind) if block else "The block"

    def _put(self, uid: str, path: Path, value: Any) -> Draft:
        if not path:
            return self.draft
        block = self.draft.block(uid)
        text = str(value if value is not None else "").strip()
        draft = edit.put(self.draft, uid, path, self._typed(block, path, text))
        other = _PAIRS.get(str(path[0])) if block and block.kind in ("discount", "share") else None
        if other and text and block and other in block.fields:
            draft = edit.put(draft, uid, (other,), None)
            if other == "fixed":
                draft = edit.put(draft, uid, ("per",), None)
        return draft

    def _typed(self, block: Block | None, path: Path, text: str) -> Plain:
        if path[-1] == "days" and "," in text:
            return as_list(text)
        known = specs(block, self.draft) if block else iter(header(self.draft))
        kind = next((spec.kind for spec in known if spec.path == path), "")
        if kind == "list":
            return as_list(text)
        if kind == "match":
            return as_match(text) if ":" in text else None
        return as_weights(text) if kind == "weights" else text

    def _rows(self, uid: str, path: Path, act: Any) -> Draft:
        if not (isinstance(act, list) and len(act) == 2 and isinstance(act[1], int) and path):
            return self.draft
        what, at = act

        def change(rows: list[Plain]) -> None:
            if what == "remove" and 0 <= at < len(rows):
                del rows[at]
            elif what == "add":
                _add_row(rows, str(path[-1]))

        return edit.rows(self.draft, uid, path, change)


def _add_row(rows: list[Plain], key: str) -> None:
    """A new last row: the last tier gets an end and another begins beyond it; a time of day begins like the last."""
    last = rows[-1] if rows and isinstance(rows[-1], dict) else {}
    if key == "windows" or not last:
        rows.append(dict(last) or {"from": "22:00", "to": "06:00"})
        return
    before = rows[-2].get("up_to") if len(rows) > 1 and isinstance(rows[-2], dict) else None
    rows[-1] = {"up_to": _tenfold(str(before)) if before else "1000", **last}
    rows.append({name: value for name, value in last.items() if name not in ("up_to", "flat")})


def _tenfold(quantity: str) -> str:
    """Ten times a bound, in its own unit.

    >>> _tenfold("100 MB"), _tenfold("1.5 kWh")
    ('1000 MB', '15 kWh')
    """
    from workbench.model.money import decimal_text, exact

    number, _, unit = quantity.partition(" ")
    try:
        return f"{decimal_text(exact(number) * 10)} {unit}".strip()
    except ValueError:
        return quantity


def _path(given: Any) -> Path:
    """A path as a browser sends it; nothing where it is none."""
    if not isinstance(given, list) or not all(isinstance(key, str | int) for key in given):
        return ()
    return tuple(given)


def _as_typed(text: str, draft: Draft, mistake: Mistake) -> Mistake:
    """The mistake with the line of the text a person typed, not of the text the blocks would write."""
    from workbench.tariff.catalogue import loads

    try:
        loads(text, "offer")
    except WorkbenchError as error:
        return replace(mistake, line=mistake_in(text, error).line)
    return mistake
