"""One text per noun: the same offer has the same canonical JSON and hash, however its file was laid out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from datetime import date
from fractions import Fraction
from typing import Any

from workbench.model.money import decimal_text


def plain(value: Any) -> Any:
    """A noun as JSON values: fractions as exact decimal text (or ``n/d``), unions tagged with their class."""
    if isinstance(value, Fraction):
        return decimal_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {
            field.name: plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.name != "sha256"
        }
        return {"is": type(value).__name__, **found}
    return value


def canonical(value: Any) -> str:
    """Canonical JSON text of a noun: sorted keys, no spaces, the hash field left out."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def sha256_of(value: Any) -> str:
    """Hex SHA-256 of the canonical text."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
