"""Learned parameters as plain arrays with their hashes: no pickle, no code, nothing but numbers is read.

A model is one ``.npz`` file of arrays in ``models/`` and a line in ``models/models.json``: what it was fitted on (file
name and sha256 of the data), the sha256 of the code that fitted it, of the file itself, and its measures. A file that
does not have the bytes its line vouches for is refused. Each model also carries a fingerprint of every device it has
seen, so that it is never asked to judge one of them where its quality is measured.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import FileUnreadable
from workbench.insight.arrays import Array

MODELS = Path(__file__).with_name("models")
_LIST = "models.json"
_SEEN = "seen"


@dataclass(frozen=True)
class Stored:
    """One model: arrays by name, the card of where it comes from, and who it has seen."""

    arrays: Mapping[str, Array]
    card: Mapping[str, Any]

    def knows(self, units: Array) -> bool:
        """Whether it was fitted on any of these units (``fingerprints``)."""
        return bool(np.isin(units, self.arrays[_SEEN]).any())

    def part(self, prefix: str) -> dict[str, Array]:
        """The arrays under ``prefix/``, by the rest of their name."""
        return {
            name.removeprefix(f"{prefix}/"): value
            for name, value in self.arrays.items()
            if name.startswith(f"{prefix}/")
        }


def fingerprints(rows: Array, unit: Array | None = None) -> Array:
    """One number per unit (sorted by name), made of the unit's own rows: names may mean others elsewhere."""
    plain = np.ascontiguousarray(np.nan_to_num(np.asarray(rows, dtype=np.float64), nan=-1.0))
    if unit is None:
        parts = [plain[place] for place in range(len(plain))]
    else:
        parts = [plain[unit == name] for name in np.unique(unit)]
    return np.array(
        [int.from_bytes(hashlib.sha256(one.tobytes()).digest()[:8], "big") for one in parts], np.uint64
    )


def save(
    name: str, arrays: Mapping[str, Array], seen: Array, card: Mapping[str, Any], folder: Path = MODELS
) -> None:
    """Write a model and its line; the same arrays give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **{**arrays, _SEEN: np.sort(seen)})
    (folder / f"{name}.npz").write_bytes(buffer.getvalue())
    lines = _lines(folder)
    lines[name] = {**card, "sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
    text = json.dumps(dict(sorted(lines.items())), indent=1, sort_keys=True)
    (folder / _LIST).write_text(text + "\n", encoding="utf-8")


def load(name: str, folder: Path = MODELS) -> Stored | None:
    """A model, or None when there is none of that name.

    Raises:
        FileUnreadable: its bytes are not the ones its line vouches for.
    """
    card = _lines(folder).get(name)
    if card is None:
        return None
    place = folder / f"{name}.npz"
    content = place.read_bytes() if place.is_file() else b""
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise FileUnreadable(
            "This model is not the one that was vouched for.", where=str(place),
            cure="Take it from the release again, or fit it anew with `workbench detect learn`.",
        )  # fmt: skip
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        return Stored({key: found[key] for key in found.files}, card)


def sha256(name: str, folder: Path = MODELS) -> str:
    """The hash a model is vouched for by."""
    return str(_lines(folder)[name]["sha256"])


def code_sha256(*paths: Path) -> str:
    """Hash of the code that fits a model."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _lines(folder: Path) -> dict[str, Any]:
    place = folder / _LIST
    return dict(json.loads(place.read_text(encoding="utf-8"))) if place.is_file() else {}
