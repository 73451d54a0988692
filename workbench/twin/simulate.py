"""``simulate``: production and every scenario on the same traffic, on a branch, by the production path.

    open a branch at the lake's version -> reopen the period -> for each traffic: parties, plans, records ->
    rate production once -> rate each candidate -> take the difference apart

Nothing is mediated again: records are reused, and where prices allow it they are folded first (``depth="total"``), so
that twenty scenarios cost little more than one. A scenario that cannot be tried says why; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from workbench.errors import ScenarioError, UsageError
from workbench.lake.lake import Lake
from workbench.lake.open import OpenLake
from workbench.model.offer import Catalogue
from workbench.pipeline import Unwatched, Watch
from workbench.twin import past, stage
from workbench.twin.beside import bring
from workbench.twin.run import Run
from workbench.twin.scenario import Scenario
from workbench.twin.scenario_file import load as load_scenarios
from workbench.twin.simulation import Simulation

DEPTHS = ("auto", "record", "total")


def simulate(
    lake: Lake | OpenLake | str | Path,
    scenarios: Scenario | str | Path | Iterable[Scenario | str | Path],
    *,
    catalogue: Catalogue | str | Path | None = None,
    period: str = "",
    depth: str = "auto",
    tenant: str = "main",
    threads: int = 2,
    keep: str = "",
    beside: Iterable[str | Path] = (),
    watch: Watch | None = None,
) -> Simulation:
    """Try scenarios on the traffic of a lake.

    Args:
        lake: an opened lake, or its folder. The version it shows is what is looked at, whatever is written meanwhile.
        scenarios: scenarios, or paths of scenario files; a file with a grid is one scenario per combination.
        catalogue: production's prices; left out: those the period was rated by, as the lake remembers them.
        period: as the lake names it (``2026-03-01/2026-04-01``); left out: the newest rated one.
        depth: ``record`` rates every record; ``total`` folds records between instants at which prices change: the same
            exact amounts per account and rule, in a fraction of the time; ``auto`` chooses by size.
        keep: leave the branch in the lake under this name.
        beside: folders of other lakes (a simulated fleet's) whose use of the same period is tried along with this
            lake's; see ``twin/beside.py``. "Now" is then what production's prices make of both.

    Returns: the simulation; it holds the branch until it is closed.

    Raises:
        ScenarioError, UsageError, LakeError: nothing could be tried at all.
    """
    if depth not in DEPTHS:
        raise UsageError(
            f"There is no depth {depth!r}.", cure=f"Choose from {', '.join(DEPTHS)}.", code="twin_depth"
        )
    asked = list(_all(scenarios))
    if not asked:
        raise ScenarioError("There is no scenario to try.", cure="Pass at least one.", code="scenario_none")
    root, tenant, version = _place(lake, tenant)
    with Lake.open(root, tenant, version=version) as base:
        seen = past.look(base, period or next((s.period for s in asked if s.period), ""), catalogue)
        name = keep or stage.branch_name()
        base.branch(name).close()
    branch = Lake.open(root, tenant, branch=name, threads=threads)
    run = Run(branch, seen, depth, watch or Unwatched())
    try:
        with branch.writer():
            for folder in beside:
                count = bring(branch, folder, seen.period, tenant)
                run.notes.append(
                    f"{count:,} records of {Path(folder).name} are tried along with this lake's."
                )
            run.all(asked)
        _note_others(run, root, tenant)
    except BaseException:
        _drop(branch, root, tenant, keep="")
        raise
    return Simulation(
        branch, seen.period, seen.version, run.depth, run.cells, _dropper(branch, root, tenant, keep), run.notes,
        run.seconds,
    )  # fmt: skip


def _note_others(run: Run, root: Path, tenant: str) -> None:
    """Say so when the lake was written to meanwhile: what was looked at is one version, whole, and stays that."""
    with Lake.open(root, tenant) as now:
        newest = now.state.version
    if newest != run.seen.version:
        run.notes.append(
            f"The lake has been written to: it is at version {newest}, this looks at version {run.seen.version}. "
            "Run it again to see the newest."
        )


def _all(given: object) -> Iterable[Scenario]:
    if isinstance(given, Scenario):
        yield given
    elif isinstance(given, str | Path):
        yield from load_scenarios(given)
    elif isinstance(given, Iterable):
        for item in given:
            yield from _all(item)
    else:
        raise UsageError(
            f"{str(given)[:40]!r} is no scenario.", cure="Pass a Scenario or the path of a file."
        )


def _place(lake: Lake | OpenLake | str | Path, tenant: str) -> tuple[Path, str, int | None]:
    inner = lake.inner if isinstance(lake, OpenLake) else lake
    if isinstance(inner, Lake):
        return inner.root.parent, inner.tenant, inner.state.version
    return Path(inner), tenant, None


def _dropper(branch: Lake, root: Path, tenant: str, keep: str) -> Callable[[], None]:
    return lambda: _drop(branch, root, tenant, keep)


def _drop(branch: Lake, root: Path, tenant: str, keep: str) -> None:
    name = branch.branch_name
    branch.close()
    if not keep:
        with Lake.open(root, tenant) as lake:
            lake.drop_branch(name)
