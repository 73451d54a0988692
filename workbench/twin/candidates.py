"""From a scenario to the catalogue it tries, and which offers that changes."""

from __future__ import annotations

from workbench.errors import ScenarioError
from workbench.model.offer import Catalogue
from workbench.model.plan import Period
from workbench.tariff.catalogue import load as load_catalogue
from workbench.twin.patch import as_if_in_force, candidate
from workbench.twin.scenario import Scenario


def wanted(production: Catalogue, scenario: Scenario, period: Period) -> Catalogue:
    """The catalogue a scenario tries.

    Raises:
        ScenarioError, CatalogueError: it names what is not there, or cannot be sold.
    """
    base = production
    if scenario.catalogue is not None:
        given = scenario.catalogue
        proposed = given if isinstance(given, Catalogue) else load_catalogue(given)
        base = as_if_in_force(proposed, production, period)
    known = {offer.id for offer in base.offers}
    for offer_id in (name for pair in scenario.moves for name in pair):
        if offer_id not in known:
            raise ScenarioError(
                f"The scenario names the offer '{offer_id}', which the catalogue does not have.",
                where=f"scenario {scenario.name}", cure=f"It has: {', '.join(sorted(known))[:200]}.", code="offer_unknown",
            )  # fmt: skip
    return candidate(base, scenario.patches, period)


def changed(production: Catalogue, proposed: Catalogue, scenario: Scenario) -> tuple[str, ...] | None:
    """Ids of the offers that differ; None when nothing does, so that production is replayed on itself, whole."""
    ids = sorted({offer.id for offer in (*production.offers, *proposed.offers)})
    differ = {name for name in ids if production.versions(name) != proposed.versions(name)}
    differ |= {name for pair in scenario.moves for name in pair}
    return tuple(sorted(differ)) or None
