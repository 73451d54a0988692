"""Plain requests pass by uvicorn, others do not: whatever way the bytes come, each is answered once and in order."""

from __future__ import annotations

import json
import random
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.charging.wire import dial, read, running
from tests.charging.world import CATALOGUE
from workbench.charging.framed import Caller
from workbench.charging.http import document
from workbench.charging.messages import Debit, decode_answer, encode
from workbench.charging.refusals import CURES, REFUSALS
from workbench.charging.serve import Doors, Threaded

PLAIN = b"POST /v1/charge HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Threaded]:
    with running(tmp_path) as found:
        yield found


def debit(name: str) -> bytes:
    return encode(Debit(account="a", id=name, meter="car.sms", units=1))


def wires(name: str) -> list[bytes]:
    """The same request said in every way HTTP allows; the first two are plain."""
    body = debit(name)
    size, post = len(body), b"POST /v1/charge HTTP/1.1\r\nHost: x\r\n"
    return [
        PLAIN % (size, body),
        post + b"connection: keep-alive\r\nCONTENT-LENGTH:  %d \r\n\r\n%s" % (size, body),
        post + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (size, body),
        b"POST /v1/charge?x=1 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (size, body),
        post + b"X-Long: %s\r\nContent-Length: %d\r\n\r\n%s" % (b"y" * 9_000, size, body),
        post + b"TE: trailers\r\nContent-Length: %d\r\n\r\n%s" % (size, body),
    ]


@pytest.mark.parametrize("seed", range(6))
def test_mixed_ways_in_any_pieces_are_answered_in_order(node: Threaded, seed: int) -> None:
    rng = random.Random(seed)
    names = [f"m{seed}-{number}" for number in range(120)]
    data = b"".join(rng.choice(wires(name)[: 2 if seed % 2 else 6]) for name in names)
    with dial(node) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data:
            size = rng.choice((1, 7, 100, 3_000, 50_000))
            connection.sendall(data[:size])
            data = data[size:]
        found = read(connection, len(names))
    assert [body["id"] for _, body in found] == names
    assert all(status == 200 and body["ok"] for status, body in found)


def test_both_ways_answer_the_same_bytes(node: Threaded) -> None:
    """Headers and all, but for the date; refusals too."""
    for name in ("same", "same", "x" * 200):
        seen = []
        for wire in wires(name):
            with dial(node) as connection:
                connection.sendall(wire)
                connection.settimeout(10)
                seen.append(re.sub(rb"date: [^\r]*\r\n", b"", connection.recv(1 << 16)))
                while b"}" not in seen[-1][-1:]:
                    seen[-1] += connection.recv(1 << 16)
        assert len(set(seen)) == 1, seen


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b"POST /v1/charge HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", 400),
        (b"POST /v1/charge HTTP/1.1\r\nContent-Length: +5\r\n\r\nabcde", 400),
        (b"POST /v1/charge HTTP/1.1\r\nContent-Length : 5\r\n\r\nabcde", 400),
        (
            b"POST /v1/charge HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX: y",
            400,
        ),
        (b"POST /v1/charge HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde", 400),
        (b"POST /v1/charge HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 400),
        (b"GET /v1/charge HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)
def test_what_is_not_quite_http_is_refused(node: Threaded, wire: bytes, status: int) -> None:
    with dial(node) as connection:
        connection.sendall(wire)
        connection.settimeout(10)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 %d " % status)
    with dial(node) as connection:
        connection.sendall(PLAIN % (len(debit("after")), debit("after")))
        assert read(connection, 1)[0][1]["ok"]


def test_one_who_waits_for_a_word_gets_it(node: Threaded) -> None:
    body = debit("expect")
    with dial(node) as connection:
        connection.sendall(
            b"POST /v1/charge HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
            % len(body)
        )
        connection.settimeout(10)
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        assert read(connection, 1)[0][1]["ok"]


def test_tokens_hold_on_the_plain_way(tmp_path: Path) -> None:
    doors = Doors(tmp_path / "n", catalogue=CATALOGUE, http=("127.0.0.1", 0), tokens={"secret": "main"})
    with Threaded(doors) as running, dial(running) as connection:
        body = debit("t")
        for token, expected in ((b"secret", 404), (b"wrong", 401), (b"secret", 404)):
            connection.sendall(
                b"POST /v1/charge HTTP/1.1\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
                % (token, len(body), body)
            )
            assert read(connection, 1)[0][0] == expected
        connection.sendall(PLAIN % (len(body), body))
        assert read(connection, 1)[0][0] == 401
        forged = body.replace(b'"op"', b'"tenant":"other","op"')
        connection.sendall(
            b"POST /v1/charge HTTP/1.1\r\nAuthorization: Bearer secret\r\nContent-Length: %d\r\n\r\n%s"
            % (len(forged), forged)
        )
        assert read(connection, 1)[0][1]["code"] == "forged_tenant"


def test_a_refusal_says_what_where_and_how_to_mend_it_both_ways(node: Threaded, tmp_path: Path) -> None:
    """Behind what it says on every wire, which stays as it is: old clients read on."""
    caller = Caller(tmp_path / "s")
    framed = json.loads(caller.ask(encode(Debit(account="nobody", id="r", meter="car.sms", units=1))))
    caller.close()
    assert "cure" not in framed and "what" not in framed
    body = encode(Debit(account="nobody", id="r", meter="car.sms", units=1))
    chunked = (
        b"POST /v1/charge HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
    )
    with dial(node) as connection:
        connection.sendall(PLAIN % (len(body), body) + chunked % (len(body), body))
        connection.sendall(b"GET /v1/accounts/nobody HTTP/1.1\r\nHost: x\r\n\r\n")
        (plain_status, plain), (slow_status, slow), (read_status, balance) = read(connection, 3)
    assert (plain_status, slow_status, read_status) == (404, 404, 404) and plain == slow
    assert {name: plain[name] for name in framed} == framed
    assert plain["what"] == plain["why"] and plain["cure"] == balance["cure"] == CURES["unknown_account"]
    assert "request r" in str(plain["where"])
    assert decode_answer(json.dumps(plain).encode()).code == "unknown_account"


def test_every_refusal_has_a_cure_and_the_description_says_it() -> None:
    assert set(CURES) == set(REFUSALS)
    told = json.dumps(document())
    assert all(json.dumps(cure)[1:-1] in told for cure in CURES.values())
    assert {"what", "where", "cure"} <= set(document()["components"]["schemas"]["Answer"]["properties"])
