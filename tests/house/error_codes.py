"""Every stable code a person can meet, read from the code itself; ``python -m tests.house.error_codes`` rewrites the
table in ``docs/bad-input.md``."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.house.tree import ROOT, tracked
from workbench import errors

PAGE = "docs/bad-input.md"
BEGIN, END = "<!-- codes: begin -->", "<!-- codes: end -->"


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


def raised_codes() -> set[tuple[str, str]]:
    """(class, finer code) of every ``SomeError(..., code="...")`` in the product."""
    names = {each.__name__ for each in error_classes()}
    return {
        (called, keyword.value.value)
        for path in tracked(".py", under="workbench")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and (
            called := node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )
        in names
        for keyword in node.keywords
        if keyword.arg == "code"
        and isinstance(keyword.value, ast.Constant)
        and isinstance(keyword.value.value, str)
    }


def codes_block() -> str:
    """The table of the page: class by class as the tree is drawn, its finer codes beneath."""
    finer: dict[str, list[str]] = {}
    for name, code in sorted(raised_codes()):
        finer.setdefault(name, []).append(code)
    rows = ["| code | error | means |", "| --- | --- | --- |"]
    for each in error_classes():
        meaning = (each.__doc__ or "").splitlines()[0]
        rows.append(f"| `{each.code}` | `{each.__name__}` | {meaning} |")
        rows += [
            f"| `{code}` | `{each.__name__}` | a finer code |"
            for code in finer.get(each.__name__, [])
            if code != each.code
        ]
    return "\n".join([BEGIN, *rows, END])


def rewrite(page: Path) -> None:
    """Put the table as it is now between the page's two marks."""
    text = page.read_text()
    page.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: codes_block(), text, flags=re.DOTALL))


if __name__ == "__main__":
    rewrite(ROOT / PAGE)
