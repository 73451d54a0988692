"""What is asked of a charging node and what it answers: one set of messages behind every interface.

On every wire a message is one JSON object; ``op`` names the operation. Units are whole base units of a meter, money
asked for is ``amount_nano`` (whole nano-units of the account's currency). Money in an answer is exact: an integer of
nano-units over ``denominator``, which the whole node shares. Instants are RFC 3339 with a zone.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class Request(msgspec.Struct, tag_field="op", forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What every operation says.

    Attributes:
        tenant: whose account.
        id: the caller's name for this request; asked again with the same content it gets the same answer for a day.
        account: the account it is about.
    """

    account: str = ""
    id: str = ""
    tenant: str = "main"


class Wish(Request, kw_only=True, omit_defaults=True):
    """A request that wants something of a meter, or an amount.

    Attributes:
        meter, units: use to be rated by the account's offers.
        amount_nano: money instead of use, for callers that rate themselves.
        device: which device of the account; the holder of counters of offers scoped to a device.
        dims: dimensions that prices look at.
        at: the instant that decides price and period; the node's own clock when it is absent.
        partial: grant what can be afforded when it is less.
        critical: granted past the limit and booked as debt; only where the account's contract allows it.
        rating_group: the caller's own number of a service (3GPP), repeated in the answer.
    """

    meter: str = ""
    units: int = 0
    amount_nano: int = 0
    device: str = ""
    dims: dict[str, str] = {}
    at: datetime | None = None
    partial: bool = False
    critical: bool = False
    rating_group: int = 0


class Authorize(Wish, tag="authorize"):
    """Could this be granted now? Holds nothing, changes nothing, needs no id."""


class Reserve(Wish, tag="reserve", kw_only=True, omit_defaults=True):
    """Hold money and units for a session that begins; ``seconds`` is how long without an update."""

    seconds: int = 600


class Update(Request, tag="update", kw_only=True, omit_defaults=True):
    """Settle what a session has used so far and hold ``more`` for its next slice.

    What is settled stays settled when ``more`` cannot be granted: then ``code`` says why, and nothing more is held.
    What is settled counts at the instant the slice was held for; the new slice holds from ``at``.
    """

    reservation: int
    used: int = 0
    more: int = 0
    at: datetime | None = None
    partial: bool = False
    seconds: int = 600


class Commit(Request, tag="commit", kw_only=True, omit_defaults=True):
    """A session ends: settle what it used, give back the rest."""

    reservation: int
    used: int = 0


class Release(Request, tag="release", kw_only=True):
    """A session ends without use: give everything back."""

    reservation: int


class Debit(Wish, tag="debit", kw_only=True):
    """One event, charged at once."""


class Settle(Wish, tag="settle", kw_only=True, omit_defaults=True):
    """An event that an edge granted out of its lease (``reservation``): charged at its own instant, whatever the lease
    held; what goes past the limit is ``debt``. A lease that has ended does not undo what was used.
    """

    reservation: int = 0


class Unlock(Wish, tag="unlock", kw_only=True, omit_defaults=True):
    """Pay for a feature and have it: until ``seconds`` from now, or for good with 0. Already open costs nothing."""

    feature: str = ""
    seconds: int = 0


class Refund(Request, tag="refund", kw_only=True, omit_defaults=True):
    """Give back (a part of) what an earlier request of this account was charged; 0 is all that is left of it."""

    of: str
    amount_nano: int = 0


class TopUp(Request, tag="topup", kw_only=True, omit_defaults=True):
    """Add money (``amount_nano``) or units of a meter, to the balance or into a bucket of its own.

    Attributes:
        bucket: name of a bucket; empty adds to the balance. Units and promotional money need one.
        pool: the bucket goes to this pool instead of the account.
        priority: lower is used first. expires_at: not used from that instant on. promotional: given, not paid.
    """

    amount_nano: int = 0
    meter: str = ""
    units: int = 0
    bucket: str = ""
    pool: str = ""
    priority: int = 0
    expires_at: datetime | None = None
    promotional: bool = False


class Open(Request, tag="open", kw_only=True, omit_defaults=True):
    """Open an account, or change its terms; balances and counters stay as they are.

    Attributes:
        credit_limit_nano: how far the balance may go below zero; 0 is prepaid.
        offers: ids of the offers that price its meters.
        pool: a pool whose buckets it may also use.
        devices: how many devices share an allowance of scope pool or SIM group.
        at_limit: ``cut_off`` or ``throttle``: what the last grant tells the session to do afterwards.
        low_nano: balances at or under which somebody is told, once each time.
        usage_percent: parts of a bucket or credit limit used at which somebody is told.
    """

    currency: str = "EUR"
    credit_limit_nano: int = 0
    offers: tuple[str, ...] = ()
    pool: str = ""
    devices: int = 1
    at_limit: str = "cut_off"
    critical: bool = False
    low_nano: tuple[int, ...] = ()
    usage_percent: tuple[int, ...] = (50, 80, 100)


class Balance(Request, tag="balance"):
    """What an account has. Changes nothing, needs no id."""


class Publish(Request, tag="publish", kw_only=True):
    """Charge by this catalogue from now on (``text``: its YAML). The node's operator only; never of a tenant."""

    text: str


class Depart(Request, tag="depart", kw_only=True):
    """These accounts, and all that share a pool with them, leave for node ``to``. The node's operator only.

    ``leave`` are (tenant, account). ``epoch`` numbers hand-overs between two nodes, and only rises.
    """

    epoch: int
    to: str
    leave: list[tuple[str, str]]


class Remember(Request, tag="remember", kw_only=True):
    """Answers that another node gave: (key, hash of the request, answer). The node's operator only."""

    answers: list[tuple[str, bytes, bytes]]


class Arrive(Request, tag="arrive", kw_only=True):
    """Accounts come from node ``came``, which let them go at its request ``seq``. The node's operator only."""

    epoch: int
    came: str
    seq: int
    parcel: bytes


class Moved(Request, tag="moved", kw_only=True, omit_defaults=True):
    """Hand-over ``epoch`` to node ``to`` is over: forget what was packed, or take it ``back``. The operator only."""

    epoch: int
    to: str
    back: bool = False


Order = Publish | Depart | Remember | Arrive | Moved
"""What only a node's operator says."""

Asked = (
    Authorize
    | Reserve
    | Update
    | Commit
    | Release
    | Debit
    | Settle
    | Unlock
    | Refund
    | TopUp
    | Open
    | Balance
)
"""What callers say."""

Command = Asked | Order
"""Any request."""


class Terms(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The terms an account has, as ``Open`` sets them: what was read can be sent again."""

    currency: str = "EUR"
    credit_limit_nano: int = 0
    offers: tuple[str, ...] = ()
    pool: str = ""
    devices: int = 1
    at_limit: str = "cut_off"
    critical: bool = False
    low_nano: tuple[int, ...] = ()
    usage_percent: tuple[int, ...] = (50, 80, 100)


class Answer(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What a node answers.

    Attributes:
        ok: whether it was done. ``code`` and ``why`` say why not, in a stable word and in a sentence.
        granted: units (or nano) that were granted or settled.
        affordable: with ``insufficient_balance``: the most that would have been granted.
        charged: money that left the account by this request.
        balance, held, available: the account afterwards; ``available`` is what could be spent now, limit included.
        debt: how much of ``charged`` was granted past the limit.
        denominator: money here is nano-units over this number.
        reservation: the number of the session's hold; ``expires_at`` its end, in microseconds since 1970.
        final_unit: this was the last that can be granted: ``cut_off`` or ``throttle`` when it is used up.
        seq: the place of this request among all that changed the node.
        buckets: with ``balance``: what is left in each bucket (name, meter, left).
        terms: with ``balance``: the account's terms.
        where: with ``elsewhere``: the node that owns the account, by address where it is known. Over HTTP other refusals
            say which request of which account they are about.
        what, cure: with a refusal over HTTP: ``why`` once more, and what to do about it, as all errors of the workbench say.
    """

    ok: bool
    id: str = ""
    account: str = ""
    code: str = ""
    why: str = ""
    granted: int = 0
    affordable: int = 0
    charged: int = 0
    balance: int = 0
    held: int = 0
    available: int = 0
    debt: int = 0
    denominator: int = 1
    reservation: int = 0
    expires_at: int = 0
    final_unit: str = ""
    rating_group: int = 0
    feature: str = ""
    seq: int = 0
    buckets: list[tuple[str, str, int]] = []
    where: str = ""
    what: str = ""
    cure: str = ""
    terms: Terms | None = None


encode = msgspec.json.Encoder(order="deterministic").encode
decode = msgspec.json.Decoder(Command).decode
decode_answer = msgspec.json.Decoder(Answer).decode
