"""Extraction of whole stories: reading on equals reading from the beginning, whatever was edited, and odd texts."""

from collections.abc import Sequence
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hand_parsed import HandPack, story_of
from hypothesis import given, settings

import gnomon.story
from gnomon.story.analysis import Analysis
from gnomon.story.document import Story
from gnomon.story.extracting import Extractor, analysis_of, extract, records_of
from gnomon.story.packs import Pack, load
from gnomon.story.records import Extraction, Fact

PIECES = [
    "Anna walked to the mill. ", "Tom had left London ten years earlier. ", "She laughed. ", "“Come in,” said Tom. ",
    "Now he slept.", "\n\n", "\n\n***\n\n", "# Two\n\n", "Mr. Bennet", " ", "“", ".", "He was beaten by Karl. ", "ș😀א", "Zorbek",
]  # fmt: skip
BOOK = """# One

Anna walked to the mill of the village. Tom followed her. “I am tired,” said Tom. She laughed and gave him the lamp.

Ten years earlier she had left London. She had met Tom at the inn. They quarrelled. Now she opened the door.

***

The next morning Mr. Bennet came to the mill. He was greeted by Anna. Tom did not speak. Tom laughed. Tom laughed.

“Where is Anna?” asked Mr. Bennet. “In London,” Tom answered. Before he left, he kissed her. It was late
"""


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load("en")


@pytest.fixture(scope="module")
def remembering(pack: Pack) -> "Remembering":
    return Remembering(pack)


class Remembering:
    """The pack, which is deterministic, with what it has seen before at hand: only to save time."""

    def __init__(self, pack: Pack) -> None:
        self.pack, self.hash, self.language = pack, pack.hash, pack.language
        self.seen: dict[str, Analysis] = {}

    def analyse(self, texts: Sequence[str]) -> list[Analysis]:
        new = [text for text in dict.fromkeys(texts) if text not in self.seen]
        self.seen.update(zip(new, self.pack.analyse(new), strict=True))
        return [self.seen[text] for text in texts]


EDITS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.2), st.sampled_from(PIECES)), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(edits=EDITS, told=st.booleans())
def test_incremental_is_full(remembering: "Remembering", edits: list[tuple[float, float, str]], told: bool) -> None:
    extractor = Extractor(remembering)
    story = Story.from_text(BOOK, language="en")
    facts: list[Fact] = []
    if told:
        at = BOOK.index("laughed")
        facts = [
            Fact("agent", story.anchor(at, at + 7), "tom"),
            Fact("event", story.anchor(BOOK.index("tired"), BOOK.index("tired") + 5)),
            Fact("gender", "anna", "f"),
            Fact("place", story.anchor(BOOK.index("opened"), BOOK.index("opened") + 6), "mill"),
        ]
    extraction = extractor.extract(story, facts=facts)
    for where, length, text in edits:
        start = round(where * len(story.text))
        end = min(len(story.text), start + round(length * len(story.text)))
        before = {span.id for span in story.paragraphs}
        story = story.edit(start, end, text)
        extraction = extractor.extract(story, previous=extraction, facts=facts)
        fresh = extractor.extract(story, facts=facts)
        assert extraction.to_dict() == fresh.to_dict()
        assert extraction == fresh
        new = {span.id.partition("-")[0] for span in story.paragraphs} - {each.partition("-")[0] for each in before}
        assert extraction.stats["parsed"] == len(new)
        check(story, extraction)


def check(story: Story, found: Extraction) -> None:
    """What holds of every extraction."""
    events = found.events
    people = {person.id for person in found.characters}
    places = {place.id for place in found.places}
    assert [event.narrated for event in events] == list(range(len(events)))
    assert sorted(event.story for event in events) == list(range(len(events)))
    assert len({event.id for event in events}) == len(events)
    assert len(people) == len(found.characters)
    assert not people & places
    assert [event.start for event in events] == sorted(event.start for event in events)
    for event in events:
        assert event.sentence[0] <= event.start < event.end <= event.sentence[1]
        assert {event.agent, event.patient} <= people | {None}
        assert event.place is None or event.place in places
    for spoken in (*found.characters, *found.places):
        assert all(story.text[each.start : each.end] == each.text for each in spoken.mentions)
    for person, moves in found.positions.items():
        assert person in people
        assert all(place is None or place in places for _, place in moves)
        assert [number for number, _ in moves] == sorted({number for number, _ in moves})
        assert all(one != other for (_, one), (_, other) in pairwise(moves))


def test_ids_outside_a_changed_paragraph_stay(pack: Pack) -> None:
    extractor = Extractor(pack)
    story = Story.from_text(BOOK, language="en")
    before = extractor.extract(story)
    at = BOOK.index("It was late")
    changed = extractor.extract(story.edit(at, at + 11, "Anna wept. Tom ran"), previous=before)
    kept = {event.id for event in before.events if event.start < BOOK.index("“Where is Anna")}
    assert kept
    assert kept <= {event.id for event in changed.events}


def test_only_what_changed_is_parsed() -> None:
    hit = ["Tom/PROPN/nsubj/2 hit/VERB/root/0:past! Karl/PROPN/obj/2 ./PUNCT/punct/2"]
    ran = ["Anna/PROPN/nsubj/2 ran=run/VERB/root/0:past! ./PUNCT/punct/2"]
    story, hand = story_of(hit, ran, hit)
    extractor = Extractor(hand)
    first = extractor.extract(story)
    assert hand.asked == ["Tom hit Karl.", "Anna ran."]
    assert first.stats["parsed"] == 2
    hand.asked.clear()
    edited = story.edit(len(story.text), len(story.text), " Then")
    assert extractor.extract(edited, previous=first).stats["parsed"] == 1
    assert hand.asked == ["Tom hit Karl. Then"]
    # Another pack's extraction is no ground to go on from.
    other = HandPack()
    other.hash = "another"
    assert Extractor(other).extract(story, previous=first).stats["parsed"] == 2


def test_known_analyses_are_taken_as_they_are() -> None:
    hit = ["Tom/PROPN/nsubj/2 hit/VERB/root/0:past! Karl/PROPN/obj/2 ./PUNCT/punct/2"]
    story, hand = story_of(hit)
    first = Extractor(hand).extract(story)
    key = story.paragraphs[0].id
    empty = HandPack()
    again = Extractor(empty).extract(story, known={key: hand.known["Tom hit Karl."]})
    assert again == first
    assert empty.asked == []
    assert analysis_of(first, story, 0) is hand.known["Tom hit Karl."]
    assert [record.analysis for record in records_of(first, story)] == [hand.known["Tom hit Karl."]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\n ",
        "Word",
        "“Only this.”\n\n“And this.”",
        "😀😀 😀",
        "שלום עולם. אמר יוסף.",
        "***",
        "# Title",
        "\u200f",
        "a" * 5000,
    ],
)
def test_odd_texts(pack: Pack, text: str) -> None:
    found = Extractor(pack).extract(Story.from_text(text, language="en"))
    check(Story.from_text(text, language="en"), found)
    if not text.strip():
        assert (found.characters, found.events, found.places, found.positions) == ((), (), (), {})
    if text.startswith("“"):
        assert found.events == ()
        assert len(found.speeches) == 2


def test_a_language_without_a_pack_has_names_only() -> None:
    story = Story.from_text("Der Mann sah Anna. Dann ging Anna mit Anna nach Hause.", language="de")
    found = extract(story)
    assert found.language == "de"
    assert found.events == ()


def test_abbreviations_end_no_sentence(pack: Pack) -> None:
    story = Story.from_text("Mr. Bennet greeted Mrs. Hill at 5 p.m. in the hall. Then Tom laughed", language="en")
    found = Extractor(pack).extract(story)
    assert [story.text[event.start : event.end] for event in found.events][:1] == ["greeted"]
    assert story.text[slice(*found.events[0].sentence)] == "Mr. Bennet greeted Mrs. Hill at 5 p.m. in the hall."


def test_the_unterminated_last_line_is_told() -> None:
    story, hand = story_of(
        [
            "Tom/PROPN/nsubj/2 laughed=laugh/VERB/root/0:past! ./PUNCT/punct/2",
            "Anna/PROPN/nsubj/2 ran=run/VERB/root/0:past!",
        ]
    )
    found = Extractor(hand).extract(story)
    assert [event.verb for event in found.events] == ["laugh", "run"]
    assert found.events[1].sentence == (story.text.index("Anna"), len(story.text))


def test_extraction_is_light_to_import() -> None:
    import subprocess
    import sys

    code = "import gnomon.story, sys; sys.exit(any(name in sys.modules for name in ('spacy', 'torch', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert gnomon.story.extract is extract
    assert gnomon.story.Story is Story
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        gnomon.story.nothing  # noqa: B018
