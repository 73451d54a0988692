"""The columns of every kind of segment, with the types a written file must have.

``...`` at the end of a kind means: further columns (dimensions, samples, key columns) may follow. No money,
quantity or lineage column is ever DOUBLE; ``check`` refuses such a file before it can enter the manifest.
"""

from __future__ import annotations

from workbench.errors import LakeError

_MONEY = "DECIMAL(38,0)"

_RECORD = {
    "device_key": "BIGINT",
    "window_start": "TIMESTAMP",
    "units": "BIGINT",
    "n_events": "INTEGER",
    "n_duplicates": "INTEGER",
    "first_at": "TIMESTAMP",
    "last_at": "TIMESTAMP",
    "fingerprint": "UBIGINT",
    "flags": "SMALLINT",
}

KINDS: dict[str, dict[str, str]] = {
    "landed": {"device_key": "BIGINT", "ends_at": "TIMESTAMP", "received_at": "TIMESTAMP", "...": ""},
    "rejects": {
        "delivery_id": "VARCHAR",
        "item_no": "BIGINT",
        "stream": "VARCHAR",
        "reason": "VARCHAR",
        "detail": "VARCHAR",
        "raw_sha256": "VARCHAR",
        "raw": "VARCHAR",
        "received_at": "TIMESTAMP",
    },
    "quarantine": {
        "stream": "VARCHAR",
        "device_key": "BIGINT",
        "ends_at": "TIMESTAMP",
        "received_at": "TIMESTAMP",
        "reason": "VARCHAR",
        "quantity": "BIGINT",
        "detail": "VARCHAR",
    },
    "deadletters": {
        "letter_id": "VARCHAR",
        "outcome": "VARCHAR",
        "reason": "VARCHAR",
        "detail": "VARCHAR",
        "seen_at": "TIMESTAMP",
        "received_at_ns": "BIGINT",
        "tenant": "VARCHAR",
        "source": "VARCHAR",
        "device": "VARCHAR",
        "topic": "VARCHAR",
        "content_type": "VARCHAR",
        "payload": "BLOB",
        "journal": "VARCHAR",
        "position": "BIGINT",
    },
    "records": {**_RECORD, "...": ""},
    "state": {"device_key": "BIGINT", "ends_at": "TIMESTAMP", "reading": "BIGINT"},
    "uncharged": {
        "stream": "VARCHAR",
        "device_key": "BIGINT",
        "window_start": "TIMESTAMP",
        "units": "BIGINT",
        "reason": "VARCHAR",
    },
    "devices": {"device_key": "BIGINT", "device_id": "VARCHAR", "source": "VARCHAR"},
    "accounts": {
        "account_id": "VARCHAR",
        "name": "VARCHAR",
        "currency": "VARCHAR",
        "zone": "VARCHAR",
        "billing_anchor_day": "INTEGER",
        "tax_region": "VARCHAR",
        "credit_limit_nano": _MONEY,
        "owner": "VARCHAR",
    },
    "partners": {"partner_id": "VARCHAR", "name": "VARCHAR"},
    "devices_info": {
        "device_id": "VARCHAR",
        "kind": "VARCHAR",
        "site": "VARCHAR",
        "lat": "DOUBLE",
        "lon": "DOUBLE",
        "group_id": "VARCHAR",
        "attributes": "VARCHAR",
    },
    "subscriptions": {
        "subscription_id": "VARCHAR",
        "account_id": "VARCHAR",
        "device_id": "VARCHAR",
        "group_id": "VARCHAR",
        "offer_id": "VARCHAR",
        "starts_at": "TIMESTAMP",
        "ends_at": "TIMESTAMP",
        "sim_state": "VARCHAR",
        "overrides": "VARCHAR",
    },
    "identities": {
        "kind": "VARCHAR",
        "value": "VARCHAR",
        "device_id": "VARCHAR",
        "starts_at": "TIMESTAMP",
        "ends_at": "TIMESTAMP",
    },
    "catalog": {
        "offer_id": "VARCHAR",
        "version": "INTEGER",
        "sha256": "VARCHAR",
        "text": "VARCHAR",
        "...": "",
    },
    "lines": {
        "line_no": "INTEGER",
        "account_id": "VARCHAR",
        "offer_id": "VARCHAR",
        "offer_version": "INTEGER",
        "component_id": "VARCHAR",
        "kind": "VARCHAR",
        "meter": "VARCHAR",
        "period_start": "TIMESTAMP",
        "period_end": "TIMESTAMP",
        "currency": "VARCHAR",
        "price_denominator": _MONEY,
        "tax_category": "VARCHAR",
        "tax_rate_ppm": "INTEGER",
        "...": "",
    },
    "charges": {
        "line_no": "INTEGER",
        "device_key": "BIGINT",
        "window_start": "TIMESTAMP",
        "units": "BIGINT",
        "amount": "BIGINT",
        "step": "SMALLINT",
        "...": "",
    },
    "invoices": {
        "invoice_no": "VARCHAR",
        "series": "VARCHAR",
        "account_id": "VARCHAR",
        "period_start": "TIMESTAMP",
        "period_end": "TIMESTAMP",
        "currency": "VARCHAR",
        "net_nano": _MONEY,
        "tax_nano": _MONEY,
        "gross_nano": _MONEY,
        "issued_at": "TIMESTAMP",
        "state": "VARCHAR",
        "...": "",
    },
    "invoice_lines": {
        "invoice_no": "VARCHAR",
        "line_no": "INTEGER",
        "line_id": "VARCHAR",
        "account_id": "VARCHAR",
        "offer_id": "VARCHAR",
        "offer_version": "INTEGER",
        "component_id": "VARCHAR",
        "kind": "VARCHAR",
        "units": _MONEY,
        "amount": _MONEY,
        "price_denominator": _MONEY,
        "net_nano": _MONEY,
        "tax_category": "VARCHAR",
        "tax_rate_ppm": "INTEGER",
        "...": "",
    },
    "stock": {
        "account_id": "VARCHAR",
        "holder": "BIGINT",
        "offer_id": "VARCHAR",
        "part_id": "VARCHAR",
        "rate_id": "VARCHAR",
        "age": "INTEGER",
        "units": "BIGINT",
    },
    "credits": {
        "account_id": "VARCHAR",
        "offer_id": "VARCHAR",
        "credit_id": "VARCHAR",
        "left_nano": _MONEY,
        "left_denominator": _MONEY,
        "priority": "INTEGER",
        "granted_at": "TIMESTAMP",
        "expires_at": "TIMESTAMP",
        "...": "",
    },
    "online_charges": {
        "seq": "BIGINT",
        "request_id": "VARCHAR",
        "account_id": "VARCHAR",
        "device_id": "VARCHAR",
        "meter": "VARCHAR",
        "used_at": "TIMESTAMP",
        "units": "BIGINT",
        "offer_id": "VARCHAR",
        "offer_version": "INTEGER",
        "component_id": "VARCHAR",
        "rate_id": "VARCHAR",
        "units_before": "BIGINT",
        "amount": _MONEY,
        "price_denominator": _MONEY,
        "dims": "VARCHAR",
        "given": _MONEY,
        "refers_to": "VARCHAR",
    },
    "unbilled": {
        "subscription_id": "VARCHAR",
        "account_id": "VARCHAR",
        "offer_id": "VARCHAR",
        "reason": "VARCHAR",
    },
    "ledger": {
        "entry_no": "BIGINT",
        "tx_id": "VARCHAR",
        "posting_key": "VARCHAR",
        "debit_account": "VARCHAR",
        "credit_account": "VARCHAR",
        "currency": "VARCHAR",
        "amount_nano": _MONEY,
        "period": "VARCHAR",
        "invoice_no": "VARCHAR",
        "memo": "VARCHAR",
        "payload_sha256": "VARCHAR",
        "booked_at": "TIMESTAMP",
        "prev_hash": "VARCHAR",
        "hash": "VARCHAR",
    },
    "statements": {
        "partner_id": "VARCHAR",
        "offer_id": "VARCHAR",
        "offer_version": "INTEGER",
        "period_start": "TIMESTAMP",
        "period_end": "TIMESTAMP",
        "currency": "VARCHAR",
        "share_numerator": _MONEY,
        "share_denominator": _MONEY,
        "statement_nano": _MONEY,
        "...": "",
    },
}

# Columns that hold money, quantities or lineage wherever they occur; a float there is a defect, not a choice.
EXACT_COLUMNS = {
    "units",
    "reading",
    "quantity",
    "amount",
    "fingerprint",
    "n_events",
    "n_duplicates",
    "price_denominator",
}


def is_open(kind: str) -> bool:
    """Whether a kind may carry columns beyond the declared ones."""
    return "..." in KINDS[kind]


def check(kind: str, columns: dict[str, str], where: str) -> None:
    """Refuse a written file whose columns or types are not the kind's.

    Args:
        columns: name to DuckDB type, as read back from the file.
        where: the file, for the error.

    Raises:
        LakeError: a column is missing, surplus, of another type, or a float where exactness is promised.
    """
    declared = {name: type_ for name, type_ in KINDS[kind].items() if name != "..."}
    for name, type_ in declared.items():
        if columns.get(name) != type_:
            raise LakeError(
                f"Column {name} of a {kind} segment must be {type_} but is {columns.get(name, 'missing')}.",
                where=where,
                code="segment_schema",
            )
    surplus = set(columns) - set(declared)
    if surplus and not is_open(kind):
        raise LakeError(
            f"A {kind} segment has no column {sorted(surplus)[0]}.", where=where, code="segment_schema"
        )
    for name, type_ in columns.items():
        exact = name in EXACT_COLUMNS or name.endswith("_nano")
        if exact and ("DOUBLE" in type_ or "FLOAT" in type_):
            raise LakeError(
                f"Column {name} holds money or a quantity and may not be {type_}.",
                where=where,
                code="float_in_money",
            )


def empty_relation(kind: str, extra: dict[str, str] | None = None) -> str:
    """SQL of a relation with the kind's columns and no row."""
    columns = {name: type_ for name, type_ in KINDS[kind].items() if name != "..."} | (extra or {})
    nulls = ", ".join(f"NULL::{type_} AS {name}" for name, type_ in columns.items())
    return f"(SELECT {nulls} WHERE false)"
