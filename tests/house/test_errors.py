"""The error tree is drawn as it is, every code is used once, and people find each code in the documentation."""

from __future__ import annotations

import re
from collections import Counter

from tests.house.error_codes import (
    PAGE,
    codes_block,
    documented_codes,
    drawn_tree,
    error_classes,
    finer_codes,
    real_tree,
)
from tests.house.tree import ROOT
from workbench import errors


def test_the_drawn_tree_is_the_real_tree() -> None:
    assert drawn_tree(errors.__doc__ or "") == real_tree()


def test_codes_are_unique_and_well_formed() -> None:
    codes = Counter(each.code for each in error_classes())
    assert not [code for code, times in codes.items() if times > 1]
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", code) for code in codes)


def test_every_error_class_says_what_it_is_and_has_a_code_of_its_own() -> None:
    assert not [each.__name__ for each in error_classes() if not each.__doc__ or "code" not in vars(each)]


def test_an_error_says_what_where_and_how_to_mend_it() -> None:
    error = errors.MappingError("column `ts` is missing", where="lamps.csv", cure="Name it in the mapping.")
    assert str(error) == "[mapping] column `ts` is missing (lamps.csv) Name it in the mapping."
    assert error.as_dict() == {
        "code": "mapping",
        "what": "column `ts` is missing",
        "where": "lamps.csv",
        "cure": "Name it in the mapping.",
    }


def test_a_finer_code_replaces_the_class_code_on_that_error_only() -> None:
    assert errors.MappingError("x", code="mapping_zone").code == "mapping_zone"
    assert errors.MappingError("x").code == "mapping"


def test_finer_codes_are_well_formed() -> None:
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", code) for _, code in finer_codes())


def test_every_finer_code_has_a_sentence_in_the_documentation() -> None:
    mute = sorted(code for (_, code), text in finer_codes().items() if not text.strip("…. "))
    assert not mute, "write the sentence where the error is raised, so that the page can tell it"


def test_the_documentation_lists_every_code_and_no_other() -> None:
    real = {(each.__name__, each.code) for each in error_classes()} | set(finer_codes())
    listed = documented_codes((ROOT / PAGE).read_text())
    cure = "run: make docs"
    assert not real - listed, f"{PAGE} lacks codes; {cure}"
    assert not listed - real, f"{PAGE} lists codes that are gone; {cure}"


def test_documented_codes_are_read_from_the_table_only() -> None:
    page = "`lake` is a code | `x` |\n| `lake_missing` | `LakeMissing` | No lake. |\n"
    assert documented_codes(page) == {("LakeMissing", "lake_missing")}
    assert documented_codes(codes_block()) >= {("LakeMissing", "lake_missing")}


def test_a_planted_misdrawn_tree_is_caught() -> None:
    drawing = (errors.__doc__ or "").replace("│   ├── LakeMissing", "├── LakeMissing")
    assert drawn_tree(drawing) != real_tree()
    assert drawn_tree((errors.__doc__ or "").replace("LakeLocked", "LakeClosed")) != real_tree()
