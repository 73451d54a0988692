"""The sales page's numbers while the real pipeline runs: spend and outlooks move with it, a trigger is told once, sums are exact."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest

from tests.casework.test_actions import SECRET, Receiver
from workbench.casework.desk import Desk
from workbench.casework.outbox import Wires
from workbench.casework.plans import sales_catalogue
from workbench.casework.running import Running
from workbench.casework.standing import CHANCE_LEAST, PERIODS, held_out
from workbench.casework.upsell import Sales
from workbench.clock import ReplayClock
from workbench.dashboards.sales.live import LiveSales
from workbench.journal.journal import Journal
from workbench.journal.message import RawMessage
from workbench.lake.lake import Lake
from workbench.live.node import LiveNode, Settings
from workbench.mediation.routes import Route, Routes
from workbench.showcase.build import load_parties, write_sales
from workbench.showcase.cast import offers, policy
from workbench.showcase.scene import Scene

SCENE = Scene({"meters": 50, "chargers": 14}, days=2)
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
HOURS = (26, 40, 43, 48)
"""Too early for outlooks; then with them; then more; then the period's end."""


@pytest.fixture(scope="module")
def messages() -> list[RawMessage]:
    found = []
    for feed in SCENE.feeds():
        for message in islice(feed.fleet.messages(2), 1_000_000):
            came = int(message.received_at.replace(tzinfo=UTC).timestamp() * 1e6) * 1000
            found.append(
                RawMessage(
                    "main", feed.mapping.source, "", message.topic, "application/json", message.payload, came
                )
            )
    return sorted(found, key=lambda message: message.received_at_ns)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Town:
    """A pipeline that hears two days in pieces."""

    def __init__(self, folder: Path, messages: list[RawMessage]) -> None:
        self.folder, self._left = folder, list(messages)
        self.clock = ReplayClock(BEGIN)
        self.node = LiveNode(
            folder / "lake", folder / "journals",
            Routes([Route(feed.mapping, source=feed.mapping.source) for feed in SCENE.feeds()]),
            policy(), offers(SCENE.casts), clock=self.clock, period=SCENE.period,
            settings=Settings(linger_seconds=0.02, rate_seconds=0.5, rate_share=0.9), ready=self._ready,
        )  # fmt: skip
        self.journal = Journal(folder / "journals" / "wire-0")

    def _ready(self, lake: Lake) -> None:
        write_sales(lake.root.parent)
        load_parties(lake, SCENE, SCENE.feeds())

    def hear(self, hours: int) -> None:
        """Take everything that was received by an hour of the period."""
        until = BEGIN + timedelta(hours=hours)
        now = [m for m in self._left if m.received_at_ns < until.timestamp() * 1e9]
        self._left = self._left[len(now) :]
        self.journal.append(now)
        self.journal.flush()
        self.clock.advance_to(until)
        assert self.node.settled(60)


@pytest.fixture
def town(tmp_path: Path, messages: list[RawMessage]) -> Iterator[Town]:
    found = Town(tmp_path, messages)
    with found.journal:
        found.node.start()
        yield found
        found.node.stop()


def until(holds: Callable[[], object], live: LiveSales, seconds: float = 60.0) -> None:
    """Wait while somebody looks at the page."""
    deadline = time.monotonic() + seconds
    while not holds():
        live.watch()
        assert time.monotonic() < deadline, live.trouble or _told(live)
        time.sleep(0.02)


def _told(live: LiveSales) -> str:
    """What a page would see, in a few words."""
    if live.frame is None:
        return live.told
    states = [(s.state, bool(s.left_out), s.offer is not None) for s in live.frame.standings]
    return f"{live.beats} beats, {live.frame.at}, {live.frame.bill['']}, {Counter(states)}"


def owed(town: Town) -> Fraction:
    """The whole bill, out of the node's memory, line by line."""
    memory = town.node.standing
    return sum(
        (
            Fraction(amount, int(memory.lines[number]["price_denominator"]) * 10**9)
            for number, amount in memory.charges.items()
        ),
        Fraction(0),
    )


def test_spend_and_outlooks_move_with_the_pipeline_and_triggers_are_told_once(
    town: Town, receiver: Receiver
) -> None:
    wires = Wires(receiver.url, SECRET, retry_seconds=(0.01, 0.01))
    with LiveSales(town.node, wires) as live:
        town.hear(HOURS[0])
        until(lambda: live.frame is not None and live.frame.bill[""] == owed(town), live)
        assert live.frame is not None
        early = live.frame
        assert early.foreseen == 0 and not early.offers and not receiver.heard

        seen = live.beats
        began = time.monotonic()
        until(lambda: live.beats >= seen + 10, live)
        assert 10 / (time.monotonic() - began) >= 5, "updates a second"

        town.hear(HOURS[1])
        until(lambda: live.frame.foreseen > 40 and live.frame.bill[""] == owed(town), live)
        first = live.frame
        assert first.bill[""] > early.bill[""]
        for owner, amount in first.bill.items():
            assert amount <= first.low[owner] <= first.middle[owner] <= first.high[owner]

        town.hear(HOURS[2])
        before = {(s.account, s.current): s for s in first.standings}
        until(lambda: live.frame.bill[""] == owed(town) == _listed(live) and _moved(before, live) > 20, live)
        later = live.frame
        assert later.bill[""] > first.bill[""] and later.middle[""] != first.middle[""]

        town.hear(HOURS[3])
        until(
            lambda: live.frame.bill[""] == owed(town) and any(not o.held_out for o in live.frame.offers), live
        )
        until(lambda: len(receiver.heard) >= sum(not o.held_out for o in live.frame.offers), live)
        offered = {one.offer_id: one for one in live.frame.offers}
    told = [json.loads(body) for _, body in receiver.heard]
    assert told and len({one["offer_id"] for one in told}) == len(told), "each trigger once"
    for (headers, body), one in zip(receiver.heard, told, strict=True):
        at, _, mark = headers["x-workbench-signature"].removeprefix("t=").partition(",v1=")
        assert hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest() == mark
        assert headers["idempotency-key"] == f"offer-{one['offer_id']}"
        assert one["type"] == "upsell.trigger" and one["chance"] >= CHANCE_LEAST and one["periods"] == PERIODS
        assert not held_out("main", one["account"])

    with LiveSales(town.node, wires) as again:  # a new process: what was told stays told
        until(
            lambda: again.frame is not None and {o.offer_id for o in again.frame.offers} & set(offered), again
        )
        again._stop.wait(0.5)
        ids = [json.loads(body)["offer_id"] for _, body in receiver.heard]
        assert len(set(ids)) == len(ids)
        until(lambda: len(again.past) > 10, again)
        spends = [frame.bill[""] for frame in again.past]
        assert spends == sorted(spends), "the period before it looked is reckoned, and in order"


def _listed(live: LiveSales) -> Fraction:
    """The bills of all standings: a step later than the frame's own."""
    assert live.frame is not None
    return sum((one.bill for one in live.frame.standings), Fraction(0))


def _moved(before: dict, live: LiveSales) -> int:
    assert live.frame is not None
    return sum(
        now.used > before[key].used and now.projected != before[key].projected
        for now in live.frame.standings
        if (key := (now.account, now.current)) in before
    )


def test_at_the_periods_end_it_says_what_a_replay_says_and_what_is_billed(town: Town) -> None:
    town.hear(HOURS[3])
    with LiveSales(town.node) as live:
        until(lambda: live.frame is not None and live.frame.bill[""] == owed(town) == _listed(live), live)
        assert live.frame is not None
        now = {(s.account, s.current): s for s in live.frame.standings}
    town.node.stop()
    forecast = 0
    with Lake.open(town.folder / "lake") as lake:
        billed = dict(
            lake.con.execute(
                "SELECT l.account_id || ' ' || l.offer_id, "
                "sum(c.amount::HUGEINT * (1000000000000 / l.price_denominator::HUGEINT)::BIGINT)"
                f" FROM {lake.scan('charges')} c JOIN {lake.scan('lines')} l USING (line_no) GROUP BY 1"
            ).fetchall()
        )
        assert billed
        for key, one in now.items():
            assert Fraction(int(billed[" ".join(key)]), 10**21) == one.bill
        for one in Sales.of(lake).at():
            mine = now[(one.account, one.current)]
            assert (mine.used, mine.bill) == (one.used, one.bill)
            if mine.state == "forecast":  # not of whom nothing was known before the last hour
                forecast += 1
                assert (mine.offer and mine.offer.offer_id) == (one.offer and one.offer.offer_id)
    assert forecast >= 40


def test_a_large_town_is_worked_out_in_turns(town: Town) -> None:
    town.hear(HOURS[1])
    with Lake.open(town.folder / "lake") as lake:
        known = sales_catalogue(lake.root.parent, offers(SCENE.casts), None)
        running = Running(lake, known, SCENE.period, "2026-03-02/2026-03-04", Desk.of(lake))
        at = (BEGIN + timedelta(hours=HOURS[1])).replace(tzinfo=None)
        everybody = Sales(lake, known, SCENE.period, "2026-03-02/2026-03-04", Desk.of(lake)).at(at)
        seen: set[str] = set()
        steps = 0
        while steps < 200 and len(seen) < len({one.account for one in everybody}):
            found = running.step(at, {}, seconds=0.0)  # no time at all: one customer a step, after the first
            assert len(found) <= (50 if steps == 0 else 1)
            seen |= {one.account for one in found}
            steps += 1
        assert seen == {one.account for one in everybody} and steps >= 4
