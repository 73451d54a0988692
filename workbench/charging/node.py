"""A charging node in memory: every operation is atomic, exact and remembered. No clock, no file, no network.

``handle`` takes one request as bytes and answers as bytes; the same requests at the same instants always give the same
answers, so a log of the requests is the node's whole truth (``durable.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from heapq import heappop, heappush
from math import lcm
from typing import NamedTuple

import msgspec

from workbench.charging import accounts, funds, sessions, watch
from workbench.charging.facts import Fact
from workbench.charging.messages import (
    Answer,
    Authorize,
    Balance,
    Command,
    Commit,
    Debit,
    Open,
    Publish,
    Refund,
    Release,
    Request,
    Reserve,
    TopUp,
    Unlock,
    Update,
    Wish,
    decode,
    decode_answer,
    encode,
)
from workbench.charging.pricing import Settled
from workbench.charging.refusals import FORGETTABLE, REFUSALS, Refused, refusal
from workbench.charging.sessions import finish, grant, grant_money, hold, instant_of
from workbench.charging.state import NEVER, NO_FEATURES, Account, Pool, Reservation, rescale
from workbench.charging.tariffs import Tariffs
from workbench.charging.watch import Notice
from workbench.errors import WorkbenchError

BYTES_MAX = 64 * 1024
READS = frozenset((Authorize, Balance))
OPERATOR = "*operator"
"""The tenant that may publish a catalogue; no caller from outside speaks for it."""


class Handled(NamedTuple):
    """An answer, and what must be in the log before it leaves (empty: nothing changed)."""

    answer: bytes
    record: bytes = b""


class Node:
    """Accounts, and what may be asked of them.

    Attributes:
        tenants: whose accounts it keeps; requests of others are refused.
        older: asked for answers that memory has let go of: key to (hash, answer) or ``None``.
        replaying: a log is carried out again: what it holds was new then, whatever ``older`` knows by now.
        facts: when set, told what happened, in order.
        notices: what crossed a threshold since somebody last took them.
        exposure: what all open reservations may still cost: the most that a loss of this node could leave unbilled.
    """

    def __init__(self, tenants: tuple[str, ...] = ("main",), tariffs: Tariffs | None = None) -> None:
        self.tenants = frozenset(tenants)
        self.tariffs = tariffs or Tariffs()
        self.scale = self.tariffs.scale
        self.accounts: dict[tuple[str, str], Account] = {}
        self.pools: dict[tuple[str, str], Pool] = {}
        self.answers: dict[str, tuple[bytes, bytes]] = {}
        self.older: Callable[[str], tuple[bytes, bytes] | None] | None = None
        self.replaying = False
        self.facts: Callable[[Fact], None] | None = None
        self.notices: list[Notice] = []
        self.due: list[tuple[int, str, str, int]] = []
        self.seq = self.now = self.exposure = 0
        self.approved = self.refused = self.expired = 0
        self._do: dict[type, Callable[..., Answer]] = {
            Authorize: self._authorize, Reserve: self._reserve, Update: self._update, Commit: self._commit,
            Release: self._release, Debit: self._debit, Unlock: self._unlock, Refund: self._refund,
            TopUp: self._topup, Balance: self._balance,
        }  # fmt: skip

    # -- the door --------------------------------------------------------------------------------------------

    def handle(self, body: bytes, now: int, tenant: str = "") -> Handled:
        """One request, as bytes; never raises.

        Args:
            now: the instant, microseconds since 1970; never earlier than the last one.
            tenant: whom the caller was seen to be; empty where the place itself is trusted.
        """
        if len(body) > BYTES_MAX:
            return Handled(refusal("too_large"))
        try:
            ask = decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
            return Handled(refusal("bad_request", why=f"{REFUSALS['bad_request'][1]} {str(error)[:200]}"))
        if tenant and ask.tenant != tenant:
            return Handled(refusal("forged_tenant", ask.id))
        return self.ask(ask, now)

    def ask(self, ask: Command, now: int) -> Handled:
        """One request; never raises."""
        tenant = ask.tenant
        if tenant not in self.tenants and not (tenant == OPERATOR and type(ask) is Publish):
            return Handled(refusal("unknown_tenant", ask.id))
        if type(ask) in READS:
            return Handled(encode(self._answer(ask, now)))
        if not accounts.good_name(ask.id):
            return Handled(refusal("bad_id", ask.id[:128]))
        record = encode(ask)
        digest = blake2b(record, digest_size=16).digest()
        key = f"{tenant}\x1f{ask.id}"
        known = self.answers.get(key)
        if known is None and self.older is not None and not self.replaying:
            known = self.older(key)
        if known is not None:
            return Handled(known[1] if known[0] == digest else refusal("key_reused", ask.id))
        answer = self._answer(ask, now)
        if not answer.ok and answer.code in FORGETTABLE:
            return Handled(encode(answer))
        self.seq = answer.seq = self.seq + 1
        said = encode(answer)
        self.answers[key] = (digest, said)
        return Handled(said, record)

    def _answer(self, ask: Command, now: int) -> Answer:
        self.now = now
        try:
            do = self._do.get(type(ask))
            if do is not None:
                account = self.accounts.get((ask.tenant, ask.account))
                if account is None:
                    raise Refused("unknown_account")
                required = account.required
                answer = do(account, ask, now)
                self.exposure += account.required - required
                answer.balance, answer.held = account.balance, account.required
                if account.buckets or account.pool is not None:
                    answer.available = funds.available(account, now)
                else:
                    answer.available = account.balance + account.limit - account.held
                if account.low or account.limit or account.buckets:
                    watch.look(account, self.seq + 1, now, self.scale, self.notices)
            else:
                answer = self._open(ask, now) if type(ask) is Open else self._publish(ask)  # type: ignore[arg-type]
            answer.id, answer.account, answer.denominator = ask.id, ask.account, self.scale
            self.approved += 1
            return answer
        except Refused as refused:
            self.refused += 1
            return Answer(
                id=ask.id, ok=False, code=refused.code, why=REFUSALS[refused.code][1],
                affordable=refused.affordable, denominator=self.scale,
            )  # fmt: skip

    def tick(self, now: int) -> int:
        """Expire what is due at an instant: an event of its own. Answers how many reservations ended."""
        ended, due = 0, self.due
        while due and due[0][0] <= now:
            _, tenant, name, number = heappop(due)
            account = self.accounts.get((tenant, name))
            made = account.reservations.get(number) if account is not None else None
            if account is None or made is None:
                continue
            if made.expires_at > now:
                heappush(due, (made.expires_at, tenant, name, number))
                continue
            required = account.required
            finish(account, made, 0)
            del account.reservations[number]
            self.exposure += account.required - required
            ended += 1
            if self.facts is not None:
                self.facts(Fact("expire", account, "", now, meter=made.meter, at=made.at))
        self.expired += ended
        return ended

    def remember_due(self, made: Reservation, account: Account) -> None:
        """Note when a reservation that came from elsewhere ends."""
        heappush(self.due, (made.expires_at, account.tenant, account.id, made.number))

    @property
    def next_due(self) -> int:
        """When ``tick`` may next have something to do."""
        return self.due[0][0] if self.due else NEVER

    # -- use -------------------------------------------------------------------------------------------------

    def _grant(self, account: Account, ask: Wish, at: int, now: int) -> sessions.Granted:
        if ask.amount_nano:
            return grant_money(
                account, self.scale, ask.amount_nano, now, partial=ask.partial, critical=ask.critical
            )
        return grant(
            account, self.tariffs, ask.meter, ask.units, at, now,
            device=ask.device, dims=ask.dims, partial=ask.partial, critical=ask.critical,
        )  # fmt: skip

    def _authorize(self, account: Account, ask: Authorize, now: int) -> Answer:
        sessions.check_wish(account, ask)
        found = self._grant(account, ask, instant_of(ask, now), now)
        return Answer(ok=True, granted=found.units, charged=found.need, rating_group=ask.rating_group)

    def _reserve(self, account: Account, ask: Reserve, now: int) -> Answer:
        sessions.check_wish(account, ask)
        at = instant_of(ask, now)
        found = self._grant(account, ask, at, now)
        made = hold(account, found, ask.meter, at, now, ask.seconds, ask.critical)
        made.device, made.dims = ask.device, ask.dims
        made.critical, made.rating_group = ask.critical, ask.rating_group
        heappush(self.due, (made.expires_at, ask.tenant, ask.account, made.number))
        return Answer(
            ok=True, granted=made.units, reservation=made.number, expires_at=made.expires_at,
            rating_group=made.rating_group, final_unit=_final(account, found.units < (ask.units or ask.amount_nano)),
        )  # fmt: skip

    def _open_session(self, account: Account, number: int, now: int) -> Reservation:
        made = account.reservations.get(number)
        if made is None:
            raise Refused("unknown_reservation")
        if made.expires_at <= now:  # whether or not `tick` came by
            raise Refused("reservation_expired")
        return made

    def _settle(self, account: Account, ask: Request, made: Reservation, used: int, now: int) -> Settled:
        settled = finish(account, made, used)
        if self.facts is not None:
            word = type(ask).__name__.lower()
            self.facts(
                Fact(word, account, ask.id, now, settled, used, made.meter, made.device, made.dims, made.at)
            )
        return settled

    def _update(self, account: Account, ask: Update, now: int) -> Answer:
        made = self._open_session(account, ask.reservation, now)
        if not 0 < ask.seconds <= sessions.SECONDS_MAX:
            raise Refused("bad_seconds")
        if not 0 <= ask.more <= sessions.UNITS_MAX or ask.used < 0:
            raise Refused("bad_quantity")
        at = instant_of(Wish(at=ask.at), now)
        debt = debt_of(account)
        settled = self._settle(account, ask, made, ask.used, now)
        made.units, made.holds, made.from_buckets, made.money, made.at = 0, [], [], 0, at
        code, affordable = "", 0
        if ask.more:
            try:
                found = self._more(account, made, ask, at, now)
                sessions.attach(account, made, found, now, made.critical)
            except Refused as refused:
                code, affordable = refused.code, refused.affordable
        made.expires_at = now + ask.seconds * 1_000_000
        return Answer(
            ok=True, code=code, why=REFUSALS[code][1] if code else "", affordable=affordable, granted=made.units,
            charged=settled.amount, debt=debt_of(account) - debt, reservation=made.number, expires_at=made.expires_at,
            rating_group=made.rating_group, final_unit=_final(account, made.units < ask.more),
        )  # fmt: skip

    def _more(self, account: Account, made: Reservation, ask: Update, at: int, now: int) -> sessions.Granted:
        if not made.meter:
            return grant_money(
                account, self.scale, ask.more, now, partial=ask.partial, critical=made.critical
            )
        return grant(
            account, self.tariffs, made.meter, ask.more, at, now,
            device=made.device, dims=made.dims, partial=ask.partial, critical=made.critical,
        )  # fmt: skip

    def _commit(self, account: Account, ask: Commit, now: int) -> Answer:
        made = self._open_session(account, ask.reservation, now)
        debt = debt_of(account)
        settled = self._settle(account, ask, made, ask.used, now)
        del account.reservations[made.number]
        return Answer(
            ok=True, granted=ask.used, charged=settled.amount, debt=debt_of(account) - debt, reservation=made.number,
            rating_group=made.rating_group,
        )  # fmt: skip

    def _release(self, account: Account, ask: Release, now: int) -> Answer:
        made = self._open_session(account, ask.reservation, now)
        self._settle(account, ask, made, 0, now)
        del account.reservations[made.number]
        return Answer(ok=True, reservation=made.number, rating_group=made.rating_group)

    def _debit(self, account: Account, ask: Wish, now: int) -> Answer:
        sessions.check_wish(account, ask)
        at = instant_of(ask, now)
        short = sessions.at_once(account, self.tariffs, ask, at, self.scale) if self.facts is None else None
        if short is not None and short[0] <= account.balance + account.limit - account.held:
            amount, offer = short
            account.balance -= amount
            sessions.earn(account, offer, amount)
            return Answer(
                ok=True, granted=ask.units or ask.amount_nano, charged=amount, rating_group=ask.rating_group
            )
        found = self._grant(account, ask, at, now)
        made = Reservation(0, ask.meter, found.units, at, 0)
        made.device, made.dims = ask.device, ask.dims
        debt = debt_of(account)
        sessions.attach(account, made, found, now, ask.critical)
        settled = self._settle(account, ask, made, found.units, now)
        return Answer(
            ok=True, granted=found.units, charged=settled.amount, debt=debt_of(account) - debt,
            rating_group=ask.rating_group, final_unit=_final(account, found.units < (ask.units or ask.amount_nano)),
        )  # fmt: skip

    def _unlock(self, account: Account, ask: Unlock, now: int) -> Answer:
        if not accounts.good_name(ask.feature):
            raise Refused("bad_account")
        if not 0 <= ask.seconds <= 10 * 366 * 86_400:
            raise Refused("bad_seconds")
        until = account.features.get(ask.feature, 0)
        if until > now:
            return Answer(ok=True, feature=ask.feature, expires_at=0 if until == NEVER else until)
        answer = self._debit(account, ask, now)
        if account.features is NO_FEATURES:
            account.features = {}
        account.features[ask.feature] = now + ask.seconds * 1_000_000 if ask.seconds else NEVER
        answer.feature = ask.feature
        answer.expires_at = account.features[ask.feature] if ask.seconds else 0
        return answer

    # -- money and terms -------------------------------------------------------------------------------------

    def _refund(self, account: Account, ask: Refund, now: int) -> Answer:
        key = f"{ask.tenant}\x1f{ask.of}"
        known = self.answers.get(key) or (self.older(key) if self.older is not None else None)
        earlier = decode_answer(known[1]) if known is not None else None
        if earlier is None or earlier.account != account.id:
            raise Refused("unknown_charge")
        amount = accounts.refund(account, ask, earlier, self.scale)
        if self.facts is not None:
            self.facts(Fact("refund", account, ask.id, now, paid=amount))
        return Answer(ok=True, charged=-amount)

    def _topup(self, account: Account, ask: TopUp, now: int) -> Answer:
        if len(account.buckets) >= accounts.BUCKETS_MAX:
            accounts.sweep_buckets(account, now)
        accounts.top_up(account, ask, self.scale, now)
        if self.facts is not None:
            self.facts(Fact("topup", account, ask.id, now, paid=ask.amount_nano * self.scale))
        return Answer(ok=True, granted=ask.units or ask.amount_nano)

    def _balance(self, account: Account, ask: Balance, now: int) -> Answer:
        return accounts.show(account, ask, now)

    def _open(self, ask: Open, now: int) -> Answer:
        account = accounts.open_account(self.accounts, self.pools, self.tariffs, ask)
        if self.facts is not None:
            self.facts(Fact("open", account, ask.id, now))
        return Answer(
            ok=True,
            balance=account.balance,
            held=account.required,
            available=funds.available(account, now),
        )

    def _publish(self, ask: Publish) -> Answer:
        if ask.tenant != OPERATOR:
            raise Refused("forged_tenant")
        try:
            tariffs = Tariffs(ask.text)
        except WorkbenchError as error:
            raise Refused("catalogue_refused") from error
        kept = {(offer.id, offer.version, offer.sha256) for offer in tariffs.catalogue.offers}
        if any(
            (offer.id, offer.version, offer.sha256) not in kept for offer in self.tariffs.catalogue.offers
        ):
            raise Refused("catalogue_refused")
        tariffs.scale = lcm(self.scale, tariffs.scale)
        if tariffs.scale != self.scale:
            rescale(self.accounts.values(), self.pools.values(), tariffs.scale // self.scale)
            self.exposure *= tariffs.scale // self.scale
        self.tariffs, self.scale = tariffs, tariffs.scale
        return Answer(ok=True)


def _final(account: Account, short: bool) -> str:
    return account.at_limit if short else ""


def debt_of(account: Account) -> int:
    """How far an account is past its limit: critical services that somebody still has to pay."""
    return max(0, -account.limit - account.balance)
