"""What a person does at the desk, and what goes onto the shelf; no browser."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import pytest

from workbench.dashboards.studio.component import Builder
from workbench.dashboards.studio.curve import meters, shape
from workbench.dashboards.studio.desk import Desk
from workbench.dashboards.studio.shelf import Shelf
from workbench.errors import CatalogueError
from workbench.tariff.catalogue import load, loads

ROOT = Path(__file__).parents[2]
STUDIO = ROOT / "workbench/dashboards/studio"
TODAY = date(2026, 3, 1)


def template(name: str) -> str:
    return (ROOT / f"datasets/catalog/{name}.yaml").read_text()


@pytest.fixture
def desk() -> Desk:
    return Desk(template("street-lamps"))


def test_commands_of_the_browser_change_blocks_and_text_together(desk: Desk) -> None:
    assert desk.do({"do": "add", "item": "maximum", "at": 0, "head": ""})
    assert desk.drawn()["blocks"][0]["kind"] == "maximum"
    assert "maximum: {amount: 50.00, scope: device}" in desk.text
    uid = desk.drawn()["fresh"]
    assert desk.do({"do": "put", "uid": uid, "path": ["amount"], "value": "12.5"})
    assert "amount: 12.5" in desk.text
    assert desk.do({"do": "undo"})
    assert "amount: 50.00" in desk.text
    assert desk.do({"do": "redo"})
    assert not desk.do({"do": "redo"})
    assert desk.do({"do": "remove", "uid": uid})
    assert "maximum" not in desk.text


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"do": "add", "item": "nonsense"},
        {"do": "move", "uid": "b99", "at": 0},
        {"do": "put", "uid": "b1", "path": "amount", "value": "1"},
        {"do": "put", "uid": "b99", "path": ["amount"], "value": "1"},
        {"do": "rows", "uid": "b1", "path": ["per_unit"], "act": ["remove"]},
        {"do": "model", "uid": "b1", "value": "magic"},
    ],
)
def test_a_command_that_makes_no_sense_changes_nothing(desk: Desk, message: dict) -> None:
    before = desk.text
    assert not desk.do(message)
    assert desk.text == before


def test_a_tier_is_added_with_a_bound_for_the_one_before(desk: Desk) -> None:
    uid = desk.draft.blocks[0].uid
    desk.do({"do": "model", "uid": uid, "value": "graduated"})
    desk.do({"do": "rows", "uid": uid, "path": ["graduated", "tiers"], "act": ["add", 2]})
    assert desk.mistake is None
    assert "up_to: 1000 kWh" in desk.text
    desk.do({"do": "put", "uid": uid, "path": ["graduated", "tiers", 1, "up_to"], "value": "50 kWh"})
    assert desk.mistake is not None
    assert desk.mistake.code == "tier_overlap"
    rows = desk.drawn()["blocks"][0]["tables"][0]["rows"]
    assert [row["error"] for row in rows] == [False, True, False]


def test_text_and_blocks_follow_each_other_and_a_torn_text_waits(desk: Desk) -> None:
    names = [block["uid"] for block in desk.drawn()["blocks"]]
    assert desk.retype(desk.text.replace("0.00005", "0.00009"))
    assert "0.00009" in desk.drawn()["blocks"][0]["summary"]
    assert [block["uid"] for block in desk.drawn()["blocks"]] == names
    torn = desk.text.replace("offers:", "offers: [")
    assert not desk.retype(torn)
    assert desk.text == torn
    assert desk.mistake is not None
    assert desk.mistake.line
    assert [block["uid"] for block in desk.drawn()["blocks"]] == names


def test_the_mistake_of_typed_text_names_the_line_that_was_typed(desk: Desk) -> None:
    text = "# a remark\n# and another\n" + desk.text.replace("0.00005", "much")
    assert desk.retype(text)
    assert desk.mistake is not None
    assert "much" in text.splitlines()[desk.mistake.line - 1]
    assert desk.text == text


def test_a_discount_is_a_percentage_or_an_amount(desk: Desk) -> None:
    desk.do({"do": "add", "item": "discount", "at": -1, "head": ""})
    uid = desk.drawn()["fresh"]
    desk.do({"do": "put", "uid": uid, "path": ["fixed"], "value": "2.00"})
    assert desk.draft.block(uid).fields == {"id": "discount", "fixed": "2.00"}
    assert desk.mistake is None


# -- the curve -----------------------------------------------------------------------------------------------


def test_the_curve_shows_both_bills_and_where_the_cheaper_one_changes() -> None:
    before = loads(template("pooled-m2m"))
    after = loads(
        template("pooled-m2m").replace("amount: 0.10", "amount: 0.20").replace("amount: 1.20", "amount: 0.60")
    )
    found = shape(after.offers[0], after, "m2m.data", (before.offers[0], before))
    assert len(found.crossings) == 1
    assert found.unit == "MB"
    assert "dearer" in found.told[0]
    assert found.draft[0][1] < found.current[0][1]
    same = shape(before.offers[0], before, "m2m.data", (before.offers[0], before))
    assert same.draft == same.current
    assert not same.crossings


def test_every_template_has_a_curve_or_says_why_not() -> None:
    for path in sorted(ROOT.glob("datasets/catalog/*.yaml")):
        catalogue = loads(path.read_text())
        offer = catalogue.offers[0]
        known = meters(offer, catalogue)
        assert known or "p95" in path.read_text()
        for meter in known:
            assert len(shape(offer, catalogue, meter).draft) > 50


# -- the shelf -----------------------------------------------------------------------------------------------


def test_a_published_version_stands_in_a_folder_that_is_a_catalogue(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "offers")
    text = template("street-lamps").replace("2026-01-01", "2026-04-01")
    offer = loads(text).offers[0]
    path = shelf.publish(text, offer, TODAY)
    assert load(tmp_path / "offers").offers[0].sha256 == offer.sha256
    assert (tmp_path / "offers" / "catalog.lock").read_text().count(offer.sha256) == 1
    assert shelf.next_version("street-lamps") == 2
    with pytest.raises(CatalogueError, match="on the shelf already"):
        shelf.publish(text, offer, TODAY)
    second = (
        text.replace("version: 1", "version: 2")
        .replace("2026-04-01", "2026-05-01")
        .replace("0.00005", "0.00006")
    )
    shelf.publish(second, loads(second).offers[0], TODAY)
    assert len(load(tmp_path / "offers").offers) == 2
    assert path.exists()


def test_what_cannot_be_published_leaves_nothing_behind(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "offers")
    text = template("street-lamps")
    with pytest.raises(CatalogueError) as told:
        shelf.publish(text, loads(text).offers[0], TODAY)
    assert told.value.code == "effective_past"
    assert not list((tmp_path / "offers").glob("*.yaml"))


def test_the_gallery_has_a_card_for_every_template(tmp_path: Path) -> None:
    cards = Shelf(tmp_path).cards()
    assert len(cards) == len(list(ROOT.glob("datasets/catalog/*.yaml")))
    assert all(card.note and card.models for card in cards)
    assert all(Desk(card.text, card.offer_id).mistake is None for card in cards)


# -- the component -------------------------------------------------------------------------------------------


def test_the_bundle_is_made_from_the_sources_that_stand_beside_it() -> None:
    folder = STUDIO / "js"
    names = sorted(p.name for p in folder.iterdir() if p.suffix in (".jsx", ".css") or p.name == "icons.js")
    expected = hashlib.sha256(b"".join((folder / name).read_bytes() for name in names)).hexdigest()
    head = (STUDIO / "builder.bundle.js").read_text()[:4000]
    assert expected in head, "run the build command of js/build.mjs"
    assert "Permission is hereby granted" in head
    assert "https://" not in (STUDIO / "js" / "builder.jsx").read_text()


def test_the_component_hands_on_what_it_hears(desk: Desk) -> None:
    heard: list[dict] = []
    builder = Builder(desk.drawn(), heard.append)
    builder._handle_msg({"do": "undo"})
    builder._handle_msg("noise")
    assert heard == [{"do": "undo"}]


def test_a_slip_in_force_does_not_stop_the_next_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = template("street-lamps")
    slip = text.replace("every: day,", "every: day, from_period: 5, to_period: 2,")
    assert slip != text
    monkeypatch.setattr(Shelf, "in_force", lambda self: loads(slip, kept=None))
    drafted = loads(text.replace("version: 1", "version: 2"))
    found = Shelf(tmp_path).candidate(drafted, drafted.offers[0])
    assert [offer.version for offer in found.offers] == [1, 2]
    worse = loads(slip.replace("version: 1", "version: 2"), kept=None)
    with pytest.raises(CatalogueError, match="before it begins"):
        Shelf(tmp_path).candidate(worse, worse.offers[0])
