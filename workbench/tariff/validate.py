"""Checks that need more than one field: every mistake is one sentence with file, line, code and cure.

``fields.py`` already refused what is wrong on its own (a negative amount, a gap between tiers). Here the parts are
held against each other. Judgements that need a witness (a bill that falls) are the checker's, ``check.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fractions import Fraction

from workbench.errors import CatalogueError
from workbench.model.money import MINOR_DIGITS, decimal_text
from workbench.model.offer import Catalogue, Component, Meter, Offer
from workbench.model.price import Percentile, StairStep, Volume
from workbench.tariff.calendar import zone_of
from workbench.tariff.fields import NAME
from workbench.tariff.slips import Mistake, slips

RESERVED_DIMENSIONS = frozenset(
    "device_key window_start units n_events n_duplicates first_at last_at fingerprint flags amount step line_no "
    "holder period comp_no rate_no before after".split()
)


class Places:
    """Where each part of each offer was written: (offer, version, part id) to ``file:line``."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, int, str], str] = {}
        self._meters: dict[str, str] = {}

    def put(self, offer: Offer, part: str, where: str) -> None:
        """Remember a part's place; the first one written wins."""
        self._at.setdefault((offer.id, offer.version, part), where)

    def of(self, offer: Offer, part: str = "") -> str:
        """The place of a part, or of its offer."""
        return self._at.get((offer.id, offer.version, part)) or self._at.get(
            (offer.id, offer.version, ""), ""
        )

    def put_meter(self, meter: Meter, where: str) -> None:
        """Remember a meter's place; the first one written wins."""
        self._meters.setdefault(meter.id, where)

    def of_meter(self, meter: Meter) -> str:
        """The place of a meter, or its name."""
        return self._meters.get(meter.id) or f"meter {meter.id}"

    def of_sentence(self, offer: Offer, sentence: str) -> str:
        """The place of the part that a sentence names last, or of its offer."""
        parts = sentence.replace(f"ffer '{offer.id}'", "ffer").split("'")[
            1::2
        ]  # a part may be called as its offer
        named = (
            self._at.get((offer.id, offer.version, key))
            for part in reversed(parts)
            for key in (part, f"@{part}")
        )
        return next((place for place in named if place), self.of(offer))


def validate(catalogue: Catalogue, places: Places | None = None, kept: Collection[str] = ()) -> None:
    """Refuse a catalogue whose parts do not fit together.

    Args:
        kept: hashes of versions that are published or in force. Money was billed by them and they never change, so a
            slip in one is no reason to refuse it: whoever recomputes has to read it. ``check`` tells of it.

    Raises:
        CatalogueError: the first mistake found, in file order.
    """
    at = places or Places()
    for meter in catalogue.meters:
        _meter(meter, at.of_meter(meter))
    declared = _Declared(catalogue)
    for offer in catalogue.offers:
        for what, part, code, cure in _mistakes(offer, declared):
            raise CatalogueError(what, where=at.of(offer, part), code=code, cure=cure)
        for what, part, code, cure in slips(offer, declared.meters) if offer.sha256 not in kept else ():
            raise CatalogueError(what, where=at.of(offer, part), code=code, cure=cure)


class _Declared:
    """What offers may name, looked up once for all of them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.meters = {meter.id: meter for meter in catalogue.meters}
        self.calendars = {calendar.id for calendar in catalogue.holidays}
        self.partners = {partner.id for partner in catalogue.partners}


def _meter(meter: Meter, where: str) -> None:
    for name in meter.dimensions:
        if not NAME.match(name) or name in RESERVED_DIMENSIONS:
            raise CatalogueError(
                f"Meter '{meter.id}' cannot have the dimension '{name}'.",
                where=where,
                code="dimension_name",
                cure="Use a-z, 0-9 and `_`, and no word that records already use.",
            )
    if (meter.unit == "nano") != bool(meter.currency):
        raise CatalogueError(
            f"Meter '{meter.id}' must have a currency exactly when its unit is nano.",
            where=where,
            code="money_meter",
            cure="Write `unit: nano, currency: EUR` for a meter of money.",
        )
    if meter.currency and meter.currency not in MINOR_DIGITS:
        raise CatalogueError(
            f"The currency {meter.currency!r} of meter '{meter.id}' is not known.",
            where=where,
            code="currency",
            cure="Use the ISO 4217 code of a currency in use.",
        )


def _mistakes(offer: Offer, declared: _Declared) -> Iterator[Mistake]:
    name = f"offer '{offer.id}'"
    yield from _header(offer, name)
    yield from _ids(offer, name)
    for component in offer.components:
        yield from _component(offer, component, declared.meters, declared.calendars)
    yield from _references(offer, name)
    yield from _bundles(offer)
    yield from _sponsors(offer, declared.meters)
    yield from _split(offer, name, declared.partners)


def _header(offer: Offer, name: str) -> Iterator[Mistake]:
    if offer.currency not in MINOR_DIGITS:
        yield (
            f"The currency {offer.currency!r} of {name} is not known.",
            "@currency",
            "currency",
            "Use the ISO 4217 code of a currency in use.",
        )
    for rate in offer.fx:
        if rate.currency not in MINOR_DIGITS or rate.currency == offer.currency:
            yield (
                f"The exchange rate of {name} to {rate.currency!r} makes no sense.",
                "@fx",
                "fx_rate",
                "Name another currency.",
            )
    if not zone_exists(offer.zone):
        yield (
            f"The zone {offer.zone[:40]!r} of {name} is not known.",
            "@zone",
            "zone",
            "Use a name like Europe/Berlin.",
        )
    if not offer.components and not offer.fees:
        yield f"The {name} has neither prices nor fees.", "", "offer_empty", "Add `prices:` or `fees:`."


def zone_exists(zone: str) -> bool:
    """Whether the pinned time-zone data knows this zone."""
    try:
        zone_of(zone)
    except (KeyError, ValueError):
        return False
    return True


def _ids(offer: Offer, name: str) -> Iterator[Mistake]:
    seen: set[str] = set()
    named = (offer.components, offer.fees, offer.bundles, offer.discounts, offer.credits, offer.sponsorships)
    for part in [str(getattr(item, "id", "")) for section in named for item in section]:
        if part in seen:
            yield f"The id '{part}' is used twice in {name}.", part, "duplicate_id", "Rename one of them."
        seen.add(part)
    categories = [tax.category for tax in offer.taxes]
    for number, category in enumerate(categories):
        if category in categories[:number]:
            yield (
                f"The tax category '{category}' is written twice in {name}.",
                f"@taxes {number} category",
                "duplicate_id",
                "Keep one rate per category.",
            )


def _component(
    offer: Offer, component: Component, meters: dict[str, Meter], calendars: set[str]
) -> Iterator[Mistake]:
    where, name = component.id, f"price '{component.id}'"
    meter = meters[component.meter]
    if meter.currency and meter.currency != offer.currency:
        yield (
            f"The {name} is in {offer.currency} but its meter carries {meter.currency}.", where, "currency_mismatch",
            "Meter and offer must have one currency.",
        )  # fmt: skip
    ids = [rate.id for rate in component.rates]
    if len(set(ids)) != len(ids):
        yield f"Two rates of {name} have one id.", where, "duplicate_id", "Rename one of them."
    yield from _rows(component, name, meter, calendars)
    for rate in component.rates:
        jumps = isinstance(rate.price, Volume | StairStep | Percentile) or (
            component.allowance is not None
            and (component.scope or offer.scope) == "pool"
            and (offer.pool_cap_units is not None or offer.overage == "excess")
        )
        if jumps and (offer.prepaid or offer.charged == "node"):
            yield (
                f"The {name} cannot be prepaid: what was used before changes its price later.", where, "prepaid_jump",
                "Use per_unit, graduated or package, or make the offer postpaid.",
            )  # fmt: skip
        out = rate.price.out_meter if isinstance(rate.price, Percentile) else ""
        if out and out not in meters:
            yield (
                f"The {name} names the meter '{out}', which is not declared.",
                where,
                "meter_unknown",
                "Declare it.",
            )
    if component.fold == "unique" and component.unique_of not in meter.dimensions:
        yield (
            f"The {name} counts unique values of '{component.unique_of}', which meter '{meter.id}' does not carry.",
            where, "dimension_unknown", f"Declared: {', '.join(meter.dimensions) or 'none'}.",
        )  # fmt: skip


def _rows(component: Component, name: str, meter: Meter, calendars: set[str]) -> Iterator[Mistake]:
    where = component.id
    for rate in component.rates:
        for dimension, _ in rate.match:
            if dimension not in meter.dimensions:
                yield (
                    f"The {name} looks at '{dimension}', which meter '{meter.id}' does not carry.", where,
                    "dimension_unknown", f"Declared: {', '.join(meter.dimensions) or 'none'}.",
                )  # fmt: skip
        for window in rate.windows:
            if not zone_exists(window.zone):
                yield (
                    f"The zone {window.zone[:40]!r} of {name} is not known.",
                    where,
                    "zone",
                    "Use a name like Europe/Berlin.",
                )
            if window.calendar and window.calendar not in calendars:
                yield (
                    f"The {name} names the calendar '{window.calendar}', which is not declared.",
                    where,
                    "calendar_unknown",
                    "Declare it under `holidays:`.",
                )
    last = component.rates[-1]
    if component.unmatched == "refuse" and (last.match or last.windows):
        yield (
            f"The {name} has no default rate, so some usage would have no price.", where, "rate_gap",
            "Add a last row without `match` and `windows`, or say `unmatched: free`.",
        )  # fmt: skip


def _references(offer: Offer, name: str) -> Iterator[Mistake]:
    priced = {component.id for component in offer.components}
    known = priced | {fee.id for fee in offer.fees}
    named: list[tuple[str, str]] = [(item, d.id) for d in offer.discounts for item in d.components]
    named += [(item, s.id) for s in offer.sponsorships for item in s.components]
    for limit, part in ((offer.maximum, "@maximum"), (offer.commitment, "@commitment")):
        named += [(item, part) for item in (limit.components if limit else ())]
    named += [
        (item, "@split") for rule in (offer.split.rules if offer.split else ()) for item in rule.components
    ]
    for item, part in named:
        if item not in known:
            yield (
                f"The {name} names the price or fee '{item}', which it does not have.",
                part,
                "component_unknown",
                f"It has: {', '.join(sorted(known))}.",
            )


def _sponsors(offer: Offer, meters: dict[str, Meter]) -> Iterator[Mistake]:
    for sponsorship in offer.sponsorships:
        for component in offer.components:
            declared = meters[component.meter].dimensions
            for dimension, _ in sponsorship.match if component.id in sponsorship.components else ():
                if dimension not in declared:
                    yield (
                        f"Sponsorship '{sponsorship.id}' looks at '{dimension}', which meter "
                        f"'{component.meter}' does not "
                        "carry.",
                        sponsorship.id,
                        "dimension_unknown",
                        f"Declared: {', '.join(declared) or 'none'}.",
                    )


def _bundles(offer: Offer) -> Iterator[Mistake]:
    owner: dict[str, str] = {}
    components = {component.id: component for component in offer.components}
    for bundle in offer.bundles:
        for component_id, _ in bundle.weights:
            if component_id == bundle.id or any(component_id == other.id for other in offer.bundles):
                yield (
                    f"Bundle '{bundle.id}' contains a bundle.",
                    bundle.id,
                    "bundle_circular",
                    "Weigh prices only.",
                )
                return
            if component_id not in components:
                yield (
                    f"Bundle '{bundle.id}' weighs '{component_id}', which is no price.",
                    bundle.id,
                    "component_unknown",
                    "Name a price of this offer.",
                )
                return
            if owner.setdefault(component_id, bundle.id) != bundle.id:
                yield (
                    f"The price '{component_id}' is in two bundles.",
                    bundle.id,
                    "bundle_twice",
                    "Keep it in one.",
                )
            if components[component_id].allowance is not None:
                yield (
                    f"The price '{component_id}' has an allowance and a bundle.",
                    bundle.id,
                    "bundle_twice",
                    "Keep one of the two.",
                )


def _split(offer: Offer, name: str, partners: set[str]) -> Iterator[Mistake]:
    split = offer.split
    if split is None or not (split.rules or split.rest):
        yield (
            f"The {name} has no split.",
            "@split",
            "split_missing",
            "Write it out, even when it is 100 % operator.",
        )
        return
    for partner in [rule.partner for rule in split.rules] + ([split.rest] if split.rest else []):
        if partner not in partners:
            yield (
                f"The split of {name} names '{partner}', who is not declared.",
                "@split",
                "partner_unknown",
                "Declare it under `partners:`.",
            )
    ids = [component.id for component in offer.components] + [fee.id for fee in offer.fees]
    simple = True
    for item in ids:
        rules = [rule for rule in split.rules if not rule.components or item in rule.components]
        gross = sum((_top_rate(rule.rate, rule.tiers) for rule in rules if rule.of == "gross"), Fraction(0))
        if gross > 1:
            yield (
                f"The split of {name} gives away {percent_text(gross)} of '{item}'.",
                "@split",
                "split_over_100",
                "The shares of one price may sum to 100 % at most.",
            )
        plain = all(
            r.kind == "percent" and r.of == "gross" and r.guarantee is None and r.cap is None for r in rules
        )
        simple = simple and plain and gross == 1
    if any(rule.of == "remainder" and _top_rate(rule.rate, rule.tiers) > 1 for rule in split.rules):
        yield (
            f"The split of {name} gives away more than the remainder.",
            "@split",
            "split_over_100",
            "A share is at most 100 %.",
        )
    if not simple and not split.rest:
        yield (
            f"The split of {name} does not say who gets the rest.",
            "@split",
            "split_rest",
            "Add `rest: operator`, or let the percentages sum to 100 %.",
        )


def _top_rate(rate: Fraction, tiers: tuple[object, ...]) -> Fraction:
    rates = [getattr(tier, "rate", Fraction(0)) for tier in tiers]
    return max([rate, *rates])


def percent_text(share: Fraction) -> str:
    """A share as percent text, exact: ``105 %``."""
    return f"{decimal_text(share * 100)} %"
