"""Actions: documents, signed webhooks that are accepted once, and a real charging node that refuses afterwards."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.charging.world import CATALOGUE, EUR
from workbench.casework.actions import act
from workbench.casework.desk import Desk
from workbench.casework.outbox import Outbox, Wires
from workbench.charging.framed import Caller
from workbench.charging.messages import (
    Answer,
    Balance,
    Command,
    Debit,
    Open,
    Terms,
    TopUp,
    decode_answer,
    encode,
)
from workbench.charging.serve import Doors, Threaded
from workbench.errors import CaseworkError
from workbench.lake.lake import Lake

SECRET = "between us"


class Receiver(ThreadingHTTPServer):
    """Listens on this machine; answers ``statuses`` one after the other, then 204; ``slow`` seconds late."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Ear)
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.slow = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/sim"


class Ear(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        time.sleep(self.server.slow)
        status = self.server.statuses.pop(0) if self.server.statuses else 204
        self.server.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
        try:
            self.send_response(status)
            self.end_headers()
        except BrokenPipeError:
            return

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def wires(receiver: Receiver, **more: Any) -> Wires:
    return Wires(receiver.url, SECRET, retry_seconds=(0.01, 0.01), **more)


def sim(desk: Desk) -> str:
    return next(case.case_id for case in desk.cases() if case.kind == "compromised")


def test_documents_carry_the_evidence_and_each_action_is_taken_once(lake: Lake, desk: Desk) -> None:
    case = next(row.case for row in desk.queue() if row.case.at_risk)
    for action in ("hold", "dispute", "field_order"):
        ref, after, now = act(desk, lake, case.case_id, action, who="ann", note="please")
        assert now and after.state == "waiting"
        again = act(desk, lake, case.case_id, action, who="ben")
        assert again[0] == ref and not again[2]
    documents = desk.refresh().documents
    ticket = next(event["document"] for event in documents.values() if event["action"] == "dispute")
    assert ticket["@type"] == "TroubleTicket" and ticket["evidence"]["query"] == case.query
    assert ticket["disputedAmount"]["at_risk"] == str(case.at_risk)
    assert len(documents) == 3 and desk.case(case.case_id).done == ("hold", "dispute", "field_order")


def test_a_sim_is_suspended_by_a_signed_webhook_that_is_accepted_once(
    lake: Lake, desk: Desk, receiver: Receiver
) -> None:
    receiver.statuses = [500, 503]
    ref, case, now = act(desk, lake, sim(desk), "suspend", who="ann", wires=wires(receiver))
    assert now and case.state == "waiting" and len(receiver.heard) == 3
    headers, body = receiver.heard[-1]
    assert {heard[0]["idempotency-key"] for heard in receiver.heard} == {ref}
    at, digest = (part.partition("=")[2] for part in headers["x-workbench-signature"].split(","))
    assert hmac.compare_digest(
        digest, hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    )
    said = json.loads(body)
    assert said["action"] == "suspend" and said["sims"][0]["iccid"] and said["devices"] == list(case.devices)
    act(desk, lake, sim(desk), "suspend", who="ann", wires=wires(receiver))
    assert not Outbox(desk.folder).send(ref, {}, wires(receiver)), (
        "accepted is accepted, also for another process"
    )
    assert len(receiver.heard) == 3


@pytest.mark.parametrize(("slow", "code"), [(0.0, "webhook_failed"), (1.0, "webhook_slow")])
def test_a_webhook_that_fails_or_is_slow_leaves_the_message_waiting(
    lake: Lake, desk: Desk, receiver: Receiver, slow: float, code: str
) -> None:
    receiver.slow, receiver.statuses = slow, [500] * 3
    with pytest.raises(CaseworkError) as caught:
        act(desk, lake, sim(desk), "suspend", who="ann", wires=wires(receiver, timeout_seconds=0.2))
    assert caught.value.code == code and "deliver" in caught.value.cure
    assert desk.case(sim(desk)).state == "open", "nothing is claimed that did not happen"
    receiver.slow, receiver.statuses = 0.0, []
    time.sleep(slow)
    outbox = Outbox(desk.folder)
    assert len(outbox.waiting) == 1
    assert outbox.deliver(wires(receiver)) == (1, [])
    assert outbox.waiting == []
    act(desk, lake, sim(desk), "suspend", who="ann", wires=wires(receiver))
    assert desk.case(sim(desk)).state == "waiting"


def test_what_is_missing_is_said(lake: Lake, desk: Desk) -> None:
    for action, code in (
        ("suspend", "webhook_missing"),
        ("block", "charging_missing"),
        ("pray", "action_unknown"),
    ):
        with pytest.raises(CaseworkError) as caught:
            act(desk, lake, sim(desk), action, who="ann")
        assert caught.value.code == code and caught.value.cure
    with pytest.raises(CaseworkError) as caught:
        act(desk, lake, sim(desk), "block", who="ann", wires=Wires(charging="http://127.0.0.1:1"))
    assert caught.value.code == "charging_refused" and "cannot be reached" in caught.value.what


def test_a_blocked_account_is_refused_at_the_charging_node(lake: Lake, desk: Desk, tmp_path: Path) -> None:
    doors = Doors(
        tmp_path / "node",
        ("main",),
        CATALOGUE,
        socket=tmp_path / "s",
        http=("127.0.0.1", 0),
        tokens={"key": "main"},
    )
    case = desk.case(sim(desk))
    with Threaded(doors) as running:
        caller = Caller(tmp_path / "s")

        def said(message: Command) -> Answer:
            return decode_answer(caller.ask(encode(message)))

        node = Wires(charging=f"http://127.0.0.1:{running.running.ports['http']}", token="key")
        with pytest.raises(CaseworkError) as caught:
            act(desk, lake, case.case_id, "block", who="ann", wires=node)
        assert caught.value.code == "charging_refused" and "no such account" in caught.value.what
        assert said(Open(account=case.account, id="o", offers=("car",))).ok
        assert said(TopUp(account=case.account, id="t", amount_nano=EUR)).ok
        assert said(Debit(account=case.account, id="1", meter="car.sms", units=1)).ok
        ref, after, now = act(desk, lake, case.case_id, "block", who="ann", wires=node)
        assert now and after.state == "waiting" and ref in desk.refresh().documents
        refused = said(Debit(account=case.account, id="2", meter="car.sms", units=1))
        assert not refused.ok and refused.code == "unknown_meter"
        assert not act(desk, lake, case.case_id, "block", who="ann", wires=node)[2]
        caller.close()


def test_an_unblocked_account_is_served_again_on_its_own_terms(
    lake: Lake, desk: Desk, tmp_path: Path
) -> None:
    doors = Doors(
        tmp_path / "node", ("main",), CATALOGUE, socket=tmp_path / "s", http=("127.0.0.1", 0), tokens={"key": "main"}
    )  # fmt: skip
    case = desk.case(sim(desk))
    with Threaded(doors) as running:
        caller = Caller(tmp_path / "s")

        def said(message: Command) -> Answer:
            return decode_answer(caller.ask(encode(message)))

        def used(number: str) -> Answer:
            return said(Debit(account=case.account, id=number, meter="car.sms", units=1))

        node = Wires(charging=f"http://127.0.0.1:{running.running.ports['http']}", token="key")
        opened = Open(
            account=case.account, id="o", offers=("car",), credit_limit_nano=3 * EUR, low_nano=(EUR,),
            usage_percent=(90,), at_limit="throttle", pool="fleet",
        )  # fmt: skip
        assert said(opened).ok and said(TopUp(account=case.account, id="t", amount_nano=EUR)).ok
        before = said(Balance(account=case.account))
        assert before.terms == Terms(
            credit_limit_nano=3 * EUR, offers=("car",), low_nano=(EUR,), usage_percent=(90,), at_limit="throttle", pool="fleet"
        )  # fmt: skip
        with pytest.raises(CaseworkError) as caught:
            act(desk, lake, case.case_id, "unblock", who="ann", wires=node)
        assert caught.value.code == "not_blocked"
        refs = []
        for turn in range(2):  # an account can be blocked again, and each time is another request
            refs.append(act(desk, lake, case.case_id, "block", who="ann", wires=node)[0])
            assert used(f"no-{turn}").code == "unknown_meter"
            during = said(Balance(account=case.account))
            assert during.terms is not None and during.terms.offers == ()
            assert during.terms.credit_limit_nano == 3 * EUR and during.available == before.available
            refs.append(act(desk, lake, case.case_id, "unblock", who="ben", wires=node)[0])
            assert said(Balance(account=case.account)).terms == before.terms
            assert used(f"yes-{turn}").ok
            before = said(Balance(account=case.account))
        assert len(set(refs)) == 4
        history = [(step.who, step.what) for step in desk.case(case.case_id).history]
        assert history[-4:] == [("ann", "block"), ("ben", "unblock")] * 2
        assert Desk.of(lake).case(case.case_id).done == () and set(refs) <= set(desk.refresh().documents)
        with pytest.raises(CaseworkError):
            act(desk, lake, case.case_id, "unblock", who="ben", wires=node)
        act(desk, lake, case.case_id, "block", who="ann", wires=node)
        assert said(
            Open(account=case.account, id="p", offers=("car",))
        ).ok  # somebody else opened it meanwhile
        ref = act(desk, lake, case.case_id, "unblock", who="ben", wires=node)[0]
        assert "already" in desk.refresh().documents[ref]["words"]
        act(desk, lake, case.case_id, "block", who="ann", wires=node)
        caller.close()
    with pytest.raises(
        CaseworkError
    ) as caught:  # the node is gone: the block stays, and can be taken back later
        act(desk, lake, case.case_id, "unblock", who="ben", wires=node)
    assert caught.value.code == "charging_refused" and "block" in desk.case(case.case_id).done
