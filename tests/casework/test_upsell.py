"""Upsell: chances that keep their promise, bills by the kernel that are the twin's, and customers nobody sells to on a suspicion."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from html import escape
from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from workbench.casework.case import Case
from workbench.casework.desk import Desk
from workbench.casework.maintenance import maintenance_offers
from workbench.casework.outbox import Outbox, Wires
from workbench.casework.projection import by_hour
from workbench.casework.standing import CHANCE_LEAST, Offer, held_out
from workbench.casework.telling import lift, mail, snapshot_html
from workbench.casework.upsell import Sales, Upsell, upsell
from workbench.cli.main import run
from workbench.errors import CaseworkError
from workbench.lake.lake import Lake
from workbench.showcase.build import build
from workbench.showcase.cast import FILES
from workbench.showcase.scene import Scene


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two billed days of homes, chargers and trackers."""
    path = tmp_path_factory.mktemp("town") / "lake"
    build(path, Scene({"meters": 60, "chargers": 16, "trackers": 30}, days=2, faults="demo"))
    return path


@pytest.fixture(scope="module")
def found(town: Path) -> Upsell:
    with wb.open_lake(town) as lake:
        return wb.upsell(lake)


def test_offers_are_sure_enough_save_money_and_are_one_per_customer(found: Upsell) -> None:
    assert len(found.offers) >= 3
    for one in found.offers:
        assert one.chance >= CHANCE_LEAST and one.saving > 0 and not one.held_out
        assert one.reason.endswith(".") and one.title in one.reason
    accounts = [one.account for one in (*found.offers, *found.held_out)]
    assert len(accounts) == len(set(accounts))
    assert all(held_out("main", one.account) for one in found.held_out)
    savings = [one.saving for one in found.offers]
    assert savings == sorted(savings, reverse=True)


def test_the_kernel_says_to_the_last_digit_what_the_twin_replays(found: Upsell) -> None:
    """At the period's end use is known, so expected savings are the replayed ones times three."""
    replayed = [one for one in found.offers if one.replayed is not None]
    assert replayed
    for one in replayed:
        assert one.replayed is not None
        before, after = one.replayed
        where = [s for s in found.standings if (s.account, s.current) == (one.account, one.current)]
        assert where[0].bill == before
        assert one.saving == 3 * (before - after)


def test_use_in_an_open_case_never_counts(town: Path) -> None:
    with Lake.open(town) as lake:
        desk = Desk.of(lake)
        before = Sales.of(lake, desk=desk).at()
        top = max(
            (s for s in before if s.current == "kitchen-current" and not s.left_out), key=lambda s: s.used
        )
        device = lake.con.execute(
            f"SELECT device_id FROM {lake.scan('subscriptions')} WHERE account_id = '{top.account}'"
        ).fetchall()[0][0]
        base = next(case for case in desk.cases() if case.kind != "random_check")

        class Suspicious(Desk):
            def cases(self) -> list[Case]:
                doubt = replace(base, case_id="doubt", subject=device, members=(), since=Sales.of(lake, desk=desk).begin,
                                until=Sales.of(lake, desk=desk).begin + timedelta(days=1), state="open")  # fmt: skip
                return [*super().cases(), doubt]

        sales = Sales.of(lake, desk=Suspicious(desk.folder))
        after = next(s for s in sales.at() if s.account == top.account)
        assert after.left_out > 0 and after.used + after.left_out == top.used
        offer = top.offer or after.offer
        if offer is not None:
            assert sales.replayed([offer])[0].replayed is None, (
                "the twin replays everything, so it is not asked"
            )


def test_chances_keep_their_promise_and_beat_the_base_rate() -> None:
    """Made-up customers with their own levels and noisy days; forecasts on day two, tiers around the middle."""
    generator = np.random.default_rng(11)
    shape = np.tile(np.arange(24), 3)
    day = 1 + 0.8 * np.sin(np.arange(24) / 24 * 2 * np.pi)
    level = generator.lognormal(0, 0.5, 400)
    use = (
        level[:, None]
        * np.tile(day, 3)
        * generator.gamma(2, 0.5, (400, 72))
        * generator.lognormal(0, 0.1, (400, 1))
    )
    total = use[:, 24:].sum(axis=1)
    tier = np.full(400, float(np.median(total)))
    for today in (44, 54, 64):
        outlook = by_hour(use, shape, 24, today, 72)
        if outlook is None:
            assert today < 48, "no forecast of that length has come true yet"
            continue
        chance, came = outlook.chance(tier), total >= tier
        brier, base = float(np.mean((chance - came) ** 2)), float(np.mean((came.mean() - came) ** 2))
        assert brier < 0.4 * base
        bins = np.clip((chance * 5).astype(int), 0, 4)
        wrong = sum(
            abs(chance[bins == b].mean() - came[bins == b].mean()) * (bins == b).mean()
            for b in range(5)
            if (bins == b).any()
        )
        assert wrong < 0.05
        low, _, high = outlook.interval(0.8)
        assert 0.72 <= float(np.mean((total >= low) & (total <= high))) <= 0.9


def test_an_earlier_instant_knows_nothing_of_later_ones(town: Path) -> None:
    with Lake.open(town) as lake:
        sales = Sales.of(lake)
        early, at = {s.account: s for s in sales.at(sales.begin + timedelta(hours=2))}, sales.instants[39]
        assert {s.state for s in early.values()} <= {"not_enough_data", "no_usage"}
        before = sales.at(at)
        for meter in sales.book.use:
            sales.book.use[meter][:, 40:] = 10**12
        assert [(s.used, s.projected, s.tier) for s in sales.at(at)] == [
            (s.used, s.projected, s.tier) for s in before
        ]


def test_a_plan_that_covers_what_is_used_and_not_priced_is_offered(town: Path, tmp_path: Path) -> None:
    text = (FILES / "sales.yaml").read_text()
    dearer = text.replace("{amount: 0.42, per: 1 kWh}", "{amount: 4.2, per: 1 kWh}")
    (tmp_path / "dearer.yaml").write_text(dearer)
    with Lake.open(town) as lake:
        sales = Sales.of(lake, tmp_path / "dearer.yaml")
        kernel = sales.kernels["plug-and-go"]
        assert not [s for s in sales.at() if s.offer and s.offer.proposed == "plug-and-go-fleet"], (
            "it would be dearer"
        )
        del kernel.parts["chargers.sessions"]
        adds = [s.offer for s in sales.at() if s.offer and s.offer.proposed == "plug-and-go-fleet"]
        assert adds and all(one is not None and one.adds == ("chargers.sessions",) for one in adds)


def test_failing_devices_become_one_visit_with_price_and_avoided_cost(found: Upsell, town: Path) -> None:
    assert found.maintenance
    visit = found.maintenance[0]
    assert visit.price == 39 + 14 * len(visit.devices)
    assert visit.avoided >= sum(Fraction(round(chance * 10**6), 10**6) * 95 for _, _, chance in visit.devices)
    with Lake.open(town) as lake:
        desk = Desk.of(lake)
        known = Sales.of(lake).known
        queue = [one for one in desk.queue() if one.case.kind == "stuck"][:1]
        twice = [queue[0], replace(queue[0], case=replace(queue[0].case, case_id="x", subject="other"))]
        one = maintenance_offers(twice, known, "main")
        assert len(one) == 1 and one[0].price == 39 + 2 * 14, "one visit for both"
        assert maintenance_offers(twice, replace(known, offers=()), "main") == []


def test_the_page_and_the_mail_hold_everything(found: Upsell) -> None:
    page = snapshot_html(found, owner="home")
    assert "http" not in page.replace("<!doctype html>", "") and "<script" not in page
    for one in found.offers:
        assert (f"<b>{escape(one.name)}</b><br><span class=why>{escape(one.reason)}" in page) == (
            one.owner == "home"
        )
    message = mail(found, "sales@localhost", "workbench@localhost")
    assert message["Subject"].endswith(f"{len(found.offers)} offers") and message.is_multipart()


def test_lift_compares_with_the_hold_out(found: Upsell) -> None:
    assert lift(found, {}).difference is None
    kept = tuple(replace(one, offer_id=f"h{n}") for n, one in enumerate(found.offers))
    both = replace(found, held_out=kept)
    outcomes = {one.offer_id: {"said": "accepted"} for one in found.offers} | {
        one.offer_id: {"said": "declined"} for one in kept
    }
    measured = lift(both, outcomes)
    assert measured.difference == 1.0 and measured.low is not None and 0 < measured.low < measured.high <= 1.1


def test_the_command_offers_tells_once_and_remembers(
    town: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import threading

    from tests.casework.test_actions import SECRET, Receiver

    key = tmp_path / "key"
    key.write_text(SECRET)
    with Receiver() as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        words = [
            "upsell",
            str(town),
            "--no-replay",
            "--json",
            "--webhook",
            receiver.url,
            "--secret",
            str(key),
        ]
        assert run([*words, "--snapshot", str(tmp_path / "s.html"), "--mail", str(tmp_path / "s.eml")]) == 0
        said = json.loads(capfd.readouterr().out)
        assert said["webhooks"] == len(said["offers"]) == len(receiver.heard) > 0
        assert json.loads(receiver.heard[0][1])["type"] == "upsell.trigger"
        assert run(words) == 0
        assert json.loads(capfd.readouterr().out)["webhooks"] == 0 and len(receiver.heard) == said["webhooks"]
        receiver.shutdown()
    assert (tmp_path / "s.html").read_text().startswith("<!doctype html>") and (tmp_path / "s.eml").exists()
    first = said["offers"][0]["offer_id"]
    assert run(["upsell", str(town), "--no-replay", "--json", "--outcome", first, "--said", "accepted"]) == 0
    assert json.loads(capfd.readouterr().out)["lift"]["offered_moved"] == 1
    for more, code in (
        (("--account", "nobody"), "customer_unknown"),
        (("--outcome", "nothing"), "offer_unknown_here"),
        (("--at", "soon"), "instant"),
    ):
        assert run(["upsell", str(town), "--no-replay", "--json", *more]) == 2
        assert json.loads(capfd.readouterr().err.splitlines()[-1])["error"]["code"] == code
    assert run(["upsell", str(town), "--no-replay"]) == 0
    assert "saves in 3" in capfd.readouterr().out


def test_a_lake_that_was_never_rated_says_so(tmp_path: Path) -> None:
    with Lake.open(tmp_path / "empty", create=True) as empty, pytest.raises(CaseworkError) as caught:
        upsell(empty, desk=Desk(tmp_path / "desk"))
    assert caught.value.code in ("nothing_rated", "nothing_to_look_at")


def test_what_is_held_out_is_never_told(found: Upsell, tmp_path: Path) -> None:
    from workbench.casework.telling import tell

    kept: list[Offer] = [replace(one, held_out=True) for one in found.offers]
    assert tell(kept, Outbox(tmp_path), Wires("http://127.0.0.1:1/", "s")) == 0


def test_devices_of_one_price_are_read_as_one_and_the_bill_is_the_same(town: Path) -> None:
    """Charging has one price per unit everywhere, homes have tiers: only the first is summed, and to the same amount."""
    from workbench.casework.usage import book_of

    with Lake.open(town) as lake:
        sales = Sales.of(lake)
        whole = book_of(lake, sales.desk.cases(), sales.book.slots[0], sales.end, sales.step)
        for place, customer in enumerate(whole.customers):
            kernel = sales.kernels[customer.offer]
            used = [book.used(place, 0, 999) for book in (sales.book, whole)]
            assert kernel.bill(used[0], devices=len(customer.devices)) == kernel.bill(
                used[1], devices=len(customer.devices)
            )
            if customer.offer == "plug-and-go" and len(customer.devices) > 1:
                assert len(used[0]) < len(used[1])
