"""Every door leads to the same node; callers that misbehave hurt nobody but themselves."""

from __future__ import annotations

import json
import socket
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from tests.charging.world import CATALOGUE, EUR
from workbench.charging.durable import LocalNode
from workbench.charging.framed import Caller
from workbench.charging.http import document
from workbench.charging.messages import (
    Answer,
    Balance,
    Command,
    Debit,
    Open,
    Publish,
    TopUp,
    decode_answer,
    encode,
)
from workbench.charging.node import OPERATOR
from workbench.charging.serve import Doors, Threaded
from workbench.errors import CatalogueError


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Threaded]:
    doors = Doors(
        tmp_path / "node", ("main", "them"), CATALOGUE, socket=tmp_path / "s", tcp=("127.0.0.1", 0),
        http=("127.0.0.1", 0), tokens={"secret": "main", "theirs": "them"},
    )  # fmt: skip
    with Threaded(doors) as running:
        caller = Caller(tmp_path / "s")
        assert said(caller, Open(account="a", id="o", offers=("car",))).ok
        assert said(caller, TopUp(account="a", id="t", amount_nano=1000 * EUR)).ok
        caller.close()
        yield running


def said(caller: Caller, message: Command) -> Answer:
    return decode_answer(caller.ask(encode(message)))


def post(node: Threaded, body: bytes, token: str = "secret", path: str = "/v1/charge") -> tuple[int, Answer]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{node.running.ports['http']}{path}",
        body or None,
        {"Authorization": f"Bearer {token}"} if token else {},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, decode_answer(response.read())
    except urllib.error.HTTPError as error:
        return error.code, decode_answer(error.read())


def test_one_request_one_answer_through_every_door(node: Threaded) -> None:
    body = encode(Debit(account="a", id="same", meter="car.sms", units=2))
    assert node.doors.socket is not None
    local = Caller(node.doors.socket)
    remote = Caller(("127.0.0.1", node.running.ports["tcp"]))
    first = local.ask(body)
    assert remote.ask(body) == first
    assert post(node, body) == (200, decode_answer(first))
    assert said(local, Balance(account="a")).balance == decode_answer(first).balance


def test_http_says_refusals_by_status(node: Threaded) -> None:
    assert post(node, encode(Debit(account="a", id="x", meter="car.sms", units=10**9)))[0] == 402
    assert post(node, encode(Debit(account="z", id="z", meter="car.sms", units=1)))[0] == 404
    assert post(node, b"[" * 50_000)[0] == 400
    assert post(node, b" " * 10_000_000)[1].code == "too_large"
    body = encode(Debit(account="a", id="k", meter="car.sms", units=1))
    assert post(node, body)[0] == 200
    assert post(node, body.replace(b"1}", b"2}"))[0] == 422
    assert post(node, body, token="")[0] == 401
    assert post(node, body, token="wrong")[1].code == "unauthorized"
    status, answer = post(node, body, token="theirs")
    assert (status, answer.code) == (403, "forged_tenant")
    assert post(node, b"", path="/v1/accounts/a")[1].available > 0
    assert post(node, b"", token="theirs", path="/v1/accounts/a")[0] == 404


def test_status_health_metrics_and_openapi(node: Threaded) -> None:
    base = f"http://127.0.0.1:{node.running.ports['http']}"
    request = urllib.request.Request(f"{base}/v1/status", headers={"Authorization": "Bearer secret"})
    status = json.load(urllib.request.urlopen(request, timeout=10))
    assert (status["accounts"], status["state"]) == (1, "open")
    assert urllib.request.urlopen(f"{base}/health", timeout=10).status == 200
    assert (
        b"workbench_charging_exposure_nano 0" in urllib.request.urlopen(f"{base}/metrics", timeout=10).read()
    )
    told = json.load(urllib.request.urlopen(f"{base}/openapi.json", timeout=10))
    assert told == document()
    schemas = told["components"]["schemas"]
    schema = {"$ref": "#/components/schemas/Debit", "components": {"schemas": schemas}}
    jsonschema.validate(json.loads(encode(Debit(account="a", id="x", units=1))), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"op": "debit", "units": "1"}, schema)


def test_callers_that_misbehave_never_stall_the_others(node: Threaded) -> None:
    """Hang up in mid-answer, never read, stop in mid-frame, announce nonsense: the others are served all along."""
    assert node.doors.socket is not None
    body = encode(Balance(account="a"))
    bad: list[socket.socket] = []
    for number in range(40):
        rude = socket.socket(socket.AF_UNIX)
        rude.connect(str(node.doors.socket))
        bad.append(rude)
        match number % 4:
            case 0:  # hangs up with answers on their way
                debit = [
                    encode(Debit(account="a", id=f"h{number}-{n}", meter="car.sms", units=1))
                    for n in range(50)
                ]
                rude.sendall(b"".join(struct.pack(">I", len(d)) + d for d in debit))
                rude.close()
            case 1:  # asks and never reads
                rude.setblocking(False)
                try:
                    for _ in range(400):
                        rude.send((struct.pack(">I", len(body)) + body) * 100)
                except BlockingIOError:
                    pass
            case 2:  # stops in the middle of a frame
                rude.sendall(struct.pack(">I", 1000) + b'{"op"')
            case 3:  # announces more than there is
                rude.sendall(b"\xff\xff\xff\xff" + b"x" * 1000)
    good = Caller(node.doors.socket)
    slowest = 0.0
    for number in range(200):
        began = time.perf_counter()
        assert said(good, Debit(account="a", id=f"good{number}", meter="car.sms", units=1)).ok
        slowest = max(slowest, time.perf_counter() - began)
    assert slowest < 5
    assert said(good, Balance(account="a")).ok
    for rude in bad:
        rude.close()
    # What was asked before hanging up is done, once: ten callers of fifty messages and two hundred good ones.
    assert node.call(lambda: node.running.service.durable.node.approved) >= 200
    answer = said(good, Balance(account="a"))
    spent = 1000 * EUR * answer.denominator - answer.balance
    assert spent == 700 * 50_000_000 * answer.denominator


def test_a_frame_that_is_too_large_is_skipped_and_the_caller_goes_on(node: Threaded) -> None:
    assert node.doors.socket is not None
    caller = Caller(node.doors.socket)
    caller.send(b"x" * 10_000_000)
    assert decode_answer(caller.receive()).code == "too_large"
    assert said(caller, Balance(account="a")).ok


def test_a_new_catalogue_with_a_slip_is_refused_at_the_door_and_a_held_one_stays(tmp_path: Path) -> None:
    slip = "    fees: [{id: late, amount: 1, from_period: 5, to_period: 2}]\n    split:"
    first, second = CATALOGUE.replace("    split:", slip), CATALOGUE[CATALOGUE.index("  - id: car\n") :]
    second = second.replace("version: 1", "version: 2").replace("2020-01-01", "2030-01-01")

    def opened(text: str) -> int:
        with Threaded(Doors(tmp_path / "node", catalogue=text, socket=tmp_path / "s")) as node:
            return len(node.running.service.durable.node.tariffs.catalogue.offers)

    with pytest.raises(CatalogueError) as caught:
        opened(first)
    assert (caught.value.code, caught.value.where) == ("phase_empty", "--catalog:23")
    local = LocalNode(tmp_path / "node")
    assert decode_answer(local.ask(Publish(tenant=OPERATOR, id="catalogue", text=first))).ok
    local.durable.close()
    assert opened(first) == 1
    with pytest.raises(CatalogueError):
        opened(first + second.replace("    split:", slip))
    assert opened(first + second) == 2
