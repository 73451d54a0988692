"""A catalogue stored in the lake comes back as the very same nouns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.errors import CatalogueError
from workbench.tariff import restore
from workbench.tariff.catalogue import load

FOLDERS = [Path("workbench/showcase/files/offers"), Path("datasets/catalog")]
FILES = [file for folder in FOLDERS for file in sorted(folder.glob("**/*.yaml"))]


def stored(catalogue):
    table = restore.rows(catalogue)
    return list(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_catalogue_we_ship_comes_back(file):
    catalogue = load(file)
    again = restore.catalogue(reversed(stored(catalogue)))
    assert set(again.offers) == set(catalogue.offers)
    assert (again.meters, again.partners, again.holidays) == (
        catalogue.meters, catalogue.partners, catalogue.holidays,
    )  # fmt: skip


def test_an_altered_price_is_refused():
    rows = stored(load(FILES[0]))
    offer_id, version, sha256, text = rows[-1]
    with pytest.raises(CatalogueError) as error:
        restore.catalogue([*rows[:-1], (offer_id, version, sha256, text.replace('"EUR"', '"USD"'))])
    assert error.value.code == "catalogue_damaged"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"is": "os"}', '{"is": "Offer"}', "1", '{"is": "PerUnit"}']
)
def test_what_is_no_catalogue_is_refused(text):
    with pytest.raises(CatalogueError):
        restore.catalogue([("x", 1, "0" * 64, text)])


def test_a_stored_text_is_canonical():
    for *_, text in stored(load(FILES[0])):
        assert json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")) == text
