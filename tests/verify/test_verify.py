"""Each check catches its own planted offender, names it, and leaves a true world in peace."""

from __future__ import annotations

import json

import pytest

from tests.verify import world
from workbench.errors import UsageError
from workbench.lake import projection
from workbench.lake.lake import Lake
from workbench.verify.checks import CHECKS
from workbench.verify.run import verify


@pytest.mark.parametrize("full", [True, False])
def test_a_true_world_holds_every_promise(lake, full):
    projection.ensure(lake)
    report = verify(lake, full=full, sample=4, seed=3)
    assert report.ok, report.verdict()
    assert {result.name for result in report.results if result.verdict == "empty"} == {
        "node_charges"
    }  # no node here
    counts = {result.name: result.counts for result in report.results}
    assert counts["deliveries_add_up"]["rows"] == len(world.lamp_rows()["ts"]) + len(
        world.meter_rows()["ts"]
    ) + len(world.button_rows()["ts"])
    assert counts["deliveries_add_up"]["rejected"] == 2
    assert counts["landed_rows_told"]["conflicts"] == 2
    if full:
        assert counts["registers_again"] | {"readings": 0, "records": 0} == {
            "registers": 3, "readings": 0, "records": 0, "resets": 1, "rollovers": 1, "held": 54_600,
        }  # fmt: skip
        assert counts["records_charged"]["records"] == counts["records_again"]["records"]
        assert counts["reference_agrees"]["accounts"] == 2
    assert json.loads(json.dumps(report.as_dict()))["verify_ok"] is True
    assert "promises hold" in report.verdict()


def test_an_empty_lake_has_nothing_to_prove(tmp_path):
    with Lake.open(tmp_path, create=True) as empty:
        report = verify(empty)
    assert report.ok
    assert all(result.verdict == "empty" for result in report.results)


def test_the_same_seed_draws_the_same_sample(lake):
    names = ["records_again", "reference_agrees"]
    one, two = (verify(lake, sample=3, seed=9, only=names) for _ in range(2))
    assert [result.counts for result in one.results] == [result.counts for result in two.results]


def test_unknown_checks_are_refused(lake):
    with pytest.raises(UsageError, match="nonsense"):
        verify(lake, only=["nonsense"])


def test_names_are_unique_and_every_check_names_its_promise():
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert all(check.invariants and check.sentence.endswith(".") for check in CHECKS)


NUMBERED = "(SELECT *, row_number() OVER () AS n_ FROM (FROM {rows} ORDER BY ALL))"


def once(change: str) -> str:
    """SQL that changes columns of the first row only; ``change`` says them in terms of ``n_``."""
    return f"SELECT * EXCLUDE (n_) FROM (SELECT * REPLACE ({change}) FROM {NUMBERED})"


def more(column: str, type_: str = "BIGINT", by: int = 1) -> str:
    """SQL that makes a column of the first row larger."""
    return once(f"{column} + {by} * (n_ = 1)::{type_} AS {column}")


DROP = f"SELECT * EXCLUDE (n_) FROM {NUMBERED} WHERE n_ > 1"
TWICE = "SELECT * FROM {rows} UNION ALL (SELECT * FROM {rows} ORDER BY ALL LIMIT 1)"
LAMPS, METERS, BUTTONS = "lamps.energy", "meters.energy", "buttons.presses"

PLANTED = {
    "landed row lost": ("landed", DROP, {"stream": LAMPS}, "deliveries_add_up"),
    "landed row doubled": ("landed", TWICE, {"stream": LAMPS}, "deliveries_add_up"),
    "landed out of order": (
        "landed", "SELECT * FROM {rows} ORDER BY device_key DESC, ends_at", {"stream": LAMPS}, "landed_order",
    ),
    "reject lost": ("rejects", "SELECT * FROM {rows} WHERE item_no > (SELECT min(item_no) FROM {rows})", {},
                    "deliveries_add_up"),
    "record lost": ("records", DROP, {"stream": LAMPS}, "landed_rows_told"),
    "record doubled": ("records", TWICE, {"stream": LAMPS}, "landed_rows_told"),
    "duplicate billed": (
        "records", once("n_events + (n_ = 1)::INTEGER AS n_events, n_duplicates - (n_ = 1)::INTEGER AS n_duplicates"),
        {"stream": LAMPS}, "records_again",
    ),
    "units of a record changed": ("records", more("units"), {"stream": LAMPS}, "records_again"),
    "fingerprint changed": (
        "records", once("xor(fingerprint, (n_ = 1)::UBIGINT) AS fingerprint"), {"stream": BUTTONS}, "records_again",
    ),
    "event in the wrong window": (
        "records",
        once("CASE WHEN n_ = 1 THEN window_start + INTERVAL 30 DAY ELSE window_start END AS window_start"),
        {"stream": LAMPS}, "records_again",
    ),
    "dimension swapped": (
        "records", once("CASE WHEN n_ = 1 THEN 'roof' ELSE floor END AS floor"), {"stream": BUTTONS}, "records_again",
    ),
    "conflict forgotten": ("quarantine", "SELECT * FROM {rows} WHERE false", {"stream": LAMPS}, "landed_rows_told"),
    "conflict falsified": ("quarantine", once("quantity + 1 AS quantity"), {"stream": LAMPS}, "conflicts_listed"),
    "register over-billed": ("records", more("units"), {"stream": METERS}, "registers_again"),
    "reset not told": (
        "records", "SELECT * REPLACE ((flags & 254)::SMALLINT AS flags) FROM {rows}", {"stream": METERS},
        "registers_again",
    ),
    "charge lost": ("charges", DROP, {"stream": LAMPS}, "records_charged"),
    "charge doubled": ("charges", TWICE, {"stream": LAMPS}, "records_charged"),
    "charge for nothing": (
        "charges", once("CASE WHEN n_ = 1 THEN 42 ELSE device_key END AS device_key"), {"stream": LAMPS},
        "records_charged",
    ),
    "charge with other units": ("charges", more("units"), {"stream": LAMPS}, "records_charged"),
    "uncharged and charged": (
        "uncharged",
        "SELECT * FROM {rows} UNION ALL SELECT * REPLACE (device_key - 1 AS device_key) FROM {rows}",
        {"stream": LAMPS}, "records_charged",
    ),
    "reason lost": ("uncharged", DROP, {"stream": LAMPS}, "records_charged"),
    "wrong amount": ("charges", more("amount"), {"stream": LAMPS}, "reference_agrees"),
    "wrong amount of a tier": ("charges", more("amount", by=-1), {"stream": METERS}, "reference_agrees"),
    "wrong fee": ("charges", more("amount"), {"stream": ""}, "reference_agrees"),
    "charge of no line": ("charges", more("line_no", "INTEGER", 900), {"stream": LAMPS}, "lines_hold"),
    "offer altered": (
        "catalog", "SELECT * REPLACE (replace(text, '0.05', '0.06') AS text) FROM {rows}", {}, "offers_are_kept",
    ),
    "offer lost": ("catalog", "SELECT * FROM {rows} WHERE offer_id <> 'help'", {}, "offers_are_kept"),
    "line numbers with a gap": ("lines", "SELECT * REPLACE (line_no + 1 AS line_no) FROM {rows}", {}, "lines_hold"),
    "invoice line altered": (
        "invoice_lines", more("amount", "INTEGER"), {}, "lines_are_their_charges",
    ),
    "net altered": ("invoice_lines", more("net_nano", "INTEGER", 10_000_000), {}, "rounded_once"),
    "gross altered": ("invoices", more("gross_nano", "INTEGER"), {}, "documents_add_up"),
    "invoice number skipped": ("invoices", once("number + (n_ = 2)::BIGINT AS number"), {}, "numbers_have_no_gap"),
    "share altered": (
        "statements", more("share_numerator", "INTEGER"), {}, "statements_sum",
    ),
    "share moved to another partner": (
        "statements",
        once("CASE n_ WHEN 1 THEN share_numerator + share_denominator WHEN 2 THEN share_numerator - share_denominator "
             "ELSE share_numerator END AS share_numerator"),
        {}, "shares_again",
    ),
    "entry altered": ("ledger", more("amount_nano", "INTEGER"), {}, "entries_are_chained"),
    "entry lost": ("ledger", "SELECT * FROM {rows} WHERE entry_no <> 2", {}, "entries_are_chained"),
    "entry with one side": (
        "ledger", once("CASE WHEN n_ = 1 THEN credit_account ELSE debit_account END AS debit_account"), {},
        "debits_equal_credits",
    ),
    "posting key twice": ("ledger", "SELECT * REPLACE (min(posting_key) OVER () AS posting_key) FROM {rows}", {},
                          "keys_are_unique"),
    "balance that is no sum": ("ledger", more("amount_nano", "INTEGER"), {}, "snapshots_are_sums"),
    "booking lost": ("ledger", "SELECT * FROM {rows} WHERE invoice_no <> 'x' AND NOT contains(debit_account, 'city')",
                     {}, "invoices_are_booked"),
    "line billed twice": ("invoice_lines", TWICE, {}, "one_line_each"),
    "subscription forgotten": ("invoice_lines", "SELECT * FROM {rows} WHERE offer_id <> 'help'", {},
                               "subscriptions_complete"),
    "closed row changed": ("charges", "SELECT * FROM {rows}", {"stream": LAMPS}, "closed_rows_unchanged"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_each_check_catches_its_own_offender(lake, rewrite, name):
    kind, sql, which, check = PLANTED[name]
    rewrite(kind, sql, **which)
    report = verify(lake, full=True, only=[check], catalogue=world.catalogue())
    (result,) = report.results
    assert result.verdict == "fails", name
    assert result.counter_example is not None
    assert str(result.counter_example)
    assert not report.ok


def test_every_check_has_an_offender():
    """A check nobody has seen fail proves nothing."""
    below = {"manifest_chain", "segment_bytes", "segment_contents", "projection_rows"}
    below |= {"node_charges"}  # tests/charging/test_billed.py
    assert {check.name for check in CHECKS} == {case[3] for case in PLANTED.values()} | below


def test_a_sample_that_holds_the_offender_finds_it(lake, rewrite):
    """Every lamp's record is wrong, so any sample must notice; a sample of another stream is left in peace."""
    rewrite("records", "SELECT * REPLACE (units + 1 AS units) FROM {rows}", stream=LAMPS)
    assert not verify(lake, sample=2, seed=1, only=["records_again"]).ok


def test_a_counter_example_can_be_gone_to(lake, rewrite):
    rewrite("records", more("units"), stream=LAMPS, partition="2026-03-02T01")
    found = verify(lake, full=True, only=["records_again"]).results[0].counter_example
    assert found is not None
    assert found.device_id.startswith("lamp-")
    assert found.window.startswith("2026-03-02 01:")
    assert int(found.observed) == int(found.expected) + 1
    assert (lake.root / found.segment).exists()


def test_a_charge_example_names_device_window_and_amounts(lake, rewrite):
    rewrite("charges", more("amount"), stream=LAMPS, partition="2026-03-02T01")
    found = verify(lake, full=True, only=["reference_agrees"]).results[0].counter_example
    assert found is not None
    assert found.device_id.startswith("lamp-")
    assert found.window.startswith("2026-03-02T01")
    assert "nano" in found.expected
    assert "nano" in found.observed


# -- files ---------------------------------------------------------------------------------------------------------


def test_a_flipped_bit_in_any_file_is_named(lake):
    for segment in lake.state.segments.values():
        path = lake.root / segment.path
        good = path.read_bytes()
        bad = bytearray(good)
        bad[len(bad) // 3] ^= 16
        path.write_bytes(bad)
        result = verify(lake, only=["segment_bytes"]).results[0]
        assert result.verdict == "fails"
        assert result.counter_example is not None
        assert segment.path in result.counter_example.segment
        path.write_bytes(good)


def test_full_also_hashes_what_was_replaced(lake, rewrite):
    old = lake.segments("records", stream=LAMPS)[0]
    rewrite("records", "SELECT * FROM {rows}", stream=LAMPS, partition=old.partition)
    (lake.root / old.path).write_bytes(b"PAR1")
    assert verify(lake, only=["segment_bytes"]).ok
    assert not verify(lake, full=True, only=["segment_bytes"]).ok


def test_a_control_total_that_lies_is_noticed(lake):
    from dataclasses import replace

    segment = lake.segments("records", stream=LAMPS)[0]
    with lake.writer():
        lying = replace(segment, path=segment.path, controls={"units": segment.controls["units"] + 1})
        lake.commit({"stage": "planted"}, add=[lying], remove=[segment])
    result = verify(lake, only=["segment_contents"]).results[0]
    assert result.verdict == "fails"
    assert result.counter_example is not None
    assert result.counter_example.segment == segment.path


def test_a_manifest_changed_after_the_fact_is_noticed(lake):
    path = lake.root / "manifest" / "00000002.json"
    path.write_bytes(path.read_bytes().replace(b'"land"', b'"lend"'))
    result = verify(lake, only=["manifest_chain"]).results[0]
    assert result.verdict == "fails"
    assert result.counter_example is not None
    assert "00000002" in result.counter_example.segment


def test_a_projection_that_drifted_is_noticed(lake):
    """Sealed, of the right version, and wrong: as a defect of its maker would leave it."""
    import duckdb

    from workbench.lake.segment import sha256_of

    path = projection.ensure(lake)
    con = duckdb.connect(str(path))
    con.execute(
        "UPDATE records_hourly SET units = units + 1 WHERE hour = (SELECT min(hour) FROM records_hourly)"
    )
    con.close()
    seal = path.with_name(path.name + ".seal")
    facts = json.loads(seal.read_text()) | {"sha256": sha256_of(path), "bytes": path.stat().st_size}
    seal.write_text(json.dumps(facts))
    result = verify(lake, only=["projection_rows"]).results[0]
    assert result.verdict == "fails"
    assert result.counter_example is not None
    assert "records_hourly" in result.counter_example.what
