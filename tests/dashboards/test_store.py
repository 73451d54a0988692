"""What the pages show is what the lake holds."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from workbench.dashboards.explorer_store import Explorer
from workbench.dashboards.replay import tape_of
from workbench.dashboards.store import Store

Played = tuple[Path, dict[str, Any]]


def test_totals_are_the_figures(played: Played, store: Store) -> None:
    figures, totals = played[1], store.totals
    assert totals.delivered == figures["events_delivered"]
    assert totals.events == figures["events_accepted"]
    assert totals.duplicates == figures["duplicates"]
    assert totals.rejects == figures["rejects"]
    assert totals.records == figures["records"]


def test_all_takings_together_are_the_revenue(played: Played, store: Store) -> None:
    sold = sum((nano for _, _, nano in store.takings), Fraction(0))
    assert sold == sum(tape_of(store).takings[-1].values(), Fraction(0))
    assert sold == sum(store.partner_shares.values(), Fraction(0))
    assert store.currency == played[1]["currency"]


def test_every_lamp_has_a_place_and_an_hour(played: Played, store: Store) -> None:
    assert store.lamps.num_rows == played[1]["lamps"]
    hour = tape_of(store).start
    found = store.lamp_hour(hour)
    one = store.rows(
        "SELECT sum(units)::HUGEINT, sum(n_events)::HUGEINT FROM "
        f"{store.lake.scan('records', stream='lamps.energy')} WHERE date_trunc('hour', window_start) = $at",
        {"at": hour},
    )
    assert (int(found["units"].sum()), int(found["events"].sum())) == tuple(map(int, one[0]))


def test_the_way_down_adds_up_at_each_level(store: Store) -> None:
    explorer = Explorer(store)
    document = next(row for row in explorer.invoices() if "Fleet" in row["account"] or int(row["net"]) > 0)
    lines = explorer.lines(document["invoice"])
    assert sum(line.net for line in lines) == int(document["net"])
    line = next(line for row in explorer.invoices() for line in explorer.lines(row["invoice"]) if _used(line))
    devices = explorer.devices(line)
    assert sum((nano for *_, nano in devices), Fraction(0)) == line.exact
    device = devices[0]
    charges = explorer.charges(line, device[0])
    assert (len(charges), sum(units for _, units, _ in charges)) == (device[1], device[2])
    assert sum((nano for *_, nano in charges), Fraction(0)) == device[3]
    members = explorer.record(line, device[0], charges[0][0])
    assert members is not None
    assert members.proven
    assert members.record is not None
    assert members.record["units"] == charges[0][1]


def test_shares_of_a_line_are_one(store: Store) -> None:
    explorer = Explorer(store)
    for row in explorer.invoices():
        for line in explorer.lines(row["invoice"]):
            parts = explorer.shares(line)
            assert sum((part for _, part in parts), Fraction(0)) == (1 if parts else 0)


def _used(line: Any) -> bool:
    return line.kind == "usage" and line.meter == "lamps.energy" and line.units > 0
