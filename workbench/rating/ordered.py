"""What must be decided in the order of use, across meters: credits of bundles, and sponsors' budgets.

All records of the period are observed first. Where the stock suffices for everybody, one query says so. Only for
holders who run out, and for sponsors with a budget, are records looked at one by one, in attribution order (slot
start, device, meter): a unit is covered when what is left covers it whole. So a record is the same as its units one by
one, and it does not matter how use is cut into records.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING

import pyarrow as pa

from workbench.model.plan import PlanOffer
from workbench.rating.tables import PlanTables, Stream
from workbench.rating.use import dims_text, under
from workbench.tariff.sql import run

if TYPE_CHECKING:
    import duckdb

_DECIDED = pa.schema(
    [("stream_no", pa.int32()), ("comp_no", pa.int32()), ("device_key", pa.int64()),
     ("window_start", pa.timestamp("us")), ("dims", pa.string()), ("units", pa.int64())]
)  # fmt: skip
Decided = tuple[int, int, int, object, str, int]
"""stream, component, device, window, dimensions; the units that credits of a bundle, or a sponsor, pay for."""
_ROW = "d.stream_no, d.comp_no, d.device_key, d.window_start, d.dims"


def observe(
    con: duckdb.DuckDBPyConnection, tables: PlanTables, stream: Stream, records: str, within: str
) -> None:
    """Remember the records whose price is decided in order."""
    s, n = tables.schema, stream.number
    head = (
        f"INSERT INTO {s}.demands SELECT {n}, p.line_no, p.comp_no, r.device_key, r.window_start, "
        f"{dims_text(stream, 'r.')}, p.account_no, p.holder, p.bundle_no, p.weight"
    )
    if stream.bundled:
        run(
            con,
            f"{head}, NULL, NULL, NULL, CASE WHEN p.counts THEN r.n_events::BIGINT ELSE r.units END "
            f"{under(tables, stream, records)} WHERE {within} AND p.bundle_no > 0",
        )
    if stream.sponsored:
        same = "".join(f" AND z.{dim} IS NOT DISTINCT FROM r.{dim}" for dim in stream.dims)
        keys = ("window_start", *stream.dims) if stream.timed else stream.dims
        routed = "".join(f" AND q.{key} IS NOT DISTINCT FROM r.{key}" for key in keys)
        route = f"LEFT JOIN {s}.routes_{n} q ON q.comp_no = p.comp_no{routed}" if keys else ""
        rate = "coalesce(p.only_rate, q.rate_no)" if keys else "p.only_rate"
        run(
            con,
            f"{head}, x.sponsor_no, a.account_no, t.slope::HUGEINT, r.units {under(tables, stream, records)} "
            f"{route} JOIN {s}.rates t ON t.rate_no = {rate} "
            f"JOIN {s}.sponsored_{n} z ON z.comp_no = p.comp_no{same} "
            f"JOIN {s}.sponsors x ON x.sponsor_no = z.sponsor_no AND x.budget JOIN {s}.accounts a "
            f"ON a.account_id = x.account_id WHERE {within} AND p.sponsored",
        )


def decide(con: duckdb.DuckDBPyConnection, tables: PlanTables, offers: Sequence[PlanOffer]) -> None:
    """Fill ``decided`` from everything observed."""
    found = [*_bundles(con, tables), *_budgets(con, tables, offers)]
    columns = list(zip(*found, strict=True)) if found else [()] * len(_DECIDED)
    arrays = [pa.array(list(c), f.type) for c, f in zip(columns, _DECIDED, strict=True)]
    con.register("rater_in", pa.table(arrays, schema=_DECIDED))
    run(con, f"INSERT INTO {tables.schema}.decided SELECT * FROM rater_in")
    con.unregister("rater_in")


def _bundles(con: duckdb.DuckDBPyConnection, tables: PlanTables) -> list[Decided]:
    """Covered units of every record under a bundle."""
    s = tables.schema
    wanted = (
        f"(SELECT account_no, holder, bundle_no, sum(units::HUGEINT * weight) AS wanted FROM {s}.demands "
        "WHERE bundle_no > 0 GROUP BY ALL)"
    )
    stock = (
        "(SELECT account_no, holder, counter_no AS bundle_no, arg_max(free_units, version) AS credits "
        f"FROM {s}.credits "
        "GROUP BY ALL)"
    )
    run(
        con,
        f"INSERT INTO {s}.decided SELECT {_ROW}, d.units FROM {s}.demands d JOIN {wanted} w USING (account_no, holder, "
        f"bundle_no) JOIN {stock} k USING (account_no, holder, bundle_no) WHERE w.wanted <= k.credits",
    )
    rows = run(
        con,
        f"SELECT account_no, holder, bundle_no, coalesce(k.credits, 0), {_ROW}, d.units, d.weight "
        f"FROM {s}.demands d JOIN {wanted} w USING (account_no, holder, bundle_no) "
        f"LEFT JOIN {stock} k USING (account_no, holder, bundle_no) JOIN {s}.lines l ON l.line_no = d.line_no "
        "WHERE w.wanted > coalesce(k.credits, 0) "
        "ORDER BY account_no, holder, bundle_no, d.window_start, d.device_key, l.meter, d.dims",
    )
    found: list[Decided] = []
    for (*_, credits), group in groupby(rows, key=lambda row: row[:4]):
        left = int(credits)
        for *_, stream_no, comp_no, device, at, dims, units, weight in group:
            covered = min(units, left // weight)
            left -= covered * weight
            found.append((stream_no, comp_no, device, at, dims, covered))
    return found


def _budgets(
    con: duckdb.DuckDBPyConnection, tables: PlanTables, offers: Sequence[PlanOffer]
) -> list[Decided]:
    """Records a sponsor pays in part or not at all, with the units that what is left of his budget pays for."""
    s = tables.schema
    rows = run(
        con,
        f"SELECT d.sponsor_account, o.offer_id, p.sponsor_id, p.offer_no, c.denominator, {_ROW}, d.units, d.slope "
        f"FROM {s}.demands d JOIN {s}.sponsors p ON p.sponsor_no = d.sponsor_no JOIN {s}.comps c ON "
        "c.comp_no = d.comp_no "
        f"JOIN {s}.offers o ON o.offer_no = p.offer_no JOIN {s}.lines l ON l.line_no = d.line_no "
        "ORDER BY d.sponsor_account, o.offer_id, p.sponsor_id, d.window_start, d.device_key, l.meter, d.dims",
    )
    found: list[Decided] = []
    for _, group in groupby(rows, key=lambda row: row[:3]):
        spent = Fraction(0)
        for _, _, sponsor_id, offer_no, denominator, *record, units, slope in group:
            budget = next(p.budget for p in offers[offer_no - 1].sponsors if p.id == sponsor_id)
            assert budget is not None
            each = Fraction(int(slope), int(denominator))
            covered = units if each == 0 else min(units, (Fraction(*budget) - spent) // each)
            spent += covered * each
            if covered < units:
                stream_no, comp_no, device, at, dims = record
                found.append((stream_no, comp_no, device, at, dims, covered))
    return found
