"""Moving events, scenes and characters, and what is noted beside a move."""

import pytest
from handmade import Told

from gnomon.story.edits import apply, propose


def done(told, accept="all", **intent):
    suggestion = propose(told.story, told.extraction, intent)
    return apply(told.story, suggestion, accept).text, suggestion


def three():
    told = Told("Anna rose. She sang. Marcus left.\n\nRuth slept.\nBen woke.")
    told.person("Anna", "Anna", "She", gender="f").person("Marcus", gender="m").person("Ruth", gender="f").person("Ben")
    told.event("rose", "rise", "anna").event("sang", "sing", "anna").event("left", "leave", "marcus")
    return told.event("slept", "sleep", "ruth").event("woke", "wake", "ben")


@pytest.mark.parametrize(
    ("intent", "new"),
    [
        ({"event": "leave", "before": "rise"}, "Marcus left. Anna rose. She sang.\n\nRuth slept.\nBen woke."),
        ({"event": "rise", "after": "leave"}, "She sang. Marcus left. Anna rose.\n\nRuth slept.\nBen woke."),
        ({"event": "leave", "after": "sleep"}, "Anna rose. She sang.\n\nRuth slept.\nMarcus left.\nBen woke."),
        ({"event": "sing", "before": "sleep"}, "Anna rose. Marcus left.\n\nShe sang. Ruth slept.\nBen woke."),
        ({"event": "wake", "after": "leave"}, "Anna rose. She sang. Marcus left. Ben woke.\n\nRuth slept."),
    ],
)
def test_a_sentence_moves_whole(intent, new):
    assert done(three(), op="move_event", **intent)[0] == new


def test_a_pronoun_that_loses_its_name_is_noted_and_named_in_an_alternative():
    new, suggestion = done(three(), op="move_event", event="sing", after="sleep")
    assert new == "Anna rose. Marcus left.\n\nRuth slept.\nShe sang.\nBen woke."
    assert "“She” in the moved sentence would lose Anna." in suggestion.notes
    named = suggestion.alternative(0)
    assert apply(three().story, named, "all").text == "Anna rose. Marcus left.\n\nRuth slept.\nAnna sang.\nBen woke."
    assert named.alternative(0) == suggestion
    stays = done(three(), op="move_event", event="rise", after="leave")[1]
    assert any("“She” in “She sang.” would lose Anna" in note for note in stays.notes)


def test_a_move_to_where_it_stands_changes_nothing():
    new, suggestion = done(three(), op="move_event", event="sing", after="rise")
    assert new == three().story.text
    assert suggestion.notes == ("“sing” stands there already.",)


@pytest.mark.parametrize(
    ("intent", "field"),
    [
        ({"event": "rise"}, "intent.before"),
        ({"event": "rise", "before": "sing", "after": "leave"}, "intent.before"),
        ({"event": "rise", "before": "rise"}, "intent.before"),
        ({"event": "rise", "after": "fly"}, "intent.after"),
        ({"event": "fly", "after": "rise"}, "intent.event"),
    ],
)
def test_moves_that_cannot_be(intent, field):
    with pytest.raises(ValueError) as caught:
        done(three(), op="move_event", **intent)
    assert caught.value.field == field


SCENES = "# One\n\nAnna rose.\n\n***\n\nMarcus left.\n\n***\n\nShe slept.\n"


def scenes():
    told = Told(SCENES).person("Anna", "Anna", "She", gender="f").person("Marcus", gender="m")
    return told, [scene.id for scene in told.story.scenes]


@pytest.mark.parametrize(
    ("which", "key", "other", "new"),
    [
        (0, "after", 2, "Marcus left.\n\n***\n\nShe slept.\n\n***\n\n# One\n\nAnna rose.\n"),
        (2, "before", 0, "She slept.\n\n***\n\n# One\n\nAnna rose.\n\n***\n\nMarcus left.\n"),
        (1, "before", 0, "Marcus left.\n\n***\n\n# One\n\nAnna rose.\n\n***\n\nShe slept.\n"),
        (1, "after", 2, "# One\n\nAnna rose.\n\n***\n\nShe slept.\n\n***\n\nMarcus left.\n"),
    ],
)
def test_a_scene_moves_with_one_separator(which, key, other, new):
    told, ids = scenes()
    assert len(ids) == 3
    assert done(told, op="move_scene", scene=ids[which], **{key: ids[other]})[0] == new


def test_a_scene_that_moves_is_noted():
    told, ids = scenes()
    notes = done(told, op="move_scene", scene=ids[2], before=ids[0])[1].notes
    assert "“She” in the moved scene would lose Anna." in notes
    notes = done(told, op="move_scene", scene=ids[0], after=ids[2])[1].notes
    assert any("“She” in “She" in note and "would lose Anna" in note for note in notes)
    again = Told("Anna met Marcus.\n\n***\n\nMarcus left.\n").person("Anna").person("Marcus")
    first, second = (scene.id for scene in again.story.scenes)
    assert done(again, op="move_scene", scene=second, before=first)[1].notes == (
        "Marcus would be met in the moved scene before being introduced.",
    )
    assert done(again, op="move_scene", scene=first, after=second)[1].notes == (
        "Marcus is introduced in the moved scene, and would be met before it.",
    )
    assert done(told, op="move_scene", scene=ids[0], before=ids[1])[0] == SCENES
    with pytest.raises(ValueError) as caught:
        done(told, op="move_scene", scene=ids[0], before=ids[0])
    assert caught.value.field == "intent.before"
    with pytest.raises(ValueError, match="there is no scene 'x'; there are s-"):
        done(told, op="move_scene", scene="x", before=ids[0])


def kitchen():
    parses = [
        [
            "Anna/PROPN/2/nsubj came/VERB/0/root/come into/ADP/5/case the/DET/5/det kitchen/NOUN/2/obl ./PUNCT/2/punct",
            "She/PRON/2/nsubj slept/VERB/0/root/sleep in/ADP/5/case the/DET/5/det kitchen/NOUN/2/obl ./PUNCT/2/punct",
            "Marcus/PROPN/2/nsubj stood/VERB/0/root/stand on/ADP/5/case the/DET/5/det hill/NOUN/2/obl ./PUNCT/2/punct",
        ]
    ]
    told = Told("Anna came into the kitchen. She slept in the kitchen. Marcus stood on the hill.", parses)
    told.person("Anna", "Anna", "She", gender="f").person("Marcus", gender="m")
    told.place("kitchen").place("hill")
    told.event("came", "come", "anna", place="kitchen").event("slept", "sleep", "anna", place="kitchen")
    return told.event("stood", "stand", "marcus", place="hill")


def test_a_place_phrase_says_another_place_as_the_story_says_it():
    everywhere = kitchen().story.paragraphs[0].id
    new, suggestion = done(kitchen(), op="move_character", target="anna", place="hill", scope=everywhere)
    assert new == "Anna came onto the hill. She slept on the hill. Marcus stood on the hill."
    assert done(kitchen(), op="move_character", target="anna", place="hill", scope="sleep")[0] == (
        "Anna came into the kitchen. She slept on the hill. Marcus stood on the hill."
    )
    assert done(kitchen(), op="move_character", target="anna", place="the old mill", scope="come")[0].startswith(
        "Anna came into the old mill. She slept in the kitchen."
    )
    assert len(suggestion.hunks) == 2


def test_a_place_is_added_where_none_was():
    told = Told("Anna slept. Marcus left.").person("Anna").person("Marcus").place("London", "London")
    told.event("slept", "sleep", "anna").event("left", "leave", "marcus")
    assert done(told, op="move_character", target="anna", place="London", scope="sleep")[0] == (
        "Anna slept in London. Marcus left."
    )


def test_who_is_moved_needs_a_scope_and_a_place():
    for intent, field in (
        ({"target": "anna", "place": "hill"}, "intent.scope"),
        ({"target": "anna", "place": "nowhere", "scope": "come"}, "intent.place"),
        ({"target": "anna", "scope": "come"}, "intent.place"),
        ({"target": "kitchen", "place": "hill", "scope": "come"}, "intent.target"),
        ({"target": "anna", "place": "hill", "scope": "x"}, "intent.scope"),
    ):
        with pytest.raises(ValueError) as caught:
            done(kitchen(), op="move_character", **intent)
        assert caught.value.field == field
