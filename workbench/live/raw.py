"""The raw events behind a gateway's record: the gateway hands them out, the centre proves that they are the ones.

    GET /v1/raw/<stream>/<device>/<window>      rows as an Arrow stream, every column and type as the gateway landed them

Who asks folds the rows again by the stream's own policy; the fingerprint must be the one the record carries, which the
gateway cannot make up afterwards.
"""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.errors import LakeError, UsageError
from workbench.lake.lake import Lake
from workbench.mediation.lineage import Members, landed_behind, members_of, stream_named
from workbench.model.ids import device_key

ARROW = "application/vnd.apache.arrow.stream"


def rows_at(lake: Lake, stream: str, device: str, window: datetime) -> pa.Table:
    """The landed rows behind a record, where they are."""
    rows, _ = landed_behind(lake, stream_named(lake, stream), device_key(lake.tenant, device), window)
    return rows


def fetched(
    lake: Lake,
    source: str,
    stream: str,
    device: str,
    window: datetime,
    token: str = "",
    dimensions: dict[str, Any] | None = None,
) -> Members:
    """The raw events behind a record of this lake, from the gateway that has them, with the proof.

    Args:
        source: the gateway's address (``http://…``, ``https://…``) or the folder of its lake.
        window: the record's window, naive UTC.

    Raises:
        UsageError: ``stream_unknown``; ``gateway_away``: it cannot be reached, or refuses.
        LakeError: ``gateway_rows``: what it sent are no landed rows.
    """
    kept = stream_named(lake, stream)
    if "://" in source:
        rows = _asked(source.rstrip("/"), stream, device, window, token)
    else:
        with Lake.open(Path(source), lake.tenant, threads=1) as gateway:
            rows = rows_at(gateway, stream, device, window)
    try:
        return members_of(lake, kept, device_key(lake.tenant, device), window, rows, dimensions)
    except Exception as error:
        raise LakeError(
            "What the gateway sent are not the rows of this stream.", where=source,
            cure="Does it keep the stream by the same policy?", code="gateway_rows",
        ) from error  # fmt: skip


def _asked(base: str, stream: str, device: str, window: datetime, token: str) -> pa.Table:
    place = "/".join(urllib.parse.quote(word, safe="") for word in (stream, device, window.isoformat()))
    request = urllib.request.Request(f"{base}/v1/raw/{place}")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return pa.ipc.open_stream(answer.read()).read_all()
    except (urllib.error.URLError, OSError, pa.ArrowException) as error:
        raise UsageError(
            f"The gateway does not hand the events out: {error}.", where=base,
            cure="Is it there, does it know the stream, and is the token right?", code="gateway_away",
        ) from error  # fmt: skip
