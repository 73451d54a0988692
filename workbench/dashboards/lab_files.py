"""A Jupyter server extension that serves Panel's own scripts and styles, so that outputs need no CDN.

``workbench lab`` switches it on (``lab/jupyter_server_config.d``) and points Panel at it (``PANEL_CDN_ROOT``).
"""

from __future__ import annotations

from typing import Any

from tornado.web import StaticFileHandler

PREFIX = "panel-cdn"


class PublicFiles(StaticFileHandler):
    """Files of a library, for whoever asks: a page opened as ``localhost`` may use those of ``127.0.0.1``."""

    def set_default_headers(self) -> None:
        """Let modules and fonts be used from the server's other name."""
        self.set_header("Access-Control-Allow-Origin", "*")


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "workbench.dashboards.lab_files"}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Serve ``<base_url>/panel-cdn/<version>/dist/...`` from the installed Panel."""
    from panel.io.resources import DIST_DIR

    address = f"{server.base_url.rstrip('/')}/{PREFIX}/[^/]+/dist/(.*)"
    server.web_app.add_handlers(".*$", [(address, PublicFiles, {"path": str(DIST_DIR)})])
