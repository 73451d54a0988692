"""Why this amount: a charge as a sentence for people and as a trace that a machine can check.

A trace is plain JSON: the price's steps as compiled, the counter before and after, how it was rounded, the free units,
and what each step contributed. ``trace_check.check_trace`` recomputes it from nothing but itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from workbench.model.money import NANO, decimal_text
from workbench.model.plan import PlanComponent, PlanConversion, PlanOffer, PlanRate, PlanStep
from workbench.tariff.amount import chargeable, converted, cost, part_unit, shared
from workbench.tariff.lookup import step_at
from workbench.tariff.units_text import base_words, many

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
    measured: int | None = None,
    total: int | None = None,
    whole: int | None = None,
    folded: str = "",
) -> Explanation:
    """Explain ``units`` more on a counter that held ``before``.

    Args:
        free_units: the counter's free units in the period; default: the component's own.
        events: how many events the record stands for.
        measured: how far the record moves its counter, where that is not by its units (a fold, rounding, a bundle).
        total: the counter's total of the period, for prices that jump and are shared by use.
        whole: what is shared by use, where that is not what ``total`` costs (a member's part of a pool).
        folded: the fold that made ``units`` of a counter's values at close.
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
        "counter": {"before": before, "after": before + (units if measured is None else measured)},
        "rounding": {"units": rounding[0], "add": rounding[1]},
        "free_units": free,
        "steps": [_step(step) for step in rate.steps],
    }
    if rate.conversion is not None:
        trace["conversion"] = _conversion(rate.conversion)
    elif rate.jumps and total is not None:
        trace["total_units"] = total
        trace["part_unit"] = part_unit(component.denominator, rate.steps)
        if whole is not None:
            trace["whole"] = whole
    if folded:
        trace["folded"] = folded
    return _explained(trace)


def explain_nothing(offer: PlanOffer, component: PlanComponent, units: int, why: str) -> Explanation:
    """A record that its line shows at no price."""
    return _explained(_head(offer, component, units) | {"given": 0, "why": why})


def explain_slots(
    offer: PlanOffer, component: PlanComponent, rate: PlanRate, slots: Sequence[tuple[str, int]], counted: int
) -> Explanation:
    """The charge of a percentile: the highest slots down to the one that is priced, and how many were counted."""
    rule = rate.percentile
    assert rule is not None
    trace = _head(offer, component, slots[-1][1]) | {
        "slots": {
            "counted": counted,
            "drop": [rule.drop_numerator, rule.drop_denominator],
            "highest": [{"slot": slot, "units": units} for slot, units in slots],
            "slope": rate.steps[0].block_amount,
        }
    }
    return _explained(trace)


def explain_due(offer: PlanOffer, component: PlanComponent, due: Sequence[int]) -> Explanation:
    """The flat fees of first steps that are due without use, over the component's denominator; nothing was used."""
    return _explained(_head(offer, component, 0) | {"due_at_zero": list(due)})


def with_due(found: Explanation, due: Sequence[int]) -> Explanation:
    """A charge to which such flat fees come, since it is of the counter's first instant, too."""
    return _explained({**found.trace, "due_at_zero": list(due)})


def explain_rule(head: Trace, rule: Trace) -> Explanation:
    """A fee or an adjustment: the rule of the offer and what it was applied to (see ``by_rule``)."""
    return _explained(head | {"rule": rule})


def _head(offer: PlanOffer, component: PlanComponent, units: int) -> Trace:
    return {
        "offer": {"id": offer.offer_id, "version": offer.version, "sha256": offer.sha256},
        "component": component.id,
        "meter": component.meter,
        "unit": component.unit,
        "currency": offer.currency,
        "denominator": component.denominator,
        "units": units,
    }


def _explained(trace: Trace) -> Explanation:
    trace["parts"] = parts_of(trace)
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


def parts_of(trace: Mapping[str, Any]) -> list[dict[str, int]]:
    """What each step contributes: ``after``..``up_to`` chargeable units at ``amount``; flat fees due without use come first."""
    due = [{"step": 0, "after": 0, "up_to": 0, "amount": amount} for amount in trace.get("due_at_zero", ())]
    return due + _parts_of_use(trace)


def _parts_of_use(trace: Mapping[str, Any]) -> list[dict[str, int]]:
    if "rule" in trace:
        return [{"step": 0, "after": 0, "up_to": trace["units"], "amount": by_rule(trace)}]
    if "slots" in trace:
        return [{"step": 0, "after": 0, "up_to": trace["units"], "amount": _by_slots(trace["slots"])}]
    if "given" in trace:  # a charge as it was given
        return [{"step": 0, "after": 0, "up_to": trace["units"], "amount": trace["given"]}]
    if "conversion" in trace:
        return [{"step": 0, "after": 0, "up_to": trace["units"], "amount": _converted(trace)}]
    if "steps" not in trace and "due_at_zero" in trace:  # nothing was used
        return []
    steps = [PlanStep(**step) for step in trace["steps"]]
    rounding, free = trace["rounding"], trace["free_units"]

    def q(used: int) -> int:
        return int(chargeable(used, rounding["units"], rounding["add"], free))

    low, high = trace["counter"]["before"], trace["counter"]["after"]
    if "total_units" in trace:
        total = trace["total_units"]
        whole = trace.get("whole", _cost(steps, q(total)) - steps[0].base)
        amount = shared(whole, low, high - low, total, trace["part_unit"]) if total else 0
        return [{"step": step_at(steps, q(total)), "after": low, "up_to": high, "amount": amount}]
    first, last = q(low), q(high)
    if last <= first:  # a fold that fell gives back what it cost before; what moves nothing costs nothing
        amount = _cost(steps, last) - _cost(steps, first)
        return [{"step": step_at(steps, last), "after": first, "up_to": last, "amount": amount}]
    edges = sorted({first, last, *(min(max(step.from_units - 1, first), last) for step in steps)})
    return [
        {
            "step": step_at(steps, up_to),
            "after": after,
            "up_to": up_to,
            "amount": _cost(steps, up_to) - _cost(steps, after),
        }
        for after, up_to in pairwise(edges)
    ]


def _cost(steps: list[PlanStep], q: int) -> int:
    step = steps[step_at(steps, q)]
    return cost(q, step.origin_units, step.base, step.block_units, step.block_amount)


def _converted(trace: Mapping[str, Any]) -> int:
    rule = trace["conversion"]
    amount = converted(int(trace["units"]), int(trace["events"]), int(rule["rate"]), int(rule["fee"]))
    if rule["floor"] is not None:
        amount = max(amount, int(rule["floor"]))
    return amount if rule["cap"] is None else min(amount, int(rule["cap"]))


def _by_slots(slots: Mapping[str, Any]) -> int:
    """A percentile again: the slots stand from the highest down, and exactly those that are dropped stand before it."""
    units = [slot["units"] for slot in slots["highest"]]
    dropped = slots["counted"] * slots["drop"][0] // slots["drop"][1]
    if units != sorted(units, reverse=True) or len(units) != dropped + 1:
        raise ValueError("the slots are not the highest ones")
    return int(units[-1] * slots["slope"])


def by_rule(trace: Mapping[str, Any]) -> int:
    """What a rule of the close comes to, over the trace's denominator. Its amounts are exact nano, ``n/d`` as text.

    ``discount``: never more than is left; ``maximum``: what is above it, given back; ``commitment``: what is missing of
    the promised part; ``credit``: the sum of what it paid; ``fee``: so many times its part.
    """
    rule = trace["rule"]
    nano = {name: Fraction(value) for name, value in rule.items() if name not in ("is", "paid")}
    none = Fraction(0)
    if rule["is"] == "discount":
        found = -min(nano["amount"], max(none, nano["counted"]))
    elif rule["is"] == "maximum":
        found = -max(none, nano["counted"] - nano["amount"])
    elif rule["is"] == "commitment":
        found = max(none, nano["amount"] * nano["days"] / nano["of_days"] - nano["counted"])
    elif rule["is"] == "credit":
        found = -sum((Fraction(part) for part in rule["paid"]), none)
        if -found > nano["amount"]:
            raise ValueError("a credit paid more than it held")
    else:
        found = nano["amount"] * nano["times"] / nano["of_times"]
    over = found * int(trace["denominator"])
    if over.denominator != 1:
        raise ValueError("the amount is not whole over the denominator")
    return over.numerator


def _sentence(trace: Trace) -> str:
    """The trace in words; what a close made of a rule is told by whoever knows the line."""
    if "rule" in trace:
        return ""
    if "due_at_zero" not in trace:
        return _words(trace)
    due = trace["due_at_zero"]
    fees = f"{decimal_text(Fraction(sum(due), trace['denominator'] * NANO))} {trace['currency']}"
    if len(trace["parts"]) == len(due):
        return _words(trace | {"why": "due without use, the flat fee of the first step"})
    used = {name: value for name, value in trace.items() if name != "due_at_zero"}
    used |= {"parts": trace["parts"][len(due) :], "amount": trace["amount"] - sum(due)}
    return f"{_words(used)} With it the first step's flat fee is due, which does not wait for use: {fees}."


def _words(trace: Trace) -> str:
    unit, currency, scale = trace["unit"], trace["currency"], trace["denominator"] * NANO

    def money(amount: int) -> str:
        return f"{decimal_text(Fraction(amount, scale))} {currency}"

    head = (
        f"{base_words(trace['units'], unit)} under '{trace['component']}' ({trace['offer']['id']} version "
        f"{trace['offer']['version']}"
    )
    head += "" if trace.get("rate", "default") == "default" else f", rate '{trace['rate']}'"
    end = f" cost {money(trace['amount'])}"
    if "why" in trace:
        return f"{head}){end}: {trace['why']}."
    if "slots" in trace:
        slots = trace["slots"]
        return (
            f"{head}){end}: the highest {many(unit)} of {slots['counted']:,} slots, once the {len(slots['highest']) - 1} "
            f"highest are dropped, at {money(slots['slope'])} for each."
        )
    if "conversion" in trace:
        return f"{head}){end}: a share of the money {trace['events']} event(s) carried."
    counter = trace["counter"]
    if "total_units" in trace:
        return f"{head}){end}: their part, by use, of what the period's {base_words(trace['total_units'], unit)} cost together."
    if trace.get("folded"):
        words = {"time_weighted": "average over time", "p95": "95th percentile"}[trace["folded"]]
        head = f"The {words}, {head}"
    linear = len(trace["steps"]) == 1 and trace["steps"][0]["block_units"] == 1 and not trace["free_units"]
    if linear and trace["rounding"]["units"] == 1:
        count = counter["after"] - counter["before"]
        some = f" of {count:,} of them" if 0 <= count < trace["units"] else ""  # another pays for the others
        return f"{head}){end}: {money(trace['steps'][0]['block_amount'])} for each{some}."
    moved = f" The counter went from {counter['before']:,} to {counter['after']:,}"
    moved += f", of which {trace['free_units']:,} are free." if trace["free_units"] else "."
    shares = [
        f"{part['up_to'] - part['after']:,} on step {part['step'] + 1} for {money(part['amount'])}"
        for part in trace["parts"]
    ]
    return f"{head}){end}: {' and '.join(shares)}.{moved}"
