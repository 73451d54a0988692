"""Catalogue files as trees: what ``yamltext`` refuses becomes a catalogue error with its line and its cure."""

from __future__ import annotations

from pathlib import Path
from stat import S_ISREG

from workbench.errors import CatalogueError, FileUnreadable
from workbench.yamltext import Pairs, Refused, tree_of

MAX_BYTES = 1_000_000
_CURES = {
    "alias": "Write the value out.",
    "syntax": "Mend the indentation or the quoting there.",
    "character": "Remove the character.",
    "tag": "Leave the tag out.",
    "key": "Write `word: value`.",
    "duplicate_key": "Keep one of the two.",
}


def read_file(path: Path) -> Pairs:
    """The tree of one catalogue file.

    Raises:
        FileUnreadable: missing, no file (a pipe would be waited for), not UTF-8, or larger than ``MAX_BYTES``.
        CatalogueError: not the YAML subset described above.
    """
    try:
        found = path.stat()
        if not S_ISREG(found.st_mode):
            raise FileUnreadable(
                "The catalogue is no file and no folder.",
                where=str(path),
                cure="Name a `.yaml` file, or a folder of them.",
            )
        size = found.st_size
        if size > MAX_BYTES:
            raise FileUnreadable(
                f"The catalogue file has {size:,} bytes; {MAX_BYTES:,} is the most.",
                where=str(path),
                cure="Split it into several files.",
                code="catalogue_too_large",
            )
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileUnreadable(
            f"The catalogue file is not UTF-8 (byte {error.start}).",
            where=str(path),
            cure="Save it as UTF-8.",
        ) from None
    except (OSError, ValueError) as error:
        raise FileUnreadable(
            "The catalogue file cannot be read.",
            where=str(path),
            cure=f"Check the path ({getattr(error, 'strerror', None) or error}).",
        ) from None
    return read_text(text, str(path))


def read_text(text: str, name: str) -> Pairs:
    """The tree of YAML text; ``name`` stands in for the file in errors."""
    try:
        tree = tree_of(text)
    except Refused as refusal:
        if refusal.code == "too_large":
            what = f"The catalogue has {refusal.what}"
            raise FileUnreadable(
                what, where=name, cure="Split it into several files.", code="catalogue_too_large"
            ) from None
        code = "syntax" if refusal.code == "character" else refusal.code
        cure = _CURES.get(refusal.code, "Write it flatter.")
        raise _wrong(name, refusal.line, refusal.what, cure, f"yaml_{code}") from None
    if tree is None:
        return Pairs({}, 1)
    if not isinstance(tree, Pairs):
        cure = "Begin with `offers:` (see workbench/tariff/README.md)."
        raise _wrong(name, tree.line, "A catalogue file is a map.", cure, "yaml_shape")
    return tree


def _wrong(name: str, line: int, what: str, cure: str, code: str) -> CatalogueError:
    return CatalogueError(what, where=f"{name}:{line}", cure=cure, code=code)
