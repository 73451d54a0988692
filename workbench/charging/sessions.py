"""Use that is wished for, held, settled: the operations that rate."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.charging import funds
from workbench.charging.accounts import AMOUNT_MAX, UNITS_MAX
from workbench.charging.messages import Settle, Wish
from workbench.charging.pricing import Settled, keep, quote, settle
from workbench.charging.refusals import Refused
from workbench.charging.state import NO_EARNED, Account, Bucket, Hold, Reservation
from workbench.charging.tariffs import Tariffs, micros

RESERVATIONS_MAX = 1_000
RATING_GROUP_MAX = 2**32 - 1
"""3GPP's AVP is an unsigned number of 32 bits."""
SECONDS_MAX = 31 * 86_400
EARLY, AHEAD = 32 * 86_400_000_000, 300_000_000
"""How far in the past and in the future an event may lie, in microseconds."""


class Granted:
    """What can be held of a wish: units out of buckets, units to be rated, the money they need."""

    __slots__ = ("from_buckets", "holds", "money", "need", "units")

    def __init__(
        self, units: int, from_buckets: list[tuple[Bucket, int]], holds: list[Hold], need: int, money: int = 0
    ) -> None:
        self.units, self.from_buckets, self.holds, self.need, self.money = (
            units,
            from_buckets,
            holds,
            need,
            money,
        )


def instant_of(ask: Wish, now: int) -> int:
    """When a wish's use happens.

    Raises:
        Refused: ``no_zone``, ``too_early``, ``too_late``.
    """
    if ask.at is None:
        return now
    if ask.at.tzinfo is None:
        raise Refused("no_zone")
    at = micros(ask.at)
    if at < now - EARLY:
        raise Refused("too_early")
    if at > now + AHEAD:
        raise Refused("too_late")
    return at


def bad_group(ask: Wish) -> bool:
    """Whether a wish's rating group is none."""
    return bool(ask.rating_group) and not 0 < ask.rating_group <= RATING_GROUP_MAX


def check_wish(account: Account, ask: Wish, *, any_group: bool = False) -> None:
    """Refuse a wish that no account could be granted.

    Args:
        any_group: an old log is carried out again, from when rating groups were not looked at.

    Raises:
        Refused: ``bad_quantity``, ``bad_amount``, ``bad_rating_group``, ``bad_dimensions``, ``critical_not_allowed``.
    """
    if ask.amount_nano:
        if ask.meter or ask.units:
            raise Refused("bad_quantity")
        if not 0 < ask.amount_nano <= AMOUNT_MAX:
            raise Refused("bad_amount")
    elif not 0 < ask.units <= UNITS_MAX:
        raise Refused("bad_quantity")
    if not any_group and bad_group(ask):
        raise Refused("bad_rating_group")
    if ask.dims and (len(ask.dims) > 16 or any(len(k) > 64 or len(v) > 128 for k, v in ask.dims.items())):
        raise Refused("bad_dimensions")
    if len(ask.device) > 128:
        raise Refused("bad_dimensions")
    if ask.critical and not account.critical:
        raise Refused("critical_not_allowed")


def grant(
    account: Account,
    tariffs: Tariffs,
    meter: str,
    wanted: int,
    at: int,
    now: int,
    *,
    device: str = "",
    dims: Mapping[str, str],
    partial: bool = False,
    critical: bool = False,
) -> Granted:
    """How much of a wish can be had now. Holds nothing.

    Raises:
        Refused: ``insufficient_balance`` with the most that could be had; what ``quote`` refuses.
    """
    has_buckets = bool(account.buckets) or account.pool is not None
    from_buckets = _from_buckets(account, meter, wanted, now) if has_buckets else []
    rest = wanted - sum(part for _, part in from_buckets)
    if not rest:
        return Granted(wanted, from_buckets, [], 0)
    try:
        holds, need = quote(account, tariffs, meter, rest, at, device, dims)
    except Refused as refused:
        if refused.code != "unknown_meter" or next(funds.unit_buckets(account, meter), None) is None:
            raise
        most = wanted - rest
        if partial and most:
            return Granted(most, from_buckets, [], 0)
        raise Refused("insufficient_balance", most) from refused
    spare = funds.available(account, now)
    if need <= spare or need <= 0 or critical:
        return Granted(wanted, from_buckets, holds, need)
    most = _affordable(account, tariffs, meter, rest, at, device, dims, spare)
    if not partial or wanted - rest + most == 0:
        raise Refused("insufficient_balance", wanted - rest + most)
    if most:
        holds, need = quote(account, tariffs, meter, most, at, device, dims)
    else:
        holds, need = [], 0
    return Granted(wanted - rest + most, from_buckets, holds, need)


def grant_money(
    account: Account, scale: int, wanted: int, now: int, *, partial: bool, critical: bool
) -> Granted:
    """The same for an amount in nano-units."""
    spare = funds.available(account, now)
    if wanted * scale <= spare or critical:
        return Granted(wanted, [], [], wanted * scale, wanted * scale)
    most = max(spare // scale, 0)
    if not partial or not most:
        raise Refused("insufficient_balance", most)
    return Granted(most, [], [], most * scale, most * scale)


def _from_buckets(account: Account, meter: str, wanted: int, now: int) -> list[tuple[Bucket, int]]:
    parts = []
    for bucket in funds.unit_buckets(account, meter):
        part = min(bucket.free(now), wanted)
        if part > 0:
            parts.append((bucket, part))
            wanted -= part
            if not wanted:
                break
    return parts


def _affordable(
    account: Account,
    tariffs: Tariffs,
    meter: str,
    wanted: int,
    at: int,
    device: str,
    dims: Mapping[str, str],
    spare: int,
) -> int:
    """The most units, below ``wanted``, whose hold fits into ``spare``: what use costs never falls as it grows."""
    low, high = 0, wanted
    while high - low > 1:
        middle = (low + high) // 2
        if quote(account, tariffs, meter, middle, at, device, dims)[1] <= max(spare, 0):
            low = middle
        else:
            high = middle
    return low


def hold(
    account: Account, granted: Granted, meter: str, at: int, now: int, seconds: int, critical: bool
) -> Reservation:
    """Make a grant a reservation.

    Raises:
        Refused: ``too_many_reservations``, ``bad_seconds``.
    """
    if not 0 < seconds <= SECONDS_MAX:
        raise Refused("bad_seconds")
    if len(account.reservations) >= RESERVATIONS_MAX:
        raise Refused("too_many_reservations")
    account.sequence += 1
    made = Reservation(account.sequence, meter, granted.units, at, now + seconds * 1_000_000)
    attach(account, made, granted, now, critical)
    account.reservations[made.number] = made
    return made


def attach(account: Account, made: Reservation, granted: Granted, now: int, critical: bool) -> None:
    """Take what was granted into a reservation."""
    if granted.need:
        funds.require(account, granted.need, now, allow_debt=critical)
    if granted.holds:
        keep(account, granted.holds)
    for bucket, part in granted.from_buckets:
        bucket.held += part
    made.units, made.holds, made.from_buckets = granted.units, granted.holds, granted.from_buckets
    made.money = granted.money


def finish(account: Account, made: Reservation, used: int) -> Settled:
    """End what a reservation holds: ``used`` of it is charged, the rest is given back. It stays in the account's list.

    Raises:
        Refused: ``more_than_reserved``, ``bad_quantity``.
    """
    if used > made.units:
        raise Refused("more_than_reserved")
    if used < 0:
        raise Refused("bad_quantity")
    left, parts = used, []
    for bucket, part in made.from_buckets:
        taken = min(part, left)
        bucket.held -= part
        bucket.left -= taken
        bucket.used += taken
        left -= taken
        if taken:
            parts.append((bucket.name, taken))
    if made.money:
        found = Settled()
        found.amount = made.money // made.units * used
        found.given_back = made.money
    else:
        found = settle(account, made, left)
    found.parts = parts
    required = account.required - found.given_back
    if found.amount:
        _earn(account, found, funds.pay(account, found.amount))
    account.required = required
    if account.held or account.backing:
        funds.relax(account)
    return found


def earn(account: Account, offer: str, amount: int) -> None:
    """Note for the ledger what an offer brought."""
    if account.earned is NO_EARNED:
        account.earned = {}
    account.earned[offer] = account.earned.get(offer, 0) + amount


def settle_lease(account: Account, tariffs: Tariffs, ask: Settle, at: int, now: int) -> Settled:
    """Charge an event out of a lease: the lease gives up its hold, the event is charged, the rest is held again.

    All that was leased stays covered, because what a counter's holds may cost together does not depend on their order.
    """
    wish = (account, tariffs, ask.meter, ask.units, at, now)
    grant(*wish, device=ask.device, dims=ask.dims, critical=True)  # refuses before anything is changed
    lease = account.reservations.get(ask.reservation)
    rest = max(lease.units - ask.units, 0) if lease is not None else 0
    if lease is not None:
        finish(account, lease, 0)
        lease.units, lease.holds, lease.from_buckets = 0, [], []
    found = grant(*wish, device=ask.device, dims=ask.dims, critical=True)
    made = Reservation(0, ask.meter, ask.units, at, 0)
    made.device, made.dims = ask.device, ask.dims
    attach(account, made, found, now, True)
    settled = finish(account, made, ask.units)
    if lease is not None and rest:
        again = grant(
            account,
            tariffs,
            lease.meter,
            rest,
            lease.at,
            now,
            device=lease.device,
            dims=lease.dims,
            critical=True,
        )
        attach(account, lease, again, now, True)
    return settled


def _earn(account: Account, settled: Settled, given: int) -> None:
    """Note for the ledger what each offer brought; ``given`` of it was promotional money."""
    settled.given = given
    if not settled.rows:
        earn(account, "", settled.amount - given)
    for hold, _, _, _, amount in settled.rows:
        part = min(given, amount)
        given -= part
        earn(account, hold.offer, amount - part)
