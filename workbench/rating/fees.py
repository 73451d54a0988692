"""Charges that do not depend on usage: recurring and one-off fees, one set-based query for the whole period."""

from __future__ import annotations

from workbench.rating.tables import PlanTables


def charges(tables: PlanTables) -> str:
    """SQL of the fee charges: line_no, device_key, window_start, units, amount, step.

    A day is covered when the term holds at its end, so that the day of a change belongs to the new version. Fees per
    day have a row per day; prorated ones a row per term; whole ones a row on the last day covered; one-off fees a row
    on the first day the subscription was ever in a state in which they are due, trial or not: of the rows that began on
    that day in such a state the last one owes it, also when it ended on that day. Where an offer's first flat fee is due
    without usage, each counter's ``C(0)`` is a row of its usage line.
    """
    s = tables.schema
    holders = (
        "SELECT sub_no, account_no, offer_no, device_key, from_at, until_at, trial, sim_state, "
        f"phase, first_at, ends, 'device' AS per FROM {s}.assignments UNION ALL "
        "SELECT sub_no, account_no, offer_no, NULL, from_at, least(until_at, coalesce(trial_until, from_at)), true, "
        f"sim_state, phase, first_at, ends, 'account' FROM {s}.terms WHERE trial_until > from_at UNION ALL "
        "SELECT sub_no, account_no, offer_no, NULL, greatest(from_at, coalesce(trial_until, from_at)), "
        "until_at, false, "
        f"sim_state, phase, first_at, ends, 'account' FROM {s}.terms WHERE coalesce(trial_until, "
        "from_at) < until_at"
    )
    return (
        f"WITH holders AS ({holders}), due AS ("
        "SELECT h.sub_no, h.device_key, f.fee_id, f.every, f.whole, f.states, h.first_at, k.line_no, d.day_no, d.day_start, "
        "d.day_end, d.amount "
        f"FROM holders h JOIN {s}.fees f ON f.offer_no = h.offer_no AND f.per = h.per "
        "AND h.phase >= f.phase_from AND h.phase < f.phase_until "
        "AND list_contains(string_split(f.states, ','), h.sim_state) "
        f"JOIN {s}.fee_days d ON d.fee_no = f.fee_no AND h.from_at < d.day_end AND (d.day_end <= h.until_at "
        "OR (f.every = 'once' AND h.ends)) "
        f"JOIN {s}.line_keys k ON k.account_no = h.account_no AND k.offer_no = h.offer_no AND k.part_id = f.fee_id "
        "AND k.kind <> 'usage' "
        "WHERE CASE WHEN f.every = 'once' THEN d.day_start <= h.first_at AND h.first_at < d.day_end "
        "ELSE NOT h.trial END), "
        f"barred AS (SELECT DISTINCT u.sub_no, u.fee_id, u.every, u.first_at FROM due u JOIN {s}.turns t "
        "ON t.sub_no = u.sub_no WHERE u.every = 'once' AND list_contains(string_split(u.states, ','), t.sim_state) "
        "AND (t.first_at < u.day_start OR (t.first_at > u.first_at AND t.first_at < u.day_end))), "
        "last AS (SELECT *, row_number() OVER (PARTITION BY sub_no, device_key, fee_id ORDER BY day_no DESC) AS place "
        "FROM due ANTI JOIN barred USING (sub_no, fee_id, every, first_at) WHERE whole) "
        "SELECT line_no, device_key, day_start AS window_start, 1::BIGINT AS units, amount, 0::SMALLINT AS step "
        "FROM due WHERE every = 'day' UNION ALL "
        "SELECT line_no, device_key, day_start, 1::BIGINT, amount, 0::SMALLINT FROM last WHERE place = 1 UNION ALL "
        "SELECT line_no, device_key, min(day_start), count(*)::BIGINT, sum(amount)::BIGINT, 0::SMALLINT "
        "FROM due WHERE every = 'period' AND NOT whole GROUP BY line_no, sub_no, device_key UNION ALL "
        f"{at_zero(s)}"
    )


def at_zero(s: str) -> str:
    """``C(0)`` of every counter that some covered day belongs to, on the first such day, by the version of whoever it covers.

    A subscription without devices has its part in the account's pool, too.
    """
    covers = (
        "(SELECT sub_no, account_no, offer_no, device_key, group_no, from_at, until_at, false AS bare "
        f"FROM {s}.assignments UNION ALL SELECT sub_no, account_no, offer_no, NULL, NULL, from_at, until_at, true FROM {s}.terms)"
    )
    return (
        "SELECT arg_min(k.line_no, (d.day_start, o.version, a.sub_no)), "
        "min(CASE c.scope WHEN 'device' THEN a.device_key END), min(d.day_start), 0::BIGINT, "
        "arg_min(r.at_zero, (d.day_start, o.version, a.sub_no)), 0::SMALLINT "
        f"FROM {covers} a JOIN {s}.comps c ON c.offer_no = a.offer_no AND (NOT a.bare OR c.scope = 'pool') "
        f"JOIN {s}.rates r ON r.comp_no = c.comp_no "
        f"JOIN {s}.offers o ON o.offer_no = c.offer_no JOIN {s}.days d ON d.zone = o.zone AND a.from_at < d.day_end "
        f"AND d.day_end <= a.until_at JOIN {s}.line_keys k ON k.account_no = a.account_no AND k.offer_no = a.offer_no "
        "AND k.part_id = c.component_id AND k.kind = 'usage' WHERE r.at_zero > 0 AND NOT c.online "
        "GROUP BY a.account_no, r.counter_no, CASE c.scope WHEN 'device' THEN a.device_key WHEN 'sim_group' "
        "THEN a.group_no ELSE 0 END"
    )
