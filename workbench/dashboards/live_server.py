"""The live pages on a web application that exists already, beside whatever else it answers."""

from __future__ import annotations

import secrets

# Component packages register their static files when they are imported, which must happen before the app is made.
import panel as pn
import panel_material_ui  # noqa: F401
from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from panel.io.fastapi import add_applications

from workbench.dashboards.live_app import LivePage
from workbench.dashboards.sales.live import LiveSales
from workbench.dashboards.sales_live_app import LiveSalesPage
from workbench.dashboards.sessions import forget_lost_browsers
from workbench.live.pulse import Pulse


def add_live_pages(app: FastAPI, pulse: Pulse, sales: LiveSales, port: int, speed: float = 1.0) -> None:
    """Serve ``/live`` and ``/sales``; ``/`` leads to the first."""
    forget_lost_browsers()
    pn.extension(inline=True)

    @app.get("/", include_in_schema=False)
    def home() -> RedirectResponse:
        return RedirectResponse("/live")

    add_applications(
        {
            "/live": lambda: LivePage(pulse, speed).view(),
            "/sales": lambda: LiveSalesPage(sales, speed).view(),
        },
        app=app,
        title="Live",
        websocket_origins=[f"127.0.0.1:{port}", f"localhost:{port}"],
        secret_key=secrets.token_hex(32),
        sign_sessions=True,
        unused_session_lifetime_milliseconds=120_000,
    )
