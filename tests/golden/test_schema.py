"""Every offer of the golden suite is one that the published JSON Schema accepts: an editor marks nothing that can be priced."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.golden.case import CASES, OTHERS, TEXT_ONLY, offer_text, section, value_of
from tests.tariff.test_templates import as_values
from workbench.tariff.schema import schema
from workbench.tariff.yamltree import read_text


def catalogues(path: Path) -> list[str]:
    """The catalogue text of each case of a file."""
    text = path.read_text(encoding="utf-8")
    tree = yaml.compose(text, Loader=TEXT_ONLY)
    shared = "".join(section(text, tree, name) for name in ("meters", "holidays", "partners"))
    if "partners:" not in shared:
        shared += "partners:\n  - {id: operator}\n"
    found = []
    for node in value_of(tree, "cases").value:
        one = value_of(node, "offer", missing_ok=True)
        offers = value_of(node, "offers").value if one is None else [one]
        found.append(f"{shared}offers:\n" + "".join(offer_text(text, offer) for offer in offers))
    return found


FILES = sorted([*CASES.glob("*.yaml"), *OTHERS.glob("*.yaml")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.stem}-{path.stem}")
def test_the_published_schema_accepts_every_golden_offer(path: Path) -> None:
    judge = Draft202012Validator(schema())
    for text in catalogues(path):
        assert not [error.message for error in judge.iter_errors(as_values(read_text(text, path.name)))], text
