"""A wrong program without a new process or import: a forked child gives loaded functions the code of a changed text."""

from __future__ import annotations

import ast
import gc
import importlib
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

_Cached = type(lru_cache(lambda: None))
Place = tuple[str, str]
"""A module's file and a function's qualified name."""


def in_child(work: Callable[[], Any], seconds: int) -> Any:
    """What ``work`` returns in a forked child, so that whatever it changes is forgotten; ``None`` when it takes too long.

    Seconds are the processor's: a machine that is busy, or that stops it for a while, does not end it.
    """
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reads)
        try:
            signal.setitimer(signal.ITIMER_PROF, seconds)
            with os.fdopen(writes, "wb") as pipe:
                pickle.dump(work(), pipe)
        finally:
            os._exit(0)
    os.close(writes)
    with os.fdopen(reads, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(told) if told else None


def implant(name: str, change: Callable[[ast.Module], None]) -> set[Place]:
    """Give the functions of a loaded module the mutant's code; the functions that differ.

    What a module works out while it is imported (constants, classes) is put in place by name, wherever it was imported to.
    """
    module = importlib.import_module(name)
    assert module.__file__ is not None
    source = Path(module.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source)
    change(tree)
    code = compile(ast.fix_missing_locations(tree), module.__file__, "exec")
    old = {(c.co_qualname, c.co_firstlineno): c for c in _codes(compile(source, module.__file__, "exec"))}
    changed = {
        (c.co_qualname, c.co_firstlineno): c
        for c in _codes(code)
        if _differ(c, old.get((c.co_qualname, c.co_firstlineno)))
    }
    for function in [f for f in gc.get_objects() if isinstance(f, FunctionType) and f.__module__ == name]:
        own = (function.__code__.co_qualname, function.__code__.co_firstlineno)
        if own in changed:
            function.__code__ = changed[own]
    if any(name[0] == "<module>" for name in changed):
        fresh: dict[str, Any] = {"__name__": name, "__file__": module.__file__}
        exec(code, fresh)
        for known, value in vars(module).copy().items():
            if not isinstance(value, FunctionType | type) and known in fresh and not known.startswith("__"):
                for other in list(sys.modules.values()):
                    if (
                        getattr(other, "__dict__", {}).get(known, fresh) is value
                    ):  # small numbers are one object everywhere
                        with suppress(AttributeError, TypeError):  # some modules are no plain ones
                            setattr(other, known, fresh[known])
        return set()
    forget()
    return {(module.__file__, name) for name, _ in changed}


def forget() -> None:
    """Empty all caches of results, which may be the true program's."""
    for cached in [found for found in gc.get_objects() if isinstance(found, _Cached)]:
        cached.cache_clear()


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _differ(new: CodeType, old: CodeType | None) -> bool:
    """Whether a function's own instructions or constants changed, or those of one written inside it (which it makes anew).

    Of a module, only what it works out itself counts: its functions are given their code one by one.
    """
    if old is None or new.co_name != "<module>":
        return old is None or new != old
    own = [[c for c in code.co_consts if not isinstance(c, CodeType)] for code in (new, old)]
    return new.co_code != old.co_code or own[0] != own[1]
