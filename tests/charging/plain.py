"""The plain sequential model a node is compared with: dictionaries, fractions, loops, and nothing of the node's code.

It knows one offer (``world.CATALOGUE``): data by three steps, messages by the piece. Money is in nano, as fractions.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from fractions import Fraction

MILLION = 1_000_000
DATA_STEPS = (
    (500, 20_000_000),
    (400, 50_000_000),
    (10**18, 10_000_000),
)  # units in the step, nano per 100 bytes


def data_cost(units: int) -> Fraction:
    """C(units) of the data price, step by step."""
    total = Fraction(0)
    for size, per_100 in DATA_STEPS:
        part = min(units, size)
        total += Fraction(part * per_100, 100)
        units -= part
    return total


@dataclass
class Purse:
    """A bucket of money (``meter`` empty) or of units."""

    name: str
    meter: str
    ends: int
    left: int = 0
    held: int = 0

    def free(self, now: int) -> int:
        return self.left - self.held if now < self.ends else 0


@dataclass
class Session:
    meter: str
    units: int
    ends: int
    rated: int
    purses: list[tuple[Purse, int]]


@dataclass
class Person:
    limit: Fraction
    balance: Fraction = Fraction(0)
    data: int = 0
    purses: list[Purse] = field(default_factory=list)
    backing: dict[str, Fraction] = field(default_factory=dict)
    sessions: dict[int, Session] = field(default_factory=dict)
    opened: int = 0
    charges: dict[str, Fraction] = field(default_factory=dict)
    refunded: dict[str, Fraction] = field(default_factory=dict)

    # -- what is needed and what is there --------------------------------------------------------------------

    def needed(self, more_data: int = 0, more_sms: int = 0) -> Fraction:
        """What all open sessions, and these units more, may still cost."""
        data = more_data + sum(s.rated for s in self.sessions.values() if s.meter == "car.data")
        sms = more_sms + sum(s.rated for s in self.sessions.values() if s.meter == "car.sms")
        return data_cost(self.data + data) - data_cost(self.data) + sms * 50_000_000

    def money_purses(self) -> list[Purse]:
        return sorted((p for p in self.purses if not p.meter), key=lambda p: (p.ends, p.name))

    def own(self) -> Fraction:
        """What of the need the balance itself must back."""
        return self.needed() - sum(self.backing.values(), Fraction(0))

    def available(self, now: int) -> Fraction:
        free = sum(
            (p.left - self.backing.get(p.name, 0) for p in self.money_purses() if now < p.ends), Fraction(0)
        )
        return self.balance + self.limit - self.own() + free

    def back(self, amount: Fraction, now: int) -> None:
        """Let purses back a new need as far as they go; the balance silently backs the rest."""
        for purse in self.money_purses():
            if now < purse.ends:
                part = min(purse.left - self.backing.get(purse.name, Fraction(0)), amount)
                self.backing[purse.name] = self.backing.get(purse.name, Fraction(0)) + part
                amount -= part

    def pay(self, amount: Fraction, own: Fraction, left: Fraction) -> None:
        """Charge; ``own`` is what the balance backed before, ``left`` what is needed afterwards."""
        for purse in self.money_purses():
            part = min(self.backing.get(purse.name, Fraction(0)), amount)
            if part:
                self.backing[purse.name] -= part
                purse.left -= part
                amount -= part
        self.balance -= amount
        own -= amount
        surplus = own + sum(self.backing.values(), Fraction(0)) - left
        surplus -= min(surplus, own)
        for purse in reversed(self.money_purses()):
            part = min(self.backing.get(purse.name, Fraction(0)), surplus)
            if part:
                self.backing[purse.name] -= part
                surplus -= part

    # -- operations ------------------------------------------------------------------------------------------

    def fits(self, meter: str, units: int, now: int) -> bool:
        more = {"more_data": units} if meter == "car.data" else {"more_sms": units}
        extra = self.needed(**more) - self.needed()
        return extra <= self.available(now) or extra == 0

    def split(self, meter: str, units: int, now: int) -> tuple[list[tuple[Purse, int]], int]:
        parts, rest = [], units
        for purse in sorted((p for p in self.purses if p.meter == meter), key=lambda p: (p.ends, p.name)):
            part = min(purse.free(now), rest)
            if part > 0:
                parts.append((purse, part))
                rest -= part
        return parts, rest

    def most(self, meter: str, units: int, now: int) -> int:
        """The largest quantity up to ``units`` that can be granted: one that fits, where one more does not."""
        _, rest = self.split(meter, units, now)
        free = bisect_left(range(1, rest + 1), True, key=lambda n: not self.fits(meter, n, now))
        return units - rest + free

    def reserve(self, meter: str, units: int, now: int, ends: int) -> tuple[str, int]:
        """('', session number) or ('insufficient_balance', most)."""
        parts, rest = self.split(meter, units, now)
        if rest and not self.fits(meter, rest, now):
            return "insufficient_balance", self.most(meter, units, now)
        before = self.needed()
        self.opened += 1
        self.sessions[self.opened] = Session(meter, units, ends, rest, parts)
        for purse, part in parts:
            purse.held += part
        self.back(self.needed() - before, now)
        return "", self.opened

    def end(self, number: int, used: int) -> Fraction:
        """Settle ``used`` units of a session and forget it."""
        own = self.own()
        session = self.sessions.pop(number)
        left = used
        for purse, part in session.purses:
            taken = min(part, left)
            purse.held -= part
            purse.left -= taken
            left -= taken
        if session.meter == "car.data":
            charge = data_cost(self.data + left) - data_cost(self.data)
            self.data += left
        else:
            charge = Fraction(left * 50_000_000)
        self.pay(charge, own, self.needed())
        return charge

    def debit(self, meter: str, units: int, now: int) -> tuple[str, int, Fraction]:
        code, number = self.reserve(meter, units, now, 0)
        if code:
            return code, number, Fraction(0)
        charge = self.end(number, units)
        self.opened -= 1
        return "", 0, charge

    def refund(self, of: str) -> tuple[str, Fraction]:
        if not self.charges.get(of):
            return "unknown_charge", Fraction(0)
        left = self.charges[of] - self.refunded.get(of, Fraction(0))
        if left <= 0:
            return "refund_too_high", Fraction(0)
        self.refunded[of] = self.charges[of]
        self.balance += left
        return "", left
