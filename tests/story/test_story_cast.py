"""Which names are one person, which capitalised words are nobody's, and what the writer's facts change."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from story_samples import sample_story

from gnomon.story.cast import Cast, build_cast
from gnomon.story.names import base_forms, parse_name, slug
from gnomon.story.records import Character, Fact


def cast_of(*paragraphs: str, facts: tuple[Fact, ...] = (), language: str = "en") -> Cast:
    story, records = sample_story(*paragraphs, language=language)
    cast = build_cast(story, records, facts)
    for character in cast.characters:
        assert list(character.mentions) == sorted(set(character.mentions))
        for mention in character.mentions:
            assert mention.text == story.text[mention.start : mention.end]
            assert 0 < mention.confidence <= 1
    assert len({each.id for each in cast.characters}) == len(cast.characters)
    return cast


def names(cast: Cast, name: str) -> list[str]:
    """The names by which the character of that id is mentioned."""
    return [each.text for each in by_id(cast, name).mentions if each.kind == "name"]


def by_id(cast: Cast, name: str) -> Character:
    found = {each.id: each for each in cast.characters}
    assert name in found, sorted(found)
    return found[name]


def ids(cast: Cast) -> set[str]:
    return {each.id for each in cast.characters}


# -- joining ---------------------------------------------------------------------------------------------------------


def test_husband_and_wife_are_two():
    cast = cast_of("Then Mr. Bennet left*leave. Then Mrs. Bennet wept*weep. There stood*stand Mr. and Mrs. Bennet.")
    assert names(cast, "mr-bennet") == ["Mr. Bennet", "Mr."]
    assert names(cast, "mrs-bennet") == ["Mrs. Bennet", "Mrs. Bennet"]
    assert (by_id(cast, "mr-bennet").gender, by_id(cast, "mrs-bennet").gender) == ("m", "f")


def test_a_surname_alone_is_the_husband():
    cast = cast_of("Then Mr. Bennet left*leave. Then Mrs. Bennet wept*weep. They saw*see [P Bennet].")
    assert names(cast, "mr-bennet") == ["Mr. Bennet", "Bennet"]


def test_given_name_and_surname_join_the_full_name():
    cast = cast_of("Then [P Fitzwilliam Darcy] left*leave. Then Mr. Darcy wept*weep. They saw*see [P Darcy].")
    assert len(cast.characters) == 1
    assert cast.characters[0].aliases == ("Darcy", "Mr. Darcy")


def test_thomas_stays_apart_where_two_live():
    cast = cast_of("Then [P Thomas Gray] met*meet [P Thomas Brown].", "They saw*see [P Thomas]. They saw*see [P Gray].")
    assert ids(cast) == {"thomas-gray", "thomas-brown", "thomas"}
    assert names(cast, "thomas-gray") == ["Thomas Gray", "Gray"]


def test_nicknames_join():
    cast = cast_of("Then [P Elizabeth Bennet] left*leave. They saw*see [P Elizabeth]. They saw*see [P Lizzy].")
    assert len(cast.characters) == 1


def test_a_miss_and_a_mrs_are_two_and_genders_never_mix():
    cast = cast_of("They saw*see Miss Lucas. They saw*see Mrs. Lucas. They saw*see Sir Lucas.")
    assert len(cast.characters) == 3
    cast = cast_of("Then [P Georgiana Darcy] left*leave. Then Mr. Darcy wept*weep.")
    assert len(cast.characters) == 2


def test_two_that_were_joined_are_split():
    cast = cast_of(
        "Then Mr. Gray left*leave. They saw*see [P Thomas] Gray.", facts=(Fact("split", "thomas-gray", "Mr. Gray"),)
    )
    assert ids(cast) == {"mr-gray", "thomas-gray"}


def test_names_are_found_where_the_pack_sees_none():
    cast = cast_of("They saw*see [P Zorbl] and [P Zorbl].", "Then Zorbl laughed*laugh. Zorbl wept*weep.")
    assert names(cast, "zorbl") == ["Zorbl"] * 4


def test_an_unusual_name_by_rule_alone():
    assert ids(cast_of("Then Zorbl laughed*laugh.")) == {"zorbl"}


def test_a_capital_at_the_sentence_start_is_no_name_where_the_word_is_common():
    cast = cast_of("Harbour laughed*laugh.", "They saw*see the harbour.")
    assert ids(cast) == set()
    assert ids(cast_of("Harbour laughed*laugh. Then Harbour wept*weep.")) == {"harbour"}


def test_words_before_a_name_are_none_of_it():
    cast = cast_of(
        "They saw*see [P Alice]. Then [P Alice] left*leave.", "[P Poor Alice] wept*weep. The poor left*leave."
    )
    assert names(cast, "alice") == ["Alice"] * 3


def test_months_and_exclamations_are_nobody():
    assert ids(cast_of("Then October came*come. They saw*see English.")) == set()


def test_families_are_groups():
    story, records = sample_story("They saw*see the [P Bennets].")
    records[0] = records[0]._replace(
        mentions=tuple(each._replace(number="plur") if each.kind == "name" else each for each in records[0].mentions)
    )
    cast = build_cast(story, records)
    assert [(each.id, each.kind) for each in cast.characters] == [("bennets", "group")]


# -- people without a name, the narrator -----------------------------------------------------------------------------


def test_somebody_without_a_name_counts_when_coming_back():
    once = cast_of("[p The old woman] laughed*laugh.")
    assert ids(once) == set()
    twice = cast_of(
        "[p An old woman] laughed*laugh.", "Then [p the old woman] wept*weep. Then [p the old woman] left*leave."
    )
    assert ids(twice) == {"the-old-woman"}
    assert [each.text for each in by_id(twice, "the-old-woman").mentions] == [
        "An old woman",
        "the old woman",
        "the old woman",
    ]


def test_i_outside_speech_is_the_narrator():
    cast = cast_of("I walked*walk to my house.", "“I wept*weep,” said*say [P Jane].")
    narrator = by_id(cast, "narrator")
    assert (narrator.kind, [each.text for each in narrator.mentions]) == ("narrator", ["I", "my"])
    assert "narrator" not in ids(cast_of("“I wept*weep,” said*say [P Jane]."))


def test_a_narrator_with_a_name():
    cast = cast_of("They call*call me [P Ishmael]. I walked*walk.")
    assert [(each.id, each.kind) for each in cast.characters] == [("ishmael", "narrator")]


def test_at_gives_the_innermost():
    story, records = sample_story(
        "Then [P Jane] left*leave. Then [p her sister] wept*weep. Then [p her sister] laughed*laugh."
    )
    cast = build_cast(story, records)
    words = [story.text[token.start : token.end] for token in records[0].analysis.tokens]
    assert cast.at(0, words.index("her")) == "jane"
    assert cast.at(0, words.index("sister")) == "jane-s-sister"
    assert cast.at(0, words.index("left")) is None
    assert cast.at(7, 0) is None


def test_places_are_apart_from_people():
    cast = cast_of("Then [P Jane] went*go to [L London]. They saw*see [L London].")
    assert {name: len(found) for name, found in cast.place_names.items()} == {"London": 2}
    assert ids(cast) == {"jane"}


# -- Romanian --------------------------------------------------------------------------------------------------------


def test_romanian_cases_join_their_name():
    cast = cast_of(
        "Apoi [P Stanca] râse*râde.",
        "Casa [P Stancăi] ardea*arde. Casa [P Mariei] ardea*arde. Apoi [P Maria] plânse*plânge.",
        language="ro",
    )
    assert names(cast, "stanca") == ["Stanca", "Stancăi"]
    assert names(cast, "maria") == ["Mariei", "Maria"]


@pytest.mark.parametrize(
    ("form", "base"),
    [("stancăi", "stanca"), ("mariei", "maria"), ("banului", "banul"), ("anei", "ana"), ("ilinchii", "ilinca")],
)
def test_base_forms(form: str, base: str):
    assert base in base_forms(form)


# -- names taken apart -----------------------------------------------------------------------------------------------


def test_parse_name():
    parts = parse_name("Mrs. Elizabeth Bennet")
    assert (parts.title, parts.gender, parts.given, parts.surname) == ("mrs", "f", "elizabeth", "bennet")
    assert parse_name("Captain Ahab").surname == "ahab"
    assert parse_name("Sir William").bare == "william"
    assert parse_name("Catherine de Bourgh").surname == "bourgh"
    assert parse_name("cuconul Andronache").bare == "andronache"


def test_slug_keeps_letters_of_every_script():
    assert slug("Ștefăniță-Vodă") == "ștefăniță-vodă"
    assert slug("Mr. O’Hara") == "mr-o-hara"
    assert slug("…") == "nameless"


# -- facts -----------------------------------------------------------------------------------------------------------

TWO = ("Then [P Jane] left*leave. Then [P Kate] wept*weep.", "They saw*see [P Jane]. [p The old woman] laughed*laugh.")


def test_merge_takes_the_name_of_the_other():
    cast = cast_of(*TWO, facts=(Fact("merge", "jane", "kate"),))
    assert [(each.id, each.name, each.source) for each in cast.characters] == [("kate", "Kate", "user")]
    assert names(cast, "kate") == ["Jane", "Kate", "Jane"]


def test_merged_twice_the_first_id_still_leads_there():
    cast = cast_of(*TWO, facts=(Fact("merge", "jane", "kate"), Fact("gender", "jane", "n")))
    assert by_id(cast, "kate").gender == "n"
    assert cast.lost == ()


def test_alias_of_a_name_and_of_a_noun():
    cast = cast_of(*TWO, facts=(Fact("alias", "jane", "the old woman"),))
    assert [each.text for each in by_id(cast, "jane").mentions] == ["Jane", "Jane", "The old woman"]
    cast = cast_of(*TWO, facts=(Fact("alias", "jane", "Kate"),))
    assert names(cast, "jane") == ["Jane", "Kate", "Jane"]


def test_alias_that_no_rule_would_find():
    cast = cast_of("Then [P Jane] left*leave. The thing wept*weep.", facts=(Fact("alias", "jane", "The thing"),))
    assert [each.text for each in by_id(cast, "jane").mentions] == ["Jane", "The thing"]
    assert cast.at(0, 4) == "jane"


def test_alias_at_an_anchor_makes_somebody_new():
    story, records = sample_story("Then it laughed*laugh. They saw*see [P Jane].")
    start = story.text.index("laughed")
    cast = build_cast(story, records, (Fact("alias", (start, start + 7), "The Laugher"),))
    assert "laughed" in ids(cast)


def test_split_by_name_and_by_anchor():
    cast = cast_of("Then [P Tom Gray] left*leave. They saw*see [P Tom].", facts=(Fact("split", "tom-gray", "Tom"),))
    assert ids(cast) == {"tom-gray", "tom"}
    story, records = sample_story("Then [P Jane] left*leave. They saw*see [P Jane].")
    start = story.text.rindex("Jane")
    cast = build_cast(story, records, (Fact("split", (start, start + 4), "Jane"),))
    assert [(each.id, len(each.mentions)) for each in cast.characters] == [("jane", 1), ("jane-2", 1)]


def test_ignore_by_id_and_by_anchor():
    assert ids(cast_of(*TWO, facts=(Fact("ignore", "jane"),))) == {"kate"}
    story, records = sample_story(*TWO)
    start = story.text.index("Jane")
    cast = build_cast(story, records, (Fact("ignore", (start, start + 4)),))
    assert len(by_id(cast, "jane").mentions) == 1


def test_gender_by_the_writer_moves_pronouns():
    text = "Then [P Zorbl] saw*see [P Jane]. He laughed*laugh. She wept*weep."
    assert by_id(cast_of(text, facts=(Fact("gender", "zorbl", "f"),)), "zorbl").gender == "f"


@pytest.mark.parametrize(
    "fact",
    [
        Fact("merge", "nobody", "kate"),
        Fact("gender", "jane", "green"),
        Fact("split", "jane", "Kate"),
        Fact("alias", "jane", ""),
    ],
)
def test_facts_that_fit_nothing_are_listed(fact: Fact):
    cast = cast_of(*TWO, facts=(fact,))
    assert cast.lost == (fact,)
    assert ids(cast) == {"jane", "kate"}


def test_facts_of_events_are_left_to_others():
    assert cast_of(*TWO, facts=(Fact("agent", (0, 4), "jane"),)).lost == ()


# -- laws ------------------------------------------------------------------------------------------------------------

SENTENCES = [
    "Then [P Jane] left*leave.", "He saw*see [P Mr. Gray].", "“Go*go, [P Jane],” said*say [P Tom].", "She wept*weep.",
    "I walked*walk to [L London].", "[p The old man] took*take his hat.", "“I saw*see you,” he said*say.", "Mrs. Gray left*leave.",
]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=4), min_size=1, max_size=6))
def test_the_same_story_gives_the_same_cast_and_every_token_leads_to_a_character(paragraphs: list[list[str]]):
    story, records = sample_story(*(" ".join(each) for each in paragraphs))
    cast, again = build_cast(story, records), build_cast(story, records)
    assert (cast.characters, cast.speeches) == (again.characters, again.speeches)
    known = ids(cast)
    assert list(cast.characters) == sorted(cast.characters, key=lambda each: (each.mentions[0].start, each.id))
    for number, record in enumerate(records):
        for token in range(len(record.analysis.tokens)):
            assert cast.at(number, token) in known | {None}
    for speech in cast.speeches:
        assert speech.speaker in known | {None}
        assert speech.speaker not in speech.addressees


def test_no_text_no_cast():
    cast = cast_of()
    assert (cast.characters, cast.place_names, cast.speeches, cast.lost) == ((), {}, (), ())
