"""What production did in a period: which one, by which prices, at which version of the lake."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from workbench.billing import RERATED, name_of
from workbench.errors import ScenarioError
from workbench.lake.lake import Lake
from workbench.model.offer import Catalogue
from workbench.model.plan import Period
from workbench.tariff.catalogue import load
from workbench.tariff.restore import catalogue as restored


@dataclass(frozen=True, slots=True)
class Past:
    """The period a scenario is tried on."""

    period: Period
    catalogue: Catalogue
    version: int


def look(lake: Lake, name: str = "", catalogue: Catalogue | str | Path | None = None) -> Past:
    """Find the period and the prices it was rated by.

    Raises:
        ScenarioError: ``period_unknown``, ``period_name``.
    """
    rated = sorted({segment.period.removesuffix(RERATED) for segment in lake.segments("catalog")})
    if not name and not rated:
        raise ScenarioError(
            "No period of this lake was rated, so there is nothing to compare with.",
            where=str(lake.root),
            cure="Run `workbench bill` first, or name a period and a catalogue.",
            code="period_unknown",
        )
    chosen = name or rated[-1]
    period = read_period(chosen)
    if catalogue is not None:
        known = catalogue if isinstance(catalogue, Catalogue) else load(catalogue)
    elif chosen in rated:
        known = _remembered(lake, chosen)
    else:
        raise ScenarioError(
            f"The period {chosen} was not rated.",
            where=str(lake.root),
            cure=f"Rated: {', '.join(rated) or 'none'}. Pass a catalogue to try another one.",
            code="period_unknown",
        )
    return Past(period, known, lake.state.version)


def charged_as(lake: Lake, period: Period) -> str:
    """The name under which the period's last charges are in the lake: late use of a closed period has a set of its own."""
    name = name_of(period)
    return name + RERATED if lake.segments("lines", period=name + RERATED) else name


def read_period(name: str) -> Period:
    """A period from its name ``start/end`` (days, or instants as the lake writes them).

    Raises:
        ScenarioError: ``period_name``.
    """
    try:
        start, end = (_instant(part) for part in name.split("/"))
        return Period(start, end)
    except ValueError:
        raise ScenarioError(
            f"{name[:60]!r} is not a period.",
            where="period",
            cure="Write it as start/end: 2026-03-01/2026-04-01.",
            code="period_name",
        ) from None


def _instant(text: str) -> datetime:
    form = "%Y-%m-%dT%H%M%S" if "T" in text else "%Y-%m-%d"
    return datetime.strptime(text, form).replace(tzinfo=UTC)


def _remembered(lake: Lake, name: str) -> Catalogue:
    last = lake.segments("catalog", period=name + RERATED) or lake.segments("catalog", period=name)
    rows = lake.con.execute(
        f"SELECT offer_id, version, sha256, text FROM {lake.scan('catalog', segments=last)}"
    )
    return restored(rows.fetchall())
