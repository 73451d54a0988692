"""Who calls over HTTP, and the head of what it is answered."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec

from workbench.charging.messages import decode_answer
from workbench.charging.refusals import CURES, REFUSALS

JSON = (b"content-type", b"application/json")


class Door:
    """Who is calling: tokens by their hash, so that neither memory dumps nor timing tell them."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._tenants = {hashlib.sha256(token.encode()).digest(): tenant for token, tenant in tokens.items()}

    def tenant(self, headers: Sequence[tuple[bytes, bytes]]) -> str | None:
        """The tenant a caller may speak for; empty: any; ``None``: nobody's."""
        if not self._tenants:
            return ""
        for name, value in headers:
            if name == b"authorization" and value[:7].lower() == b"bearer ":
                return self._tenants.get(hashlib.sha256(value[7:]).digest())
        return None


def cured(answer: bytes) -> bytes:
    """What HTTP says of an answer: a refusal also says what, where and how to mend it, behind what it says anyway.

    Only here: the log proves answers by their bytes, so the node's own may not change.
    """
    if b'"ok":false' not in answer:
        return answer
    told = decode_answer(answer)
    more = {"what": told.why, "cure": CURES[told.code]}
    if not told.where:
        parts = [
            f"{name} {value}" for name, value in (("account", told.account), ("request", told.id)) if value
        ]
        more["where"] = ", ".join(parts) or "the request"
    return answer[:-1] + b"," + msgspec.json.encode(more)[1:]


def said(answer: bytes, home: str = "") -> tuple[int, list[tuple[bytes, bytes]]]:
    """Status and headers of an answer; ``home`` is where a node that owns only some accounts sends callers of others."""
    status = 200 if b'"ok":false' not in answer else REFUSALS[decode_answer(answer).code][0]
    headers = [JSON, (b"content-length", b"%d" % len(answer))]
    if status == 421 and home:  # the same request, to the node that knows where the account is
        status = 307
        headers.append((b"location", f"http://{home}/v1/charge".encode()))
    if status in (429, 503):
        headers.append((b"retry-after", b"1"))
    return status, headers


class _Granted:
    """The head of a good answer up to its length; made anew when the date changes."""

    defaults: Sequence[tuple[bytes, bytes]] | None = None
    head = b""


def head_of(answer: bytes, defaults: Sequence[tuple[bytes, bytes]], home: str = "") -> bytes:
    """Status line and headers, as bytes; ``defaults`` are headers of every answer, the same list while they stay."""
    if b'"ok":false' not in answer:
        if defaults is not _Granted.defaults:
            _Granted.head = _head(200, [*defaults, JSON])[:-2] + b"content-length: "
            _Granted.defaults = defaults
        return b"%s%d\r\n\r\n" % (_Granted.head, len(answer))
    status, headers = said(answer, home)
    return _head(status, [*defaults, *headers])


def _head(status: int, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
    return line + b"".join(b"%s: %s\r\n" % header for header in headers) + b"\r\n"
