"""What ``workbench verify --full`` says of a lake that a test made from records."""

from __future__ import annotations

from workbench.lake.lake import Lake
from workbench.verify.checks import CHECKS
from workbench.verify.run import verify

BEFORE_RECORDS = ("deliveries_add_up", "landed_rows_told", "records_again")
"""Golden cases begin with records: nothing was delivered."""
LOOKED_AT = [check.name for check in CHECKS if check.name not in BEFORE_RECORDS]


def broken(lake: Lake) -> list[str]:
    """What does not hold of a lake, in words."""
    results = verify(lake, full=True, only=LOOKED_AT).results
    return [
        f"{one.name}: {one.counter_example}"
        for one in results
        if one.counter_example and one.verdict == "fails"
    ]
