"""What the checkers look at: the project's root, its tracked files, its rooms, and the parts of a Python file."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MONEY_ROOMS = ("model", "tariff", "rating", "ledger", "settlement")


@dataclass(frozen=True, order=True)
class Offence:
    """One broken rule: where it is and what is wrong. ``str(offence)`` can be clicked in most editors."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def report(offences: list[Offence]) -> str:
    """All offences, one a line, for an assertion's message."""
    return "\n" + "\n".join(str(offence) for offence in sorted(offences))


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file that git tracks and that is still there; every file but caches where there is no git."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode == 0:
        names = [name for name in listing.stdout.decode().split("\0") if name]
    else:
        skipped = re.compile(r"(^|/)(\.|__pycache__|out/|build/|dist/)")
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]
        names = [name for name in names if not skipped.search(name)]
    return tuple(sorted(ROOT / name for name in names if (ROOT / name).is_file()))


def tracked(*suffixes: str, under: str = "") -> list[Path]:
    """Tracked files with one of ``suffixes`` below the folder ``under``."""
    top = ROOT / under
    return [path for path in tracked_files() if path.suffix in suffixes and path.is_relative_to(top)]


def room_files(rooms: tuple[str, ...], suffix: str = ".py") -> list[Path]:
    """Tracked files of some rooms of the workbench."""
    return [path for room in rooms for path in tracked(suffix, under=f"workbench/{room}")]


def rooms() -> list[str]:
    """The rooms that exist: packages directly below ``workbench``."""
    return sorted(path.parent.name for path in ROOT.glob("workbench/*/__init__.py"))


def name_of(path: Path) -> str:
    """A path as people write it: relative to the root when it is inside."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()


def docstring_nodes(module: ast.AST) -> set[int]:
    """``id`` of every constant that is a docstring, or a string standing alone as a comment."""
    return {
        id(node.value)
        for node in ast.walk(module)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.JoinedStr)
    }


def string_texts(module: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of every string that is not a docstring; an f-string's holes read ``{}``."""
    skip = docstring_nodes(module)
    for node in ast.walk(module):  # parents come before their parts
        if isinstance(node, ast.JoinedStr):
            skip.update(id(part) for part in ast.walk(node) if part is not node)
            if id(node) not in skip:
                yield node.lineno, fstring_text(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skip:
            yield node.lineno, node.value


def fstring_text(node: ast.JoinedStr) -> str:
    """The fixed parts of an f-string with ``{}`` for each hole."""
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
