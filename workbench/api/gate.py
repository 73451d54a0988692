"""The gate of every route: a key, its role, its pace. A route that declares no roles does not start (S2, S5)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.routing import APIRoute

from workbench.api.keys import Key, Keys
from workbench.clock import Clock, SystemClock

OPEN = "open"
"""Declares that a route needs no key."""
_LOCKED_OUT_AFTER, _LOCKED_OUT_SECONDS = 20, 10.0


@dataclass(slots=True)
class _Pace:
    """A bucket of permits for one caller."""

    permits: float
    at: float


class Gate:
    """Lets callers in by their key.

    Args:
        per_second: how many requests of one key, on average; a burst of twice as many is let through.
    """

    def __init__(self, keys: Keys, clock: Clock | None = None, per_second: float = 200.0) -> None:
        self.keys, self._clock, self._per_second = keys, clock or SystemClock(), per_second
        self._paces: dict[str, _Pace] = {}
        self._wrong: dict[str, tuple[int, float]] = {}

    def allow(self, *roles: str) -> Callable[[Request], Awaitable[Key]]:
        """A dependency that gives the caller's key when it has one of ``roles``; declares them for ``sealed``."""

        async def entered(request: Request) -> Key:
            caller = request.client.host if request.client else ""
            self._not_locked_out(caller)
            words = request.headers.get("authorization", "").split(" ", 1)
            secret = words[1] if len(words) == 2 and words[0].lower() == "bearer" else ""
            key = self.keys.find(secret, self._clock.now()) if secret else None
            if key is None:
                self._count_wrong(caller)
                raise HTTPException(401, "A valid key is needed.", {"WWW-Authenticate": "Bearer"})
            if key.role not in roles:
                raise HTTPException(403, f"The role {key.role} may not do this.")
            self._paced(key.sha256)
            return key

        entered.roles = roles  # type: ignore[attr-defined]
        return entered

    def _not_locked_out(self, caller: str) -> None:
        count, since = self._wrong.get(caller, (0, 0.0))
        left = since + _LOCKED_OUT_SECONDS - time.monotonic()
        if count >= _LOCKED_OUT_AFTER and left > 0:
            raise HTTPException(429, "Too many wrong keys.", {"Retry-After": str(int(left) + 1)})

    def _count_wrong(self, caller: str) -> None:
        count, since = self._wrong.get(caller, (0, 0.0))
        now = time.monotonic()
        if now - since > _LOCKED_OUT_SECONDS:
            count = 0
        if len(self._wrong) > 10_000:
            self._wrong.clear()
        self._wrong[caller] = (count + 1, now)

    def _paced(self, name: str) -> None:
        now, most = time.monotonic(), 2 * self._per_second
        pace = self._paces.setdefault(name, _Pace(most, now))
        pace.permits = min(most, pace.permits + (now - pace.at) * self._per_second)
        pace.at = now
        if pace.permits < 1:
            raise HTTPException(429, "Too many requests.", {"Retry-After": "1"})
        pace.permits -= 1


async def open_to_all() -> None:
    """The dependency of routes that need no key."""


open_to_all.roles = (OPEN,)  # type: ignore[attr-defined]


def routes_of(holder: Any) -> Iterator[APIRoute]:
    """Every API route of an application or router, those of included routers too."""
    for route in holder.routes:
        if isinstance(route, APIRoute):
            yield route
        elif (included := getattr(route, "original_router", None)) is not None:
            yield from routes_of(included)


def sealed(app: FastAPI) -> None:
    """Refuse to start with a route of ours that says not who may use it.

    Raises:
        AssertionError: names the route.
    """
    for route in routes_of(app):
        if route.path.startswith(("/v1", "/metrics", "/health")):
            calls = [dependency.call for dependency in route.dependant.dependencies]
            assert any(hasattr(call, "roles") for call in calls), f"{route.path} declares no role"
