"""Documentation is tested: links lead somewhere, commands exist, examples parse."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import yaml

from tests.house.tree import Offence

LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
MAKE = re.compile(r"(?:^|`|\s)make (?P<target>[a-z][a-z-]*)")
COMMAND = re.compile(
    r"(?<!import )(?:(?<=`)|(?<=bin/)|(?<=\s)|^)workbench (?P<command>[a-z][a-z-]*)", re.MULTILINE
)
FENCE = re.compile(
    r"^```(?P<language>\w*)(?: file=(?P<file>\S+))?\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL
)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as they are commonly derived."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def broken_links(page: Path, name: str, text: str) -> list[Offence]:
    """Relative links whose file, or whose heading in it, is not there."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        for hit in LINK.finditer(line):
            target, _, anchor = hit["target"].partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            goal = (page.parent / target) if target else page
            missing = not goal.exists()
            if missing or (anchor and goal.suffix == ".md" and anchor not in anchors(goal.read_text())):
                found.append(Offence(name, number, f"link leads nowhere: {hit['target']}"))
    return found


def code_of(text: str) -> str:
    """What a page shows as code: fences and inline."""
    inline = re.sub(FENCE, "", text)
    indented = "\n".join(line for line in inline.splitlines() if line.startswith("    "))
    return "\n".join(
        [*(hit["body"] for hit in FENCE.finditer(text)), *re.findall(r"`[^`\n]+`", inline), indented]
    )


def unknown_targets(name: str, text: str, makefile: str) -> list[Offence]:
    """``make`` targets that a page shows and the Makefile does not have."""
    known = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    shown = {hit["target"] for hit in MAKE.finditer(code_of(text))}
    return [Offence(name, 1, f"make {target} does not exist") for target in sorted(shown - known)]


def unknown_commands(name: str, text: str, known: set[str]) -> list[Offence]:
    """``workbench`` commands that a page shows and the program does not have."""
    shown = {hit["command"] for hit in COMMAND.finditer(code_of(text))}
    return [Offence(name, 1, f"workbench {command} does not exist") for command in sorted(shown - known)]


def broken_examples(name: str, text: str) -> list[Offence]:
    """Python and YAML fences that do not parse."""
    found = []
    for hit in FENCE.finditer(text):
        line = text[: hit.start()].count("\n") + 1
        try:
            if hit["language"] == "python":
                ast.parse(hit["body"])
            elif hit["language"] == "yaml":
                list(yaml.safe_load_all(hit["body"]))
        except (SyntaxError, yaml.YAMLError) as problem:
            found.append(Offence(name, line, f"the example does not parse: {problem}"))
    return found
