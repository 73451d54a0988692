"""A log of the time when rating groups were not looked at: the start says which request and how to go on; then it goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.charging.world import CATALOGUE, EUR, T0
from workbench.charging import batches, sessions
from workbench.charging.alone import compare
from workbench.charging.durable import LocalNode
from workbench.charging.follow import follow
from workbench.charging.messages import (
    Answer,
    Command,
    Debit,
    Open,
    Publish,
    Reserve,
    TopUp,
    Update,
    decode_answer,
    encode,
)
from workbench.charging.node import OPERATOR
from workbench.charging.recovery import OLD_GROUPS, accept_old_groups, recover
from workbench.errors import ChargingError

HUGE = 2**70
"""More than a snapshot's integers hold."""


def started(folder: Path) -> LocalNode:
    return LocalNode(folder, now_ns=lambda: T0 * 1000)


def ask(node: LocalNode, message: Command) -> Answer:
    return decode_answer(node.ask(message))


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node's folder, written by code that does not look at rating groups."""
    monkeypatch.setattr(sessions, "bad_group", lambda _: False)
    node = started(tmp_path)
    for message in (
        Publish(tenant=OPERATOR, id="catalogue", text=CATALOGUE),
        Open(account="a", id="o", offers=("car",)),
        TopUp(account="a", id="t", amount_nano=50 * EUR),
        Debit(account="a", id="good", meter="car.sms", units=1, rating_group=7),
        Debit(account="a", id="bad", meter="car.sms", units=1, rating_group=-1),
    ):
        assert ask(node, message).ok
    said = ask(node, Reserve(account="a", id="open", meter="car.sms", units=3, rating_group=HUGE))
    assert said.ok and said.rating_group == HUGE
    node.durable.close()
    monkeypatch.undo()
    return tmp_path


def test_the_start_says_what_where_and_how_to_mend_it(old: Path) -> None:
    with pytest.raises(ChargingError) as told:
        started(old)
    error = told.value
    assert error.code == "charging_old_groups"
    assert "request bad of account a, rating group -1" in error.where
    assert "--accept-old-groups" in error.cure
    with pytest.raises(ChargingError, match="charging_old_groups"):
        recover(old, ("main",))


def test_accepted_once_it_goes_on_and_new_ones_are_refused(old: Path) -> None:
    position = accept_old_groups(old, ("main",))
    assert (old / OLD_GROUPS).read_text() == f"{position}\n"
    node = started(old)
    before = node.durable.node.accounts["main", "a"].balance
    refused = ask(node, Debit(account="a", id="new", meter="car.sms", units=1, rating_group=-1))
    assert (refused.ok, refused.code) == (False, "bad_rating_group")
    again = ask(node, Debit(account="a", id="bad", meter="car.sms", units=1, rating_group=-1))
    assert again.ok and again.rating_group == -1, "what was answered stays answered"
    reservation = next(iter(node.durable.node.accounts["main", "a"].reservations))
    more = ask(node, Update(account="a", id="more", reservation=reservation, used=1, more=1))
    assert more.ok and more.rating_group == 0, "a group that is none is not repeated any more"
    assert node.durable.node.accounts["main", "a"].balance < before
    node.durable.close()
    made = follow(old, ("main",))
    assert made["position"] > position, "the snapshot is a proof of old and new together"
    assert recover(old, ("main",)).requests == 0
    assert compare(old, ("main",)).ok, "the proof of what it charged reads the note too"


def test_what_differs_in_anything_else_is_still_refused(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = recover(old, ("main",), groups_upto=1 << 62).node
    read = batches.decode
    cheaper = lambda record: (  # noqa: E731
        Debit(account="a", id="good", meter="car.sms", units=2, rating_group=7)
        if b'"good"' in record
        else read(record)
    )
    monkeypatch.setattr(batches, "decode", cheaper)
    assert node.accounts
    with pytest.raises(ChargingError) as told:
        accept_old_groups(old, ("main",))
    assert told.value.code == "charging_replay" and not (old / OLD_GROUPS).exists()
    monkeypatch.undo()
    accept_old_groups(old, ("main",))


def test_encoded_groups_of_any_size_are_read_back() -> None:
    message = Debit(account="a", id="x", meter="car.sms", units=1, rating_group=HUGE)
    assert batches.decode(encode(message)) == message


def charge(*words: str) -> list[str]:
    return [sys.executable, "-m", "workbench", "charge", *words, "--json"]


def asked(folder: Path, **message: object) -> dict[str, Any]:
    """One request through the command line to the node that runs there; the answer, also when it is a refusal."""
    done = subprocess.run(
        charge(str(folder), "--ask", json.dumps(message)), capture_output=True, text=True, check=False
    )
    return dict(json.loads(done.stdout or done.stderr))


@contextmanager
def running(folder: Path, *more: str) -> Iterator[dict[str, Any]]:
    """What the program says when it is ready; it ends well."""
    with subprocess.Popen(charge(str(folder), *more), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_the_program_refuses_names_the_request_and_goes_on_when_told_to(old: Path) -> None:
    refused = subprocess.run(charge(str(old)), capture_output=True, text=True, check=False)
    assert refused.returncode != 0 and not refused.stdout
    error = json.loads(refused.stderr)["error"]
    assert error["code"] == "charging_old_groups"
    assert "request bad of account a, rating group -1" in error["where"]
    assert "--accept-old-groups" in error["cure"]
    assert not (old / OLD_GROUPS).exists(), "nothing is accepted that nobody was asked for"

    once = {"op": "debit", "account": "a", "meter": "car.sms", "units": 1, "rating_group": -1}
    with running(old, "--accept-old-groups") as ready:
        assert ready["accounts"] == 1 and ready["recovered_requests"] == 6
        again = asked(old, **once, id="bad")
        assert again["ok"] and again["rating_group"] == -1, "what was answered stays answered"
        assert asked(old, **once, id="new")["code"] == "bad_rating_group"
        assert asked(old, **{**once, "rating_group": 7}, id="good too")["ok"]
    with running(old) as ready:
        assert ready["accounts"] == 1, "the flag is needed once"
        assert asked(old, **{**once, "rating_group": 7}, id="and on")["ok"]
