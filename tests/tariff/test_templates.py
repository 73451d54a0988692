"""The ready price lists: each can be read, checked, described, hashed and restored, and its card says what is true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.tariff.test_bad_catalogues import CASES as BAD
from tests.tariff.test_bad_catalogues import GOOD
from workbench.model.money import decimal_text
from workbench.tariff.asked import instant_asked
from workbench.tariff.catalogue import load
from workbench.tariff.check import check
from workbench.tariff.compile import compile_offer
from workbench.tariff.describe import describe
from workbench.tariff.quote import price
from workbench.tariff.schema import schema
from workbench.tariff.yamltree import read_file, read_text
from workbench.yamltext import Items, Node, Pairs, Scalar

FOLDER = Path("datasets/catalog")
FILES = sorted(FOLDER.glob("*.yaml"))
CARD = (FOLDER / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"    \$ workbench price (.*)\n    (.*)\n", CARD)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_can_be_priced_and_has_a_card(file: Path) -> None:
    catalogue = load(file)
    for offer in catalogue.offers:
        compile_offer(offer, catalogue)
        assert list(describe(offer, catalogue))
    assert not [finding for finding in check(catalogue) if finding.severity == "warning"]
    assert f"## {file.name}" in CARD


def test_every_card_has_a_line_that_can_be_run() -> None:
    assert {Path(shlex.split(words)[1]).name for words, _ in EXAMPLES} == {file.name for file in FILES}


def test_all_together_are_one_catalogue() -> None:
    assert len(load(FOLDER).offers) == len(FILES) + 1


@pytest.mark.parametrize(("words", "amount"), EXAMPLES, ids=[words for words, _ in EXAMPLES])
def test_what_the_cards_say_is_true(words: str, amount: str) -> None:
    given = dict(zip(*[iter(shlex.split(words))] * 2, strict=True))
    dimensions = dict([given["--dimension"].split("=")]) if "--dimension" in given else {}
    quote = price(
        given["--offer"],
        given["--units"],
        component=given.get("--component", ""),
        offer_id=given.get("--id", ""),
        at=instant_asked(given["--at"]) if "--at" in given else None,
        dimensions=dimensions,
    )
    assert f"{decimal_text(quote.amount)} {quote.currency}" == amount


def as_values(node: Node) -> object:
    """A file as the values an editor would check."""
    if isinstance(node, Pairs):
        return {key: as_values(value) for key, value in node.nodes.items()}
    if isinstance(node, Items):
        return [as_values(item) for item in node.nodes]
    assert isinstance(node, Scalar)
    if not node.quoted and node.text in ("true", "false"):
        return node.text == "true"
    if not node.quoted and re.fullmatch(r"[0-9]+", node.text):
        return int(node.text)
    return node.text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_published_schema_accepts_them(file: Path) -> None:
    errors = list(Draft202012Validator(schema()).iter_errors(as_values(read_file(file))))
    assert not errors, errors[0].message


STRUCTURE = {
    "amount_negative", "currency", "discount_kind", "field_choice", "field_id", "field_missing", "field_time", "field_type",
    "field_unknown", "field_whole", "number", "price_missing", "split_kind", "tiers_missing",
}  # fmt: skip
"""Codes of mistakes that can be seen without knowing what a name stands for, which number is larger, or the calendar."""


def test_the_published_schema_takes_the_readmes_example() -> None:
    readme = Path("workbench/tariff/README.md").read_text(encoding="utf-8")
    example = re.search(r"```yaml\n(.*?)```", readme, re.DOTALL)
    assert example is not None
    assert not list(Draft202012Validator(schema()).iter_errors(as_values(read_text(example[1], "readme"))))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [case for case in BAD if case[2] in STRUCTURE],
    ids=[f"{n}-{case[2]}" for n, case in enumerate(BAD) if case[2] in STRUCTURE],
)
def test_the_published_schema_refuses_what_is_wrong_in_structure(old: str, new: str, code: str) -> None:
    wrong = as_values(read_text(GOOD.replace(old, new, 1), "wrong"))
    assert not list(Draft202012Validator(schema()).iter_errors(as_values(read_text(GOOD, "good"))))
    assert list(Draft202012Validator(schema()).iter_errors(wrong)), code
