"""YAML text as a small tree that keeps every scalar's own text and line.

Files of settings come from people and from outside, and ``0.001`` must mean exactly one thousandth, ``no`` may be a
country: so nothing is guessed, and only maps, lists and plain scalars are read. Anchors, aliases, merge keys, tags,
duplicate keys, several documents, deep nesting and big files are refused before they cost anything (an alias bomb of
300 bytes can fill a machine's memory). Rooms turn a refusal into an error of their own, with their own cure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node as YamlNode

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 24
_PLAIN_TAGS = ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "value")


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


class _Loader(yaml.SafeLoader):
    """PyYAML's safe composer that refuses anchors, aliases, tags and depth when it comes to them."""

    depth = 0

    def compose_node(self, parent: YamlNode | None, index: object) -> YamlNode | None:
        event = self.peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent) or event.anchor is not None:
            raise Refused("alias", "Anchors and aliases (`&name`, `*name`) are not read.", line)
        if event.tag is not None:
            raise Refused("tag", f"The tag {event.tag[:60]} is not allowed.", line)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Refused("depth", "The nesting is too deep.", line)
        try:
            return super().compose_node(parent, index)  # type: ignore[arg-type]
        finally:
            self.depth -= 1


def tree_of(text: str) -> Node | None:
    """The tree of one document; None when there is nothing in it.

    Raises:
        Refused: see there.
    """
    if len(text) > MAX_CHARACTERS:
        raise Refused("too_large", f"{len(text):,} characters; {MAX_CHARACTERS:,} is the most.", 1)
    try:
        root = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = f"The YAML cannot be read: {error.problem or error.context}."
        raise Refused("syntax", said, mark.line + 1 if mark else 1) from None
    except (yaml.YAMLError, ValueError) as error:
        said = f"The YAML cannot be read: {str(error).splitlines()[0]}."
        raise Refused("character", said, 1) from None
    return None if root is None else _convert(root)


def _convert(node: YamlNode) -> Node:
    line = node.start_mark.line + 1
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    if kind == "merge":
        raise Refused("alias", "A merge key (`<<`) is not allowed.", line)
    if kind not in _PLAIN_TAGS:
        raise Refused("tag", f"The tag {node.tag[:60]} is not allowed.", line)
    if isinstance(node, ScalarNode):
        return Scalar(node.value, line, node.style in ("'", '"', "|", ">"))
    if isinstance(node, SequenceNode):
        return Items(tuple(_convert(item) for item in node.value), line)
    assert isinstance(node, MappingNode)
    found = list(_pairs(node))
    return Pairs({key: value for key, value, _ in found}, line, {key: key_line for key, _, key_line in found})


def _pairs(node: MappingNode) -> Iterator[tuple[str, Node, int]]:
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode):
            raise Refused("key", "A key must be a word.", line)
        if key.value == "<<":
            raise Refused("alias", "A merge key (`<<`) is not allowed.", line)
        if key.value in seen:
            raise Refused("duplicate_key", f"The key `{key.value[:60]}` is written twice.", line)
        seen.add(key.value)
        yield key.value, _convert(value), line
