"""Invoices and statements for people: one self-contained HTML page, or text for a terminal.

No script, no outside file, every text escaped. Amounts are written from integers; what was not rounded is written
exactly, as a fraction when it has no finite decimal form. Terminal text carries rich's markup when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from html import escape

from workbench.model.money import MINOR_DIGITS, NANO, decimal_text
from workbench.settlement.papers import InvoicePaper, PaperLine, StatementPaper

_TITLES = {"invoice": "Invoice", "deferral": "Deferred amounts", "adjustment": "Adjustment"}
_CSS = """
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:52rem;margin:3rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0}p{margin:.2rem 0;color:GrayText}table{border-collapse:collapse;width:100%;margin:1.5rem 0}
th{font-weight:600;text-align:left;border-bottom:2px solid}td,th{padding:.35rem .5rem;vertical-align:top}
tr+tr td{border-top:1px solid color-mix(in srgb,currentColor 15%,transparent)}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}.t td{font-weight:700;border-top:2px solid}
small{color:GrayText;overflow-wrap:anywhere}@media print{body{margin:0}}
"""
Cell = str
Table = tuple[Sequence[str], Sequence[Sequence[Cell]], Sequence[Sequence[Cell]]]
"""Headings, rows, and total rows; a heading that starts with ``>`` is a column of numbers."""


def money(nano: int, currency: str) -> str:
    """Nano-units of whole minor units as text, thousands apart: ``-1,234.50``.

    >>> money(1_234_500_000_000, "EUR"), money(-7_000_000_000, "JPY")
    ('1,234.50', '-7')
    """
    digits = MINOR_DIGITS[currency]
    whole, part = divmod(abs(nano) * 10**digits // NANO, 10**digits)
    text = f"{whole:,}" + (f".{part:0{digits}d}" if digits else "")
    return f"-{text}" if nano < 0 else text


def exact(nano: Fraction) -> str:
    """An unrounded amount of nano-units in the main unit: decimal when finite, else ``n/d``."""
    return decimal_text(nano / NANO)


def percent(ppm: int) -> str:
    """A rate in parts per million as per cent: ``19 %``."""
    return f"{decimal_text(Fraction(ppm, 10_000))} %"


def invoice_html(paper: InvoicePaper) -> str:
    """The document as one HTML page."""
    parts = [_html_table(table) for table in _invoice_tables(paper)]
    return _page(_title(paper), _facts(paper), parts)


def invoice_text(paper: InvoicePaper, *, markup: bool = False) -> str:
    """The document as text for a terminal of at least 100 columns."""
    return _text(_title(paper), _facts(paper), _invoice_tables(paper), markup)


def statement_html(paper: StatementPaper) -> str:
    """The statement as one HTML page."""
    return _page(_statement_title(paper), [f"Period {paper.period}"], [_html_table(_statement_table(paper))])


def statement_text(paper: StatementPaper, *, markup: bool = False) -> str:
    """The statement as text for a terminal."""
    return _text(_statement_title(paper), [f"Period {paper.period}"], [_statement_table(paper)], markup)


def _title(paper: InvoicePaper) -> str:
    return f"{_TITLES.get(paper.kind, paper.kind)} {paper.invoice_no}"


def _facts(paper: InvoicePaper) -> list[str]:
    name = f"{paper.account_name} ({paper.account_id})" if paper.account_name else paper.account_id
    facts = [
        name,
        f"Period {paper.period_start:%Y-%m-%d} to {paper.period_end:%Y-%m-%d} · issued {paper.issued_at:%Y-%m-%d}",
    ]
    if paper.refers_to:
        facts.append(f"Amends {paper.refers_to}")
    if paper.state == "deferred":
        facts.append(
            "Below the minimum invoice: nothing is due now; it is billed, with tax, on a later invoice."
        )
    return facts


def _invoice_tables(paper: InvoicePaper) -> list[Table]:
    code = paper.currency
    rows = [
        (
            _what(line),
            f"{line.units:,}",
            exact(line.exact_nano),
            percent(line.tax_rate_ppm),
            money(line.net_nano, code),
        )
        for line in paper.lines
    ]
    totals = [("Net", "", "", "", money(paper.net_nano, code))]
    for tax in paper.taxes:
        label = f"Tax {tax.category} {percent(tax.rate_ppm)} of {money(tax.base_nano, code)}"
        totals.append((label, "", "", "", money(tax.tax_nano, code)))
    if paper.state == "issued":
        totals.append(("Total", "", "", "", money(paper.gross_nano, code)))
    if paper.settled_nano:
        totals.append(("Paid from your balance", "", "", "", money(-paper.settled_nano, code)))
        totals.append(("To pay", "", "", "", money(paper.payable_nano, code)))
    if paper.online_nano:
        taken = Fraction(paper.online_nano)
        totals.append(("Charged in real time before", "", exact(-taken), "", ""))
        totals.append(("Left to pay", "", exact(paper.payable_nano - taken), "", ""))
    tables: list[Table] = [(("Line", ">Units", f">Exact {code}", ">Tax", f">{code}"), rows, totals)]
    if paper.annex:
        labels = {line.line_no: line.component_id for line in paper.lines}
        annex = [(labels[r.line_no], r.device_id, f"{r.units:,}", exact(r.exact_nano)) for r in paper.annex]
        tables.append((("Annex: by device", "Device", ">Units", f">Exact {code}"), annex, ()))
    return tables


def _what(line: PaperLine) -> str:
    source = {"carry": " from ", "deferred": " on "}.get(line.kind, "")
    kind = "" if line.kind in ("usage", "deferred") else f" ({line.kind.replace('_', '-')})"
    return f"{line.offer_id} v{line.offer_version} · {line.component_id}{kind}" + (
        f"{source}{line.refers_to}" if source else ""
    )


def _statement_title(paper: StatementPaper) -> str:
    name = f"{paper.partner_name} ({paper.partner_id})" if paper.partner_name else paper.partner_id
    return f"Statement for {name}"


def _statement_table(paper: StatementPaper) -> Table:
    rows = [
        (
            f"{row.offer_id} v{row.offer_version}"
            + (f" (adjustment {row.refers_to})" if row.refers_to else ""),
            row.statement_id,
            f"{exact(row.share_nano)} {row.currency}",
            f"{money(row.statement_nano, row.currency)} {row.currency}",
        )
        for row in paper.rows
    ]
    totals = [("Total", "", "", f"{money(nano, code)} {code}") for code, nano in sorted(paper.totals.items())]
    return (("Offer", "Statement", ">Exact share", ">Amount"), rows, totals)


def _page(title: str, facts: Sequence[str], parts: Sequence[str]) -> str:
    about = "".join(f"<p>{escape(fact)}</p>" for fact in facts)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_CSS}</style>'
        f"<h1>{escape(title)}</h1>{about}{''.join(parts)}</html>\n"
    )


def _html_table(table: Table) -> str:
    heads, rows, totals = table
    shape = [' class="n"' if head.startswith(">") else "" for head in heads]

    def row(cells: Sequence[str], tag: str) -> str:
        return "".join(f"<{tag}{c}>{escape(text)}</{tag}>" for c, text in zip(shape, cells, strict=True))

    body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in rows)
    foot = "".join(f'<tr class="t">{row(cells, "td")}</tr>' for cells in totals)
    top = row([head.lstrip(">") for head in heads], "th")
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody><tfoot>{foot}</tfoot></table>"


def _text(title: str, facts: Sequence[str], tables: Sequence[Table], markup: bool) -> str:
    bold = _bold if markup else _plain
    quiet: Callable[[str], str] = _quoted if markup else _plain
    lines = [bold(title), *(quiet(fact) for fact in facts)]
    for heads, rows, totals in tables:
        plain = [
            [head.lstrip(">") for head in heads],
            *[[_line(c) for c in cells] for cells in (*rows, *totals)],
        ]
        widths = [max(len(cells[column]) for cells in plain) for column in range(len(heads))]

        def fit(cells: Sequence[str], heads: Sequence[str] = heads, widths: list[int] = widths) -> str:
            parts = zip(heads, cells, widths, strict=True)
            return "  ".join(c.rjust(w) if h.startswith(">") else c.ljust(w) for h, c, w in parts).rstrip()

        rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
        body = [quiet(fit(cells)) for cells in plain[1 : 1 + len(rows)]]
        foot = [bold(fit(cells)) for cells in plain[1 + len(rows) :]]
        lines += ["", bold(fit(plain[0])), rule, *body, *([rule, *foot] if foot else [])]
    return "\n".join(lines) + "\n"


def _line(text: str) -> str:
    """One line without what a terminal would obey."""
    return "".join(c if c.isprintable() else "·" for c in text)


def _plain(text: str) -> str:
    return _line(text)


def _quoted(text: str) -> str:
    return _line(text).replace("\\", "\\\\").replace("[", "\\[")


def _bold(text: str) -> str:
    return f"[bold]{_quoted(text)}[/bold]"
