"""Turns a flood of tiny device events into exact, provable money.

    import workbench as wb

    lake = wb.demo_lake()                                  # a small city, billed and proven, ready in seconds
    lake.records("lamps.energy").head()
    wb.price("offers/lamps.yaml", "2.5 kWh")               # what would that cost?
    wb.shadow("usage.csv", "offer.yaml", billed="old.csv")  # what did the old system get wrong?

Names are looked up when they are first used, so that importing takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.casework.notebook import queue
    from workbench.casework.upsell import upsell
    from workbench.errors import WorkbenchError
    from workbench.insight.detect import detect
    from workbench.lake.open import OpenLake, open_lake
    from workbench.margins import margin
    from workbench.mediation.mapping_file import load_mapping
    from workbench.mediation.policy import load_policy
    from workbench.shadowbill.run import shadow
    from workbench.showcase.cars import CarDrive as car_drive
    from workbench.showcase.charging_node import ChargingNode as charging_node
    from workbench.showcase.notebook import city_lake, demo_lake, roaming_lake
    from workbench.showcase.town import live_town, replay
    from workbench.tariff.catalogue import load as load_catalogue
    from workbench.tariff.quote import price
    from workbench.twin.board import Board
    from workbench.twin.gate import gate
    from workbench.twin.reconcile import assert_reconciles
    from workbench.twin.scenario import Scenario
    from workbench.twin.simulate import simulate
    from workbench.verify.door import verify as prove
    from workbench.verify.explained import explain_stored as explain

_NAMES = {
    "Board": "workbench.twin.board",
    "OpenLake": "workbench.lake.open",
    "Scenario": "workbench.twin.scenario",
    "WorkbenchError": "workbench.errors",
    "assert_reconciles": "workbench.twin.reconcile",
    "car_drive": "workbench.showcase.cars:CarDrive",
    "charging_node": "workbench.showcase.charging_node:ChargingNode",
    "check_trace": "workbench.tariff.trace_check",
    "city_lake": "workbench.showcase.notebook",
    "demo_lake": "workbench.showcase.notebook",
    "detect": "workbench.insight.detect",
    "explain": "workbench.verify.explained:explain_stored",
    "gate": "workbench.twin.gate",
    "live_town": "workbench.showcase.town",
    "load_catalogue": "workbench.tariff.catalogue:load",
    "load_mapping": "workbench.mediation.mapping_file",
    "load_policy": "workbench.mediation.policy",
    "margin": "workbench.margins",
    "open_lake": "workbench.lake.open",
    "price": "workbench.tariff.quote",
    "prove": "workbench.verify.door:verify",  # `verify` is a room: importing it would hide a function of that name
    "queue": "workbench.casework.notebook",
    "replay": "workbench.showcase.town",
    "roaming_lake": "workbench.showcase.notebook",
    "shadow": "workbench.shadowbill.run",
    "simulate": "workbench.twin.simulate",
    "upsell": "workbench.casework.upsell",
}
"""Public name to where it lives; ``module:name`` where it is called otherwise there."""

__all__ = [
    "Board",
    "OpenLake",
    "Scenario",
    "WorkbenchError",
    "assert_reconciles",
    "car_drive",
    "charging_node",
    "check_trace",
    "city_lake",
    "demo_lake",
    "detect",
    "explain",
    "gate",
    "live_town",
    "load_catalogue",
    "load_mapping",
    "load_policy",
    "margin",
    "open_lake",
    "price",
    "prove",
    "queue",
    "replay",
    "roaming_lake",
    "shadow",
    "simulate",
    "upsell",
]


def __getattr__(name: str) -> object:
    if name not in _NAMES:
        raise AttributeError(f"workbench has no {name!r}; it has {', '.join(__all__)}")
    module, _, inner = _NAMES[name].partition(":")
    found = getattr(import_module(module), inner or name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
