"""Why this amount: a charge as a sentence for people and as a trace that a machine can check.

A trace is plain JSON: the price's steps as compiled, the counter before and after, how it was rounded, the free units,
and what each step contributed. ``check_trace`` recomputes it from nothing but itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from workbench.errors import RatingError
from workbench.model.money import NANO, decimal_text
from workbench.model.plan import PlanComponent, PlanConversion, PlanOffer, PlanRate, PlanStep
from workbench.tariff.amount import chargeable, converted, cost, part_unit, shared
from workbench.tariff.lookup import step_at

Trace = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One charge explained."""

    sentence: str
    trace: Trace


def explain(
    offer: PlanOffer,
    component: PlanComponent,
    rate: PlanRate,
    units: int,
    *,
    before: int = 0,
    free_units: int | None = None,
    events: int = 1,
    total: int | None = None,
) -> Explanation:
    """Explain ``units`` more on a counter that held ``before``.

    Args:
        free_units: the counter's free units in the period; default: the component's own.
        events: how many events the record stands for.
        total: the counter's total of the period, for prices that jump and are shared by use.
    """
    free = component.free_units if free_units is None else free_units
    rounding = (
        (1, 0)
        if component.shape in ("event", "bucket")
        else (component.increment_units, component.increment_add)
    )
    trace: Trace = {
        "offer": {"id": offer.offer_id, "version": offer.version, "sha256": offer.sha256},
        "component": component.id,
        "rate": rate.id,
        "meter": component.meter,
        "unit": component.unit,
        "currency": offer.currency,
        "denominator": component.denominator,
        "units": units,
        "events": events,
        "counter": {"before": before, "after": before + units},
        "rounding": {"units": rounding[0], "add": rounding[1]},
        "free_units": free,
        "steps": [_step(step) for step in rate.steps],
    }
    if rate.conversion is not None:
        trace["conversion"] = _conversion(rate.conversion)
    elif rate.jumps and total is not None:
        trace["total_units"] = total
        trace["part_unit"] = part_unit(component.denominator, rate.steps)
    trace["parts"] = _parts(trace)
    trace["amount"] = sum(part["amount"] for part in trace["parts"])
    return Explanation(_sentence(trace), trace)


def _step(step: PlanStep) -> dict[str, int]:
    return {
        "from_units": step.from_units,
        "origin_units": step.origin_units,
        "base": step.base,
        "block_units": step.block_units,
        "block_amount": step.block_amount,
    }


def _conversion(conversion: PlanConversion) -> dict[str, int | None]:
    return {
        "rate": conversion.rate,
        "fee": conversion.fee,
        "floor": conversion.floor,
        "cap": conversion.cap,
    }


def _parts(trace: Mapping[str, Any]) -> list[dict[str, int]]:
    """What each step contributes: ``after``..``up_to`` chargeable units at ``amount``."""
    if "given" in trace:  # a fee or an adjustment: one part, as it was given
        return [{"step": 0, "after": 0, "up_to": trace["units"], "amount": trace["given"]}]
    if "conversion" in trace:
        return [{"step": 0, "after": 0, "up_to": trace["units"], "amount": _converted(trace)}]
    steps = [PlanStep(**step) for step in trace["steps"]]
    rounding, free = trace["rounding"], trace["free_units"]

    def q(used: int) -> int:
        return int(chargeable(used, rounding["units"], rounding["add"], free))

    low, high = trace["counter"]["before"], trace["counter"]["after"]
    if "total_units" in trace:
        total = trace["total_units"]
        whole = _cost(steps, q(total)) - steps[0].base
        amount = shared(whole, low, high - low, total, trace["part_unit"]) if total else 0
        return [{"step": step_at(steps, q(total)), "after": low, "up_to": high, "amount": amount}]
    first, last = q(low), q(high)
    edges = sorted({first, last, *(s.from_units - 1 for s in steps if first < s.from_units - 1 < last)})
    found = [
        {
            "step": step_at(steps, up_to),
            "after": after,
            "up_to": up_to,
            "amount": _cost(steps, up_to) - _cost(steps, after),
        }
        for after, up_to in pairwise(edges)
    ]
    return found or [{"step": step_at(steps, last), "after": first, "up_to": last, "amount": 0}]


def _cost(steps: list[PlanStep], q: int) -> int:
    step = steps[step_at(steps, q)]
    return cost(q, step.origin_units, step.base, step.block_units, step.block_amount)


def _converted(trace: Mapping[str, Any]) -> int:
    rule = trace["conversion"]
    amount = converted(int(trace["units"]), int(trace["events"]), int(rule["rate"]), int(rule["fee"]))
    if rule["floor"] is not None:
        amount = max(amount, int(rule["floor"]))
    return amount if rule["cap"] is None else min(amount, int(rule["cap"]))


def check_trace(trace: Mapping[str, Any]) -> None:
    """Recompute a trace from its own numbers: the parts from the steps, their sum, and the charge that was stored.

    Raises:
        RatingError: ``trace_wrong`` when its parts, its amount or its charge are not what its steps give.
    """
    try:
        parts = _parts(trace)
        total = sum(part["amount"] for part in parts)
        charge = trace.get("charge", {"amount": trace["amount"], "denominator": trace["denominator"]})
        stored = Fraction(charge["amount"], charge["denominator"])
        right = (
            parts == list(trace["parts"])
            and trace["amount"] == total
            and stored * trace["denominator"] == total
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError, IndexError, OverflowError) as error:
        raise _wrong(trace, f"cannot be recomputed ({type(error).__name__})") from None
    if not right:
        raise _wrong(trace, f"says {trace['amount']}, its steps give {total}")


def _wrong(trace: Mapping[str, Any], what: str) -> RatingError:
    return RatingError(
        f"The trace of {str(trace.get('component'))[:60]} {what}.",
        where=str(trace.get("offer"))[:120],
        code="trace_wrong",
        cure="Explain the charge again from its records.",
    )


def _sentence(trace: Trace) -> str:
    """The trace in words."""
    unit, currency, scale = trace["unit"], trace["currency"], trace["denominator"] * NANO

    def money(amount: int) -> str:
        return f"{decimal_text(Fraction(amount, scale))} {currency}"

    head = (
        f"{trace['units']:,} {unit} under '{trace['component']}' ({trace['offer']['id']} version "
        f"{trace['offer']['version']}"
    )
    head += "" if trace["rate"] == "default" else f", rate '{trace['rate']}'"
    end = f" cost {money(trace['amount'])}"
    if "conversion" in trace:
        return f"{head}){end}: a share of the money {trace['events']} event(s) carried."
    counter = trace["counter"]
    if "total_units" in trace:
        return f"{head}){end}: their part, by use, of what the period's {trace['total_units']:,} {unit} cost together."
    linear = len(trace["steps"]) == 1 and trace["steps"][0]["block_units"] == 1 and not trace["free_units"]
    if linear and trace["rounding"]["units"] == 1:
        return f"{head}){end}: {money(trace['steps'][0]['block_amount'])} for each."
    moved = f" The counter went from {counter['before']:,} to {counter['after']:,}"
    moved += f", of which {trace['free_units']:,} are free." if trace["free_units"] else "."
    shares = [
        f"{part['up_to'] - part['after']:,} on step {part['step'] + 1} for {money(part['amount'])}"
        for part in trace["parts"]
    ]
    return f"{head}){end}: {' and '.join(shares)}.{moved}"
