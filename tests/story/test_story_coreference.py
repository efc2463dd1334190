"""Pronouns: who is meant, how sure that is, and the ranker behind it."""

import numpy as np
import pytest
from story_samples import sample_story

from gnomon.story.cast import build_cast
from gnomon.story.cast_evaluating import Choice, train_ranker
from gnomon.story.coreference import FEATURES, Ranker, default_ranker


def meant(*paragraphs: str, word: str, nth: int = 0) -> str | None:
    """Who the nth `word` (a single token) means."""
    story, records = sample_story(*paragraphs)
    cast = build_cast(story, records)
    places = [
        (number, place)
        for number, record in enumerate(records)
        for place, token in enumerate(record.analysis.tokens)
        if story.paragraph_text(number)[token.start : token.end] == word
    ]
    return cast.at(*places[nth])


def test_gender_decides():
    text = "Then [P Jane] saw*see [P Tom]. He laughed*laugh. She wept*weep."
    assert meant(text, word="He") == "tom"
    assert meant(text, word="She") == "jane"


def test_nobody_to_be_meant():
    assert meant("He laughed*laugh.", word="He") is None
    assert meant("Then [P Jane] left*leave. He laughed*laugh.", word="He") is None


def test_the_subject_before_is_likelier_than_others():
    assert (
        meant("Then [P Tom] laughed*laugh. He gave*give the book to [P Jack]. He left*leave.", word="He", nth=1)
        == "tom"
    )


def test_who_was_spoken_of_long_ago_is_not_meant():
    rest = ["The rain fell*fall. The rain fell*fall. The rain fell*fall."] * 6
    assert meant("Then [P Tom] laughed*laugh.", *rest, "He left*leave.", word="He") is None


def test_i_and_you_in_speech_are_speaker_and_listener():
    text = "“I saw*see you, [P Kate],” said*say [P Tom]."
    assert meant(text, word="I") == "tom"
    assert meant(text, word="you") == "kate"


def test_a_name_without_gender_gets_it_from_the_pronoun_that_follows():
    story, records = sample_story("Then [P Zorbl] laughed*laugh. She left*leave.")
    assert build_cast(story, records).characters[0].gender == "f"


def test_confidence_of_pronouns_is_lower_where_two_compete():
    def confidence(text: str) -> float:
        story, records = sample_story(text)
        return next(m.confidence for c in build_cast(story, records).characters for m in c.mentions if m.text == "He")

    alone = confidence("Then [P Tom] left*leave. He laughed*laugh.")
    competing = confidence("Then [P Tom] met*meet [P Jack]. He laughed*laugh.")
    assert 0 < competing < alone <= 1


def test_possessive_before_a_noun_gives_a_named_relation():
    story, records = sample_story("Then [P Jane] left*leave. [p Her sister] wept*weep. [p Her sister] laughed*laugh.")
    assert [each.name for each in build_cast(story, records).characters] == ["Jane", "Jane's sister"]


# -- the ranker ------------------------------------------------------------------------------------------------------


def test_the_shipped_ranker_says_where_it_comes_from():
    ranker = default_ranker()
    assert [len(table) for table in ranker.tables] == list(FEATURES.values())
    assert any(each != 0 for table in ranker.tables for each in table)


def test_a_ranker_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="distance"):
        Ranker.from_dict({"none": 0, "weights": {"distance": [1.0]}})


def test_training_learns_what_decides():
    """Two candidates that differ in one feature: the one with it is right three times of four, by count of the data."""
    offsets = np.concatenate([[0], np.cumsum(list(FEATURES.values()))[:-1]])
    plain, marked = offsets.copy(), offsets.copy()
    marked[0] += 5
    choices = [Choice(np.array([plain, marked]), np.array([number % 4 == 0, number % 4 != 0])) for number in range(400)]
    stored = train_ranker(choices, penalty=1e-4)
    table = stored["weights"]["distance"]
    assert table[5] - table[0] == pytest.approx(np.log(3), abs=0.02)
    assert stored["none"] < min(table[0], table[5])
    Ranker.from_dict(stored)


def test_training_learns_to_choose_nobody():
    offsets = np.concatenate([[0], np.cumsum(list(FEATURES.values()))[:-1]])
    choices = [Choice(np.array([offsets]), np.array([number % 5 == 0])) for number in range(100)]
    stored = train_ranker(choices, penalty=1e-4)
    score = sum(table[0] for table in stored["weights"].values())
    assert stored["none"] - score == pytest.approx(np.log(4), abs=0.03)
