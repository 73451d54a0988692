"""Keys and clicks of a page, told to Python: a component that draws nothing and asks nobody outside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent


class Keys(JSComponent):
    """Reports ``{"key": "j"}`` and clicks on whatever carries ``data-tell``: ``{"tell": ..., "value": ...}``."""

    keys = param.List(default=[], doc="Keys that mean something here.")
    shown = param.String(default="", doc="The row to keep in view, by its data-value.")

    _esm = Path(__file__).parent / "keys.js"

    def __init__(self, keys: str, heard: Callable[[dict[str, Any]], None], **params: Any) -> None:
        self._heard = heard
        super().__init__(keys=list(keys), width=0, height=0, margin=0, **params)

    def _handle_msg(self, msg: Any) -> None:
        if isinstance(msg, dict):
            self._heard(msg)
