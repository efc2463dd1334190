"""Reading a story with a provider, and the two readings side by side."""

import json

import pytest
from fake_provider import asked, said
from handmade import Told

from chat_server import serving
from gnomon.story.document import Story
from gnomon.story.providers.extracting import Disagreement, disagreements, extract_with
from gnomon.story.providers.openai import OpenAI
from gnomon.story.providers.protocol import ProviderBadAnswer, Reply
from gnomon.story.providers.spending import Budget, NotApproved, SpendingCap


class Reader:
    """A provider that gives one answer after another."""

    name = "reader"
    prices = None

    def __init__(self, *answers):
        self.answers, self.seen = list(answers), []

    def complete(self, request, *, on_text=None, stop=None):
        self.seen.append(request)
        return Reply(json.dumps(self.answers[len(self.seen) - 1]))


def answer(*events, characters=(), places=()):
    keys = ("agent", "verb", "patient", "place", "quote")
    return {
        "characters": list(characters), "places": list(places),
        "events": [dict(zip(keys, each, strict=True)) for each in events],
    }  # fmt: skip


TEXT = "# I\n\nAnna ran home. She flung\nthe letter away.\n\n# II\n\nMarcus slept in Bath. Anna wept.\n"


def test_scene_by_scene_with_a_rolling_cast():
    reader = Reader(
        answer(
            ("Anna", "run", None, None, "Anna ran home"),
            ("Anna", "fling", None, None, "She flung the letter"),
            characters=["Anna"],
        ),
        answer(
            ("Marcus", "sleep", None, "Bath", "Marcus slept"),
            ("anna", "weep", None, None, "Anna wept"),
            characters=["Marcus"],
            places=["Bath"],
        ),
    )
    story = Story.from_text(TEXT, language="en")
    told = []
    found = extract_with(reader, story, approved=True, on_scene=lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]
    assert [set(request) for request in reader.seen] == [{"task", "scene", "cast"}] * 2
    assert [request["task"] for request in reader.seen] == ["extract", "extract"]
    assert "Marcus" not in reader.seen[0]["scene"]
    assert [each["name"] for each in reader.seen[1]["cast"]] == ["Anna"]
    assert [(e.verb, TEXT[e.start : e.end], e.agent, e.place, e.narrated, e.story) for e in found.events] == [
        ("run", "ran", "anna", None, 0, 0), ("fling", "flung", "anna", None, 1, 1),
        ("sleep", "slept", "marcus", "bath", 2, 2), ("weep", "wept", "anna", None, 3, 3),
    ]  # fmt: skip
    assert all(event.source == "provider:reader" for event in found.events)
    assert len({event.id for event in found.events}) == 4
    assert found.events[0].id == f"{story.sentences[1].id}.0"
    assert [(c.id, [m.text for m in c.mentions]) for c in found.characters] == [
        ("anna", ["Anna", "Anna"]),
        ("marcus", ["Marcus"]),
    ]
    assert found.positions == {"marcus": ((2, "bath"),)}
    assert found.warnings == ()
    json.dumps(found.to_dict())


def test_a_quote_that_is_not_there_is_dropped_and_counted():
    story = Story.from_text("Stanca plecă la Ţuţora. A cântat.", language="ro")
    reader = Reader(
        answer(
            ("Stanca", "pleca", None, "Țuțora", "Stanca plecă la Țuțora"),  # a comma for a cedilla
            ("Stanca", "cânta", None, None, "A ca\u0302ntat"),  # composed otherwise
            ("Stanca", "fugi", None, None, "Stanca fugi"),
            ("Stanca", "dormi", None, None, "..."),
        )
    )
    found = extract_with(reader, story)
    assert [story.text[e.start : e.end] for e in found.events] == ["plecă", "cântat"]
    (warning,) = found.warnings
    assert warning.kind == "quote_not_found"
    assert warning.message.startswith("2 events were dropped")
    assert found.stats["quote_not_found"] == 2


@pytest.mark.parametrize(
    "content",
    [{}, {"characters": [], "places": []}, {"characters": "Anna", "places": [], "events": []}, {"characters": [], "places": [], "events": [{}]},
     {"characters": [3], "places": [], "events": []}, {"characters": [], "places": [], "events": ["x"]}, []],
)  # fmt: skip
def test_another_shape_is_no_answer(content):
    with pytest.raises(ProviderBadAnswer):
        extract_with(Reader(content), Story.from_text("Anna ran."))


def test_more_than_a_scene_asks_first_and_a_cap_holds():
    story, reader = Story.from_text(TEXT, language="en"), Reader()
    with pytest.raises(NotApproved) as caught:
        extract_with(reader, story)
    assert caught.value.estimate.requests == 2
    assert caught.value.estimate.prompt_tokens > 200
    with pytest.raises(SpendingCap):
        extract_with(reader, story, approved=True, budget=Budget(max_tokens=100))
    assert reader.seen == []
    assert extract_with(reader, Story.from_text("")).events == ()


def test_over_the_wire():
    def behave(number, body):
        assert asked(body)["task"] == "extract"
        return said(json.dumps(answer(("Anna", "run", None, None, "Anna ran"))))

    with serving(behave) as (url, _):
        found = extract_with(OpenAI(url, "tiny", name="local"), Story.from_text("Anna ran."))
    assert [event.source for event in found.events] == ["provider:local"]
    assert found.stats["prompt_tokens"] == 7


def test_two_readings_side_by_side():
    told = Told("Anna ran home. Marcus slept. Ruth sang.").person("Anna").person("Marcus").person("Ruth")
    told.event("ran", "run", "anna").event("slept", "sleep", "marcus").event("sang", "sing", "ruth")
    story = told.story
    reader = Reader(
        answer(
            ("Anna", "run", None, None, "Anna ran"),
            ("Anna", "sleep", None, None, "Marcus slept"),
            ("Anna", "be", None, None, "home"),
            characters=["Zoe"],
        )
    )
    theirs = extract_with(reader, story, told.extraction)
    found = disagreements(told.extraction, theirs)
    assert found == [
        Disagreement("character", 0, 0, None, "Zoe"),
        Disagreement("event", 9, 13, None, "be"),
        Disagreement("character", 15, 21, "Marcus", None),
        Disagreement("agent", 22, 27, "marcus", "anna"),
        Disagreement("character", 29, 33, "Ruth", None),
        Disagreement("event", 34, 38, "sing", None),
    ]
    assert disagreements(theirs, theirs) == []
