"""Who may send: a file of names and the hashes of their tokens, one a line.

    # name      tenant   sha256 of the token
    lamp-0001   acme     9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

Tokens are long and random (`openssl rand -hex 32`), so one fast hash guards them and ten thousand devices can sign in
at once. The name is what `identity: username` takes as the device.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import SourceError


@dataclass(frozen=True, slots=True)
class Sender:
    """Someone who signed in."""

    name: str
    tenant: str


class Tokens:
    """The senders of a file. Raises ``SourceError`` when it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._senders: dict[str, tuple[Sender, bytes]] = {}
        self._by_hash: dict[bytes, Sender] = {}
        try:
            lines = path.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(
                f"The tokens cannot be read: {error}.", where=str(path), cure="Check the path."
            ) from None
        for number, line in enumerate(lines, 1):
            words = line.split("#", 1)[0].split()
            if not words:
                continue
            if len(words) != 3 or len(words[2]) != 64 or set(words[2].lower()) - set("0123456789abcdef"):
                raise SourceError(
                    "A line is a name, a tenant and a SHA-256.", where=f"{path}, line {number}",
                    cure="printf %s TOKEN | sha256sum", code="source_tokens",
                )  # fmt: skip
            sender, digest = Sender(words[0], words[1]), bytes.fromhex(words[2])
            self._senders[sender.name] = (sender, digest)
            self._by_hash[digest] = sender

    def named(self, name: str, token: bytes) -> Sender | None:
        """The sender of that name, when the token is his."""
        sender, digest = self._senders.get(name, (None, bytes(32)))
        return sender if hmac.compare_digest(hashlib.sha256(token).digest(), digest) else None

    def bearer(self, token: bytes) -> Sender | None:
        """The sender whose token it is."""
        return self._by_hash.get(hashlib.sha256(token).digest())
