"""The gate: its verdicts, its report, its signature, and that nothing is published past it unnoticed."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from workbench.errors import CatalogueError, FileUnreadable, ScenarioError
from workbench.lake.open import OpenLake
from workbench.showcase.cast import FILES
from workbench.tariff.catalogue import load
from workbench.tariff.publish import publish as lock
from workbench.twin import sign
from workbench.twin.gate import GateResult, Rules, explained_text, gate, load_rules
from workbench.twin.publishing import GATES, KEYS, gates, keep, publish, wanting
from workbench.twin.report import gate_html

NOW = datetime(2026, 4, 1, 9, tzinfo=UTC)


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A folder with the lamps' price list, published, and its second version beside it."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    text = (FILES / "offers" / "lamps.yaml").read_text()
    (folder / "lamps.yaml").write_text(text)
    lock(load(folder), folder, NOW.date(), backdate=True)
    second = text.replace("version: 1", "version: 2").replace("amount: 0.10", "amount: 0.105")
    second = second.replace("effective: 2026-01-01", "effective: 2026-05-01")
    (folder / "lamps-2.yaml").write_text(second[second.index("offers:") :])
    return folder


@pytest.fixture
def key(tmp_path: Path) -> sign.Ed25519PrivateKey:
    return sign.signing_key(tmp_path / "keys" / "gate.pem")


@pytest.fixture
def result(lake: OpenLake, catalog: Path) -> Iterator[GateResult]:
    found = gate(lake, catalog, now=NOW)
    yield found
    found.sim.close()


def test_a_small_rise_passes_and_may_be_published(
    result: GateResult, catalog: Path, key: sign.Ed25519PrivateKey
) -> None:
    assert result.passed, [check.sentence for check in result.checks]
    assert [name for name, *_ in result.offers] == ["lights-on"]
    assert all(side.checked for t in result.traces for side in (t.before, t.after) if side and side.trace)
    known = load(catalog)
    with pytest.raises(CatalogueError) as caught:
        publish(known, catalog, NOW)
    assert caught.value.code == "gate_wanted"
    keep(catalog, result.summary(), key)
    assert wanting(known, catalog) == []
    assert [(o.id, o.version) for o in publish(known, catalog, NOW)] == [("lights-on", 2)]


def test_a_later_edit_needs_a_gate_of_its_own(
    result: GateResult, catalog: Path, key: sign.Ed25519PrivateKey
) -> None:
    keep(catalog, result.summary(), key)
    path = catalog / "lamps-2.yaml"
    path.write_text(path.read_text().replace("0.105", "0.106"))
    with pytest.raises(CatalogueError, match="has not passed the gate"):
        publish(load(catalog), catalog, NOW)


def test_each_rule_fails_with_a_sentence(lake: OpenLake, catalog: Path) -> None:
    path = catalog / "lamps-2.yaml"
    path.write_text(path.read_text().replace("0.105", "0.08"))
    rules = Rules(max_rise_percent="0", revenue_at_least_percent="100")  # type: ignore[arg-type]
    result = gate(lake, catalog, rules, now=NOW)
    with result.sim:
        assert [check.passed for check in result.checks] == [True, False, True, True]
    path.write_text(path.read_text().replace("0.08", "0.13"))
    result = gate(lake, catalog, now=NOW)
    with result.sim:
        steep = result.checks[0]
        assert not steep.passed and steep.offenders and "would pay more than 15 % more" in steep.sentence
        assert not result.passed and not result.summary()["passed"]
        assert "Do not publish" in gate_html(result)


def test_the_report_is_one_file_that_asks_for_nothing(
    result: GateResult, catalog: Path, key: sign.Ed25519PrivateKey
) -> None:
    page = gate_html(result, keep(catalog, result.summary(), key))
    assert "This version may be published" in page and "lights-on.rent" in page and "<svg" in page
    asked = re.findall(r"""(?:src|href|url|@import)\s*[=(]?\s*["'(]\s*([^"')]+)""", page)
    assert not [link for link in asked if not link.startswith("#")]
    assert page.count("http") == page.count("http://www.w3.org/2000/svg")


def test_names_are_escaped(result: GateResult) -> None:
    cell = result.sim.cells[0]
    nasty = dataclasses.replace(cell.changes[0], name="<script>alert(1)</script>")
    result.sim.cells = (dataclasses.replace(cell, changes=(nasty, *cell.changes[1:])),)
    assert "<script>" not in gate_html(result)


def test_an_override_is_recorded(catalog: Path, key: sign.Ed25519PrivateKey) -> None:
    fresh = publish(load(catalog), catalog, NOW, override="The regulator's order 7", key=key)
    assert [o.version for o in fresh] == [2]
    (entry,) = gates(catalog)
    assert entry["summary"]["kind"] == "override" and entry["summary"]["reason"] == "The regulator's order 7"
    assert sign.holds(entry)


def test_a_changed_summary_is_noticed(result: GateResult, catalog: Path, key: sign.Ed25519PrivateKey) -> None:
    keep(catalog, result.summary() | {"passed": False}, key)
    assert [o.version for o in wanting(load(catalog), catalog)] == [2]
    path = catalog / GATES
    entry = json.loads(path.read_text())
    entry["summary"]["passed"] = True
    path.write_text(json.dumps(entry) + "\n")
    with pytest.raises(FileUnreadable) as caught:
        gates(catalog)
    assert caught.value.code == "gate_damaged"


def test_a_stranger_does_not_let_anything_pass(
    result: GateResult, catalog: Path, key: sign.Ed25519PrivateKey, tmp_path: Path
) -> None:
    keep(catalog, {"kind": "gate", "passed": False, "offers": []}, key)
    keep(catalog, result.summary(), sign.signing_key(tmp_path / "other.pem"))
    with pytest.raises(FileUnreadable):
        wanting(load(catalog), catalog)
    assert (catalog / KEYS).read_text().count("\n") == 1


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "gate.pem"
    first = sign.signing_key(path)
    assert path.stat().st_mode & 0o077 == 0
    entry = sign.signed({"a": 1}, first)
    assert entry == sign.signed({"a": 1}, sign.signing_key(path)) and sign.holds(entry)
    assert not sign.holds({**entry, "summary": {"a": 2}}) and not sign.holds({})
    path.write_text("no key")
    with pytest.raises(FileUnreadable) as caught:
        sign.signing_key(path)
    assert caught.value.code == "gate_key"


def test_nothing_new_is_no_case_for_the_gate(lake: OpenLake, tmp_path: Path) -> None:
    (tmp_path / "lamps.yaml").write_text((FILES / "offers" / "lamps.yaml").read_text())
    with pytest.raises(ScenarioError) as caught:
        gate(lake, tmp_path, now=NOW)
    assert caught.value.code == "gate_nothing"


def test_rules_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("max_rise_percent: 7.5 %\nrevenue_at_least_percent: none\nchecker: no\n")
    rules = load_rules(path)
    assert rules.as_dict() == {
        "max_rise_percent": "7.5", "ignore_rise_below": "0", "revenue_at_least_percent": None, "explained": True,
        "checker": False,
    }  # fmt: skip
    path.write_text("max_rise_percent: much\n")
    with pytest.raises(ScenarioError) as caught:
        load_rules(path)
    assert caught.value.code == "gate_rule"


def test_one_bill_is_told_as_one() -> None:
    assert explained_text(0, 0) == "No bill moves."
    assert explained_text(1, 1) == (
        "The one bill that moves is the exact sum of its rules, devices and records; the largest contribution was opened "
        "down to its trace, and recomputed where a record decides."
    )
    assert explained_text(1_200, 2).startswith("All 1,200 bills that move are the exact sum of their rules")
    assert "2 of the largest contributions were opened down to their traces" in explained_text(1_200, 2)
