"""An offer and its blocks are two views of one thing: nothing is lost on the way there and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.dashboards.studio import edit
from workbench.dashboards.studio.blocks import Block, Draft, draft_of, every, owner, renew, text_of
from workbench.dashboards.studio.judge import judge
from workbench.dashboards.studio.palette import ITEMS, MODELS
from workbench.dashboards.studio.plain import read, write
from workbench.errors import CatalogueError
from workbench.tariff.catalogue import loads

ROOT = Path(__file__).parents[2]
FILES = sorted(
    [*ROOT.glob("datasets/catalog/*.yaml"), *ROOT.glob("workbench/showcase/files/offers/*.yaml")],
    key=lambda path: path.name,
)
TEXTS = [path.read_text() for path in FILES]


def ordered(value: object) -> object:
    """A value in which the order of maps counts too."""
    if isinstance(value, dict):
        return [(key, ordered(item)) for key, item in value.items()]
    return [ordered(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_price_list_comes_back_as_it_was(path: Path) -> None:
    text = path.read_text()
    draft = draft_of(text)
    assert len(draft.blocks) >= 2
    again = text_of(draft).text
    assert ordered(read(again)) == ordered(read(text))
    assert loads(again).sha256 == loads(text).sha256
    assert text_of(draft_of(again)).text == again


words = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\u2028\u2029\ufeff"), max_size=12
)
scalars = st.one_of(
    st.none(), words, st.sampled_from(["null", "~", "", "07:00", "0.0004", "-5", "yes", "2026-03-01", "a: b", "# x"])
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(words.filter(lambda key: key != "<<"), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(words.filter(lambda key: key != "<<"), values, max_size=5))
@settings(deadline=None, max_examples=60)
def test_whatever_is_written_is_read_again(tree: dict) -> None:
    assert ordered(read(write(tree).text)) == ordered(tree)


@st.composite
def edited(draw: st.DrawFn) -> Draft:
    """A price list to which a hasty person did some things in the Studio."""
    draft = draft_of(draw(st.sampled_from(TEXTS)))
    for _ in range(draw(st.integers(0, 6))):
        draft = step(draw, draft)
    return draft


def step(draw: st.DrawFn, draft: Draft) -> Draft:
    """One change."""
    blocks = list(every(draft.blocks))
    uid = draw(st.sampled_from([block.uid for block in blocks])) if blocks else ""
    place = draw(st.integers(0, 5))
    what = draw(st.sampled_from(["add", "add", "move", "remove", "copy", "model", "target", "put"]))
    if what == "add":
        return edit.add(draft, draw(st.sampled_from(sorted(ITEMS))), place, uid)[0]
    if what == "move":
        return edit.move(draft, uid, place)
    if what == "remove":
        return edit.remove(draft, uid)
    if what == "copy":
        return edit.duplicate(draft, uid)[0]
    if what == "model":
        return edit.remodel(draft, uid, draw(st.sampled_from(sorted(MODELS))))
    if what == "target":
        return edit.target(draft, draw(st.sampled_from(["device", "sim_group", "pool", "event"])))
    return edit.put(draft, uid, ("title",), draw(words))


def shape(block: Block) -> object:
    return (
        block.kind,
        ordered(dict(sorted(block.fields.items()))),
        sorted(map(shape, block.subs), key=lambda s: s[0]),
    )


@given(edited())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_blocks_and_text_stay_in_step_whatever_is_done(draft: Draft) -> None:
    written = text_of(draft)
    again = draft_of(written.text, str(draft.header.get("id", "")))
    for kind in {block.kind for block in draft.blocks}:
        mine, theirs = ([shape(b) for b in d.blocks if b.kind == kind] for d in (draft, again))
        assert mine == theirs
    assert ordered(read(text_of(again).text)) == ordered(read(written.text))
    assert len({block.uid for block in every(draft.blocks)}) == len(list(every(draft.blocks)))
    kept = renew(draft, again)
    assert {block.uid for block in every(kept.blocks)} == {block.uid for block in every(draft.blocks)}


@given(edited())
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_every_line_of_the_text_belongs_to_the_block_that_said_it(draft: Draft) -> None:
    written = text_of(draft)
    owners = {owner(draft, path)[0] for path in written.paths}
    assert {block.uid for block in every(draft.blocks) if block.fields or block.subs} <= owners
    verdict = judge(draft, written)
    assert (verdict.mistake is None) == (verdict.catalogue is not None)


def test_a_second_price_at_night_keeps_the_first_for_the_rest_of_the_day() -> None:
    draft = draft_of((ROOT / "datasets/catalog/street-lamps.yaml").read_text())
    draft, uid = edit.add(draft, "window")
    price = draft.head_of(uid)
    assert price is not None
    assert [sub.fields["id"] for sub in price.subs] == ["night", "default"]
    offer = judge(draft).offer
    assert offer is not None
    assert [rate.id for rate in offer.components[0].rates] == ["night", "default"]


def test_a_price_changes_its_model_and_keeps_its_amount() -> None:
    draft = draft_of((ROOT / "datasets/catalog/street-lamps.yaml").read_text())
    price = draft.blocks[0]
    draft = edit.remodel(draft, price.uid, "graduated")
    assert draft.block(price.uid).fields["graduated"]["tiers"][0] == {"up_to": "100 kWh", "amount": "0.00005"}
    assert judge(draft).mistake is None


@pytest.mark.parametrize(
    "path, value, code, field",
    [
        (("per_unit", "amount"), "abc", "number", ("per_unit", "amount")),
        (("per_unit", "amount"), "-1", "amount_negative", ("per_unit", "amount")),
        (("per_unit", "per"), "1 GB", "unit_mismatch", ("per_unit", "per")),
        (("counter_period",), "fortnight", "field_choice", ("counter_period",)),
        (("meter",), "nobody.counts", "meter_unknown", ("meter",)),
    ],
)
def test_a_mistake_is_told_at_its_field_with_its_cure(
    path: tuple, value: str, code: str, field: tuple
) -> None:
    draft = draft_of((ROOT / "datasets/catalog/street-lamps.yaml").read_text())
    uid = draft.blocks[0].uid
    mistake = judge(edit.put(draft, uid, path, value)).mistake
    assert mistake is not None
    assert (mistake.code, mistake.uid, mistake.path) == (code, uid, field)
    assert mistake.cure


def test_a_finding_stands_at_the_price_it_is_about() -> None:
    draft = draft_of((ROOT / "datasets/catalog/pooled-m2m.yaml").read_text())
    price = next(block for block in draft.blocks if block.kind == "price")
    verdict = judge(edit.remodel(draft, price.uid, "volume"))
    falls = [remark for remark in verdict.remarks if remark.finding.code == "bill_falls"]
    assert [remark.uid for remark in falls] == [price.uid]
    assert len(falls[0].finding.witness) == 2


@pytest.mark.parametrize("text", ["", "meters: []\n", "offers: 5\n", "offers:\n  - 3\n", "offers: [\n"])
def test_text_in_which_no_blocks_can_be_seen_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(CatalogueError) as told:
        draft_of(text)
    assert told.value.cure
