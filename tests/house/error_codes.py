"""Every stable code a person can meet, read from the code itself."""

from __future__ import annotations

import ast
import re

from tests.house.tree import fstring_text, tracked
from workbench import errors

PAGE = "docs/bad-input.md"


def error_classes() -> list[type[errors.WorkbenchError]]:
    """The classes of the tree in the order they are written."""
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    return [each for each in kinds if issubclass(each, errors.WorkbenchError)]


def real_tree() -> dict[str, str]:
    """Class name to its parent's name; the root has none."""
    root = errors.WorkbenchError
    return {each.__name__: "" if each is root else each.__bases__[0].__name__ for each in error_classes()}


def drawn_tree(docstring: str) -> dict[str, str]:
    """The same, read from the drawing: a name's depth is how far its branch is indented."""
    parents: list[str] = []
    drawn = {}
    for line in docstring.splitlines():
        branch = re.match(r"\s{4}(?P<stem>(?:[│ ]   )*)(?P<twig>[├└]── )?(?P<name>[A-Z]\w+)", line)
        if branch:
            depth = len(branch["stem"]) // 4 + (1 if branch["twig"] else 0)
            parents = [*parents[:depth], branch["name"]]
            drawn[branch["name"]] = parents[depth - 1] if depth else ""
    return drawn


def finer_codes() -> dict[tuple[str, str], str]:
    """(class, finer code) of every ``SomeError("...", code="...")`` in the product, with its sentence.

    What the program fills in reads ``…``; of several places with one code the first that writes its sentence itself counts.
    """
    names = {each.__name__ for each in error_classes()}
    found: dict[tuple[str, str], str] = {}
    for path in tracked(".py", under="workbench"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = called_name(node)
            if isinstance(node, ast.Call) and called in names:
                code = next((each.value for each in node.keywords if each.arg == "code"), None)
                if isinstance(code, ast.Constant) and isinstance(code.value, str):
                    key = called, code.value
                    found[key] = found.get(key) or (sentence(node.args[0]) if node.args else "")
    return found


def called_name(node: ast.AST) -> str:
    """The last name of what a call calls; empty for anything else."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def sentence(what: ast.expr) -> str:
    """The text of an error's first argument, fit for a table's cell; of a choice between two, both."""
    if isinstance(what, ast.IfExp):
        return " / ".join(sentence(one) for one in (what.body, what.orelse))
    if isinstance(what, ast.JoinedStr):
        text = fstring_text(what).replace("{}", "…")
    else:
        text = str(what.value) if isinstance(what, ast.Constant) else ""
    return text.replace("|", "\\|").replace("\n", " ")


def codes_block() -> str:
    """The table of the page: class by class as the tree is drawn, its finer codes beneath."""
    rows = ["| code | error | means |", "| --- | --- | --- |"]
    finer = sorted(finer_codes().items())
    for each in error_classes():
        kind, meaning = each.__name__, (each.__doc__ or "").splitlines()[0]
        rows.append(f"| `{each.code}` | `{kind}` | {meaning} |")
        rows += [f"| `{code}` | `{kind}` | {text} |" for (name, code), text in finer if name == kind != code]
    return "\n".join(rows)


def documented_codes(page: str) -> set[tuple[str, str]]:
    """(class, code) of every row of the page's table."""
    return {(kind, code) for code, kind in re.findall(r"^\| `(\w+)` \| `(\w+)` \|", page, re.MULTILINE)}
