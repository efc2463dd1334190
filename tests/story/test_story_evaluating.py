"""Scores of a pack against small annotations counted by hand."""

import pytest

from gnomon.story import corpora, evaluating
from gnomon.story.analysis import Analysis, Entity, Token, Trigger
from gnomon.story.tokens import Word, tokenise


class Scripted:
    """A pack that says what it is told to."""

    language, hash = "en", "0"

    def __init__(self, tokens=(), analyses=()):
        self.tokens, self.analyses = list(tokens), list(analyses)

    def grammar_of(self, sentences):
        return [(None, self.tokens.pop(0)) for _ in sentences]

    def read(self, sentences, quoted):
        return [self.analyses.pop(0) for _ in sentences]


def test_grammar_counts_words_and_resamples_documents():
    words = tokenise("Tom ate.", "en")
    gold = corpora.Parsed(
        "d1",
        words,
        ["Tom", "eat", "."],
        ["PROPN", "VERB", "PUNCT"],
        ["", "Tense=Past|Mood=Ind", ""],
        [1, 1, 1],
        ["nsubj", "root", "punct"],
    )
    ours = [
        Token(0, 3, "Tom", "NOUN", "", 1, "obj"),
        Token(4, 7, "eat", "VERB", "Mood=Ind|Tense=Past", 1, "root"),
        Token(7, 8, ".", "PUNCT", "", 0, "punct"),
    ]
    found = evaluating.grammar(Scripted([ours, ours]), [gold, gold._replace(document="d2")])
    assert found["uas"]["value"] == pytest.approx(2 / 3)
    assert found["las"]["value"] == pytest.approx(1 / 3)
    assert found["pos"]["value"] == pytest.approx(2 / 3)
    assert found["features"]["value"] == 1
    assert found["lemma"]["value"] == 1
    assert found["lemma"]["low"] == found["lemma"]["high"] == 1
    single = evaluating.grammar(Scripted([ours]), [gold])
    assert single["uas"]["low"] is None
    assert "one document" in single["uas"]["reason"]


def sentence(work, entities, events, quoted):
    words = [Word(at, at + 1, "x") for at in range(len(quoted))]
    return corpora.Annotated(work, "", words, entities, events, quoted)


def test_entities_and_events_by_hand():
    gold = [
        sentence("a", [(0, 1, "PERSON"), (3, 3, "PLACE"), (5, 6, "PERSON_NOMINAL")], [2, 4], [False] * 5 + [True] * 2),
        sentence("b", [(0, 0, "PERSON")], [1, 2], [False, False, True]),
    ]
    found = [
        Analysis(
            (),
            (Entity(0, 1, "PERSON", "name"), Entity(3, 3, "PERSON", "name"), Entity(5, 6, "PERSON", "nominal")),
            (Trigger(2, 0.9), Trigger(3, 0.8)),
        ),
        Analysis((), (), (Trigger(1, 0.9),)),
    ]
    scores = evaluating.fiction(Scripted(analyses=found), gold)
    person = scores["entities"]["PERSON name"]
    assert (person["precision"]["value"], person["recall"]["value"], person["f1"]["value"]) == (0.5, 0.5, 0.5)
    assert scores["entities"]["PLACE name"]["recall"]["value"] == 0
    assert scores["entities"]["PLACE name"]["precision"]["value"] is None
    assert scores["entities"]["PERSON nominal"]["f1"]["value"] == 1
    assert scores["entities"]["names"]["recall"]["value"] == pytest.approx(1 / 3)
    events = scores["events"]  # the one inside quoted speech counts on neither side
    assert events["precision"]["value"] == pytest.approx(2 / 3)
    assert events["recall"]["value"] == pytest.approx(2 / 3)
    assert events["f1"]["n"] == 2
