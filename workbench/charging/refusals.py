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

FORGETTABLE: Final = frozenset(
    "bad_request too_large bad_id unauthorized forged_tenant unknown_tenant unknown_account key_reused busy read_only "
    "elsewhere".split()
)
"""Refusals that leave no trace: the same id may be used again for a better request."""


def refusal(code: str, request_id: str = "", why: str = "", where: str = "") -> bytes:
    """A refusal as the wire says it."""
    return encode(Answer(id=request_id, ok=False, code=code, why=why or REFUSALS[code][1], where=where))
