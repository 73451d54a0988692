"""Why a node refuses: one stable word each, its sentence, and its HTTP status. Nothing else ever refuses."""

from __future__ import annotations

from typing import Final

from workbench.charging.messages import Answer, encode


class Refused(Exception):
    """Inside the node only: this request changes nothing; ``affordable`` goes with ``insufficient_balance``."""

    def __init__(self, code: str, affordable: int = 0) -> None:
        self.code, self.affordable = code, affordable
        super().__init__(code)


REFUSALS: Final[dict[str, tuple[int, str]]] = {
    "bad_request": (400, "The message is not one of this interface's."),
    "too_large": (413, "The message is larger than a request can be."),
    "bad_id": (400, "A request that changes something needs an id of 1 to 128 printable characters."),
    "bad_quantity": (400, "Quantities are whole and positive, up to 4,611,686,018,427,387,903."),
    "bad_amount": (400, "Amounts are whole nano-units, positive, up to 10^24."),
    "bad_account": (400, "An account's id, currency, bucket, meter or pool name is not usable."),
    "bad_rating_group": (400, "A rating group is a whole number from 0 to 4,294,967,295."),
    "bad_dimensions": (400, "Too many dimensions, or one that is too long."),
    "bad_seconds": (400, "A reservation holds for 1 second to 31 days."),
    "too_early": (400, "The instant is further in the past than this node accepts."),
    "too_late": (400, "The instant lies in the future."),
    "no_zone": (400, "An instant needs a time zone."),
    "unauthorized": (401, "The caller did not say who it is."),
    "forged_tenant": (403, "The caller may not speak for this tenant."),
    "unknown_tenant": (403, "This node charges for no such tenant."),
    "unknown_account": (404, "There is no such account."),
    "unknown_reservation": (404, "There is no such reservation: it never was, or it has ended."),
    "unknown_charge": (404, "No request of that id charged this account anything."),
    "unknown_pool": (404, "There is no such pool."),
    "unknown_meter": (422, "No offer of this account prices this meter."),
    "unknown_offer": (422, "The catalogue has no such offer, or not at that instant."),
    "not_online": (422, "The offer holds a price that only the close of a period can decide."),
    "no_rate": (422, "No rate of the price fits the event's dimensions and time."),
    "device_missing": (422, "This price is rounded per device: the request must name it."),
    "currency_mismatch": (422, "The account's currency cannot change, and a pool has one currency."),
    "key_reused": (422, "This id was used before for another request."),
    "catalogue_refused": (422, "The catalogue cannot be used for charging."),
    "insufficient_balance": (402, "The balance and the limit do not cover this."),
    "critical_not_allowed": (403, "This account's contract does not grant critical services past its limit."),
    "reservation_expired": (410, "The reservation's time ran out before this request."),
    "more_than_reserved": (409, "More was used than was reserved: reserve it first, or debit it."),
    "refund_too_high": (409, "More than what is left of that charge cannot be refunded."),
    "too_many_reservations": (429, "The account has too many open reservations."),
    "busy": (503, "The node takes no requests at the moment: try again."),
    "read_only": (503, "The node cannot write its log and grants nothing until it can."),
    "elsewhere": (421, "Another node owns this account."),
    "stale_move": (
        409,
        "This hand-over was overtaken by a later one, or its accounts are not where it says.",
    ),
}
"""Code to (HTTP status, sentence)."""

CURES: Final[dict[str, str]] = {
    "bad_request": "Send one of the messages that /openapi.json describes, without other fields.",
    "too_large": "Split it: a request has at most 64 KB.",
    "bad_id": "Give each request a new id, for example a UUID.",
    "bad_quantity": "Ask for whole, positive units of the meter, or for an amount without a meter.",
    "bad_amount": "Count in nano-units of the account's currency, above zero.",
    "bad_account": "Use printable names, and a currency of three capital letters.",
    "bad_rating_group": "Send the service's own number, or leave it out.",
    "bad_dimensions": "Send at most 16 dimensions, names up to 64 and values up to 128 characters.",
    "bad_seconds": "Ask for a shorter hold and update it while the session goes on.",
    "too_early": "Send it within 32 days, or through mediation instead.",
    "too_late": "Check the caller's clock: five minutes ahead are accepted.",
    "no_zone": "Write the instant in RFC 3339 with its zone, as 2026-03-01T12:00:00Z.",
    "unauthorized": "Send the header `Authorization: Bearer TOKEN`.",
    "forged_tenant": "Use the token of the tenant the request names, or leave the tenant out.",
    "unknown_tenant": "Check the tenant's name, or start the node with `--tenant`.",
    "unknown_account": "Open the account first.",
    "unknown_reservation": "Reserve again: what was used without a reservation can be debited.",
    "unknown_charge": "Check the id of the request that charged it.",
    "unknown_pool": "Put an account into the pool first: that makes it.",
    "unknown_meter": "Name a meter that an offer of the account prices, or open the account with that offer.",
    "unknown_offer": "Load a catalogue that has the offer in force, or name another.",
    "not_online": "Bill this offer at the close of the period, or give it prices that a node can decide.",
    "no_rate": "Send the dimensions the price asks for, or give the price a rate for all others.",
    "device_missing": "Name the device in the request.",
    "currency_mismatch": "Open another account for another currency; join a pool of the same one.",
    "key_reused": "Use a new id for a new request; repeat the old one as it was.",
    "catalogue_refused": "Run `workbench catalog check` on the file: it says what is wrong and where.",
    "insufficient_balance": "Top the account up, or ask for no more than `affordable`.",
    "critical_not_allowed": "Ask without `critical`, or open the account with terms that allow it.",
    "reservation_expired": "Reserve again; debit what was used since.",
    "more_than_reserved": "Update the reservation before the use, or debit the rest.",
    "refund_too_high": "Refund no more than is left of the charge.",
    "too_many_reservations": "Commit or release some of them.",
    "busy": "Ask again with the same id, after a moment.",
    "read_only": "Make room on the node's disk; ask again with the same id.",
    "elsewhere": "Ask the node that `where` names, or the home node.",
    "stale_move": "Nothing is to be done: the later hand-over holds.",
}
"""Code to what the caller can do. Only HTTP says it: answers are part of the log, and their bytes may not change."""

FORGETTABLE: Final = frozenset(
    "bad_request too_large bad_id unauthorized forged_tenant unknown_tenant unknown_account key_reused busy read_only "
    "elsewhere".split()
)
"""Refusals that leave no trace: the same id may be used again for a better request."""


def refusal(code: str, request_id: str = "", why: str = "", where: str = "") -> bytes:
    """A refusal as the wire says it."""
    return encode(Answer(id=request_id, ok=False, code=code, why=why or REFUSALS[code][1], where=where))
