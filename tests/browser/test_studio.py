"""The Studio in a real Chromium, with a real mouse and real keys."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.browser


def begin(page, card: str) -> None:
    """Take a price list of the gallery up."""
    page.get_by_text("Templates: begin a new offer").wait_for()
    page.locator(".MuiPaper-root", has_text=card).last.get_by_role("button").click()
    page.locator(".desk").wait_for()


def drag(page, source, target) -> None:
    """Drag with the mouse: press, move over in small steps, let go."""
    start, end = source.bounding_box(), target.bounding_box()
    x, y = start["x"] + start["width"] / 2, start["y"] + start["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 12, y + 12, steps=4)
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=15)
    page.wait_for_timeout(300)
    page.mouse.up()


def labels(page) -> list[str]:
    """The blocks of the offer, from top to bottom."""
    return page.locator(".block > header .label").all_inner_texts()


def has(page, words: str) -> None:
    """Wait until the YAML on show says something."""
    page.locator(".ace_line", has_text=words).first.wait_for()


def lacks(page, words: str) -> None:
    page.locator(".ace_line", has_text=words).first.wait_for(state="hidden")


def test_blocks_are_dragged_in_moved_by_keys_and_written_as_yaml(watcher) -> None:
    page = watcher.open("/studio")
    begin(page, "Lights On")
    assert labels(page) == ["Per unit", "Fee", "Tax", "Split"]
    drag(page, page.locator("[data-item=graduated]"), page.locator(".block").nth(1))
    page.locator(".block .label", has_text="Graduated tiers").wait_for()
    has(page, "graduated:")
    assert "Graduated tiers" in labels(page)[:2]

    grip = page.locator(".block", has_text="Graduated tiers").locator("> header .grip")
    before = labels(page).index("Graduated tiers")
    grip.focus()
    page.keyboard.press("Alt+ArrowDown")
    page.get_by_text(f"graduated is at place {before + 2} of 5.").wait_for()
    page.keyboard.press("Alt+ArrowDown")  # the focus went along
    page.get_by_text(f"graduated is at place {before + 3} of 5.").wait_for()
    assert labels(page).index("Graduated tiers") == before + 2

    inner = page.locator(".block", has_text="Per unit").locator(".inner").first
    drag(page, page.locator("[data-item=window]"), inner)
    page.locator(".sub .label", has_text="At these times").wait_for()
    has(page, "windows:")
    page.locator(".sub .label", has_text="Otherwise").wait_for()


def test_what_is_wrong_is_said_at_the_field_with_its_cure(watcher) -> None:
    page = watcher.open("/studio")
    begin(page, "Lights On")
    page.locator(".block > header .fold").first.click()
    amount = page.get_by_label("Amount", exact=True).first
    amount.fill("cheap")
    told = page.locator(".wrong-text").first
    told.wait_for()
    assert "not a decimal number" in told.inner_text()
    assert "0.00005" in told.inner_text()
    assert amount.get_attribute("aria-invalid") == "true"
    amount.fill("0.0002")
    page.get_by_text("Can be priced", exact=True).wait_for()
    has(page, "amount: 0.0002")


def test_yaml_and_blocks_follow_each_other_and_everything_can_be_undone(watcher) -> None:
    page = watcher.open("/studio")
    begin(page, "Lights On")
    # The editor's lines let the mouse through to the layer below them, so it is the place that is clicked.
    line = page.locator(".ace_line", has_text="title: Lights On").bounding_box()
    page.mouse.click(line["x"] + 60, line["y"] + line["height"] / 2)
    page.keyboard.press("End")
    page.keyboard.type(" Tonight")
    title = page.get_by_label("Title", exact=True).first
    page.wait_for_function("(box) => box.value === 'Lights On Tonight'", arg=title.element_handle())
    page.get_by_label("Remove Tax standard").click()
    lacks(page, "taxes:")
    page.get_by_role("button", name="Undo").click()
    has(page, "taxes:")
    page.get_by_role("button", name="Redo").click()
    lacks(page, "taxes:")
    page.locator("[data-item=fee]").focus()
    page.keyboard.press("Enter")
    has(page, "id: fee")
    page.keyboard.press("Delete")  # the new block's grip has the focus
    lacks(page, "id: fee")
    assert labels(page) == ["Per unit", "Fee", "Split"]


def test_a_product_manager_takes_an_offer_from_an_idea_to_its_customers(watcher, picture) -> None:
    """Without touching YAML: tiers dragged in, moved by keys, tried, read why, gate passed, published."""
    page = watcher.open("/studio")
    page.get_by_text("Templates: begin a new offer").wait_for()
    page.locator(".MuiPaper-root", has_text="Plug & Go").last.wait_for()
    page.wait_for_timeout(1_500)
    picture(page, "studio-gallery.png")
    begin(page, "Plug & Go")
    page.get_by_text("Nobody pays more or less than now").wait_for()
    drag(page, page.locator("[data-item=graduated]"), page.locator(".block").first)
    tier = page.get_by_label("Tier 1, Amount")
    tier.fill("0.03")
    page.get_by_label("Tier 2, Amount").fill("0.02")
    page.get_by_text("Dearer than now at any use").wait_for()  # the curve has moved
    page.get_by_text("gets a price 'graduated'").wait_for()
    page.locator(".block", has_text="Graduated tiers").locator("> header .grip").focus()
    page.keyboard.press("Alt+ArrowDown")
    page.get_by_text("graduated is at place").wait_for()
    page.wait_for_timeout(1_000)
    picture(page, "studio.png")

    page.get_by_role("button", name="Try it on real traffic").click()
    page.wait_for_url("**/simulator?draft=*")
    page.get_by_text("priced twice").wait_for()
    loser = page.locator(".tabulator-row").first
    loser.wait_for()
    page.wait_for_timeout(1_500)
    picture(page, "simulator.png")
    loser.click()
    page.locator("[data-traces]").wait_for()
    why = page.locator("[data-traces]").inner_text()
    assert "NOW" in why.upper() and "THEN" in why.upper()
    assert page.get_by_text("plug-and-go.graduated").count() >= 1
    assert "account=" in page.url
    page.get_by_text("Why this bill moves").scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    picture(page, "simulator-why.png")

    page.get_by_role("link", name="Change it in the Studio").click()
    page.wait_for_url("**/studio?draft=*")
    page.locator(".desk").wait_for()
    page.get_by_role("button", name="Publish").click()
    page.get_by_text("has not passed the gate").wait_for()
    page.get_by_role("button", name="Run the gate").click()
    page.get_by_text("It passes the gate").wait_for()
    picture(page, "studio-gate.png")
    page.get_by_role("button", name="Publish").click()
    page.get_by_text("Published: version 2 of plug-and-go").wait_for()


def test_sliders_answer_at_once_in_both_languages_and_the_address_holds_it_all(watcher) -> None:
    page = watcher.open("/simulator?offer=lights-on&lang=fr")
    page.get_by_text("it answers at once").wait_for()
    slider = page.get_by_role("slider").nth(1)
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("Reckoned from what every counter holds").wait_for()
    told = page.get_by_text("Reckoned from what every counter holds").inner_text()
    milliseconds = int(re.sub(r"\D", "", told.split(" in ")[1].split(" ms")[0]))
    assert milliseconds < 1000
    page.wait_for_url("**moved=lights-on.*")
    revenue = page.locator("[data-tile=after]").inner_text()
    assert "€" in revenue and "," in revenue
    shared = watcher.open(page.url.removeprefix(watcher.address))
    shared.locator("[data-tile=after]").wait_for()
    assert shared.locator("[data-tile=after]").inner_text() == revenue
    with shared.expect_download() as got:
        shared.get_by_role("button", name="Excel").click()
    assert got.value.suggested_filename == "what-if.xlsx"
