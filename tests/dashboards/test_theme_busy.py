"""A page does not listen to whether any other session is busy: each time it would look through all its models."""

from __future__ import annotations

import panel as pn
import panel_material_ui as pmui
from panel.util import edit_readonly

from workbench.dashboards import theme


def test_a_busy_session_does_not_reach_the_pages_of_others() -> None:
    made, plain = theme.page("One", []), pmui.Page(title="plain")
    try:
        with edit_readonly(pn.state):
            pn.state.busy = True
        assert (made.busy, plain.busy) == (False, True)
    finally:
        with edit_readonly(pn.state):
            pn.state.busy = False
