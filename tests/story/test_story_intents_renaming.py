"""Renaming: every form of a name, and nothing else."""

import pytest
from handmade import Told

from gnomon.story.edits import apply, propose


def renamed(told, target, to, accept="all", **intent):
    suggestion = propose(told.story, told.extraction, {"op": "rename", "target": target, "to": to, **intent})
    return apply(told.story, suggestion, accept).text, suggestion


def test_every_english_form_and_no_other_word():
    text = "Anna came. Anna's hat and ANNA’S coat. Annabel saw Anna-like things. “Anna?” Joanna said."
    told = Told(text).person("Anna").person("Annabel").person("Joanna")
    new, suggestion = renamed(told, "anna", "Ruth")
    assert new == "Ruth came. Ruth's hat and RUTH’S coat. Annabel saw Ruth-like things. “Ruth?” Joanna said."
    assert [hunk.before for hunk in suggestion.hunks[:5]] == ["Anna", "Anna", "ANNA", "Anna", "Anna"]
    assert not any(hunk.optional for hunk in suggestion.hunks)


def test_given_name_surname_and_both():
    text = "Anna Moss slept. Anna dreamt. Miss Moss woke. Anna\nMoss rose."
    told = Told(text).person("Anna Moss", "Anna Moss", "Anna", "Moss", aliases=("Anna", "Miss Moss"), gender="f")
    new, suggestion = renamed(told, "anna-moss", "Clara Reed")
    assert new == "Clara Reed slept. Clara dreamt. Miss Reed woke. Clara\nReed rose."
    assert "Anna" not in new
    assert "Moss" not in new
    assert len(suggestion.hunks) == 4


def test_a_given_name_alone_leaves_the_surname():
    told = Told("Anna Moss slept. Anna woke.").person("Anna Moss", "Anna Moss", "Anna")
    new, suggestion = renamed(told, "anna-moss", "Clara")
    assert new == "Clara Moss slept. Clara woke."
    assert "surname Moss stays" in suggestion.notes[0]


def test_the_longer_alias_gives_the_surname():
    told = Told("Anna Moss slept. Anna woke.").person("Anna", "Anna Moss", "Anna", aliases=("Anna Moss",))
    assert renamed(told, "anna", "Clara Reed")[0] == "Clara Reed slept. Clara woke."


def test_the_surname_of_others_is_optional():
    text = "Anna Moss came. Mr. Moss left. The Mosses stayed."
    told = Told(text).person("Anna Moss", "Anna Moss").person("Mr. Moss", "Mr. Moss")
    new, suggestion = renamed(told, "anna-moss", "Clara Reed")
    assert new == "Clara Reed came. Mr. Moss left. The Mosses stayed."
    assert [(hunk.before, hunk.after, hunk.optional) for hunk in suggestion.hunks] == [
        ("Anna Moss", "Clara Reed", False), ("Moss", "Reed", True), ("Mosses", "Reeds", True),
    ]  # fmt: skip
    everything = [hunk.id for hunk in suggestion.hunks]
    assert apply(told.story, suggestion, everything).text == "Clara Reed came. Mr. Reed left. The Reeds stayed."


def test_two_of_one_name():
    text = "Thomas Grey sat. Thomas Wells stood. Thomas spoke."
    told = Told(text).person("Thomas Grey", "Thomas Grey", "Thomas#2").person("Thomas Wells", "Thomas Wells")
    new, _ = renamed(told, "thomas-grey", "Simon Grey")
    assert new == "Simon Grey sat. Thomas Wells stood. Simon spoke."


def test_an_ordinary_word_at_a_beginning_is_optional():
    text = "Will came. “Will you go?” said Ann. He will not."
    told = Told(text).person("Will", "Will#0").person("Ann")
    new, suggestion = renamed(told, "will", "Tom")
    assert new == "Tom came. “Will you go?” said Ann. He will not."
    assert [hunk.optional for hunk in suggestion.hunks] == [False, True]


def test_a_name_in_s():
    text = "James' hat. 'It is James' she said. Ann's hat."
    told = Told(text).person("James").person("Ann")
    assert renamed(told, "james", "Ruth")[0] == "Ruth's hat. 'It is Ruth' she said. Ann's hat."
    assert renamed(told, "ann", "James")[0] == "James' hat. 'It is James' she said. James's hat."


def test_a_name_that_was_found_with_its_possessive():
    told = Told("Anna's hat. Anna left.").person("Anna", aliases=("Anna's",)).person("Lizzy's", "Lizzy's")
    assert renamed(told, "anna", "Ruth")[0] == "Ruth's hat. Ruth left."
    told = Told("Lizzy's hat. Lizzy left.").person("Lizzy's", "Lizzy's", "Lizzy")
    assert renamed(told, "lizzy-s", "Ruth")[0] == "Ruth's hat. Ruth left."


def test_a_hyphen_makes_another_name():
    told = Told("Anna met Anna-Maria. Anna-ish.").person("Anna", "Anna#0", "Anna#2")
    new, suggestion = renamed(told, "anna", "Ruth")
    assert new == "Ruth met Anna-Maria. Ruth-ish."
    assert [hunk.optional for hunk in suggestion.hunks] == [False, True, False]
    known = Told("Anna met Anna-Maria.").person("Anna", "Anna#0").person("Anna-Maria")
    assert len(renamed(known, "anna", "Ruth")[1].hunks) == 1


def test_titles_and_nicknames():
    text = "Mr. Moss bowed. Lizzy laughed at Mr. Moss."
    told = Told(text).person("Mr. Moss").person("Elizabeth", "Lizzy", aliases=("Lizzy",))
    assert renamed(told, "mr-moss", "Reed")[0] == "Mr. Reed bowed. Lizzy laughed at Mr. Reed."
    assert renamed(told, "mr-moss", "Dr. Reed")[0] == "Dr. Reed bowed. Lizzy laughed at Dr. Reed."
    nickname = renamed(told, "elizabeth", "Ruth")[1].hunks
    assert [(hunk.before, hunk.after, hunk.optional) for hunk in nickname] == [("Lizzy", "Ruth", True)]


def test_a_place_and_a_scope():
    told = Told("In London it rained.\n\nLondon's streets. Londoners.").place("London")
    assert renamed(told, "london", "New York")[0] == "In New York it rained.\n\nNew York's streets. Londoners."
    second = told.story.paragraphs[1].id
    assert renamed(told, "london", "Bath", scope=second)[0] == "In London it rained.\n\nBath's streets. Londoners."


def test_romanian_cases():
    text = "Stanca plecă. Casa Stancăi. Îi spuse Stancăi: Stanco! STANCĂI. Stancanu. Copilul lui Horea. Horea fugi."
    told = Told(text, language="ro").person("Stanca", gender="f").person("Horea", gender="m")
    assert renamed(told, "stanca", "Voica")[0] == (
        "Voica plecă. Casa Voicăi. Îi spuse Voicăi: Voico! VOICĂI. Stancanu. Copilul lui Horea. Horea fugi."
    )
    assert renamed(told, "stanca", "Maria")[0].startswith("Maria plecă. Casa Mariei. Îi spuse Mariei: Maria! MARIEI.")
    assert renamed(told, "stanca", "Carmen")[0].startswith("Carmen plecă. Casa lui Carmen.")
    assert renamed(told, "horea", "Cloșca")[0].endswith("Copilul lui Cloșca. Cloșca fugi.")


@pytest.mark.parametrize("written", ["Ruşa Ţuţu", "Rușa Țuțu"])
def test_cedillas_are_commas(written):
    told = Told(f"{written} veni.", language="ro").person("Rușa Țuțu", written)
    assert renamed(told, "rușa-țuțu", "Ana Pop")[0] == "Ana Pop veni."


def test_letters_that_are_composed():
    told = Told("S\u0326tefan veni.", language="ro").person("Ștefan", "S\u0326tefan", gender="m")
    assert renamed(told, "ștefan", "Radu")[0] == "Radu veni."


def test_a_romanian_town():
    told = Told("La Craiova. Străzile Craiovei. Clujul, al Clujului.", language="ro").place("Craiova").place("Cluj")
    assert renamed(told, "craiova", "Slatina")[0] == "La Slatina. Străzile Slatinei. Clujul, al Clujului."
    assert renamed(told, "cluj", "Arad")[0] == "La Craiova. Străzile Craiovei. Aradul, al Aradului."


def test_a_name_that_is_taken_and_one_that_is_not_there():
    told = Told("Anna met Ruth.").person("Anna").person("Ruth").person("Mute", "Mute")
    assert "Ruth is already called Ruth." in renamed(told, "anna", "Ruth")[1].notes
    missing = renamed(told, "mute", "Tom")[1]
    assert missing.hunks == ()
    assert missing.notes == ("The name Mute stands nowhere in the text.",)


@pytest.mark.parametrize("to", ["", "  ", "...", 3, None, "a\nb", "\ud800x", "x\0"])
def test_what_is_no_name(to):
    told = Told("Anna came.").person("Anna")
    with pytest.raises(ValueError) as caught:
        renamed(told, "anna", to)
    assert caught.value.field == "intent.to"
