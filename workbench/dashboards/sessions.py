"""What the page server does about browsers that left."""

from __future__ import annotations

from functools import wraps
from typing import Any

import panel as pn
from bokeh_fastapi.handler import WSHandler


def forget_lost_browsers() -> None:
    """Make a closed connection let go of its session, which then expires; safe to call again.

    bokeh-fastapi 0.1.8 waits for an exception that its web framework does not raise at a disconnect, so a session
    would keep its dead connection, and every update would be written to it, for as long as the server runs.
    """
    waiting = WSHandler._receive_loop
    if hasattr(waiting, "__wrapped__"):
        return

    @wraps(waiting)
    async def then_let_go(handler: Any) -> None:
        try:
            await waiting(handler)
        finally:
            handler.on_close(1001, "the browser left")

    WSHandler._receive_loop = then_let_go


def watched() -> bool:
    """Whether a browser still looks at this session; a session outlives its last browser by some seconds."""
    context = pn.state.curdoc.session_context if pn.state.curdoc else None
    session = getattr(context, "session", None)
    return session is None or session.connection_count > 0


def address() -> Any:
    """The browser's address bar; None where a session was made anew by a reconnecting page, which sends no address."""
    try:
        return pn.state.location
    except AttributeError:
        return None
