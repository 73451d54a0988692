"""The queue: cases from findings, their order, verdicts, suppressions, undo, and what is durable."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest

from tests.casework.conftest import Hands
from workbench.casework.case import RANDOM_CHECK, Case
from workbench.casework.desk import Desk
from workbench.casework.evidence import evidence, timeline
from workbench.casework.making import CLUSTER_LEAST, cases_of
from workbench.casework.notebook import Queue
from workbench.casework.quality import Quality, drift, planted
from workbench.casework.ranking import UNCERTAIN_PLACE, believe, ordered
from workbench.errors import CaseworkError
from workbench.insight.detect import detect
from workbench.insight.finding import Findings
from workbench.lake.lake import Lake


def test_findings_become_cases_once_and_a_random_check_comes_along(lake: Lake, desk: Desk) -> None:
    first = {case.case_id for case in desk.cases()}
    assert len(first) >= 8
    assert desk.look(lake) == 0, "seen again, a case is the same case"
    assert {case.case_id for case in Desk.of(lake).cases()} == first, "another process reads the same queue"
    drawn = [case for case in desk.cases() if case.kind == RANDOM_CHECK]
    flagged = {device for case in desk.cases() if case.kind != RANDOM_CHECK for device in case.devices}
    assert len(drawn) == max(1, (len(first) - len(drawn)) // 10)
    assert all(case.subject not in flagged and 0 < case.sampled < 1 for case in drawn)


def test_money_is_the_difference_of_two_prices_of_the_period(lake: Lake, desk: Desk) -> None:
    """Checked by hand: a lamp's energy is linear, so the difference is the episode's units times the price."""
    case = next(c for c in desk.cases() if c.kind == "silent" and c.stream == "lamps.energy" and c.at_risk)
    assert case.at_risk == abs(case.billed - case.expected)
    assert case.expected > case.billed, "a silent lamp is billed too little"
    units = lake.con.execute(
        f"SELECT sum(units)::BIGINT FROM {lake.scan('records', stream='lamps.energy')} JOIN {lake.scan('devices')} "
        f"USING (device_key) WHERE device_id = '{case.subject}'"
    ).fetchall()[0][0]
    assert case.billed == units * Fraction("0.00005") / 10**6, "the whole period as recorded"
    assert case.priced_by == "lights-on v1"


def test_the_order_is_chance_times_stake_by_minutes_and_nobody_fills_it(desk: Desk) -> None:
    rows = desk.queue()
    for row in rows:
        assert row.score == pytest.approx(row.chance * float(row.case.stake) / row.case.about.minutes)
    plain = next(row.case for row in rows if row.case.kind != RANDOM_CHECK)
    crowd = [replace(plain, case_id=f"c{n:02d}", subject=f"lamp-{n}") for n in range(30)]
    other = replace(plain, case_id="other", account="elsewhere")
    order = [case.case_id for case, _, _ in ordered([*crowd, other], believe([]), cap=5)]
    assert order.index("other") == 5, "past five of one account and reason the others come first"


def test_random_checks_stand_at_every_tenth_place(desk: Desk) -> None:
    base = desk.cases()[0]
    flagged = [replace(base, case_id=f"f{n:02d}", account=f"a{n}", kind="stuck") for n in range(25)]
    drawn = [replace(base, case_id=f"r{n}", account="", kind=RANDOM_CHECK, surprise=0.0) for n in range(3)]
    order = [case.kind for case, _, _ in ordered([*flagged, *drawn], believe([]))]
    assert [place for place, kind in enumerate(order) if kind == RANDOM_CHECK] == [9, 19, 27]


def test_verdicts_end_cases_move_beliefs_and_keep_a_benign_one_quiet(
    desk: Desk, hands: Hands, lake: Lake
) -> None:
    stuck = [row.case for row in desk.queue() if row.case.kind == "stuck"]
    before = next(row.chance for row in desk.queue() if row.case.case_id == stuck[-1].case_id)
    done = desk.verdict([stuck[0].case_id], "benign", "painters' cover", who="ann")
    assert [case.state for case in done] == ["dismissed"]
    assert done[0].cause == "painters' cover" and done[0].history[-1].who == "ann"
    after = next(row.chance for row in desk.queue() if row.case.case_id == stuck[-1].case_id)
    assert after < before
    rule = desk.suppressions()[-1]
    assert rule.scope == {"device": stuck[0].subject, "kind": "stuck"} and rule.active(hands.now())
    again = Desk.of(lake, hands)
    assert again.case(stuck[0].case_id).state == "dismissed"
    hands.at += timedelta(days=31)
    assert not rule.active(hands.now())


def test_bulk_is_all_or_none(desk: Desk) -> None:
    ids = [row.case.case_id for row in desk.queue()[:3]]
    desk.verdict(ids[:1], "confirmed", who="ann")
    with pytest.raises(CaseworkError, match="resolved already") as caught:
        desk.verdict(ids, "confirmed", who="ann")
    assert caught.value.code == "case_closed"
    assert [desk.case(one).state for one in ids[1:]] == ["open", "open"]
    assert [case.state for case in desk.reopen(ids[:1], "looked at the wrong one", who="ben")] == ["working"]


def test_undo_takes_back_the_last_thing_of_one_person(desk: Desk) -> None:
    one, two, *_ = (row.case.case_id for row in desk.queue())
    desk.verdict([one], "benign", who="ann")
    desk.assign([two], "ben", who="ben")
    assert desk.undo(who="ann") == [one]
    assert desk.case(one).state == "open" and not any(
        r.scope.get("device") == desk.case(one).subject for r in desk.suppressions()
    )
    assert desk.case(two).assignee == "ben"
    with pytest.raises(CaseworkError) as caught:
        desk.undo(who="ann")
    assert caught.value.code == "nothing_to_undo"


def test_a_suppression_hides_until_it_ends(desk: Desk, hands: Hands) -> None:
    case = desk.queue()[0].case
    rule = desk.suppress(
        {"account": case.account, "kind": case.kind}, hands.now() + timedelta(hours=2), "works", who="ann"
    )
    assert desk.case(case.case_id).state == "suppressed"
    assert case.case_id not in {row.case.case_id for row in desk.queue()}
    hands.at += timedelta(hours=3)
    assert desk.case(case.case_id).state == "open"
    hands.at -= timedelta(hours=3)
    desk.lift(rule.suppression_id, who="ann")
    assert desk.case(case.case_id).state == "open"


@pytest.mark.parametrize(
    ("scope", "hours", "code"),
    [
        ({"kind": "stuck"}, -1, "suppression_past"),
        ({}, 1, "suppression_scope"),
        ({"moon": "full"}, 1, "suppression_scope"),
    ],
)
def test_a_suppression_that_makes_no_sense_is_refused(
    desk: Desk, hands: Hands, scope: dict[str, str], hours: int, code: str
) -> None:
    with pytest.raises(CaseworkError) as caught:
        desk.suppress(scope, hands.now() + timedelta(hours=hours), "", who="ann")
    assert caught.value.code == code and caught.value.cure


def test_what_cannot_be_is_one_sentence_with_a_code(desk: Desk) -> None:
    for call, code in (
        (lambda: desk.case("nonsense"), "case_unknown"),
        (lambda: desk.verdict([], "benign", who="ann"), "case_unknown"),
        (lambda: desk.verdict([desk.cases()[0].case_id], "perhaps", who="ann"), "verdict_unknown"),
        (lambda: desk.lift("nonsense", who="ann"), "suppression_unknown"),
    ):
        with pytest.raises(CaseworkError) as caught:
            call()
        assert caught.value.code == code and caught.value.what.endswith(".") and caught.value.cure


def test_a_lake_without_usage_has_nothing_to_look_at(tmp_path) -> None:
    with Lake.open(tmp_path / "empty", create=True) as empty, pytest.raises(CaseworkError) as caught:
        Desk.of(empty).look(empty)
    assert caught.value.code == "nothing_to_look_at"


def test_a_lake_without_findings_has_an_empty_queue(lake: Lake) -> None:
    desk = Desk.of(lake)
    assert desk.look(lake, Findings([])) == 0
    assert desk.queue() == [] and desk.looked == lake.state.version


def test_the_log_is_chained_and_a_torn_line_is_cut_off(desk: Desk, lake: Lake) -> None:
    path = desk.folder / "log.ndjson"
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"seq":99,"torn')
    again = Desk.of(lake)
    assert len(again.cases()) == len(desk.cases())
    again.note([again.cases()[0].case_id], "still here", who="ann")
    assert path.read_bytes().startswith(whole) and b"torn" not in path.read_bytes()
    path.write_bytes(whole.replace(b'"kind":"stuck"', b'"kind":"stuff"', 1))
    with pytest.raises(CaseworkError) as caught:
        Desk.of(lake).cases()
    assert caught.value.code == "case_log_damaged"


def test_two_writers_see_each_other(desk: Desk, lake: Lake) -> None:
    other = Desk.of(lake)
    case = desk.queue()[0].case.case_id
    desk.verdict([case], "confirmed", who="ann")
    with pytest.raises(CaseworkError) as caught:
        other.verdict([case], "benign", who="ben")
    assert caught.value.code == "case_closed"


def test_many_of_one_group_at_once_are_one_case(lake: Lake) -> None:
    found = detect(lake, "lamps.energy", priced=False)
    stuck = found.of("stuck")[0]
    group = lake.con.execute(
        f"SELECT i.group_id, list(device_id ORDER BY device_id) FROM {lake.scan('devices_info')} i WHERE kind = 'streetlight' "
        "GROUP BY 1 ORDER BY len(list(device_id)) DESC, 1 LIMIT 1"
    ).fetchall()[0]
    devices = group[1][: CLUSTER_LEAST + 1]
    many = [replace(stuck, finding_id=f"f{n}", device_id=device) for n, device in enumerate(devices)]
    cases = [case for case in cases_of(lake, Findings(many)) if case.kind != RANDOM_CHECK]
    assert [case.members for case in cases] == [tuple(sorted(devices))]
    assert cases[0].subject == group[0]


def test_evidence_has_series_band_peers_and_a_query_that_runs(lake: Lake, desk: Desk) -> None:
    case = next(c for c in desk.cases() if c.kind == "stuck")
    seen = evidence(lake, case)
    assert seen.peers >= 20 and seen.series["inside"].any() and not seen.series["inside"].all()
    assert (seen.series["low"].dropna() <= seen.series["high"].dropna()).all()
    from workbench.lake.open import OpenLake

    assert len(OpenLake(lake).sql(seen.query)) > 0
    life = timeline(lake, case.subject, desk.cases())
    assert case in life["cases"] and life["subscriptions"] and len(life["use"])


def test_quality_counts_what_was_planted_and_drift_compares_halves(lake: Lake, desk: Desk) -> None:
    quality = planted(lake, desk.cases())
    assert quality is not None and sum(row.planted for row in quality.kinds) > 0
    assert 0 < quality.recall <= 1 and 0 < quality.named <= 1 and quality.device_days > 50
    moved = drift(lake)
    assert {row.stream for row in moved} == {"lamps.energy", "meters.energy", "trackers.data"}
    assert moved[0].psi >= moved[-1].psi >= 0


def judged(case: Case, number: int, verdict: str, **changes: object) -> Case:
    return replace(case, case_id=f"{number:016x}", subject=f"d{number}", verdict=verdict, **changes)  # type: ignore[arg-type]


def test_fifty_verdicts_make_a_ranker_of_plain_numbers(desk: Desk) -> None:
    from workbench.casework.ranking import Ranker

    base = next(case for case in desk.cases() if case.kind == "stuck")
    taught = [
        judged(
            base,
            n,
            "confirmed" if n % 2 else "benign",
            surprise=8.0 if n % 2 else 3.0,
            kind="stuck" if n % 3 else "late",
        )
        for n in range(60)
    ]
    assert believe(taught[:49]).ranker is None
    beliefs = believe(taught)
    assert beliefs.ranker is not None and beliefs.ranker.labels == 60
    kept = Ranker.of_json(beliefs.ranker.as_json())
    assert kept == beliefs.ranker, "it can be stored as text and multiplied out by anybody"
    low, high = beliefs.chances([judged(base, 1, "", surprise=3.0), judged(base, 2, "", surprise=8.0)])
    assert low < 0.5 < high
    assert believe(list(reversed(taught))).ranker == beliefs.ranker, "the order of verdicts does not matter"


def test_contradicting_verdicts_teach_nothing_and_are_named(desk: Desk) -> None:
    base = next(case for case in desk.cases() if case.kind == "stuck")
    yes, no = judged(base, 1, "confirmed"), replace(judged(base, 2, "benign"), subject="d1")
    beliefs = believe([yes, no, judged(base, 3, "confirmed")])
    assert set(beliefs.left_out) == {yes.case_id, no.case_id}
    assert beliefs.counts == {"stuck": (1, 0)}
    ids = [row.case.case_id for row in desk.queue()[:1]]
    desk.verdict(ids, "confirmed", who="ann")
    desk.reopen(ids, "not so sure", who="ben")
    desk.verdict(ids, "benign", who="ben")
    assert ids[0] in desk.beliefs.left_out, "two people said opposite things of one case"


def test_the_queue_is_measured_by_its_own_history(desk: Desk, hands: Hands) -> None:
    from workbench.casework.measures import measures

    assert measures(desk.cases()).precision is None
    rows = [row.case for row in desk.queue() if row.case.kind != RANDOM_CHECK]
    hands.at += timedelta(hours=2)
    desk.verdict([rows[0].case_id, rows[1].case_id], "confirmed", who="ann")
    desk.verdict([rows[2].case_id], "benign", who="ann")
    found = measures(desk.cases())
    assert found.decided == 3 and found.precision == pytest.approx(2 / 3)
    assert found.minutes == sum(case.about.minutes for case in rows[:3])
    assert found.hours_to_review == pytest.approx(2.0, abs=0.01)


def _one(number: int, chance_of: str, base: Case) -> Case:
    return replace(
        base, case_id=f"{number:08d}", subject=f"d-{number}", kind=chance_of, account=f"a-{number}"
    )


def test_every_fifth_place_is_a_doubtful_case_and_nobody_is_lost(desk: Desk) -> None:
    base = next(row.case for row in desk.queue() if row.case.kind != RANDOM_CHECK)
    kinds = ["stuck", "late", "consumption", "conflict", "spike"]
    cases = [_one(n, kinds[n % 5], base) for n in range(60)]
    cases += [_one(100 + n, RANDOM_CHECK, base) for n in range(4)]
    beliefs = believe(cases)
    rows = ordered(cases, beliefs)
    assert sorted(row[0].case_id for row in rows) == sorted(case.case_id for case in cases)
    assert [at for at, row in enumerate(rows) if row[0].kind == RANDOM_CHECK] == [9, 19, 29, 39]
    left = {row[0].case_id: row[1] for row in rows if row[0].kind != RANDOM_CHECK}
    for at, (case, chance, _) in enumerate(rows):
        if case.kind == RANDOM_CHECK:
            continue
        if at % 5 == UNCERTAIN_PLACE:
            assert abs(chance - 0.5) == min(abs(other - 0.5) for other in left.values()), at
        del left[case.case_id]
    scores = [
        row[2] for at, row in enumerate(rows) if row[0].kind != RANDOM_CHECK and at % 5 != UNCERTAIN_PLACE
    ]
    assert scores == sorted(scores, reverse=True)


def test_the_false_rate_says_how_little_it_rests_on() -> None:
    """Five events: the exact 95 % interval of a Poisson mean is 1.6235 to 11.6683, as in every table of it."""
    low, high = Quality((), 5, 1000.0).false_between
    assert (round(low, 4), round(high, 4)) == (1.6235, 11.6683)
    assert Quality((), 0, 1000.0).false_between == (0.0, pytest.approx(3.6889, abs=1e-4))
    assert Quality((), 0, 0.0).false_between == (0.0, 0.0)


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (Fraction(1, 8), "0.125"),
        (Fraction(123456789012345678901, 10**9), "123456789012.345678901"),
        (Fraction(1, 3), "1/3"),
        (Fraction(0), "0"),
    ],
)
def test_a_notebook_says_the_money_at_risk_exactly(
    lake: Lake, desk: Desk, amount: Fraction, said: str
) -> None:
    queue = Queue(lake, desk, "ann")
    first = queue.desk.queue()[0].case
    priced = replace(first, at_risk=amount, currency="EUR", priced_by="house v3")
    queue.desk.refresh().cases[first.case_id] = priced
    place = next(at for at, row in enumerate(queue.desk.queue()) if row.case.case_id == first.case_id)
    lines = [line for line in queue.explain(place).split("\n") if "at risk" in line]
    assert lines == [f"  at risk: {said} EUR, priced by house v3"]
    queue.desk.refresh().cases[first.case_id] = replace(first, at_risk=None)
    place = next(at for at, row in enumerate(queue.desk.queue()) if row.case.case_id == first.case_id)
    assert "at risk" not in queue.explain(place)
