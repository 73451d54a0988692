"""The catalogue as a node uses it: which price of an account's offers holds for a meter at an instant.

The prices are ``rating.online``'s own, compiled from the same rows as batch. Times are microseconds since 1970, UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import lcm

from workbench.charging.refusals import Refused
from workbench.errors import WorkbenchError
from workbench.model.offer import Catalogue, Offer
from workbench.model.when import HolidayCalendar
from workbench.rating.online import CounterKey, OnlineRater, Price
from workbench.tariff.at_close import not_at_a_node
from workbench.tariff.calendar import period_at
from workbench.tariff.catalogue import loads
from workbench.tariff.compile import compile_offer
from workbench.tariff.timeline import BEGINNING, stretches

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """An instant as microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def instant(at: int) -> datetime:
    """Microseconds since 1970 as an instant, UTC."""
    return _EPOCH + timedelta(microseconds=at)


class Stretch:
    """An offer version at work for a part of a billing period.

    ``factors`` raises each price's denominator to the node's; ``start`` names the period, whose counters it moves.
    ``short`` holds what ``short.py`` may charge by: meters with one price of one rate that looks at nothing but units,
    with that rate's index, the key of its counter where the account holds it, and the factor.
    """

    __slots__ = ("end", "factors", "from_", "offer", "prices", "short", "start")

    def __init__(self, offer: Offer, rater: OnlineRater, from_: int, end: int, scale: int) -> None:
        self.offer, self.from_, self.end = offer, from_, end
        self.start = micros(rater.period.start)
        self.prices: dict[str, list[Price]] = rater.by_meter
        self.factors = {c.id: scale // c.denominator for c in rater.offer.components}
        self.short: dict[str, tuple[Price, int, CounterKey, int]] = {}
        for meter, prices in self.prices.items():
            price = prices[0]
            looks = price.shape or price.alone or price.timed or price.counts or price.only is None
            if len(prices) == 1 and not looks and (placed := price.place("", _EPOCH)) is not None:
                self.short[meter] = (price, *placed, self.factors[price.component.id])


class Tariffs:
    """A catalogue at work.

    Args:
        text: the catalogue's YAML; empty: nothing is priced, only amounts can be charged. Slips in it are let through,
            for a log must be read again as it was read first; ``serve`` refuses them in a text that is new.

    Raises:
        CatalogueError: the text is no catalogue, or holds nothing that can be charged online.
    """

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.catalogue = loads(text, kept=None) if text.strip() else Catalogue()
        self.refused: dict[str, str] = {}
        denominators = [1]
        for offer in self.catalogue.offers:
            why = not_at_a_node(offer)
            try:
                for currency in (offer.currency, *(rate.currency for rate in offer.fx)):
                    compiled = compile_offer(offer, self.catalogue, currency=currency)
                    denominators += [component.denominator for component in compiled.components]
                OnlineRater(compiled, period_at(instant(0), offer.zone, offer.period), self._calendars)
            except WorkbenchError as error:
                why = error.what
            if why:
                self.refused[offer.id] = why
        self.scale = lcm(*denominators)
        self._now: dict[tuple[str, str], Stretch] = {}
        self._made: dict[tuple[str, str, int], Stretch] = {}

    @property
    def _calendars(self) -> dict[str, HolidayCalendar]:
        return {calendar.id: calendar for calendar in self.catalogue.holidays}

    def known(self, offer_id: str) -> bool:
        """Whether an offer of that id can be charged here."""
        return bool(self.catalogue.versions(offer_id)) and offer_id not in self.refused

    def at(self, offer_id: str, currency: str, at: int) -> Stretch:
        """The version of an offer in force at an instant, with its period.

        Raises:
            Refused: ``unknown_offer``, ``not_online``.
        """
        found = self._now.get((offer_id, currency))
        if found is not None and found.from_ <= at < found.end:
            return found
        found = self._make(offer_id, currency, at)
        self._now[offer_id, currency] = found
        return found

    def _make(self, offer_id: str, currency: str, at: int) -> Stretch:
        if offer_id in self.refused:
            raise Refused("not_online")
        versions = self.catalogue.versions(offer_id)
        if not versions:
            raise Refused("unknown_offer")
        period = period_at(instant(at), versions[0].zone, versions[0].period)
        held = [s for s in stretches(versions, period) if s.began_from == BEGINNING and at < micros(s.end)]
        if not held or at < micros(held[0].start):
            raise Refused("unknown_offer")
        offer, from_, end = held[0].offer, micros(held[0].start), min(micros(held[0].end), micros(period.end))
        key = (offer_id, currency, from_)
        if key not in self._made:
            try:
                compiled = compile_offer(offer, self.catalogue, currency=currency)
            except WorkbenchError as error:
                raise Refused("not_online") from error
            self._made[key] = Stretch(
                offer, OnlineRater(compiled, period, self._calendars), from_, end, self.scale
            )
        return self._made[key]
