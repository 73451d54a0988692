"""The proof that a simulation's contributions are its difference, at every level of grouping."""

from __future__ import annotations

from fractions import Fraction

from workbench.errors import VerifyFailed
from workbench.lake.sql import quote
from workbench.model.money import NANO, decimal_text
from workbench.twin import effects
from workbench.twin.cell import Cell
from workbench.twin.simulation import Simulation


def assert_reconciles(sim: Simulation) -> None:
    """Every scenario's contributions sum to its total difference to the last nano, at every level of grouping.

    Raises:
        VerifyFailed: ``not_reconciled`` with the first grouping that does not.
    """
    levels = (
        ("rule",),
        ("account",),
        ("device_key",),
        ("rule", "account", "device_key"),
        ("effect",),
        ("kind",),
    )
    for cell in sim.cells:
        if cell.error or cell.pair is None:
            continue
        for currency, (before, after) in cell.totals.items():
            where = f"currency = {quote(currency)} AND side = 'sell'"
            for keys in levels:
                found = sum((row[-1] for row in sim.sums(cell, keys, where)), Fraction(0))
                _same(cell, "/".join(keys), found, after - before)
            records = sim.lake.con.execute(
                "SELECT sum(delta)::HUGEINT FROM "
                f"{effects.contributions(sim.lake, cell.pair, ('rule', 'account', 'device_key', 'window_start'), where)}"
            ).fetchall()[0][0]
            exact = Fraction(int(records or 0), cell.pair.denominators[currency] * NANO)
            _same(cell, "rule/account/device/record", exact, after - before)
            bills = sum((c.delta for c in cell.changes if c.currency == currency), Fraction(0))
            _same(cell, "bills", bills, after - before)


def _same(cell: Cell, level: str, found: Fraction, wanted: Fraction) -> None:
    if found != wanted:
        raise VerifyFailed(
            f"The contributions by {level} sum to {decimal_text(found)}, the difference is {decimal_text(wanted)}.",
            where=cell.name,
            code="not_reconciled",
        )
