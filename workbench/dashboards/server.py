"""All pages and their health on one port, one process. Nothing is fetched from outside."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

# Component packages register their static files when they are imported, which must happen before the app is made.
import panel as pn
import panel_material_ui  # noqa: F401
from bokeh.core.validation import silence
from bokeh.core.validation.warnings import EMPTY_LAYOUT
from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from panel.io.fastapi import add_applications

from workbench.casework.outbox import Wires
from workbench.dashboards.analyst_app import AnalystPage
from workbench.dashboards.cases.store import CaseStore
from workbench.dashboards.city_app import CityPage
from workbench.dashboards.explorer_app import ExplorerPage
from workbench.dashboards.proof import Proof
from workbench.dashboards.sales.store import SalesStore
from workbench.dashboards.sales_app import SalesPage
from workbench.dashboards.sessions import forget_lost_browsers
from workbench.dashboards.simulator.lab import Lab
from workbench.dashboards.simulator_app import SimulatorPage
from workbench.dashboards.store import Store
from workbench.dashboards.studio.gatekeeper import Gatekeeper
from workbench.dashboards.studio.shelf import Shelf
from workbench.dashboards.studio_app import StudioPage


def app_of(
    path: Path,
    tenant: str,
    port: int,
    offers: Path | None = None,
    *,
    wires: Wires | None = None,
    who: str = "analyst",
) -> FastAPI:
    """The web application over a lake.

    Args:
        offers: the folder the Studio publishes into; ``LAKE-offers`` beside the lake when it is left out.
        wires: where the analyst's actions and the triggers of sales go. who: the analyst's name in histories.

    Raises:
        LakeMissing: nothing is there.
    """
    store, proof = Store(path, tenant), Proof(path, tenant)
    forget_lost_browsers()
    silence(EMPTY_LAYOUT, True)  # what waits for its content is no news
    shelf = Shelf(offers or path.with_name(f"{path.name}-offers"), store.lake)
    lab, keeper = Lab(path, tenant, shelf), Gatekeeper(path, tenant, shelf)
    cases = CaseStore(path, tenant, wires)
    sales = SalesStore(path, tenant, cases)
    pn.extension("tabulator", "codeeditor", inline=True)
    app = FastAPI(title="IoT tariff workbench", docs_url=None, redoc_url=None)

    @app.get("/", include_in_schema=False)
    def home() -> RedirectResponse:
        return RedirectResponse("/city")

    @app.get("/health")
    def health() -> dict[str, Any]:
        return {"ready": True, "lake": str(path), "version": store.lake.state.version, "proof": proof.words}

    origins = [f"127.0.0.1:{port}", f"localhost:{port}"]
    pages: dict[str, Any] = {
        "/city": lambda: CityPage(store, lambda: proof.words).view(),
        "/explorer": lambda: ExplorerPage(store).view(),
        "/studio": lambda: StudioPage(shelf, keeper).view(),
        "/simulator": lambda: SimulatorPage(lab).view(),
        "/analyst": lambda: AnalystPage(cases, who).view(),
        "/sales": lambda: SalesPage(sales).view(),
    }
    add_applications(
        pages,
        app=app,
        title="IoT tariff workbench",
        websocket_origins=origins,
        secret_key=secrets.token_hex(32),
        sign_sessions=True,
        # A slow browser may take half a minute from the page's frame to its connection.
        unused_session_lifetime_milliseconds=120_000,
    )
    return app
