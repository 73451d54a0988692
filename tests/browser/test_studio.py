"""The Studio in a real Chromium, with a real mouse and real keys."""

from __future__ import annotations

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
    page.locator(".ace_line", has_text="title: Lights On").click()
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
