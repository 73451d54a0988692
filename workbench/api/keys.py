"""Who may ask what: keys with a tenant, a role and, for a customer, the accounts they may see (S1, S2, S4).

A key is shown once, when it is made. What is kept is its SHA-256: 32 random bytes need no slow hash. The file is the
owner's alone (0600); a key that expired or was taken back opens nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from workbench.errors import UsageError

CUSTOMER, CARE, OPERATOR = ROLES = ("customer", "care", "operator")
"""A customer sees their own accounts, care every account of the tenant, an operator how the machine does."""
_PREFIX = "wbk_"


@dataclass(frozen=True, slots=True)
class Key:
    """One key as it is kept: ``sha256`` of the secret, ``name`` for people, ``expires_at`` in ISO 8601 or empty."""

    name: str
    tenant: str
    role: str
    sha256: str
    accounts: tuple[str, ...] = ()
    expires_at: str = ""

    def good_at(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return not self.expires_at or now < datetime.fromisoformat(self.expires_at)

    def sees(self, account_id: str) -> bool:
        """Whether the account is in its scope."""
        return self.role == CARE or (self.role == CUSTOMER and account_id in self.accounts)


class Keys:
    """The keys of a file, and those made for this process alone."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._by_hash: dict[str, Key] = {}
        self._stamp = 0
        self.reload()

    def reload(self) -> None:
        """Read the file again if it changed: a key that was taken back stops at once."""
        if self.path is None or not self.path.exists():
            return
        stamp = self.path.stat().st_mtime_ns
        if stamp == self._stamp:
            return
        rows = json.loads(self.path.read_text())
        kept = {key.sha256: key for key in self._by_hash.values() if key.name.startswith("(")}
        found = (Key(**{**row, "accounts": tuple(row["accounts"])}) for row in rows)
        self._by_hash, self._stamp = kept | {key.sha256: key for key in found}, stamp

    def find(self, secret: str, now: datetime) -> Key | None:
        """The key a caller presents, if it opens anything. Looking up its hash takes as long for every wrong one."""
        self.reload()
        key = self._by_hash.get(_hash(secret))
        return key if key is not None and key.good_at(now) else None

    def for_this_process(self, tenant: str, role: str) -> str:
        """A key that dies with the process; returns its secret."""
        secret = _PREFIX + secrets.token_urlsafe(32)
        key = Key(f"({role} of this process)", tenant, _role(role), _hash(secret))
        self._by_hash[key.sha256] = key
        return secret

    def add(
        self, name: str, tenant: str, role: str, accounts: Iterable[str] = (), expires_at: str = ""
    ) -> str:
        """Make a key and keep it; returns its secret, which nobody can show again.

        Raises:
            UsageError: no such role, a name that is taken, or a customer's key without accounts.
        """
        assert self.path is not None
        listed = tuple(accounts)
        if any(key.name == name for key in self._by_hash.values()):
            raise UsageError(f"There is a key {name!r}.", cure="Take it back first, or choose another name.")
        if (_role(role) == CUSTOMER) != bool(listed):
            raise UsageError(
                "A customer's key names accounts, no other does.", cure="Add or drop `--account`."
            )
        secret = _PREFIX + secrets.token_urlsafe(32)
        key = Key(name, tenant, role, _hash(secret), listed, expires_at)
        self._by_hash[key.sha256] = key
        self._write()
        return secret

    def revoke(self, name: str) -> None:
        """Take a key back. Raises ``UsageError`` when there is none of that name."""
        found = [key for key in self._by_hash.values() if key.name == name]
        if not found:
            raise UsageError(f"There is no key {name!r}.", cure="`workbench keys list` names them.")
        del self._by_hash[found[0].sha256]
        self._write()

    def listed(self) -> list[Key]:
        """All keys, by name; secrets are not among what is known of them."""
        return sorted(self._by_hash.values(), key=lambda key: key.name)

    def _write(self) -> None:
        assert self.path is not None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".tmp")
        rows = [asdict(key) for key in self.listed() if not key.name.startswith("(")]
        handle = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(rows, file, indent=1)
        draft.replace(self.path)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _role(role: str) -> str:
    if role not in ROLES:
        raise UsageError(f"There is no role {role!r}.", cure=f"Choose from {', '.join(ROLES)}.")
    return role
