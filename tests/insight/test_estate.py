"""Leaks that are joins: made on a small lake by hand, so that each leak has exactly one culprit."""

from __future__ import annotations

from pathlib import Path

import pytest

import workbench as wb
from workbench.insight.finding import Findings


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    with wb.roaming_lake(40, tmp_path_factory.mktemp("roaming") / "lake", days=1) as lake:
        return wb.detect(lake)


def test_a_foreign_handset_is_a_breach_and_the_sim_is_compromised(found: Findings) -> None:
    breaches = found.of("imei_lock_breach")
    compromised = {one.device_id for one in found.of("compromised")}
    assert len(breaches) >= 1 and {one.device_id for one in breaches} & compromised
    assert all(one.reasons[0].observed > 0 and "handset" in one.reasons[0].unit for one in breaches)


def test_compromise_names_its_aspects_and_its_money(found: Findings) -> None:
    rules = {reason.rule for one in found.of("compromised") for reason in one.reasons}
    assert "company.destination" in rules
    priced = [one.money for one in found.of("compromised") if one.money is not None]
    assert priced and any(money.billed > money.expected for money in priced)


def test_findings_can_be_cut_and_shown(found: Findings, tmp_path: Path) -> None:
    assert len(found.of("compromised")) < len(found)
    assert list(found[:2]) == [found[0], found[1]]
    assert found[0].device_id in found._repr_html_()
    assert found[0].as_dict()["reasons"][0]["rule"] == found[0].reasons[0].rule
