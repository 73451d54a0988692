"""Why a bill moves: the two traces of one contribution, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from workbench.errors import RatingError, UsageError
from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.model.money import NANO, decimal_text
from workbench.rating.batch import Rater
from workbench.rating.explain import explain_charge
from workbench.twin.effects import Pair
from workbench.twin.replay import World


@dataclass(frozen=True, slots=True)
class Side:
    """One world's charge for one record (or fee).

    Attributes:
        amount: exact, main unit. sentence: why, in words. trace: the same for a program, empty where nothing can be
            recomputed from one record (fees, and prices decided over the whole period).
        checked: the trace was recomputed and gave the charge.
    """

    amount: Fraction
    units: int
    sentence: str
    trace: dict[str, Any]
    checked: bool


@dataclass(frozen=True, slots=True)
class Traced:
    """One contribution opened: the same use under production and under the candidate; None where one has no charge."""

    account: str
    rule: str
    device: str
    window_start: datetime
    currency: str
    before: Side | None
    after: Side | None

    @property
    def delta(self) -> Fraction:
        """After less before."""
        return (self.after.amount if self.after else Fraction(0)) - (
            self.before.amount if self.before else Fraction(0)
        )

    def as_dict(self) -> dict[str, Any]:
        """For a program."""
        return {
            "account": self.account, "rule": self.rule, "device": self.device,
            "window_start": self.window_start.isoformat(), "currency": self.currency, "delta": decimal_text(self.delta),
            **{name: None if side is None else _plain(side) for name, side in (("before", self.before), ("after", self.after))},
        }  # fmt: skip

    def _repr_html_(self) -> str:
        from html import escape

        cells = "".join(
            f"<td style='vertical-align:top;text-align:left'><strong>{name}</strong><br>"
            f"{escape(decimal_text(side.amount)) if side else '—'} {escape(self.currency) if side else ''}<br>"
            f"{escape(side.sentence) if side else 'no charge'}</td>"
            for name, side in (("now", self.before), ("would be", self.after))
        )
        head = escape(f"{self.rule}, {self.device or self.account}, {self.window_start}")
        return f"<div>{head}<table><tr>{cells}</tr></table></div>"


def _plain(side: Side) -> dict[str, Any]:
    return {"amount": decimal_text(side.amount), "units": side.units, "sentence": side.sentence, "trace": side.trace,
            "checked": side.checked}  # fmt: skip


def opened(lake: Lake, pair: Pair, found: dict[str, Any], device: str) -> Traced:
    """Both sides of a contribution.

    Args:
        found: ``currency``, ``account``, ``rule``, ``device_key`` and ``window_start`` of it.
    """
    last = pair.reacted or pair.after
    stays = _replaced(lake, pair, found)
    sides = [_side(lake, world, found) for world in (pair.before, last if stays else pair.before)]
    return Traced(found["account"], found["rule"], device, found["window_start"], found["currency"], *sides)


def _replaced(lake: Lake, pair: Pair, found: dict[str, Any]) -> bool:
    """Whether the candidate's charge counts for this account and offer."""
    taking = pair.taking("o.offer_id", "o.account_id")
    if not taking:
        return True
    values = f"SELECT {quote(found['rule'].partition('.')[0])} AS offer_id, {quote(found['account'])} AS account_id"
    return bool(lake.con.execute(f"SELECT count(*) FROM ({values}) o WHERE {taking}").fetchall()[0][0])


def _side(lake: Lake, world: World, found: dict[str, Any]) -> Side | None:
    offer_id, _, part = found["rule"].partition(".")
    key = "IS NULL" if found["device_key"] is None else f"= {int(found['device_key'])}"
    rows = lake.con.execute(
        f"SELECT line_no, kind, meter, den, units, amount FROM {world.charges(lake)} WHERE account_id = $1 AND "
        f"offer_id = $2 AND component_id = $3 AND window_start = $4 AND device_key {key} ORDER BY ALL",
        [found["account"], offer_id, part, found["window_start"]],
    ).fetchall()
    if not rows:
        return None
    amount = sum((Fraction(int(row[5]), int(row[3]) * NANO) for row in rows), Fraction(0))
    units = sum(int(row[4]) for row in rows)
    line_no, kind, meter = rows[0][:3]
    if kind != "usage" or len(rows) > 1 or found["device_key"] is None:
        return Side(
            amount, units, _in_words(kind, part, units, amount, found["currency"], len(rows)), {}, False
        )
    return _explained(lake, world, found, (int(line_no), str(meter)), amount, units)


def _explained(
    lake: Lake, world: World, found: dict[str, Any], charged: tuple[int, str], amount: Fraction, units: int
) -> Side:
    line_no, meter = charged
    records = lake.scan("records", segments=[s for s in world.records if s.stream == meter])
    try:
        with Rater(lake.con, world.plan) as rater:
            dims = world.plan.dimensions(meter)
            given = _dimensions(lake, records, found, dims)
            made = explain_charge(
                rater, meter, records, line_no, found["device_key"], found["window_start"], given
            )
    except RatingError as error:
        return Side(amount, units, error.what, {}, False)
    exact = Fraction(made.trace["amount"], made.trace["denominator"] * NANO)
    return Side(amount, units, made.sentence, made.trace, exact == amount)


def _dimensions(lake: Lake, records: str, found: dict[str, Any], dims: tuple[str, ...]) -> dict[str, object]:
    if not dims:
        return {}
    row = lake.con.execute(
        f"SELECT {', '.join(dims)} FROM {records} WHERE device_key = $1 AND window_start = $2 ORDER BY ALL LIMIT 1",
        [found["device_key"], found["window_start"]],
    ).fetchall()
    return dict(zip(dims, row[0], strict=True)) if row else {}


def _in_words(kind: str, part: str, units: int, amount: Fraction, currency: str, rows: int) -> str:
    text = f"{decimal_text(amount)} {currency}"
    if kind == "usage":
        return f"{units:,} units under '{part}' in {rows} charges: {text}."
    return f"{kind.replace('_', ' ').capitalize()} '{part}', due {units} time{'s' if units != 1 else ''}: {text}."


def nothing(scenario: str) -> UsageError:
    """Nobody fits what was asked for."""
    return UsageError(
        "No charge fits that.",
        where=scenario,
        code="trace_missing",
        cure="Ask `contributions` which there are.",
    )
