"""The path by hand: files, parties and offers in; charges, invoices, statements and their proof out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from tests.cli.conftest import Said
from workbench.cli.bill import period_in
from workbench.errors import UsageError

Say = Callable[..., Said]

MAPPING = """
source: bins
parameters: {depot: {default: north}}
time: {zone: UTC, ends_at: at}
device: {column: bin}
key: {columns: [device, ends_at]}
meters:
  weight: {column: grams, unit: gram}
"""
OFFER = """
meters: [{id: bins.weight, unit: gram}]
partners: [{id: operator}, {id: hauler}]
offers:
  - id: by-weight
    version: 1
    title: By weight
    currency: EUR
    effective: 2026-01-01
    zone: UTC
    prices: [{id: weight, meter: bins.weight, per_unit: {amount: 0.0001, per: 1 gram}}]
    taxes: [{category: standard, rate: 19 %}]
    split: {rules: [{partner: operator, percent: 60 %}, {partner: hauler, percent: 40 %}]}
"""
ACCOUNTS = "account_id,name\nacme,Acme Bins\n"
SUBSCRIPTIONS = (
    "subscription_id,account_id,device_id,offer_id,starts_at\n"
    "s1,acme,bin-1,by-weight,2026-01-01T00:00:00Z\ns2,acme,bin-2,by-weight,2026-01-01T00:00:00Z\n"
)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a day of two bins, and all that is needed to bill them; one row is no number, one is twice."""
    begin = datetime(2026, 3, 2)
    rows = [
        f"{begin + timedelta(hours=hour, minutes=number)},bin-{number},{1000 * number + hour}"
        for hour in range(24)
        for number in (1, 2)
    ]
    (tmp_path / "usage.csv").write_text(
        "\n".join(["at,bin,grams", *rows, rows[0], "2026-03-02 09:30:00,bin-1,heavy"])
    )
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    (tmp_path / "offer.yaml").write_text(OFFER)
    (tmp_path / "accounts.csv").write_text(ACCOUNTS)
    (tmp_path / "partners.csv").write_text("partner_id,name\noperator,Us\nhauler,Them\n")
    (tmp_path / "subscriptions.csv").write_text(SUBSCRIPTIONS)
    return tmp_path


UNITS = sum(1000 * number + hour for hour in range(24) for number in (1, 2))
NANO = UNITS * 100_000


def landed(say: Say, desk: Path) -> Said:
    words = ("--mapping", desk / "mapping.yaml", "--lake", desk / "lake", "--received-at", "2026-03-03")
    return say("ingest", desk / "usage.csv", *words, "--json")


def billed(say: Say, desk: Path) -> Path:
    """The lake after the whole path."""
    lake = desk / "lake"
    assert landed(say, desk).code == 0
    files = [
        word
        for kind in ("accounts", "partners", "subscriptions")
        for word in (f"--{kind}", desk / f"{kind}.csv")
    ]
    assert say("parties", "load", lake, *files).code == 0
    assert say("rate", lake, "--period", "2026-03-02", "--catalog", desk / "offer.yaml").code == 0
    assert say("close", lake, "--period", "2026-03-02", "--issued", "2026-03-05").code == 0
    return lake


def test_ingest_tells_what_became_of_every_row(say: Say, desk: Path) -> None:
    said = landed(say, desk)
    assert said.code == 0
    found = said.object
    assert (found["rows"], found["landed"], found["rejects"]) == (50, 49, 1)
    assert found["reject_reasons"] == {"not_a_number": 1}
    assert found["streams"] == ["bins.weight"]
    again = landed(say, desk).object
    assert (again["files_skipped"], again["landed"]) == (1, 0)


def test_ingest_of_the_past_says_what_to_do(say: Say, desk: Path) -> None:
    said = say("ingest", desk / "usage.csv", "--mapping", desk / "mapping.yaml", "--lake", desk / "lake",
               "--received-at", "2026-12-31")  # fmt: skip
    assert said.code == 0
    assert "--received-at" in said.out


def test_landing_and_mediating_can_be_two_steps(say: Say, desk: Path) -> None:
    words = (
        "--mapping",
        desk / "mapping.yaml",
        "--lake",
        desk / "lake",
        "--received-at",
        "2026-03-03",
        "--land-only",
    )
    assert say("ingest", desk / "usage.csv", *words, "--json").object["windows_mediated"] == 0
    assert say("status", desk / "lake", "--json").object["streams"][0]["to_mediate"] == 49
    found = say("mediate", desk / "lake", "--json").object
    assert (found["events_accepted"], found["duplicates"], found["records"]) == (48, 1, 48)
    assert say("status", desk / "lake", "--json").object["streams"][0]["to_mediate"] == 0


def test_the_bill_is_exact(say: Say, desk: Path) -> None:
    lake = billed(say, desk)
    (invoice,) = say("invoice", "list", lake, "--json").object["invoices"]
    cents = -(-2 * NANO // 10_000_000 - 1) // 2  # half away from zero
    assert (invoice["account_id"], invoice["net_nano"]) == ("acme", cents * 10_000_000)
    shown = say("invoice", "show", lake, "--json").object
    assert Fraction(shown["lines"][0]["exact_nano"]) == NANO
    assert shown["issued_at"] == "2026-03-05T00:00:00Z"
    owed = {
        row["partner_id"]: row["statement_nano"]
        for row in say("statement", lake, "--json").object["statements"]
    }
    assert sum(owed.values()) == invoice["net_nano"]
    assert abs(owed["hauler"] - Fraction(2, 5) * NANO) <= 10_000_000
    assert say("verify", lake, "--full", "--json").object["verify_ok"] is True


def test_closing_twice_changes_nothing(say: Say, desk: Path) -> None:
    lake = billed(say, desk)
    version = say("status", lake, "--json").object["version"]
    again = say("close", lake, "--period", "2026-03-02", "--json").object
    assert (again["was_closed"], again["documents"]) == (True, 0)
    assert say("status", lake, "--json").object["version"] == version


def test_what_comes_late_is_billed_as_an_adjustment(say: Say, desk: Path) -> None:
    lake = billed(say, desk)
    (desk / "late.csv").write_text("at,bin,grams\n2026-03-02 05:00:30,bin-1,500000\n")
    words = ("--mapping", desk / "mapping.yaml", "--lake", lake, "--received-at", "2026-03-06")
    assert say("ingest", desk / "late.csv", *words).code == 0
    assert say("rate", lake, "--period", "2026-03-02").code == 0
    closed = say("close", lake, "--period", "2026-03-02", "--issued", "2026-03-07", "--json").object
    assert (closed["was_closed"], closed["documents"]) == (True, 1)
    assert closed["totals"]["EUR"]["net_nano"] == round((NANO + 500_000 * 100_000) / 10_000_000) * 10_000_000
    assert say("verify", lake, "--full", "--json").object["verify_ok"] is True


def test_documents_can_be_kept_as_pages(say: Say, desk: Path) -> None:
    lake, page = billed(say, desk), desk / "page.html"
    assert say("invoice", "show", lake, "--html", page).code == 0
    assert "Acme Bins" in page.read_text()
    assert say("statement", lake, "hauler", "--html", page).code == 0
    assert "Them" in page.read_text()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("ingest", "{}/none.csv", "--mapping", "{}/mapping.yaml", "--lake", "{}/lake"), "file_unreadable"),
        (("ingest", "{}/empty", "--mapping", "{}/mapping.yaml", "--lake", "{}/lake"), "file_unreadable"),
        (("ingest", "{}/usage.csv", "--mapping", "{}/offer.yaml", "--lake", "{}/lake"), "unknown_key"),
        (
            (
                "ingest",
                "{}/usage.csv",
                "--mapping",
                "{}/mapping.yaml",
                "--param",
                "depot",
                "--lake",
                "{}/lake",
            ),
            "usage",
        ),
        (("parties", "load", "{}/lake"), "usage"),
        (("parties", "load", "{}/lake", "--accounts", "{}/subscriptions.csv"), "party_column"),
        (("rate", "{}/lake", "--period", "2026-03-02"), "catalog_missing"),
        (("rate", "{}/lake", "--period", "soon"), "period_bad"),
        (("rate", "{}/lake", "--period", "2026-03-05/2026-03-02"), "period_bad"),
        (("close", "{}/lake", "--period", "2026-03-02"), "catalog_missing"),
        (("invoice", "list", "{}/lake"), "nothing_closed"),
        (("records", "{}/lake", "bins.volume"), "stream_unknown"),
        (("parties", "show", "{}/lake", "cats"), "party_table"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    say: Say, desk: Path, words: tuple[str, ...], code: str
) -> None:
    (desk / "empty").mkdir()
    landed(say, desk)
    said = say(*(word.format(desk) for word in words), "--json")
    assert said.code == 2
    assert said.error["code"].endswith(code), said.error
    assert said.error["cure"]


def test_a_bad_offer_stops_before_anything_is_written(say: Say, desk: Path) -> None:
    landed(say, desk)
    version = say("status", desk / "lake", "--json").object["version"]
    (desk / "bad.yaml").write_text(OFFER.replace("40 %", "50 %"))
    said = say("rate", desk / "lake", "--period", "2026-03-02", "--catalog", desk / "bad.yaml", "--json")
    assert said.code == 2
    assert "110" in said.error["what"] or "100" in said.error["what"]
    assert say("status", desk / "lake", "--json").object["version"] == version


@pytest.mark.parametrize(
    ("words", "days"), [("2026-02", 28), ("2026-12", 31), ("2026-03-02", 1), ("2026-03-02/2026-03-09", 7)]
)
def test_periods_in_words(words: str, days: int) -> None:
    period = period_in(words)
    assert (period.end - period.start).days == days


@pytest.mark.parametrize(
    "words", ["", "2026", "2026-13", "2026-03-02/2026-03-02", "9999-12-31", "2026-03-02/", "x/y"]
)
def test_what_is_no_period_is_refused(words: str) -> None:
    with pytest.raises(UsageError):
        period_in(words)


def test_a_slip_by_which_was_billed_stops_no_recomputation(say: Say, desk: Path) -> None:
    from workbench.tariff.catalogue import loads

    slip = (
        OFFER
        + "    fees: [{id: late, amount: 1, every: period, per: device, from_period: 5, to_period: 2}]\n"
    )
    (desk / "offer.yaml").write_text(slip)
    (offer,) = loads(slip, kept=None).offers
    lock = desk / "catalog.lock"
    lock.write_text(f"{offer.id} {offer.version} {offer.sha256} {offer.effective}\n")
    lake = billed(say, desk)
    lock.unlink()
    again = say("rate", lake, "--period", "2026-03-03", "--catalog", desk / "offer.yaml")
    assert again.code == 0, again.err
    proven = say("verify", lake, "--full", "--catalog", desk / "offer.yaml", "--json")
    assert proven.object["verify_ok"] is True
    other = say("rate", desk / "other", "--period", "2026-03-02", "--catalog", desk / "offer.yaml")
    assert other.code != 0
    assert say("catalog", "check", desk / "offer.yaml").code != 0


def test_a_price_by_what_records_do_not_hold_is_refused_with_the_policy_that_would_do(
    say: Say, desk: Path
) -> None:
    """It had ended as a defect of the workbench: the mapping's dimensions are kept only where the policy says so."""
    by_depot = (
        "rates: [{match: {depot: north}, per_unit: {amount: 0.0002}}, {id: rest, per_unit: {amount: 0.0001}}]"
    )
    offer = OFFER.replace("per_unit: {amount: 0.0001, per: 1 gram}", by_depot)
    billed(say, desk)
    (desk / "offer.yaml").write_text(offer.replace("unit: gram}", "unit: gram, dimensions: [depot]}"))
    said = say("rate", desk / "lake", "--period", "2026-03-02", "--catalog", desk / "offer.yaml", "--json")
    assert said.code != 0
    assert said.error["code"] == "dimension_not_kept"
    assert said.error["where"] == "bins.weight"
    assert "`dimensions: [depot]`" in said.error["cure"]


def test_a_years_fee_is_not_billed_in_a_month(say: Say, desk: Path) -> None:
    lake = billed(say, desk)
    (desk / "yearly.yaml").write_text(
        OFFER.replace("    currency: EUR\n", "    currency: EUR\n    period: year\n", 1)
        + "    fees: [{id: rent, amount: 365, every: period, per: device}]\n"
    )
    said = say("rate", lake, "--period", "2026-03", "--catalog", desk / "yearly.yaml", "--json")
    assert said.code != 0
    assert said.error["code"] == "billing_span"
    assert "the fee 'rent' is for a whole one; this period has 31 days" in said.error["what"]
    assert say("rate", lake, "--period", "2026-01-01/2027-01-01", "--catalog", desk / "yearly.yaml").code == 0
