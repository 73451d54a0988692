"""A wave is more than one node bears: accounts go to others, and come home when it is over. Nothing is lost or doubled."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.charging.beside import Program, Wave, check, fill, prices, until
from workbench.charging.messages import Balance, Open, decode_answer, encode
from workbench.charging.overflow import Limits, Overflow, Seen, hottest
from workbench.charging.placement import FilePlacement, Member


def test_the_rule_spills_grows_and_retracts_with_reasons() -> None:
    rule = Overflow(Limits(most=3, rate=1000, looks_to_spill=2, looks_to_retract=2))
    assert rule.decide(Seen(2000, 2.0), {}) is None
    assert rule.decide(Seen(2000, 2.0), {}).what == "grow"  # type: ignore[union-attr]
    step = rule.decide(Seen(2000, 2.0), {"a": Seen(0, 0.6), "b": Seen(0, 0.1)})
    assert step is not None
    assert (step.what, step.node) == ("spill", "b")
    assert step.part == pytest.approx(0.3)
    assert "2,000 requests/s, 200 %" in step.why
    assert rule.decide(Seen(2000, 2.0), {"a": Seen(0, 0.7), "b": Seen(0, 0.1, up=False)}, own=2) is None
    assert rule.decide(Seen(100, 0.1), {"a": Seen(100, 0.1, 5)}) is None
    assert rule.decide(Seen(100, 0.1), {"a": Seen(100, 0.1, 5), "b": Seen(0, 0)}).node == "a"  # type: ignore[union-attr]
    assert rule.decide(Seen(100, 0.1), {"a": Seen(0, 0)}).what == "leave"  # type: ignore[union-attr]


def test_the_hottest_accounts_leave_with_all_of_their_pools() -> None:
    pool = {("m", "a"): [("m", "a"), ("m", "z")]}
    counts = {("m", "a"): 10, ("m", "b"): 9, ("m", "c"): 1}
    assert hottest(counts, 0.6, 10, lambda keys: [k for key in keys for k in pool.get(key, [key])]) == [
        ("m", "a"), ("m", "z"), ("m", "b"),
    ]  # fmt: skip
    assert hottest(counts, 0.6, 1, lambda keys: [k for key in keys for k in pool.get(key, [key])]) == [
        ("m", "b")
    ]


def test_the_table_only_moves_forward(tmp_path: Path) -> None:
    table = FilePlacement(tmp_path / "t.db")
    _moves_forward(table)
    table.close()
    again = FilePlacement(tmp_path / "t.db")
    assert again.members() == [Member("n", "h:2", "", True)]
    assert again.decisions() == [{"at": 5, "what": "grow", "why": "because"}]


def _moves_forward(table: FilePlacement) -> None:
    keys = [("main", "a"), ("main", "b")]
    assert table.flip(keys, "n", 3, home=False) == 2
    assert table.flip(keys[:1], "m", 2, home=False) == 0
    assert table.flip(keys[:1], "home", 3, home=True) == 0
    assert (table.owner("main", "a"), table.counts()) == ("n", {"n": 2})
    assert table.flip(keys[:1], "home", 4, home=True) == 1
    assert (table.owner("main", "a"), table.owner("main", "b")) == ("", "n")
    table.join(Member("n", "h:1", "", True))
    table.join(Member("n", "h:2", "", True))
    table.decide(5, "grow", "because")


@pytest.mark.parametrize("most", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_a_wave_spills_and_retracts(tmp_path: Path, most: int) -> None:
    """Two and four processes: up to 8 callers are 8 times what a node is said to bear; then it is calm again."""
    home = Program(
        tmp_path / "home", "--catalog", prices(tmp_path), "--nodes", "auto", "--nodes-most", str(most),
        "--node-rate", "100", "--http", "127.0.0.1:0",
    )  # fmt: skip
    names = [f"a{number}" for number in range(60)]
    waves: list[Wave] = []
    try:
        caller = home.caller()
        fill(caller, names, pools=4)
        waves = [
            Wave(home.socket, f"w{n}", names[n::4], 100 * most / 4) for n in range(4)
        ]  # `most` times what one node bears
        for wave in waves:
            wave.start()
        until(lambda: len(home.status()["nodes"]) == most, 60, lambda: home.status()["decisions"])
        until(lambda: home.status()["moved_out"] >= 60 // 4, 30, lambda: home.status()["decisions"])
        until(lambda: home.status()["forwarded"] > 100, 30, home.status)
        status = home.status()
        said = {row["what"] for row in status["decisions"]}
        assert {"grow", "join", "spill"} <= said
        assert all("%" in row["why"] for row in status["decisions"] if row["what"] == "spill")
        shown = subprocess.run(
            [sys.executable, "-m", "workbench", "status", str(home.folder)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "home-1" in shown.stdout
        assert "spill" in shown.stdout
        assert sum(_placed(home).values()) > 0
        _asked_of_the_wrong_node(home, names)
        for wave in waves:
            wave.ends.set()
            wave.join(30)
        assert check(caller, names, waves, gifts=4) > 100
        until(lambda: len(home.status()["nodes"]) == 1, 60, lambda: home.status()["decisions"])
        assert home.status()["away"] == 0
        assert _placed(home) == {}
        assert check(caller, names, waves, gifts=4) > 100  # the same answers, from home
        assert max(wave.slowest for wave in waves) < 10
    finally:
        for wave in waves:
            wave.ends.set()
        home.stop()
    proven = subprocess.run(
        [sys.executable, "-m", "workbench", "charge", str(home.folder), "--check", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(proven.stdout)
    assert (found["accounts"], found["nodes"]) == (60, most)
    assert found["moves"] >= 2, "out and home again, and all as if nobody had moved"


def _placed(home: Program) -> dict[str, int]:
    table = FilePlacement(home.folder / "placement.db")
    try:
        return table.counts()
    finally:
        table.close()


def _asked_of_the_wrong_node(home: Program, names: list[str]) -> None:
    """A guest sends callers of other accounts home, by address; home serves everybody."""
    status = home.status()
    address = status["nodes"]["home-1"]["address"]
    from workbench.charging.framed import Caller

    host, _, port = address.rpartition(":")
    guest = Caller((host, int(port)))
    answers = [decode_answer(guest.ask(encode(Balance(account=name)))) for name in names]
    elsewhere = [answer for answer in answers if not answer.ok]
    assert elsewhere
    assert {answer.where for answer in elsewhere} == {status["nodes"]["home"]["address"]}
    assert decode_answer(guest.ask(encode(Open(account="new", id="new")))).code == "elsewhere"
    guest.close()


def test_nodes_must_make_sense() -> None:
    words = [sys.executable, "-m", "workbench", "charge", "x", "--nodes", "seven", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stderr)["error"]["code"]) == (2, "bad_nodes")


def test_http_callers_of_a_guest_are_sent_home(tmp_path: Path) -> None:
    home = Program(
        tmp_path / "home", "--catalog", prices(tmp_path), "--nodes", "auto", "--http", "127.0.0.1:0"
    )
    guest = None
    try:
        fill(home.caller(), ["a0"])
        address = f"127.0.0.1:{home.ready['tcp']}"
        guest = Program(tmp_path / "guest", "--join", address, "--http", "127.0.0.1:0")
        body = encode(Balance(account="a0"))
        url = f"http://127.0.0.1:{guest.ready['http']}/v1/charge"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(url, body), timeout=10)
        assert refused.value.code == 307
        there = refused.value.headers["location"]
        assert there == f"http://127.0.0.1:{home.ready['http']}/v1/charge"
        with urllib.request.urlopen(urllib.request.Request(there, body), timeout=10) as response:
            assert decode_answer(response.read()).ok
        assert set(home.status()["nodes"]) == {"home", "guest"}
        guest.stop()
        assert set(home.status()["nodes"]) == {"home"}
    finally:
        if guest is not None:
            guest.stop()
        home.stop()
