"""Which of the delivered rows are events: exact deduplication, in two physical plans that must agree.

The rule (I3): rows with one key are one event; the row with the lowest (received_at, content mix) stands for it;
an equal copy is a *duplicate*, a copy with other content is a *conflict* and goes to quarantine.

* ``flagged_sorted``: for streams whose copies share their instant, over ONE segment in landed order: a row is a copy
  when the row before has its key. ``lag() OVER ()`` streams in one pass and keeps nothing, which makes exact
  deduplication nearly free. The order it relies on is watched in the same pass (column ``is_odd``).
* ``flagged``: the portable form, window functions over any set of rows, any key.
"""

from __future__ import annotations

from workbench.mediation.mix import mix_sql
from workbench.mediation.stream import Stream


def flagged_sorted(source: str, stream: Stream) -> str:
    """Rows of one sorted segment with ``is_event``, and ``is_odd``: a copy that differs from the row before.

    A row out of order ends the query with the word ``segment_disordered``: no count made from it could be trusted.
    """
    key = [name for name in stream.identity_columns if name != "device_key"]
    content = content_columns(stream)
    watched = dict.fromkeys(["device_key", "ends_at", *key, *content])
    lags = ", ".join(f'lag("{name}") OVER () AS "p_{name}"' for name in watched)
    other = " OR ".join(f'"p_{name}" IS DISTINCT FROM "{name}"' for name in ["device_key", *key])
    differs = " OR ".join(f'"p_{name}" IS DISTINCT FROM "{name}"' for name in content) or "false"
    disordered = (
        "CASE WHEN p_device_key > device_key OR (p_device_key = device_key AND p_ends_at > ends_at) "
        "THEN error('segment_disordered') ELSE false END"
    )
    return (
        f"SELECT *, ({other}) AS is_event, (NOT ({other}) AND ({differs})) OR {disordered} AS is_odd "
        f"FROM (SELECT *, {lags} FROM {source})"
    )


def flagged(source: str, stream: Stream) -> str:
    """Rows of any relation with ``is_event`` and ``is_conflict``.

    The window functions see all copies of a key at once, so ``source`` must hold every row of the keys it holds.
    """
    key = ", ".join(f'"{name}"' for name in stream.identity_columns)
    winner_first = f"received_at, {mix_sql(*stream.fingerprint_lanes)}"
    content = content_columns(stream)
    packed = ", ".join(f'"{name}" := "{name}"' for name in content) or "nothing := 0"
    rows = f"SELECT *, struct_pack({packed}) AS content FROM {source}"
    group = key
    if stream.span_seconds is not None:
        # A gap longer than the span starts a new event: number the chains of each key along time.
        gap = f"epoch_us(ends_at) - epoch_us(lag(ends_at) OVER (PARTITION BY {key} ORDER BY ends_at))"
        rows = f"SELECT *, ({gap} > {stream.span_seconds * 1_000_000}) IS TRUE AS breaks FROM ({rows})"
        chain = f"sum(breaks::INTEGER) OVER (PARTITION BY {key} ORDER BY ends_at RANGE UNBOUNDED PRECEDING)"
        rows = f"SELECT * EXCLUDE (breaks), {chain} AS chain FROM ({rows})"
        group = f"{key}, chain"
    ranked = (
        f"SELECT *, row_number() OVER copies AS copy_no, first_value(content) OVER copies AS winner FROM ({rows}) "
        f"WINDOW copies AS (PARTITION BY {group} ORDER BY {winner_first})"
    )
    extra = ", chain" if stream.span_seconds is not None else ""
    return (
        f"SELECT * EXCLUDE (content, winner, copy_no{extra}), copy_no = 1 AS is_event, "
        f"copy_no > 1 AND content IS DISTINCT FROM winner AS is_conflict FROM ({ranked})"
    )


def content_columns(stream: Stream) -> list[str]:
    """What two copies must agree on to be duplicates: everything but the key and the time of receipt.

    Where copies of a key may differ in time by design (a span), the instant is no content: a gateway that repeats a
    frame a second later repeats the same frame.
    """
    high, low = stream.fingerprint_lanes
    keyed = set(stream.identity_columns)
    if stream.span_seconds is not None:
        keyed |= {"ends_at", "starts_at"}
    extra = [] if "device_key" in keyed else ["device_key"]
    return extra + [name for name in [*high, *low] if name not in keyed]
