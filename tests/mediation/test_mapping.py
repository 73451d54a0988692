from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from tests.mediation.reading import ENERGY
from workbench.errors import FileUnreadable, MappingError, PolicyError
from workbench.mediation.mapping import Cumulative, Field, Key
from workbench.mediation.mapping_file import load_mapping, parse_mapping
from workbench.mediation.policy import AcceptWindow, load_policy, parse_policy

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_scale_comes_from_the_two_units_exactly() -> None:
    assert parse_mapping(ENERGY).meters[0].scale == Fraction(1_000_000)


def test_a_declared_scale_is_read_from_its_text() -> None:
    text = ENERGY.replace("column_unit: kWh, unit: mWh", "unit: pulse, scale: 0.001")
    assert parse_mapping(text).meters[0].scale == Fraction(1, 1000)


def test_parameters_fill_values_and_keys_and_choose_the_meter() -> None:
    text = ENERGY.replace("  energy:", "  ${meter}:") + "parameters: {meter: energy}\n"
    assert parse_mapping(text).streams == ("grid.energy",)
    assert parse_mapping(text, {"meter": "gas"}).streams == ("grid.gas",)


def test_a_condition_without_a_value_is_no_condition() -> None:
    text = ENERGY + 'parameters: {only: }\nwhere: [{column: id, equals: "${only}"}]\n'
    assert parse_mapping(text).where == ()
    assert parse_mapping(text, {"only": "a"}).where[0].values == ("a",)


def test_a_key_with_a_span_leaves_out_the_time() -> None:
    text = ENERGY.replace("key: {columns: [device, ends_at]}", "key: {columns: {fcnt: integer}, within: 30m}")
    assert parse_mapping(text).key == Key(
        fields=(Field("fcnt", "fcnt", "integer"),), with_time=False, within=timedelta(minutes=30)
    )


def test_register_bounds_are_kept_in_base_units() -> None:
    text = ENERGY.replace(
        "unit: mWh}", "unit: mWh, cumulative: {rollover_at: 100000, max_delta: 2.5, silence: 1h}}"
    )
    assert parse_mapping(text).meters[0].cumulative == Cumulative(
        rollover_at=100_000_000_000, max_delta=2_500_000, silence=timedelta(hours=1)
    )


def test_the_hash_names_text_and_parameters() -> None:
    text = ENERGY + "parameters: {a: x}\n"
    same, other = parse_mapping(text), parse_mapping(text, {"a": "y"})
    assert same.sha256 == parse_mapping(text, {"a": "x"}).sha256 != other.sha256


WRONG = [
    ("source: grid", "sorce: grid", "mapping_unknown_key", "Did you mean 'source'?"),
    ("source: grid", "source: Grid/../x", "mapping_bad_name", "small letters"),
    ("time: {ends_at: ts, zone: UTC}", "time: {zone: UTC}", "mapping_missing_key", "Name the column"),
    ("zone: UTC", "zone: Europe/Pariss", "mapping_unknown_zone", "Europe/Paris"),
    ("ends_at: ts", "ends_at: {column: ts, format: unix_sec}", "mapping_unknown_time_format", "unix_s"),
    ("device: id", "device: {column: id, constant: x}", "mapping_device_form", "one of"),
    ("device: id", "device: {column: id, extract: 'no group'}", "mapping_bad_pattern", "brackets"),
    ("device: id", "device: {column: id, extract: '('}", "mapping_bad_pattern", "Mend"),
    ("device: id", "device: {column: id, identity: imzi}", "mapping_unknown_choice", "Did you mean 'imsi'?"),
    ("[device, ends_at]", "[device]", "mapping_key_form", "frame counter"),
    (
        "{columns: [device, ends_at]}",
        "{columns: [device, ends_at], within: 1h}",
        "mapping_key_form",
        "Leave out",
    ),
    ("{columns: [device, ends_at]}", "{columns: [fcnt], within: soon}", "mapping_bad_span", "30m"),
    ("{columns: [device, ends_at]}", "{columns: [units]}", "mapping_bad_name", "another name"),
    (", unit: mWh", "", "mapping_missing_unit", "Add `unit:`"),
    ("unit: mWh", "unit: ml", "mapping_unknown_unit", "Add `scale:`"),
    ("unit: mWh", "unit: mWh, scale: 1000", "mapping_scale_contradicts_unit", "Remove"),
    ("unit: mWh", "unit: mWh, scale: 0", "mapping_bad_number", "true factor"),
    ("unit: mWh", "unit: mWh, scale: 1e6", "mapping_bad_number", "digits"),
    ("unit: mWh", "unit: mWh, rounding: bankers", "mapping_unknown_choice", "half_up"),
    ("column: kwh", "column: kwh, count: true", "mapping_meter_form", "count"),
    ("  energy:", "  'e n':", "mapping_bad_name", "small letters"),
    ("device: id", "device: ${who}", "mapping_missing_parameter", "--param who"),
    ("device: id", "device: &a id", "mapping_yaml_alias", "Write it out"),
    ("device: id", "device: id\ndevice: id", "mapping_yaml_duplicate_key", "Remove one"),
    ("device: id", "device: [", "mapping_yaml", "indentation"),
    ("unit: mWh", "unit: mWh, cumulative: {rollover_at: 0.0000001}", "mapping_bad_number", "whole number"),
    ("unit: mWh", "unit: mWh, unit_column: u, column_unit: kWh", "mapping_yaml_duplicate_key", "Remove"),
]


@pytest.mark.parametrize("was, becomes, code, cure", WRONG)
def test_a_wrong_mapping_names_line_and_cure(was: str, becomes: str, code: str, cure: str) -> None:
    assert was in ENERGY
    with pytest.raises(MappingError) as caught:
        parse_mapping(ENERGY.replace(was, becomes, 1), file="m.yaml")
    assert caught.value.code == code
    assert caught.value.where.startswith("m.yaml, line ")
    assert cure in caught.value.cure


def test_the_line_is_the_line_of_the_mistake() -> None:
    with pytest.raises(MappingError, match=r"m\.yaml, line 7"):
        parse_mapping(ENERGY.replace(", unit: mWh", ""), file="m.yaml")


def test_an_unknown_parameter_is_refused_with_the_near_one() -> None:
    with pytest.raises(MappingError, match="Did you mean 'device'"):
        parse_mapping(ENERGY + "parameters: {device: x}\n", {"devise": "y"})


@pytest.mark.parametrize("text", ["", "[]", "a", "- x", "\x00", "{" * 5000, "a: " * 300, "? [a]\n: b"])
def test_what_is_no_mapping_is_one_coded_error(text: str) -> None:
    with pytest.raises(MappingError):
        parse_mapping(text)


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a, *a]\n" for n in range(9))
    with pytest.raises(MappingError, match="aliases"):
        parse_mapping(bomb)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match=r"none\.yaml"):
        load_mapping(tmp_path / "none.yaml")


def test_policy_defaults_and_overrides() -> None:
    policy = parse_policy(
        "grid: 1h\npartition: day\naccept: {past: unlimited, future: 1m}\n"
        "streams:\n  grid.energy: {grid: 5m, dimensions: [cell]}\n"
    )
    assert policy.for_stream("grid.energy").grid_seconds == 300
    assert policy.for_stream("grid.energy").partition == "day"
    assert policy.for_stream("other.x").grid_seconds == 3600
    assert policy.accept == AcceptWindow(past=None, future=timedelta(minutes=1))


@pytest.mark.parametrize(
    "text, code",
    [
        ("grid: 7m", "policy_grid"),
        ("grid: 0s", "policy_grid"),
        ("grid: 1d", "policy_partition"),
        ("fold: median", "policy_unknown_choice"),
        ("dedup_horizon: 1d", "policy_dedup_horizon"),
        ("late_horizon: long", "policy_span"),
        ("gird: 5m", "policy_unknown_key"),
        ("streams: {a.b: {horizon: 1d}}", "policy_unknown_key"),
    ],
)
def test_a_wrong_policy_names_its_code(text: str, code: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    assert caught.value.code == code


def of_this_room(path: Path) -> bool:
    """Whether an example is a mapping or a policy; scenarios, gates and sources are read where they belong."""
    return "policy" in path.name or re.search("^mapping:", path.read_text(), re.MULTILINE) is not None


def test_there_are_mappings_and_a_policy_among_the_examples() -> None:
    found = {path.name for path in EXAMPLES.glob("*.yaml") if of_this_room(path)}
    assert {"lorawan.yaml", "water.yaml", "policy.yaml"} <= found


@pytest.mark.parametrize(
    "path", sorted(filter(of_this_room, EXAMPLES.glob("*.yaml"))), ids=lambda path: path.name
)
def test_every_example_is_valid(path: Path) -> None:
    assert load_policy(path) if "policy" in path.name else load_mapping(path)
