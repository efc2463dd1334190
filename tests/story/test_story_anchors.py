"""Anchors: the law of known edits against an oracle that follows every character, and finding a place again."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gnomon.story.anchors import Anchor, Edit, fold
from gnomon.story.document import Story

TEXTS = st.text("abș\n ", min_size=1, max_size=30)


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.data())
def test_an_anchor_runs_from_its_first_to_its_last_surviving_character(text: str, data: st.DataObject) -> None:
    story = Story.from_text(text)
    identities: list[int | None] = list(range(len(text)))
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    anchor: Anchor | None = story.anchor(start, end)
    held = set(range(start, end))
    fresh = len(text)
    for _ in range(data.draw(st.integers(1, 4))):
        low = data.draw(st.integers(0, len(story.text)))
        high = data.draw(st.integers(low, len(story.text)))
        inserted = data.draw(st.text("xy", max_size=4))
        assert anchor is not None
        anchor = anchor.moved(Edit(low, high, inserted))
        story = story.edit(low, high, inserted)
        identities[low:high] = list(range(fresh, fresh + len(inserted)))
        fresh += len(inserted)
        places = [place for place, identity in enumerate(identities) if identity in held]
        if not places:
            assert anchor is None
            return
        assert anchor is not None
        assert (anchor.start, anchor.end) == (places[0], places[-1] + 1)
        assert anchor.quote == story.text[anchor.start : anchor.end]
        assert anchor.before == story.text[max(0, anchor.start - len(anchor.before)) : anchor.start]
        assert anchor.after == story.text[anchor.end : anchor.end + len(anchor.after)]
        held = set(identities[anchor.start : anchor.end])  # what joined it belongs to it from now on


def test_what_is_inserted_at_the_borders_does_not_join() -> None:
    anchor = Story.from_text("The cat sat.").anchor(4, 7)
    for place, expected in ((4, (6, 9)), (7, (4, 7)), (5, (4, 9))):
        moved = anchor.moved(Edit(place, place, "--"))
        assert moved is not None
        assert (moved.start, moved.end) == expected


def test_an_anchor_without_characters_is_lost_by_any_edit() -> None:
    assert Story.from_text("abc").anchor(1, 1).moved(Edit(0, 0, "x")) is None
    assert Story.from_text("abc").anchor(1, 1).locate("abc") is None


def test_the_surroundings_are_forty_characters() -> None:
    text = "".join(chr(0x100 + place) for place in range(200))
    anchor = Story.from_text(text).anchor(100, 110)
    assert (anchor.before, anchor.quote, anchor.after) == (text[60:100], text[100:110], text[110:150])


@settings(max_examples=200, deadline=None)
@given(st.text("abcșt \né", min_size=1, max_size=40), st.text("xyz ", max_size=60), st.data())
@example("a  b", "", None)
def test_the_quote_is_found_again_behind_new_text(text: str, front: str, data: st.DataObject | None) -> None:
    start = data.draw(st.integers(0, len(text) - 1)) if data else 2
    end = data.draw(st.integers(start + 1, len(text))) if data else 3
    anchor = Anchor.at(text, start, end)
    found = anchor.locate(front + text)
    assert found is not None
    low, high = found
    assert fold((front + text)[low:high]) == fold(anchor.quote)
    assert anchor.locate(text) == (start, end)


def test_of_several_the_surroundings_decide_and_then_nearness() -> None:
    anchor = Story.from_text("Tom ran. Anna ran. Tom ran.").anchor(14, 17)
    changed = "Once, Tom ran. Once, Anna ran. Once, Tom ran."
    assert anchor.locate(changed) == (26, 29)
    near = Story.from_text("x  x  x").anchor(3, 4)
    assert near.locate("x__x__x__x") == (3, 4)


def test_letters_are_equal_for_matching_whatever_their_form_and_never_rewritten() -> None:
    text = "Ştefan şi Păturică au plecat la ţară."
    anchor = Story.from_text(text).anchor(0, 18)
    for form in (text, text.replace("Ş", "Ș").replace("ş", "ș"), unicodedata.normalize("NFD", text)):
        found = anchor.locate("Apoi\n\n" + form)
        assert found is not None
        held = ("Apoi\n\n" + form)[found[0] : found[1]]
        assert fold(held) == "Ștefan și Păturică"
        assert held in form
    assert Story.from_text(text).anchor(0, 6).quote == "Ştefan"
    assert Anchor.at("Σωκράτης ξύπνησε", 0, 8).locate("Ο Σωκράτης") == (2, 10)


def test_lines_that_were_wrapped_anew_are_found() -> None:
    text = "He had gone down to the harbour before dawn."
    anchor = Story.from_text(text).anchor(7, 31)
    assert anchor.locate("  He had gone\ndown to the\n   harbour before dawn.") == (9, 36)


@pytest.mark.parametrize("size", [0, 40_000])
def test_an_alignment_finds_what_was_changed_a_little(size: int) -> None:
    filler = "The road was long and nobody spoke of what lay behind them now. " * (size // 64)
    text = filler + "At noon the harpooneer climbed down into the boat. They rowed." + filler
    start = len(filler)
    anchor = Story.from_text(text).anchor(start, start + 50)
    changed = text.replace("harpooneer climbed down", "harponeer clambered down")
    found = anchor.locate("New. " + changed)
    assert found is not None
    assert ("New. " + changed)[found[0] : found[1]] == "At noon the harponeer clambered down into the boat."
    gone = text.replace("At noon the harpooneer climbed down into the boat.", "Everything was otherwise here.")
    assert anchor.locate(gone) is None


def test_similarity_below_four_fifths_is_lost_and_at_it_is_found() -> None:
    anchor = Anchor.at("abcdefghij", 0, 10)
    assert anchor.locate("abXdefgXij") == (0, 10)
    assert anchor.locate("abXdeXgXij") is None
    assert Anchor.at("Tom", 0, 3).locate("Tim") is None
    assert anchor.locate("") is None
