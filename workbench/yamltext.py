"""YAML text as a small tree that keeps every scalar's own text and line.

Files of settings come from people and from outside, and ``0.001`` must mean exactly one thousandth, ``no`` may be a
country: so nothing is guessed, and only maps, lists and plain scalars are read. Anchors, aliases, merge keys, tags,
duplicate keys, several documents, deep nesting and big files are refused before they cost anything (an alias bomb of
300 bytes can fill a machine's memory). Rooms turn a refusal into an error of their own, with their own cure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    Event,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 24
_UNREADABLE = re.compile("[^\\t\\n\\r\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""What YAML does not let stand in a text."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value's own text. ``quoted`` tells ``"null"`` from ``null``."""

    text: str
    line: int
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    nodes: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Pairs:
    """A map, in file order. ``key_lines``: where each key stands."""

    nodes: dict[str, Node]
    line: int
    key_lines: dict[str, int] = field(default_factory=dict, compare=False)


Node = Scalar | Items | Pairs


class Refused(Exception):
    """Text that is no YAML, or YAML that is not read here.

    Attributes:
        code: ``too_large``, ``syntax``, ``character``, ``alias``, ``tag``, ``depth``, ``key`` or ``duplicate_key``.
        what: one sentence.
        line: from 1.
    """

    def __init__(self, code: str, what: str, line: int) -> None:
        self.code, self.what, self.line = code, what, line
        super().__init__(what)


# libyaml reads several times faster than PyYAML's own scanner; both tell the same events and lines.
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Builder:
    """The tree from the parser's events: anchors, aliases, tags and depth are refused when they come by."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Event] = yaml.parse(text, Loader=_PARSER)

    def document(self) -> Node | None:
        """The one document of the text; None when there is none."""
        next(self._events)
        if isinstance(next(self._events), StreamEndEvent):
            return None
        tree = self._node(next(self._events), 1)
        next(self._events)
        after = next(self._events)
        if not isinstance(after, StreamEndEvent):
            raise Refused("syntax", "The YAML cannot be read: but found another document.", _line(after))
        return tree

    def _node(self, event: Event, depth: int) -> Node:
        line = _line(event)
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None) is not None:
            raise Refused("alias", "Anchors and aliases (`&name`, `*name`) are not read.", line)
        if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag is not None:
            raise Refused("tag", f"The tag {event.tag[:60]} is not allowed.", line)
        if depth > MAX_DEPTH:
            raise Refused("depth", "The nesting is too deep.", line)
        if isinstance(event, ScalarEvent):
            quoted = event.style in ("'", '"', "|", ">")
            if event.value == "<<" and not quoted:
                raise Refused("alias", "A merge key (`<<`) is not allowed.", line)
            return Scalar(event.value, line, quoted)
        if isinstance(event, SequenceStartEvent):
            return Items(tuple(self._items(depth + 1)), line)
        return self._pairs(line, depth + 1)

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), SequenceEndEvent):
            yield self._node(event, depth)

    def _pairs(self, line: int, depth: int) -> Pairs:
        found: dict[str, Node] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key, at = self._node(event, depth), _line(event)
            if not isinstance(key, Scalar):
                raise Refused("key", "A key must be a word.", at)
            if key.text == "<<":
                raise Refused("alias", "A merge key (`<<`) is not allowed.", at)
            if key.text in found:
                raise Refused("duplicate_key", f"The key `{key.text[:60]}` is written twice.", at)
            found[key.text], lines[key.text] = self._node(next(self._events), depth), at
        return Pairs(found, line, lines)


def _line(event: Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def tree_of(text: str) -> Node | None:
    """The tree of one document; None when there is nothing in it.

    Raises:
        Refused: see there.
    """
    if len(text) > MAX_CHARACTERS:
        raise Refused("too_large", f"{len(text):,} characters; {MAX_CHARACTERS:,} is the most.", 1)
    try:
        return _Builder(text).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = f"The YAML cannot be read: {error.problem or error.context}."
        raise Refused("syntax", said, mark.line + 1 if mark else 1) from None
    except (yaml.YAMLError, ValueError) as error:
        said = f"The YAML cannot be read: {str(error).splitlines()[0]}."
        bad = _UNREADABLE.search(text)
        raise Refused("character", said, 1 + text.count("\n", 0, bad.start() if bad else 0)) from None
