"""What is done about a case: each action once per case, with a reference, a document that can be handed on, and a step in
the case's history. Only a block can be taken again, after its unblock.

| action | does |
|---|---|
| ``hold`` | holds the bill lines it concerns: the close of the period leaves them out until the case is closed (``holds.py``) |
| ``dispute`` | a trouble ticket in the shape of TMF621 with the evidence: query, findings, both amounts |
| ``field_order`` | a work order: where, which devices, what was seen, what would clear it |
| ``suspend`` | tells the SIM platform to suspend the devices' SIMs, by signed webhook |
| ``block`` | takes the account's offers away at the charging node, so that every request for use is refused (``blocking.py``) |
| ``unblock`` | gives the account what the block took away; afterwards it can be blocked again |
"""

from __future__ import annotations

from typing import Any

from workbench.casework.blocking import block, unblock
from workbench.casework.case import Case
from workbench.casework.desk import Desk
from workbench.casework.outbox import Outbox, Wires
from workbench.errors import CaseworkError
from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.model.ids import short_hash

ACTIONS = ("hold", "dispute", "field_order", "suspend", "block", "unblock")


def act(
    desk: Desk, lake: Lake, case_id: str, action: str, *, who: str, note: str = "", wires: Wires | None = None,
    outbox: Outbox | None = None, charging_account: str = "",
) -> tuple[str, Case, bool]:  # fmt: skip
    """Take an action on a case.

    Args:
        charging_account: the account at the charging node; the case's own account when left out.

    Returns: its reference, the case after it, and whether it was done now; asked again, an action is not done again.

    Raises:
        CaseworkError: ``case_unknown``, ``action_unknown``, ``action_nobody``, ``webhook_missing``, ``webhook_failed``,
            ``webhook_slow``, ``charging_missing``, ``charging_refused``, ``not_blocked``.
    """
    if action not in ACTIONS:
        raise CaseworkError(f"{action[:40]!r} is no action.", where="action", code="action_unknown",
                            cure=f"Choose from {', '.join(ACTIONS)}.")  # fmt: skip
    case = desk.case(case_id)
    before = sum(step.what == action for step in case.history)
    if action in case.done:
        return _reference(case, action, before), case, False
    ref = _reference(case, action, before + 1)
    wires = wires or Wires()
    document = _document(lake, case, action, ref, who, note)
    if action == "suspend":
        words = _suspend(desk, case, ref, document, wires, outbox)
    elif action == "block":
        words, took = block(case, ref, wires, charging_account or case.account, desk.tenant)
        document |= took
    elif action == "unblock":
        words = unblock(case, ref, wires, desk.refresh().documents.values(), desk.tenant)
    else:
        words = {
            "hold": "the period is closed and the line billed; a dispute changes it"
            if case.period in lake.facts("close")
            else "bill line held until the case is decided",
            "dispute": "dispute opened with its evidence",
            "field_order": f"visit ordered for {len(case.devices)} device{'s' if len(case.devices) > 1 else ''}",
        }[action]
    return ref, desk.acted(case.case_id, action, ref, note or words, document, who=who), True


def _reference(case: Case, action: str, time: int) -> str:
    """What an action is called, there and here; another time has another name, or a receiver would take it for the same."""
    return f"{action.replace('_', '-')}-{case.case_id[:10]}{f'-{time}' if time > 1 else ''}"


def _document(lake: Lake, case: Case, action: str, ref: str, who: str, note: str) -> dict[str, Any]:
    base = {
        "reference": ref, "case": case.case_id, "tenant": lake.tenant, "by": who, "note": note, "reason": case.kind,
        "account": case.account, "devices": list(case.devices), "period": case.period,
    }  # fmt: skip
    money = {
        "billed": _text(case.billed), "without_the_anomaly": _text(case.expected), "at_risk": _text(case.at_risk),
        "currency": case.currency, "priced_by": case.priced_by,
    }  # fmt: skip
    evidence = {
        "sentence": case.sentence, "clears": case.clears, "query": case.query, "findings": list(case.findings),
        "lake_version": lake.state.version, "sha256": short_hash(case.query, *case.findings, size=16),
    }  # fmt: skip
    if action == "hold":
        return {**base, "@type": "BillLineHold", "status": "held", "meter": case.stream, "money": money}
    if action == "dispute":
        return {
            "@type": "TroubleTicket", "id": ref, "name": f"{case.kind.replace('_', ' ')}: {case.subject}", "status": "acknowledged",
            "severity": "major" if case.at_risk else "minor", "ticketType": "billing dispute", "description": case.sentence,
            "relatedParty": [{"id": case.account, "name": case.account_name, "role": "customer"}],
            "relatedEntity": [{"id": device, "@referredType": "device"} for device in case.devices],
            "note": [{"text": note}] if note else [], "disputedAmount": money, "evidence": evidence, **base,
        }  # fmt: skip
    if action == "field_order":
        where = {"lat": case.place[0], "lon": case.place[1]} if case.place else None
        return {
            **base,
            "@type": "WorkOrder",
            "status": "ordered",
            "place": where,
            "what": case.sentence,
            "cleared_when": case.clears,
        }
    return {**base, "@type": "SimAction", "action": action, "sims": _sims(lake, case), "evidence": evidence}


def _sims(lake: Lake, case: Case) -> list[dict[str, str]]:
    """The SIMs fitted in the devices when the episode ended."""
    if not lake.segments("identities"):
        return []
    listed = ", ".join(quote(device) for device in case.devices)
    rows = lake.con.execute(
        f"SELECT device_id, kind, value FROM {lake.scan('identities')} WHERE device_id IN ({listed}) AND kind IN ('iccid', 'imsi') "
        "AND starts_at <= $1 AND (ends_at IS NULL OR ends_at > $1) ORDER BY ALL",
        [case.until],
    ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for device, kind, value in rows:
        found.setdefault(device, {"device": device})[kind] = value
    return list(found.values())


def _suspend(
    desk: Desk, case: Case, ref: str, document: dict[str, Any], wires: Wires, outbox: Outbox | None
) -> str:
    (outbox or Outbox(desk.folder, desk.clock)).send(ref, document, wires)
    return (
        f"{max(len(document['sims']), 1)} SIM{'s' if len(document['sims']) > 1 else ''} suspended by webhook"
    )


def _text(amount: object) -> str | None:
    return None if amount is None else str(amount)
