"""A trace checked from nothing but itself: its amount, its charge, its invoice line, its partners' shares, its hashes.

Whoever is handed a trace can find out whether it hangs together, without a lake and without trusting who made it: the
parts follow from the steps, the line from its exact amount, the statements from the shares, the offer's hash from the
offer's text, and a seal over everything shows whether anything was changed since. That the offer, the records and the
charge are the lake's own is proven with the lake (``workbench verify``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from workbench.errors import RatingError
from workbench.model.money import minor_nano, round_half_away
from workbench.tariff.explain import parts_of


def seal_of(trace: Mapping[str, Any]) -> str:
    """SHA-256 of a trace without its seal, whatever the order of its keys."""
    rest = {name: value for name, value in trace.items() if name != "seal"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def check_trace(trace: Mapping[str, Any]) -> None:
    """Recompute a trace from its own numbers.

    Raises:
        RatingError: ``trace_wrong`` names the first part that is not what the rest of the trace gives.
    """
    try:
        wrong = next(_wrongs(trace), "")
    except (
        KeyError,
        TypeError,
        ValueError,
        ZeroDivisionError,
        IndexError,
        OverflowError,
        AttributeError,
    ) as error:
        wrong = f"cannot be recomputed ({type(error).__name__})"
    if wrong:
        raise RatingError(
            f"The trace of {str(trace.get('component'))[:60]} {wrong}.",
            where=str(trace.get("offer"))[:120],
            code="trace_wrong",
            cure="Explain the charge again from its records.",
        )


def _wrongs(trace: Mapping[str, Any]) -> Iterator[str]:
    parts = parts_of(trace)
    total = sum(part["amount"] for part in parts)
    if parts != list(trace["parts"]) or trace["amount"] != total:
        yield f"says {trace['amount']}, its steps give {total}"
    charge = trace.get("charge")
    if (
        charge is not None
        and Fraction(charge["amount"], charge["denominator"]) * trace["denominator"] != total
    ):
        yield f"explains {total}, but {charge['amount']} over {charge['denominator']} was charged"
    if "text" in trace["offer"]:
        yield from _offer(trace["offer"])
    if "line" in trace:
        yield from _line(trace["line"], trace.get("charge"))
    if trace.get("shares"):
        yield from _shares(trace["shares"])
    if "units" in trace.get("record", {}):
        yield from _record(trace, trace["record"], charge)
    if "seal" in trace and trace["seal"] != seal_of(trace):
        yield "was changed after it was sealed"


def _record(
    trace: Mapping[str, Any], record: Mapping[str, Any], charge: Mapping[str, Any] | None
) -> Iterator[str]:
    """A record's units are explained, or its events where these are counted; all are charged, or those that a budget pays."""
    if trace["units"] not in (record["units"], record.get("n_events")):
        yield f"explains {trace['units']} units of a record of {record['units']}"
    counter = trace.get("counter", {"before": 0, "after": trace["units"]})
    if charge is not None and charge["units"] not in (trace["units"], counter["after"] - counter["before"]):
        yield f"charges {charge['units']} units of a record of {record['units']}"


def _offer(offer: Mapping[str, Any]) -> Iterator[str]:
    if hashlib.sha256(offer["text"].encode()).hexdigest() != offer["sha256"]:
        yield "carries an offer that is not what its hash says"
    said = json.loads(offer["text"])
    if (said["id"], said["version"]) != (offer["id"], offer["version"]):
        yield "carries the text of another offer"


def _line(line: Mapping[str, Any], charge: Mapping[str, Any] | None) -> Iterator[str]:
    """The line is the sum of its charges, rounded once: half away from zero, to the currency's minor unit."""
    exact = Fraction(line["exact_nano"])
    if "rounded_nano" in line:
        held = exact / minor_nano(line["currency"])
        rounded = round_half_away(held.numerator, held.denominator) * minor_nano(line["currency"])
        if rounded != line["rounded_nano"]:
            yield f"rounds its line to {line['rounded_nano']} nano, {exact} are {rounded}"
    if charge is not None and "others_nano" in line:
        own = Fraction(charge["amount"], charge["denominator"])
        if own + Fraction(line["others_nano"]) != exact:
            yield "adds up its line to another amount"


def _shares(shares: Mapping[str, Any]) -> Iterator[str]:
    """The parts sum to the whole; statements are whole minor units, none a unit away from its share."""
    unit = minor_nano(shares["currency"])
    parts = [Fraction(row["share_nano"]) for row in shares["partners"]]
    stated = [row["statement_nano"] for row in shares["partners"]]
    if sum(parts, Fraction(0)) != Fraction(shares["takings_nano"]):
        yield "shares more or less than was taken"
    held = Fraction(shares["takings_nano"]) / unit
    if sum(stated) != round_half_away(held.numerator, held.denominator) * unit:
        yield "states more or less than was taken"
    if any(abs(part - given) >= unit or given % unit for part, given in zip(parts, stated, strict=True)):
        yield "states a share that is not its own, rounded"
