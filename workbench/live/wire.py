"""A journal and the listener in front of it, started and stopped together: what devices speak to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workbench.clock import nanoseconds
from workbench.collectors.listener import ListenerCollector
from workbench.collectors.source import ListenerSource
from workbench.journal.journal import Journal
from workbench.journal.settings import JournalSettings

JOURNALS = "journals"
"""The folder of a lake in which its own journals lie, beside the tenants'."""


class Wire:
    """Use as a context manager; ``port`` is then the one the listener has.

    Args:
        folder: where journals lie; this wire's is ``folder/name``.
        port: 0 takes any that is free.
        now_ns: stamps receipts; a replay's clock gives its own.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "listener-0",
        host: str = "127.0.0.1",
        port: int = 0,
        tenant: str = "main",
        identity: str = "none",
        tokens: str = "",
        now_ns: Callable[[], int] = nanoseconds,
    ) -> None:
        # The backlog on disk is bounded: beyond it devices are not acknowledged, so they wait and send again.
        self.journal = Journal(folder / name, JournalSettings(backlog_bytes_max=4 << 30), now_ns)
        source = ListenerSource(
            name="listener",
            host=host,
            port=port,
            tenant=tenant,
            identity=identity,
            tokens=tokens,
            content_type="",
        )
        self.listener = ListenerCollector(source, self.journal, now_ns)

    @property
    def port(self) -> int:
        """Where the listener listens."""
        return self.listener.port

    def __enter__(self) -> Wire:
        try:
            self.listener.start()
        except BaseException:
            self.journal.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.stop()
        self.journal.close()
