"""What must hold between party rows, each rule one query that finds its first offender."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from workbench.errors import PartyError
from workbench.lake.engine import one
from workbench.lake.sql import name
from workbench.model.money import MINOR_DIGITS
from workbench.model.party import SimState

_EARLIEST, _LATEST = "TIMESTAMP '1970-01-01'", "TIMESTAMP '2200-01-01'"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that must hold.

    Attributes:
        kind: the table it is about.
        code: the stable code of its error.
        sql: finds offenders; column 1 is the row's id, column 2 what is wrong with it. ``{kind}`` stands for
            a table of that name, as given or as the lake has it.
        says: the sentence, with ``{0}`` and ``{1}`` for the two columns.
        cure: what to do.
    """

    kind: str
    code: str
    sql: str
    says: str
    cure: str


def _unique(kind: str, *key: str) -> Rule:
    columns = ", ".join(key)
    return Rule(
        kind,
        "party_duplicate",
        f"SELECT {key[0]}, count(*) FROM {{{kind}}} GROUP BY {columns} HAVING count(*) > 1",
        f"{key[0].replace('_', ' ').capitalize()} {{0!r}} occurs {{1}} times among the {kind}.",
        "Keep one row of each.",
    )


def _dates(kind: str, id_: str) -> Rule:
    return Rule(
        kind,
        "party_dates",
        f"SELECT {id_}, starts_at::VARCHAR || ' to ' || coalesce(ends_at::VARCHAR, 'open') FROM {{{kind}}} "
        f"WHERE ends_at <= starts_at OR starts_at < {_EARLIEST} OR starts_at >= {_LATEST} "
        f"OR ends_at >= {_LATEST}",
        f"The dates of {{0!r}} among the {kind} make no sense: {{1}}.",
        "The end lies after the start, both between 1970 and 2200; leave an open end empty.",
    )


def _overlap(kind: str, id_: str, holder: str, where: str, says: str) -> Rule:
    """Sort by start within the holder; a row overlaps when it starts before some earlier row has ended."""
    end = f"coalesce(ends_at, {_LATEST})"
    return Rule(
        kind,
        "party_overlap",
        f"SELECT {id_}, other FROM (SELECT *, "
        f"max({end}) OVER w AS until, arg_max({id_}, {end}) OVER w AS other "
        f"FROM {{{kind}}} WHERE {where} WINDOW w AS (PARTITION BY {holder} ORDER BY starts_at, {id_} "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) WHERE until > starts_at",
        says,
        "Let one end before the other starts.",
    )


_CURRENCIES = ", ".join(f"'{code}'" for code in sorted(MINOR_DIGITS))
_STATES = ", ".join(f"'{state.value}'" for state in SimState)

RULES: tuple[Rule, ...] = (
    _unique("accounts", "account_id"),
    Rule(
        "accounts",
        "party_currency",
        f"SELECT account_id, currency FROM {{accounts}} WHERE currency NOT IN ({_CURRENCIES})",
        "Account {0!r} has the unknown currency {1!r}.",
        "Use an ISO 4217 code such as EUR.",
    ),
    Rule(
        "accounts",
        "party_anchor_day",
        "SELECT account_id, billing_anchor_day FROM {accounts} WHERE billing_anchor_day NOT BETWEEN 1 AND 31",
        "Account {0!r} has the billing anchor day {1}.",
        "Use 1 to 31; short months end at their last day.",
    ),
    _unique("partners", "partner_id"),
    _unique("devices_info", "device_id"),
    Rule(
        "devices_info",
        "party_position",
        "SELECT device_id, coalesce(lat::VARCHAR, 'none') || ', ' || coalesce(lon::VARCHAR, 'none') "
        "FROM {devices_info} WHERE (lat IS NULL) <> (lon IS NULL) "
        "OR NOT coalesce(lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180, true)",
        "Device {0!r} has the position {1}.",
        "Give latitude and longitude in degrees, or neither.",
    ),
    Rule(
        "devices_info",
        "party_json",
        "SELECT device_id, attributes FROM {devices_info} WHERE NOT json_valid(attributes)",
        "The attributes of device {0!r} are not JSON: {1:.40}.",
        "Write a JSON object, or nothing.",
    ),
    _unique("subscriptions", "subscription_id", "starts_at"),
    Rule(
        "subscriptions",
        "party_subscription_changed",
        "SELECT subscription_id, count(DISTINCT (account_id, device_id, group_id, offer_id)) FROM {subscriptions} "
        "GROUP BY subscription_id HAVING count(DISTINCT (account_id, device_id, group_id, offer_id)) > 1",
        "The dated rows of subscription {0!r} name {1} different accounts, holders or offers.",
        "A subscription may change its SIM state and overrides; for anything else make another one.",
    ),
    _overlap(
        "subscriptions",
        "subscription_id",
        "subscription_id",
        "true",
        "Two rows of subscription {0!r} hold at the same time.",
    ),
    Rule(
        "subscriptions",
        "party_unknown_account",
        "SELECT subscription_id, account_id FROM {subscriptions} ANTI JOIN {accounts} USING (account_id)",
        "Subscription {0!r} belongs to account {1!r}, which does not exist.",
        "Add the account, or correct the subscription.",
    ),
    Rule(
        "subscriptions",
        "party_holder",
        "SELECT subscription_id, device_id || ' and ' || group_id FROM {subscriptions} "
        "WHERE device_id IS NOT NULL AND group_id IS NOT NULL",
        "Subscription {0!r} names a device and a group: {1}.",
        "A subscription is for a device, for a group, or for the account alone.",
    ),
    Rule(
        "subscriptions",
        "party_sim_state",
        f"SELECT subscription_id, sim_state FROM {{subscriptions}} WHERE sim_state NOT IN ({_STATES})",
        "Subscription {0!r} has the unknown SIM state {1!r}.",
        f"Use one of {', '.join(state.value for state in SimState)}.",
    ),
    Rule(
        "subscriptions",
        "party_json",
        "SELECT subscription_id, overrides FROM {subscriptions} WHERE NOT json_valid(overrides)",
        "The overrides of subscription {0!r} are not JSON: {1:.40}.",
        "Write a JSON object, or nothing.",
    ),
    _dates("subscriptions", "subscription_id"),
    _overlap(
        "subscriptions",
        "subscription_id",
        "device_id, offer_id",
        "device_id IS NOT NULL",
        "Subscriptions {0!r} and {1!r} give one device the same offer at the same time.",
    ),
    _overlap(
        "subscriptions",
        "subscription_id",
        "group_id, offer_id",
        "group_id IS NOT NULL",
        "Subscriptions {0!r} and {1!r} give one group the same offer at the same time.",
    ),
    Rule(
        "subscriptions",
        "party_overlap",
        "SELECT d.subscription_id, g.subscription_id FROM {subscriptions} d "
        "JOIN {devices_info} i USING (device_id) "
        "JOIN {subscriptions} g ON g.group_id = i.group_id AND g.offer_id = d.offer_id "
        f"WHERE d.starts_at < coalesce(g.ends_at, {_LATEST}) "
        f"AND g.starts_at < coalesce(d.ends_at, {_LATEST})",
        "Subscriptions {0!r} (of a device) and {1!r} (of its group) give it the same offer at the same time.",
        "Keep one of the two, or let one end before the other starts.",
    ),
    Rule(
        "identities",
        "party_identity",
        "SELECT value, kind FROM {identities} WHERE kind NOT IN ('iccid', 'imsi', 'eid', 'imei')",
        "Identity {0!r} is of the unknown kind {1!r}.",
        "Use iccid, imsi, eid or imei.",
    ),
    _dates("identities", "value"),
    _overlap(
        "identities",
        "device_id",
        "kind, value",
        "true",
        "Devices {0!r} and {1!r} carry one identity at the same time.",
    ),
)


def check_rules(con: duckdb.DuckDBPyConnection, given: Mapping[str, str], others: Mapping[str, str]) -> None:
    """Apply every rule that a given table can break.

    Args:
        given: party table to the temporary table that holds its new rows.
        others: the remaining party tables as SQL relations of the lake.

    Raises:
        PartyError: the first offender of the first broken rule.
    """
    relations = {kind: name(table) for kind, table in given.items()}
    relations |= {kind: f"(FROM {sql})" for kind, sql in others.items()}
    if "accounts" in given:
        _check_zones(con, relations["accounts"])
    for rule in RULES:
        if not any(f"{{{kind}}}" in rule.sql for kind in given):
            continue
        row = one(con, rule.sql.format(**relations) + " ORDER BY 1, 2 LIMIT 1")
        if row is not None:
            raise PartyError(
                rule.says.format(row[0] or "", row[1] if row[1] is not None else ""),
                where=rule.kind,
                cure=rule.cure,
                code=rule.code,
            )


def _check_zones(con: duckdb.DuckDBPyConnection, accounts: str) -> None:
    """Zones are looked up in the zone database that billing periods are cut with."""
    for zone, account_id in con.execute(
        f"SELECT zone, min(account_id) FROM {accounts} GROUP BY zone ORDER BY zone"
    ).fetchall():
        try:
            zoneinfo.ZoneInfo(zone)
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
            raise PartyError(
                f"Account {account_id!r} has the time zone {zone!r}, which does not exist.",
                where="accounts",
                cure="Use an IANA name such as Europe/Berlin.",
                code="party_zone",
            ) from error
