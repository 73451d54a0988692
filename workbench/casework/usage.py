"""What customers used, slot by slot, with everything left out that an open case speaks against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from workbench.casework.case import RANDOM_CHECK, Case
from workbench.casework.plans import Used
from workbench.insight.arrays import Array
from workbench.lake.engine import arrow
from workbench.lake.lake import Lake
from workbench.lake.sql import name

_QUARTER = "INTERVAL 15 MINUTE"
_ONE = "''"
_NOT_DIMS = {
    "device_key",
    "window_start",
    "units",
    "reading",
    "n_events",
    "n_duplicates",
    "first_at",
    "last_at",
    "fingerprint",
}


@dataclass
class Customer:
    """One account under one offer.

    Attributes:
        devices: its device ids. meters: streams its devices used, billed or not.
        left_out: units of open cases, by meter, that count for nothing here.
    """

    account: str
    name: str
    owner: str
    offer: str
    devices: set[str] = field(default_factory=set)
    meters: set[str] = field(default_factory=set)
    left_out: dict[str, int] = field(default_factory=lambda: defaultdict(int))


@dataclass
class Book:
    """Everybody's use.

    Attributes:
        customers: in a fixed order. slots: their starts, ascending, all of one length ``step``.
        use: meter -> customers x slots, in base units, open cases left out.
        parts: per customer, rows of (slot, device, meter, dims, units): what a bill is reckoned from.
        places: device_id and the place of its customer.
    """

    customers: list[Customer]
    slots: list[datetime]
    step: timedelta
    use: dict[str, Array]
    parts: list[list[tuple[int, Used]]]
    places: pa.Table

    def used(self, customer: int, first: int, last: int) -> list[Used]:
        """A customer's use by device, meter and dimensions in slots ``[first, last)``."""
        sums: dict[tuple[str, str, tuple[tuple[str, str], ...]], int] = defaultdict(int)
        for slot, one in self.parts[customer]:
            if first <= slot < last:
                sums[(one.device, one.meter, one.dims)] += one.units
        return [Used(*key, units) for key, units in sums.items()]


def open_episodes(cases: Iterable[Case]) -> list[tuple[str, datetime, datetime]]:
    """(device, since, until) of every case that is not closed: suspicion is enough not to sell on it."""
    return [
        (device, case.since, case.until)
        for case in cases
        if not case.closed and case.kind != RANDOM_CHECK
        for device in case.devices
    ]


def book_of(
    lake: Lake,
    cases: Iterable[Case],
    begin: datetime,
    end: datetime,
    step: timedelta,
    together: frozenset[str] = frozenset(),
) -> Book:
    """Read everybody's records from ``begin`` to ``end``.

    Args:
        begin, end: UTC without zone. step: an hour or a day.
        together: meters whose price is the same whatever device used them: a customer's devices are read as one, so that
            200,000 lamps are as many rows as they have customers.
    """
    customers: dict[tuple[str, str], int] = {}
    found: list[Customer] = []
    owners: dict[str, int] = {}
    for device, account, said, owner, offer in _subscribed(lake, begin, end):
        key = (account, offer)
        if key not in customers:
            customers[key] = len(found)
            found.append(Customer(account, said, owner, offer))
        owners[device] = customers[key]
        found[customers[key]].devices.add(device)
    slots = [begin + n * step for n in range(max(1, -(-(end - begin) // step)))]
    places = pa.table({"device_id": list(owners), "place": pa.array(list(owners.values()), pa.int32())})
    book = Book(found, slots, step, {}, [[] for _ in found], places)
    _read_all(lake, book, cases, together)
    return book


def one_slot(
    lake: Lake, book: Book, cases: Iterable[Case], since: datetime, together: frozenset[str] = frozenset()
) -> Book:
    """What a book's customers used in the slot that begins at ``since``, as a book of that slot: cheap, so asked often."""
    customers = [replace(one, meters=set(), left_out=defaultdict(int)) for one in book.customers]
    found = Book(customers, [since], book.step, {}, [[] for _ in customers], book.places)
    _read_all(lake, found, cases, together)
    return found


def _read_all(lake: Lake, book: Book, cases: Iterable[Case], together: frozenset[str]) -> None:
    episodes = open_episodes(cases)
    for stream in sorted({segment.stream for segment in lake.segments("records")}):
        _read(lake, stream, book, episodes, stream in together)


def _subscribed(lake: Lake, begin: datetime, end: datetime) -> list[tuple[str, str, str, str, str]]:
    if not lake.segments("subscriptions"):
        return []
    return lake.con.execute(
        f"SELECT s.device_id, s.account_id, coalesce(a.name, s.account_id), coalesce(a.owner, ''), s.offer_id "
        f"FROM {lake.scan('subscriptions')} s JOIN {lake.scan('accounts')} a USING (account_id) WHERE s.device_id IS NOT NULL "
        "AND s.starts_at < $1 AND coalesce(s.ends_at, TIMESTAMP '2260-01-01') > $2 AND s.sim_state = 'active' ORDER BY ALL",
        [end, begin],
    ).fetchall()


def _read(
    lake: Lake,
    stream: str,
    book: Book,
    episodes: list[tuple[str, datetime, datetime]],
    together: bool,
) -> None:
    begin, end = book.slots[0], book.slots[-1] + book.step
    first, last = (f"{at:%Y-%m-%dT%H}" for at in (begin, end))
    within = [
        segment
        for segment in lake.segments("records", stream=stream)
        if first[: len(segment.partition)] <= segment.partition <= last
    ]
    if not within:
        book.use[stream] = np.zeros((len(book.customers), len(book.slots)))
        return
    records = lake.scan("records", segments=within)
    types = lake.con.execute(f"DESCRIBE SELECT * FROM {records} LIMIT 0").fetchall()
    dims = [row[0] for row in types if row[1] == "VARCHAR" and row[0] not in _NOT_DIMS]
    by = "".join(f", r.{name(dim)}" for dim in dims)
    seconds = int(book.step.total_seconds())
    table = pa.table(
        {
            "device_id": pa.array([row[0] for row in episodes], pa.string()),
            "since": pa.array([row[1] for row in episodes], pa.timestamp("us")),
            "until": pa.array([row[2] for row in episodes], pa.timestamp("us")),
        }
    )
    cursor = lake.con.cursor()
    try:
        cursor.register("open_episodes", table)
        cursor.register("owners", book.places)
        rows = arrow(
            cursor,
            f"SELECT o.place, {_ONE if together else 'd.device_id'} AS device_id, "
            f"(epoch(r.window_start) - epoch(TIMESTAMP '{begin}'))::BIGINT // {seconds} AS slot, "
            f"EXISTS (SELECT 1 FROM open_episodes e WHERE e.device_id = d.device_id AND r.window_start BETWEEN e.since - {_QUARTER} "
            f"AND e.until) AS doubted, sum(r.units)::BIGINT AS units{by} FROM {records} r "
            f"JOIN {lake.scan('devices')} d USING (device_key) JOIN owners o USING (device_id) "
            f"WHERE r.window_start >= TIMESTAMP '{begin}' AND r.window_start < TIMESTAMP '{end}' "
            "AND r.units > 0 GROUP BY ALL ORDER BY ALL",
        ).to_pylist()
    finally:
        cursor.close()
    use = np.zeros((len(book.customers), len(book.slots)))
    for row in rows:
        place, units = row["place"], int(row["units"])
        customer = book.customers[place]
        customer.meters.add(stream)
        if row["doubted"]:
            customer.left_out[stream] += units
            continue
        said = tuple((dim, str(row[dim])) for dim in dims if row[dim] is not None)
        book.parts[place].append((int(row["slot"]), Used(row["device_id"], stream, said, units)))
        use[place, int(row["slot"])] += units
    book.use[stream] = use
