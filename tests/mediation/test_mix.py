"""The fingerprint in SQL and in Python is one function."""

from __future__ import annotations

from datetime import datetime

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.mediation.mix import mix, mix_sql

_INT64 = st.integers(-(2**63) + 1, 2**63 - 1)


@settings(deadline=None, max_examples=60)
@given(
    units=_INT64,
    at=st.integers(-(10**15), 4 * 10**15),
    state=st.none() | st.integers(-128, 127),
    name=st.none() | st.text(max_size=20).filter(lambda text: "\0" not in text),
)
def test_sql_equals_python(units: int, at: int, state: int | None, name: str | None) -> None:
    """Same columns, same 64 bits."""
    high, low = {"at": "TIMESTAMP", "units": "BIGINT"}, {"state": "TINYINT", "name": "VARCHAR"}
    con = duckdb.connect()
    con.execute('CREATE TABLE t ("at" TIMESTAMP, units BIGINT, state TINYINT, name VARCHAR)')
    con.execute("INSERT INTO t SELECT make_timestamp(?::BIGINT), ?, ?, ?", [at, units, state, name])
    found = con.execute(f"SELECT {mix_sql(high, low)} FROM t").fetchone()
    assert found == (mix([(at, "TIMESTAMP"), (units, "BIGINT")], [(state, "TINYINT"), (name, "VARCHAR")]),)


def test_one_bit_changes_it() -> None:
    """A unit more, a second later, another state: another mix."""
    at = int(datetime(2026, 1, 1).timestamp()) * 1_000_000
    plain = mix([(at, "TIMESTAMP"), (7, "BIGINT")], [(1, "TINYINT")])
    others = {
        mix([(at, "TIMESTAMP"), (8, "BIGINT")], [(1, "TINYINT")]),
        mix([(at + 1_000_000, "TIMESTAMP"), (7, "BIGINT")], [(1, "TINYINT")]),
        mix([(at, "TIMESTAMP"), (7, "BIGINT")], [(2, "TINYINT")]),
        mix([(at, "TIMESTAMP"), (7, "BIGINT")], [(None, "TINYINT")]),
    }
    assert len(others | {plain}) == 5
