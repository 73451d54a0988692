"""Nouns, written out and read again, are the same nouns."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from workbench.tariff.catalogue import loads
from workbench.tariff.spell import spelled

ROOT = Path(__file__).parents[2]
FILES = sorted(
    [
        *ROOT.glob("datasets/catalog/*.yaml"),
        *ROOT.glob("workbench/showcase/files/offers/*.yaml"),
    ]
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_spelled_out_is_read_as_the_same(path: Path) -> None:
    catalogue = loads(path.read_text())
    text = yaml.safe_dump(spelled(catalogue), sort_keys=False, allow_unicode=True)
    assert loads(text) == catalogue


def test_the_price_list_of_the_manual_is_spelled_out_too() -> None:
    text = (ROOT / "workbench/tariff/README.md").read_text().split("```yaml\n")[1].split("```")[0]
    catalogue = loads(text)
    again = loads(yaml.safe_dump(spelled(catalogue), sort_keys=False))
    assert again == catalogue
    assert again.sha256 == catalogue.sha256
