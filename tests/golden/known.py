"""Where the product does not do yet what a golden case asks. Each entry is expected to fail, and fails when
mended.
"""

from __future__ import annotations

ENGINE: dict[str, str] = {
    "time_of_use: Havana skips midnight in spring and has it twice in autumn": "its 25-hour Sunday ends early",
}
BOOKS: dict[str, str] = {}
