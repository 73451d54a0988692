"""The charge explorer: invoice, line, device, charge, record, raw events; one click a level, its place in the URL."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from functools import partial
from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui
import param

from workbench.dashboards import theme
from workbench.dashboards.explorer_store import DEVICES_SHOWN, Explorer, Line
from workbench.dashboards.sessions import address
from workbench.dashboards.store import Store
from workbench.dashboards.text import count, exact_money, money
from workbench.mediation.lineage import Members
from workbench.model.money import decimal_text

_LEVELS = ("invoice", "line", "device", "window")


class ExplorerPage(param.Parameterized):
    """One session's path from an invoice downwards. The four parameters are the path, and the URL's query."""

    invoice = param.String(default="", doc="Invoice number.")
    line = param.Integer(default=0, doc="Line number on the invoice; 0 for none.")
    device = param.String(default="", doc="Device on the line.")
    window = param.String(default="", doc="Start of the charge's window, ISO, UTC.")

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._explorer = Explorer(store)
        self._crumbs = pmui.Row(sx={"gap": "4px", "flexWrap": "wrap"})
        self._body = pn.Column(sizing_mode="stretch_width", styles={"gap": "16px"})

    def view(self) -> pmui.Page:
        """The page, ready to serve."""
        location = address()
        if location is not None:
            location.sync(self, {name: name for name in _LEVELS})
        self.param.watch(lambda *_: self._show(), list(_LEVELS))
        self._show()
        return theme.page("Charge explorer", [self._crumbs, self._body], theme.links("explorer"))

    # -- the way -----------------------------------------------------------------------------------------------

    def _go(self, **path: Any) -> None:
        """Go to a place; levels that are not named are left."""
        empty = {"invoice": "", "line": 0, "device": "", "window": ""}
        self.param.update(**{**empty, **path})

    def _go_to(self, path: dict[str, Any], _event: Any) -> None:
        self._go(**path)

    def _show(self) -> None:
        line = self._line()
        if self.window and line:
            body = self._events(line, datetime.fromisoformat(self.window))
        elif self.device and line:
            body = self._charges(line)
        elif line:
            body = self._devices(line)
        elif self.invoice:
            body = self._lines()
        else:
            body = self._invoices()
        self._crumbs[:] = self._path(line)
        self._body[:] = body

    def _line(self) -> Line | None:
        if not (self.invoice and self.line):
            return None
        return next((line for line in self._explorer.lines(self.invoice) if line.line_no == self.line), None)

    def _path(self, line: Line | None) -> list[Any]:
        steps: list[tuple[str, dict[str, Any] | None]] = [("All invoices", {})]
        if self.invoice:
            steps.append((self.invoice, {"invoice": self.invoice}))
        if line:
            steps.append((f"{line.offer}, {line.component}", {"invoice": self.invoice, "line": self.line}))
        if self.device:
            steps.append((self.device, {"invoice": self.invoice, "line": self.line, "device": self.device}))
        if self.window:
            steps.append((self.window.replace("T", " "), None))
        crumbs: list[Any] = []
        for label, path in steps:
            button = pmui.Button(label=label, variant="text", size="small", disabled=path is None)
            if path is not None:
                button.on_click(partial(self._go_to, path))
            crumbs += [button, pmui.Typography("›", sx={"color": "text.secondary", "paddingTop": "4px"})]
        return crumbs[:-1]

    # -- the levels --------------------------------------------------------------------------------------------

    def _invoices(self) -> list[Any]:
        found = self._explorer.invoices()
        if not found:
            return [theme.empty("There are no invoices yet.", "Close a period with `workbench close`.")]
        rows = [
            {
                "Invoice": row["invoice"], "Account": row["account"], "Period": row["period"],
                "Net": money(int(row["net"]), row["currency"]), "Tax": money(int(row["tax"]), row["currency"]),
                "Total": money(int(row["gross"]), row["currency"]),
            }
            for row in found
        ]  # fmt: skip
        total = sum(int(row["net"]) for row in found)
        head = f"{count(len(found))} invoices, {money(total, found[0]['currency'])} net"
        return [
            theme.card(head, _table(rows, lambda n: self._go(invoice=found[n]["invoice"]), search="Account"))
        ]

    def _lines(self) -> list[Any]:
        lines = self._explorer.lines(self.invoice)
        if not lines:
            return [theme.empty(f"There is no invoice {self.invoice}.", "Choose one from the list.")]
        rows = [
            {
                "Offer": line.offer, "Price": line.component, "Kind": line.kind, "Units": count(line.units),
                "Exact amount": exact_money(line.exact, line.currency), "Billed": money(line.net, line.currency),
            }
            for line in lines
        ]  # fmt: skip
        note = "An amount is exact until it becomes a line; it is rounded here, once."
        table = _table(rows, lambda n: self._go(invoice=self.invoice, line=lines[n].line_no))
        return [theme.card(f"Lines of {self.invoice}", table, _caption(note))]

    def _devices(self, line: Line) -> list[Any]:
        found = self._explorer.devices(line)
        rows = [
            {"Device": device or "(account)", "Charges": count(charges), "Units": count(units),
             "Exact amount": exact_money(nano, line.currency)}
            for device, charges, units, nano in found
        ]  # fmt: skip
        note = f"The {DEVICES_SHOWN} dearest are shown." if len(found) == DEVICES_SHOWN else ""
        table = _table(
            rows,
            lambda n: self._go(invoice=self.invoice, line=self.line, device=found[n][0]),
            search="Device",
        )
        return [self._sum(line), theme.card("What each device owes", table, _caption(note))]

    def _charges(self, line: Line) -> list[Any]:
        found = self._explorer.charges(line, self.device)
        rows = [
            {
                "Window": f"{at:%Y-%m-%d %H:%M}",
                "Units": count(units),
                "Exact amount": exact_money(nano, line.currency),
            }
            for at, units, nano in found
        ]

        def open_window(n: int) -> None:
            at = found[n][0].isoformat()
            self._go(invoice=self.invoice, line=self.line, device=self.device, window=at)

        return [self._sum(line), theme.card(f"Charges of {self.device}", _table(rows, open_window))]

    def _events(self, line: Line, window: datetime) -> list[Any]:
        members = self._explorer.record(line, self.device, window)
        if members is None:
            return [
                self._sum(line),
                theme.empty("No event made this charge: it is a fee.", "Its price and days stand above."),
            ]
        return [
            self._charge(line, window),
            self._record(members),
            theme.card("Every row that was delivered for this window", _raw_table(members)),
        ]

    # -- parts -------------------------------------------------------------------------------------------------

    def _sum(self, line: Line) -> Any:
        """The line as an equation, and who gets what of it."""
        price = line.exact / line.units / 10**9 if line.units else Fraction(0)
        each = f"{decimal_text(price)} {line.currency}" if line.units else "nothing"
        whole = exact_money(line.exact, line.currency)
        words = f"**{count(line.units)}** units, on average **{each}** each, are **{whole}**"
        names = self._explorer.store.names
        shares = ", ".join(
            f"{names.get(partner, partner)} {_percent(part)}" for partner, part in self._explorer.shares(line)
        )
        split = f"Shared: {shares}." if shares else ""
        return theme.card(
            f"{line.offer}: {line.component}",
            pmui.Typography(f"{words}, billed **{money(line.net, line.currency)}**. {split}"),
        )

    def _charge(self, line: Line, window: datetime) -> Any:
        """What the window costs, before the record and the rows it comes from."""
        found = next((row for row in self._explorer.charges(line, self.device) if row[0] == window), None)
        if found is None:
            return theme.empty("This window has no charge on this line.", "Its record is shown below.")
        _, units, nano = found
        words = f"**{count(units)}** units cost **{exact_money(nano, line.currency)}**, exactly"
        name = f"Charge for {self.device}, {window:%Y-%m-%d %H:%M} UTC"
        return theme.card(name, pmui.Typography(f"{words} ({line.offer}, {line.component})."))

    def _record(self, members: Members) -> Any:
        record = members.record
        if record is None:
            return theme.empty("This window has no single record.", "Its rows are listed below.")
        proven = members.proven
        words = (
            f"**{_many(record['n_events'], 'event', 'events')}**, "
            f"**{_many(record['n_duplicates'], 'copy', 'copies')}** removed, "
            f"**{_many(record['units'], 'unit', 'units')}**; fingerprint `{record['fingerprint']:016x}`"
        )
        told = (
            "Fingerprint recomputed from the raw rows: it matches."
            if proven
            else "The raw rows no longer give this fingerprint."
        )
        alert = pmui.Alert(told, severity="success" if proven else "error", sizing_mode="stretch_width")
        source = _caption(f"Record in {record['segment']}; rows from {', '.join(members.segments)}")
        said = pmui.Typography(words, sx={"& code": {"color": "inherit"}})
        return theme.card("Usage record", said, alert, source)


def _percent(part: Fraction) -> str:
    """A share: exact where it is short, else to a hundredth of a percent.

    >>> _percent(Fraction(7, 10)), _percent(Fraction(1, 3))
    ('70 %', '33.33 %')
    """
    percent = part * 100
    if (percent * 10**4).denominator == 1:
        return f"{decimal_text(percent)} %"
    return f"{decimal_text(Fraction(round(percent * 100), 100))} %"


def _many(number: int, one: str, more: str) -> str:
    """A number and its noun.

    >>> _many(1, "copy", "copies"), _many(0, "copy", "copies")
    ('1 copy', '0 copies')
    """
    return f"{count(number)} {one if number == 1 else more}"


def _raw_table(members: Members) -> Any:
    rows = []
    for row in members.rows.drop_columns(["device_key"]).to_pylist():
        fate = "event" if row.pop("is_event") else "conflict" if row.pop("is_conflict") else "copy"
        row.pop("is_conflict", None)
        rows.append(
            {"Became": fate, **{name: "" if value is None else str(value) for name, value in row.items()}}
        )
    return _table(rows, None, layout="fit_data_fill")


def _table(rows: list[dict[str, str]], clicked: Any, search: str = "", layout: str = "fit_columns") -> Any:
    """A table of text; a click on a row calls ``clicked`` with its number."""
    frame = pd.DataFrame(rows, dtype="object") if rows else pd.DataFrame({"": pd.Series([], dtype="object")})
    right = dict.fromkeys(("Net", "Tax", "Total", "Units", "Exact amount", "Billed", "Charges"), "right")
    filters = {search: {"type": "input", "func": "like", "placeholder": "search"}} if search else {}
    table = pn.widgets.Tabulator(
        frame, show_index=False, disabled=True, layout=layout, theme="materialize",
        pagination="local" if len(rows) > 15 else None, page_size=15,
        text_align=right, header_filters=filters, sizing_mode="stretch_width", selectable=False, sortable=False,
        widths={"Account": "30%", "Device": "30%"},
        stylesheets=[".tabulator-row {cursor: pointer}"] if clicked else [],
    )  # fmt: skip
    if clicked:
        table.on_click(lambda event: clicked(event.row))
    return table


def _caption(text: str) -> Any:
    return pmui.Typography(text, variant="caption", sx={"color": "text.secondary"})
