"""From inventories to party tables: accounts, partners, devices, subscriptions, identities.

Vectorised: no Python loop over devices, so that 200,000 lamps take a moment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.model.offer import Catalogue
from workbench.showcase.cast import Cast

SINCE = datetime(2026, 1, 1)  # noqa: DTZ001  lake times are UTC without a zone
"""When everybody subscribed and every SIM was fitted."""

_IDENTITIES = ("iccid", "imsi", "eid", "imei")
_FAMILIES = (
    "Ashdown Birkett Calder Dunmore Eastlake Farrow Gildersleeve Hartwell Inglewood Jessop Kettering Lockhart "
    "Merriweather Nightingale Oakes Pemberton Quillfeather Rowntree Sedgwick Thistlewood Underhill Vandermeer "
    "Whitlock Yarrow"
).split()
Array = np.ndarray


def party_tables(inventories: Sequence[tuple[Cast, pa.Table]], catalogue: Catalogue) -> dict[str, pa.Table]:
    """The party tables of a city, ready for ``lake.parties.stage``.

    Args:
        inventories: each cast with its fleet's inventory (``Fleet.inventory()``).
        catalogue: names the partners.

    Returns: tables by kind. Accounts are in the order in which they first appear; a company that holds devices of
        several fleets is one account.
    """
    holdings = [_holding(cast, inventory) for cast, inventory in inventories]
    accounts = dict[str, tuple[str, str]]()
    for holding, (cast, _) in zip(holdings, inventories, strict=True):
        owner = "city" if cast.quarters else "home" if cast.homes else "company"
        for account_id, name in zip(*holding[:2], strict=True):
            accounts.setdefault(account_id, (name, owner))
    return {
        "accounts": _accounts(accounts),
        "partners": pa.table(
            {"partner_id": [p.id for p in catalogue.partners], "name": [p.name for p in catalogue.partners]}
        ),
        "devices_info": pa.concat_tables([_devices(inventory) for _, inventory in inventories]),
        "subscriptions": pa.concat_tables(
            [
                _subscriptions(cast, inventory, ids, codes)
                for (cast, inventory), (ids, _, codes) in zip(inventories, holdings, strict=True)
            ]
        ),
        "identities": pa.concat_tables([_identities(inventory) for _, inventory in inventories]),
    }


_Holding = tuple[
    list[str], list[str], Array
]  # account ids, names, and the account of each device as a position


def _holding(cast: Cast, inventory: pa.Table) -> _Holding:
    """Who holds which device of a fleet."""
    if cast.quarters:
        return _quarters(inventory, cast.quarters)
    if cast.homes:
        return _homes(cast, inventory)
    return _companies(cast.customers, inventory.num_rows)


def _quarters(inventory: pa.Table, size: int) -> _Holding:
    """A city pays by quarter: neighbouring streets of one district, about ``size`` devices each."""
    districts = inventory["district"].combine_chunks().dictionary_encode()
    district = districts.indices.to_numpy()
    counts = np.bincount(district, minlength=len(districts.dictionary))
    wanted = max(len(counts), round(inventory.num_rows / size))
    shares = _apportion([int(count) for count in counts], min(wanted, inventory.num_rows))
    place = _place_within(district)
    first = np.concatenate(([0], np.cumsum(shares)[:-1]))
    code = first[district] + place * np.array(shares)[district] // counts[district]
    _, opening = np.unique(code, return_index=True)
    named = inventory.take(pa.array(opening))
    ids, names = [], []
    seen: dict[str, int] = {}
    for where, street in zip(named["district"].to_pylist(), named["street"].to_pylist(), strict=True):
        seen[where] = seen.get(where, 0) + 1
        ids.append(f"city-{_slug(where)}-{seen[where]:02d}")
        names.append(f"{where}, around {street}")
    return ids, names, code


def _apportion(counts: list[int], total: int) -> list[int]:
    """``total`` quarters over districts in proportion to their devices, at least one each; largest remainders first."""
    rest = max(0, total - len(counts))
    exact = [Fraction(rest * count, sum(counts)) for count in counts]
    shares = [1 + int(share) for share in exact]
    order = sorted(range(len(counts)), key=lambda each: (int(exact[each]) - exact[each], each))
    for each in order[: len(counts) + rest - sum(shares)]:
        shares[each] += 1
    return shares


def _place_within(codes: Array) -> Array:
    """How many earlier rows have the same code."""
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(codes))[:-1]))
    place = np.empty(len(codes), dtype=np.int64)
    place[order] = np.arange(len(codes)) - starts[codes[order]]
    return place


def _homes(cast: Cast, inventory: pa.Table) -> _Holding:
    """A household per device, named after a family and its street."""
    numbers = np.arange(inventory.num_rows)
    families = pa.array(_FAMILIES).take(pa.array(numbers * 7 % len(_FAMILIES)))
    names = pc.binary_join_element_wise(families, inventory["site"].combine_chunks(), " household, ")
    ids = pc.replace_substring(inventory["device_id"], f"{_prefix(inventory)}-", f"home-{cast.source}-")
    return ids.to_pylist(), names.to_pylist(), numbers


def _prefix(inventory: pa.Table) -> str:
    return str(inventory["device_id"][0].as_py()).rsplit("-", 1)[0]


def _companies(names: Sequence[str], devices: int) -> _Holding:
    """Companies in the order given, the first the largest: shares fall like 1 : 3 : 5 ... read backwards."""
    weights = np.arange(2 * len(names) - 1, 0, -2)
    edges = np.cumsum(weights) * devices
    code = np.searchsorted(edges, np.arange(devices) * int(weights.sum()), side="right")
    held = np.unique(code)
    kept = [names[each] for each in held]
    return [_slug(name) for name in kept], kept, np.searchsorted(held, code)


def _slug(name: str) -> str:
    """``St. Bridget Hospital`` -> ``st-bridget-hospital``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _accounts(accounts: Mapping[str, tuple[str, str]]) -> pa.Table:
    return pa.table(
        {
            "account_id": list(accounts),
            "name": [name for name, _ in accounts.values()],
            "currency": pa.repeat("EUR", len(accounts)),
            "zone": pa.repeat("UTC", len(accounts)),
            "tax_region": pa.repeat("DE", len(accounts)),
            "owner": [owner for _, owner in accounts.values()],
        }
    )


def _devices(inventory: pa.Table) -> pa.Table:
    return inventory.select(["device_id", "kind", "site", "lat", "lon", "group_id", "attributes"])


def _subscriptions(cast: Cast, inventory: pa.Table, account_ids: list[str], codes: Array) -> pa.Table:
    count = inventory.num_rows
    devices = inventory["device_id"].combine_chunks()
    return pa.table(
        {
            "subscription_id": pc.binary_join_element_wise("sub", devices, "-"),
            "account_id": pa.array(account_ids).take(pa.array(codes)),
            "device_id": devices,
            "offer_id": pa.repeat(cast.offer_id, count),
            "starts_at": pa.repeat(pa.scalar(SINCE, pa.timestamp("us")), count),
            "sim_state": pa.repeat("active", count),
        }
    )


def _identities(inventory: pa.Table) -> pa.Table:
    """One row per identity a device has."""
    parts = []
    for kind in _IDENTITIES:
        column = inventory[kind].combine_chunks()
        fitted = pc.is_valid(column)
        values = column.filter(fitted)
        parts.append(
            pa.table(
                {
                    "kind": pa.repeat(kind, len(values)),
                    "value": values,
                    "device_id": inventory["device_id"].combine_chunks().filter(fitted),
                    "starts_at": pa.repeat(pa.scalar(SINCE, pa.timestamp("us")), len(values)),
                }
            )
        )
    return pa.concat_tables(parts)
