"""Mentions of one paragraph: names, nouns, pronouns, and the grammar read round them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from story_samples import analysed

from gnomon.story.analysis import Analysis
from gnomon.story.mentions import LocalMention, mentions_in


def found(notation: str, language: str = "en") -> list[LocalMention]:
    text, analysis = analysed(notation)
    mentions = mentions_in(text, analysis, language)
    for each in mentions:
        assert 0 <= each.start < each.end <= len(text)
        assert each.first <= each.head <= each.last
    return list(mentions)


def named(notation: str, language: str = "en") -> list[str]:
    return [each.text for each in found(notation, language) if each.kind == "name"]


def test_title_belongs_to_the_name_and_gives_gender():
    mention = next(each for each in found("Then Mrs. Bennet smiled*smile.") if each.kind == "name")
    assert (mention.text, mention.gender, mention.label, mention.role) == ("Mrs. Bennet", "f", "PERSON", "subject")


def test_mr_and_mrs_are_two_mentions_with_the_shared_surname():
    assert named("There stood*stand Mr. and Mrs. Bennet.") == ["Mr. Bennet", "Mrs. Bennet"]


def test_possessive_ending_is_no_part_of_the_name():
    name = next(each for each in found("He took*take [P Alice]’s book.") if each.kind == "name")
    assert (name.text, name.role) == ("Alice", "possessive")


@pytest.mark.parametrize(
    ("notation", "role"),
    [
        ("Then [P Jane] left*leave.", "subject"),
        ("He saw*see [P Jane].", "object"),
        ("He went*go to [P Jane].", "oblique"),
    ],
)
def test_roles(notation: str, role: str):
    assert next(each.role for each in found(notation) if each.kind == "name") == role


def test_called_by_name_in_speech_is_vocative():
    name = next(each for each in found("“Come*come here, [P Jane],” he said*say.") if each.text == "Jane")
    assert name.role == "vocative"
    name = next(each for each in found("They saw*see Tom, [P Jane], and Kate.") if each.text == "Jane")
    assert name.role != "vocative"


def test_subject_of_a_verb_of_speech_speaks_also_inverted():
    before = next(each for each in found("[P Jane] said*say, “Yes.”") if each.kind == "name")
    after = next(each for each in found("“Yes,” said*say [P Jane].") if each.kind == "name")
    silent = next(each for each in found("[P Jane] walked*walk, “Yes.”") if each.kind == "name")
    assert (before.speaks, after.speaks, silent.speaks) == (True, True, False)


def test_words_at_sentence_starts_are_marked():
    mentions = [each for each in found("Harbour lay*lie there. He saw*see Harbour.") if each.kind == "name"]
    assert [(each.text, each.initial, each.label) for each in mentions] == [
        ("Harbour", True, ""),
        ("Harbour", False, ""),
    ]


def test_pronouns_have_gender_number_person_and_possessives_their_role():
    mentions = {
        each.text: each for each in found("He gave*give her his book and I took*take them.") if each.kind == "pronoun"
    }
    assert (mentions["he"].gender, mentions["he"].role) == ("m", "subject")
    assert (mentions["her"].gender, mentions["her"].role) == ("f", "object")
    assert mentions["his"].role == "possessive"
    assert (mentions["i"].person, mentions["them"].number) == (1, "plur")


def test_nouns_for_people_are_found_without_the_pack():
    noun = next(each for each in found("The old woman laughed*laugh.") if each.kind == "nominal")
    assert (noun.text, noun.gender, noun.number) == ("the old woman", "f", "sing")


def test_places_keep_their_label():
    assert [each.label for each in found("He went*go to [L London].") if each.kind == "name"] == ["PLACE"]


def test_romanian_titles_without_capital_and_lui():
    assert named("Apoi domnul Popescu râse*râde.", "ro") == ["domnul Popescu"]
    mentions = found("Casa lui Horea ardea*arde.", "ro")
    horea = next(each for each in mentions if each.text == "Horea")
    assert horea.gender == "m"
    assert not [each for each in mentions if each.kind == "pronoun"]  # the article of the genitive


def test_a_language_without_word_lists_has_names_only():
    assert [each.kind for each in found("He saw*see [P Jane].", "fr")] == ["name"]


def test_sentences_are_counted_and_titles_do_not_end_one():
    mentions = found("Mr. Darcy left*leave. “Go*go!” cried*cry [P Jane]. She wept*weep.")
    by_text = {each.text: each.sentence for each in mentions}
    assert by_text["Mr. Darcy"] == 0
    assert by_text["Jane"] == 1
    assert by_text["she"] == 2


def test_nothing_in_an_empty_paragraph():
    assert mentions_in("", Analysis((), (), ()), "en") == ()


@given(
    st.lists(
        st.sampled_from(
            ["[P Jane Grey]", "he", "saw*see", "“", "”", "Mr.", "and", "the", "old", "man", ".", "’s", "Oh", ","]
        ),
        max_size=30,
    )
)
def test_any_order_of_words_gives_mentions_inside_the_text_in_order(pieces: list[str]):
    mentions = found(" ".join(pieces))
    assert mentions == sorted(mentions)
    names = [range(each.first, each.last + 1) for each in mentions if each.kind == "name"]
    taken = [token for tokens in names for token in tokens]
    assert len(taken) == len(set(taken))
