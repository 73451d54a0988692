"""Subscriptions to assignments, by set operations: 200,000 subscriptions are one query, not a loop.

Every function takes the connection to work on and leaves temporary tables called ``plan_...`` behind for the next
step; ``desk.py`` calls them in order and reads the results, ``drop`` forgets them. No text of a catalogue
or a party becomes SQL: it is joined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from workbench.errors import PartyError
from workbench.model.ids import device_key
from workbench.model.offer import Catalogue
from workbench.model.party import Parties
from workbench.model.plan import Period
from workbench.tariff.calendar import local_day, local_midnight, period_at
from workbench.tariff.sql import first, run
from workbench.tariff.tables import naive
from workbench.tariff.timeline import BEGINNING, FOREVER
from workbench.tariff.variants import Variant, last_phase

if TYPE_CHECKING:
    import duckdb

TABLES = ("accounts", "subscriptions", "devices_info", "devices")
_WORK = (
    "accounts",
    "subs",
    "keys",
    "variants",
    "bounds",
    "trials",
    "terms",
    "assignments",
    "parts",
    "lines",
    "groups",
    "payers",
)


def relations(parties: duckdb.DuckDBPyConnection | Parties | Mapping[str, str]) -> dict[str, str]:
    """The four party relations as SQL; a ``Parties`` must have been registered with ``register`` before."""
    if isinstance(parties, Mapping):
        return {name: parties[name] for name in TABLES}
    if isinstance(parties, Parties):
        return {name: f"plan_in_{name}" for name in TABLES}
    return {name: name for name in TABLES}


def register(con: duckdb.DuckDBPyConnection, parties: Parties) -> None:
    """Make a small in-memory ``Parties`` readable as relations."""
    text, when = pa.string(), pa.timestamp("us")
    accounts = [(a.account_id, a.currency, a.zone, a.billing_anchor_day) for a in parties.accounts]
    subscriptions = [
        (s.subscription_id, s.account_id, s.device_id or None, s.group_id or None, s.offer_id, naive(s.starts_at),
         naive(s.ends_at) if s.ends_at else None, s.sim_state, s.overrides)
        for s in parties.subscriptions
    ]  # fmt: skip
    columns = {
        "accounts": [("account_id", text), ("currency", text), ("zone", text), ("billing_anchor_day", pa.int32())],
        "subscriptions": [("subscription_id", text), ("account_id", text), ("device_id", text), ("group_id", text),
                          ("offer_id", text), ("starts_at", when), ("ends_at", when), ("sim_state", text),
                          ("overrides", text)],
        "devices_info": [("device_id", text), ("group_id", text)],
        "devices": [("device_key", pa.int64()), ("device_id", text)],
    }  # fmt: skip
    devices = [(d.device_id, d.group_id or None) for d in parties.devices]
    rows: dict[str, list[tuple[object, ...]]] = {
        "accounts": list(accounts), "subscriptions": list(subscriptions), "devices_info": list(devices), "devices": []
    }  # fmt: skip
    for name in TABLES:
        fields = columns[name]
        values = list(zip(*rows[name], strict=True)) if rows[name] else [()] * len(fields)
        arrays = [pa.array(list(column), kind) for column, (_, kind) in zip(values, fields, strict=True)]
        con.register(f"plan_in_{name}", pa.table(arrays, names=[column for column, _ in fields]))


def load(con: duckdb.DuckDBPyConnection, at: Mapping[str, str], period: Period, tenant: str) -> None:
    """``plan_accounts``, ``plan_subs`` (those in force in the period) and ``plan_keys`` (device ids to keys)."""
    run(
        con,
        "CREATE OR REPLACE TEMP TABLE plan_accounts AS SELECT row_number() OVER (ORDER BY account_id)::INTEGER "
        f"AS account_no, account_id, currency, zone, billing_anchor_day FROM {at['accounts']}",
    )
    run(
        con,
        "CREATE OR REPLACE TEMP TABLE plan_subs AS WITH dated AS (SELECT *, "
        "min(starts_at) OVER (PARTITION BY subscription_id) AS began_at, "
        "lag(coalesce(ends_at, $2)) OVER w AS before_ends "
        f"FROM {at['subscriptions']} WINDOW w AS (PARTITION BY subscription_id ORDER BY starts_at)) "
        "SELECT dense_rank() OVER (ORDER BY s.subscription_id)::INTEGER AS sub_no, s.subscription_id, s.account_id, "
        "a.account_no, nullif(s.device_id, '') AS device_id, nullif(s.group_id, '') AS group_id, s.offer_id, "
        "s.starts_at, coalesce(s.ends_at, $2) AS ends_at, s.sim_state, coalesce(s.overrides, '') AS overrides, "
        "a.currency, a.zone, a.billing_anchor_day, s.began_at, s.before_ends "
        "FROM dated s LEFT JOIN plan_accounts a USING (account_id) "
        "WHERE s.starts_at < $1 AND coalesce(s.ends_at, $2) > $3",
        [naive(period.end), naive(FOREVER), naive(period.start)],
    )
    _check_subscriptions(con)
    _load_devices(con, at, tenant)


def _check_subscriptions(con: duckdb.DuckDBPyConnection) -> None:
    checks = (
        ("account_no IS NULL", "account_unknown", "names an account that does not exist", "Add the account."),
        ("before_ends > starts_at", "subscription_twice", "has two rows for one time",
         "Let its rows follow each other."),
        ("ends_at <= starts_at", "subscription_dates", "ends before it starts", "Mend its dates."),
        ("device_id IS NOT NULL AND group_id IS NOT NULL", "subscription_holder", "has a device and a group",
         "Keep one of the two."),
        ("sim_state IS NULL OR NOT "
         "list_contains(['inventory', 'test', 'active', 'suspended', 'terminated'], sim_state)",
         "sim_state", "has a SIM state that does not exist",
         "Use inventory, test, active, suspended or terminated."),
    )  # fmt: skip
    for condition, code, what, cure in checks:
        row = first(con, f"SELECT subscription_id FROM plan_subs WHERE {condition} ORDER BY 1 LIMIT 1")
        if row is not None:
            where = f"subscription {row[0]}"
            raise PartyError(f"Subscription '{row[0]}' {what}.", where=where, code=code, cure=cure)


def _load_devices(con: duckdb.DuckDBPyConnection, at: Mapping[str, str], tenant: str) -> None:
    """Every device a subscription reaches, with its key, and the SIM groups with theirs.

    Devices nobody has heard from yet have no registry entry; their key is computed, since fees are due all the same.
    """
    run(
        con,
        "CREATE OR REPLACE TEMP TABLE plan_keys AS WITH grouped AS ("
        f"SELECT device_id, nullif(group_id, '') AS group_id FROM {at['devices_info']}), "
        "reached AS (SELECT device_id FROM plan_subs WHERE device_id IS NOT NULL "
        "UNION SELECT g.device_id FROM grouped g WHERE group_id IN (SELECT group_id FROM plan_subs)) "
        "SELECT r.device_id, min(d.device_key) AS device_key, min(g.group_id) AS group_id "
        f"FROM reached r LEFT JOIN (SELECT device_id, device_key FROM {at['devices']}) d USING (device_id) "
        "LEFT JOIN grouped g USING (device_id) GROUP BY 1",
    )
    missing = con.sql("SELECT device_id FROM plan_keys WHERE device_key IS NULL").to_arrow_table().column(0)
    if len(missing):
        ids = missing.to_pylist()
        keys = pa.array([device_key(tenant, name) for name in ids], pa.int64())
        con.register("plan_in_keys", pa.table([missing, keys], names=["device_id", "device_key"]))
        run(
            con,
            "UPDATE plan_keys SET device_key = k.device_key FROM plan_in_keys k "
            "WHERE plan_keys.device_id = k.device_id",
        )
        con.unregister("plan_in_keys")
    groups = run(con, "SELECT DISTINCT group_id FROM plan_keys WHERE group_id IS NOT NULL ORDER BY 1")
    keyed = [(group, device_key(f"{tenant}\x1fgroup", group)) for (group,) in groups]
    _create(con, "plan_groups", "group_id VARCHAR, group_no BIGINT", keyed)


def wanted(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    """Distinct (offer id, overrides, account currency) of the subscriptions in force."""
    return run(con, "SELECT DISTINCT offer_id, overrides, currency FROM plan_subs ORDER BY ALL")


def terms(
    con: duckdb.DuckDBPyConnection, variants: Sequence[Variant], catalogue: Catalogue, period: Period
) -> None:
    """``plan_terms``: each subscription under each variant it is under in the period."""
    _register_variants(con, variants)
    _register_bounds(con, variants, catalogue, period)
    _register_trials(con, variants, period)
    run(
        con,
        "CREATE OR REPLACE TEMP TABLE plan_terms AS WITH phased AS ("
        "SELECT s.*, v.offer_no, v.phase_from, v.phase_until, v.kind, v.zone AS offer_zone, "
        "v.trial_days, v.first_at AS offered_at, "
        "s.ends_at > $1 AS lasts, greatest(s.starts_at, v.start_at) AS from_at, least(s.ends_at, v.end_at) AS until_at "
        "FROM plan_subs s JOIN plan_variants v ON s.offer_id = v.offer_id AND s.overrides = v.overrides "
        "AND s.currency = v.account_currency AND s.began_at >= v.began_from AND s.began_at < v.began_until), "
        "numbered AS (SELECT p.*, b.phase FROM phased p ASOF JOIN plan_bounds b "
        "ON p.zone = b.zone AND p.billing_anchor_day = b.anchor AND p.kind = b.kind AND p.began_at >= b.starts_at) "
        "SELECT n.sub_no, n.account_no, n.offer_no, n.device_id, n.group_id, n.sim_state, n.from_at, n.until_at, "
        "n.phase, greatest(n.starts_at, n.offered_at) AS first_at, n.until_at = n.ends_at AS ends, n.began_at, n.lasts, "
        "t.trial_until FROM numbered n LEFT JOIN plan_trials t "
        "ON n.offer_zone = t.zone AND n.trial_days = t.trial_days AND n.began_at >= t.day_start "
        "AND n.began_at < t.day_end "
        "WHERE n.from_at < n.until_at AND n.phase >= n.phase_from AND n.phase < n.phase_until",
        [naive(period.end)],
    )


def variant_rows(variants: Sequence[Variant]) -> list[tuple[object, ...]]:
    """What of the variants decides who is under which term: everything but prices."""
    return [
        (number, v.offer.offer_id, v.overrides, v.offer.currency, *map(naive, v.began), naive(v.stretch.start),
         naive(v.stretch.end), v.phase_from, v.phase_until, v.offer.period, v.offer.zone, v.offer.trial_days,
         naive(v.stretch.offered))
        for number, v in enumerate(variants, 1)
    ]  # fmt: skip


def _register_variants(con: duckdb.DuckDBPyConnection, variants: Sequence[Variant]) -> None:
    _create(
        con,
        "plan_variants",
        "offer_no INTEGER, offer_id VARCHAR, overrides VARCHAR, account_currency VARCHAR, began_from TIMESTAMP, "
        "began_until TIMESTAMP, start_at TIMESTAMP, end_at TIMESTAMP, phase_from INTEGER, phase_until INTEGER, "
        "kind VARCHAR, zone VARCHAR, trial_days INTEGER, first_at TIMESTAMP",
        variant_rows(variants),
    )


def _register_bounds(
    con: duckdb.DuckDBPyConnection, variants: Sequence[Variant], catalogue: Catalogue, period: Period
) -> None:
    """Starts of this and earlier billing periods, so that a subscription's start tells its phase."""
    places = run(con, "SELECT DISTINCT zone, billing_anchor_day FROM plan_subs ORDER BY ALL")
    depth = last_phase(catalogue.offers)
    rows: list[tuple[object, ...]] = []
    for kind in sorted({variant.offer.period for variant in variants}):
        for zone, anchor in places:
            _check_place(zone, anchor)
            for back in range(depth + 1):
                start = period_at(period.start, zone, kind, anchor, -back).start
                rows.append((zone, anchor, kind, naive(start), back + 1))
            rows.append((zone, anchor, kind, naive(BEGINNING), depth + 2))
    _create(
        con,
        "plan_bounds",
        "zone VARCHAR, anchor INTEGER, kind VARCHAR, starts_at TIMESTAMP, phase INTEGER",
        rows,
    )


def _check_place(zone: str, anchor: int) -> None:
    try:
        local_midnight(local_day(BEGINNING, zone), zone)
        known = 1 <= anchor <= 31
    except (KeyError, TypeError):
        known = False
    if not known:
        raise PartyError(
            f"An account has the zone {zone!r} and the billing day {anchor!r}, which make no period.",
            where="accounts",
            code="account_period",
            cure="Use a zone like Europe/Berlin and a day from 1 to 31.",
        )


def _register_trials(con: duckdb.DuckDBPyConnection, variants: Sequence[Variant], period: Period) -> None:
    """For each local day a trial may have begun on and still matter: when that trial ends."""
    rows: list[tuple[object, ...]] = []
    for zone, days in sorted({(v.offer.zone, v.offer.trial_days) for v in variants if v.offer.trial_days}):
        day = local_day(period.start, zone) - timedelta(days=days)
        while (start := local_midnight(day, zone)) < period.end:
            after = day + timedelta(days=1)
            until = local_midnight(day + timedelta(days=days), zone)
            rows.append((zone, days, naive(start), naive(local_midnight(after, zone)), naive(until)))
            day = after
    _create(
        con,
        "plan_trials",
        "zone VARCHAR, trial_days INTEGER, day_start TIMESTAMP, day_end TIMESTAMP, trial_until TIMESTAMP",
        rows,
    )


def _create(
    con: duckdb.DuckDBPyConnection, name: str, columns: str, rows: Sequence[Sequence[object]]
) -> None:
    """A temporary table of bound values."""
    run(con, f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")
    if rows:
        marks = ", ".join("?" for _ in rows[0])
        con.executemany(f"INSERT INTO {name} VALUES ({marks})", rows).fetchall()


def assignments(con: duckdb.DuckDBPyConnection) -> None:
    """``plan_assignments``: each device under each term, with the reason why its use is not charged, if there is one.

    A trial cuts a term in two: free, then charged.
    """
    run(
        con,
        "CREATE OR REPLACE TEMP TABLE plan_assignments AS WITH groups AS (SELECT * FROM plan_groups), reached AS ("
        "SELECT t.*, k.device_key, g.group_no FROM plan_terms t JOIN plan_keys k ON t.device_id = k.device_id "
        "LEFT JOIN groups g ON k.group_id = g.group_id UNION ALL "
        "SELECT t.*, k.device_key, g.group_no FROM plan_terms t JOIN plan_keys k ON t.group_id = k.group_id "
        "JOIN groups g ON k.group_id = g.group_id), "
        "cut AS (SELECT *, false AS trial FROM reached WHERE trial_until IS NULL OR trial_until <= from_at "
        "UNION ALL SELECT * REPLACE (least(until_at, trial_until) AS until_at), true FROM reached "
        "WHERE trial_until > from_at "
        "UNION ALL SELECT * REPLACE (trial_until AS from_at), false FROM reached "
        "WHERE trial_until > from_at AND trial_until < until_at) "
        "SELECT t.device_key, t.sub_no, t.account_no, t.offer_no, coalesce(t.group_no, 0)::BIGINT AS group_no, "
        "t.from_at, t.until_at, t.trial, t.sim_state, t.phase, t.first_at, t.ends, t.lasts "
        "FROM cut t ORDER BY t.device_key, t.offer_no, t.from_at, t.sub_no",
    )
    _check_overlaps(con)


def _check_overlaps(con: duckdb.DuckDBPyConnection) -> None:
    """One device cannot be under two terms of one offer, nor under two offers that sell the same meter, at a time."""
    row = first(
        con,
        "WITH priced AS (SELECT DISTINCT c.offer_no, c.meter FROM plan_parts c WHERE c.meter <> '' AND c.side = 'sell'"
        "), ordered AS (SELECT a.device_key, p.meter, a.sub_no, a.from_at, a.until_at, "
        "lag(a.until_at) OVER w AS before_until, lag(a.sub_no) OVER w AS before_no "
        "FROM plan_assignments a JOIN priced p USING (offer_no) "
        "WINDOW w AS (PARTITION BY a.device_key, p.meter ORDER BY a.from_at, a.until_at, a.sub_no)) "
        "SELECT o.meter, s.subscription_id, b.subscription_id, k.device_id FROM ordered o "
        "JOIN plan_subs s ON s.sub_no = o.sub_no JOIN plan_subs b ON b.sub_no = o.before_no "
        "JOIN plan_keys k ON k.device_key = o.device_key WHERE o.from_at < o.before_until ORDER BY ALL LIMIT 1",
    )
    if row is not None:
        raise PartyError(
            f"Subscriptions '{row[2]}' and '{row[1]}' both sell '{row[0]}' of device '{row[3]}' at the same time.",
            where=f"subscription {row[1]}",
            code="meter_priced_twice",
            cure="End one before the other begins.",
        )


def payers(con: duckdb.DuckDBPyConnection, offers: Mapping[str, pa.Table]) -> None:
    """``plan_payers``: which accounts have lines of which variants; sponsors have those of what they sponsor.

    Raises:
        PartyError: a sponsor is no account, or keeps another currency than a customer whose use he pays.
    """
    con.register("plan_in_sponsors", offers["sponsors"])
    con.register("plan_in_offers", offers["offers"])
    con.register("plan_in_components", offers["components"])
    run(
        con,
        "CREATE OR REPLACE TEMP TABLE plan_payers AS SELECT DISTINCT account_no, offer_no, '' AS component_id "
        "FROM plan_terms UNION ALL SELECT DISTINCT a.account_no, s.offer_no, c.component_id FROM plan_in_sponsors s "
        "JOIN plan_in_components c USING (comp_no) LEFT JOIN plan_accounts a USING (account_id) "
        "WHERE s.offer_no IN (SELECT offer_no FROM plan_terms)",
    )
    row = first(
        con,
        "SELECT DISTINCT account_id FROM plan_in_sponsors WHERE account_id NOT IN (SELECT account_id "
        "FROM plan_accounts)",
    )
    foreign = first(
        con,
        "SELECT s.account_id, a.currency, o.offer_id, o.currency FROM plan_in_sponsors s JOIN plan_in_offers o USING (offer_no) "
        "JOIN plan_accounts a USING (account_id) WHERE a.currency <> o.currency "
        "AND s.offer_no IN (SELECT offer_no FROM plan_terms) ORDER BY ALL LIMIT 1",
    )
    for name in ("sponsors", "components", "offers"):
        con.unregister(f"plan_in_{name}")
    if row is not None:
        raise PartyError(
            f"The sponsor '{row[0]}' is no account.",
            where="sponsorships",
            code="account_unknown",
            cure="Add the account that is to pay.",
        )
    if foreign is not None:
        raise PartyError(
            f"The sponsor '{foreign[0]}' keeps {foreign[1]}, but a customer of offer '{foreign[2]}' keeps {foreign[3]}.",
            where="sponsorships",
            code="sponsor_currency",
            cure=f"Give customers in {foreign[3]} an offer of their own, whose sponsor keeps {foreign[3]} too.",
        )


def lines(con: duckdb.DuckDBPyConnection, period: Period) -> None:
    """``plan_lines``: the key table of charges, numbered in the order of its key; and ``plan_line_keys``."""
    owned = (
        "(SELECT t.account_no, p.*, t.component_id = '' AS own FROM plan_payers t JOIN plan_parts p "
        "ON p.offer_no = t.offer_no AND (t.component_id = '' OR (t.component_id = p.component_id AND "
        "p.kind = 'usage')))"
    )
    run(
        con,
        "CREATE OR REPLACE TEMP TABLE plan_lines AS WITH keyed AS (SELECT a.account_id, p.offer_id, "
        "p.offer_version, p.component_id, p.kind, p.meter, $1::TIMESTAMP AS period_start, "
        "$2::TIMESTAMP AS period_end, p.currency, p.denominator::DECIMAL(38, 0) AS price_denominator, "
        "p.tax_category, p.tax_rate_ppm, p.tax_inclusive, p.side, bool_or(p.primary_meter AND p.own) AS primary_meter, "
        f"p.fold, p.title FROM {owned} p JOIN plan_accounts a USING (account_no) GROUP BY ALL) "
        "SELECT row_number() OVER (ORDER BY account_id, offer_id, offer_version, component_id, kind)::INTEGER "
        "AS line_no, * FROM keyed ORDER BY 1",
        [naive(period.start), naive(period.end)],
    )
    run(
        con,
        "CREATE OR REPLACE TEMP TABLE plan_line_keys AS SELECT DISTINCT p.account_no, p.offer_no, p.component_id AS "
        f"part_id, p.kind, l.line_no FROM {owned} p JOIN plan_accounts a USING (account_no) "
        "JOIN plan_lines l USING (account_id, offer_id, offer_version, component_id, kind) WHERE NOT p.online ORDER BY ALL",
    )


def drop(con: duckdb.DuckDBPyConnection) -> None:
    """Drop the working tables."""
    for name in (*_WORK, "line_keys", "grants", "members", "credits", "formerly", "turns"):
        run(con, f"DROP TABLE IF EXISTS plan_{name}")
