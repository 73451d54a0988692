"""The floors of the house, read from the import-linter contract, and the imports that only type checkers see."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

from tests.house.tree import Offence


def floors(pyproject: str) -> dict[str, int]:
    """Room or module name to floor, 0 at the bottom, as the layers contract lists them."""
    contracts = tomllib.loads(pyproject)["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return {
        name: floor
        for floor, layer in enumerate(reversed(layers))
        for name in re.findall(r"\w+", layer)
    }  # fmt: skip


def typing_imports(module: ast.AST) -> list[tuple[int, str]]:
    """Line and module of every import under ``if TYPE_CHECKING``."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for part in (inner for statement in node.body for inner in ast.walk(statement)):
                if isinstance(part, ast.ImportFrom) and part.module:
                    found += [(part.lineno, f"{part.module}.{alias.name}") for alias in part.names]
                elif isinstance(part, ast.Import):
                    found += [(part.lineno, alias.name) for alias in part.names]
    return found


def climbing_typing_imports(path: Path, root: Path, source: str, floor_of: dict[str, int]) -> list[Offence]:
    """Type-only imports of a room on the same floor or above: ``import-linter`` is told not to look at those."""
    name = path.relative_to(root).as_posix()
    home = Path(name).parts[1].removesuffix(".py")
    found = []
    for line, module in typing_imports(ast.parse(source)):
        parts = module.split(".")
        room = parts[1] if parts[0] == "workbench" and len(parts) > 1 else ""
        if room in floor_of and home in floor_of and room != home and floor_of[room] >= floor_of[home]:
            found.append(Offence(name, line, f"{home} names a type of {room}, which is not below it"))
    return found
