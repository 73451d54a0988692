"""What no tracked file may hold: registry hosts, paths of one machine, unfinished work, too many lines."""

from __future__ import annotations

import re

from tests.house.tree import Offence

LINES_MAX = 400

# Spelled in pieces: this file is tracked as well.
_HOSTS = (
    ("pypi", "org"), ("pythonhosted", "org"), ("registry.npmjs", "org"), ("registry.yarnpkg", "com"),
    ("crates", "io"), ("proxy.golang", "org"), ("repo.maven.apache", "org"), ("repo1.maven", "org"),
    ("deb.debian", "org"), ("archive.ubuntu", "com"), ("anaconda", "org"), ("anaconda", "com"),
    ("docker", "io"), ("ghcr", "io"), ("huggingface", "co"),
)  # fmt: skip
REGISTRY = re.compile(
    "|".join(rf"\b{re.escape('.'.join(parts))}\b" for parts in _HOSTS)
    + "|--(?:extra-)?index" + r"-url|--find" + r"-links|--trusted" + r"-host",
    re.IGNORECASE,
)  # fmt: skip
MACHINE_PATH = re.compile(r"(?<![\w.:~$}/-])/(?:home|root|Users|work|tmp|mnt|opt)/\w|\b[A-Z]:\\\\?Users\b")
UNFINISHED = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")

TEXT_RULES = (
    (REGISTRY, "names a package registry's host or option"),
    (MACHINE_PATH, "holds a path of one machine"),
    (UNFINISHED, "marks unfinished work"),
)


def text_offences(path: str, text: str) -> list[Offence]:
    """Lines of a text file that break one of ``TEXT_RULES``."""
    return [
        Offence(path, number, f"{what}: {hit.group(0)!r}")
        for number, line in enumerate(text.splitlines(), start=1)
        for rule, what in TEXT_RULES
        if (hit := rule.search(line))
    ]


def length_offences(path: str, text: str) -> list[Offence]:
    """A file that has outgrown its room."""
    lines = text.count("\n")
    if lines <= LINES_MAX:
        return []
    return [
        Offence(path, lines, f"{lines} lines; past {LINES_MAX}, look for the part that wants its own file")
    ]


CHANGE_GROUPS = ("### Safety and performance", "### Features", "### Internals")
RELEASE = re.compile(r"## (?:Unreleased|(?P<version>\d+\.\d+\.\d+) - (?P<date>\d{4}-\d{2}-\d{2}))")


def changelog_offences(text: str, path: str = "CHANGELOG.md") -> list[Offence]:
    """Lines that do not fit the form: title, releases newest first, three groups in order, one bullet a change."""
    lines = text.splitlines()
    found = [] if lines[:1] == ["# Changelog"] else [Offence(path, 1, "begins with `# Changelog`")]
    releases: list[tuple[int, ...]] = []
    group = -1
    for number, line in enumerate(lines, start=1):
        if line.startswith("## "):
            group, release = -1, RELEASE.fullmatch(line)
            if not release:
                found.append(
                    Offence(path, number, "a release reads `## Unreleased` or `## 1.2.3 - 2026-01-31`")
                )
            elif release["version"]:
                releases.append(tuple(map(int, release["version"].split("."))))
        elif line.startswith("### "):
            place = CHANGE_GROUPS.index(line) if line in CHANGE_GROUPS else -1
            if place <= group:
                found.append(Offence(path, number, f"groups are, in this order: {', '.join(CHANGE_GROUPS)}"))
            group = place
        elif line and number > 1 and group >= 0 and not line.startswith(("- ", "  ")):
            found.append(Offence(path, number, "a change is a bullet: `- ...`"))
    if releases != sorted(set(releases), reverse=True):
        found.append(Offence(path, 1, "releases stand newest first, each once"))
    return found
