"""Hostile text in a catalogue: refused with a code, or an offer that reads back as itself, and never SQL."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import yaml

from tests.tariff.test_bad_catalogues import GOOD, HOSTILE
from workbench.errors import AmountOverflow, InputError
from workbench.model.ids import device_key
from workbench.model.offer import Catalogue
from workbench.model.party import Account, Device, Parties, Subscription
from workbench.model.plan import Period
from workbench.rating.batch import Rater
from workbench.tariff import restore
from workbench.tariff.catalogue import loads
from workbench.tariff.compile import compile_offer
from workbench.tariff.plan import compile_plan
from workbench.tariff.spell import spelled

SPOTS = ["m.data", "byte", "country", "op", "EUR", "2026-01-01", "0.01", "1 MB", "1", "data", "o"]
MARCH = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
CANARIES = ("charges", "x", "victim")
PARTS = (
    ("split: {rest: op}", "split: {rest: op}\n    title: %s"),
    ("meter: m.data, per_unit: {amount: 0.01, per: 1 MB}",
     "meter: m.data, rates: [{match: {country: [%s]}, per_unit: {amount: 1}}, {id: rest, per_unit: {amount: 2}}]"),
    ("id: op}", "id: op, name: %s}"),
    ("id: data,", "id: data, title: %s,"),
)  # fmt: skip
"""Places where a catalogue may hold any text at all."""


def payloads() -> Iterator[str]:
    """Five hundred texts: hostile values, and random ones, where a value stands or a free text may stand."""
    rng = random.Random(23)
    for number in range(500):
        value = rng.choice(
            [*HOSTILE, "'; DROP TABLE victim; --", "x' OR '1'='1", "$1", "'); CREATE TABLE made (i INT); --"]
        )
        if rng.random() < 0.3:
            value = "".join(rng.choice(string.printable) for _ in range(rng.randint(1, 40)))
        quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
        if number % 2:
            old, new = rng.choice(PARTS)
            yield GOOD.replace(old, new % quoted.replace("%%", "%"), 1)
        else:
            written = quoted.replace("%%", "%") if rng.random() < 0.5 else value
            yield GOOD.replace(rng.choice(SPOTS), written, rng.choice((1, -1)))


def accepted() -> list[Catalogue]:
    """Each different catalogue that is read; the others were refused with a code."""
    found: dict[str, Catalogue] = {}
    for text in payloads():
        try:
            catalogue = loads(text)
        except InputError as error:
            assert error.code, text
        else:
            found.setdefault(catalogue.sha256, catalogue)
    return list(found.values())


def test_what_is_accepted_is_written_and_read_again_as_the_same() -> None:
    read = accepted()
    assert len(read) > 50
    for catalogue in read:
        again = loads(yaml.safe_dump(spelled(catalogue), sort_keys=False, allow_unicode=True))
        assert again == catalogue
        table = restore.rows(catalogue)
        stored = zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
        assert restore.catalogue(stored).offers == catalogue.offers


def test_what_is_accepted_is_compiled_or_refused_by_name_and_never_becomes_sql() -> None:
    record = pa.table(
        {
            "device_key": pa.array([device_key("main", "d")], pa.int64()),
            "window_start": pa.array([datetime(2026, 3, 5, 12)], pa.timestamp("us")),
            "units": pa.array([3_000_000], pa.int64()), "n_events": pa.array([1], pa.int32()),
            "country": pa.array(["DE"]),
        }
    )  # fmt: skip
    rated = 0
    with duckdb.connect() as con:
        for name in CANARIES:
            con.execute(f"CREATE TABLE {name} AS SELECT 7 AS i").fetchall()
        for number, catalogue in enumerate(accepted()):
            try:
                for offer in catalogue.offers:
                    compile_offer(offer, catalogue)
            except (InputError, AmountOverflow) as error:
                assert error.code
                continue
            if number % 12:
                continue  # rating takes a moment: a sample
            rated += price_one(con, catalogue, record)
            left = con.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'main' "
                               "AND table_type = 'BASE TABLE' ORDER BY 1").fetchall()  # fmt: skip
            assert [name for (name,) in left] == sorted(CANARIES)
        for name in CANARIES:
            assert con.execute(f"SELECT * FROM {name}").fetchall() == [(7,)]
    assert rated > 5


def price_one(con: duckdb.DuckDBPyConnection, catalogue: Catalogue, record: pa.Table) -> int:
    """Rate one record under the catalogue's offer; 1 when it was charged or listed."""
    offer = catalogue.offers[0]
    parties = Parties(
        (Account("acme", currency=offer.currency),), (), (Device("d"),),
        (Subscription("s", "acme", offer.id, datetime(2020, 1, 1, tzinfo=UTC), device_id="d"),),
    )  # fmt: skip
    with con.cursor() as work:
        plan = compile_plan(catalogue, parties, MARCH, con=work)
        work.register("seen", record)
        stream = offer.components[0].meter
        with Rater(work, plan) as rater:
            made = rater.rate(stream, "seen")
            charged = work.execute(f"SELECT count(*) FROM ({made.charges})").fetchall()[0][0]
            listed = work.execute(f"SELECT count(*) FROM ({made.uncharged})").fetchall()[0][0]
            assert charged + listed == 1
        work.unregister("seen")
    return 1
