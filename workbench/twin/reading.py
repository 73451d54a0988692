"""Reading a pair of worlds: its contributions as a table, and what they come to by account and in all."""

from __future__ import annotations

from fractions import Fraction

import pyarrow as pa

from workbench.lake.lake import Lake
from workbench.model.money import NANO
from workbench.twin import effects
from workbench.twin.cell import Change

_NUMBERS = iter(range(1, 10**9))


def keep(lake: Lake, rows: pa.Table) -> str:
    """Rows as a temporary table of the branch's connection; returns its name."""
    name = f"twin_kept_{next(_NUMBERS)}"
    lake.con.register("twin_in", rows)
    lake.con.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM twin_in")
    lake.con.unregister("twin_in")
    return name


_BY = ("side", "effect", "offer", "rule", "kind", "account")


def table(lake: Lake, pair: effects.Pair, devices: bool = False) -> str:
    """A pair's contributions by rule and account, and by device where asked for, as a table."""
    name = f"twin_delta_{next(_NUMBERS)}"
    by = (*_BY, "device_key") if devices else _BY
    lake.con.execute(f"CREATE TEMP TABLE {name} AS FROM {effects.contributions(lake, pair, by)}")
    return name


def changes(lake: Lake, made: str, pair: effects.Pair, where: str = "") -> tuple[Change, ...]:
    """Every account's bill, largest rise first; ``where`` chooses among the contributions."""
    over = pair.denominators
    chosen = f"side = 'sell' AND {where}" if where else "side = 'sell'"
    rows = lake.con.execute(
        "SELECT t.account, any_value(a.name), t.currency, t.b, t.a FROM (SELECT account, currency, "
        f"sum(before)::HUGEINT AS b, sum(after)::HUGEINT AS a FROM {made} WHERE {chosen} GROUP BY ALL) t "
        f"LEFT JOIN {lake.scan('accounts')} a ON a.account_id = t.account GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    found = [
        Change(account, name or account, currency, *(Fraction(int(x), over[currency] * NANO) for x in (b, a)))
        for account, name, currency, b, a in rows
    ]
    return tuple(sorted(found, key=lambda change: (-change.delta, change.account)))


def totals(lake: Lake, made: str, pair: effects.Pair, side: str) -> dict[str, tuple[Fraction, Fraction]]:
    """Currency to (before, after) of one side."""
    over = pair.denominators
    rows = lake.con.execute(
        f"SELECT currency, sum(before)::HUGEINT, sum(after)::HUGEINT FROM {made} WHERE side = '{side}' "
        "GROUP BY 1 ORDER BY 1"
    ).fetchall()
    found = {}
    for currency, *sums in rows:
        before, after = (effects.check_range(int(amount), currency) for amount in sums)
        found[currency] = (
            Fraction(before, over[currency] * NANO),
            Fraction(after, over[currency] * NANO),
        )
    return found


def revenue(lake: Lake, pair: effects.Pair) -> dict[str, Fraction]:
    """Currency to what is sold under the candidate."""
    made = table(lake, pair)
    found = {currency: after for currency, (_, after) in totals(lake, made, pair, "sell").items()}
    lake.con.execute(f"DROP TABLE {made}")
    return found
