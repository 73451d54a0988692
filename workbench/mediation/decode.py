"""The registry of formats. Another format is one module in ``formats/`` and its name in ``_FORMATS``.

A format module has ``NAME``, ``SUFFIXES`` and ``decode(con, path, request) -> Decoded``; it raises
``FileUnreadable`` for a file that is not of its kind, and stages a bad row for an item that cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import FileUnreadable, MappingError
from workbench.mediation.formats import cloudevents, csvtext, ndjson, parquet, senml
from workbench.mediation.formats.jsontext import items
from workbench.mediation.formats.request import Request, opened
from workbench.mediation.staging import Decoded
from workbench.mediation.yamltree import did_you_mean

if TYPE_CHECKING:
    import duckdb

_FORMATS = (parquet, csvtext, senml, cloudevents, ndjson)
NAMES = tuple(module.NAME for module in _FORMATS)

Decoder = Callable[["duckdb.DuckDBPyConnection", Path, Request], Decoded]


def decode(con: duckdb.DuckDBPyConnection, path: Path, request: Request, form: str = "auto") -> Decoded:
    """The file as a relation.

    Raises:
        FileUnreadable: it is missing, of no known kind, or not what it claims to be.
        MappingError: ``form`` is no format we read.
    """
    if form != "auto" and form not in NAMES:
        raise MappingError(
            f"The format {form!r} is not read.",
            cure=did_you_mean(form, NAMES, "Formats"),
            code="mapping_format",
        )
    if not path.is_file():
        raise FileUnreadable(
            "There is no such file.", where=str(path), cure="Check the path.", code="file_missing"
        )
    return _decoder(path, form)(con, path, request)


def format_of(path: Path) -> str:
    """The format a file's name, and for ``.json`` its first object, speaks for. Raises ``FileUnreadable``."""
    lower = path.name.lower()
    matches = [
        (len(suffix), module.NAME)
        for module in _FORMATS
        for suffix in module.SUFFIXES
        if lower.endswith(suffix)
    ]
    if not matches:
        cure = f"Say `format:` in the mapping: {', '.join(NAMES)}."
        raise FileUnreadable(
            "Its name does not say what it is.", where=str(path), cure=cure, code="file_format"
        )
    name = max(matches)[1]
    return _json_kind(path) if name == "ndjson" else name


def _decoder(path: Path, form: str) -> Decoder:
    name = format_of(path) if form == "auto" else form
    return next(module.decode for module in _FORMATS if name == module.NAME)


def _json_kind(path: Path) -> str:
    """JSON is told apart by its first object: a CloudEvent names its specversion, a SenML record has n/bn and v."""
    with opened(path) as handle:
        for _, _, value in items(handle):
            if isinstance(value, dict):
                if "specversion" in value:
                    return "cloudevents"
                named = "bn" in value or "n" in value
                valued = any(label in value for label in ("v", "vs", "vb", "vd", "s"))
                return "senml" if named and valued else "ndjson"
            break
    return "ndjson"
