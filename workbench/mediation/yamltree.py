"""Mapping and policy files as trees whose nodes know their path and line, and a reader that says what is wrong there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import FileUnreadable, InputError
from workbench.yamltext import Items, Refused, Scalar, tree_of
from workbench.yamltext import Node as Tree

_REFUSED = {
    "too_large": ("too_large", "Split it."),
    "syntax": ("yaml", "Check indentation and quotes."),
    "character": ("yaml", "Remove the character."),
    "alias": ("yaml_alias", "Write it out."),
    "tag": ("yaml_alias", "Write it out."),
    "depth": ("yaml_depth", "Flatten it."),
    "key": ("yaml_key", "Quote it."),
    "duplicate_key": ("yaml_duplicate_key", "Remove one."),
}


@dataclass(frozen=True, slots=True)
class Node:
    """A YAML value: ``value`` is text, a tuple of nodes, a dict of nodes, or ``None`` for an empty one."""

    value: str | tuple[Node, ...] | dict[str, Node] | None
    path: str
    line: int


def _located(found: Tree, path: str, line: int) -> Node:
    """A tree with the path of every value; a member's line is its key's."""
    if isinstance(found, Scalar):
        empty = not found.quoted and found.text in {"", "null", "~"}
        return Node(None if empty else found.text, path, line)
    if isinstance(found, Items):
        items = (_located(item, f"{path}[{number}]", item.line) for number, item in enumerate(found.nodes))
        return Node(tuple(items), path, line)
    members = {
        key: _located(value, f"{path}.{key}" if path else key, found.key_lines[key])
        for key, value in found.nodes.items()
    }
    return Node(members, path, line)


class Reader:
    """Walks a tree and raises the file's own kind of error, with file and line, for anything unexpected."""

    def __init__(self, file: str, error: type[InputError]) -> None:
        self.file = file
        self.error = error

    def fail(self, node: Node, what: str, cure: str, code: str) -> InputError:
        """The error to raise about ``node``; its code is the file kind's own with ``code`` appended."""
        where = f"{self.file}, line {node.line}"
        return self.error(what, where=where, cure=cure, code=f"{self.error.code}_{code}")

    def parse(self, text: str) -> Node:
        """The tree of a file's text. Raises the reader's error when it is no YAML, or YAML we refuse."""
        try:
            tree = tree_of(text)
        except Refused as refusal:
            code, cure = _REFUSED[refusal.code]
            what = f"The file has {refusal.what}" if refusal.code == "too_large" else refusal.what
            raise self.fail(Node(None, "", refusal.line), what, cure, code) from None
        if tree is None:
            root = Node(None, "", 1)
            raise self.fail(root, "The file is empty.", "Start from a file in examples/.", "yaml_empty")
        return _located(tree, "", tree.line)

    def section(self, node: Node, known: Iterable[str], what: str) -> dict[str, Node]:
        """The members of a mapping node, none outside ``known``."""
        if not isinstance(node.value, dict):
            raise self.fail(node, f"{what} must be a list of `key: value` lines.", "See examples/.", "shape")
        allowed = list(known)
        for key, member in node.value.items():
            if key not in allowed:
                raise self.fail(
                    member,
                    f"{what} has no key {key!r}.",
                    did_you_mean(key, allowed, "Known keys"),
                    "unknown_key",
                )
        return node.value

    def text(self, node: Node, what: str) -> str:
        """A scalar that must be there."""
        if not isinstance(node.value, str) or not node.value:
            raise self.fail(node, f"{what} must be one word or number.", "Give it a value.", "shape")
        return node.value

    def choice(self, node: Node, what: str, choices: Iterable[str]) -> str:
        """A scalar out of a fixed set."""
        found, allowed = self.text(node, what), list(choices)
        if found not in allowed:
            raise self.fail(
                node,
                f"{what} cannot be {found!r}.",
                did_you_mean(found, allowed, "Choose from"),
                "unknown_choice",
            )
        return found

    def items(self, node: Node) -> Iterator[Node]:
        """The elements of a list, or the node itself when it is a single value."""
        if isinstance(node.value, tuple):
            yield from node.value
        elif node.value is not None:
            yield node

    def texts(self, node: Node, what: str) -> tuple[str, ...]:
        """One word, or a list of words."""
        return tuple(self.text(item, what) for item in self.items(node))


def did_you_mean(word: str, known: Iterable[str], lead: str) -> str:
    """A cure for a misspelt word: the nearest known one, then the list (the first twenty)."""
    names = list(known)
    lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    hint = f"Did you mean {lower[close[0]]!r}? " if close else ""
    listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return f"{hint}{lead}: {listed}." if names else hint


def read_text(path: str | Path) -> str:
    """A settings file's text. Raises ``FileUnreadable`` when there is none, or when it is no UTF-8."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise FileUnreadable("There is no such file.", where=str(path), cure="Check the path.") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise FileUnreadable(
            f"It cannot be read: {problem}.", where=str(path), cure="Save it as UTF-8."
        ) from None
