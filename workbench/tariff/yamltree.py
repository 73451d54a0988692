"""YAML text as a small tree that keeps every scalar's own text and line.

Catalogue files come from people and from outside: only maps, lists and plain scalars are read. Aliases, merge keys,
tags, duplicate keys, several documents, deep nesting and big files are refused, each with its line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node as YamlNode

from workbench.errors import CatalogueError, FileUnreadable

MAX_BYTES = 1_000_000
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
    """A map, in file order."""

    nodes: dict[str, Node]
    line: int


Node = Scalar | Items | Pairs


class _Loader(yaml.SafeLoader):
    """PyYAML's safe composer that refuses aliases and depth before they cost anything."""

    depth = 0

    def compose_node(self, parent: YamlNode | None, index: object) -> YamlNode | None:
        if self.check_event(AliasEvent):
            raise _Refused("alias", "An alias (`*name`) is not allowed.", self.peek_event().start_mark.line)  # type: ignore[no-untyped-call]
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Refused("depth", "The nesting is too deep.", self.peek_event().start_mark.line)  # type: ignore[no-untyped-call]
        try:
            return super().compose_node(parent, index)  # type: ignore[arg-type]
        finally:
            self.depth -= 1


class _Refused(Exception):
    def __init__(self, code: str, what: str, line: int) -> None:
        self.code, self.what, self.line = code, what, line + 1
        super().__init__(what)


def read_file(path: Path) -> Pairs:
    """The tree of one catalogue file.

    Raises:
        FileUnreadable: missing, not UTF-8, or larger than ``MAX_BYTES``.
        CatalogueError: not the YAML subset described above.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise FileUnreadable(
                f"The catalogue file has {size:,} bytes; {MAX_BYTES:,} is the most.",
                where=str(path),
                cure="Split it into several files.",
                code="catalogue_too_large",
            )
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise FileUnreadable(
            "The catalogue file cannot be read.", where=str(path), cure=f"Check the path ({error.strerror})."
        ) from None
    except UnicodeDecodeError as error:
        raise FileUnreadable(
            f"The catalogue file is not UTF-8 (byte {error.start}).",
            where=str(path),
            cure="Save it as UTF-8.",
        ) from None
    return read_text(text, str(path))


def read_text(text: str, name: str) -> Pairs:
    """The tree of YAML text; ``name`` stands in for the file in errors."""
    if len(text) > MAX_BYTES:
        raise FileUnreadable(
            f"The catalogue has {len(text):,} characters; {MAX_BYTES:,} is the most.",
            where=name,
            cure="Split it into several files.",
            code="catalogue_too_large",
        )
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        tree = Pairs({}, 1) if root is None else _convert(root)
    except _Refused as refusal:
        cure = "Write the value out." if refusal.code == "alias" else "Write it flatter."
        raise _wrong(name, refusal.line, refusal.what, cure, f"yaml_{refusal.code}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = f"The YAML cannot be read: {error.problem or error.context}."
        raise _wrong(name, line, what, "Mend the indentation or the quoting there.", "yaml_syntax") from None
    except (yaml.YAMLError, ValueError) as error:
        what = f"The YAML cannot be read: {str(error).splitlines()[0]}."
        raise _wrong(name, 1, what, "Remove the character.", "yaml_syntax") from None
    if not isinstance(tree, Pairs):
        cure = "Begin with `offers:` (see workbench/tariff/README.md)."
        raise _wrong(name, tree.line, "A catalogue file is a map.", cure, "yaml_shape")
    return tree


def _convert(node: YamlNode) -> Node:
    line = node.start_mark.line
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    if kind == "merge":
        raise _Refused("alias", "A merge key (`<<`) is not allowed.", line)
    if kind not in _PLAIN_TAGS:
        raise _Refused("tag", f"The tag {node.tag[:60]} is not allowed.", line)
    if isinstance(node, ScalarNode):
        return Scalar(node.value, line + 1, node.style in ("'", '"', "|", ">"))
    if isinstance(node, SequenceNode):
        return Items(tuple(_convert(item) for item in node.value), line + 1)
    assert isinstance(node, MappingNode)
    return Pairs(dict(_pairs(node)), line + 1)


def _pairs(node: MappingNode) -> Iterator[tuple[str, Node]]:
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line
        if not isinstance(key, ScalarNode):
            raise _Refused("key", "A key must be a word.", line)
        if key.value == "<<":
            raise _Refused("alias", "A merge key (`<<`) is not allowed.", line)
        if key.value in seen:
            raise _Refused("duplicate_key", f"The key `{key.value[:60]}` is written twice.", line)
        seen.add(key.value)
        yield key.value, _convert(value)


def _wrong(name: str, line: int, what: str, cure: str, code: str) -> CatalogueError:
    return CatalogueError(what, where=f"{name}:{line}", cure=cure, code=code)
