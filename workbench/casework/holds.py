"""What a close is told of the queue: the lines of devices whose cases ask for a hold and are not decided yet."""

from __future__ import annotations

from datetime import UTC, datetime

from workbench.casework.case import Case
from workbench.casework.desk import Desk
from workbench.model.ids import device_key
from workbench.model.plan import Period
from workbench.settlement.holds import Hold


def holds_of(desk: Desk, period: Period) -> list[Hold]:
    """The holds of a period: each device of each open case with the action ``hold``, on the meter the case is about."""
    return sorted(
        Hold(case.case_id, device, device_key(desk.tenant, device), case.stream)
        for case in desk.cases()
        if "hold" in case.done and not case.closed and _begins_in(case, period)
        for device in case.devices
    )


def _begins_in(case: Case, period: Period) -> bool:
    """A case belongs to the billing period in which its episode began."""
    start, end = (
        at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at for at in (period.start, period.end)
    )
    since: datetime = case.since
    return start <= since < end
