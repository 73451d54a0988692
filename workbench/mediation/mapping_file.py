"""Read a mapping file (YAML) into a ``Mapping``; examples/README.md describes every key and option."""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingType
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

from workbench.errors import MappingError
from workbench.mediation.mapping import RESERVED, Condition, DeviceSpec, Field, Key, Mapping, TimeSpec
from workbench.mediation.mapping_meters import read_meters
from workbench.mediation.spans import parse_span
from workbench.mediation.yamltree import Node, Reader, did_you_mean, read_text

_TOP = (
    "mapping source description parameters format options where "
    "time device key meter meters dimensions samples"
).split()
_UNIX = ("unix_s", "unix_ms", "unix_us", "unix_ns")
_PARAMETER = re.compile(r"\$\{(\w+)\}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_FIELD = re.compile(r"[a-z_][a-z0-9_]{0,63}")


def load_mapping(path: str | Path, params: MappingType[str, str] | None = None) -> Mapping:
    """Read a mapping file.

    Args:
        path: the YAML file.
        params: values for the file's ``parameters`` (``--param device=…``).

    Raises:
        FileUnreadable: it cannot be read as text.
        MappingError: it says something that makes no sense; names file, line and cure.
    """
    return parse_mapping(read_text(path), params, file=str(path))


def parse_mapping(text: str, params: MappingType[str, str] | None = None, file: str = "<mapping>") -> Mapping:
    """The mapping a YAML text describes, parameters filled in. Raises ``MappingError``."""
    reader = Reader(file, MappingError)
    tree = reader.parse(text)
    values = _parameters(reader, tree, params or {})
    top = reader.section(_filled(reader, tree, values), _TOP, "The mapping")
    for needed, example in (
        ("source", "lamps"),
        ("time", "{ends_at: ts, zone: UTC}"),
        ("device", "{column: id}"),
    ):
        if needed not in top:
            raise reader.fail(
                tree, f"The mapping does not say {needed!r}.", f"Add `{needed}: {example}`.", "missing_key"
            )
    time = reader.section(top["time"], ("zone", "ends_at", "starts_at", "received_at"), "time")
    zone = _zone(reader, time["zone"]) if "zone" in time else None
    if "ends_at" not in time:
        raise reader.fail(
            top["time"], "time has no ends_at.", "Name the column of the event's time.", "missing_key"
        )
    meter_column = top.get("meter")
    dimensions = _fields(reader, top.get("dimensions"), "A dimension")
    key = _key(reader, top.get("key"))
    samples = _fields(reader, top.get("samples"), "A sample")
    _refuse_double(reader, tree, [*key.fields, *dimensions, *samples])
    return Mapping(
        source=_name(reader, top["source"], "source"),
        ends_at=_time(reader, time["ends_at"], zone),
        starts_at=_time(reader, time["starts_at"], zone) if "starts_at" in time else None,
        received_at=_time(reader, time["received_at"], zone) if "received_at" in time else None,
        device=_device(reader, top["device"]),
        key=key,
        meters=read_meters(reader, top.get("meters", tree)),
        meter_column=reader.text(_member(reader, meter_column, "column"), "meter") if meter_column else None,
        format=reader.text(top["format"], "format") if "format" in top else "auto",
        options=_options(reader, top.get("options")),
        where=_where(reader, top.get("where")),
        dimensions=dimensions,
        samples=samples,
        params={name: value for name, value in values.items() if value is not None},
        file=file,
        text=text,
        lines=_lines(tree),
    )


def check_name(reader: Reader, node: Node, text: str, what: str) -> str:
    """A name that may become part of a stream's name, a file name and a URL."""
    if not _NAME.fullmatch(text):
        raise reader.fail(
            node,
            f"{what} cannot be called {text!r}.",
            "Use small letters, digits, dash, underscore.",
            "bad_name",
        )
    return text


def _name(reader: Reader, node: Node, what: str) -> str:
    return check_name(reader, node, reader.text(node, what), what)


def _parameters(reader: Reader, tree: Node, given: MappingType[str, str]) -> dict[str, str | None]:
    """Declared parameters with their values: given, else default, else ``None``."""
    node = tree.value.get("parameters") if isinstance(tree.value, dict) else None
    declared: dict[str, str | None] = {}
    if node is not None and isinstance(node.value, dict):
        for name, member in node.value.items():
            if isinstance(member.value, dict):
                keys = reader.section(member, ("default", "about"), f"Parameter {name}")
                value = keys["default"].value if "default" in keys else None
                declared[name] = value if isinstance(value, str) else None
            else:
                declared[name] = member.value if isinstance(member.value, str) else None
    for name in given:
        if name not in declared:
            cure = did_you_mean(name, declared, "It takes") if declared else "Leave the parameter out."
            raise reader.fail(
                node or tree, f"The mapping has no parameter {name!r}.", cure, "unknown_parameter"
            )
    return declared | dict(given)


def _filled(reader: Reader, node: Node, values: MappingType[str, str | None]) -> Node:
    """The tree with every ``${name}`` replaced, in values and keys; in ``where`` an unset one leaves an empty node."""
    if isinstance(node.value, str):
        missing = [name for name in _PARAMETER.findall(node.value) if values.get(name) is None]
        if missing and missing[0] in values and node.path.startswith("where"):
            return Node(None, node.path, node.line)
        if missing:
            cure = f"Give it: --param {missing[0]}=…, or declare it under `parameters:` with a default."
            raise reader.fail(node, f"The parameter {missing[0]!r} has no value.", cure, "missing_parameter")
        return Node(_PARAMETER.sub(lambda found: str(values[found[1]]), node.value), node.path, node.line)
    if isinstance(node.value, tuple):
        return Node(tuple(_filled(reader, item, values) for item in node.value), node.path, node.line)
    if isinstance(node.value, dict):
        members: dict[str, Node] = {}
        for key, member in node.value.items():
            name = _filled(reader, Node(key, node.path, member.line), values).value
            members[str(name)] = member if member.path == "parameters" else _filled(reader, member, values)
        return Node(members, node.path, node.line)
    return node


def _member(reader: Reader, node: Node, key: str) -> Node:
    """The member ``key`` of a section, or the node itself when it is the short form (one word)."""
    if isinstance(node.value, dict):
        if key not in node.value:
            raise reader.fail(node, f"{node.path} does not say {key!r}.", f"Add `{key}:`.", "missing_key")
        return node.value[key]
    return node


def _zone(reader: Reader, node: Node) -> str:
    name = reader.text(node, "zone")
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise reader.fail(
            node,
            f"{name!r} is no time zone.",
            "Use an IANA name such as UTC or Europe/Paris.",
            "unknown_zone",
        ) from None
    return name


def _time(reader: Reader, node: Node, zone: str | None) -> TimeSpec:
    if not isinstance(node.value, dict):
        return TimeSpec(reader.texts(node, node.path), zone=zone)
    keys = reader.section(node, ("column", "columns", "format", "zone", "ambiguous"), node.path)
    columns = reader.texts(keys.get("column") or keys.get("columns") or node, f"{node.path}.column")
    form = reader.text(keys["format"], "format") if "format" in keys else "auto"
    if form != "auto" and form not in _UNIX and "%" not in form:
        cure = did_you_mean(form, ("auto", *_UNIX), "Use a pattern such as '%d.%m.%Y %H:%M', or")
        raise reader.fail(keys["format"], f"{form!r} is no time format.", cure, "unknown_time_format")
    ambiguous = "reject"
    if "ambiguous" in keys:
        ambiguous = reader.choice(keys["ambiguous"], "ambiguous", ("reject", "earlier", "later"))
    own_zone = _zone(reader, keys["zone"]) if "zone" in keys else zone
    return TimeSpec(columns, form, own_zone, cast(Any, ambiguous))


def _device(reader: Reader, node: Node) -> DeviceSpec:
    if isinstance(node.value, str):
        return DeviceSpec(column=node.value)
    keys = reader.section(node, ("column", "template", "constant", "extract", "identity"), "device")
    said = [name for name in ("column", "template", "constant") if name in keys]
    if len(said) != 1:
        cure = "Say one of `column:`, `template: lamp-{column}` and `constant:`."
        raise reader.fail(node, "device must be named in exactly one way.", cure, "device_form")
    texts = {name: reader.text(keys[name], f"device.{name}") for name in (*said, "extract") if name in keys}
    if "extract" in texts:
        try:
            groups = re.compile(texts["extract"]).groups
        except re.error as problem:
            groups = -1
            raise reader.fail(
                keys["extract"], f"extract is no regular expression: {problem}.", "Mend it.", "bad_pattern"
            ) from None
        if groups != 1 or "column" not in texts:
            raise reader.fail(
                keys["extract"],
                "extract needs a column and exactly one (group).",
                "Add the brackets.",
                "bad_pattern",
            )
    identity = None
    if "identity" in keys:
        identity = reader.choice(keys["identity"], "identity", ("iccid", "imsi", "eid", "imei"))
    return DeviceSpec(identity=identity, **texts)


def _key(reader: Reader, node: Node | None) -> Key:
    if node is None:
        return Key()
    keys = reader.section(node, ("event_id", "columns", "within"), "key")
    if ("event_id" in keys) == ("columns" in keys):
        cure = "Say `event_id: column`, or `columns: [device, ends_at]`."
        raise reader.fail(node, "The key must be an event_id or a list of columns.", cure, "key_form")
    if "event_id" in keys:
        return Key(event_id=reader.texts(keys["event_id"], "key.event_id"), with_time=False)
    columns = keys["columns"]
    own = ("device", "ends_at")
    if isinstance(columns.value, dict):
        names = set(columns.value)
        plain: Any = {name: member for name, member in columns.value.items() if name not in own}
    else:
        names = {item.value for item in reader.items(columns) if isinstance(item.value, str)}
        plain = tuple(item for item in reader.items(columns) if item.value not in own)
    within = None
    if "within" in keys:
        within = parse_span(reader.text(keys["within"], "within"))
        if within is None:
            raise reader.fail(keys["within"], "within is no span of time.", "Write 30m or 1h.", "bad_span")
    with_time = "ends_at" in names
    if with_time and within is not None:
        cure = "Leave out ends_at, or within."
        raise reader.fail(node, "A key with the exact time has no span.", cure, "key_form")
    fields = _fields(reader, Node(plain, columns.path, columns.line), "A key")
    if not with_time and not fields:
        cure = "Add ends_at, a message id or a frame counter."
        raise reader.fail(
            node, "With the device alone as key, all its events would be one.", cure, "key_form"
        )
    return Key(fields=fields, with_time=with_time, within=within)


def _fields(reader: Reader, node: Node | None, what: str) -> tuple[Field, ...]:
    """``[a, b]`` or ``{a: integer, b: {column: B, type: float}}`` as typed fields."""
    if node is None:
        return ()
    if isinstance(node.value, dict):
        return tuple(_field(reader, name, member, what) for name, member in node.value.items())
    found = []
    for item in reader.items(node):
        column = reader.text(item, what)
        found.append(
            _checked(reader, item, re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_"), column, "text")
        )
    return tuple(found)


def _field(reader: Reader, name: str, node: Node, what: str) -> Field:
    types = ("integer", "float", "text")
    if not isinstance(node.value, dict):
        kind = reader.choice(node, f"{what}'s type", types) if node.value is not None else "text"
        return _checked(reader, node, name, name, kind)
    keys = reader.section(node, ("column", "type"), f"{what} {name}")
    kind = reader.choice(keys["type"], f"{what}'s type", types) if "type" in keys else "text"
    return _checked(
        reader, node, name, reader.text(keys["column"], "column") if "column" in keys else name, kind
    )


def _checked(reader: Reader, node: Node, name: str, column: str, kind: str) -> Field:
    if not _FIELD.fullmatch(name) or name in RESERVED:
        cure = f"Give it another name: `my_{name or 'field'}: {{column: {column}}}`."
        raise reader.fail(node, f"A field cannot be called {name!r} here.", cure, "bad_name")
    return Field(name, column, cast(Any, kind))


def _refuse_double(reader: Reader, node: Node, fields: list[Field]) -> None:
    seen: set[str] = set()
    for item in fields:
        if item.name in seen:
            cure = "Name it once; a key column needs no second mention."
            raise reader.fail(node, f"The field {item.name!r} is declared twice.", cure, "bad_name")
        seen.add(item.name)


def _where(reader: Reader, node: Node | None) -> tuple[Condition, ...]:
    """Conditions, without those whose parameter has no value."""
    found: list[Condition] = []
    for item in reader.items(node) if node is not None else ():
        keys = reader.section(item, ("column", "equals", "present"), "A condition")
        column = reader.text(_member(reader, item, "column"), "column")
        if "present" in keys:
            reader.choice(keys["present"], "present", ("true",))
            found.append(Condition(column))
        elif "equals" not in keys:
            raise reader.fail(
                item, "A condition says nothing.", "Add `equals:` or `present: true`.", "missing_key"
            )
        elif keys["equals"].value is not None:
            found.append(Condition(column, reader.texts(keys["equals"], "equals")))
    return tuple(found)


def _options(reader: Reader, node: Node | None) -> dict[str, str]:
    if node is None:
        return {}
    keys = reader.section(node, ("delimiter", "decimal", "encoding", "header"), "options")
    return {name: reader.text(member, name) for name, member in keys.items()}


def _lines(node: Node) -> dict[str, int]:
    """The line where each text of the file is first said: where to point when a column does not exist."""
    found: dict[str, int] = {}
    pending = [node]
    while pending:
        here = pending.pop()
        if isinstance(here.value, str):
            found[here.value] = min(here.line, found.get(here.value, here.line))
        elif isinstance(here.value, tuple):
            pending += here.value
        elif isinstance(here.value, dict):
            pending += here.value.values()
            for key, member in here.value.items():
                found.setdefault(key, member.line)
    return found
