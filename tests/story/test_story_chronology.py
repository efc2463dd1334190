"""Cues of time, flashbacks and the order of the story's time, on hand-parsed stories."""

import pytest
from hand_parsed import parse, story_of

from gnomon.story.chronology import cues_in
from gnomon.story.clauses import clauses_in
from gnomon.story.extracting import Extractor
from gnomon.story.records import Extraction, Fact


def simple(subject: str, verb: str, lemma: str, opening: str = "") -> str:
    """ "Anna sang." with words of time before it."""
    words = [f"{word}/ADV/advmod/{len(opening.split()) + 2}" for word in opening.split()]
    at = len(words) + 2
    return " ".join([*words, f"{subject}/PROPN/nsubj/{at}", f"{verb}={lemma}/VERB/root/0:past!", f"./PUNCT/punct/{at}"])


def perfect(subject: str, verb: str, lemma: str, opening: str = "", after: str = "") -> str:
    words = [f"{word}/ADV/advmod/{len(opening.split()) + 3}" for word in opening.split()]
    at = len(words) + 3
    return " ".join(
        [
            *words, f"{subject}/PROPN/nsubj/{at}", f"had=have/AUX/aux/{at}:past", f"{verb}={lemma}/VERB/root/0:part!",
            *(f"{word}/ADV/advmod/{at}" for word in after.split()), f"./PUNCT/punct/{at}",
        ]
    )  # fmt: skip


def read(*paragraphs, language: str = "en", facts=()) -> tuple[str, Extraction]:
    story, pack = story_of(*paragraphs, language=language)
    return story.text, Extractor(pack).extract(story, facts=facts)


def in_story_order(*paragraphs, language: str = "en") -> list[str]:
    text, found = read(*paragraphs, language=language)
    assert sorted(event.story for event in found.events) == list(range(len(found.events)))
    assert [event.narrated for event in found.events] == list(range(len(found.events)))
    return [text[event.start : event.end] for event in sorted(found.events, key=lambda event: event.story)]


def test_a_flashback_is_opened_by_a_cue_and_closed_by_now() -> None:
    paragraph = [
        simple("Anna", "sat", "sit"),
        perfect("Anna", "left", "leave", "Ten years earlier"),
        simple("Tom", "wept", "weep"),
        simple("Anna", "slept", "sleep", "Now"),
    ]
    assert in_story_order(paragraph) == ["left", "wept", "sat", "slept"]
    text, found = read(paragraph)
    cues = [
        None if each.time is None else (text[each.time.start : each.time.end], each.time.relation)
        for each in found.events
    ]
    assert cues == [None, ("Ten years earlier", "earlier"), ("Ten years earlier", "earlier"), ("Now", "return")]


def test_a_flashback_ends_with_its_scene() -> None:
    first = [perfect("Anna", "left", "leave", "Ten years earlier"), simple("Tom", "wept", "weep")]
    second = [simple("Anna", "slept", "sleep")]
    assert in_story_order([simple("Karl", "sang", "sing")], first, second) == ["left", "wept", "slept", "sang"]
    assert in_story_order([simple("Karl", "sang", "sing")], first, "***", second) == ["left", "wept", "sang", "slept"]


def test_past_perfect_alone_was_before_the_scene_it_is_told_in() -> None:
    assert in_story_order(
        [
            simple("Anna", "came", "come"),
            simple("Anna", "smiled", "smile"),
            perfect("Tom", "died", "die"),
            simple("Karl", "wept", "weep"),
        ]
    ) == ["died", "came", "smiled", "wept"]


def test_a_paragraph_that_opens_with_a_run_of_past_perfect_goes_on_in_simple_past() -> None:
    before = [simple("Anna", "came", "come")]
    run = [perfect("Tom", "gone", "go"), perfect("Tom", "met", "meet"), simple("Karl", "fought", "fight")]
    assert in_story_order(before, run, [simple("Anna", "slept", "sleep")]) == ["gone", "met", "fought", "came", "slept"]


def test_told_order_is_kept_inside_a_flashback_unless_a_cue_says_otherwise() -> None:
    paragraph = [
        perfect("Anna", "left", "leave", "Ten years earlier"),
        simple("Anna", "worked", "work"),
        simple("Anna", "married", "marry", "Two years later"),
        perfect("Anna", "wept", "weep", "A year earlier"),
        simple("Anna", "slept", "sleep", "Now"),
    ]
    assert in_story_order([simple("Karl", "sang", "sing")], paragraph) == [
        "left", "worked", "wept", "married", "sang", "slept",
    ]  # fmt: skip


def test_farther_back_is_earlier() -> None:
    paragraph = [
        simple("Anna", "sat", "sit"),
        perfect("Tom", "sailed", "sail", "Two days earlier"),
        perfect("Karl", "fought", "fight", "Twenty years earlier"),
    ]
    assert in_story_order(paragraph) == ["fought", "sailed", "sat"]


def test_a_cue_inside_the_sentence_concerns_its_own_clause() -> None:
    paragraph = [
        simple("Anna", "sat", "sit"),
        perfect("Tom", "sailed", "sail", after="two days before"),
        simple("Karl", "sang", "sing"),
    ]
    assert in_story_order(paragraph) == ["sailed", "sat", "sang"]


def test_dates_order_scenes_and_flashbacks() -> None:
    assert in_story_order(
        [simple("Anna", "sat", "sit", "In 1900")], "***", [simple("Tom", "sailed", "sail", "In 1850")], "***",
        [simple("Karl", "sang", "sing", "In May 1875")],
    ) == ["sailed", "sang", "sat"]  # fmt: skip
    # A date that lies before does not carry the rest of the book with it.
    assert in_story_order(
        [simple("Anna", "sat", "sit", "In 1900")], "***", [simple("Tom", "sailed", "sail", "In 1850")], "***",
        [simple("Karl", "sang", "sing")],
    ) == ["sailed", "sat", "sang"]  # fmt: skip


def test_before_and_after_order_clauses() -> None:
    before = (
        "Before/SCONJ/mark/3 Tom/PROPN/nsubj/3 left=leave/VERB/advcl/6:past! ,/PUNCT/punct/3 Tom/PROPN/nsubj/6 "
        "kissed=kiss/VERB/root/0:past! Anna/PROPN/obj/6 ./PUNCT/punct/6"
    )
    after = (
        "Anna/PROPN/nsubj/2 slept=sleep/VERB/root/0:past! after/SCONJ/mark/6 Tom/PROPN/nsubj/6 had=have/AUX/aux/6:past "
        "eaten=eat/VERB/advcl/2:part! ./PUNCT/punct/2"
    )
    assert in_story_order([before, after]) == ["kissed", "left", "eaten", "slept"]


def test_romanian_pluperfect_and_cues() -> None:
    def plain(subject: str, verb: str, lemma: str, form: str = "past", opening: str = "") -> str:
        words = [f"{word}/ADV/advmod/{len(opening.split()) + 2}" for word in opening.split()]
        at = len(words) + 2
        return " ".join(
            [*words, f"{subject}/PROPN/nsubj/{at}", f"{verb}={lemma}/VERB/root/0:{form}!", f"./PUNCT/punct/{at}"]
        )

    assert in_story_order(
        [
            plain("Ana", "adormi", "adormi"),
            plain("Ana", "plecase", "pleca", "pqp", "Cu zece ani în urmă"),
            plain("Ion", "plânse", "plânge"),
            plain("Ana", "zâmbi", "zâmbi", opening="Acum"),
            plain("Ion", "veni", "veni", opening="A doua zi"),
        ],
        language="ro",
    ) == ["plecase", "plânse", "adormi", "zâmbi", "veni"]


def test_the_writers_word_on_order_wins_and_moves_nothing_else() -> None:
    paragraph = [simple(who, verb, verb) for who, verb in (("Anna", "sang"), ("Tom", "ran"), ("Karl", "fell"))]
    story, pack = story_of(paragraph)

    def anchor(word: str):
        start = story.text.index(word)
        return story.anchor(start, start + len(word))

    def ordered(*facts: Fact) -> list[str]:
        events = Extractor(pack).extract(story, facts=facts).events
        return [event.verb for event in sorted(events, key=lambda event: event.story)]

    fell_first = Fact("story_before", anchor("fell"), anchor("sang"))
    assert ordered(fell_first) == ["fell", "sang", "ran"]
    # Of two that contradict each other, the later holds; of three that hold together, all do.
    assert ordered(fell_first, Fact("story_before", anchor("sang"), anchor("fell"))) == ["sang", "fell", "ran"]
    assert ordered(fell_first, Fact("story_before", anchor("ran"), anchor("fell"))) == ["ran", "fell", "sang"]
    # Whoever the writer speaks of is who moves: over several others, too, and back again.
    sang_last = Fact("story_after", anchor("sang"), anchor("fell"))
    assert ordered(sang_last) == ["ran", "fell", "sang"]
    assert ordered(sang_last, Fact("story_before", anchor("sang"), anchor("ran"))) == ["sang", "ran", "fell"]
    assert ordered(Fact("story_after", anchor("fell"), anchor("sang"))) == ["sang", "ran", "fell"], "it is so already"


@pytest.mark.parametrize(
    ("text", "language", "relation", "days"),
    [
        ("Three winters ago it snowed.", "en", "earlier", 3 * 365.0),
        ("It snowed a few days later.", "en", "later", 3.0),
        ("The next morning it snowed.", "en", "later", 1.0),
        ("Meanwhile it snowed.", "en", "same", None),
        ("Now it snowed.", "en", "return", None),
        ("It snowed two days before the wedding.", "en", None, None),
        ("It snowed the day before.", "en", "earlier", 1.0),
        ("In 1812 it snowed.", "en", "date", 1812 * 365.25),
        ("Acum doi ani a nins.", "ro", "earlier", 730.0),
        ("Cu o săptămână mai devreme ninsese.", "ro", "earlier", 7.0),
        ("A ninge acum.", "ro", "return", None),
        ("Peste trei zile ninse.", "ro", "later", 3.0),
        ("“Ten years ago,” he said.", "en", None, None),
        ("", "en", None, None),
    ],
)
def test_cues(text: str, language: str, relation: str | None, days: float | None) -> None:
    _, analysis = parse()
    cues = cues_in(text, clauses_in(text, analysis, language), language)
    assert [(cue.relation, cue.days) for cue in cues] == ([] if relation is None else [(relation, days)])
