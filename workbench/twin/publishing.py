"""Publishing through the gate: a new version of an offer that is sold already wants a passed gate, or a recorded override.

``catalog.gates`` lies beside ``catalog.lock`` under version control: one JSON object a line, each a signed summary of a
gate or of an override. ``gate.keys`` lists the public keys that are believed, one a line with who it is; the first gate
of a folder writes its own key there, so that a reviewer sees it come.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workbench.errors import CatalogueError, FileUnreadable
from workbench.model.offer import Catalogue, Offer
from workbench.tariff.publish import publish as lock
from workbench.tariff.publish import read_lock
from workbench.twin import sign

GATES, KEYS = "catalog.gates", "gate.keys"


def keep(folder: Path, summary: Mapping[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """Sign a summary and append it to the folder's gates; returns the entry."""
    entry = sign.signed(summary, key)
    known = _keys(folder)
    if not known:
        _append(folder / KEYS, f"{entry['public_key']} {_who()}")
    _append(folder / GATES, json.dumps(entry, sort_keys=True, ensure_ascii=False))
    return entry


def gates(folder: Path) -> list[dict[str, Any]]:
    """Every entry of the folder's gates that a believed key signed, oldest first.

    Raises:
        FileUnreadable: ``gate_damaged``: a line was changed, or signed by a key that is not believed.
    """
    path = folder / GATES
    if not path.is_file():
        return []
    known, found = _keys(folder), []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            entry = {}
        if not isinstance(entry, dict) or not sign.holds(entry) or entry["public_key"] not in known:
            raise FileUnreadable(
                "A gate's summary was changed after it was signed, or nobody believes its key.",
                where=f"{path}:{number}",
                cure=f"Restore the file from version control, or add the key to {KEYS} when you believe it.",
                code="gate_damaged",
            )
        found.append(entry)
    return found


def wanting(catalogue: Catalogue, folder: Path) -> list[Offer]:
    """New versions that need a gate and have none that passed: those of offers which are published already."""
    published = read_lock(folder)
    sold = {offer_id for offer_id, _ in published}
    fresh = [o for o in catalogue.offers if (o.id, o.version) not in published and o.id in sold]
    let = {
        (item["id"], item["version"], item["sha256"])
        for entry in gates(folder)
        if entry["summary"].get("passed") or entry["summary"].get("kind") == "override"
        for item in entry["summary"].get("offers", [])
    }
    return [offer for offer in fresh if (offer.id, offer.version, offer.sha256) not in let]


def publish(
    catalogue: Catalogue,
    folder: Path,
    now: datetime,
    *,
    override: str = "",
    backdate: bool = False,
    key: Ed25519PrivateKey | None = None,
) -> list[Offer]:
    """Make new versions immutable, once the gate let them pass.

    Args:
        override: why versions without a passed gate go out all the same; signed and kept. Empty: they do not.
        now: the instant of publishing.

    Returns: the newly published versions.

    Raises:
        CatalogueError: ``gate_wanted`` names the first version without a passed gate; see ``tariff.publish`` for others.
    """
    missing = wanting(catalogue, folder)
    if missing and not override.strip():
        first = missing[0]
        raise CatalogueError(
            f"Version {first.version} of offer '{first.id}' has not passed the gate.",
            where=str(folder / GATES),
            code="gate_wanted",
            cure="Run `workbench twin gate LAKE CATALOG`, or publish with --override REASON, which is kept.",
        )
    today: date = now.date()
    fresh = lock(catalogue, folder, today, backdate=backdate)
    if missing:
        summary = {
            "kind": "override",
            "reason": override.strip(),
            "by": _who(),
            "at": now.isoformat(timespec="seconds"),
            "offers": [{"id": o.id, "version": o.version, "sha256": o.sha256} for o in missing],
        }
        keep(folder, summary, key or sign.signing_key())
    return fresh


def _keys(folder: Path) -> set[str]:
    path = folder / KEYS
    if not path.is_file():
        return set()
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}


def _append(path: Path, line: str) -> None:
    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    draft = path.with_name(f".{path.name}.tmp")
    draft.write_text(old + line + "\n", encoding="utf-8")
    draft.replace(path)


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
