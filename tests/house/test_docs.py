"""Pages tell the truth: their links, commands and examples are checked against the tree."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from tests.house import pages as made
from tests.house.check_docs import broken_examples, broken_links, unknown_commands, unknown_targets
from tests.house.tree import ROOT, name_of, report, tracked

MAKEFILE = (ROOT / "Makefile").read_text()


def pages() -> list[Path]:
    """Every tracked Markdown page."""
    return tracked(".md")


def test_links_lead_somewhere() -> None:
    offences = [each for page in pages() for each in broken_links(page, name_of(page), page.read_text())]
    assert not offences, report(offences)


def test_shown_make_targets_exist() -> None:
    offences = [
        each for page in pages() for each in unknown_targets(name_of(page), page.read_text(), MAKEFILE)
    ]
    assert not offences, report(offences)


def test_examples_parse() -> None:
    offences = [each for page in pages() for each in broken_examples(name_of(page), page.read_text())]
    assert not offences, report(offences)


def test_shown_commands_exist() -> None:
    if importlib.util.find_spec("workbench.cli.main") is None:
        pytest.skip("there are no commands yet")
    known = commands()
    offences = [each for page in pages() for each in unknown_commands(name_of(page), page.read_text(), known)]
    assert not offences, report(offences)


def commands() -> set[str]:
    """The commands and groups of the program as it is installed."""
    from typer.main import get_command

    from workbench.cli.main import app

    return set(getattr(get_command(app), "commands", {}))


def test_the_columns_of_every_segment_are_documented_as_they_are() -> None:
    page = (ROOT / made.FORMATS).read_text()
    assert made.with_block(page, "kinds", made.kinds_block()) == page, "run: make docs"


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="0 places"):
        made.with_block("# A page\n", "kinds", "| x |")


def test_every_make_target_says_what_it_does() -> None:
    targets = re.findall(r"^\.PHONY: ([a-z-]+)\n\1:.*?(## .+)?$", MAKEFILE, re.MULTILINE)
    assert len(targets) >= 10
    assert not [name for name, words in targets if not words]


@pytest.mark.parametrize("text", ["[x](no/such.md)", "[x](#no-such-heading)\n# Heading"])
def test_a_planted_dead_link_is_caught(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    assert broken_links(page, "page.md", text)


def test_live_links_pass(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A heading, here\n[x](page.md#a-heading-here) [y](https://example.invalid/z)\n")
    assert broken_links(page, "page.md", page.read_text()) == []


@pytest.mark.parametrize("text", ["run `make nonsense`", "```\nmake nonsense\n```", "    make nonsense\n"])
def test_a_planted_target_is_caught(text: str) -> None:
    assert unknown_targets("page.md", text, MAKEFILE)
    assert not unknown_targets("page.md", text.replace("nonsense", "demo"), MAKEFILE)
    assert not unknown_targets("page.md", "we make nonsense of it", MAKEFILE)


def test_a_planted_command_is_caught() -> None:
    assert unknown_commands("page.md", "`workbench fly`", {"demo"})
    fine = "`workbench demo --headless`, the workbench room\n```python\nimport workbench as wb\n```\n"
    assert not unknown_commands("page.md", fine, {"demo"})


@pytest.mark.parametrize("text", ["```python\nx = (\n```", "```yaml\na: [1\n```"])
def test_a_planted_example_is_caught(text: str) -> None:
    assert broken_examples("page.md", text)
