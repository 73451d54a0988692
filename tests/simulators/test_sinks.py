"""Files on disk and the command line."""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import simulators
from simulators.errors import ArgumentBad, TargetBad
from simulators.samples import COMMAND, samples
from simulators.sinks.files import write

ROOT = Path(__file__).parents[2]


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "simulators", *arguments], capture_output=True, text=True, cwd=ROOT
    )


@pytest.mark.parametrize("format", ["parquet", "ndjson"])
@pytest.mark.parametrize("name", ["streetlights", "cars", "chargers"])
def test_two_runs_write_the_same_bytes(tmp_path: Path, name: str, format: str) -> None:
    for folder in ("one", "two"):
        write(
            simulators.fleet(name, 25, seed=3).with_faults("demo", 0.25),
            tmp_path / folder,
            days=0.25,
            format=format,
        )
    one = digests(tmp_path / "one")
    assert one == digests(tmp_path / "two")
    assert f"labels/{name}.{format}" in one
    assert f"{name}/2026-03-02T05.{format}" in one


def test_parquet_files_hold_what_the_fleet_delivered(tmp_path: Path) -> None:
    fleet = simulators.trackers(20, seed=3)
    written = write(fleet, tmp_path, days=0.25)
    tables = [pq.read_table(tmp_path / name) for name in written.files]
    wanted = [table for _, table in fleet.hours(0.25)]
    assert sum(table.num_rows for table in tables) == written.deliveries
    for found, table in zip(tables, wanted, strict=True):
        assert found.to_pylist() == table.to_pylist()
    assert tables[0].schema.field("ts").type == pa.timestamp("us")
    assert pq.read_table(tmp_path / "inventory" / "trackers.parquet").num_rows == 20


def test_ndjson_lines_are_json_with_every_column(tmp_path: Path) -> None:
    fleet = simulators.cars(20, seed=3)
    written = write(fleet, tmp_path, days=0.25, format="ndjson")
    lines = [
        json.loads(line) for name in written.files for line in (tmp_path / name).read_text().splitlines()
    ]
    assert len(lines) == written.deliveries
    assert set(lines[0]) == set(fleet.schema.names)
    rows = [row for _, table in fleet.hours(0.25) for row in table.to_pylist()]
    assert lines[7]["bytes"] == rows[7]["bytes"]
    assert lines[7]["ts"] == rows[7]["ts"].isoformat(timespec="milliseconds") + "Z"


def test_a_shorter_run_into_the_same_folder_leaves_no_stale_hours(tmp_path: Path) -> None:
    write(simulators.esims(10), tmp_path, days=0.5)
    (tmp_path / "esims" / "mine.txt").write_text("keep me")
    written = write(simulators.esims(10), tmp_path, days=0.25)
    left = {str(path.relative_to(tmp_path)) for path in (tmp_path / "esims").iterdir()}
    assert left == {*written.files, "esims/mine.txt"}


def test_messages_come_in_the_order_of_arrival_and_are_complete() -> None:
    fleet = simulators.meters(10, seed=3)
    found = list(fleet.messages(0.25))
    assert len(found) == sum(table.num_rows for _, table in fleet.hours(0.25))
    assert all(one.received_at <= two.received_at for one, two in pairwise(found))
    body = json.loads(found[0].payload)
    assert set(body) == {"device_id", "ts", "reading_wh"}
    assert found[0].topic == f"meters/{body['device_id']}"


def test_unusable_targets_and_formats_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetBad):
        write(simulators.esims(3), tmp_path / "file", days=0.25)
    with pytest.raises(ArgumentBad) as caught:
        write(simulators.esims(3), tmp_path, days=0.25, format="csv")
    assert caught.value.code == "format_unknown"


def test_command_writes_and_prints_one_json_object(tmp_path: Path) -> None:
    done = run(
        "streetlights",
        "--devices",
        "20",
        "--days",
        "0.25",
        "--seed",
        "7",
        "--to",
        str(tmp_path),
        "--faults",
        "demo",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["deliveries"] > 20 * 360 * 0.8
    assert said["faults"] == pq.read_table(tmp_path / "labels" / "streetlights.parquet").num_rows > 0
    assert all((tmp_path / name).exists() for name in said["files"])


def test_command_lists_and_explains() -> None:
    said = json.loads(run("list", "--json").stdout)
    assert [fleet["name"] for fleet in said["fleets"]] == list(simulators.REGISTRY)
    assert all(column["note"] for fleet in said["fleets"] for column in fleet["columns"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["lamps"], "fleet_unknown"),
        (["streetlights", "--devices", "0"], "devices_bad"),
        (["streetlights", "--start", "soon"], "date_bad"),
        (["streetlights", "--faults", "gremlin"], "fault_unknown"),
    ],
)
def test_command_refuses_with_a_code_and_a_cure(arguments: list[str], code: str) -> None:
    done = run(*arguments, "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == code
    assert f"[{code}]" in done.stderr
    assert "Traceback" not in done.stderr


def test_committed_samples_are_what_the_command_writes() -> None:
    folder = ROOT / "datasets" / "fleets"
    made = dict(samples())
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == set(made)
    for name, text in made.items():
        assert (folder / name).read_text(encoding="utf-8") == text, f"{name}: run `{COMMAND}`"
    assert sum(map(len, made.values())) < 200_000


def test_the_package_stands_alone() -> None:
    for path in (ROOT / "simulators").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.split(".")[0] == "workbench" for name in names), path
