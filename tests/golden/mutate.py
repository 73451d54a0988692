"""Runs golden cases on an engine with one wrong line in it.

The line is changed in the source as it is imported: the rooms that price are forgotten, imported again with
the change, used, and put back. Nothing on disk is touched.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Protocol

import workbench

FORGOTTEN = ("workbench.tariff", "workbench.rating", "workbench.settlement", "workbench.billing", "tests.golden.engine",
             "tests.golden.online", "tests.golden.books", "tests.settlement.test_splits",
             "tests.settlement.test_apportion", "tests.tariff.test_calendar", "tests.rating.test_online",
             "tests.tariff.test_amount", "tests.tariff.test_timeline", "tests.rating.test_wallet")  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One wrong line: ``old`` occurs once in the files of ``room`` and becomes ``new``.

    rater: who is asked: ``batch``, ``online``, ``books`` or ``calendar`` (periods). cases: ids of golden
    cases, of which at least one must notice. classic: one of the twelve that ``make test`` kills.
    """

    id: str
    room: str
    old: str
    new: str
    cases: tuple[str, ...]
    rater: str = "batch"
    classic: bool = False

    @property
    def module(self) -> str:
        """The module of the room that has the line, wherever it has moved to."""
        folder = Path(workbench.__path__[0]) / self.room.removeprefix("workbench.")
        counts = {path.stem: path.read_text(encoding="utf-8").count(self.old) for path in folder.glob("*.py")}
        found = [stem for stem, count in counts.items() if count]
        once = len(found) == 1 and counts[found[0]] == 1
        assert once, f"mutant {self.id} finds its line in {found} of {self.room}: write it anew"
        return f"{self.room}.{found[0]}"

    def change(self, source: str) -> str:
        """The module's text with the wrong line in it."""
        return source.replace(self.old, self.new)


class Changes(Protocol):
    """A module's name and what is wrong with its text."""

    @property
    def module(self) -> str: ...

    def change(self, source: str) -> str: ...


class _Loader(SourceFileLoader):
    """Compiles the changed text; never from, and never to, a bytecode file."""

    def __init__(self, fullname: str, path: str, mutant: Changes) -> None:
        super().__init__(fullname, path)
        self.mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_source(fullname) or ""
        return compile(self.mutant.change(source), self.path, "exec")


class _Finder(MetaPathFinder):
    def __init__(self, mutant: Changes) -> None:
        self.mutant = mutant
        self.module = mutant.module

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(fullname, spec.origin, self.mutant)
        return spec


@contextmanager
def mutated(mutant: Changes) -> Iterator[None]:
    """Inside, the engine's modules import anew, with the change; afterwards the true ones are back."""
    names = [name for name in sys.modules if name.startswith(FORGOTTEN)]
    kept = {name: sys.modules.pop(name) for name in names}
    finder = _Finder(mutant)
    sys.meta_path.insert(0, finder)
    try:
        importlib.import_module(finder.module)
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.startswith(FORGOTTEN)]:
            del sys.modules[name]
        sys.modules.update(kept)
        for name, module in kept.items():
            parent, _, child = name.rpartition(".")
            if parent in sys.modules:
                setattr(sys.modules[parent], child, module)
