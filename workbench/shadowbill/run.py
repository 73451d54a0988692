"""``shadow``: a file of usage records to a bill, by the same stages that bill in production.

    propose or read a mapping -> choose an offer -> land, mediate -> parties -> rate and settle, month by month -> read

There is no other path: the lake it makes is an ordinary lake (``keep=`` leaves it for ``workbench verify``).
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from collections.abc import Mapping as MappingType
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.clock import Clock, SystemClock
from workbench.errors import UsageError
from workbench.lake import devices, parties
from workbench.lake.engine import one
from workbench.lake.lake import Lake
from workbench.mediation.delivery import Delivery
from workbench.mediation.mapping import Field, Mapping
from workbench.mediation.mapping_file import load_mapping
from workbench.mediation.policy import AcceptWindow, Policy, StreamPolicy
from workbench.mediation.propose import ProposedMapping, propose
from workbench.mediation.yamltree import did_you_mean
from workbench.model.offer import Catalogue, Offer
from workbench.model.plan import Period
from workbench.pipeline import Job, Unwatched, Watch, land, mediate, rate, run, settle
from workbench.shadowbill import offers, read
from workbench.shadowbill.bill import ShadowBill
from workbench.shadowbill.billed import read_billed
from workbench.shadowbill.tables import as_file
from workbench.tariff.calendar import local_day, period_at

_EVER = timedelta(days=36_500)
_PAYS = "shadow_account"
_EVERYONE = "shadow"
_MOST_PERIODS = 400


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file, what its columns mean, and the offer it will be priced with."""

    file: Path
    mapping: Mapping
    catalogue: Catalogue
    offer: Offer
    account: str = ""
    proposal: ProposedMapping | None = None


def shadow(
    usage: Any,
    offer: str | Path | Catalogue | None = None,
    billed: Any = None,
    *,
    mapping: str | Path | Mapping | None = None,
    params: MappingType[str, str] | None = None,
    account: str = "",
    billed_amount: str = "",
    keep: str | Path | None = None,
    threads: int = 2,
    watch: Watch | None = None,
    clock: Clock | None = None,
) -> ShadowBill:
    """Bill usage records of your own, and compare with what was billed for them.

    Args:
        usage: CSV, NDJSON, Parquet, SenML or CloudEvents by path; a pandas DataFrame; an Arrow table.
        offer: a catalogue, or the path of one (``FILE`` or ``FILE#offer-id``); left out: a starter offer.
        billed: what the old system billed, by device or account: a path or a table.
        mapping: what the columns mean: a ``Mapping`` or the path of a mapping file; left out: proposed.
        params: values for the mapping's parameters.
        account: the column that says who pays; left out: the proposal's, else everybody is one account.
        billed_amount: the amount's column of ``billed``; left out: found by its name.
        keep: leave the lake in this folder, for ``workbench verify`` and everything else.

    Returns: the bill; in a notebook it shows itself.

    Raises:
        FileUnreadable, MappingError, CatalogueError, UsageError: something cannot be used; nothing is left behind.

    >>> bill = shadow("cdr.csv", "offers.yaml", billed="old.csv")      # doctest: +SKIP
    """
    with tempfile.TemporaryDirectory(prefix="workbench-shadow-") as folder:
        work = Path(folder)
        prepared = prepare(
            as_file(usage, work, "usage"), offer, mapping=mapping, params=params, account=account
        )
        paid = as_file(billed, work, "billed") if billed is not None else None
        lake_at = Path(keep) if keep is not None else work / "lake"
        return bill_of(prepared, lake_at, work, paid, billed_amount, threads, watch, clock or SystemClock())


def prepare(
    file: Path,
    offer: str | Path | Catalogue | None = None,
    *,
    mapping: str | Path | Mapping | None = None,
    params: MappingType[str, str] | None = None,
    account: str = "",
) -> Prepared:
    """Find out what a file's columns mean and what to price them with; reads its first rows only."""
    proposal = None
    if mapping is None:
        known = offers.chosen(offer, None) if offer is not None else None
        proposal = propose(file, _priced(*known) if known else ())
        said = proposal.mapping
        account = account or proposal.account_column or ""
    else:
        said = mapping if isinstance(mapping, Mapping) else load_mapping(mapping, params)
    catalogue, picked = offers.chosen(offer, said)
    _check_priced(picked, said)
    return Prepared(file, said, catalogue, picked, account, proposal)


def bill_of(
    prepared: Prepared,
    lake_at: Path,
    work: Path,
    billed: Path | None = None,
    billed_amount: str = "",
    threads: int = 2,
    watch: Watch | None = None,
    clock: Clock | None = None,
) -> ShadowBill:
    """Run the main path on a prepared file in a new lake at ``lake_at``, and read the bill."""
    clock = clock or SystemClock()
    with _new_lake(lake_at, prepared.file, threads) as lake:
        job = Job(
            lake=lake,
            source=[Delivery(prepared.file, _with_account(prepared), clock.now())],
            policy=_policy(prepared),
            catalogue=None,
            period=None,
            clock=clock,
            watch=watch or Unwatched(),
            workers=threads,
            run={"command": "shadow"},
        )
        outcome = run((land, mediate), job)
        seconds = dict(outcome.wall_seconds)
        covered = _covered(lake)
        periods: list[Period] = []
        if covered is not None:
            job.catalogue, offer = offers.since(
                prepared.catalogue, prepared.offer, local_day(covered[0], "UTC")
            )
            _subscribe(lake, offer, covered, bool(prepared.account))
            periods = _periods(offer, covered)
            # One bar for all periods: two years of months would be 48 of them.
            seen, job.watch = job.watch, Unwatched()
            seen.begin("rate", len(periods))
            for job.period in periods:
                for stage, taken in run((rate, settle), job).wall_seconds.items():
                    seconds[stage] = seconds.get(stage, 0.0) + taken
                seen.advance(1)
        bill = read.bill(lake, prepared, periods, outcome.counts, seconds)
    if billed is not None:
        known = {"device": bill.devices, "account": bill.accounts if prepared.account else ()}
        bill = bill.against(read_billed(billed, work, known, billed_amount))
    return bill


def _priced(catalogue: Catalogue, offer: Offer) -> list[Any]:
    wanted = dict.fromkeys(component.meter for component in offer.components)
    return [catalogue.meter(meter) for meter in wanted]


def _check_priced(offer: Offer, mapping: Mapping) -> None:
    meters = sorted({component.meter for component in offer.components})
    shared = set(meters) & set(mapping.streams)
    if meters and not shared:
        streams = ", ".join(mapping.streams)
        raise UsageError(
            f"Offer {offer.id} prices {', '.join(meters)}, and the file has {streams}.",
            where=mapping.file,
            cure=f"Call the mapping's source and meter as the offer does: {did_you_mean(streams, meters, 'it has')}",
            code="shadow_meters",
        )


@contextmanager
def _new_lake(path: Path, file: Path, threads: int) -> Iterator[Lake]:
    with Lake.open(path, create=True, inputs=[file], threads=threads) as lake, lake.writer():
        if lake.state.version:
            cure = "Name another folder: a shadow bill makes a lake of its own."
            raise UsageError("There is a lake already.", where=str(path), cure=cure, code="lake_not_empty")
        yield lake


def _with_account(prepared: Prepared) -> Mapping:
    """The mapping, with the paying account carried on every event."""
    if not prepared.account:
        return prepared.mapping
    field = Field(_PAYS, prepared.account)
    return dataclasses.replace(prepared.mapping, samples=(*prepared.mapping.samples, field))


def _policy(prepared: Prepared) -> Policy:
    """Any age is taken: the file is a recording. The grid is as fine as the offer's counters need."""
    kinds = {component.counter_period for component in prepared.offer.components}
    grid = timedelta(minutes=1 if "minute" in kinds else 5 if _has_p95(prepared.offer) else 15)
    carried = {item.name for item in prepared.mapping.dimensions}
    streams = {}
    for meter in _priced(prepared.catalogue, prepared.offer):
        dimensions = tuple(name for name in meter.dimensions if name in carried)
        streams[meter.id] = StreamPolicy(grid=grid, partition="month", dimensions=dimensions)
    return Policy(
        default=StreamPolicy(grid=grid, partition="month"),
        streams=streams,
        dedup_horizon=2 * _EVER,
        late_horizon=_EVER,
        correction_window=timedelta(),
        accept=AcceptWindow(None, None),
        file="shadow bill",
    )


def _has_p95(offer: Offer) -> bool:
    return any(component.fold == "p95" for component in offer.components)


def _covered(lake: Lake) -> tuple[datetime, datetime] | None:
    """The first and the last window with usage."""
    found = one(lake.con, f"SELECT min(window_start), max(window_start) FROM {lake.scan('records')}")
    if found is None or found[0] is None:
        return None
    return found[0].replace(tzinfo=UTC), found[1].replace(tzinfo=UTC)


def _subscribe(lake: Lake, offer: Offer, covered: tuple[datetime, datetime], with_account: bool) -> None:
    """Every device takes the offer for the days the file covers; fees are due for these days and no others."""
    ids = devices.registry(lake)["device_id"].to_pylist()
    pays = _payers(lake) if with_account else {}
    accounts = sorted({pays.get(device) or _EVERYONE for device in ids})
    begins = period_at(covered[0], offer.zone, "day").start.replace(tzinfo=None)
    ends = period_at(covered[1], offer.zone, "day").end.replace(tzinfo=None)
    count = len(ids)
    tables = {
        "accounts": pa.table(
            {
                "account_id": accounts,
                "name": accounts,
                "currency": [offer.currency] * len(accounts),
                "zone": [offer.zone] * len(accounts),
            }
        ),
        "partners": pa.table({"partner_id": _partners(offer), "name": _partners(offer)}),
        "subscriptions": pa.table(
            {
                "subscription_id": [f"shadow-{number:07}" for number in range(1, count + 1)],
                "account_id": [pays.get(device) or _EVERYONE for device in ids],
                "device_id": ids,
                "offer_id": [offer.id] * count,
                "starts_at": pa.array([begins] * count, pa.timestamp("us")),
                "ends_at": pa.array([ends] * count, pa.timestamp("us")),
                "sim_state": ["active"] * count,
            }
        ),
    }
    parties.replace(lake, tables, {"stage": "parties", "command": "shadow"})


def _partners(offer: Offer) -> list[str]:
    split = offer.split
    named = [rule.partner for rule in split.rules] + ([split.rest] if split.rest else []) if split else []
    return sorted(set(named))


def _payers(lake: Lake) -> dict[str, str]:
    """Who pays for a device: the account on its last event."""
    streams = sorted({segment.stream for segment in lake.segments("landed")})
    parts = (
        f"SELECT device_key, {_PAYS}, ends_at FROM {lake.scan('landed', stream=stream)}" for stream in streams
    )
    rows = lake.con.execute(
        f"SELECT device_id, arg_max({_PAYS}, (ends_at, {_PAYS})) FROM ({' UNION ALL '.join(parts)}) "
        f"JOIN {lake.scan('devices')} USING (device_key) GROUP BY device_id"
    ).fetchall()
    return {device: account for device, account in rows if account}


def _periods(offer: Offer, covered: tuple[datetime, datetime]) -> list[Period]:
    """The billing periods of the offer that the file touches."""
    found = [period_at(covered[0], offer.zone, offer.period)]
    while found[-1].end <= covered[1] and len(found) < _MOST_PERIODS:
        found.append(period_at(found[-1].end, offer.zone, offer.period))
    return found
