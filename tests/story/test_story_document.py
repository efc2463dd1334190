"""The document: positions, ids that come from the text alone, and an edit that equals reading the new text."""

import gzip
import hashlib
import os
import pickle
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import UserError
from gnomon.story.document import Story, detect_language

PIECES = st.sampled_from(
    ["Mr. Hale left.", " ", "\n", "\n\n", "***", "# One", "#", "—", "— Da,", "“", "”", '"', "I", "Chapter 2", ".", "!", "a", "B c", "ș", "😀", "\t", "…", " ’"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=25).map("".join)


def parts_of(story: Story) -> tuple[object, ...]:
    return (story.text, story.scenes, story.paragraphs, story.sentences, story.quotations, story.language)


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS, st.data())
def test_an_edit_gives_what_reading_the_new_text_gives(text: str, inserted: str, data: st.DataObject) -> None:
    story = Story.from_text(text)
    for _ in range(3):
        start = data.draw(st.integers(0, len(story.text)))
        end = data.draw(st.integers(start, min(len(story.text), start + 12)))
        text = story.text[:start] + inserted + story.text[end:]
        story = story.edit(start, end, inserted)
        assert parts_of(story) == parts_of(Story.from_text(text))
        assert story == Story.from_text(text)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_paragraphs_are_runs_of_lines_and_sentences_lie_inside_them_and_hold_every_letter(text: str) -> None:
    story = Story.from_text(text)
    covered = set()
    for span in story.paragraphs:
        assert text[span.start : span.end].strip()
        assert not re.search(r"\n[ \t]*\n", text[span.start : span.end])
        assert span.start == 0 or text[span.start - 1] == "\n"
        assert span.end == len(text) or text[span.end] == "\n"
        covered |= set(range(span.start, span.end))
    assert all(text[place].isspace() for place in set(range(len(text))) - covered)
    letters = {place for place, character in enumerate(text) if character.isalpha()}
    last = 0
    for sentence in story.sentences:
        assert last <= sentence.start < sentence.end
        assert text[sentence.start : sentence.end] == text[sentence.start : sentence.end].strip()
        holders = [each for each in story.paragraphs if each.start <= sentence.start and sentence.end <= each.end]
        assert [each.id for each in holders] == [sentence.id.rsplit(".", 1)[0]]
        letters -= set(range(sentence.start, sentence.end))
        last = sentence.end
    assert not letters
    within = [(scene.start, scene.end) for scene in story.scenes]
    assert within == sorted(within)
    assert all(first[1] <= second[0] for first, second in pairwise(within))


def test_ids_are_of_the_text_with_a_number_for_repeats() -> None:
    story = Story.from_text("He left.\n\nShe stayed. He left.\n\nHe left.")
    digest = hashlib.sha256(b"He left.").hexdigest()[:12]
    assert [each.id for each in story.paragraphs][::2] == [digest, f"{digest}-2"]
    assert [each.id for each in story.sentences] == [
        f"{digest}.0",
        f"{story.paragraphs[1].id}.0",
        f"{story.paragraphs[1].id}.1",
        f"{digest}-2.0",
    ]
    assert story.scenes[0].id == "s-" + hashlib.sha256(story.text.encode()).hexdigest()[:12]


def test_an_edit_there_and_back_has_the_ids_of_before() -> None:
    story = Story.from_text("Anna slept.\n\nTom woke.\n\nAnna slept.")
    assert parts_of(story.edit(0, 4, "Ana\n\n").edit(0, 5, "Anna")) == parts_of(story)


def test_scenes_begin_at_headings_and_breaks_and_hold_their_headings() -> None:
    text = (
        "Front.\n\n# One\n\n## Night\n\nAh.\n\n* * *\n\nBe.\n***\nSo.\n\nCapitolul II\n\nDo.\n\nXIV.\n\nHe.\n\n#\n\nIf."
    )
    story = Story.from_text(text)
    assert [text[each.start : each.end] for each in story.scenes] == [
        "Front.", "# One\n\n## Night\n\nAh.", "Be.", "So.", "Capitolul II\n\nDo.", "XIV.\n\nHe.", "If.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    ["# X", "Chapter 1", "CHAPTER XII. The Whale", "Chapter Twenty-One", "Capitolul I. Dinu", "PARTEA I. DELA 1814 PÂNĂ LA 1830", "EPILOG.", "Prologue", "IV", "IV.", "VII. THE ADVENTURE OF THE BLUE CARBUNCLE", "Book the First"],
)  # fmt: skip
def test_these_lines_are_headings(line: str) -> None:
    assert Story.from_text(f"A.\n\n{line}\n\nB.").paragraph_kind(1) == "heading"


@pytest.mark.parametrize(
    "line",
    ["Part one of the plan had failed.", "Chapter after chapter went by.", "I did.", "VIX", "#1 was late.", "Book me a room.", "BOOK I. (Folio), CHAPTER I. (Whale).--This whale,\namong others, spouts.", "The end.", "Mild."],
)  # fmt: skip
def test_these_lines_are_none(line: str) -> None:
    assert Story.from_text(f"A.\n\n{line}\n\nB.").paragraph_kind(1) == "text"
    assert len(Story.from_text(f"A.\n\n{line}\n\nB.").scenes) == 1


def test_the_callers_scenes_move_with_the_text_and_vanish_when_emptied() -> None:
    story = Story.from_text("One. Two. Three.", scenes=[(0, 4), (5, 9), (10, 16)])

    def texts(of: Story) -> list[str]:
        return [of.text[each.start : each.end] for each in of.scenes]

    assert texts(story) == ["One.", "Two.", "Three."]
    assert texts(story.edit(6, 6, "HE")) == ["One.", "THEwo.", "Three."]
    assert texts(story.edit(5, 8, "2")) == ["One.", "2.", "Three."]
    assert texts(story.edit(5, 5, "Yet ")) == ["One.", "Two.", "Three."]
    assert texts(story.edit(5, 9, "")) == ["One.", "Three."]
    with pytest.raises(UserError, match="overlaps"):
        Story.from_text("One. Two.", scenes=[(0, 5), (4, 9)])


def test_positions_are_code_points() -> None:
    story = Story.from_text("😀 He saw 👩‍👧. She ran.")
    assert [story.text[each.start : each.end] for each in story.sentences] == ["😀 He saw 👩‍👧.", "She ran."]
    assert story.sentences[1].start == 14


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 2), (0, 99), (99, 99)])
def test_an_edit_outside_the_text_is_refused(start: int, end: int) -> None:
    story = Story.from_text("Short.")
    with pytest.raises(ValueError, match="range"):
        story.edit(start, end, "x")
    with pytest.raises(ValueError, match="range"):
        story.anchor(start, end)


@pytest.mark.parametrize("bad", ["a\ud800b", "a\x00b"])
def test_a_lone_surrogate_or_nul_is_refused_with_its_position(bad: str) -> None:
    with pytest.raises(UserError, match="position 1"):
        Story.from_text(bad)
    with pytest.raises(UserError, match="position 1"):
        Story.from_text("x").edit(0, 1, bad)


def test_a_story_is_immutable_and_can_be_pickled() -> None:
    story = Story.from_text("One. Two.", title="T", scenes=[(0, 4)], newline="\r\n")
    with pytest.raises(AttributeError):
        story.text = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Story()
    again = pickle.loads(pickle.dumps(story))
    assert again == story
    assert parts_of(again) == parts_of(story)
    assert hash(again) == hash(story)
    assert again.newline == "\r\n"


def test_where_a_position_lies() -> None:
    story = Story.from_text("A b.\n\n***\n\nC d.")
    assert [story.paragraph_at(place) for place in (0, 3, 4, 6, 11, 15, 99)] == [0, 0, None, 1, 2, None, None]
    assert [story.scene_at(place) for place in (0, 5, 7, 11)] == [0, None, None, 1]
    assert story.sentences_of(2) == [(0, 4)]


@pytest.mark.parametrize(
    "text", ["", " \n\n \t", "word", "“”", '"', "***", "“…”", "!!!", "שלום. עולם.", "😀😀", "\n# \n"]
)
def test_odd_texts_work(text: str) -> None:
    story = Story.from_text(text)
    assert story.text == text
    assert len(story.sentences) <= 2
    assert story.edit(0, len(text), "He left.").sentences[0].end == 8


def test_a_hundred_thousand_words_without_a_full_stop_are_one_sentence() -> None:
    assert len(Story.from_text("word " * 100_000).sentences) == 1


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", "en"),
        ("Xolotl vanished.", "en"),
        ("It was a dark night and the old man had lost his way in the wood.", "en"),
        ("Într-o zi, bătrânul plecă la oraș și nu se mai întoarse niciodată.", "ro"),
        ("Decebal se întoarsă din resboiul ce a purtat cu neamul iazigilor ; și dădu poruncă.", "ro"),
        ("Longtemps, je me suis couché de bonne heure et les yeux se fermaient dans la nuit.", "other"),
        ("Als Gregor Samsa eines Morgens erwachte, fand er sich in seinem Bett zu einem Ungeziefer.", "other"),
        ("Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива.", "other"),
    ],
)
def test_the_language_is_found_by_function_words(text: str, language: str) -> None:
    assert detect_language(text) == language


def test_the_language_follows_the_text_unless_it_was_said() -> None:
    romanian = "Într-o zi, bătrânul plecă la oraș și nu se mai întoarse."
    assert Story.from_text("").edit(0, 0, romanian).language == "ro"
    assert Story.from_text("", language="en").edit(0, 0, romanian).language == "en"


def test_novels_fall_into_their_chapters() -> None:
    folder = os.environ.get("GNOMON_DATA_DIR")
    path = Path(folder or "", "text/2489_moby_dick.txt.gz")
    if not folder or not path.exists():
        pytest.skip("needs text/2489_moby_dick.txt.gz in GNOMON_DATA_DIR")
    story = Story.from_text(gzip.decompress(path.read_bytes()).decode())
    starts = [story.text[each.start : each.start + 10].strip() for each in story.scenes]
    assert len([each for each in starts if each.startswith("CHAPTER")]) == 135
    assert len(starts) == 136
    assert starts[-1] == "Epilogue"
