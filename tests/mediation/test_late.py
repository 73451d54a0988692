"""Late events re-mediate the windows they touch, and no others."""

from __future__ import annotations

import pytest

from tests.mediation.streams import BY_EVENT_ID, BY_TIME, contents, lake_of, land_batch, mediated
from tests.mediation.test_dedupe import _row
from workbench.mediation.stream import Stream


@pytest.mark.parametrize("stream", [BY_TIME, BY_EVENT_ID], ids=["by time", "by event id"])
def test_one_late_event_redoes_one_window(stream: Stream) -> None:
    """Nine windows in three partitions; a late event for the fifth redoes the fifth."""
    on_time = [_row(15 * n, event=f"e{n}") for n in range(9)]
    with lake_of([on_time], stream) as (lake, typed):
        before = {row[1]: row for row in contents(lake)[0]}
        files = {segment.partition: segment.sha256 for segment in lake.segments("records")}
        land_batch(lake, [_row(15 * 4 + 3, units=7, event="late")], stream, "late")
        assert mediated(lake, typed) == 1
        after = {row[1]: row for row in contents(lake)[0]}
        changed = [at for at in after if after[at] != before.get(at)]
        assert len(changed) == 1
        assert after[changed[0]][2] == 12
        kept = [
            segment.partition
            for segment in lake.segments("records")
            if files[segment.partition] == segment.sha256
        ]
        assert len(kept) == 2
        assert mediated(lake, typed) == 0
