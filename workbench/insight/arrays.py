"""The one array type of this room."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
