"""Read a small YAML file as text: every scalar stays the text a person wrote, and every node knows its line.

``0.001`` must mean exactly one thousandth, and ``no`` may be a country: so nothing is guessed here.
Aliases, tags, duplicate keys and oversized files are refused (an alias bomb of 300 bytes can fill a
machine's memory).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from workbench.errors import FileUnreadable, InputError

_LARGEST = 1_000_000
_DEEPEST = 20
_OPENS = (
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
)
_CLOSES = (yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken, yaml.BlockEndToken)


@dataclass(frozen=True, slots=True)
class Node:
    """A YAML value: ``value`` is text, a tuple of nodes, a dict of nodes, or ``None`` for an empty one."""

    value: str | tuple[Node, ...] | dict[str, Node] | None
    path: str
    line: int


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
        root = Node(None, "", 1)
        if len(text) > _LARGEST:
            raise self.fail(
                root, f"The file is larger than {_LARGEST:,} characters.", "Split it.", "too_large"
            )
        try:
            self._refuse_tricks(text)
            composed = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as problem:
            mark = getattr(problem, "problem_mark", None)
            spot = Node(None, "", mark.line + 1 if mark else 1)
            said = str(getattr(problem, "problem", None) or problem).split("\n")[0]
            raise self.fail(
                spot, f"This is not YAML: {said}.", "Check indentation and quotes.", "yaml"
            ) from None
        except RecursionError:
            raise self.fail(root, "The file is nested too deeply.", "Flatten it.", "yaml_depth") from None
        if composed is None:
            raise self.fail(root, "The file is empty.", "Start from a file in examples/.", "yaml_empty")
        return self._node(composed, "", 0)

    def _refuse_tricks(self, text: str) -> None:
        """Stop at the first anchor, alias or tag, and before nesting makes the parser slow."""
        depth = 0
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            spot = Node(None, "", token.start_mark.line + 1)
            if isinstance(token, yaml.AliasToken | yaml.AnchorToken | yaml.TagToken):
                raise self.fail(
                    spot, "Anchors, aliases and tags are not read.", "Write it out.", "yaml_alias"
                )
            depth += isinstance(token, _OPENS) - isinstance(token, _CLOSES)
            if depth > _DEEPEST:
                raise self.fail(spot, "The file is nested too deeply.", "Flatten it.", "yaml_depth")

    def _node(self, found: yaml.Node, path: str, depth: int) -> Node:
        line = found.start_mark.line + 1
        if depth > _DEEPEST:
            raise self.fail(
                Node(None, path, line), "The file is nested too deeply.", "Flatten it.", "yaml_depth"
            )
        if isinstance(found, yaml.ScalarNode):
            empty = found.style is None and found.value in {"", "null", "~"}
            return Node(None if empty else str(found.value), path, line)
        if isinstance(found, yaml.SequenceNode):
            items = (
                self._node(item, f"{path}[{number}]", depth + 1) for number, item in enumerate(found.value)
            )
            return Node(tuple(items), path, line)
        members: dict[str, Node] = {}
        for key, value in found.value:
            spot = Node(None, path, key.start_mark.line + 1)
            if not isinstance(key, yaml.ScalarNode):
                raise self.fail(spot, "A key must be plain text.", "Quote it.", "yaml_key")
            if key.value in members:
                raise self.fail(
                    spot, f"The key {key.value!r} appears twice.", "Remove one.", "yaml_duplicate_key"
                )
            inner = self._node(value, f"{path}.{key.value}" if path else str(key.value), depth + 1)
            members[key.value] = Node(inner.value, inner.path, spot.line)
        return Node(members, path, line)

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
