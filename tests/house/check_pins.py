"""Three files say what is installed: pyproject.toml (bounds), requirements.lock (pins), environment.yml (conda)."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@dataclass(frozen=True)
class Pin:
    """One locked package: its version, the machines it is for, and how many hashes vouch for it."""

    name: str
    version: str
    marker: str
    hashes: int


def pins(lock: str) -> list[Pin]:
    """Every pin of a hashed requirements file."""
    entries = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)
    found = []
    for entry in entries:
        head = re.match(r"(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)\s*(?:;\s*(?P<marker>[^\\\n]+))?", entry)
        if head:
            marker = (head["marker"] or "").strip()
            found.append(
                Pin(canonicalize_name(head["name"]), head["version"], marker, entry.count("--hash="))
            )
    return found


def wanted(pyproject: str) -> list[Requirement]:
    """The direct requirements: to run, to develop, and to build."""
    table = tomllib.loads(pyproject)
    project = table["project"]
    return [
        Requirement(text)
        for text in [
            *project["dependencies"],
            *project["optional-dependencies"]["dev"],
            *table["build-system"]["requires"],
        ]
    ]


def pin_problems(pyproject: str, lock: str) -> list[str]:
    """Direct requirements without a pin inside their bounds, and pins without hashes."""
    versions: dict[str, list[str]] = {}
    for pin in pins(lock):
        versions.setdefault(pin.name, []).append(pin.version)
    problems = [f"{pin.name}=={pin.version} has no hash" for pin in pins(lock) if not pin.hashes]
    for need in wanted(pyproject):
        locked = versions.get(canonicalize_name(need.name), [])
        if not locked or not all(need.specifier.contains(version, prereleases=True) for version in locked):
            problems.append(f"pyproject wants {need}, the lock has {locked or 'nothing'}")
    return problems


def environment_problems(environment: str, pyproject: str) -> list[str]:
    """What in environment.yml is out of step: it names Python, pip, the lock and the package, and no version else."""
    listed = yaml.safe_load(environment)["dependencies"]
    inner = [item for entry in listed if isinstance(entry, dict) for item in entry.get("pip", [])]
    problems = []
    python = next((entry for entry in listed if str(entry).startswith("python=")), "")
    lowest = tomllib.loads(pyproject)["project"]["requires-python"].removeprefix(">=")
    if python != f"python={lowest}":
        problems.append(f"python is {python!r}, pyproject needs {lowest}")
    if inner != ["-r requirements.lock", "-e ."]:
        problems.append(f"pip installs {inner}; the lock, then the package, and nothing else")
    problems += [
        f"names {entry!r}: versions belong to the lock"
        for entry in listed
        if isinstance(entry, str) and entry not in (python, "pip")
    ]
    return problems
