"""Where the product does not do yet what a golden case asks. Each entry is expected to fail, and fails when
mended.
"""

from __future__ import annotations

ENGINE: dict[str, str] = {}
BOOKS: dict[str, str] = {}
