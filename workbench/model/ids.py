"""Deterministic identifiers: the same thing has the same id wherever and whenever it is computed."""

from __future__ import annotations

import hashlib


def device_key(tenant: str, device_id: str) -> int:
    """The 63-bit number that stands for a device in segments.

    It depends on nothing but the tenant and the device's own id, so that an edge gateway and the centre, or
    two machines that landed different halves of a fleet, agree without asking each other. Two devices of one
    lake that share a number are refused when the second is registered (see ``lake/devices.py``).

    Returns: an integer in ``[0, 2**63)``.

    >>> device_key("main", "lamp-000001") == device_key("main", "lamp-000001")
    True
    """
    digest = hashlib.blake2b(f"{tenant}\x1f{device_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def short_hash(*parts: object, size: int = 8) -> str:
    """A hex id of ``2 * size`` characters; parts are joined so that no two lists collide by pasting."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()
