"""The small changes that make a program wrong, by rule: where in a text each can be made, and how.

Operators are the usual ones of mutation testing (A. J. Offutt et al., An experimental determination of sufficient mutant
operators, ACM TOSEM 5(2), 1996: relational, logical and arithmetic replacement, constants), and on request deletion of
statements and of operands (L. Deng, J. Offutt, N. Li, Empirical evaluation of the statement deletion mutation operator,
ICST 2013), which leave few changes that nobody could notice.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult, ast.Mod: ast.FloorDiv,
}  # fmt: skip
_NO_CODE = ("annotation", "returns", "decorator_list", "bases", "keywords", "defaults", "kw_defaults")
Site = tuple[int, str, Callable[[], None]]


@dataclass(frozen=True)
class Made:
    """The ``place``-th change that can be made to a module."""

    module: str
    place: int
    line: int
    said: str
    deletions: bool = False

    def wrong(self, tree: ast.Module) -> None:
        """Make the change in the module's tree."""
        (deletions if self.deletions else sites)(tree)[self.place][2]()


def sites(tree: ast.Module) -> list[Site]:
    """(line, what changes, how to change the tree in place) for all that can be replaced, in the order of the text."""
    found: list[Site] = []
    for node in _code(tree):
        before = ast.unparse(node) if isinstance(node, ast.expr) else ""
        for how in _ways(node):
            trial = copy.deepcopy(node)
            next(iter(_ways(trial)))()
            found.append((node.lineno, f"{before[:70]}  ->  {ast.unparse(trial)[:70]}", how))  # type: ignore[attr-defined]
    return found


def deletions(tree: ast.Module) -> list[Site]:
    """The same for all that can be left out: a statement, or an operand (``a and b`` becomes ``a``, or ``b``)."""
    found: list[Site] = []
    for owner in [tree, *_code(tree)]:
        for name, value in ast.iter_fields(owner):
            if name in _NO_CODE and not isinstance(owner, ast.Call):
                continue
            for place, child in enumerate(value if isinstance(value, list) else [value]):
                for instead in _less(child) if isinstance(child, ast.AST) and _runs(child) else ():
                    said = f"{_said(child)}  ->  {_said(instead)}"
                    where = child.target if isinstance(child, ast.comprehension) else child
                    found.append((where.lineno, said, _put(owner, name, place, instead)))  # type: ignore[attr-defined]
    return found


def _said(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())[:70]


def _put(owner: ast.AST, name: str, place: int, instead: ast.AST) -> Callable[[], None]:
    def put() -> None:
        held = getattr(owner, name)
        if isinstance(held, list):
            held[place] = instead
        else:
            setattr(owner, name, instead)

    return put


def _less(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in a node's place when something of it is forgotten."""
    if isinstance(node, ast.AugAssign | ast.Continue | ast.Break) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        yield ast.copy_location(ast.Pass(), node)
    elif isinstance(node, ast.If):
        for always in (True, False):
            test = ast.copy_location(ast.Constant(always), node.test)
            yield ast.copy_location(ast.If(test, node.body, node.orelse), node)
    elif isinstance(node, ast.BoolOp):
        for left_out in range(len(node.values)):
            rest = [value for place, value in enumerate(node.values) if place != left_out]
            yield rest[0] if len(rest) == 1 else ast.copy_location(ast.BoolOp(node.op, rest), node)
    elif isinstance(node, ast.BinOp) and not _is_text(node):
        yield from (node.left, node.right)
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("min", "max") and len(node.args) == 2:
        yield from node.args
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield node.operand
    elif isinstance(node, ast.comprehension):
        for left_out in range(len(node.ifs)):
            rest = [test for place, test in enumerate(node.ifs) if place != left_out]
            yield ast.comprehension(node.target, node.iter, rest, node.is_async)


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """Expressions that decide or reckon: no annotations, error texts, assertions, imports, or defaults (of arguments
    and of fields: what is worked out once while a class or function is made cannot be put in place later).
    """
    for name, value in ast.iter_fields(node):
        if name in _NO_CODE and not isinstance(node, ast.Call):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.ClassDef) and not isinstance(child, ast.FunctionDef):
                continue
            if isinstance(child, ast.AST) and _runs(child):
                yield child
                yield from _code(child)


def _runs(child: ast.AST) -> bool:
    if isinstance(child, ast.Raise | ast.Assert | ast.Import | ast.ImportFrom):
        return False
    if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
        return False
    return not (
        isinstance(child, ast.Call) and ast.unparse(child.func).endswith(("Error", "Overflow", "cast"))
    )


def _ways(node: ast.AST) -> Iterator[Callable[[], None]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARE:
        yield lambda: node.ops.__setitem__(0, _COMPARE[type(node.ops[0])]())
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY and not _is_text(node):
        yield lambda: setattr(node, "op", _BINARY[type(node.op)]())
    if isinstance(node, ast.BoolOp):
        yield lambda: setattr(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield lambda: setattr(node, "operand", ast.UnaryOp(ast.Not(), node.operand))
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield lambda: setattr(node, "value", node.value + 1)  # type: ignore[operator]
    if isinstance(node, ast.IfExp):
        yield lambda: (lambda a, b: (setattr(node, "body", b), setattr(node, "orelse", a)))(
            node.body, node.orelse
        )  # type: ignore[return-value]


def _is_text(node: ast.BinOp) -> bool:
    """Text and types are joined by the same signs as numbers."""
    return any(
        isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Constant) and isinstance(part.value, str))
        for part in ast.walk(node)
    )
