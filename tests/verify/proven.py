"""What ``workbench verify --full`` and ``explain`` say of a lake that a test made from records."""

from __future__ import annotations

from collections import Counter

from workbench.errors import WorkbenchError
from workbench.lake.lake import Lake
from workbench.tariff.trace_check import check_trace
from workbench.verify.checks import CHECKS
from workbench.verify.explained import explain_stored
from workbench.verify.run import verify

BEFORE_RECORDS = ("deliveries_add_up", "landed_rows_told", "records_again")
"""Golden cases begin with records: nothing was delivered."""
LOOKED_AT = [check.name for check in CHECKS if check.name not in BEFORE_RECORDS]
OWN = ("line_no", "device_key", "window_start", "units", "amount", "step")


def broken(lake: Lake) -> list[str]:
    """What does not hold of a lake, in words."""
    results = verify(lake, full=True, only=LOOKED_AT).results
    return [
        f"{one.name}: {one.counter_example}"
        for one in results
        if one.counter_example and one.verdict == "fails"
    ]


def unexplained(lake: Lake, period: str, each: int, lines: int | None = None) -> list[str]:
    """Charges that cannot be explained by what the lake holds: of each line the first ``each`` are asked, of ``lines`` spread over all.

    Golden cases hold several records of one device and instant, which no delivered lake does: these are left out.
    """
    charges = lake.scan("charges", period=period)
    columns = [name for name, *_ in lake.con.execute(f"DESCRIBE SELECT * FROM {charges}").fetchall()]
    dims = [name for name in columns if name not in OWN]
    listed = "".join(f", {name}" for name in dims)
    rows = lake.con.execute(
        f"SELECT line_no, device_key, window_start{listed} FROM {charges} GROUP BY ALL "
        "HAVING count(*) FILTER (units > 0) = count(DISTINCT step) FILTER (units > 0) "
        f"ORDER BY line_no, window_start, device_key{listed}"
    ).fetchall()
    found, asked = [], Counter[int]()
    numbers = sorted({row[0] for row in rows})
    chosen = set(numbers[:: max(1, len(numbers) // lines)] if lines else numbers)
    for line_no, device, at, *values in rows:
        asked[line_no] += 1
        if asked[line_no] > each or line_no not in chosen:
            continue
        try:
            check_trace(
                explain_stored(lake, period, line_no, device, at, dict(zip(dims, values, strict=True))).trace
            )
        except WorkbenchError as error:
            found.append(f"line {line_no}, device {device}, {at}, {values}: {error}")
    return found
