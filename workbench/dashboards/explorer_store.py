"""The explorer's questions: from an invoice down to the raw events, each level one query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from workbench.dashboards.store import Store
from workbench.mediation.lineage import Members, members, stream_named

DEVICES_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Line:
    """One invoice line with the sentence's ingredients; ``exact`` is nano before rounding, ``net`` after."""

    line_no: int
    period: str
    offer: str
    component: str
    kind: str
    meter: str
    units: int
    exact: Fraction
    net: int
    currency: str


class Explorer:
    """Everything the explorer page asks."""

    def __init__(self, store: Store) -> None:
        self.store, self.lake = store, store.lake

    def invoices(self) -> list[dict[str, Any]]:
        """All documents, newest period first."""
        found = self.store.rows(
            "SELECT invoice_no, coalesce(a.name, i.account_id), period, i.currency, net_nano, tax_nano, gross_nano, "
            "state "
            f"FROM {self.lake.scan('invoices')} i LEFT JOIN {self.lake.scan('accounts')} a USING (account_id) "
            "ORDER BY period DESC, invoice_no"
        )
        names = ("invoice", "account", "period", "currency", "net", "tax", "gross", "state")
        return [dict(zip(names, row, strict=True)) for row in found]

    def lines(self, invoice_no: str) -> list[Line]:
        """The lines of one document."""
        found = self.store.rows(
            "SELECT i.line_no, i.period, i.offer_id || ' v' || i.offer_version, i.component_id, i.kind, "
            "coalesce(l.meter, ''), i.units, i.amount, i.price_denominator, i.net_nano, i.currency "
            f"FROM {self.lake.scan('invoice_lines')} i LEFT JOIN {self.lake.scan('lines', period=self.store.period)} l "
            "USING (line_no) WHERE invoice_no = $no ORDER BY i.line_no",
            {"no": invoice_no},
        )
        return [
            Line(
                no,
                period,
                offer,
                component,
                kind,
                meter,
                int(units),
                Fraction(int(amount), int(den)),
                int(net),
                currency,
            )
            for no, period, offer, component, kind, meter, units, amount, den, net, currency in found
        ]

    def devices(self, line: Line, search: str = "") -> list[tuple[str, int, int, Fraction]]:
        """(device_id, charges, units, exact nano) of a line, dearest first; at most ``DEVICES_SHOWN``."""
        den = self._denominator(line)
        found = self.store.rows(
            "SELECT coalesce(d.device_id, ''), count(*), sum(c.units)::HUGEINT, sum(c.amount)::HUGEINT "
            f"FROM {self.lake.scan('charges', period=line.period)} c "
            f"LEFT JOIN {self.lake.scan('devices')} d USING (device_key) "
            "WHERE c.line_no = $line AND contains(coalesce(d.device_id, ''), $search) "
            f"GROUP BY 1 ORDER BY 4 DESC, 1 LIMIT {DEVICES_SHOWN}",
            {"line": line.line_no, "search": search},
        )
        return [
            (device, charges, int(units), Fraction(int(amount), den))
            for device, charges, units, amount in found
        ]

    def charges(self, line: Line, device_id: str) -> list[tuple[datetime, int, Fraction]]:
        """(window, units, exact nano) of one device on a line, in time order."""
        den = self._denominator(line)
        found = self.store.rows(
            f"SELECT c.window_start, c.units, c.amount FROM {self.lake.scan('charges', period=line.period)} c "
            f"LEFT JOIN {self.lake.scan('devices')} d USING (device_key) "
            "WHERE c.line_no = $line AND coalesce(d.device_id, '') = $device ORDER BY 1, 2",
            {"line": line.line_no, "device": device_id},
        )
        return [(at, int(units), Fraction(int(amount), den)) for at, units, amount in found]

    def record(self, line: Line, device_id: str, window: datetime) -> Members | None:
        """The record behind a charge and the landed rows behind it; None for charges that no event made (fees)."""
        if line.kind != "usage" or line.meter not in self.lake.facts("stream"):
            return None
        key = self.store.rows(
            f"SELECT device_key FROM {self.lake.scan('devices')} WHERE device_id = $id", {"id": device_id}
        )
        if not key:
            return None
        stream = stream_named(self.lake, line.meter)
        dimensions = self._dimensions(line, key[0][0], window) if stream.dimensions else None
        return members(self.lake, stream, key[0][0], window, dimensions)

    def shares(self, line: Line) -> list[tuple[str, Fraction]]:
        """What part of the offer's takings each partner has, as (partner, share of one)."""
        offer, _, version = line.offer.rpartition(" v")
        found = self.store.rows(
            "SELECT partner_id, share_numerator, share_denominator FROM "
            f"{self.lake.scan('statements', period=line.period)} "
            "WHERE offer_id = $offer AND offer_version = $version ORDER BY 1",
            {"offer": offer, "version": int(version)},
        )
        parts = [(partner, Fraction(int(top), int(bottom))) for partner, top, bottom in found]
        whole = sum((part for _, part in parts), Fraction(0))
        return [(partner, part / whole) for partner, part in parts] if whole else []

    def _denominator(self, line: Line) -> int:
        found = self.store.rows(
            f"SELECT price_denominator FROM {self.lake.scan('lines', period=line.period)} WHERE line_no = $line",
            {"line": line.line_no},
        )
        return int(found[0][0]) if found else 1

    def _dimensions(self, line: Line, key: int, window: datetime) -> dict[str, Any] | None:
        """The record's dimensions where there is one record; several records of a window are shown together."""
        stream = stream_named(self.lake, line.meter)
        columns = ", ".join(f'"{name}"' for name in stream.dimensions)
        found = self.store.rows(
            f"SELECT {columns} FROM {self.lake.scan('records', stream=line.meter)} "
            "WHERE device_key = $key AND window_start = $at",
            {"key": key, "at": window},
        )
        return dict(zip(stream.dimensions, found[0], strict=True)) if len(found) == 1 else None
