"""A period that is still going on: where every customer stands now, from the newest version of a lake that moves.

Whole slots are read as a book, now and then; the slot that is running is read at every step. A step works out as many customers
anew as its time allows, those whose turn it is, so that a small town is worked out whole at every step and a large one goes
round. What stands on the bill is told by whoever keeps it; standings are moved by it, so that pages and bills say the same.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

import numpy as np

from workbench.casework.desk import Desk
from workbench.casework.plans import Used
from workbench.casework.projection import Outlook
from workbench.casework.standing import Asked, Standing, standing
from workbench.casework.upsell import Sales
from workbench.casework.usage import Book, Customer, one_slot
from workbench.lake.lake import Lake
from workbench.model.offer import Catalogue
from workbench.model.plan import Period

READ_SHARE = 0.1
"""At most this share of the time goes into reading the whole slots again."""
_READ_SECONDS = 5.0
_FIRST_CHUNK = 50

Bills = Mapping[tuple[str, str], Fraction]
"""What stands on the bill, by account and offer: exact, main unit."""


@dataclass(frozen=True)
class _Slots:
    """The whole slots ``[start, today)`` of the period, as read at one moment; ``cases``: by which version of the queue."""

    sales: Sales
    start: int
    today: int
    cases: int
    parties: frozenset[str]
    outlooks: dict[str, tuple[Outlook, dict[int, int]]]
    used: dict[int, list[Used]]


class Running:
    """One period of one lake, for one thread.

    Args:
        lake: a reader of its own; whoever calls ``step`` moves it to the newest version before.
        known: the price list and what may be sold next.
    """

    def __init__(self, lake: Lake, known: Catalogue, period: Period, period_name: str, desk: Desk) -> None:
        self.lake, self.desk = lake, desk
        self._asked = (known, period, period_name)
        self._slots: _Slots | None = None
        self._came: tuple[tuple[int, int], Book] | None = None
        self._read_again = 0.0
        self._turn, self._chunk = 0, _FIRST_CHUNK

    @property
    def sales(self) -> Sales | None:
        """The customers, once they were read."""
        return self._slots.sales if self._slots else None

    def step(self, now: datetime, bills: Bills, seconds: float = 0.05) -> list[Standing]:
        """The standings worked out anew: all of them where the time allows, else those whose turn it is.

        Args:
            now: what is known up to when (UTC without zone).
            seconds: about how much of this thread's time it may take, after reading.
        """
        slots = self._whole(now)
        sales = slots.sales
        count = len(sales.book.customers)
        if not count:
            return []
        came = self._slot_now(slots)
        begun = time.thread_time()
        chunk = min(count, self._chunk)
        places = [(self._turn + n) % count for n in range(chunk)]
        self._turn = (self._turn + chunk) % count
        moved = self._moved(slots, came, places, now)
        found = []
        for place in places:
            mine = {
                meter: (outlook, rows[place]) for meter, (outlook, rows) in moved.items() if place in rows
            }
            customer = _with(sales.book.customers[place], came.customers[place] if came else None)
            used = _sum(slots, place, came)
            where = standing(
                Asked(customer, used, mine, sales.period_name, self.lake.tenant, now), sales.kernels
            )
            if where is not None:
                found.append(_on_bill(where, bills.get((where.account, where.current))))
        took = time.thread_time() - begun
        self._chunk = max(1, min(int(chunk * seconds / max(took, 1e-4)) + 1, 2 * chunk))
        return found

    # -- parts -------------------------------------------------------------------------------------------------

    def _whole(self, now: datetime) -> _Slots:
        """The whole slots; read again when one has ended, when cases or parties changed, and for what came late."""
        self.desk.refresh()
        old, cases = self._slots, self.desk.version
        parties = frozenset(
            s.id for kind in ("accounts", "subscriptions", "devices") for s in self.lake.segments(kind)
        )
        if old is not None:
            ended = sum(at + old.sales.step <= now for at in old.sales.book.slots) != old.today
            changed = old.cases != cases or old.parties != parties
            if not ended and not changed and time.monotonic() < self._read_again:
                return old
        begun = time.perf_counter()
        sales = Sales(self.lake, *self._asked, self.desk)
        today = sum(at + sales.step <= now for at in sales.book.slots)
        outlooks = {
            meter: found for meter in sales.book.use if (found := sales.of_group(meter, today)) is not None
        }
        start = sum(at < sales.begin for at in sales.book.slots)
        self._slots = _Slots(sales, start, today, cases, parties, outlooks, {})
        took = time.perf_counter() - begun
        self._read_again = time.monotonic() + max(_READ_SECONDS, took * (1 - READ_SHARE) / READ_SHARE)
        return self._slots

    def _slot_now(self, slots: _Slots) -> Book | None:
        """What came in the running slot; read again only when the lake has moved. None after the period's end."""
        book, stands = slots.sales.book, (self.lake.state.version, id(slots))
        if slots.today >= len(book.slots):
            return None
        if self._came is None or self._came[0] != stands:
            since = book.slots[slots.today]
            self._came = (stands, one_slot(self.lake, book, self.desk.cases(), since, slots.sales.together))
        return self._came[1]

    def _moved(
        self, slots: _Slots, came: Book | None, places: list[int], now: datetime
    ) -> dict[str, tuple[Outlook, dict[int, int]]]:
        """The outlooks of the customers at ``places``, with what came in the running slot."""
        found = {}
        for meter, (outlook, rows) in slots.outlooks.items():
            here = [place for place in places if place in rows]
            if not here:
                continue
            index = np.array([rows[place] for place in here])
            history = slots.sales.book.use[meter][here, : slots.today].sum(axis=1)
            new = came.use[meter][here, 0] if came is not None and meter in came.use else np.zeros(len(here))
            part = slots.sales.part_of_rest(meter, slots.today, now)
            found[meter] = (
                outlook.moved(index, history, new, part),
                {place: n for n, place in enumerate(here)},
            )
        return found


def _sum(slots: _Slots, place: int, came: Book | None) -> list[Used]:
    """A customer's use in the period so far: whole slots, remembered, and the running one."""
    if place not in slots.used:
        slots.used[place] = slots.sales.book.used(place, slots.start, slots.today)
    new = came.used(place, 0, 1) if came is not None and came.slots[0] >= slots.sales.begin else []
    if not new:
        return slots.used[place]
    sums = {(one.device, one.meter, one.dims): one.units for one in slots.used[place]}
    for one in new:
        key = (one.device, one.meter, one.dims)
        sums[key] = sums.get(key, 0) + one.units
    return [Used(*key, units) for key, units in sums.items()]


def _with(customer: Customer, now: Customer | None) -> Customer:
    """A customer with what the running slot says of his meters and of what does not count."""
    if now is None or not (now.meters or now.left_out):
        return customer
    left_out = {
        meter: customer.left_out.get(meter, 0) + now.left_out.get(meter, 0)
        for meter in {*customer.left_out, *now.left_out}
    }
    return replace(customer, meters=customer.meters | now.meters, left_out=left_out)


def _on_bill(where: Standing, bill: Fraction | None) -> Standing:
    """A standing that says what stands on the bill: what is still to come is added to that."""
    if bill is None:
        return where
    more = bill - where.bill
    return replace(where, bill=bill, low=where.low + more, middle=where.middle + more, high=where.high + more)
