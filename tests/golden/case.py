"""Reads a golden case: the offer as catalogue text (exactly as written), the usage, and what it must come to.

A file holds ``meters``, optional ``partners`` and ``holidays``, and ``cases``. Whatever a case's offer
leaves out of ``id, version, currency, effective, split`` is filled in (``offer``, 1, EUR, 2020-01-01, all
to ``operator``), so that a case shows its price and little else. ``tests/golden/README.md`` describes the
fields.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from textwrap import dedent, indent
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from workbench.model.money import exact
from workbench.model.offer import Catalogue, Meter
from workbench.model.party import Account, Device, Parties, Partner, Subscription
from workbench.model.units import to_base
from workbench.reference.days import period_of
from workbench.reference.results import Use
from workbench.tariff.catalogue import loads

CASES = Path(__file__).parent / "cases"
OTHERS = Path(__file__).parent / "others"
LONG_AGO = "2020-01-01"
DEFAULTS = {
    "id": "offer",
    "version": "1",
    "currency": "EUR",
    "effective": LONG_AGO,
    "split": "{rest: operator}",
}
NANO = 1_000_000_000
TEXT_ONLY = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True)
class Case:
    """One case, ready to be rated. ``expect`` holds one table per period."""

    name: str
    file: str
    catalogue: Catalogue
    parties: Parties
    uses: tuple[Use, ...]
    periods: tuple[tuple[datetime, datetime], ...]
    outages: tuple[tuple[datetime, datetime], ...]
    expect: tuple[dict[str, Any], ...]
    only: tuple[str, ...] = ()
    body: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def id(self) -> str:
        return f"{self.file}: {self.name}"


def all_cases(folder: Path = CASES) -> list[Case]:
    """Every case of every file, in order."""
    return [case for path in sorted(folder.glob("*.yaml")) for case in read_cases(path)]


def read_cases(path: Path) -> list[Case]:
    """The cases of one file. Scalars stay text; the offers keep the text they have in the file."""
    text = path.read_text(encoding="utf-8")
    tree = yaml.compose(text, Loader=TEXT_ONLY)
    body = yaml.load(text, Loader=TEXT_ONLY)  # noqa: S506  (it makes nothing but text, lists and maps)
    shared = "".join(section(text, tree, name) for name in ("meters", "holidays", "partners"))
    if "partners" not in body:
        shared += "partners:\n  - {id: operator}\n"
    nodes = value_of(tree, "cases").value
    return [
        read_case(path, case, shared, text, node) for case, node in zip(body["cases"], nodes, strict=True)
    ]


def read_case(path: Path, body: dict[str, Any], shared: str, text: str, node: yaml.MappingNode) -> Case:
    unknown = set(body) - {
        "name", "source", "offer", "offers", "accounts", "devices", "subscriptions", "use", "period", "periods",
        "outages", "expect", "only",
    }  # fmt: skip
    assert not unknown, f"{path.name}: {body['name']}: unknown fields {sorted(unknown)}"
    offers = [value_of(node, "offer")] if "offer" in body else list(value_of(node, "offers").value)
    catalogue = loads(shared + "offers:\n" + "".join(offer_text(text, offer) for offer in offers), path.name)
    accounts = read_accounts(body)
    uses = tuple(use for row in body.get("use", []) for use in read_uses(row, catalogue, accounts[0].zone))
    parties = read_parties(body, accounts, catalogue, uses)
    spans = body.get("periods", [body.get("period", "2026-01")])
    expect = body["expect"] if isinstance(body["expect"], list) else [body["expect"]]
    return Case(
        body["name"],
        path.stem,
        catalogue,
        parties,
        uses,
        tuple(read_period(span, accounts[0], catalogue.offers[0].period) for span in spans),
        tuple((instant(o["from"]), instant(o["to"])) for o in body.get("outages", [])),
        tuple(expect),
        tuple(body.get("only", ())),
        body,
    )


def section(text: str, tree: yaml.MappingNode, name: str) -> str:
    """One top-level section of a file as it is written, or nothing."""
    node = value_of(tree, name, missing_ok=True)
    return "" if node is None else f"{name}:\n" + indent(source(text, node), "  ")


def offer_text(text: str, node: yaml.MappingNode) -> str:
    """One entry of ``offers:``, as it is written, with what it leaves out."""
    written = {key.value for key, _ in node.value}
    missing = [f"{key}: {value}" for key, value in DEFAULTS.items() if key not in written]
    if node.flow_style:
        return (
            "  - {"
            + "".join(part + ", " for part in missing)
            + source(text, node).strip().removeprefix("{")
            + "\n"
        )
    return "  - " + indent("".join(part + "\n" for part in missing) + source(text, node), "    ").lstrip()


def source(text: str, node: yaml.Node) -> str:
    """The text of a node, moved to the left margin."""
    start = node.start_mark.index - node.start_mark.column
    lines = " " * node.start_mark.column + text[node.start_mark.index : node.end_mark.index]
    return dedent(lines if start >= 0 else "").rstrip() + "\n"


def value_of(node: yaml.MappingNode, name: str, missing_ok: bool = False) -> Any:
    for key, value in node.value:
        if key.value == name:
            return value
    assert missing_ok, f"no {name}"
    return None


def instant(text: str, zone: str = "UTC") -> datetime:
    """``2026-01-05``, ``2026-01-05 10:00`` (local in ``zone``), with ``+02:00`` or ``Z`` where it says so."""
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def read_period(span: Any, account: Account, kind: str) -> tuple[datetime, datetime]:
    """``2026-01``, a day in the wanted billing period, or ``{from, to}``."""
    if isinstance(span, dict):
        return instant(span["from"], account.zone), instant(span["to"], account.zone)
    day = span if len(span) > 7 else f"{span}-{min(account.billing_anchor_day, 28):02}"
    if len(span) == 7 and account.billing_anchor_day > 28:
        day = f"{span}-15"  # the period that holds the middle of the month
    return period_of(instant(day + " 12:00", account.zone), account.zone, account.billing_anchor_day, kind)


def read_accounts(body: dict[str, Any]) -> list[Account]:
    rows = body.get("accounts", [{}])
    return [
        Account(
            row.get("id", "acme"),
            currency=row.get("currency", "EUR"),
            zone=row.get("zone", "UTC"),
            billing_anchor_day=int(row.get("anchor", 1)),
            credit_limit_nano=int(exact(row.get("credit_limit", "0")) * NANO),
        )
        for row in rows
    ]


def read_uses(row: dict[str, Any], catalogue: Catalogue, zone: str) -> list[Use]:
    """One row of ``use``; ``times: n`` repeats it, each time with another event id and ``every`` minutes
    later.
    """
    unknown = set(row) - {"at", "device", "meter", "units", "dims", "event", "times", "every", "events"}
    assert not unknown, f"unknown fields of use: {unknown}"
    meter = catalogue.meter(row["meter"]) if "meter" in row else catalogue.meters[0]
    dims = tuple(sorted(row.get("dims", {}).items()))
    event = row.get("event", "")
    return [
        Use(
            row.get("device", "d1"),
            meter.id,
            instant(row.get("at", "2026-01-05 10:00"), zone)
            + n * timedelta(minutes=int(row.get("every", 0))),
            units_of(row["units"], meter),
            dims,
            f"{event}{n}" if "times" in row else event,
            int(row.get("events", 1)),
        )
        for n in range(int(row.get("times", 1)))
    ]


def units_of(text: str, meter: Meter) -> int:
    """``250 MB``, ``12.50`` of a money meter's currency, or bare base units."""
    number, _, unit = text.partition(" ")
    if meter.currency and unit == meter.currency:
        return int(exact(number) * NANO)
    return to_base(exact(number), unit, meter.unit) if unit else int(number)


def read_parties(
    body: dict[str, Any], accounts: list[Account], catalogue: Catalogue, uses: tuple[Use, ...]
) -> Parties:
    """Devices that nobody mentions are those of the usage; without subscriptions each has one, since long
    ago.
    """
    devices = {row["id"]: Device(row["id"], group_id=row.get("group", "")) for row in body.get("devices", [])}
    for use in uses:
        devices.setdefault(use.device_id, Device(use.device_id))
    rows = body.get("subscriptions")
    if rows is None:
        rows = [{"device": device_id} for device_id in devices]
    offer_id, zone = catalogue.offers[0].id, accounts[0].zone
    for row in rows:
        if row.get("device"):
            devices.setdefault(row["device"], Device(row["device"]))
    return Parties(
        accounts=tuple(accounts),
        partners=tuple(Partner(partner.id, partner.name) for partner in catalogue.partners),
        devices=tuple(devices.values()),
        subscriptions=tuple(
            subscription(n, row, accounts[0].account_id, offer_id, zone) for n, row in enumerate(rows)
        ),
    )


def subscription(n: int, row: dict[str, Any], account_id: str, offer_id: str, zone: str) -> Subscription:
    unknown = set(row) - {
        "id", "account", "offer", "device", "group", "from", "to", "state", "coupons", "version",
    }  # fmt: skip
    assert not unknown, f"unknown fields of a subscription: {unknown}"
    overrides: dict[str, Any] = {}
    if "coupons" in row:
        overrides["coupons"] = row["coupons"]
    if "version" in row:
        overrides["version"] = int(row["version"])
    return Subscription(
        row.get("id", f"s{n:03d}"),
        row.get("account", account_id),
        row.get("offer", offer_id),
        instant(row.get("from", LONG_AGO), zone),
        instant(row["to"], zone) if "to" in row else None,
        device_id=row.get("device", ""),
        group_id=row.get("group", ""),
        sim_state=row.get("state", "active"),
        overrides=json.dumps(overrides, sort_keys=True),
    )


def money(text: str) -> Fraction:
    """Expected money: decimal text or ``n/d``, in main units, as exact nano."""
    top, _, bottom = text.partition("/")
    return exact(top) * NANO / (exact(bottom) if bottom else 1)
