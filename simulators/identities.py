"""SIM and device identities that have the right form and belong to nobody.

ICCID (ITU-T E.118) and IMEI (3GPP TS 23.003) end in a Luhn digit, an EID (GSMA SGP.29) in two digits of ISO
7064 mod 97-10. The networks are MCC 999, which ITU-T E.212 keeps for internal use; the IMEIs lie in the range
for tests (type allocation code 001...).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from simulators.columns import Array, numbers
from simulators.randomness import stream

ISSUER = "8999970"  # telecommunications, private network 70
HOME_NETWORK = "99970"


def identities(
    seed: int, fleet: str, devices: int, *, imei: bool = True, eid: bool = False
) -> dict[str, pa.StringArray]:
    """ICCID and IMSI of each device, and IMEI and EID when asked for; all distinct within the fleet."""
    generator = stream(seed, f"identities/{fleet}")
    offset = int(generator.integers(0, 4_000_000_000))
    serial = offset + np.arange(devices, dtype=np.int64)
    found = {"iccid": _luhn(_text(ISSUER, serial, 11)), "imsi": _text(HOME_NETWORK, serial, 10)}
    if imei:
        found["imei"] = imeis(seed, fleet, devices)
    if eid:
        found["eid"] = _eid(_text("89999700000000000000", serial, 10))
    return found


def imeis(seed: int, fleet: str, devices: int, models: int = 6) -> pa.StringArray:
    """IMEIs of a handful of models (type allocation codes), distinct within the fleet."""
    generator = stream(seed, f"imei/{fleet}")
    model = generator.integers(0, models, devices) + 10 * int(generator.integers(100, 1_000))
    serial = (np.arange(devices, dtype=np.int64) * 7 + int(generator.integers(0, 1_000_000))) % 1_000_000
    block = np.arange(devices, dtype=np.int64) // 1_000_000
    return _luhn(_text("001", (model + 10_000 * block) * 1_000_000 + serial, 11))


def _text(head: str, serial: Array, digits: int) -> pa.StringArray:
    padded = pa.compute.utf8_lpad(numbers(serial).cast(pa.string()), width=digits, padding="0")
    return pa.compute.binary_join_element_wise(head, padded, "")


def _digits(text: pa.StringArray) -> Array:
    """The digits of equally long strings as a matrix, one row per string."""
    joined = pa.compute.binary_join(pa.ListArray.from_arrays([0, len(text)], text), "")[0].as_py()
    width = len(joined) // max(1, len(text))
    return np.frombuffer(joined.encode(), dtype=np.uint8).reshape(len(text), width).astype(np.int64) - ord(
        "0"
    )


def _luhn(text: pa.StringArray) -> pa.StringArray:
    """Append the Luhn check digit (ISO/IEC 7812-1, annex B)."""
    digits = _digits(text)
    doubled = digits[:, ::-1][:, ::2] * 2
    total = (doubled - 9 * (doubled > 9)).sum(axis=1) + digits[:, ::-1][:, 1::2].sum(axis=1)
    return pa.compute.binary_join_element_wise(text, numbers(-total % 10).cast(pa.string()), "")


def _eid(text: pa.StringArray) -> pa.StringArray:
    """Append two digits so that the whole number is 1 modulo 97."""
    remainder = np.zeros(len(text), dtype=np.int64)
    for column in _digits(text).T:
        remainder = (remainder * 10 + column) % 97
    check = numbers(98 - remainder * 100 % 97).cast(pa.string())
    return pa.compute.binary_join_element_wise(text, pa.compute.utf8_lpad(check, width=2, padding="0"), "")
