"""What is planted in a record that a sponsor pays in part, or in a remainder that is carried, is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.books import close_together
from tests.golden.case import CASES, OTHERS, read_cases
from tests.verify.proven import broken
from workbench.lake.lake import Lake
from workbench.settlement import checks, lines
from workbench.verify.run import verify


def closed(folder: Path, path: Path, name: str) -> Path:
    case = next(case for case in read_cases(path) if case.name == name)
    close_together(folder, [case], case.periods, lambda *_: [None])
    return folder / "lake"


def plant(lake: Lake, kind: str, sql: str) -> None:
    """Replace the last segment of a kind by SQL over its ``{rows}``."""
    old = max(lake.segments(kind), key=lambda segment: (segment.period, segment.partition, segment.stream))
    table = lake.con.sql(
        sql.format(rows=lake.scan(kind, segments=[old]), lines=lake.scan("lines"))
    ).to_arrow_table()
    place = {"stream": old.stream, "partition": old.partition, "period": old.period}
    new = lake.write(kind, table, meta=dict(old.meta), origin="planted", **place)
    lake.commit({"stage": "planted"}, add=[new], remove=[old])


@pytest.mark.parametrize("who", ["maker", "acme"])
@pytest.mark.parametrize("column", ["units", "amount"])
def test_an_error_in_either_half_of_a_record_is_found(tmp_path: Path, who: str, column: str) -> None:
    """A budget of 1.00 pays 10 of 12 MB: the second record is paid by both, 4 MB and 2 MB."""
    with (
        Lake.open(closed(tmp_path, OTHERS / "sponsors.yaml", "beyond the budget the user pays")) as lake,
        lake.writer(),
    ):
        assert broken(lake) == []
        his = f"line_no IN (SELECT line_no FROM {{lines}} l WHERE ends_with(account_id, '{who}'))"
        plant(lake, "charges", f"SELECT * REPLACE ({column} + ({his})::BIGINT AS {column}) FROM {{rows}}")
        said = [text for text in broken(lake) if text.startswith("reference_agrees")]
    assert len(said) == 1
    assert f"of c0-{who} for c0-offer" in said[0]


def test_a_sponsor_needs_no_subscription_and_nobody_else_does_without(tmp_path: Path) -> None:
    with (
        Lake.open(closed(tmp_path, OTHERS / "sponsors.yaml", "the maker pays for updates")) as lake,
        lake.writer(),
    ):
        assert checks.subscriptions_complete(lake).ok
        plant(
            lake,
            "invoice_lines",
            "SELECT * REPLACE (replace(account_id, 'maker', 'baker') AS account_id) FROM {rows}",
        )
        found = checks.subscriptions_complete(lake)
    assert not found.ok
    assert "bills c0-baker for c0-offer without a subscription" in found.counter_example


def test_a_sample_leaves_out_who_shares_a_budget_and_looks_at_who_does_not(tmp_path: Path) -> None:
    looked_at = {}
    for name in ("the maker pays for updates", "beyond the budget the user pays"):
        with Lake.open(closed(tmp_path / name, OTHERS / "sponsors.yaml", name)) as lake:
            looked_at[name] = [
                verify(lake, full=full, only=["reference_agrees"]).results[0].counts["accounts"]
                for full in (False, True)
            ]
    assert looked_at == {"the maker pays for updates": [1, 2], "beyond the budget the user pays": [0, 2]}


def test_a_remainder_carried_wrong_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A close that forgets a remainder, or takes one nano more, was made by a broken program: the proof does not use it."""
    right = lines._open_remainders
    wrong = {
        "right": right,
        "forgotten": lambda rows: [],
        "a nano more": lambda rows: [(*row[:8], row[8] + 1, *row[9:]) for row in right(rows)],
    }
    found = {}
    for name, remainders in wrong.items():
        monkeypatch.setattr(lines, "_open_remainders", remainders)
        path = closed(
            tmp_path / name, CASES / "money_out.yaml", "what was rounded away comes back next period"
        )
        with Lake.open(path) as lake:
            found[name] = checks.lines_are_their_charges(lake).counter_example
    said = (
        "c0-acme's data of c0-offer carries {} nano into 2026-02-01/2026-03-01, and rounding had left 4000000"
    )
    assert found == {"right": "", "forgotten": said.format(0), "a nano more": said.format(4_000_001)}
