"""Any sequence of requests: the node answers what the plain model says, and never falls below a limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.charging.plain import Person, Purse
from tests.charging.world import SECOND, T0, ask, open_node
from workbench.charging import accounts, funds, node, pricing, sessions
from workbench.charging.messages import (
    Answer,
    Authorize,
    Balance,
    Command,
    Commit,
    Debit,
    Refund,
    Release,
    Reserve,
    TopUp,
    Update,
    encode,
)
from workbench.charging.tariffs import instant

NAMES = ("a", "b")
names = st.sampled_from(NAMES)
meters = st.sampled_from(("car.data", "car.data", "car.sms"))
units = st.one_of(st.integers(1, 40), st.integers(1, 1200))


class Machine(RuleBasedStateMachine):
    """A node and the model side by side, with a clock that only moves when a rule says so."""

    @initialize(limit=st.sampled_from((0, 0, 200_000_000)), money=st.sampled_from((200, 900)))
    def start(self, limit: int, money: int) -> None:
        self.node = open_node(*NAMES, balance=money * 1_000_000, credit_limit_nano=limit)
        self.people = {name: Person(Fraction(limit), Fraction(money * 1_000_000)) for name in NAMES}
        self.now, self.asked = T0, 0
        self.said: list[tuple[bytes, bytes]] = []

    def sessions(self, *, due: bool | None = None) -> list[tuple[str, int]]:
        """Open sessions as (account, number); only those whose time ran out, or did not, when that is asked."""
        return [
            (name, number)
            for name, person in self.people.items()
            for number, session in person.sessions.items()
            if due is None or (session.ends <= self.now) == due
        ]

    def id(self) -> str:
        self.asked += 1
        return f"q{self.asked}"

    def ask(self, message: Command) -> Answer:
        body = encode(message)
        answer = ask(self.node, message, self.now)
        self.said.append((body, self.node.handle(body, self.now).answer))
        return answer

    def same(self, answer: Answer, name: str) -> None:
        """The account as answered is the account as modelled."""
        person, scale = self.people[name], answer.denominator
        assert Fraction(answer.balance, scale) == person.balance
        assert Fraction(answer.held, scale) == person.needed()
        assert Fraction(answer.available, scale) == person.available(self.now)

    @precondition(
        lambda self: any(person.available(self.now) < 100_000_000 for person in self.people.values())
    )
    @rule(name=names, amount=st.integers(1, 300))
    def topup(self, name: str, amount: int) -> None:
        answer = self.ask(TopUp(account=name, id=self.id(), amount_nano=amount * 1_000_000))
        self.people[name].balance += amount * 1_000_000
        assert answer.ok
        self.same(answer, name)

    @rule(
        name=names,
        amount=st.integers(1, 200),
        meter=st.sampled_from(("", "car.data")),
        seconds=st.integers(1, 40),
    )
    def bucket(self, name: str, amount: int, meter: str, seconds: int) -> None:
        ends = self.now + seconds * SECOND
        said = self.id()
        money = {"units": amount, "meter": meter} if meter else {"amount_nano": amount * 1_000_000}
        message = TopUp(account=name, id=said, bucket=said, expires_at=instant(ends), **money)  # type: ignore[arg-type]
        if self.ask(message).ok:
            left = amount if meter else amount * 1_000_000
            self.people[name].purses.append(Purse(said, meter, ends, left))

    @rule(name=names, meter=meters, units=units, seconds=st.integers(1, 12))
    def reserve(self, name: str, meter: str, units: int, seconds: int) -> None:
        ends = self.now + seconds * SECOND
        could = ask(self.node, Authorize(account=name, meter=meter, units=units), self.now)
        answer = self.ask(Reserve(account=name, id=self.id(), meter=meter, units=units, seconds=seconds))
        code, number = self.people[name].reserve(meter, units, self.now, ends)
        assert (answer.code, could.ok) == (code, answer.ok)
        if code:
            assert answer.affordable == could.affordable == number
        else:
            assert (answer.reservation, answer.granted) == (number, units)
            self.same(answer, name)

    @rule(name=names, meter=meters, units=units)
    def debit(self, name: str, meter: str, units: int) -> None:
        said = self.id()
        answer = self.ask(Debit(account=name, id=said, meter=meter, units=units))
        code, most, charge = self.people[name].debit(meter, units, self.now)
        assert (answer.code, answer.affordable) == (code, most)
        if answer.ok:
            assert Fraction(answer.charged, answer.denominator) == charge
            self.people[name].charges[said] = charge
            self.same(answer, name)

    @rule(data=st.data(), name=names, over=st.integers(0, 20))
    def commit(self, data: st.DataObject, name: str, over: int) -> None:
        person = self.people[name]
        if not person.opened:
            return
        number = data.draw(
            st.sampled_from([*person.sessions, *person.sessions, data.draw(st.integers(1, person.opened))])
        )
        session = person.sessions.get(number)
        used = data.draw(st.integers(0, session.units if session else 9)) + (over if over > 17 else 0)
        said = self.id()
        answer = self.ask(Commit(account=name, id=said, reservation=number, used=used))
        if session is None:
            assert answer.code == "unknown_reservation"
        elif session.ends <= self.now:
            assert answer.code == "reservation_expired"
        elif used > session.units:
            assert answer.code == "more_than_reserved"
        else:
            person.charges[said] = person.end(number, used)
            assert Fraction(answer.charged, answer.denominator) == person.charges[said]
            self.same(answer, name)

    @precondition(lambda self: self.sessions(due=False))
    @rule(data=st.data(), more=st.integers(1, 300))
    def update(self, data: st.DataObject, more: int) -> None:
        name, number = data.draw(st.sampled_from(self.sessions(due=False)))
        person = self.people[name]
        used = data.draw(st.integers(0, person.sessions[number].units))
        meter = person.sessions[number].meter
        answer = self.ask(
            Update(account=name, id=self.id(), reservation=number, used=used, more=more, seconds=20)
        )
        charge = person.end(number, used)
        opened = person.opened
        code, most = person.reserve(meter, more, self.now, self.now + 20 * SECOND)
        if code:
            person.reserve(meter, 0, self.now, self.now + 20 * SECOND)
            assert answer.affordable == most
        person.sessions[number] = person.sessions.pop(person.opened)
        person.opened = opened
        assert (answer.ok, answer.code, answer.granted) == (True, code, 0 if code else more)
        assert Fraction(answer.charged, answer.denominator) == charge
        self.same(answer, name)

    @precondition(lambda self: self.sessions(due=False))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        name, number = data.draw(st.sampled_from(self.sessions(due=False)))
        answer = self.ask(Release(account=name, id=self.id(), reservation=number))
        assert answer.ok and not answer.charged
        assert self.people[name].end(number, 0) == 0
        self.same(answer, name)

    @precondition(lambda self: any(person.charges for person in self.people.values()))
    @rule(data=st.data())
    def refund(self, data: st.DataObject) -> None:
        known = [(name, of) for name, person in self.people.items() for of in person.charges]
        name, of = data.draw(st.sampled_from(known))
        code, amount = self.people[name].refund(of)
        answer = self.ask(Refund(account=name, id=self.id(), of=of))
        assert (answer.code, Fraction(-answer.charged, answer.denominator)) == (code, amount)

    @precondition(lambda self: self.sessions(due=True))
    @rule(data=st.data(), used=st.integers(0, 3))
    def too_late(self, data: st.DataObject, used: int) -> None:
        """Nothing settles after its expiry, also when the sweeper has not come by."""
        name, number = data.draw(st.sampled_from(self.sessions(due=True)))
        for message in (
            Commit(account=name, reservation=number),
            Update(account=name, reservation=number, more=1),
        ):
            message.id, message.used = self.id(), used
            assert self.ask(message).code == "reservation_expired"

    @precondition(lambda self: self.sessions())
    @rule(seconds=st.integers(1, 30))
    def time_passes(self, seconds: int) -> None:
        """The clock alone: nothing is given back before somebody expires it."""
        self.now += seconds * SECOND

    @precondition(lambda self: self.sessions(due=True))
    @rule()
    def expire(self) -> None:
        """Expiry, as an event of its own."""
        due = [
            (s.ends, name, n)
            for name, p in self.people.items()
            for n, s in p.sessions.items()
            if s.ends <= self.now
        ]
        assert self.node.tick(self.now) == len(due)
        for _, name, number in sorted(due):
            self.people[name].end(number, 0)

    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        """A request that was answered is answered the same, whatever happened since; another payload is refused."""
        if self.said:
            body, before = data.draw(st.sampled_from(self.said))
            assert self.node.handle(body, self.now).answer == before
            other = body.replace(b'"account":"a"', b'"account":"c"').replace(
                b'"account":"b"', b'"account":"c"'
            )
            assert b"key_reused" in self.node.handle(other, self.now).answer

    @invariant()
    def agree(self) -> None:
        if hasattr(self, "people"):
            for name, person in self.people.items():
                self.same(ask(self.node, Balance(account=name), self.now), name)
                assert person.balance - person.own() >= -person.limit
            held = sum(person.needed() for person in self.people.values())
            assert Fraction(self.node.exposure, self.node.scale) == held


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, database=None, derandomize=True,
            phases=(Phase.generate,), suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def test_every_sequence_is_explained_by_the_plain_model() -> None:
    run(150, 40)
    assert Machine.agree is not None


@contextmanager
def mutated(where: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    with patch.object(where, name, make(getattr(where, name))):
        yield


def _held_is_free(real: Any) -> Any:
    return lambda account, now: real(account, now) + account.held


def _no_expiry(real: Any) -> Any:
    return lambda self, account, number, now: (
        account.reservations.get(number) or real(self, account, number, now)
    )


def _holds_apart(real: Any) -> Any:
    """Price a hold as if nobody else held units of the counter."""

    def quote(account: Any, *rest: Any) -> Any:
        kept = {key: dict(used.held) for key, used in account.used.items()}
        for used in account.used.values():
            used.held.clear()
        try:
            return real(account, *rest)
        finally:
            for key, used in account.used.items():
                used.held.update(kept[key])

    return quote


def _forgets(real: Any) -> Any:
    def handle(self: Any, body: bytes, now: int, tenant: str = "") -> Any:
        self.answers.clear()
        return real(self, body, now, tenant)

    return handle


def _counter_stands(real: Any) -> Any:
    return lambda self, counters, key, measured, units, at, device=None: None


def _refunds_again(real: Any) -> Any:
    def refund(account: Any, *rest: Any) -> Any:
        account.refunded = {}
        return real(account, *rest)

    return refund


MUTANTS = {
    "what is held can be spent": (funds, "available", _held_is_free),
    "a session settles after its expiry": (node.Node, "_open_session", _no_expiry),
    "the sweeper gives nothing back": (node.Node, "tick", lambda real: lambda self, now: 0),
    "holds on one counter are priced apart": (sessions, "quote", _holds_apart),
    "a retry is a new request": (node.Node, "handle", _forgets),
    "a counter stands still": (pricing.Price, "move", _counter_stands),
    "a charge is refunded twice": (accounts, "refund", _refunds_again),
    "what is not used stays held": (sessions.funds, "relax", lambda real: lambda account: None),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_die(name: str) -> None:
    with mutated(*MUTANTS[name]), pytest.raises((AssertionError, KeyError, ValueError)):
        run(120, 40)
