"""Bytes to a node's HTTP port and back: a node with one rich account, a plain socket, and whole answers read off it."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.charging.world import CATALOGUE, EUR
from workbench.charging.framed import Caller
from workbench.charging.messages import Open, TopUp, decode_answer, encode
from workbench.charging.serve import Doors, Threaded

ANSWER_SECONDS = 20


@contextmanager
def running(folder: Path) -> Iterator[Threaded]:
    """A node with a socket file and an HTTP port, and an account ``a`` with 1,000 EUR on offer ``car``."""
    doors = Doors(folder / "node", catalogue=CATALOGUE, socket=folder / "s", http=("127.0.0.1", 0))
    with Threaded(doors) as node:
        caller = Caller(folder / "s")
        for message in (
            Open(account="a", id="o", offers=("car",)),
            TopUp(account="a", id="t", amount_nano=1000 * EUR),
        ):
            assert decode_answer(caller.ask(encode(message))).ok
        caller.close()
        yield node


def dial(node: Threaded) -> socket.socket:
    """A connection to the node's HTTP port."""
    return socket.create_connection(("127.0.0.1", node.running.ports["http"]), ANSWER_SECONDS)


def read(connection: socket.socket, count: int) -> list[tuple[int, dict[str, object]]]:
    """Status and body of so many answers, and nothing after them."""
    found, data = list[tuple[int, dict[str, object]]](), b""
    connection.settimeout(ANSWER_SECONDS)
    while len(found) < count:
        head, end, rest = data.partition(b"\r\n\r\n")
        size = int(re.findall(rb"content-length: (\d+)", head)[0]) if end else 0
        if end and len(rest) >= size:
            found.append((int(head.split()[1]), json.loads(rest[:size])))
            data = rest[size:]
            continue
        more = connection.recv(1 << 16)
        assert more, f"hung up after {len(found)} of {count}"
        data += more
    assert not data
    return found
