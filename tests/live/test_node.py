"""The live node: what journals hold becomes records, and usage and bill in memory, equal to what the lake says."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from tests.live.conftest import QUICK, SCENE, journaled, node_on, routes
from workbench.billing import plan_of, rate_period
from workbench.clock import ReplayClock
from workbench.journal.message import RawMessage
from workbench.journal.reader import Batch
from workbench.lake.lake import Lake
from workbench.live.care import bill_of
from workbench.live.node import LiveNode
from workbench.mediation.intake import Intake
from workbench.showcase.build import load_parties
from workbench.showcase.cast import offers, policy
from workbench.verify.run import verify


def bills(node: LiveNode) -> dict[str, Fraction]:
    """What every account owes so far, by the node's memory."""
    standing = node.standing
    found = {account: sum((line["nano"] for line in bill_of(standing, account)), Fraction(0))
             for account in standing.accounts}  # fmt: skip
    return {account: nano for account, nano in found.items() if nano}


def rated(path: Path) -> dict[str, Fraction]:
    """The same by rating the lake's records in one piece."""
    with Lake.open(path) as lake, lake.writer():
        plan = plan_of(lake, offers(SCENE.casts), SCENE.period)
        done = rate_period(lake, plan)
        lake.commit({"stage": "rate"}, add=done.add, remove=done.remove, facts=done.facts)
        rows = lake.con.execute(
            "SELECT l.account_id, l.price_denominator, sum(c.amount) FROM "
            f"{lake.scan('charges')} c JOIN {lake.scan('lines')} l USING (line_no) WHERE l.side = 'sell' "
            "AND c.line_no IS NOT NULL AND l.kind <> 'adjustment' GROUP BY ALL"
        ).fetchall()
    found: dict[str, Fraction] = {}
    for account, denominator, amount in rows:
        found[account] = found.get(account, Fraction(0)) + Fraction(int(amount), int(denominator))
    return {account: nano for account, nano in found.items() if nano}


def test_memory_says_what_the_lake_says(node: LiveNode, messages: list[RawMessage], tmp_path: Path) -> None:
    """Usage and bill in memory after many batches equal the records and one rating of all of them, to the unit."""
    for at in range(0, len(messages), 700):
        journaled(tmp_path, messages[at : at + 700])
        node.settled(10)
    assert node.figures.messages == len(messages)
    node.stop()
    node_on(tmp_path, ReplayClock(SCENE.period.start), QUICK)
    with Lake.open(tmp_path / "lake") as lake:
        sums = dict(lake.con.execute(
            f"SELECT device_key, sum(units) FROM {lake.scan('records')} GROUP BY device_key"
        ).fetchall())  # fmt: skip
        report = verify(lake)
        assert report.ok, report.verdict()
    memory = {key: sum(use.units for use in streams.values()) for key, streams in node.standing.usage.items()}
    assert {key: units for key, units in memory.items() if units} == {k: int(u) for k, u in sums.items() if u}
    assert bills(node) == rated(tmp_path / "lake")


def test_a_restart_remembers_everything(
    messages: list[RawMessage], tmp_path: Path, clock: ReplayClock
) -> None:
    """Nothing is kept but the lake and the journals: a new node says what the old one said, and takes nothing twice."""
    journaled(tmp_path, messages[:1500])
    first = node_on(tmp_path, clock).start()
    first.settled()
    first.stop()
    second = node_on(tmp_path, clock).start()
    second.settled()
    second.stop()
    assert second.figures.messages == 0
    assert second.standing.usage == first.standing.usage
    assert bills(second) == bills(first)


def test_a_lake_between_two_ratings_is_proven_as_far_as_it_was_rated(
    tmp_path: Path, messages: list[RawMessage]
) -> None:
    """Records that came since the last rating are yet to be rated: that is no failure, and it is said."""
    half = len(messages) // 2
    with Lake.open(tmp_path / "lake", create=True) as lake, lake.writer():
        load_parties(lake, SCENE, SCENE.feeds())
        intake = Intake(lake, routes(), policy())
        intake.take([Batch("wire-0", 0, messages[:half])])
        plan = plan_of(lake, offers(SCENE.casts), SCENE.period)
        done = rate_period(lake, plan)
        lake.commit({"stage": "rate"}, add=done.add, remove=done.remove, facts=done.facts)
        before = verify(lake, full=True)
        assert before.ok, before.first_failure
        intake.take([Batch("wire-0", half, messages[half:])])
        between = verify(lake, full=True)
        assert between.ok, between.first_failure
        counts = {result.name: result.counts for result in between.results}
        assert counts["records_charged"]["segments_to_rate"] > 0
        assert counts["records_charged"]["charges"] > 0
        assert counts["reference_agrees"]["periods_to_rate"] == 1
        done = rate_period(lake, plan)
        lake.commit({"stage": "rate"}, add=done.add, remove=done.remove, facts=done.facts)
        after = verify(lake, full=True)
        assert after.ok, after.first_failure
        assert "segments_to_rate" not in {r.name: r.counts for r in after.results}["records_charged"]
