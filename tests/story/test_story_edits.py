"""Suggestions: the laws of their hunks, minimal differences, scopes, and what a provider was not asked for."""

import json
from itertools import pairwise

import pytest
from handmade import Told
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import UserError
from gnomon.story.anchors import Edit
from gnomon.story.document import Story
from gnomon.story.edits import BUILT_IN, Hunk, Suggestion, apply, propose, requests, word_diff
from gnomon.story.providers.protocol import Reply
from gnomon.story.providers.spending import Budget, NotApproved, SpendingCap

TEXT = (
    "# One\n\nAnna Moss met Marcus in Bath. She gave Marcus her ring. Anna's ring shone.\n\n"
    "“Go,” said Marcus. Mr. Moss slept.\n\n***\n\nANNA laughed 😀 in Bath. He left.\n"
)


def told():
    made = Told(TEXT)
    made.person("Anna Moss", "Anna Moss", "Anna", "She", "her", "ANNA", aliases=("Anna",), gender="f", id="anna")
    made.person("Marcus", "Marcus", "He", gender="m").person("Mr. Moss", "Mr. Moss", gender="m", id="moss")
    made.place("Bath")
    made.event("met", "meet", "anna", "marcus", "bath").event("gave", "give", "anna", "marcus")
    made.event("said", "say", "marcus", kind="speech").event("slept", "sleep", "moss")
    made.event("laughed", "laugh", "anna", None, "bath").event("left", "leave", "marcus")
    return made.speech("“Go,”", "marcus")


TOLD = told()
STORY, READ = TOLD.story, TOLD.extraction
SCENES = [scene.id for scene in STORY.scenes]
INTENTS = [
    {"op": "rename", "target": "anna", "to": "Clara Reed"},
    {"op": "rename", "target": "bath", "to": "York"},
    {"op": "swap_roles", "event": "meet"},
    {"op": "swap_roles", "event": "give"},
    {"op": "remove_event", "event": "say"},
    {"op": "remove_event", "event": "laugh"},
    {"op": "remove_character", "target": "anna"},
    {"op": "remove_character", "target": "marcus"},
    {"op": "move_event", "event": "leave", "before": "meet"},
    {"op": "move_event", "event": "meet", "after": "leave"},
    {"op": "move_scene", "scene": SCENES[0], "after": SCENES[1]},
    {"op": "move_character", "target": "anna", "place": "the Old Mill", "scope": "meet"},
    {"op": "change_event", "event": "give", "verb": "throw"},
    {"op": "add_event", "agent": "moss", "verb": "snore", "after": "sleep", "place": "bath"},
]


@pytest.mark.parametrize("intent", INTENTS, ids=lambda each: each["op"])
def test_hunks_are_sorted_apart_and_say_what_stands_there(intent):
    suggestion = propose(STORY, READ, intent)
    assert suggestion.hunks
    assert len({hunk.id for hunk in suggestion.hunks}) == len(suggestion.hunks)
    end = 0
    for hunk in suggestion.hunks:
        assert end <= hunk.start <= hunk.end <= len(TEXT)
        assert hunk.before == TEXT[hunk.start : hunk.end] != hunk.after
        assert hunk.reason
        end = hunk.end
    assert Suggestion.from_dict(json.loads(json.dumps(suggestion.to_dict()))) == suggestion
    assert propose(STORY, READ, intent) == suggestion
    assert suggestion.provider == "builtin"


@pytest.mark.parametrize("intent", INTENTS, ids=lambda each: each["op"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_laws_of_acceptance(intent, data):
    suggestion = propose(STORY, READ, intent)
    ids = [hunk.id for hunk in suggestion.hunks]
    assert apply(STORY, suggestion).text == TEXT
    accepted = data.draw(st.sets(st.sampled_from(ids)))
    expected, shift = TEXT, 0
    for hunk in suggestion.hunks:  # an oracle of its own: exactly these spans, from the left
        if hunk.id in accepted:
            expected = expected[: hunk.start + shift] + hunk.after + expected[hunk.end + shift :]
            shift += len(hunk.after) - len(hunk.before)
    at_once = apply(STORY, suggestion, accepted)
    assert at_once.text == expected
    assert at_once == Story.from_text(expected, language="en")
    story, left = STORY, suggestion
    for name in data.draw(st.permutations(sorted(accepted))):
        story, left = apply(story, left, [name]), left.without([name])
    assert story.text == expected
    assert {hunk.id for hunk in left.hunks} == set(ids) - accepted
    for hunk in left.hunks:
        assert story.text[hunk.start : hunk.end] == hunk.before
    text = TEXT
    for edit in suggestion.edits(accepted):
        text = text[: edit.start] + edit.text + text[edit.end :]
    assert text == expected
    undone = expected
    shift = 0
    for hunk in suggestion.hunks:  # the inverse of what was accepted gives the text back
        if hunk.id in accepted:
            start = hunk.start
            undone = undone[:start] + hunk.before + undone[start + len(hunk.after) :]
    assert undone == TEXT


def test_all_leaves_out_what_is_optional():
    suggestion = propose(STORY, READ, INTENTS[0])
    optional = [hunk for hunk in suggestion.hunks if hunk.optional]
    assert [hunk.before for hunk in optional] == ["Moss"]
    assert "Mr. Moss" in apply(STORY, suggestion, "all").text
    assert "Mr. Reed" in apply(STORY, suggestion, [optional[0].id]).text


def test_what_cannot_be_accepted():
    suggestion = propose(STORY, READ, INTENTS[0])
    with pytest.raises(UserError, match="has no hunk 'h99'; it has h1, h2"):
        apply(STORY, suggestion, ["h99"])
    with pytest.raises(UserError, match="was proposed for 'Anna Moss' at 7, where the text is"):
        apply(STORY.edit(0, 0, "x"), suggestion, "all")
    assert apply(STORY.edit(0, 0, "x"), suggestion.moved(Edit(0, 0, "x")), "all").text.startswith(
        "x# One\n\nClara Reed"
    )


def test_scenes_of_the_caller_stay_exact():
    story = Story.from_text("So Anna came. So Anna left.", language="en", scenes=[(0, 13), (14, 27)])
    made = Told("So Anna came. So Anna left.").person("Anna")
    suggestion = propose(story, made.extraction, {"op": "rename", "target": "anna", "to": "Ruth-Ann"})
    new = apply(story, suggestion, "all")
    assert [new.text[scene.start : scene.end] for scene in new.scenes] == ["So Ruth-Ann came.", "So Ruth-Ann left."]


def test_highlight_rewrites_nothing():
    for intent in INTENTS:
        suggestion = propose(STORY, READ, {**intent, "highlight": True})
        assert suggestion.hunks
        assert all(hunk.before == hunk.after == TEXT[hunk.start : hunk.end] for hunk in suggestion.hunks)
        assert apply(STORY, suggestion, "all") == STORY
    asked = Canned()
    suggestion = propose(STORY, READ, {**INTENTS[3], "highlight": True}, provider=asked)
    assert [hunk.before for hunk in suggestion.hunks] == ["She gave Marcus her ring."]
    assert asked.seen == []


@pytest.mark.parametrize(
    ("intent", "field", "words"),
    [
        ({"op": "explode"}, "intent.op", "there is no op 'explode'; there are rename, swap_roles"),
        ({}, "intent.op", "an intent needs an op"),
        ("rename", "intent", "expected an object"),
        ({"op": "rename", "target": "zoe", "to": "Al"}, "intent.target", "no character or place 'zoe'; there are bath, anna"),
        ({"op": "remove_event", "event": "fly"}, "intent.event", "no event 'fly'; there are meet, give"),
        ({"op": "remove_event"}, "intent.event", "needs the id of a event"),
        ({"op": "change_event", "event": "give"}, "intent.verb", "needs a text"),
        ({"op": "add_event", "agent": "bath", "verb": "go"}, "intent.agent", "no character 'bath'"),
        ({"op": "remove_character", "target": "bath"}, "intent.target", "is a place"),
        ({"op": "set_property", "target": "anna"}, "provider", "needs a provider"),
        ({"op": "write_scene"}, "provider", "needs a provider"),
        ({"op": "rename", "target": "anna", "to": "Al", "scope": "x"}, "intent.scope", "the id of no scene"),
        ({"op": "rename", "target": "anna", "to": "Al", "scope": [3, 1]}, "intent.scope", "start and end between 0"),
    ],
)  # fmt: skip
def test_mistakes_name_their_field_and_what_exists(intent, field, words):
    with pytest.raises(ValueError) as caught:
        propose(STORY, READ, intent)
    assert caught.value.field == field
    assert words in str(caught.value)


def test_a_scope_bounds_a_rename():
    suggestion = propose(STORY, READ, INTENTS[0], scope=SCENES[1])
    assert [hunk.before for hunk in suggestion.hunks] == ["ANNA"]
    with pytest.raises(ValueError, match="scope: "):
        propose(STORY, READ, INTENTS[0], scope=(0, 10**6))


# -- differences -----------------------------------------------------------------------------------------------------


def rebuilt(old, pieces):
    for start, end, text in reversed(pieces):
        old = old[:start] + text + old[end:]
    return old


WORDS = st.lists(st.sampled_from(["a", "b", "Anna", "cat", ",", ".", "\n", "it's", "ă"]), max_size=30).map(" ".join)


@settings(max_examples=100, deadline=None)
@given(WORDS, WORDS)
def test_a_difference_turns_one_into_the_other(old, new):
    pieces = word_diff(old, new)
    assert rebuilt(old, pieces) == new
    assert all(one.end <= two.start for one, two in pairwise(pieces))
    assert (pieces == []) == (old == new)


def test_differences_are_words():
    assert word_diff("Anna ran home.", "Anna walked home.") == [(5, 8, "walked")]
    assert word_diff("Anna ran home.", "Anna home.") == [(5, 9, "")]
    assert word_diff("the end", "the very end") == [(4, 4, "very ")]
    assert word_diff("It is. So.", "It is. Yes. So.") == [(6, 6, " Yes.")]
    assert word_diff("It is. Yes. So.", "It is. So.") == [(6, 11, "")]
    assert word_diff("Anna's hat", "Ruth's hat") == [(0, 4, "Ruth")]
    assert word_diff("went to bed", "fell fast asleep") == [(0, 11, "fell fast asleep")]
    assert word_diff("kissed Marcus now", "slapped Tom now") == [(0, 6, "slapped"), (7, 13, "Tom")]


def test_a_long_scene_is_compared_soon():
    words = [f"w{n * 7919 % 3000}" for n in range(9000)]
    changed = list(words)
    changed[5000] = "other"
    assert word_diff(" ".join(words), " ".join(changed)) == [
        (len(" ".join(words[:5000])) + 1, len(" ".join(words[:5001])), "other")
    ]


# -- providers -------------------------------------------------------------------------------------------------------


class Canned:
    """A provider that gives what `write` makes of a request."""

    name = "canned"
    prices = (1.0, 2.0)

    def __init__(self, write=lambda request: request["span"]):
        self.write, self.seen = write, []

    def complete(self, request, *, on_text=None, stop=None):
        self.seen.append(request)
        return Reply(json.dumps({"text": self.write(request)}), "stop", {"prompt_tokens": 100, "completion_tokens": 10})


GIVE = {"op": "change_event", "event": "give", "verb": "throw"}


def test_the_smallest_passage_is_sent_as_data():
    asked = Canned(lambda request: request["span"].replace("gave", "threw"))
    suggestion = propose(STORY, READ, GIVE, provider=asked)
    (request,) = asked.seen
    assert request["task"] == "edit"
    assert request["intent"] == GIVE
    assert request["span"] == "She gave Marcus her ring."
    assert request["before"].endswith("Anna Moss met Marcus in Bath. ")
    assert "laughed" not in request["after"]
    assert {each["name"] for each in request["cast"]} == {"Anna Moss", "Marcus", "Mr. Moss", "Bath"}
    assert [(hunk.before, hunk.after, hunk.unintended) for hunk in suggestion.hunks] == [("gave", "threw", False)]
    assert suggestion.provider == "canned"
    assert suggestion.usage["prompt_tokens"] == 100
    assert suggestion.usage["cost"] == pytest.approx(120e-6)
    assert requests(STORY, READ, GIVE) == [request]
    assert Suggestion.from_dict(json.loads(json.dumps(suggestion.to_dict()))) == suggestion


@pytest.mark.parametrize(
    ("rewrite", "unintended"),
    [
        ("She threw Tom her ring.", [("gave", "threw", False), ("Marcus", "Tom", True)]),
        ("She threw her ring.", [("gave Marcus", "threw", True)]),
        ("She threw Marcus her ring in Paris.", [("gave", "threw", False), ("", " in Paris", True)]),
        ("She threw Marcus her ring. Mr. Moss saw it.", [("gave", "threw", False), ("", " Mr. Moss saw it.", True)]),
        ("She threw Marcus her golden ring.", [("gave", "threw", False), ("", "golden ", False)]),
        ("Slowly she threw Marcus her ring.", [("She", "Slowly", False), ("gave", "she threw", False)]),
    ],
)
def test_names_that_nobody_asked_for_are_unintended(rewrite, unintended):
    suggestion = propose(STORY, READ, GIVE, provider=Canned(lambda request: rewrite))
    assert sorted((h.before, h.after, h.unintended) for h in suggestion.hunks) == sorted(unintended)
    kept = apply(STORY, suggestion, "all").text
    assert "Marcus her" in kept or "gave Marcus" in kept
    assert "Tom" not in kept
    assert "Paris" not in kept


def test_who_is_named_by_the_intent_may_change():
    suggestion = propose(
        STORY, READ, {"op": "rename", "target": "anna", "to": "Ruth"}, provider=Canned(
            lambda request: request["span"].replace("Anna", "Ruth").replace("Marcus", "Tom")
        ), scope=STORY.paragraphs[1].id,
    )  # fmt: skip
    assert {(hunk.before, hunk.unintended) for hunk in suggestion.hunks} == {("Anna", False), ("Marcus", True)}


def test_hunks_outside_the_scope_are_unintended():
    start = TEXT.index("gave")
    suggestion = propose(
        STORY, READ, GIVE, scope=(start, start + 4), provider=Canned(lambda request: "She threw Marcus the ring.")
    )
    assert [(hunk.after, hunk.unintended) for hunk in suggestion.hunks] == [("threw", False), ("the", True)]
    with pytest.raises(ValueError, match="does not meet the sentence"):
        propose(STORY, READ, GIVE, scope=(0, 3), provider=Canned())


def test_more_than_a_scene_is_not_sent_unseen():
    asked = Canned(lambda request: request["span"].replace("Anna", "Ruth").replace("ANNA", "RUTH"))
    intent = {"op": "rename", "target": "anna", "to": "Ruth"}
    with pytest.raises(NotApproved, match="more than one scene: 2 requests, about") as caught:
        propose(STORY, READ, intent, provider=asked)
    assert asked.seen == []
    assert caught.value.estimate.requests == 2
    assert caught.value.estimate.cost > 0
    suggestion = propose(STORY, READ, intent, provider=asked, approved=True)
    assert "Anna" not in apply(STORY, suggestion, "all").text
    assert [len(request["span"]) < 100 for request in asked.seen] == [True, True]


def test_a_cap_holds_before_anything_is_sent():
    asked, budget = Canned(), Budget(max_tokens=5000)
    propose(STORY, READ, GIVE, provider=asked, budget=budget)
    assert budget.spent_tokens == 110
    budget.spent_tokens = 4900
    with pytest.raises(SpendingCap, match="4900 are spent"):
        propose(STORY, READ, GIVE, provider=asked, budget=budget)
    assert len(asked.seen) == 1
    with pytest.raises(SpendingCap, match="would cost"):
        propose(STORY, READ, GIVE, provider=asked, budget=Budget(max_cost=1e-6))


def test_a_provider_writes_what_rules_cannot():
    scene = {"op": "write_scene", "after": SCENES[0], "text": "Anna and Zoe meet."}
    asked = Canned(lambda request: "\n\nAnna met Zoe.")
    suggestion = propose(STORY, READ, scene, provider=asked)
    assert [(hunk.before, hunk.after, hunk.unintended) for hunk in suggestion.hunks] == [
        ("", "\n\nAnna met Zoe.", False)
    ]
    shy = {"op": "set_property", "target": "anna", "property": "temper", "value": "shy"}
    suggestion = propose(
        STORY, READ, shy, scope=SCENES[1], provider=Canned(lambda r: r["span"].replace("laughed", "smiled"))
    )
    assert [hunk.after for hunk in suggestion.hunks] == ["smiled"]
    with pytest.raises(ValueError, match="the built-in editor does it"):
        propose(STORY, READ, INTENTS[10], provider=asked)


def test_every_op_is_in_the_table():
    assert set(BUILT_IN) == {
        "rename", "swap_roles", "remove_event", "remove_character", "move_event", "move_scene", "move_character",
        "change_event", "add_event", "set_property", "write_scene",
    }  # fmt: skip
    assert {each["op"] for each in INTENTS} | {"set_property", "write_scene"} == set(BUILT_IN)
    assert Hunk("h1", 0, 1, "a", "b", "r").to_dict()["unintended"] is False
