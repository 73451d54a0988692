"""A lake as it stands now, for a thread that works beside the one that commits."""

from __future__ import annotations

import copy

from workbench.lake.lake import Lake


def frozen(lake: Lake) -> Lake:
    """The same lake at its present version for ever, with a connection of its own.

    Segments may be written through it inside the other's ``writer()``; only the other may commit them. Close its
    ``con`` when the work is done; never close it.
    """
    other = copy.copy(lake)
    other.con = lake.con.cursor()
    other.state = lake.state.changed((), ())
    return other
