"""What a verification found: one result per check, each with counts and, when it fails, the first offender."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

HOLDS, FAILS, EMPTY = "holds", "fails", "empty"


@dataclass(frozen=True, slots=True)
class CounterExample:
    """The first thing that breaks a promise, precise enough to go and look at it.

    Attributes:
        what: one sentence.
        expected, observed: the two values that should be one.
        device_id, window, segment: where it is, as far as it has such a place; ``window`` is its start, UTC.
        others: how many more of its kind there are; None when nobody counted.
    """

    what: str
    expected: str = ""
    observed: str = ""
    device_id: str = ""
    window: str = ""
    segment: str = ""
    others: int | None = None

    def __str__(self) -> str:
        places = {"device": self.device_id, "window": self.window, "segment": self.segment}
        where = ", ".join(f"{name} {value}" for name, value in places.items() if value)
        values = (
            f" Expected {self.expected}, found {self.observed}." if self.expected or self.observed else ""
        )
        more = f" {self.others:,} more like it." if self.others else ""
        return f"{self.what}{f' ({where})' if where else ''}{values}{more}"

    def as_dict(self) -> dict[str, Any]:
        """Only what is known."""
        items = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: value for name, value in items if value not in ("", None)}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check answers: how much it looked at, and the first offender if there is one.

    ``counts`` names what was looked at; when all are zero there was nothing to check.
    """

    counts: dict[str, int] = field(default_factory=dict)
    wrong: CounterExample | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One check's line in the report.

    Attributes:
        name: stable, snake_case.
        invariants: ids of the promises it proves.
        sentence: what holds when it holds.
        verdict: ``holds``, ``fails`` or ``empty`` (there was nothing to look at).
    """

    name: str
    invariants: tuple[str, ...]
    sentence: str
    verdict: str
    counts: dict[str, int]
    counter_example: CounterExample | None
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        found = self.counter_example
        return {
            "name": self.name,
            "invariants": list(self.invariants),
            "sentence": self.sentence,
            "verdict": self.verdict,
            "counts": self.counts,
            "counter_example": found.as_dict() if found else None,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All results, over one version of one lake.

    ``full`` tells whether everything was looked at, or a sample drawn with ``seed``.
    """

    lake: str
    tenant: str
    version: int
    full: bool
    sample: int
    seed: int
    results: tuple[Result, ...]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return all(result.verdict != FAILS for result in self.results)

    @property
    def first_failure(self) -> Result | None:
        """The first check that failed."""
        return next((result for result in self.results if result.verdict == FAILS), None)

    @property
    def seconds(self) -> float:
        """Wall time of all checks."""
        return sum(result.seconds for result in self.results)

    def as_dict(self) -> dict[str, Any]:
        """The report as one JSON object."""
        return {
            "verify_ok": self.ok,
            "lake": self.lake,
            "tenant": self.tenant,
            "version": self.version,
            "full": self.full,
            "sample": self.sample,
            "seed": self.seed,
            "checks": [result.as_dict() for result in self.results],
            "seconds": round(self.seconds, 3),
        }

    def verdict(self) -> str:
        """The whole report in one sentence."""
        checked = [result for result in self.results if result.verdict != EMPTY]
        bad = [result for result in checked if result.verdict == FAILS]
        scope = "everything" if self.full else f"a sample (seed {self.seed})"
        if bad:
            return (
                f"{len(bad)} of {len(checked)} promises do not hold: {bad[0].name}: {bad[0].counter_example}"
            )
        return f"All {len(checked)} promises hold, checked on {scope}."

    def __str__(self) -> str:
        lines = [f"{result.verdict:5}  {result.name}: {result.sentence}" for result in self.results]
        return "\n".join([*lines, self.verdict()])

    def _repr_html_(self) -> str:
        marks = {HOLDS: "&#10003;", FAILS: "&#10007;", EMPTY: "&middot;"}
        rows = "".join(
            f"<tr><td>{marks[result.verdict]}</td><td>{escape(', '.join(result.invariants))}</td>"
            f"<td style='text-align:left'>{escape(result.sentence)}"
            f"{f'<br><b>{escape(str(result.counter_example))}</b>' if result.counter_example else ''}</td>"
            f"<td style='text-align:left'>{escape(counts_text(result.counts))}</td></tr>"
            for result in self.results
        )
        return f"<p>{escape(self.verdict())}</p><table><tbody>{rows}</tbody></table>"


def counts_text(counts: dict[str, int]) -> str:
    """``12 files, 3,456 rows``."""
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items())
