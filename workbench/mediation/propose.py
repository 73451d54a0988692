"""Propose a mapping for a file nobody has described: from its names and its values, with a reason for every line.

The proposal is a YAML text for a person to read, mend and keep. It is parsed before it is handed out, so it is always
a valid mapping of that file; whether it is the *right* one is what its comments are for.
"""

from __future__ import annotations

import itertools
import re
import tempfile
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from workbench.clock import SystemClock
from workbench.errors import MappingError
from workbench.lake.engine import connect
from workbench.mediation import guesses
from workbench.mediation.decode import decode, format_of
from workbench.mediation.formats.request import Request
from workbench.mediation.guesses import Guess
from workbench.mediation.looking import ROWS, Column, look
from workbench.mediation.mapping import Mapping
from workbench.mediation.mapping_file import parse_mapping
from workbench.mediation.proposal_meters import Metered, metered
from workbench.mediation.yamltree import did_you_mean

_WIDTH = 118


class Offered(Protocol):
    """A meter that prices exist for, such as ``model.offer.Meter``."""

    @property
    def id(self) -> str:
        """``<source>.<meter>``."""

    @property
    def unit(self) -> str:
        """Its base unit."""

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names that prices look at."""


@dataclass(frozen=True, slots=True)
class ProposedMapping:
    """A mapping and how it was arrived at.

    ``text``: the YAML, with comments. ``guesses``: role, column, reason and certainty, in the order of the text.
    ``account_column``: who pays, if the file says. ``notes``: what a person should look at first.
    """

    text: str
    mapping: Mapping
    guesses: tuple[Guess, ...]
    notes: tuple[str, ...] = ()
    account_column: str | None = None
    rows_seen: int = 0

    def save(self, path: str | Path) -> Path:
        """Write the YAML text to ``path`` and return it."""
        Path(path).write_text(self.text, encoding="utf-8")
        return Path(path)

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(guess.role)}</td><td><code>{escape(guess.column.name)}</code></td>"
            f"<td>{guess.sure} %</td><td style='text-align:left'>{escape(guess.reason)}</td></tr>"
            for guess in self.guesses
        )
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return (
            "<table><thead><tr><th>role</th><th>column</th><th>sure</th><th>because</th></tr></thead>"
            f"<tbody>{rows}</tbody></table><ul>{notes}</ul><pre>{escape(self.text)}</pre>"
        )


@dataclass(slots=True)
class _Found:
    """The parts of a proposal while it is put together."""

    columns: list[Column]
    source: str
    taken: set[str] = field(default_factory=set)
    guesses: list[Guess] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def take(self, *found: Guess | None) -> None:
        for guess in found:
            if guess is not None:
                self.guesses.append(guess)
                self.taken.add(guess.column.name)

    def one(self, role: str) -> Guess | None:
        return next((guess for guess in self.guesses if guess.role == role), None)

    def all(self, role: str) -> list[Guess]:
        return [guess for guess in self.guesses if guess.role == role]


def propose(
    path: str | Path, offered: Sequence[Offered] = (), now: datetime | None = None
) -> ProposedMapping:
    """Look at a file's first rows and propose what its columns mean.

    Args:
        path: CSV, NDJSON, Parquet, SenML or CloudEvents.
        offered: meters that prices exist for; quantities of the same kind are proposed under their names.
        now: what relative times (SenML) count from; default: now.

    Raises:
        FileUnreadable: the file as a whole is no input.
        MappingError: it has no time or nothing that could name a device; names what it has.
    """
    path = Path(path).expanduser().resolve()
    form = format_of(path)
    with tempfile.TemporaryDirectory(prefix="workbench-look-") as folder:
        con = connect([path, folder], None, 1, "1GB")
        try:
            request = Request(Path(folder), now or SystemClock().now(), limit=ROWS)
            columns = look(con, decode(con, path, request))
        finally:
            con.close()
    offer_source = offered[0].id.partition(".")[0] if offered else ""
    found = _Found(columns, offer_source or _source(path))
    _times_and_names(found, path)
    _keys(found)
    meters = metered(found, offered)
    _check_key(found)
    wanted = {name for meter in offered for name in meter.dimensions}
    found.take(*guesses.dimensions(columns, found.taken))
    for name in sorted(wanted - {_field(guess.column.name) for guess in found.all("dimension")}):
        column = next((c for c in columns if _field(c.name) == name and c.name not in found.taken), None)
        if column is not None:
            found.take(Guess("dimension", column, "prices look at it", 90))
    text = _render(found, form, meters, path.name)
    rows = len(columns[0].cells) if columns else 0
    who = found.one("account")
    return ProposedMapping(
        text,
        parse_mapping(text, file=f"proposal for {path.name}"),
        tuple(found.guesses),
        tuple(found.notes),
        who.column.name if who else None,
        rows,
    )


def _times_and_names(found: _Found, path: Path) -> None:
    times = guesses.times(found.columns)
    names = [column.name for column in found.columns]
    if "ends_at" not in times:
        cure = did_you_mean("time", names, "Write a mapping (see examples/); its columns are")
        raise MappingError("No column looks like a time.", where=str(path), cure=cure, code="propose_no_time")
    found.take(*(times[role] for role in ("ends_at", "starts_at", "received_at") if role in times))
    found.take(guesses.device(found.columns, found.taken))
    found.take(guesses.account(found.columns, found.taken))
    if found.one("device") is None:
        only = found.one("account")
        if only is not None:
            found.guesses.remove(only)
            found.take(Guess("device", only.column, only.reason + "; nothing else names a device", 50))
            found.notes.append(f"Nothing names a device: {only.column.name!r} is taken for it.")
        else:
            found.notes.append("Nothing names a device: the whole file is taken for one, called 'device-1'.")
    if not times["ends_at"].column.zoned:
        found.notes.append(
            "The times carry no zone: UTC is assumed. Set `zone:` if the clock was a local one."
        )
    form = times["ends_at"].column.time_format or ""
    if "%d/%m" in form:
        found.notes.append(f"The times are read as {form}: day before month. Check that.")


def _keys(found: _Found) -> None:
    found.take(guesses.event_id(found.columns, found.taken) or guesses.counter(found.columns, found.taken))


def _check_key(found: _Found) -> None:
    """Where device and time do not tell the rows apart, find the columns that do, or say so."""
    times, device = found.one("ends_at"), found.one("device")
    if times is None or found.one("event_id") or found.one("counter"):
        return
    amounts = [guess.column.cells for guess in found.all("quantity")]
    parts: list[Sequence[str | None]] = [times.column.cells, *([device.column.cells] if device else [])]
    for _ in range(4):
        clash = _clashes(parts, amounts)
        if not clash:
            return
        held = {guess.column.name for guess in found.guesses if guess.role != "dimension"}
        others = [c for c in found.columns if c.name not in held and c.filled > 0.9 and not c.decimals]
        best = min(others, key=lambda c: _clashes([*parts, c.cells], amounts), default=None)
        if best is None or _clashes([*parts, best.cells], amounts) > 0.9 * clash:
            break
        found.guesses.append(Guess("key", best, "device and time alone do not tell all rows apart", 60))
        parts.append(best.cells)
    left = _clashes(parts, amounts)
    if left:
        found.notes.append(
            f"{left:,} rows share device and time with another row and differ in quantity: they would wait in "
            "quarantine as conflicts. Name the column that tells them apart under `key:`."
        )


def _clashes(parts: Sequence[Sequence[str | None]], amounts: Sequence[Sequence[str | None]]) -> int:
    """Rows that have the key of an earlier row and another quantity."""
    held: dict[tuple[str | None, ...], tuple[str | None, ...]] = {}
    quantities = zip(*amounts, strict=True) if amounts else itertools.repeat(())
    return sum(
        held.setdefault(key, one) != one
        for key, one in zip(zip(*parts, strict=True), quantities, strict=False)
    )


def _source(path: Path) -> str:
    word = re.sub(r"[^a-z0-9]+", "-", path.name.split(".")[0].lower()).strip("-")
    return word[:40] or "usage"


def _field(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", text) else "'" + text.replace("'", "''") + "'"


def _render(found: _Found, form: str, meters: list[Metered], file: str) -> str:
    """The YAML text: one remark per guess, the guess's own words."""
    lines = [
        f"# Proposed for {file}. Read it once, mend what is wrong, and keep it: it is what your bill rests on.",
        *(f"# Look: {note}" for note in found.notes),
        "mapping: 1",
        f"source: {_quoted(found.source)}",
        f"format: {form}",
    ]
    comma = any(guess.column.decimal_comma for guess in found.all("quantity"))
    lines += ['options: {decimal: ","}'] if comma else []
    lines += ["", "time:", *_time_lines(found), "", *_device_lines(found), "", *_key_lines(found), ""]
    named = found.one("meter")
    lines += [f"meter: {_quoted(named.column.name)}  # {named.reason}"] if named else []
    lines += ["meters:", *(line for meter in meters for line in meter.lines)]
    dims = found.all("dimension")
    if dims:
        lines += ["", "# Kept with every event, so that prices can differ by them.", "dimensions:"]
        lines += [
            f"  {_field(guess.column.name)}: {{column: {_quoted(guess.column.name)}}}  # {guess.reason}"
            for guess in dims
        ]
    who = found.one("account")
    lines += (
        ["", f"# Who pays (for a shadow bill): the column {who.column.name!r}; {who.reason}."] if who else []
    )
    unused = [column.name for column in found.columns if column.name not in found.taken]
    if unused:
        lines += ["", f"# Not read: {', '.join(unused)}."]
    return "\n".join(_wrapped(lines)) + "\n"


def _wrapped(lines: list[str]) -> list[str]:
    """Long remarks stand above their line, not behind it."""
    done: list[str] = []
    for line in lines:
        code, mark, remark = line.partition("  # ")
        if mark and code.strip() and len(line) > _WIDTH:
            sign = " " * (len(code) - len(code.lstrip())) + "# "
            done += [*textwrap.wrap(remark, _WIDTH, initial_indent=sign, subsequent_indent=sign), code]
        elif line.startswith("# ") and len(line) > _WIDTH:
            done += textwrap.wrap(line, _WIDTH, subsequent_indent="# ")
        else:
            done.append(line)
    return done


def _time_lines(found: _Found) -> list[str]:
    end = found.one("ends_at")
    assert end is not None
    lines = [] if end.column.zoned else ["  zone: UTC  # assumed: the times do not say"]
    for role in ("starts_at", "ends_at", "received_at"):
        guess = found.one(role)
        if guess is None:
            continue
        form = guess.column.time_format or "auto"
        name = _quoted(guess.column.name)
        written = name if form == "auto" else f"{{column: {name}, format: '{form}'}}"
        lines.append(f"  {role}: {written}  # {guess.reason}")
        if role == "ends_at" and found.one("received_at") is None:
            lines.append(f"  received_at: {written}  # a recording: each row came in when it says")
    return lines


def _device_lines(found: _Found) -> list[str]:
    guess = found.one("device")
    if guess is None:
        return ["device: {constant: device-1}  # nothing in the file names a device"]
    return [f"device: {_quoted(guess.column.name)}  # {guess.reason}"]


def _key_lines(found: _Found) -> list[str]:
    event, count = found.one("event_id"), found.one("counter")
    if event is not None:
        return [f"key: {{event_id: {_quoted(event.column.name)}}}  # {event.reason}"]
    if count is not None:
        name = _quoted(count.column.name)
        return [
            f"# {count.reason}; copies of a frame come within half an hour, later it is a new one.",
            f"key: {{columns: {{{_field(count.column.name)}: {{column: {name}, type: integer}}}}, within: 30m}}",
        ]
    more = [guess.column.name for guess in found.all("key")]
    if more:
        listed = "".join(f", key_{_field(name)}: {{column: {_quoted(name)}}}" for name in more)
        return [
            f"# Device and time alone do not tell all rows apart; with {', '.join(more)} they do better.",
            f"key: {{columns: {{device: , ends_at: {listed}}}}}",
        ]
    return ["# Two rows of one device at one instant are one event.", "key: {columns: [device, ends_at]}"]
