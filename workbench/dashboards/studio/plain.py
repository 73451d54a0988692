"""YAML text to plain values (text, None, lists, maps) and back, so that reading what was written gives the same.

Every scalar stays the text its author wrote: ``0.0004`` and ``1 kWh`` are never turned into numbers here. Comments are
lost. Each written line remembers which value it holds, so that an error of the reader, which names a line, finds its
field again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from workbench.tariff.yamltree import read_text
from workbench.yamltext import Items, Node, Pairs, Scalar

Plain = Any
"""``str``, ``None`` (nothing was written), a list or a map of these."""
Path = tuple[str | int, ...]
WIDTH = 96
_BARE = re.compile(r"-?[\w.+/](?:[\w .+\-/%()&'€]*[\w.+\-/%()&'€])?\Z")
_NOTHING = ("", "~", "null")
_ITEM_MAPS = ("offers", "prices", "rates")
"""Lists whose maps are always written one field a line, however short."""


def plain(node: Node) -> Plain:
    """A tree without its lines."""
    if isinstance(node, Scalar):
        return None if not node.quoted and node.text in _NOTHING else node.text
    if isinstance(node, Items):
        return [plain(item) for item in node.nodes]
    return {key: plain(value) for key, value in node.nodes.items()}


def read(text: str, name: str = "offer") -> dict[str, Plain]:
    """YAML text as plain values.

    Raises:
        CatalogueError: it is not the YAML that catalogues are written in.
    """
    return cast("dict[str, Plain]", plain(read_text(text, name)))


def lines_of(text: str, name: str = "offer") -> Pairs:
    """The same with lines."""
    return read_text(text, name)


@dataclass
class Written:
    """Text, and for each of its lines the path of the value that it holds."""

    lines: list[str] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The whole, with a last newline."""
        return "\n".join(self.lines) + "\n"

    def path(self, line: int) -> Path:
        """What stands on a line, counted from 1."""
        return self.paths[line - 1] if 1 <= line <= len(self.paths) else ()

    def put(self, text: str, path: Path) -> None:
        """Write one line."""
        self.lines.append(text)
        self.paths.append(path)


def write(values: Mapping[str, Plain]) -> Written:
    """Plain values as YAML that a person would have written."""
    out = Written()
    _map(out, values, "", (), "")
    if not values:
        out.put("{}", ())
    return out


def scalar(value: str | None) -> str:
    """One value's text as YAML: bare where nothing can be misread, else quoted."""
    if value is None:
        return ""
    if _BARE.match(value) and value not in _NOTHING:
        return value
    return str(yaml.safe_dump(value, default_style='"', allow_unicode=True, width=10**6)).rstrip("\n")


def _flow(value: Plain) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {_inner(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_inner(item) for item in value) + "]"
    return scalar(value)


def _inner(value: Plain) -> str:
    """Inside brackets nothing is written out: libyaml does not read ``{a:}``."""
    return "null" if value is None else _flow(value)


def _short(value: Plain, room: int) -> bool:
    """Whether a value reads well on one line."""
    if isinstance(value, Mapping) and any(_has_maps(item) for item in value.values()):
        return False
    return not _has_maps(value) and len(_flow(value)) <= room


def _has_maps(value: Plain) -> bool:
    """Whether it is a list of maps, or a map with such a list somewhere."""
    if isinstance(value, list):
        return any(isinstance(item, Mapping) for item in value)
    return isinstance(value, Mapping) and any(_has_maps(item) for item in value.values())


def _map(out: Written, values: Mapping[str, Plain], pad: str, path: Path, first: str) -> None:
    """Fields one a line; ``first`` opens the first of them (``- `` of a list's item)."""
    lead = first or pad
    for key, value in values.items():
        here = (*path, key)
        head = f"{lead}{scalar(key)}:"
        lead = pad
        if isinstance(value, Mapping) and value and not _short(value, WIDTH - len(head)):
            out.put(head, here)
            _map(out, value, pad + "  ", here, "")
        elif isinstance(value, list) and value and not _short(value, WIDTH - len(head)):
            out.put(head, here)
            _list(out, value, pad + "  ", here)
        else:
            out.put(f"{head} {_flow(value)}".rstrip(), here)


def _list(out: Written, values: Sequence[Plain], pad: str, path: Path) -> None:
    for number, value in enumerate(values):
        here = (*path, number)
        long = isinstance(value, Mapping) and value and _spread(value, len(pad) + 2, path)
        if long:
            _map(out, value, pad + "  ", here, pad + "- ")
        else:
            out.put(f"{pad}- {_flow(value) if value is not None else 'null'}", here)


def _spread(value: Mapping[str, Plain], pad: int, path: Path) -> bool:
    return path[-1] in _ITEM_MAPS or not _short(value, WIDTH - pad)
