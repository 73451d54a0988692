"""The inventory: one row per device, so that somebody can subscribe it. One schema for all fleets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from simulators.city import DISTRICTS, Places, street_name
from simulators.columns import Array, numbers

SCHEMA = pa.schema(
    [
        pa.field("device_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        ("site", pa.string()),
        ("district", pa.string()),
        ("street", pa.string()),
        ("lat", pa.float64()),
        ("lon", pa.float64()),
        pa.field("group_id", pa.string(), nullable=False),
        ("iccid", pa.string()),
        ("imsi", pa.string()),
        ("imei", pa.string()),
        ("eid", pa.string()),
        pa.field("attributes", pa.string(), nullable=False),
    ]
)


def table(
    device_ids: pa.StringArray,
    kind: str,
    places: Places,
    group_id: Sequence[str] | pa.StringArray,
    *,
    identities: Mapping[str, pa.StringArray] | None = None,
    attributes: Sequence[str] | pa.StringArray | None = None,
) -> pa.Table:
    """Put an inventory together.

    Args:
        device_ids: the names of the devices.
        kind: what they are, e.g. ``streetlight``.
        places: where they stand.
        group_id: the group of each device (a district, a SIM group), one per device.
        identities: any of ``iccid``, ``imsi``, ``imei``, ``eid``.
        attributes: one JSON object per device, as text.
    """
    count = len(device_ids)
    district, street = named(places.district, DISTRICTS), street_names(places.street)
    values = {
        "device_id": device_ids,
        "kind": pa.repeat(kind, count),
        "district": district,
        "street": street,
        "site": pa.compute.binary_join_element_wise(street, district, ", "),
        "lat": numbers(places.lat),
        "lon": numbers(places.lon),
        "group_id": group_id,
        "attributes": attributes if attributes is not None else pa.repeat("{}", count),
        **(identities or {}),
    }
    columns = [
        pa.array(values[field.name], type=field.type) if field.name in values else pa.nulls(count, field.type)
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def named(codes: Array, names: Sequence[str]) -> pa.StringArray:
    """The names behind integer codes."""
    return pa.array(list(names)).take(numbers(codes))


def street_names(numbers: Array) -> pa.StringArray:
    """The names behind street numbers."""
    distinct, codes = np.unique(numbers, return_inverse=True)
    return named(codes, [street_name(int(number)) for number in distinct])


def district_groups(fleet: str, places: Places) -> pa.StringArray:
    """The usual group: the fleet's devices of one district."""
    return named(places.district, [f"{fleet}-district-{code + 1:02d}" for code in range(len(DISTRICTS))])
