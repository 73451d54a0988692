"""Ed25519 signatures on gate summaries, so that a published version shows who let it pass and that nothing was changed."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from workbench.errors import FileUnreadable

KEY_VARIABLE = "WORKBENCH_GATE_KEY"
"""Names the file of the signing key; else it lies in the user's configuration folder."""


def key_path() -> Path:
    """Where the signing key of this user is."""
    named = os.environ.get(KEY_VARIABLE)
    if named:
        return Path(named)
    base = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config"))
    return base / "iot-tariff-workbench" / "gate.pem"


def signing_key(path: Path | None = None) -> Ed25519PrivateKey:
    """The key at ``path``; made there, readable by its owner alone, when there is none.

    Raises:
        FileUnreadable: what is there is no Ed25519 key.
    """
    at = path or key_path()
    if not at.exists():
        at.parent.mkdir(parents=True, exist_ok=True)
        made = Ed25519PrivateKey.generate()
        text = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with os.fdopen(os.open(at, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text)
        return made
    try:
        key = load_pem_private_key(at.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise FileUnreadable(
            "The signing key of the gate cannot be read.", where=str(at), code="gate_key",
            cure="Restore it, or remove the file so that a new key is made.",
        )  # fmt: skip
    return key


def canonical(summary: Mapping[str, Any]) -> bytes:
    """The bytes that are signed: JSON with sorted keys and no spaces."""
    return json.dumps(summary, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()


def signed(summary: Mapping[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """The summary with its signature and the public key, both base64."""
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {
        "summary": dict(summary),
        "public_key": base64.b64encode(public).decode(),
        "signature": base64.b64encode(key.sign(canonical(summary))).decode(),
    }


def holds(entry: Mapping[str, Any]) -> bool:
    """Whether an entry's signature is that of its own public key over its own summary."""
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(entry["public_key"], validate=True))
        public.verify(base64.b64decode(entry["signature"], validate=True), canonical(entry["summary"]))
    except (InvalidSignature, KeyError, ValueError, TypeError):
        return False
    return True
