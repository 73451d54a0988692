"""A city from an empty folder to proven figures: parties, then the main path, then the proof.

There is nothing here that a user could not write: parties are loaded, a ``Job`` is filled in, the stages run. A run
that was killed is continued by calling ``build`` again with the same scene.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.clock import ReplayClock
from workbench.errors import UsageError
from workbench.lake import parties
from workbench.lake.lake import Lake
from workbench.pipeline import STAGES, Job, Unwatched, Watch, run
from workbench.showcase import figures
from workbench.showcase.cast import FILES, offers, policy
from workbench.showcase.deliveries import Feed, Inbox
from workbench.showcase.memory import highest_mb
from workbench.showcase.parties import party_tables
from workbench.showcase.scene import Scene
from workbench.showcase.told import Built, Told
from workbench.verify.checks import CHECKS
from workbench.verify.report import Result
from workbench.verify.run import verify

FACT = "scene"
"""The lake's fact that says which scene it holds."""


def play(
    path: Path,
    scene: Scene,
    *,
    tenant: str = "main",
    threads: int = 2,
    keep: bool = False,
    full_verify: bool = False,
    watch: Watch | None = None,
) -> dict[str, Any]:
    """Build a scene, prove it, and say what came out: everything behind ``workbench city`` and ``workbench demo``.

    Args:
        full_verify: prove everything, not a sample of devices and accounts.

    Returns: the figures, all JSON: see ``figures.py``; besides, what was asked for, seconds and memory by stage, and
        ``verify_ok`` with the proof's verdict and its first counter-example.
    """
    watch = watch or Unwatched()
    built = build(path, scene, tenant=tenant, threads=threads, keep=keep, watch=watch)
    with Lake.open(path, tenant, threads=threads) as lake:
        period = figures.period_of(lake)
        with Told(watch, built) as told:
            told.begin("verify", len(CHECKS))
            done = functools.partial(_one_more, told)
            report = verify(lake, full=full_verify, progress=done)
        found = {
            "lake": str(path),
            "lamps": scene.devices.get("lamps", 0),
            "devices": sum(scene.devices.values()),
            "days": scene.days,
            **figures.usage_figures(lake),
            **figures.money_figures(lake, period),
            **(figures.reference_figures(lake, period) if scene.only_lamps else {}),
            "verify_ok": report.ok,
            "verify_full": report.full,
            "verify_verdict": report.verdict(),
        }
    found["wall_seconds"] = {**built.seconds, "total": round(sum(built.seconds.values()), 3)}
    found["peak_rss_mb"] = max(highest_mb(), *built.peak_mb.values())
    found["peak_rss_mb_by_stage"] = built.peak_mb
    found["resumed"] = built.resumed
    return found


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
    inbox.mkdir(
        parents=True, exist_ok=True
    )  # the engine may read folders that are there when the lake is opened
    built = Built()
    with (
        Lake.open(path, tenant, create=True, inputs=[inbox], threads=threads) as lake,
        lake.writer(),
        Told(watch or Unwatched(), built) as told,
    ):
        feeds = scene.feeds()
        built.resumed = _same_scene(lake, scene)
        write_truth(path, feeds)
        write_sales(path)
        if not built.resumed:
            told.begin("parties", None)
            load_parties(lake, scene, feeds)
        outcome = run(STAGES, _job(lake, scene, feeds, inbox, told, threads, keep))
    built.seconds |= {stage: round(seconds, 3) for stage, seconds in outcome.wall_seconds.items()}
    return built


def _job(
    lake: Lake, scene: Scene, feeds: Sequence[Feed], inbox: Path, told: Told, threads: int, keep: bool
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
    add, _ = parties.stage(lake, party_tables(inventories, offers(scene.casts)))
    lake.commit({"stage": "parties"}, add=add, facts={FACT: {"arguments": scene.arguments()}})


def write_truth(path: Path, feeds: Sequence[Feed]) -> None:
    """What was made to go wrong, for those who score detectors: ``path/truth/faults.parquet``. Nothing reads it."""
    labels = [feed.fleet.labels().drop_columns(["rows"]) for feed in feeds if feed.fleet.faults]
    if labels:
        (path / "truth").mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.concat_tables(labels), path / "truth" / "faults.parquet")


def write_sales(path: Path) -> None:
    """What the city's sales people may offer next: ``path/sales.yaml``, where ``workbench upsell`` looks for it."""
    kept = path / "sales.yaml"
    if not kept.exists():
        kept.write_bytes((FILES / "sales.yaml").read_bytes())


def forget(path: Path) -> None:
    """Delete the showcase at ``path``, to begin anew; nothing happens when nothing is there.

    Raises:
        UsageError: ``not_a_showcase``: what is there was not made by ``build``, so it is left alone.
        LakeLocked: a run is writing to it.
    """
    if not path.exists():
        return
    with Lake.open(path) as lake, lake.writer():
        if not scene_of(lake):
            raise UsageError(
                "This lake was not made by a demo, so it is not thrown away.",
                where=str(path),
                cure="Delete the folder yourself if you are sure, or use another one.",
                code="not_a_showcase",
            )
    shutil.rmtree(path)


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
        cure="Use the same arguments to go on with it, or another folder; `demo --fresh` begins anew.",
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


def _one_more(told: Told, _: str, result: Result | None) -> None:
    """Another check of the proof is done."""
    if result is not None:
        told.advance(1)


def scene_of(lake: Lake) -> dict[str, Any]:
    """The arguments of the scene a lake holds; empty when it holds none."""
    return dict(lake.facts(FACT).get("arguments", {}))
