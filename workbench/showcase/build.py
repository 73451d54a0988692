"""A city from an empty folder to proven figures: parties, then the main path, then the proof.

There is nothing here that a user could not write: parties are loaded, a ``Job`` is filled in, the stages run. A run
that was killed is continued by calling ``build`` again with the same scene.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from workbench.clock import ReplayClock
from workbench.errors import UsageError
from workbench.lake import parties
from workbench.lake.lake import Lake
from workbench.pipeline import STAGES, Job, Unwatched, Watch, run
from workbench.showcase.cast import offers, policy
from workbench.showcase.deliveries import Feed, Inbox
from workbench.showcase.memory import peak_mb, reset_peak
from workbench.showcase.parties import party_tables
from workbench.showcase.scene import Scene

FACT = "scene"
"""The lake's fact that says which scene it holds."""


@dataclass(slots=True)
class Built:
    """What building took.

    Attributes:
        seconds: wall seconds by stage (``parties``, the stages of the path, and what the caller adds).
        peak_mb: highest resident memory by stage, where the system tells.
        resumed: whether the lake held a part of the scene already.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    peak_mb: dict[str, int] = field(default_factory=dict)
    resumed: bool = False


def build(
    path: Path,
    scene: Scene,
    *,
    tenant: str = "main",
    threads: int = 2,
    keep: bool = False,
    watch: Watch | None = None,
) -> Built:
    """Bring the lake at ``path`` to the end of ``scene``: landed, mediated, rated, closed.

    Args:
        threads: cores to use.
        keep: leave the delivered files in ``path/inbox``.
        watch: told of progress.

    Raises:
        UsageError: ``scene_differs``: the lake holds something else.
    """
    inbox = path.expanduser().resolve() / "inbox"
    inbox.mkdir(parents=True, exist_ok=True)  # the engine may read folders that are there when the lake is opened
    built = Built()
    with Lake.open(path, tenant, create=True, inputs=[inbox], threads=threads) as lake, lake.writer():
        told = _Told(watch or Unwatched(), built)
        feeds = scene.feeds()
        built.resumed = _same_scene(lake, scene)
        if not built.resumed:
            told.begin("parties", None)
            load_parties(lake, scene, feeds)
        run(STAGES, _job(lake, scene, feeds, inbox, told, threads, keep))
        told.end()
    return built


def _job(
    lake: Lake, scene: Scene, feeds: Sequence[Feed], inbox: Path, told: _Told, threads: int, keep: bool
) -> Job:
    told.totals["land"] = lambda: _expected(feeds, scene.delivering) - _rows_landed(lake)
    return Job(
        lake=lake,
        source=Inbox(inbox, feeds, scene.delivering, lambda: _files_landed(lake), keep=keep),
        policy=policy(),
        catalogue=offers(scene.casts),
        period=scene.period,
        clock=ReplayClock(scene.period.end + max((feed.delay for feed in feeds), default=timedelta())),
        watch=told,
        workers=threads,
        run={"command": "showcase", "seed": str(scene.seed)},
    )


def load_parties(lake: Lake, scene: Scene, feeds: Sequence[Feed]) -> None:
    """Accounts, partners, devices, subscriptions and SIMs of the scene, and the scene's own name, in one commit."""
    inventories = [(cast, feed.fleet.inventory()) for cast, feed in zip(scene.casts, feeds, strict=True)]
    add, remove = parties.stage(lake, party_tables(inventories, offers(scene.casts)))
    lake.commit({"stage": "parties"}, add=add, remove=remove, facts={FACT: {"arguments": scene.arguments()}})


def _same_scene(lake: Lake, scene: Scene) -> bool:
    """Whether the lake holds this scene already (a part of it may do); False for an empty lake.

    Raises:
        UsageError: it holds something else.
    """
    held = lake.facts(FACT).get("arguments")
    if held == scene.arguments():
        return True
    if held is None and lake.state.version == 0:
        return False
    told = "another city" if held else "something else"
    asked = [f"{name} {held[name]} (asked: {value})" for name, value in scene.arguments().items()
             if held and held.get(name) != value]  # fmt: skip
    raise UsageError(
        f"This lake holds {told}{': ' + ', '.join(asked) if asked else ''}.",
        where=str(lake.root),
        cure="Use the same arguments to go on with it, or another folder.",
        code="scene_differs",
    )


def _files_landed(lake: Lake) -> set[str]:
    return {delivery["file"] for delivery in lake.facts("delivery").values()}


def _rows_landed(lake: Lake) -> int:
    accounts = (delivery["streams"].values() for delivery in lake.facts("delivery").values())
    return sum(int(account["rows"]) for streams in accounts for account in streams)


def _expected(feeds: Sequence[Feed], hours: int) -> int:
    """About how many rows will be delivered, for the progress bar."""
    return sum(
        len(feed.mapping.meters)
        * feed.fleet.devices
        * hours
        * 3600
        * (1000 + round(1000 * feed.fleet.traffic.duplicates))
        // (1000 * feed.fleet.period_seconds)
        for feed in feeds
    )


class _Told:
    """Passes progress on, fills in totals that only we know, and notes seconds and memory by stage."""

    def __init__(self, watch: Watch, built: Built) -> None:
        self._watch, self._built = watch, built
        self.totals: dict[str, Callable[[], int]] = {}
        self._stage, self._begun = "", 0.0

    def begin(self, stage: str, total: int | None) -> None:
        """The stage before is over; ``total`` is its number of rows where that is known."""
        self.end()
        self._stage, self._begun = stage, time.perf_counter()
        known = self.totals.get(stage)
        self._watch.begin(stage, known() if known and total is None else total)

    def advance(self, rows: int) -> None:
        """So many more rows of the stage are done."""
        self._watch.advance(rows)

    def end(self) -> None:
        """Note what the running stage took."""
        if self._stage:
            self._built.seconds[self._stage] = round(time.perf_counter() - self._begun, 3)
            self._built.peak_mb[self._stage] = peak_mb()
        reset_peak()
        self._stage = ""


def scene_of(lake: Lake) -> dict[str, Any]:
    """The arguments of the scene a lake holds; empty when it holds none."""
    return dict(lake.facts(FACT).get("arguments", {}))
