"""What a node remembers of an account. Mutable and small: a node holds a million of these.

All money is an integer of nano-units over the node's denominator (``Node.scale``).
"""

from __future__ import annotations

from collections.abc import Iterable

from workbench.rating.online import CounterKey, Counters, Price

NEVER = 2**62
"""An instant in microseconds that does not come."""


class Bucket:
    """Money or units set aside: used before the balance, in the order of (priority, expiry, name).

    ``left`` includes what reservations hold of it (``held``); from ``expires_at`` on only they may still use it.
    ``meter`` is empty for money. ``size`` is what went in, so that a part used has a percentage.
    """

    __slots__ = ("expires_at", "held", "left", "meter", "name", "priority", "promotional", "size", "used")

    def __init__(
        self, name: str, meter: str, priority: int = 0, expires_at: int = NEVER, promotional: bool = False
    ) -> None:
        self.name, self.meter, self.priority = name, meter, priority
        self.expires_at, self.promotional = expires_at, promotional
        self.left = self.held = self.size = self.used = 0

    @property
    def order(self) -> tuple[int, int, str]:
        """Lower priority number, then earliest expiry, then name."""
        return self.priority, self.expires_at, self.name

    def free(self, now: int) -> int:
        """What is neither held nor expired."""
        return self.left - self.held if now < self.expires_at else 0


class Pool:
    """Buckets that several accounts use. All its members live on one node."""

    __slots__ = ("buckets", "currency", "members", "name")

    def __init__(self, name: str, currency: str) -> None:
        self.name, self.currency = name, currency
        self.buckets: list[Bucket] = []
        self.members = 0


class Hold:
    """What a reservation holds under one price, found by ``offer``, ``start`` of the period, component and rate.

    Plain prices hold ``money``; others hold ``measured`` units of a counter, whose holds are priced together.
    ``factor`` raises the price's denominator to the node's.
    """

    __slots__ = ("factor", "index", "key", "measured", "money", "offer", "price", "start")

    def __init__(
        self,
        offer: str,
        start: int,
        price: Price,
        index: int,
        key: CounterKey,
        measured: int,
        money: int,
        factor: int,
    ) -> None:
        self.offer, self.start, self.price, self.index = offer, start, price, index
        self.key, self.measured, self.money, self.factor = key, measured, money, factor


class Reservation:
    """A session's hold: ends exactly once, by commit, release or expiry.

    ``units`` is what was granted: ``from_buckets`` of it comes out of unit buckets, the rest is rated. ``at`` is the
    instant it is rated at, in microseconds.
    """

    __slots__ = (
        "at", "critical", "device", "dims", "expires_at", "from_buckets", "holds", "meter", "money", "number",
        "rating_group", "units",
    )  # fmt: skip

    def __init__(self, number: int, meter: str, units: int, at: int, expires_at: int) -> None:
        self.number, self.meter, self.units, self.at, self.expires_at = number, meter, units, at, expires_at
        self.device, self.dims, self.critical, self.rating_group = "", NO_DIMS, False, 0
        self.money = 0
        self.holds: list[Hold] = []
        self.from_buckets: list[tuple[Bucket, int]] = []


NO_DIMS: dict[str, str] = {}


class Used:
    """An account's counters under one offer in one billing period, and the units held on them."""

    __slots__ = ("counters", "held")

    def __init__(self) -> None:
        self.counters: Counters = {}
        self.held: Counters = {}


class Account:
    """One account. ``balance`` may be negative down to ``-limit``; ``required`` is what its reservations may still cost.

    ``earned`` is what charges came to so far, by offer, less refunds and what promotional money covered; ``paid_in``
    what was paid; both serve the ledger only. ``held`` is the part of ``required`` that the balance backs, ``backing``
    the part that money buckets back. ``came`` says which node handed it over, and at which of that node's requests.
    """

    __slots__ = (
        "at_limit", "backing", "balance", "buckets", "came", "critical", "currency", "devices", "earned", "features",
        "fired", "held", "id", "limit", "low", "offers", "paid_in", "pool", "refunded", "required", "reservations", "sequence",
        "tenant", "usage_percent", "used",
    )  # fmt: skip

    def __init__(self, tenant: str, name: str, currency: str) -> None:
        self.tenant, self.id, self.currency = tenant, name, currency
        self.balance = self.limit = self.held = self.required = self.paid_in = self.sequence = 0
        self.offers: tuple[str, ...] = ()
        self.devices, self.critical, self.at_limit = 1, False, "cut_off"
        self.low: tuple[int, ...] = ()
        self.usage_percent: tuple[int, ...] = ()
        self.pool: Pool | None = None
        self.buckets: list[Bucket] = NO_BUCKETS
        self.backing: dict[Bucket, int] = NO_BACKING
        self.reservations: dict[int, Reservation] = {}
        self.used: dict[tuple[str, int], Used] = {}
        self.features: dict[str, int] = NO_FEATURES
        self.refunded: dict[str, int] = NO_REFUNDS
        self.fired: set[str] = NO_FIRED
        self.earned: dict[str, int] = NO_EARNED
        self.came: tuple[str, int] | None = None


# Empty collections that all accounts share until they need their own: a hundred thousand dictionaries are 6 MB.
NO_BUCKETS: list[Bucket] = []
NO_BACKING: dict[Bucket, int] = {}
NO_FEATURES: dict[str, int] = {}
NO_REFUNDS: dict[str, int] = {}
NO_FIRED: set[str] = set()
NO_EARNED: dict[str, int] = {}


def rescale(accounts: Iterable[Account], pools: Iterable[Pool], ratio: int) -> None:
    """Raise the denominator of all money, because a new catalogue needs a finer one; no amount changes."""
    for account in accounts:
        for name in ("balance", "limit", "held", "required", "paid_in"):
            setattr(account, name, getattr(account, name) * ratio)
        account.backing = {b: part * ratio for b, part in account.backing.items()} or NO_BACKING
        account.refunded = {of: part * ratio for of, part in account.refunded.items()} or NO_REFUNDS
        account.earned = {offer: part * ratio for offer, part in account.earned.items()} or NO_EARNED
        _rescale_buckets(account.buckets, ratio)
        for made in account.reservations.values():
            made.money *= ratio
            for hold in made.holds:
                hold.money *= ratio
                hold.factor *= ratio
    for pool in pools:
        _rescale_buckets(pool.buckets, ratio)


def _rescale_buckets(buckets: Iterable[Bucket], ratio: int) -> None:
    for bucket in buckets:
        if not bucket.meter:
            for name in ("left", "held", "size", "used"):
                setattr(bucket, name, getattr(bucket, name) * ratio)
