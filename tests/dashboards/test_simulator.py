"""What the simulator asks, how it answers and how an answer is written; a real tiny lake, no browser."""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import openpyxl
import pyarrow.parquet as pq
import pytest
import yaml

from workbench.dashboards.simulator import export
from workbench.dashboards.simulator.answer import Answer, Step, distribution, of_board, of_twin
from workbench.dashboards.simulator.ask import Ask, scaled, scenario
from workbench.dashboards.simulator.lab import Lab, Progress
from workbench.dashboards.simulator.numbers import Writer
from workbench.dashboards.studio.desk import Desk
from workbench.dashboards.studio.gatekeeper import Gatekeeper
from workbench.dashboards.studio.shelf import Shelf
from workbench.errors import CatalogueError, FileUnreadable, ScenarioError, UsageError
from workbench.lake.lake import Lake
from workbench.twin.cell import Change
from workbench.twin.gate import Rules
from workbench.twin.simulate import simulate

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny city of lamps, billed."""
    from workbench.showcase.build import build
    from workbench.showcase.scene import city

    lake = tmp_path_factory.mktemp("city") / "lake"
    build(lake, city(30, hours=4))
    return lake


@pytest.fixture
def shelf(place: Path, tmp_path: Path):
    with Lake.open(place) as lake:
        yield Shelf(tmp_path / "offers", lake)


@pytest.fixture
def lab(place: Path, shelf: Shelf) -> Lab:
    return Lab(place, "main", shelf)


def dearer(shelf: Shelf, rent: str = "0.11") -> Desk:
    """The next version of what lamps pay, with another rent."""
    card = next(card for card in shelf.cards() if card.kind == "force")
    text = card.text.replace("version: 1", "version: 2").replace("2026-01-01", "2026-04-01")
    return Desk(text.replace("amount: 0.10", f"amount: {rent}"), card.offer_id)


# -- writing numbers -----------------------------------------------------------------------------------------


def test_numbers_and_dates_are_written_for_english_and_french_readers() -> None:
    amount = Fraction(123456785, 100000)
    assert Writer("en").money(amount, "EUR") == "€1,234.57"
    assert Writer("fr").money(amount, "EUR").replace("\u202f", " ").replace("\xa0", " ") == "1 234,57 €"
    assert Writer("en").percent(Fraction(25, 2)) == "+12.5%"
    assert Writer("fr").percent(Fraction(-25, 2)).startswith("-12,5")
    assert Writer("en").day(date(2026, 3, 2)) == "March 2, 2026"
    assert Writer("fr").day(date(2026, 3, 2)) == "2 mars 2026"
    assert Writer("en").money(Fraction(5, 1000), "EUR") == "€0.01"  # half away from zero, as invoices round
    assert Writer("en").money(Fraction(10**20), "JPY") == "¥" + f"{10**20:,}"


# -- asking --------------------------------------------------------------------------------------------------


def test_a_question_survives_the_address_bar() -> None:
    ask = Ask(draft="0123456789abcdef", usage="1.1", elasticity="-0.3").moving(
        {"b.c.amount": "2", "a.b.amount": "1"}
    )
    said = {name: getattr(ask, name) for name in Ask.__slots__}
    assert Ask.of(said) == ask
    assert ask.patches == {"a.b.amount": "1", "b.c.amount": "2"}
    assert Ask.of({"migration": "whoever", "nonsense": "1"}) == Ask()


def test_a_question_that_changes_nothing_or_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="Nothing would be different"):
        scenario(Ask(), None)
    with pytest.raises(UsageError, match="no number"):
        scenario(Ask(usage="much"), None)
    with pytest.raises(ScenarioError):
        scenario(Ask(usage="1.1", elasticity="0.3"), None)


def test_sliders_move_numbers_exactly() -> None:
    assert scaled("0.00005", 120, whole=False) == "0.00006"
    assert scaled("5000001", 50, whole=True) == "2500000"


# -- answering -----------------------------------------------------------------------------------------------


def test_the_board_and_the_twin_give_one_answer(lab: Lab) -> None:
    ask = Ask(moved="lights-on.rent.amount=0.12")
    sim = lab.run(ask, Progress())
    slow = lab.ask(lambda: of_twin(sim))
    fast = of_board(lab.board().price(ask.patches))
    assert (fast.currency, fast.before, fast.after) == (slow.currency, slow.before, slow.after)
    assert fast.changes == slow.changes
    assert fast.steps == slow.steps
    assert slow.delta == sum((step.delta for step in slow.steps), Fraction(0)) != 0
    assert sum(after - before for _, before, after in slow.shares) == slow.delta
    assert lab.run(ask, Progress()) is sim  # asked again: the answer there is


def test_a_draft_goes_from_the_studio_to_the_simulator(lab: Lab, shelf: Shelf) -> None:
    desk = dearer(shelf)
    key = shelf.keep(desk.text, "lights-on")
    assert list(shelf.drafts()) == [key]
    answer = of_twin(lab.run(Ask(draft=key), Progress()))
    assert answer.percent is not None
    assert Fraction(9) < answer.percent <= Fraction(10)
    assert len(answer.losers) == len(answer.changes)
    with pytest.raises(FileUnreadable):
        shelf.kept("../../etc/passwd")


def test_the_exported_question_is_the_same_question(
    lab: Lab, shelf: Shelf, place: Path, tmp_path: Path
) -> None:
    """Draft, slider and growth, carried away as files, give ``workbench twin run`` the page's answer."""
    key = shelf.keep(dearer(shelf).text, "lights-on")
    ask = Ask(draft=key, moved="lights-on.energy.amount=0.00007", usage="1.5")
    offer, candidate = lab.drafted(key)
    with ZipFile(BytesIO(export.bundle(ask, candidate, offer.id))) as pack:
        assert pack.namelist() == ["scenario.yaml", "candidate.yaml"]
        pack.extractall(tmp_path)
    shown = of_twin(lab.run(ask, Progress()))
    with simulate(place, tmp_path / "scenario.yaml") as again:
        carried = of_twin(again)
    assert (carried.before, carried.after, carried.changes) == (shown.before, shown.after, shown.changes)
    assert shown.delta
    with ZipFile(BytesIO(export.bundle(Ask(usage="2")))) as pack:
        assert pack.namelist() == ["scenario.yaml"]


def test_the_gate_lets_a_mild_version_pass_and_keeps_its_signed_verdict(
    place: Path, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_GATE_KEY", str(tmp_path / "gate.pem"))
    keeper = Gatekeeper(place, "main", shelf)
    mild, steep = dearer(shelf, "0.11"), dearer(shelf, "0.20")
    offer, other = mild.verdict.offer, steep.verdict.offer
    assert offer is not None and other is not None
    assert keeper.wanted(offer)
    result, report = keeper.judge(mild.verdict.catalogue, offer, Rules(), NOW)
    assert result.passed
    assert "<script" not in report.read_text()
    assert not keeper.wanted(offer)
    refused, _ = keeper.judge(steep.verdict.catalogue, other, Rules(), NOW)
    assert not refused.passed
    assert keeper.wanted(other)
    with pytest.raises(CatalogueError):
        keeper.override(other, " ", NOW)
    keeper.override(other, "agreed with the city", NOW)
    assert not keeper.wanted(other)
    shelf.publish(mild.text, offer, NOW.date())
    assert shelf.next_version("lights-on") == 3


# -- showing and carrying away -------------------------------------------------------------------------------


def answer() -> Answer:
    changes = tuple(
        Change(f"a{n}", f"Account {n}", "EUR", Fraction(10), Fraction(10) + Fraction(delta, 3))
        for n, delta in enumerate((30, 3, 0, -3, -18))
    )
    return Answer(
        "EUR", Fraction(50), Fraction(54), (Step("o.use", Fraction(4)),), changes, 0.1, replayed=True,
        shares=(("operator", Fraction(50), Fraction(54)),),
    )  # fmt: skip


def test_the_distribution_counts_every_account_once() -> None:
    rows = distribution(answer().changes)
    assert sum(count for _, count, _ in rows) == 5
    assert {label: count for label, count, _ in rows if count} == {
        "< -50": 1, "-25…-10": 1, "same": 1, "5…10": 1, "> 50": 1,
    }  # fmt: skip
    assert [side for label, _, side in rows if label in ("< -50", "same", "> 50")] == [-1, 0, 1]


def test_an_answer_is_carried_away_exactly() -> None:
    found, ask = answer(), Ask(moved="o.use.amount=0.2", usage="1,1")
    table = pq.read_table(BytesIO(export.parquet(found)))
    assert table["delta_exact"].to_pylist() == ["10", "1", "0", "-1", "-6"]
    assert "double" not in {str(field.type) for field in table.schema}
    book = openpyxl.load_workbook(BytesIO(export.workbook(found, ask)))
    assert book.sheetnames == ["Summary", "By rule", "Accounts"]
    assert book["Accounts"]["C2"].value == 10
    page = export.report(found, ask, "What <if>", NOW, Writer("fr"))
    assert "What &lt;if&gt;" in page
    assert "<script" not in page and "http" not in page
    said = yaml.safe_load(export.scenario_yaml(ask))
    assert said["patches"] == {"o.use.amount": 0.2}
    assert said["growth"] == [{"usage": 1.1}]
