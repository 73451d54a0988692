"""Every record is charged once per price, or not at all with one reason; quantities and sums agree (I17, I18)."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.lake.schemas import empty_relation
from workbench.lake.segment import Segment
from workbench.lake.sql import quote, read_parquet
from workbench.verify.context import RERATED, Context, paths_text, touches
from workbench.verify.report import CounterExample, Outcome

_PROBLEMS = (
    (
        "r_n IS NULL",
        "A charge or a no-charge reason has no record behind it.",
        "no charge",
        "charged {c_n}x, listed {u_n}x",
    ),
    ("u_n > r_n", "A record is listed as uncharged more than once.", "{r_n}x at most", "{u_n}x"),
    (
        "most > r_n - u_n",
        "A record is charged twice on one line, or charged and listed as uncharged.",
        "{left}x at most",
        "{most}x",
    ),
    ("c_n < r_n - u_n", "A record has neither a charge nor a reason why not.", "{left} charges", "{c_n}"),
    (
        "u_n = r_n AND u_units <> r_units",
        "Uncharged units are not the record's.",
        "{r_units} units",
        "{u_units} units",
    ),
    (
        "wrong IS NOT NULL",
        "The units of a charge are not the record's.",
        "{r_units} units ({r_events} events)",
        "{wrong} units",
    ),
)
"""Condition, what it means, and what would be expected and was observed, over the columns of ``_joined``."""
_COLUMNS = (
    "device_key", "window_start", "r_n", "r_units", "r_events", "u_n", "u_units", "c_n", "most", "wrong",
)  # fmt: skip


def records_charged(context: Context) -> Outcome:
    """Match each record of a rated period with its charges and its no-charge reason."""
    counts = {"periods": 0, "records": 0, "charges": 0, "uncharged": 0}
    for period in context.periods:
        counts["periods"] += 1
        if unrated := context.unrated(period):
            counts["segments_to_rate"] = counts.get("segments_to_rate", 0) + len(unrated)
        for stream, records, charges, uncharged in _parts(context, period):
            wrong = _match(context, period, stream, (records, charges, uncharged), counts)
            if wrong:
                return Outcome(counts, wrong)
    return Outcome(counts)


def _parts(
    context: Context, period: str
) -> Iterator[tuple[str, list[Segment], list[Segment], list[Segment]]]:
    """(stream, records, charges, uncharged) of each partition that touches the period.

    The charges of a closed period stay with the records they were made from, replaced or not; what came later is
    charged in the period's second set, which is matched with the records as they are now. In a live lake that took records
    since its last rating, charges are matched with the records they were made from, and the rest is yet to be rated.
    """
    lake = context.lake
    charged_anew = f"{period}{RERATED}" in context.periods
    span = context.span(period)
    unrated = context.unrated(period)
    for stream in sorted(
        {s.stream for kind in ("records", "charges", "uncharged") for s in lake.segments(kind)} - {""}
    ):
        by_kind = {
            kind: [s for s in lake.segments(kind, stream=stream) if kind == "records" or s.period == period]
            for kind in ("records", "charges", "uncharged")
        }
        named = {s.partition for kind in ("charges", "uncharged") for s in by_kind[kind]}
        if "" in named:
            yield stream, by_kind["records"], by_kind["charges"], by_kind["uncharged"]
            continue
        for place in sorted(named | {s.partition for s in by_kind["records"] if touches(s.partition, span)}):
            records, charges, uncharged = (
                [s for s in by_kind[kind] if s.partition == place] for kind in by_kind
            )
            behind = any(segment.id in unrated for segment in records)
            if behind and not (charges or uncharged):
                continue  # came since the last rating
            if charged_anew or behind:
                made_from = sorted({parent for s in [*charges, *uncharged] for parent in s.parents})
                records = [context.replaced.get(id_) or lake.state.segments[id_] for id_ in made_from]
            yield stream, records, charges, uncharged


def _match(
    context: Context, period: str, stream: str, parts: tuple[list[Segment], ...], counts: dict[str, int]
) -> CounterExample | None:
    joined = _joined(context, period, stream, *parts)
    flags = ", ".join(f"count(*) FILTER ({condition}) AS p{n}" for n, (condition, *_) in enumerate(_PROBLEMS))
    with context.cursor() as con:
        con.execute(f"CREATE TEMP TABLE matched AS {joined}")
        row = con.execute(
            "SELECT coalesce(sum(r_n), 0)::BIGINT, coalesce(sum(c_all), 0)::BIGINT, coalesce(sum(u_n), 0)::BIGINT, "
            f"{flags} FROM matched"
        ).fetchall()[0]
        for name, number in zip(("records", "charges", "uncharged"), row, strict=False):
            counts[name] += number
        for (condition, text, expected, observed), found in zip(_PROBLEMS, row[3:], strict=True):
            if found:
                example = con.execute(
                    f"SELECT {', '.join(_COLUMNS)} FROM matched WHERE {condition} ORDER BY ALL LIMIT 1"
                ).fetchall()[0]
                values = dict(zip(_COLUMNS, example, strict=True))
                values["left"] = (values["r_n"] or 0) - values["u_n"]
                return CounterExample(
                    f"{text[:-1]} (stream {stream}, period {period}).",
                    expected.format(**values),
                    observed.format(**values),
                    context.name_of(values["device_key"]),
                    str(values["window_start"]),
                    paths_text([*parts[1], *parts[2]]),
                    found - 1,
                )
    return None


def _joined(
    context: Context,
    period: str,
    stream: str,
    records: list[Segment],
    charges: list[Segment],
    uncharged: list[Segment],
) -> str:
    """Per device and window: records, charges per line, reasons; a line of the buy side may charge beside a reason.

    ``most``: the most charges one sell line has; ``wrong``: units of a line that charged every record of the window
    with another quantity than theirs (a price that counts has the events as its quantity; a sponsor's budget may pay a part).
    """
    lake, within = context.lake, context.within(stream)
    start, end = (at.replace(tzinfo=None) for at in context.span(period))
    during = f"window_start >= TIMESTAMP '{start}' AND window_start < TIMESTAMP '{end}' AND {within}"
    lines = lake.scan("lines", period=period)
    has_side = any(row[0] == "side" for row in context.rows(f"DESCRIBE SELECT * FROM {lines}"))
    sell = "l.side = 'sell'" if has_side else "true"
    by = "device_key, window_start"
    return (
        f"WITH r AS (SELECT {by}, count(*) AS r_n, sum(units) AS r_units, sum(n_events) AS r_events "
        f"FROM {_scan(context, 'records', records)} WHERE {during} GROUP BY {by}), "
        f"u AS (SELECT {by}, count(*) AS u_n, sum(units) AS u_units FROM {_scan(context, 'uncharged', uncharged)} "
        f"WHERE {within} GROUP BY {by}), "
        f"by_line AS (SELECT c.device_key, c.window_start, c.line_no, coalesce(any_value({sell}), true) AS sell, "
        f"coalesce(bool_or((l.account_id, l.offer_id, l.component_id) IN ({_sponsors(context, period)})), false) AS sponsors, "
        f"count(*) AS n, sum(c.units) AS units FROM {_scan(context, 'charges', charges)} c LEFT JOIN {lines} l "
        f"USING (line_no) WHERE {context.within(stream, 'c.device_key')} GROUP BY ALL), "
        "c AS (SELECT by_line.device_key, by_line.window_start, coalesce(sum(n) FILTER (sell), 0) AS c_n, "
        "sum(n) AS c_all, coalesce(max(n) FILTER (sell), 0) AS most, "
        "min(units) FILTER (n = r_n AND units <> r_units AND units <> r_events AND NOT (sponsors AND units < r_units)) AS wrong "
        "FROM by_line LEFT JOIN r USING (device_key, window_start) GROUP BY ALL) "
        f"SELECT {by}, r_n, r_units, r_events, coalesce(u_n, 0) AS u_n, coalesce(u_units, 0) AS u_units, "
        "coalesce(c_n, 0) AS c_n, coalesce(c_all, 0) AS c_all, coalesce(most, 0) AS most, wrong "
        f"FROM r FULL JOIN u USING ({by}) FULL JOIN c USING ({by})"
    )


def _sponsors(context: Context, period: str) -> str:
    """SQL of the lines on which budgets pay: (account, offer, price), at least one that there is not."""
    catalogue = context.catalogue(period)
    found = {
        (sponsorship.account, offer.id, part)
        for offer in (catalogue.offers if catalogue else ())
        for sponsorship in offer.sponsorships
        if sponsorship.budget is not None
        for part in sponsorship.components
    }
    return ", ".join(f"({', '.join(map(quote, row))})" for row in sorted(found | {("", "", "")}))


def _scan(context: Context, kind: str, segments: list[Segment]) -> str:
    return read_parquet(context.lake.paths(segments)) if segments else empty_relation(kind)


def lines_hold(context: Context) -> Outcome:
    """Lines of each period are numbered 1, 2, 3 ... and every charge names one of them."""
    counts = {"periods": 0, "lines": 0, "charges": 0}
    for period in context.periods:
        lines, charges = (context.lake.scan(kind, period=period) for kind in ("lines", "charges"))
        row = context.one(
            f"SELECT count(*), count(DISTINCT line_no), min(line_no), max(line_no) FROM {lines}"
        )
        total, distinct, low, high = row or (0, 0, 0, 0)
        counts["periods"] += 1
        counts["lines"] += total
        if total and (total, 1, total) != (distinct, low, high):
            text = f"Lines of period {period} are not numbered from 1 without gap."
            return Outcome(
                counts, CounterExample(text, f"1 to {total}", f"{distinct} numbers, {low} to {high}")
            )
        orphan = context.one(
            f"SELECT count(*), count(*) FILTER (l.line_no IS NULL), min(c.line_no) FILTER (l.line_no IS NULL) "
            f"FROM {charges} c LEFT JOIN {lines} l USING (line_no)"
        ) or (0, 0, None)
        counts["charges"] += orphan[0]
        if orphan[1]:
            text = f"Charges of period {period} name line {orphan[2]}, which there is not."
            return Outcome(counts, CounterExample(text, others=orphan[1] - 1))
    return Outcome(counts)
