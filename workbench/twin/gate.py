"""The go-live gate: production against a candidate on last period's traffic, under rules that a product manager sets.

    result = gate(lake, "candidate.yaml", Rules(max_rise_percent="15"), now=clock.now())
    result.passed, result.checks, result.summary()

Every check answers with a sentence and, where it fails, with those it fails for. The summary holds the hashes of the
offers it is about, so that it lets exactly these pass and no later edit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from fractions import Fraction
from html import escape
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from workbench.billing import name_of
from workbench.clock import SystemClock
from workbench.errors import ScenarioError, VerifyFailed
from workbench.lake.lake import Lake
from workbench.lake.open import OpenLake
from workbench.mediation.yamltree import Reader, read_text
from workbench.model.money import decimal_text, exact
from workbench.model.offer import Catalogue
from workbench.pipeline import Watch
from workbench.tariff.catalogue import load
from workbench.tariff.check import check as judge
from workbench.tariff.diff import diff_catalogues
from workbench.twin import past
from workbench.twin.cell import Change
from workbench.twin.reconcile import assert_reconciles
from workbench.twin.scenario import Scenario
from workbench.twin.show import rounded, signed
from workbench.twin.simulate import simulate
from workbench.twin.simulation import Simulation
from workbench.twin.traces import Traced

EXPLAINED_MAX = 25
"""So many of the largest movers are opened down to their two traces."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a candidate must keep to; None switches a rule off.

    Attributes:
        max_rise_percent: no customer's bill may rise by more.
        ignore_rise_below: rises of less money than this (main unit) do not count for that rule.
        revenue_at_least_percent: of production's revenue, per currency.
        explained: every bill that moves is explained by its rules, to the nano, and the largest movers down to their
            traces, which are recomputed.
        checker: the catalogue checker has no warning on what changes.
    """

    max_rise_percent: Fraction | None = Fraction(15)
    ignore_rise_below: Fraction = Fraction(0)
    revenue_at_least_percent: Fraction | None = Fraction(100)
    explained: bool = True
    checker: bool = True

    def __post_init__(self) -> None:
        for name in ("max_rise_percent", "ignore_rise_below", "revenue_at_least_percent"):
            value = getattr(self, name)
            if isinstance(value, str):
                object.__setattr__(self, name, _number(value, name))

    def as_dict(self) -> dict[str, Any]:
        """For the summary."""
        values = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {name: decimal_text(value) if isinstance(value, Fraction) else value for name, value in values}


def load_rules(path: str | Path) -> Rules:
    """Rules from a YAML file with the names of ``Rules``; ``none`` or ``false`` switches one off.

    Raises:
        ScenarioError: an unknown rule, or a value that is no number.
    """
    reader = Reader(str(path), ScenarioError)
    names = [each.name for each in fields(Rules)]
    found = reader.section(reader.parse(read_text(path)), names, "The gate's rules")
    values: dict[str, Any] = {}
    for name, node in found.items():
        text = reader.text(node, name).lower()
        if name in ("explained", "checker"):
            values[name] = reader.choice(node, name, ("true", "false", "yes", "no")).lower() in (
                "true",
                "yes",
            )
        elif text in ("none", "false", "off") and name != "ignore_rise_below":
            values[name] = None
        else:
            values[name] = _number(text.removesuffix("%").strip(), name)
    return Rules(**values)


def _number(text: str, name: str) -> Fraction:
    try:
        return exact(text)
    except ValueError:
        raise ScenarioError(
            f"The rule {name} needs a number, and {text[:40]!r} is none.", where=name, code="gate_rule",
            cure="Write for example max_rise_percent: 15.",
        ) from None  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """One rule's verdict: a sentence, and whom it fails for (at most a hundred)."""

    name: str
    passed: bool
    sentence: str
    offenders: tuple[str, ...] = ()


@dataclass(frozen=True)
class GateResult:
    """The gate's verdict and everything a report shows.

    Attributes:
        offers: (id, version, sha256) of the versions this verdict is about: those that differ from production.
        changed: what changes, in sentences. traces: the largest movers, opened.
    """

    checks: tuple[Check, ...]
    offers: tuple[tuple[str, int, str], ...]
    candidate: Catalogue
    changed: tuple[str, ...]
    sim: Simulation
    rules: Rules
    traces: tuple[Traced, ...]
    at: datetime
    tenant: str
    lake_sha256: str = ""
    findings: tuple[Any, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether every rule holds."""
        return all(check.passed for check in self.checks)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{'✓' if check.passed else '✗'}</td><td style='text-align:left'><strong>{escape(check.name)}</strong><br>"
            f"{escape(check.sentence)}</td></tr>"
            for check in self.checks
        )
        said = "The gate is passed" if self.passed else "The gate is not passed"
        return f"<div><strong>{said}</strong><table>{rows}</table></div>"

    def summary(self) -> dict[str, Any]:
        """What is signed and kept with the published version; all text, numbers exact."""
        cell = self.sim.cell()
        return {
            "kind": "gate",
            "passed": self.passed,
            "at": self.at.isoformat(timespec="seconds"),
            "offers": [
                {"id": name, "version": version, "sha256": sha256} for name, version, sha256 in self.offers
            ],
            "candidate_sha256": self.candidate.sha256,
            "rules": self.rules.as_dict(),
            "checks": [{"name": c.name, "passed": c.passed, "sentence": c.sentence} for c in self.checks],
            "period": name_of(self.sim.period),
            "lake": {"tenant": self.tenant, "version": self.sim.version, "sha256": self.lake_sha256},
            "revenue": {
                currency: {"before": decimal_text(before), "after": decimal_text(after)}
                for currency, (before, after) in cell.totals.items()
            },
            "accounts": {
                "up": sum(c.delta > 0 for c in cell.changes),
                "down": sum(c.delta < 0 for c in cell.changes),
                "same": sum(c.delta == 0 for c in cell.changes),
            },
            "code": _code_version(),
        }


def gate(
    lake: Lake | OpenLake,
    candidate: Catalogue | str | Path,
    rules: Rules | None = None,
    *,
    now: datetime | None = None,
    production: Catalogue | str | Path | None = None,
    period: str = "",
    watch: Watch | None = None,
) -> GateResult:
    """Judge a candidate catalogue on the traffic of a rated period.

    Args:
        candidate: the catalogue that is to be published; each offer's newest version counts.
        now: the instant of the verdict, UTC; left out: the machine's clock.

    Raises:
        ScenarioError: nothing differs from production, or nothing could be tried.
        CatalogueError, PartyError, RatingError: the candidate cannot be sold at all.
    """
    rules = rules or Rules()
    proposed = candidate if isinstance(candidate, Catalogue) else load(candidate)
    inner = lake.inner if isinstance(lake, OpenLake) else lake
    seen = past.look(inner, period, production)
    offers = _new_versions(proposed, seen.catalogue)
    sim = simulate(
        inner, Scenario("candidate", catalogue=proposed), catalogue=production, period=period, watch=watch
    )
    cell = sim.cells[0]
    if cell.error:
        sim.close()
        raise ScenarioError(
            cell.error["what"], where=cell.error["where"], cure=cell.error["cure"], code=cell.error["code"]
        )
    traces = tuple(_traces(sim)) if rules.explained else ()
    findings = tuple(f for f in judge(proposed) if f.offer_id in {name for name, *_ in offers})
    checks = (
        _no_steep_rise(rules, cell.changes),
        *_revenue(rules, cell.totals),
        *_explained(rules, sim, traces),
        *_checker(rules, findings),
    )
    return GateResult(
        checks, offers, proposed, _differences(seen.catalogue, proposed), sim, rules, traces, now or SystemClock().now(), inner.tenant,
        inner.state.sha256, findings,
    )  # fmt: skip


def _differences(production: Catalogue, proposed: Catalogue) -> tuple[str, ...]:
    """What changes in the offers that the candidate holds; it need not repeat the others."""
    held = {offer.id for offer in proposed.offers}
    mine = dataclasses.replace(production, offers=tuple(o for o in production.offers if o.id in held))
    return tuple(diff_catalogues(mine, proposed))


def _new_versions(proposed: Catalogue, production: Catalogue) -> tuple[tuple[str, int, str], ...]:
    known = {(offer.id, offer.sha256) for offer in production.offers}
    newest = [proposed.offer(name) for name in sorted({offer.id for offer in proposed.offers})]
    found = tuple((o.id, o.version, o.sha256) for o in newest if (o.id, o.sha256) not in known)
    if not found:
        raise ScenarioError(
            "The candidate says nothing that production does not say already.", where="candidate", code="gate_nothing",
            cure="Write the change as a new version of an offer.",
        )  # fmt: skip
    return found


def _no_steep_rise(rules: Rules, changes: tuple[Change, ...]) -> Check:
    name = "no bill rises too far"
    if rules.max_rise_percent is None:
        return Check(name, True, "How far a bill may rise was not limited.")
    most = rules.max_rise_percent
    steep = [
        c for c in changes if c.delta > rules.ignore_rise_below and (c.percent is None or c.percent > most)
    ]
    steepest = max((c.percent for c in changes if c.percent is not None), default=Fraction(0))
    if not steep:
        return Check(
            name,
            True,
            f"No customer pays more than {_short(most)} % more; the steepest rise is {_short(steepest)} %.",
        )
    told = tuple(
        f"{c.name} ({c.account}): {rounded(c.before, c.currency)} → {rounded(c.after, c.currency)} {c.currency}, "
        + (f"+{_short(c.percent)} %" if c.percent is not None else "had no bill before")
        for c in steep[:100]
    )
    return Check(
        name,
        False,
        f"{len(steep):,} of {len(changes):,} customers would pay more than {_short(most)} % more.",
        told,
    )


def _revenue(rules: Rules, totals: Mapping[str, tuple[Fraction, Fraction]]) -> list[Check]:
    if rules.revenue_at_least_percent is None:
        return []
    found = []
    for currency, (before, after) in totals.items():
        least = before * rules.revenue_at_least_percent / 100
        sentence = (
            f"Revenue {rounded(before, currency)} → {rounded(after, currency)} {currency} "
            f"({signed(after - before, currency)}); at least {rounded(least, currency)} was asked for."
        )
        found.append(Check(f"revenue holds ({currency})", after >= least, sentence))
    return found


def _traces(sim: Simulation) -> list[Traced]:
    """The largest contribution of each rule that moves, and of each of the largest movers."""
    steps = sim.contributions(by=("rule", "side"), limit=None)
    rules = [str(row["rule"]) for row in steps.to_dict("records") if row["delta"] and row["side"] == "sell"]
    moved = sorted((c for c in sim.cell().changes if c.delta), key=lambda c: (-abs(c.delta), c.account))
    found = [sim.trace(rule=rule) for rule in rules[:EXPLAINED_MAX]]
    return found + [sim.trace(account=change.account) for change in moved[:EXPLAINED_MAX]]


def _explained(rules: Rules, sim: Simulation, traces: tuple[Traced, ...]) -> list[Check]:
    if not rules.explained:
        return []
    name = "every bill is explained"
    try:
        assert_reconciles(sim)
    except VerifyFailed as error:
        return [Check(name, False, error.what)]
    wrong = [t for t in traces for side in (t.before, t.after) if side and side.trace and not side.checked]
    offenders = tuple(f"{t.account}: {t.rule} at {t.window_start}" for t in wrong[:100])
    moved = sum(c.delta != 0 for c in sim.cell().changes)
    sentence = explained_text(moved, len(traces))
    return [
        Check(
            name,
            not wrong,
            sentence if not wrong else f"{len(wrong):,} traces do not give their charge.",
            offenders,
        )
    ]


def explained_text(moved: int, traces: int) -> str:
    """How far the bills that move were looked into."""
    if not moved:
        return "No bill moves."
    bills = "The one bill that moves is" if moved == 1 else f"All {moved:,} bills that move are"
    opened = (
        "the largest contribution was" if traces == 1 else f"{traces:,} of the largest contributions were"
    )
    return (
        f"{bills} the exact sum of {'its' if moved == 1 else 'their'} rules, devices and records; {opened} opened down to "
        f"{'its trace' if traces == 1 else 'their traces'}, and recomputed where a record decides."
    )


def _checker(rules: Rules, findings: tuple[Any, ...]) -> list[Check]:
    if not rules.checker:
        return []
    warnings = [f for f in findings if f.severity == "warning"]
    name = "the checker is content"
    if not warnings:
        return [Check(name, True, "The catalogue checker has no warning on what changes.")]
    told = tuple(f"{f.offer_id}: {f.sentence}" for f in warnings[:100])
    return [Check(name, False, f"The catalogue checker warns {len(warnings)} times.", told)]


def _short(number: Fraction | None) -> str:
    return rounded(number or Fraction(0), "", 2).rstrip("0").rstrip(".")


def _code_version() -> str:
    try:
        return installed("iot-tariff-workbench")
    except PackageNotFoundError:
        return "unknown"
