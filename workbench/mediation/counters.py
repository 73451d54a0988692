"""Registers: a running reading becomes use, with resets, rollovers, silences and impossible jumps told apart.

Use at a reading is the reading minus the accepted one before it (I11). A reading below its predecessor is a rollover
when the register has one and the step over it is possible, else a reset. A step no device can make is *held*: the
reading stands as the new baseline, the delta is billed to nobody and listed in quarantine with its size. So over
one register life: billed + held = last - first, and never negative.
"""

from __future__ import annotations

from workbench.mediation.aggregate import AFTER_SILENCE, DELTA_HELD, RESET, ROLLOVER
from workbench.mediation.stream import Cumulative, Stream


def deltas_sql(rows: str, tail: str, stream: Stream) -> str:
    """Flagged readings with ``units`` (the delta), ``flags`` and ``held`` (the delta that is not believed).

    Args:
        rows: relation of landed columns with ``is_event`` and ``is_conflict``.
        tail: relation (device_key, ends_at, reading): the last accepted reading before these rows.
    """
    register = stream.cumulative
    assert register is not None
    before = (
        "SELECT *, coalesce(lag(reading) OVER readings, tail_reading) AS p_reading, "
        "coalesce(lag(ends_at) OVER readings, tail_at) AS p_at FROM ("
        f"SELECT events.*, tail.reading AS tail_reading, tail.ends_at AS tail_at FROM (SELECT * FROM {rows} WHERE is_event) "
        f"events LEFT JOIN {tail} tail USING (device_key)) "
        "WINDOW readings AS (PARTITION BY device_key ORDER BY ends_at, received_at, reading)"
    )
    steps = f"SELECT *, {_step_sql(register)} AS step, {_kind_sql(register)} AS kind FROM ({before})"
    bound = _bound_sql(register)
    judged = f"SELECT *, {bound} AS is_held FROM ({steps})"
    silent = "false"
    if register.silence_seconds is not None:
        silent = f"(epoch_us(ends_at) - epoch_us(p_at) > {register.silence_seconds * 1_000_000}) IS TRUE"
    extra = "p_reading, p_at, tail_reading, tail_at, step, kind, is_held"
    events = (
        f"SELECT * EXCLUDE ({extra}), CASE WHEN is_held THEN 0 ELSE step END::BIGINT AS units, "
        f"(kind + CASE WHEN {silent} THEN {AFTER_SILENCE} ELSE 0 END + CASE WHEN is_held THEN {DELTA_HELD} ELSE 0 END)"
        f"::SMALLINT AS flags, CASE WHEN is_held THEN step END::BIGINT AS held FROM ({judged})"
    )
    copies = f"SELECT *, 0::BIGINT AS units, 0::SMALLINT AS flags, NULL::BIGINT AS held FROM {rows} WHERE NOT is_event"
    return f"{events} UNION ALL BY NAME {copies}"


def tail_sql(rows: str, tail: str, devices: str, state: str) -> str:
    """The last accepted reading of every device at the end of a partition.

    Args:
        rows: flagged rows of the devices that were redone.
        tail: the last accepted readings before the partition.
        devices: relation (device_key): the devices that were redone.
        state: what stood at the end of the partition so far. It still holds for every other device; the reading from
            before the partition would bill that device's use in it a second time.
    """
    newest = (
        "SELECT device_key, max(ends_at) AS ends_at, "
        "arg_max(reading, struct_pack(a := ends_at, b := received_at, c := reading)) AS reading "
        f"FROM {rows} WHERE is_event GROUP BY device_key"
    )
    before = (
        f"SELECT device_key, ends_at, reading FROM {tail} SEMI JOIN {devices} USING (device_key) UNION ALL "
        f"SELECT device_key, ends_at, reading FROM {state} ANTI JOIN {devices} USING (device_key) UNION ALL "
        f"SELECT device_key, ends_at, reading FROM {tail} ANTI JOIN {devices} USING (device_key) "
        f"ANTI JOIN {state} held USING (device_key)"
    )
    return (
        "SELECT coalesce(newest.device_key, known.device_key) AS device_key, "
        "coalesce(newest.ends_at, known.ends_at) AS ends_at, coalesce(newest.reading, known.reading) AS reading "
        f"FROM ({newest}) newest FULL JOIN ({before}) known USING (device_key)"
    )


def _rollover_step(register: Cumulative) -> str:
    return f"({register.rollover_at} - p_reading + reading)"


def _is_rollover(register: Cumulative) -> str:
    """Whether a fall can be a rollover: the step over the top must be possible; without a bound, the shorter way wins."""
    if register.rollover_at is None:
        return "false"
    step = _rollover_step(register)
    inside = f"p_reading < {register.rollover_at}"
    if register.max_delta is None:
        return f"({inside} AND {step} <= {register.rollover_at} // 2)"
    return f"({inside} AND {step} <= {_limit_sql(register)})"


def _step_sql(register: Cumulative) -> str:
    first = "reading" if register.first_from_zero else "0"
    reset = "reading" if register.reset_from_zero else "0"
    return (
        f"CASE WHEN p_reading IS NULL THEN {first} WHEN reading >= p_reading THEN reading - p_reading "
        f"WHEN {_is_rollover(register)} THEN {_rollover_step(register) if register.rollover_at else '0'} ELSE {reset} END"
    )


def _kind_sql(register: Cumulative) -> str:
    return (
        "CASE WHEN p_reading IS NULL OR reading >= p_reading THEN 0 "
        f"WHEN {_is_rollover(register)} THEN {ROLLOVER} ELSE {RESET} END"
    )


def _limit_sql(register: Cumulative) -> str:
    """The most a device can use over the gap before a reading, in base units."""
    if register.max_delta_seconds is None:
        return str(register.max_delta)
    per_us = register.max_delta_seconds * 1_000_000
    gap = "greatest(epoch_us(ends_at) - epoch_us(p_at), 0)::HUGEINT"
    return f"({register.max_delta} * (({gap} + {per_us - 1}) // {per_us}))"


def _bound_sql(register: Cumulative) -> str:
    if register.max_delta is None:
        return "false"
    return f"(p_reading IS NOT NULL AND step > {_limit_sql(register)})"
