"""Failing devices of one customer in one visit: what it costs by the catalogue, and what it avoids.

price    visit (once) + exchange x devices                       from the offer ``field-care``
avoided  sum over devices of P(fails) x call-out of one device    from the offer ``field-care-emergency``
         + the money at risk of their cases
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from workbench.casework.desk import Ranked
from workbench.model.ids import short_hash
from workbench.model.money import decimal_text
from workbench.model.offer import Catalogue

PLANNED, EMERGENCY = "field-care", "field-care-emergency"
FAILING = ("failing", "stuck", "sentinel", "drift", "silent", "counter_reset", "reconnect_storm")
"""Reasons that mean hardware."""


@dataclass(frozen=True, slots=True)
class MaintenanceOffer:
    """One visit offered to one customer; amounts exact, main unit.

    Attributes:
        devices: id, reason and P(fails) of each. cases: their ids.
        price, avoided: see the module.
    """

    offer_id: str
    account: str
    name: str
    devices: tuple[tuple[str, str, float], ...]
    cases: tuple[str, ...]
    price: Fraction
    avoided: Fraction
    currency: str
    priced_by: str

    @property
    def worth(self) -> Fraction:
        """What the customer is better off by."""
        return self.avoided - self.price

    @property
    def reason(self) -> str:
        """Why, in a sentence."""
        kinds: dict[str, int] = defaultdict(int)
        for _, kind, _ in self.devices:
            kinds[kind.replace("_", " ")] += 1
        what = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        many = "devices" if len(self.devices) > 1 else "device"
        return f"{len(self.devices)} {many} failing or about to ({what}); one visit instead of call-outs."

    def as_dict(self) -> dict[str, Any]:
        """Plain values: exact amounts as text."""
        return {
            "offer_id": self.offer_id, "account": self.account, "name": self.name, "cases": list(self.cases),
            "devices": [{"device": d, "reason": k, "chance": round(p, 4)} for d, k, p in self.devices],
            "price": decimal_text(self.price), "avoided": decimal_text(self.avoided), "worth": decimal_text(self.worth),
            "currency": self.currency, "priced_by": self.priced_by, "reason": self.reason,
        }  # fmt: skip


def maintenance_offers(
    queue: Sequence[Ranked], known: Catalogue, tenant: str, planned: str = PLANNED, emergency: str = EMERGENCY
) -> list[MaintenanceOffer]:
    """One offer per customer with devices that fail, most worth first; none where the catalogue has no such offers."""
    ids = {offer.id for offer in known.offers}
    if planned not in ids or emergency not in ids:
        return []
    care, called = known.offer(planned), known.offer(emergency)
    visit = sum((fee.amount for fee in care.fees if fee.per == "account"), Fraction(0))
    exchange = sum((fee.amount for fee in care.fees if fee.per == "device"), Fraction(0))
    call_out = sum((fee.amount for fee in called.fees), Fraction(0))
    by_account: dict[str, list[Ranked]] = defaultdict(list)
    for one in queue:
        if one.case.kind in FAILING and one.case.account and not one.case.closed:
            by_account[one.case.account].append(one)
    offers = []
    for account, cases in by_account.items():
        chances: dict[str, tuple[str, float]] = {}
        for one in cases:
            for device in one.case.devices:
                chances[device] = max(
                    chances.get(device, ("", 0.0)), (one.case.kind, one.chance), key=lambda pair: pair[1]
                )
        avoided = sum((_exact(chance) * call_out for _, chance in chances.values()), Fraction(0))
        avoided += sum(
            (one.case.at_risk or Fraction(0) for one in cases if one.case.currency == care.currency),
            Fraction(0),
        )
        offers.append(
            MaintenanceOffer(
                short_hash(tenant, "maintenance", account, *sorted(chances)), account, cases[0].case.account_name,
                tuple(sorted((device, kind, chance) for device, (kind, chance) in chances.items())),
                tuple(sorted(one.case.case_id for one in cases)), visit + exchange * len(chances), avoided,
                care.currency, f"{care.id} v{care.version}",
            )
        )  # fmt: skip
    return sorted(offers, key=lambda offer: (-offer.worth, offer.account))


def _exact(chance: float) -> Fraction:
    """A chance in millionths: what is multiplied with money is an exact number."""
    return Fraction(round(chance * 10**6), 10**6)
