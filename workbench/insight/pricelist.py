"""The price list a lake was rated by, for whoever asks what a finding costs."""

from __future__ import annotations

from workbench.errors import WorkbenchError
from workbench.lake.lake import Lake
from workbench.model.offer import Catalogue
from workbench.tariff import restore


def rated_by(lake: Lake) -> Catalogue | None:
    """The one catalogue of a lake; None where nothing was rated, or with several: there is no one price to ask then."""
    if not lake.segments("catalog"):
        return None
    rows = lake.con.execute(
        f"SELECT DISTINCT offer_id, version, sha256, text FROM {lake.scan('catalog')}"
    ).fetchall()
    try:
        return restore.catalogue(rows)
    except WorkbenchError:
        return None
