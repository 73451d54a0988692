"""The go-live gate as the Studio asks for it: a next version of an offer that is sold wants to pass, or a recorded reason."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

from workbench.dashboards.studio.shelf import Shelf
from workbench.errors import CatalogueError
from workbench.lake.lake import Lake
from workbench.model.offer import Catalogue, Offer
from workbench.pipeline import Watch
from workbench.twin.gate import GateResult, Rules, gate
from workbench.twin.publishing import gates, keep
from workbench.twin.report import write_gate
from workbench.twin.sign import signing_key


class Gatekeeper:
    """The gate of one lake and one shelf. Verdicts are signed and kept in the shelf's folder, beside `catalog.lock`."""

    def __init__(self, path: Path, tenant: str, shelf: Shelf) -> None:
        self._path, self._tenant, self._shelf = path, tenant, shelf
        self._lock = threading.Lock()

    def wanted(self, offer: Offer) -> bool:
        """Whether a version needs the gate and has not passed it yet."""
        return self._shelf.is_sold(offer.id) and (offer.id, offer.version, offer.sha256) not in self._passed()

    def _passed(self) -> set[tuple[str, int, str]]:
        entries = gates(self._shelf.folder) if self._shelf.folder.is_dir() else []
        return {
            (item["id"], item["version"], item["sha256"])
            for entry in entries
            if entry["summary"].get("passed") or entry["summary"].get("kind") == "override"
            for item in entry["summary"].get("offers", [])
        }

    def judge(
        self, drafted: Catalogue, offer: Offer, rules: Rules, now: datetime, watch: Watch | None = None
    ) -> tuple[GateResult, Path]:
        """Hold a draft against what is in force on the last rated period's traffic; sign and keep what came out.

        Returns: the verdict, and the report as a file that can be mailed.

        Raises:
            WorkbenchError: nothing could be tried.
        """
        candidate = self._shelf.candidate(drafted, offer)
        with self._lock, Lake.open(self._path, self._tenant) as lake:
            result = gate(lake, candidate, rules, now=now, watch=watch)
            try:
                self._shelf.folder.mkdir(parents=True, exist_ok=True)
                entry = keep(self._shelf.folder, result.summary(), signing_key())
                name = f"gate-{offer.id}-v{offer.version}.html"
                return result, write_gate(result, self._shelf.folder / "reports" / name, entry)
            finally:
                result.sim.close()

    def override(self, offer: Offer, reason: str, now: datetime) -> None:
        """Let a version out without a passed gate; who and why is signed and kept.

        Raises:
            CatalogueError: ``gate_wanted``: no reason is given.
        """
        if len(reason.strip()) < 5:
            raise CatalogueError(
                f"Version {offer.version} of offer '{offer.id}' has not passed the gate.",
                where=f"offer {offer.id}",
                code="gate_wanted",
                cure="Run the gate, or write down why it goes out all the same.",
            )
        summary = {
            "kind": "override", "reason": reason.strip()[:500], "at": now.isoformat(timespec="seconds"),
            "offers": [{"id": offer.id, "version": offer.version, "sha256": offer.sha256}],
        }  # fmt: skip
        self._shelf.folder.mkdir(parents=True, exist_ok=True)
        keep(self._shelf.folder, summary, signing_key())
