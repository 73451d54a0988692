"""The builder in the browser: a component of its own, from one bundled file that asks nobody for anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent

from workbench.dashboards.studio.drawing import palette


class Builder(JSComponent):
    """Palette and block list. It draws ``state`` and reports what a person does to ``heard``.

    The source stands in ``js/``; ``npm install --no-package-lock && npm run build`` there makes the bundle.
    """

    palette = param.List(default=[], doc="The palette's groups, see drawing.palette.")
    state = param.Dict(default={}, doc="The draft, see drawing.state.")

    _esm = Path(__file__).parent / "builder.bundle.js"

    def __init__(self, state: dict[str, Any], heard: Callable[[dict[str, Any]], None], **params: Any) -> None:
        self._heard = heard
        super().__init__(palette=palette(), state=state, **params)

    def _handle_msg(self, msg: Any) -> None:
        if isinstance(msg, dict):
            self._heard(msg)
