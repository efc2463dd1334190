"""Events of hand-parsed stories: all that is told, each as often as it is told, and the writer's facts about them."""

import json

import pytest
from hand_parsed import story_of

from gnomon.story.extracting import Extractor
from gnomon.story.records import Extraction, Fact

HIT = "Tom/PROPN/nsubj/2 hit/VERB/root/0:past! Karl/PROPN/obj/2 ./PUNCT/punct/2"
LAUGHED = "Anna/PROPN/nsubj/2 laughed=laugh/VERB/root/0:past! ./PUNCT/punct/2"
OWNED = "Tom/PROPN/nsubj/2 owned=own/VERB/root/0:past Karl/PROPN/obj/2 ./PUNCT/punct/2"
DENIED = "Tom/PROPN/nsubj/4 did=do/AUX/aux/4:past not/PART/advmod/4 weep/VERB/root/0:inf! ./PUNCT/punct/4"
SAID = (
    "“/PUNCT/punct/3 Tom/PROPN/nsubj/3 came=come/VERB/root/0:past! ,/PUNCT/punct/3 ”/PUNCT/punct/3 "
    "said=say/VERB/parataxis/3:past! Anna/PROPN/nsubj/6 ./PUNCT/punct/3"
)
HITS = HIT.replace("hit/VERB/root/0:past", "hits=hit/VERB/root/0:pres")


def read(*paragraphs, facts=()) -> Extraction:
    story, pack = story_of(*paragraphs)
    return Extractor(pack).extract(story, facts=facts)


def test_a_repeated_action_is_as_many_events_as_times_it_is_told() -> None:
    found = read([HIT, LAUGHED, HIT], [HIT, LAUGHED, HIT])
    assert [event.verb for event in found.events] == ["hit", "laugh", "hit"] * 2
    ids = [event.id for event in found.events]
    assert len(set(ids)) == 6
    first, second = ids[:3], ids[3:]
    name = first[0].split(".")[0]
    assert first == [f"{name}.0.0", f"{name}.1.0", f"{name}.2.0"]
    assert second == [f"{name}-2.0.0", f"{name}-2.1.0", f"{name}-2.2.0"]


def test_positions_are_those_of_the_story() -> None:
    story, pack = story_of("😀 שלום", [LAUGHED, HIT])
    event = Extractor(pack).extract(story).events[1]
    assert story.text[event.start : event.end] == "hit"
    assert story.text[slice(*event.sentence)] == "Tom hit Karl."
    assert (event.narrated, event.story, event.agent, event.patient) == (1, 1, "tom", "karl")
    assert (event.kind, event.source, event.confidence) == ("action", "auto", 0.8)


def test_what_did_not_happen_and_what_is_only_said_is_no_event() -> None:
    found = read([DENIED, SAID, HIT])
    assert [event.verb for event in found.events] == ["say", "hit"]
    assert found.events[0].kind == "speech"


def test_the_other_tense_of_a_scene_is_no_event_or_was_before() -> None:
    past = read([HIT, LAUGHED, HITS])
    assert [event.verb for event in past.events] == ["hit", "laugh"]
    laughs = LAUGHED.replace("laughed=laugh/VERB/root/0:past", "laughs=laugh/VERB/root/0:pres")
    present = read([HITS, laughs, LAUGHED], "***", [HIT])
    assert [(event.verb, event.story) for event in present.events] == [
        ("hit", 1), ("laugh", 2), ("laugh", 0), ("hit", 3),
    ]  # fmt: skip


def facts_story():
    story, pack = story_of([HIT, LAUGHED, OWNED, DENIED])

    def anchor(word: str):
        start = story.text.index(word)
        return story.anchor(start, start + len(word))

    def events(*facts: Fact) -> Extraction:
        return Extractor(pack).extract(story, facts=facts)

    return story, anchor, events


def test_a_word_becomes_an_event_by_the_writers_word_and_another_ceases_to_be_one() -> None:
    _, anchor, events = facts_story()
    found = events(Fact("event", anchor("owned")), Fact("not_event", anchor("laughed")))
    assert [(event.verb, event.source) for event in found.events] == [("hit", "auto"), ("own", "user")]
    owned = found.events[1]
    assert (owned.agent, owned.patient, owned.confidence) == ("tom", "karl", 1.0)
    assert not found.lost
    # The ids of the others are what they were.
    assert events().events[0].id == found.events[0].id
    named = events(Fact("event", anchor("owned"), "betray"))
    assert [event.verb for event in named.events] == ["hit", "laugh", "betray"]
    denied = events(Fact("event", anchor("weep")))
    assert [(event.verb, event.source) for event in denied.events][-1] == ("weep", "user")
    again = events(Fact("event", anchor("owned")), Fact("not_event", owned.id))
    assert [event.verb for event in again.events] == ["hit", "laugh"]


def test_agents_and_patients_by_the_writers_word() -> None:
    _, anchor, events = facts_story()
    found = events(Fact("agent", anchor("laughed"), "karl"), Fact("patient", anchor("hit"), None))
    assert [(event.agent, event.patient, event.source) for event in found.events] == [
        ("tom", None, "user"), ("karl", None, "user"),
    ]  # fmt: skip
    by_name = events(Fact("agent", anchor("laughed"), "Karl"))
    assert by_name.events[1].agent == "karl"
    by_id = events(Fact("agent", events().events[1].id, "tom"))
    assert by_id.events[1].agent == "tom"
    stranger = events(Fact("agent", anchor("laughed"), "The Wind"))
    assert stranger.events[1].agent == "the-wind"
    assert [(person.id, person.source) for person in stranger.characters if person.source == "user"] == [
        ("the-wind", "user")
    ]
    on_added = events(Fact("event", anchor("owned")), Fact("agent", anchor("owned"), "anna"))
    assert on_added.events[2].agent == "anna"


@pytest.mark.parametrize("kind", ["agent", "patient", "place", "event", "not_event", "story_before", "story_after"])
def test_a_fact_that_nothing_answers_to_is_kept_and_not_applied(kind: str) -> None:
    story, anchor, events = facts_story()
    elsewhere = story.edit(0, 0, "An altogether different sentence stood here before, and it is long gone. ").anchor(
        0, 72
    )
    fact = Fact(kind, elsewhere, anchor("hit") if kind.startswith("story_") else "tom")
    found = events(fact)
    assert found.lost == (fact,)
    assert found.events == events().events


def test_no_ghost_of_somebody_who_is_no_longer_there() -> None:
    _, anchor, events = facts_story()
    fact = Fact("agent", anchor("laughed"), "maria")
    found = events(fact)
    assert found.lost == (fact,)
    assert "maria" not in [person.id for person in found.characters]
    assert found.events[1].agent == "anna"


def test_later_facts_win() -> None:
    _, anchor, events = facts_story()
    found = events(Fact("agent", anchor("laughed"), "karl"), Fact("agent", anchor("laughed"), "tom"))
    assert found.events[1].agent == "tom"


def test_it_is_ready_for_json() -> None:
    _, anchor, events = facts_story()
    found = events(Fact("event", anchor("owned")), Fact("agent", "no.such.event", "tom"))
    stored = json.loads(json.dumps(found.to_dict()))
    assert stored["events"][0]["sentence"] == [0, 13]
    assert stored["lost"][0]["subject"] == "no.such.event"
    assert "stats" not in stored
    assert found.stats["paragraphs"] == 1
