"""Blocking an account at the charging node, and giving it back what the block took away.

The node has no word for a block: an account without offers is refused whatever it asks for (``unknown_meter``). Everything else
of its terms stays as it is, and what was taken stands in the block's document, so that the unblock knows it.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any

from workbench.casework.case import Case
from workbench.casework.outbox import Wires
from workbench.errors import CaseworkError


def block(case: Case, ref: str, wires: Wires, account: str, tenant: str) -> tuple[str, dict[str, Any]]:
    """Take the account's offers away; what it came to in words, and what the document keeps."""
    _check(wires)
    if not account:
        raise CaseworkError(f"Nobody pays for {case.subject}, so no account can be blocked.", where=case.subject,
                            cure="Name the account at the charging node.", code="action_nobody")  # fmt: skip
    terms = _terms(wires, account, tenant)
    if not terms.get("offers"):
        raise _refused(wires, account, "block", "it has no offers there, so it is blocked already")
    seq = _open(wires, account, tenant, ref, {**terms, "offers": []}, "block")
    words = f"{account} blocked at the charging node (its request {seq})"
    return words, {"charging_account": account, "offers_taken": list(terms["offers"])}


def unblock(case: Case, ref: str, wires: Wires, documents: Iterable[Mapping[str, Any]], tenant: str) -> str:
    """Give the account its offers back, with the terms it has by now.

    Raises:
        CaseworkError: ``not_blocked``: this case has blocked nobody, or was unblocked since.
    """
    _check(wires)
    blocks = [each for each in documents if each["case"] == case.case_id and each["action"] == "block"]
    if "block" not in case.done or not blocks:
        raise CaseworkError(f"Case {case.case_id} holds no block.", where=case.subject, code="not_blocked",
                            cure="Look at its history: what was not blocked here is not unblocked here.")  # fmt: skip
    taken = blocks[-1]["document"]
    if "offers_taken" not in taken:
        raise CaseworkError(f"The block of case {case.case_id} did not note what it took away.", where=case.subject,
                            cure="Open the account with its offers at the charging node.", code="not_blocked")  # fmt: skip
    account = taken["charging_account"]
    terms = _terms(wires, account, tenant)
    if terms.get("offers"):
        return f"{account} had offers at the charging node again already; nothing was changed there"
    seq = _open(wires, account, tenant, ref, {**terms, "offers": taken["offers_taken"]}, "unblock")
    return f"{account} unblocked at the charging node (its request {seq})"


def _check(wires: Wires) -> None:
    if not wires.charging:
        raise CaseworkError("No charging node is named, so nothing can be blocked there.", where="--charging",
                            cure="Give its HTTP address, such as http://127.0.0.1:8100.", code="charging_missing")  # fmt: skip


def _terms(wires: Wires, account: str, tenant: str) -> dict[str, Any]:
    """The account's terms as they are at the node."""
    where = f"/v1/accounts/{urllib.parse.quote(account, safe='')}?tenant={urllib.parse.quote(tenant)}"
    there = _ask(wires, where, None)
    if not there.get("ok"):
        raise _refused(wires, account, "show", there.get("why") or there.get("code") or "no reason given")
    if "terms" not in there:
        raise _refused(
            wires, account, "show", "it is of an older version that does not tell an account's terms"
        )
    terms: dict[str, Any] = there["terms"]
    return terms


def _open(wires: Wires, account: str, tenant: str, ref: str, terms: Mapping[str, Any], deed: str) -> int:
    """Set the account's terms; the node's number of the request."""
    there = _ask(
        wires, "/v1/charge", {"op": "open", "account": account, "id": ref, "tenant": tenant, **terms}
    )
    if not there.get("ok"):
        raise _refused(wires, account, deed, there.get("why") or there.get("code") or "no reason given")
    return int(there.get("seq", 0))


def _refused(wires: Wires, account: str, deed: str, why: str) -> CaseworkError:
    return CaseworkError(
        f"The charging node did not {deed} {account}: {why}",
        where=wires.charging, cure="Check the account's name there, and the node's state.", code="charging_refused",
    )  # fmt: skip


def _ask(wires: Wires, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if wires.token:
        headers["Authorization"] = f"Bearer {wires.token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(wires.charging.rstrip("/") + path, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=wires.timeout_seconds) as response:
            said: dict[str, Any] = json.loads(response.read())
    except urllib.error.HTTPError as error:
        return _said(error)
    except (OSError, ValueError) as error:
        return {"ok": False, "why": f"it cannot be reached ({str(getattr(error, 'reason', error))[:80]})."}
    return said


def _said(error: urllib.error.HTTPError) -> dict[str, Any]:
    try:
        said: dict[str, Any] = json.loads(error.read())
    except ValueError:
        return {"ok": False, "why": f"status {error.code}."}
    return said
