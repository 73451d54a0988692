"""What a Python file owes its reader: short functions, finished bodies, rooms without a front door, honest tests."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from tests.house.tree import Offence

FUNCTION_LINES_MAX = 70

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(module: ast.AST) -> Iterator[Function]:
    """Every function and method of a module."""
    return (node for node in ast.walk(module) if isinstance(node, Function))


def long_functions(path: str, source: str) -> list[Offence]:
    """Functions past the ceiling, docstring included, signature not: a command lists its options there."""
    return [
        Offence(path, node.lineno, f"{node.name} has {lines} lines; {FUNCTION_LINES_MAX} is the ceiling")
        for node in functions(ast.parse(source))
        if (lines := (node.end_lineno or node.lineno) - node.body[0].lineno + 1) > FUNCTION_LINES_MAX
    ]


def init_offences(path: str, source: str) -> list[Offence]:
    """A room's ``__init__.py`` is a docstring and nothing else, so that no import runs through it."""
    body = ast.parse(source).body
    if not body or ast.get_docstring(ast.parse(source)) is None:
        return [Offence(path, 1, "says what the room is, in a docstring")]
    return [Offence(path, node.lineno, "holds a docstring and nothing else") for node in body[1:]]


def stub_offences(path: str, source: str) -> list[Offence]:
    """Functions whose body says nothing, outside protocols, overloads and abstract methods."""
    module = ast.parse(source)
    excused = {id(item) for node in ast.walk(module) if _is_protocol(node) for item in ast.walk(node)}
    found = [
        Offence(path, node.lineno, f"{node.name} has no body")
        for node in functions(module)
        if id(node) not in excused and _says_nothing(node) and not _is_declaration(node)
    ]
    found += [
        Offence(path, node.lineno, "raises NotImplementedError")
        for node in ast.walk(module)
        if isinstance(node, ast.Name) and node.id == "NotImplementedError"
    ]
    return found


def _is_protocol(node: ast.AST) -> bool:
    bases = node.bases if isinstance(node, ast.ClassDef) else []
    return any(
        isinstance(part, ast.Name) and part.id == "Protocol" for base in bases for part in ast.walk(base)
    )


def _is_declaration(node: Function) -> bool:
    names = {part.id for mark in node.decorator_list for part in ast.walk(mark) if isinstance(part, ast.Name)}
    names |= {
        part.attr
        for mark in node.decorator_list
        for part in ast.walk(mark)
        if isinstance(part, ast.Attribute)
    }
    return bool(names & {"overload", "abstractmethod", "callback"})


def _says_nothing(node: Function) -> bool:
    """True for a body of ``...`` or ``pass``; a documented ``pass`` is a decision, an undocumented one is a stub."""
    documented = ast.get_docstring(node) is not None
    body = node.body[1:] if documented else node.body
    empty = [part for part in body if (isinstance(part, ast.Pass) and not documented) or _is_ellipsis(part)]
    return bool(body) and len(empty) == len(body)


def _is_ellipsis(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is Ellipsis
    )


CLOCKS = {
    ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time"),
    ("time", "time_ns"), ("uuid", "uuid1"), ("uuid", "uuid4"), ("random", "random"), ("random", "randint"),
    ("random", "shuffle"), ("secrets", "token_hex"),
}  # fmt: skip


def chance_offences(path: str, source: str) -> list[Offence]:
    """Calls whose answer differs from run to run: the clock and chance come in as arguments."""
    return [
        Offence(path, node.lineno, f"{node.func.value.id}.{node.func.attr}() differs from run to run")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr) in CLOCKS
    ]


CHECKING_NAMES = ("assert", "check", "expect", "prove", "compare", "verify", "raises", "warns", "fail")


def silent_tests(path: str, source: str) -> list[Offence]:
    """Tests that could not fail by their own word: no assert, no ``raises``, no call to a checking helper."""
    module = ast.parse(source)
    checkers = {
        node.name for node in functions(module) if not node.name.startswith("test") and _asserts(node, set())
    }
    return [
        Offence(path, node.lineno, f"{node.name} asserts nothing")
        for node in functions(module)
        if node.name.startswith("test_") and not _asserts(node, checkers)
    ]


def _asserts(function: Function, checkers: set[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert) and not (isinstance(node.test, ast.Constant) and node.test.value):
            return True
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in checkers or name.lstrip("_").startswith(CHECKING_NAMES):
                return True
    return False


def imported_tops(source: str) -> set[str]:
    """The top names of everything a file imports, wherever in it, but for its own package's relative imports."""
    tops = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            tops |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            tops.add(node.module.split(".")[0])
    return tops


def foreign_imports(source: str) -> set[str]:
    """Imports that come neither from the standard library nor from this project."""
    return (
        imported_tops(source) - sys.stdlib_module_names - {"workbench", "simulators", "tests", "benchmarks"}
    )
