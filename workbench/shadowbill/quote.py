"""A quote: a prospect's own usage, priced by every offer that fits, the best one, and the move of each SIM.

    file -> mapping -> land, mediate, bill once by one offer -> the twin replays the same records on all the others

Nothing is mediated twice, and every amount is what the invoice would have said: the offers are compared on exact money.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, PackageLoader

from workbench.clock import Clock, SystemClock
from workbench.errors import UsageError
from workbench.mediation.yamltree import did_you_mean
from workbench.model.money import decimal_text
from workbench.model.offer import Catalogue, Offer
from workbench.pipeline import Watch
from workbench.shadowbill.run import Prepared, bill_of, prepare
from workbench.shadowbill.tables import as_file
from workbench.tariff.catalogue import load
from workbench.tariff.describe import describe
from workbench.twin.report import environment
from workbench.twin.scenario import Scenario
from workbench.twin.simulate import simulate

ACCOUNT = ""
"""Stands for what an account pays as a whole."""


@dataclass(frozen=True, slots=True)
class Option:
    """One offer on the prospect's usage.

    Attributes:
        total: exact, currency's main unit, over the whole file. devices: the same by SIM (``ACCOUNT`` for the rest).
        terms: the offer in sentences: (what, sentence).
    """

    offer_id: str
    title: str
    currency: str
    total: Fraction
    devices: Mapping[str, Fraction]
    terms: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Move:
    """What one SIM should be on: ``saves`` against the best single offer."""

    device: str
    offer_id: str
    amount: Fraction
    saves: Fraction


@dataclass(frozen=True)
class SalesQuote:
    """A comparison that can be sent.

    Attributes:
        options: cheapest first. current: the offer (or amount) compared with, if one was named.
        moves: the cheapest offer of each SIM, where mixing is cheaper than the best single offer; else empty.
        skipped: offers that do not price what the file has, with the reason.
    """

    customer: str
    file: str
    periods: tuple[str, ...]
    events: int
    sims: int
    options: tuple[Option, ...]
    moves: tuple[Move, ...]
    skipped: tuple[tuple[str, str], ...]
    current: str
    made_at: datetime
    valid_until: datetime

    @property
    def best(self) -> Option:
        """The cheapest single offer."""
        return self.options[0]

    @property
    def mixed(self) -> Fraction | None:
        """The total when every SIM is on its own best offer; None when that is not cheaper."""
        return sum((move.amount for move in self.moves), Fraction(0)) if self.moves else None

    @property
    def saving(self) -> Fraction | None:
        """What the best offer saves against the current one; None when none was named."""
        held = next((each for each in self.options if each.offer_id == self.current), None)
        return held.total - self.best.total if held else None

    def as_dict(self) -> dict[str, Any]:
        """For a program: exact amounts as text."""
        return {
            "customer": self.customer, "file": self.file, "periods": list(self.periods), "events": self.events,
            "sims": self.sims, "best": self.best.offer_id, "current": self.current,
            "saving": None if self.saving is None else decimal_text(self.saving),
            "options": [
                {"offer_id": o.offer_id, "title": o.title, "currency": o.currency, "total": decimal_text(o.total)}
                for o in self.options
            ],
            "moves": [
                {"device": m.device, "offer_id": m.offer_id, "amount": decimal_text(m.amount), "saves": decimal_text(m.saves)}
                for m in self.moves
            ],
            "mixed_total": None if self.mixed is None else decimal_text(self.mixed),
            "skipped": [{"offer_id": name, "why": why} for name, why in self.skipped],
            "valid_until": self.valid_until.date().isoformat(),
        }  # fmt: skip

    def html(self) -> str:
        """One page with everything inside, to send or to print."""
        made = environment()
        made.loader = ChoiceLoader(
            [PackageLoader("workbench.shadowbill", "templates"), PackageLoader("workbench.twin", "templates")]
        )
        return made.get_template("quote.html.j2").render(quote=self, most=max(o.total for o in self.options))

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td style='text-align:left'>{escape(o.title)}</td><td>{decimal_text(o.total, 2)} {o.currency}</td></tr>"
            for o in self.options
        )
        return f"<div><strong>{escape(self.best.title)} is the best of {len(self.options)}</strong><table>{rows}</table></div>"


def quote(
    usage: Any,
    catalogue: str | Path | Catalogue,
    *,
    customer: str = "",
    current: str = "",
    mapping: Any = None,
    params: Mapping[str, str] | None = None,
    account: str = "",
    valid_days: int = 30,
    threads: int = 2,
    watch: Watch | None = None,
    clock: Clock | None = None,
) -> SalesQuote:
    """Price a prospect's usage by every offer of a catalogue that sells what he uses.

    Args:
        usage: as for ``shadow``: CSV, NDJSON, Parquet ... by path, a DataFrame, an Arrow table.
        customer: whom the quote is for. current: the id of the offer he is on now, to say what he saves.
        mapping, params, account: as for ``shadow``; left out: proposed.

    Raises:
        UsageError: ``quote_no_offer``: no offer sells what the file holds, or it holds nothing to price.
        FileUnreadable, MappingError, CatalogueError: something cannot be used.
    """
    clock = clock or SystemClock()
    known = catalogue if isinstance(catalogue, Catalogue) else load(catalogue)
    with tempfile.TemporaryDirectory(prefix="workbench-quote-") as folder:
        work = Path(folder)
        file = as_file(usage, work, "usage")
        prepared, skipped = _fitting(file, known, mapping, params, account, current)
        bill = bill_of(prepared, work / "lake", work, None, "", threads, watch, clock)
        if not bill.periods or not bill.lines:
            raise _nothing(str(file), empty=True)
        offers = [known.offer(name) for name in sorted({o.id for o in known.offers if o.side == "sell"})]
        offers = [offer for offer in offers if offer.id not in dict(skipped)]
        options = _options(work / "lake", known, offers, prepared.offer, bill.periods)
    now = clock.now()
    return SalesQuote(
        customer or "you", file.name, bill.periods, bill.events, len(bill.devices), options, _moves(options), skipped,
        current, now, now + timedelta(days=valid_days),
    )  # fmt: skip


def _fitting(
    file: Path, known: Catalogue, mapping: Any, params: Mapping[str, str] | None, account: str, current: str
) -> tuple[Prepared, tuple[tuple[str, str], ...]]:
    """The file, prepared for an offer that sells what it has; and the offers that do not."""
    sold = sorted({offer.id for offer in known.offers if offer.side == "sell"})
    if current and current not in sold:
        raise UsageError(
            f"There is no offer {current!r} to compare with.", where="--current", code="offer_choice",
            cure=did_you_mean(current, sold, "There are"),
        )  # fmt: skip
    found: list[tuple[int, str, Prepared]] = []
    skipped: list[tuple[str, str]] = []
    for name in sold:
        alone = Catalogue(known.meters, known.partners, known.holidays, known.versions(name), known.sha256)
        try:
            one = prepare(file, alone, mapping=mapping, params=params, account=account)
        except UsageError as error:
            if error.code != "shadow_meters":
                raise
            skipped.append((name, error.what))
            continue
        streams = {component.meter for component in one.offer.components} & set(one.mapping.streams)
        found.append((-len(streams), name, one))
    if not found:
        raise _nothing(str(file), empty=False)
    found.sort(key=lambda each: (each[0], each[1] != current, each[1]))
    most = found[0][0]
    skipped += [
        (name, "It does not price everything that the file holds.") for few, name, _ in found if few != most
    ]
    return found[0][2], tuple(skipped)


def _options(
    lake: Path, known: Catalogue, offers: Sequence[Offer], base: Offer, periods: Sequence[str]
) -> tuple[Option, ...]:
    """Every offer's total and SIMs, period by period on the same records."""
    totals: dict[str, Fraction] = {}
    devices: dict[str, dict[str, Fraction]] = {offer.id: {} for offer in offers}
    scenarios = [
        Scenario(o.id, catalogue=known, moves=((base.id, o.id),) if o.id != base.id else ()) for o in offers
    ]
    for period in periods:
        with simulate(lake, scenarios, period=period, depth="total") as sim:
            for cell in sim.cells:
                if cell.error:
                    raise UsageError(
                        f"The offer {cell.name} cannot be tried: {cell.error['what']}", where=period,
                        cure=cell.error["cure"] or "Leave it out of the catalogue.", code="quote_offer",
                    )  # fmt: skip
                totals[cell.name] = totals.get(cell.name, Fraction(0)) + sum(
                    after for _, after in cell.totals.values()
                )
                table = sim.contributions(cell.name, by=("device", "side"), limit=None)
                for row in table.to_dict("records"):
                    if row["side"] == "sell":
                        device = str(row["device"] or ACCOUNT)
                        mine = devices[cell.name]
                        mine[device] = mine.get(device, Fraction(0)) + Fraction(row["after"])
    found = [
        Option(o.id, o.title or o.id, o.currency, totals[o.id], devices[o.id], tuple(describe(o, known)))
        for o in offers
    ]
    return tuple(sorted(found, key=lambda option: (option.total, option.offer_id)))


def _moves(options: Sequence[Option]) -> tuple[Move, ...]:
    """Each SIM's own cheapest offer, when that is cheaper in all; offers with charges per account cannot be mixed."""
    alone = [
        o
        for o in options
        if not o.devices.get(ACCOUNT) and not any("pool" in what.lower() for what, _ in o.terms)
    ]
    best = options[0]
    if len(alone) < 2 or best not in alone:
        return ()
    moves = []
    for device in sorted(best.devices):
        amounts = [(option.devices.get(device, Fraction(0)), option.offer_id) for option in alone]
        amount, offer_id = min(amounts)
        moves.append(Move(device, offer_id, amount, best.devices[device] - amount))
    return tuple(moves) if any(move.saves for move in moves) else ()


def _nothing(where: str, *, empty: bool) -> UsageError:
    return UsageError(
        "The file holds nothing that could be priced." if empty else "No offer of the catalogue sells what the file holds.",
        where=where, code="quote_no_offer",
        cure="Run `workbench shadow FILE` to see what the file says, and name a catalogue that sells it.",
    )  # fmt: skip
