"""The operations of a node: each looks at everything before it changes anything, so that a refusal changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from math import lcm

from workbench.charging import accounts as terms
from workbench.charging import funds, sessions
from workbench.charging.facts import Fact
from workbench.charging.messages import (
    Answer,
    Authorize,
    Balance,
    Commit,
    Open,
    Publish,
    Refund,
    Release,
    Request,
    Reserve,
    Settle,
    TopUp,
    Unlock,
    Update,
    Wish,
    decode_answer,
)
from workbench.charging.pricing import Settled
from workbench.charging.refusals import REFUSALS, Refused
from workbench.charging.sessions import finish, grant, grant_money, hold, instant_of
from workbench.charging.state import NEVER, NO_FEATURES, Account, Pool, Reservation, rescale
from workbench.charging.tariffs import Tariffs
from workbench.charging.watch import Notice
from workbench.errors import WorkbenchError

OPERATOR = "*operator"
"""The tenant that may publish a catalogue; no caller from outside speaks for it."""


class Operations:
    """What ``Node`` can do to an account; its state is declared here and made there."""

    tariffs: Tariffs
    scale: int
    accounts: dict[tuple[str, str], Account]
    pools: dict[tuple[str, str], Pool]
    answers: dict[str, tuple[bytes, bytes, int]]
    former: dict[str, tuple[bytes, bytes, int]]
    older: Callable[[str], tuple[bytes, bytes] | None] | None
    facts: Callable[[Fact], None] | None
    due: list[tuple[int, str, str, int]]
    notices: list[Notice]
    seq: int
    exposure: int
    any_group: bool

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
        sessions.check_wish(account, ask, any_group=self.any_group)
        found = self._grant(account, ask, instant_of(ask, now), now)
        return Answer(ok=True, granted=found.units, charged=found.need, rating_group=ask.rating_group)

    def _reserve(self, account: Account, ask: Reserve, now: int) -> Answer:
        sessions.check_wish(account, ask, any_group=self.any_group)
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
                Fact(
                    word,
                    account,
                    ask.id,
                    now,
                    settled,
                    used,
                    made.meter,
                    made.device,
                    made.dims,
                    made.at,
                    seq=self.seq + 1,
                )
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
        sessions.check_wish(account, ask, any_group=self.any_group)
        at = now if ask.at is None else instant_of(ask, now)
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

    def _settle_lease(self, account: Account, ask: Settle, now: int) -> Answer:
        sessions.check_wish(account, ask, any_group=self.any_group)
        at, debt = instant_of(ask, now), debt_of(account)
        if ask.amount_nano:
            raise Refused("bad_quantity")
        settled = sessions.settle_lease(account, self.tariffs, ask, at, now)
        if self.facts is not None:
            dims = (ask.meter, ask.device, ask.dims, at)
            self.facts(Fact("settle", account, ask.id, now, settled, ask.units, *dims, seq=self.seq + 1))
        return Answer(ok=True, granted=ask.units, charged=settled.amount, debt=debt_of(account) - debt)

    def _unlock(self, account: Account, ask: Unlock, now: int) -> Answer:
        if not terms.good_name(ask.feature):
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
        known: tuple[bytes, ...] | tuple[bytes, bytes, int] | None = self.answers.get(key) or self.former.get(
            key
        )
        if known is None and self.older is not None:
            known = self.older(key)
        earlier = decode_answer(known[1]) if known is not None else None
        if earlier is None or earlier.account != account.id:
            raise Refused("unknown_charge")
        amount, offer = terms.refund(account, ask, earlier, self.scale)
        if self.facts is not None:
            fact = Fact(
                "refund", account, ask.id, now, paid=amount, seq=self.seq + 1, offer=offer, refers_to=ask.of
            )
            self.facts(fact)
        return Answer(ok=True, charged=-amount)

    def _topup(self, account: Account, ask: TopUp, now: int) -> Answer:
        if len(account.buckets) >= terms.BUCKETS_MAX:
            terms.sweep_buckets(account, now)
        terms.top_up(account, ask, self.scale, now)
        if self.facts is not None:
            self.facts(Fact("topup", account, ask.id, now, paid=ask.amount_nano * self.scale))
        return Answer(ok=True, granted=ask.units or ask.amount_nano)

    def _balance(self, account: Account, ask: Balance, now: int) -> Answer:
        return terms.show(account, ask, now, self.scale)

    def _open(self, ask: Open, now: int) -> Answer:
        account = terms.open_account(self.accounts, self.pools, self.tariffs, ask)
        if self.facts is not None:
            self.facts(Fact("open", account, ask.id, now))
        return Answer(
            ok=True,
            balance=account.balance,
            held=account.required,
            available=funds.available(account, now),
        )

    def _publish(self, ask: Publish) -> Answer:
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
