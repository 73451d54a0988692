"""The analyst page as HTML: the queue, one case, quality and drift. Plain strings; every word from data is escaped."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction
from html import escape
from pathlib import Path

from workbench.casework.case import RANDOM_CHECK, Case
from workbench.casework.desk import Ranked
from workbench.casework.evidence import Evidence
from workbench.casework.quality import Moved, Quality
from workbench.twin.show import rounded

COLORS = {
    "stuck": "#dc2626", "silent": "#7c3aed", "outage": "#6d28d9", "spike": "#ea580c", "sentinel": "#b91c1c", "drift": "#ca8a04",
    "counter_reset": "#0891b2", "duplicate": "#64748b", "reordered": "#94a3b8", "late": "#94a3b8", "conflict": "#be185d",
    "compromised": "#e11d48", "imei_lock_breach": "#e11d48", "theft": "#9f1239", "failing": "#d97706", "zombie": "#78716c",
    "reconnect_storm": "#f97316", RANDOM_CHECK: "#0d9488",
}  # fmt: skip
SHOWN = 60
CSS = (Path(__file__).parent / "look.css").read_text()
HELP = (
    '<div class="keys">'
    + "".join(
        f"<span><b>{key}</b>{what}</span>"
        for key, what in (
            ("j", "next"), ("k", "previous"), ("1", "confirmed"), ("2", "benign"), ("3", "unsure"), ("4", "hold line"),
            ("5", "dispute"), ("6", "field order"), ("7", "suspend SIM"), ("8", "block"), ("9", "quiet for a day"),
            ("a", "take it"), ("x", "mark"), ("u", "undo"),
        )
    )
    + "</div>"
)  # fmt: skip


def chip(kind: str) -> str:
    """The reason as a coloured word."""
    return f'<span class="chip" style="background:{COLORS.get(kind, "#475569")}">{escape(kind.replace("_", " "))}</span>'


def amount(value: Fraction | None, currency: str) -> str:
    """Money for reading; tiny amounts keep the digits that matter."""
    if value is None:
        return "–"
    digits = 2 if abs(value) >= 1 else 4 if abs(value) >= Fraction(1, 100) else 6
    return f"{rounded(value, currency, digits)} {currency}"


LOOKING = '<div class="none">The detectors are looking. What they find is listed here; the map is there already.</div>'
"""What stands where cases will, before the detectors are done."""


def queue_html(rows: Sequence[Ranked], selected: str, marked: Collection[str]) -> str:
    """The queue's first rows."""
    if not rows:
        more = "Decided and suppressed cases stay in <code>workbench queue list --all</code>."
        return f'<div class="none">Nothing is waiting. {more}</div>'
    parts = []
    for number, one in enumerate(rows[:SHOWN], 1):
        case = one.case
        classes = " ".join(
            name
            for name, holds in (("on", case.case_id == selected), ("marked", case.case_id in marked))
            if holds
        )
        what = f"{case.subject} · {len(case.members)} devices" if case.members else case.subject
        state = (
            "" if case.state == "open" else f" · {case.state}{f', {case.assignee}' if case.assignee else ''}"
        )
        parts.append(
            f'<div class="row {classes}" data-tell="case" data-value="{escape(case.case_id)}"><div class="no">{number}</div>'
            f'<div><div class="what">{chip(case.kind)}{escape(what)}</div>'
            f'<div class="who">{escape(case.account_name or "no account")}{escape(state)}</div></div>'
            f'<div class="num">{100 * one.chance:.0f} %<small>{amount(case.stake, case.currency or "EUR")}</small></div>'
            f'<div class="meter"><i style="width:{100 * one.chance:.0f}%"></i></div></div>'
        )
    rest = len(rows) - SHOWN
    more = f'<div class="none">{rest} more behind them</div>' if rest > 0 else ""
    return f'<div class="queue">{"".join(parts)}{more}</div>'


def case_html(one: Ranked) -> str:
    """What is known of a case, and what can be done."""
    case = one.case
    facts = [
        ("chance", f"{100 * one.chance:.0f} %"), ("at risk", amount(case.at_risk, case.currency)),
        ("as billed", amount(case.billed, case.currency)), ("without it", amount(case.expected, case.currency)),
        ("to review", f"{case.about.minutes} min"), ("since", f"{case.since:%d %b %H:%M}"),
    ]  # fmt: skip
    cells = "".join(f"<div><span>{name}</span><b>{escape(value)}</b></div>" for name, value in facts)
    reasons = "".join(
        f'<div class="why"><b>{escape(str(r["rule"]))}</b> {_number(r["observed"])} {escape(str(r["unit"]))}, usual '
        f"{_number(r['expected'])}, peers {_number(r['peers'])}</div>"
        for r in case.reasons[:4]
    )
    who = f"{case.account_name or 'nobody pays'}{f' · {case.assignee} has it' if case.assignee else ''} · {case.state}"
    return (
        f'<div class="head" data-case-open="{escape(case.case_id)}">{chip(case.kind)}{escape(case.sentence)}</div>'
        f'<div class="sub">{escape(who)}</div><div class="facts">{cells}</div>{reasons}'
        f'<div class="clears">Clears: {escape(case.clears)}.</div>{_buttons(case)}{_history(case)}'
        f"<details><summary>The query behind the evidence</summary><pre>{escape(case.query)}</pre></details>"
    )


_DO = (("4", "hold", "Hold line"), ("5", "dispute", "Dispute"), ("6", "field_order", "Field order"),
       ("7", "suspend", "Suspend SIM"), ("8", "block", "Block"))  # fmt: skip


def _buttons(case: Case) -> str:
    verdicts = "".join(
        f'<button class="act {look}" data-tell="key" data-value="{key}">{name}<kbd>{key}</kbd></button>'
        for key, name, look in (("1", "Confirmed", "yes"), ("2", "Benign", ""), ("3", "Unsure", ""))
    )
    actions = "".join(
        f'<button class="act" data-tell="key" data-value="{key}"{" disabled" if action in case.done else ""}>{name}'
        f"<kbd>{'done' if action in case.done else key}</kbd></button>"
        for key, action, name in _DO
        if action != "block"
    )
    other = "Unblock" if "block" in case.done else "Block"
    actions += f'<button class="act" data-tell="key" data-value="8">{other}<kbd>8</kbd></button>'
    return f'<div class="acts">{verdicts}</div><div class="acts">{actions}</div>'


def _history(case: Case) -> str:
    steps = "".join(
        f'<div class="step"><span>{escape(step.at[:16].replace("T", " "))} {escape(step.who)}</span> {escape(step.what)} '
        f"{escape(step.words)}</div>"
        for step in case.history[-6:]
    )
    return f"<details open><summary>History</summary>{steps}</details>"


def _number(value: object) -> str:
    if not isinstance(value, int | float):
        return "unknown"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.3g}"


def evidence_note(seen: Evidence) -> str:
    """What the chart says in words."""
    if not len(seen.series):
        return "No series: this finding is about tables, not about a stream."
    inside = int(seen.series["inside"].sum())
    return (
        f"{seen.column} of {seen.device}; {seen.outside_band} of {inside} points of the episode lie outside what "
        f"{seen.peers} peers suggest. Gaps are silence, not zero."
    )


def reading_html(case: Case, trouble: str = "") -> str:
    """What stands above empty charts: that they will be filled, or why not."""
    if trouble:
        return f'<div class="said bad">{escape(trouble)}</div>'
    return f'<div class="sub reading"><i></i>Reading the evidence of {escape(case.devices[0])} …</div>'


def life_html(life: dict[str, object]) -> str:
    """Names on networks, and who paid when."""
    names = life["identities"]
    paid = life["subscriptions"]
    assert isinstance(names, list)
    assert isinstance(paid, list)
    rows = "".join(
        f"<tr><td>{escape(str(kind))}</td><td>{escape(str(value))}</td><td class='n'>{_span(start, end)}</td></tr>"
        for kind, value, start, end in names[:8]
    ) + "".join(
        f"<tr><td>{escape(str(state))}</td><td>{escape(str(offer))}, {escape(str(account))}</td>"
        f"<td class='n'>{_span(start, end)}</td></tr>"
        for account, offer, state, start, end in paid[:6]
    )
    return (
        f"<table><tr><th>what</th><th>which</th><th class='n'>from, until</th></tr>{rows}</table>"
        if rows
        else "<i>No names known.</i>"
    )


def _span(start: object, end: object) -> str:
    return f"{str(start)[:10]} – {str(end)[:10] if end else 'now'}"


def quality_html(found: Quality | None) -> str:
    """Recall and naming by kind of planted fault."""
    if found is None:
        return "<i>Nothing is known to have been planted in this lake, so quality cannot be told.</i>"
    rows = "".join(
        f"<tr><td>{escape(one.kind.replace('_', ' '))}</td><td class='n'>{one.found} of {one.planted}</td>"
        f"<td><div class='bar'><i style='width:{100 * one.found / max(one.planted, 1):.0f}%'></i></div></td>"
        f"<td class='n'>{one.named}</td></tr>"
        for one in found.kinds
    )
    low, high = found.false_between
    kinds = ", ".join(f"{number} {escape(kind.replace('_', ' '))}" for kind, number in found.false_kinds)
    why = (
        f"{found.false_cases} false case{'' if found.false_cases == 1 else 's'}{f' ({kinds})' if kinds else ''} in "
        f"{found.device_days:,.0f} device-days: the rate lies between {low:.1f} and {high:.1f} (95 %)."
    )
    return (
        f"<div class='facts'><div><span>found</span><b>{100 * found.recall:.0f} %</b></div>"
        f"<div><span>named right</span><b>{100 * found.named:.0f} %</b></div>"
        f"<div><span>false per 1,000 device-days</span><b>{found.false_per_thousand:.2f}</b></div></div>"
        f"<div class='sub'>{why}</div>"
        f"<table><tr><th>planted</th><th class='n'>found</th><th></th><th class='n'>named right</th></tr>{rows}</table>"
    )


def drift_html(found: Sequence[Moved]) -> str:
    """Inputs by how far they moved between the earlier and the later half."""
    rows = "".join(
        f"<tr><td>{escape(one.stream)}</td><td>{escape(one.column)}</td><td class='n'>{_number(one.before)} → {_number(one.after)}</td>"
        f"<td class='n'>{one.psi:.2f}</td><td class='{one.words}'>{one.words}</td></tr>"
        for one in found[:10]
    )
    head = "<tr><th>stream</th><th>input</th><th class='n'>median</th><th class='n'>index</th><th></th></tr>"
    return f"<table>{head}{rows}</table>" if rows else "<i>No readings yet.</i>"
