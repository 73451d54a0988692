"""An answer to carry away: a page that can be mailed, a workbook, a table for programs, the scenario as YAML."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from html import escape
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter  # type: ignore[import-untyped]

from workbench.dashboards.simulator.answer import Answer
from workbench.dashboards.simulator.ask import Ask
from workbench.dashboards.simulator.numbers import Writer, rounded
from workbench.dashboards.studio.plain import write as write_yaml
from workbench.model.money import MINOR_DIGITS, decimal_text
from workbench.model.offer import Catalogue
from workbench.tariff.spell import spelled

SHOWN = 100
_STYLE = """
body {font: 15px/1.5 system-ui, sans-serif; color: #16202a; max-width: 900px; margin: 40px auto; padding: 0 20px}
h1 {font-size: 24px} h2 {font-size: 17px; margin-top: 32px} table {border-collapse: collapse; width: 100%; font-size: 13px}
td, th {padding: 5px 8px; border-bottom: 1px solid #e3e7ea; text-align: right; font-variant-numeric: tabular-nums}
td:first-child, th:first-child {text-align: left} th {font-weight: 600; color: #52606d} .quiet {color: #52606d}
.tiles {display: flex; gap: 28px; flex-wrap: wrap} .tiles b {display: block; font-size: 22px}
@media (prefers-color-scheme: dark) {body {background: #14181c; color: #e5e9ec} td, th {border-color: #2c343b}}
"""


def report(answer: Answer, ask: Ask, title: str, at: datetime, write: Writer) -> str:
    """One self-contained page: no script, nothing fetched."""
    tiles = {
        "Revenue now": write.money(answer.before, answer.currency),
        "Then": write.money(answer.after, answer.currency),
        "Difference": f"{write.signed(answer.delta, answer.currency)} ({write.percent(answer.percent)})",
        "Pay more": write.count(len(answer.losers)),
        "Pay less": write.count(len(answer.winners)),
        "Pay the same": write.count(answer.same),
    }
    parts = [
        f"<h1>{escape(title)}</h1><p class='quiet'>{escape(write.instant(at))}; "
        f"{'replayed on real traffic' if answer.replayed else 'reckoned from totals'}</p>",
        "<div class='tiles'>" + "".join(f"<div>{k}<b>{escape(v)}</b></div>" for k, v in tiles.items()) + "</div>",
        _table("By rule", ("Rule", "Difference"), [(s.name, write.signed(s.delta, answer.currency)) for s in answer.steps]),
        _table(
            f"Whose bill moves most (at most {SHOWN})",
            ("Account", "Now", "Then", "Difference", "%"),
            [
                (c.name, write.money(c.before, c.currency), write.money(c.after, c.currency),
                 write.signed(c.delta, c.currency), write.percent(c.percent))
                for c in answer.moved[:SHOWN]
            ],
        ),
        _table(
            "Partners",
            ("Partner", "Now", "Then"),
            [(p, write.money(b, answer.currency), write.money(a, answer.currency)) for p, b, a in answer.shares],
        ),
        f"<h2>What was asked</h2><pre>{escape(scenario_yaml(ask))}</pre>",
    ]  # fmt: skip
    body = "".join(parts)
    return (
        f"<!doctype html><html lang='{write.locale}'><head><meta charset='utf-8'><title>{escape(title)}</title>"
        f"<style>{_STYLE}</style></head><body>{body}</body></html>"
    )


def _table(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2><table><tr>{head}</tr>{body}</table>"


def workbook(answer: Answer, ask: Ask) -> bytes:
    """A workbook of three sheets. Amounts are numbers at the currency's own digits, and exact text beside them."""
    out = BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        bold, money = book.add_format({"bold": True}), book.add_format({"num_format": "#,##0.00"})
        percent = book.add_format({"num_format": "0.0"})
        places = MINOR_DIGITS.get(answer.currency, 2)

        def amount(sheet: Any, row: int, column: int, value: Fraction) -> None:
            sheet.write_number(row, column, rounded(value, places), money)

        sheet = book.add_worksheet("Summary")
        sheet.set_column(0, 0, 26)
        sheet.set_column(1, 2, 22)
        for row, (name, value) in enumerate(
            (("Revenue now", answer.before), ("Revenue then", answer.after), ("Difference", answer.delta))
        ):
            sheet.write(row, 0, f"{name}, {answer.currency}", bold)
            amount(sheet, row, 1, value)
            sheet.write_string(row, 2, decimal_text(value))
        for row, (name, text) in enumerate(_asked(ask).items(), 4):
            sheet.write(row, 0, name, bold)
            sheet.write_string(row, 1, str(text))
        sheet = book.add_worksheet("By rule")
        sheet.set_column(0, 0, 34)
        for column, name in enumerate(("Rule", f"Difference, {answer.currency}", "Exact")):
            sheet.write(0, column, name, bold)
        for row, step in enumerate(answer.steps, 1):
            sheet.write_string(row, 0, step.name)
            amount(sheet, row, 1, step.delta)
            sheet.write_string(row, 2, decimal_text(step.delta))
        sheet = book.add_worksheet("Accounts")
        sheet.set_column(0, 1, 30)
        for column, name in enumerate(
            ("Account", "Name", "Now", "Then", "Difference", "%", "Exact difference")
        ):
            sheet.write(0, column, name, bold)
        for row, change in enumerate(answer.changes, 1):
            sheet.write_string(row, 0, change.account)
            sheet.write_string(row, 1, change.name)
            for column, value in enumerate((change.before, change.after, change.delta), 2):
                amount(sheet, row, column, value)
            if change.percent is not None:
                sheet.write_number(row, 5, rounded(change.percent, 1), percent)
            sheet.write_string(row, 6, decimal_text(change.delta))
    return out.getvalue()


def parquet(answer: Answer) -> bytes:
    """Every account's bill: amounts as exact text and as decimals of nine digits."""
    nine = pa.decimal128(38, 9)
    changes = answer.changes
    columns: dict[str, pa.Array] = {
        "account": pa.array([c.account for c in changes], pa.string()),
        "name": pa.array([c.name for c in changes], pa.string()),
        "currency": pa.array([c.currency for c in changes], pa.string()),
    }
    for name in ("before", "after", "delta"):
        values = [getattr(c, name) for c in changes]
        columns[name] = pa.array([rounded(value, 9) for value in values], nine)
        columns[f"{name}_exact"] = pa.array([decimal_text(value) for value in values], pa.string())
    out = BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def _asked(ask: Ask) -> Mapping[str, object]:
    """What was asked, as far as it differs from asking nothing."""
    found: dict[str, object] = {"scenario": "candidate"}
    if ask.patches:
        found["patches"] = dict(ask.patches)
    if ask.replaces:
        found["moves"] = {ask.replaces: "the draft's offer"}
    if ask.accounts:
        found["traffic"] = {"accounts": [ask.accounts]}
    if ask.usage not in ("", "1"):
        found["growth"] = [{"usage": ask.usage.replace(",", ".")}]
    if ask.elasticity:
        found["reaction"] = {"elasticity": ask.elasticity}
    if ask.migration != "everyone":
        found["migration"] = ask.migration
    return found


def scenario_yaml(ask: Ask, catalogue: str = "", moves: Mapping[str, str] | None = None) -> str:
    """The question as a scenario file that `workbench twin run` takes.

    Args:
        catalogue: the name of the candidate's file beside it. moves: old to new offer, where customers move.
    """
    found = dict(_asked(ask))
    if catalogue:
        found["catalogue"] = catalogue
    if moves:
        found["moves"] = dict(moves)
    elif "moves" in found:
        del found["moves"]
    return write_yaml(found).text


def bundle(ask: Ask, candidate: Catalogue | None = None, offer_id: str = "") -> bytes:
    """The question as files: ``workbench twin run LAKE scenario.yaml`` asks it again, word for word.

    Args:
        candidate: production with the draft in it, see ``scenario``; it goes along as ``candidate.yaml``.
        offer_id: the draft's offer.

    Returns: a ZIP of ``scenario.yaml`` and, where there is a draft, ``candidate.yaml``.
    """
    moves = {ask.replaces: offer_id} if candidate and ask.replaces and ask.replaces != offer_id else None
    files = {"scenario.yaml": scenario_yaml(ask, "candidate.yaml" if candidate else "", moves)}
    if candidate:
        files["candidate.yaml"] = write_yaml(spelled(candidate)).text
    out = BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as pack:
        for name, text in files.items():
            pack.writestr(name, text)
    return out.getvalue()
