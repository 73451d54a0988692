"""``verify(lake)``: put every promise to the test and report, whatever is found."""

from __future__ import annotations

from collections.abc import Callable, Collection

from workbench.errors import ManifestDamaged, UsageError
from workbench.lake.lake import Lake
from workbench.model.offer import Catalogue
from workbench.verify.checks import CHECKS
from workbench.verify.context import Context
from workbench.verify.report import FAILS, CounterExample, Report, Result

SAMPLE = 200
"""Devices of each stream that are looked at unless everything is."""


def verify(
    lake: Lake,
    *,
    full: bool = False,
    sample: int = SAMPLE,
    seed: int = 1,
    only: Collection[str] = (),
    catalogue: Catalogue | None = None,
    progress: Callable[[str, Result | None], None] | None = None,
) -> Report:
    """Prove a lake.

    Files, counts, sums, documents and the ledger are always checked whole. Folding events again and rating again
    cost as much as the run itself: they look at a sample of devices and accounts, or with ``full`` at all.

    Args:
        lake: at the version to prove; nothing is written.
        sample: devices of each stream to look at.
        seed: draws the sample.
        only: names of checks; empty for all.
        catalogue: the catalogue the periods were rated by; by default the one the lake remembers.
        progress: called with a check's name before it runs, and again with its result.

    Raises:
        UsageError: ``only`` names a check there is not.
    """
    unknown = set(only) - {check.name for check in CHECKS}
    if unknown:
        raise UsageError(
            f"There is no check {sorted(unknown)[0]!r}.", cure=f"Checks: {', '.join(c.name for c in CHECKS)}."
        )
    context = Context(lake, full, sample, seed, given_catalogue=catalogue)
    results = []
    for check in CHECKS:
        if only and check.name not in only:
            continue
        if progress:
            progress(check.name, None)
        result = check.answer(context)
        results.append(result)
        if progress:
            progress(check.name, result)
    return Report(str(lake.root), lake.tenant, lake.state.version, full, sample, seed, tuple(results))


def unopened(path: str, tenant: str, error: ManifestDamaged, *, full: bool, sample: int, seed: int) -> Report:
    """The report on a lake that cannot even be opened: its chain does not hold, and nothing else can be asked."""
    chain = next(check for check in CHECKS if check.name == "manifest_chain")
    wrong = CounterExample(error.what, segment=error.where)
    result = Result(chain.name, chain.invariants, chain.sentence, FAILS, {}, wrong, 0.0)
    return Report(path, tenant, 0, full, sample, seed, (result,))
