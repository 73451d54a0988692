"""Which faults, and how many: presets, text and mappings become counts of devices by kind."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from simulators.errors import FaultSpecBad

FaultSpec = str | Mapping[str, int | str]

KINDS = {
    "stuck": "a sensor repeats its last value for hours",
    "silent": "a device says nothing for hours",
    "drift": "a sensor's value slowly runs away",
    "spike": "a few readings are many times too large",
    "sentinel": "the sensor says -9999: no data",
    "compromised": "a stolen or infected SIM: new destination, volume, hours or IMEI",
    "counter_reset": "a cumulative counter starts again from 0",
    "duplicate": "a storm of retries",
    "reordered": "messages overtake each other by minutes",
    "late": "a device keeps its messages for minutes to days and sends them at once",
    "conflict": "a second delivery under the same key says something else",
}
# Devices per kind. ``demo`` leaves most of a small fleet alone; ``all`` is for looking at every kind.
PRESETS: dict[str, dict[str, str]] = {
    "none": {},
    "demo": {
        "stuck": "0.3%",
        "silent": "0.2%",
        "drift": "0.2%",
        "spike": "0.3%",
        "sentinel": "0.1%",
        "compromised": "0.5%",
        "counter_reset": "0.3%",
        "duplicate": "0.2%",
        "reordered": "0.2%",
        "late": "0.3%",
        "conflict": "0.1%",
    },
    "all": dict.fromkeys(KINDS, "2%"),
}


def counts(spec: FaultSpec, devices: int, fitting: set[str]) -> dict[str, int]:
    """How many devices get which fault.

    A share is rounded up, so that a small fleet has one of each. A preset skips kinds that do not fit the
    fleet; a kind that is asked for by name must fit.

    Raises ``FaultSpecBad``.
    """
    if isinstance(spec, str) and spec in PRESETS:
        chosen: Mapping[str, int | str] = {kind: n for kind, n in PRESETS[spec].items() if kind in fitting}
    else:
        chosen = _parse(spec) if isinstance(spec, str) else spec
    found = {kind: _count(kind, amount, devices, fitting) for kind, amount in chosen.items()}
    if sum(found.values()) > devices:
        if isinstance(spec, str) and spec in PRESETS:
            return dict(list(found.items())[:devices])  # a tiny fleet gets the first few, one each
        raise FaultSpecBad(
            f"{sum(found.values()):,} faults do not fit {devices:,} devices.",
            where="faults",
            code="faults_too_many",
            cure="A device has one fault at most: ask for fewer.",
        )
    return {kind: found[kind] for kind in KINDS if found.get(kind)}


def _parse(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(","):
        kind, equals, amount = part.strip().partition("=")
        if not kind or (equals and not amount):
            raise FaultSpecBad(
                f"{text!r} cannot be read.",
                where="faults",
                cure=f"Write a preset ({', '.join(PRESETS)}) or e.g. stuck=5,silent=1%.",
            )
        found[kind] = amount or "1"
    return found


def _count(kind: str, amount: int | str, devices: int, fitting: set[str]) -> int:
    if kind not in KINDS:
        near = get_close_matches(kind, KINDS, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Choose from {', '.join(KINDS)}."
        raise FaultSpecBad(
            f"There is no fault called {kind!r}.", where="faults", code="fault_unknown", cure=hint
        )
    if kind not in fitting:
        raise FaultSpecBad(
            f"{kind} does not fit this fleet.",
            where="faults",
            code="fault_unfit",
            cure=f"Choose from {', '.join(name for name in KINDS if name in fitting)}.",
        )
    text = str(amount)
    try:
        value = -(-devices * _ppm(text) // 1_000_000) if text.endswith("%") else int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise FaultSpecBad(
            f"{kind}={amount} is not a number of devices.",
            where="faults",
            cure=f"Write a count ({kind}=5) or a share ({kind}=1%).",
        )
    return value


def _ppm(text: str) -> int:
    """``1.5%`` as 15,000 parts per million."""
    share = float(text[:-1])
    if not 0 <= share <= 100:
        raise ValueError(text)
    return round(share * 10_000)
