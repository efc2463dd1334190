"""Short stories with known events, read with the packs that come with Gnomon: floors below which nothing may fall."""

import json
from collections import Counter
from pathlib import Path

import pytest

from gnomon.story.document import Story
from gnomon.story.extracting import extract

STORIES = json.loads((Path(__file__).parent / "gold_events.json").read_text(encoding="utf-8"))["stories"]


def counts(language: str) -> Counter[str]:
    """Triggers found and missed, and of those found the right agents, patients, places and pairs in the right order."""
    found: Counter[str] = Counter()
    for gold in STORIES:
        if gold["language"] != language:
            continue
        text = gold["text"]
        story = Story.from_text(text, language=language)
        events = extract(story).events
        expected = []
        at = 0
        for word, *arguments in gold["events"]:
            at = text.index(word, at)
            expected.append((at, arguments))
            at += len(word)
        by_start = {event.start: event for event in events}
        found["told"] += len(expected)
        found["extra"] += len(by_start.keys() - {start for start, _ in expected})
        for start, arguments in expected:
            event = by_start.get(start)
            if event is None:
                continue
            found["found"] += 1
            mine = (event.agent, event.patient, event.place)
            for role, wanted, got in zip(("agent", "patient", "place"), arguments, mine, strict=True):
                found[role] += wanted == got
        ranked = [expected[number][0] for number in gold["story"]]
        for first, earlier in enumerate(ranked):
            for later in ranked[first + 1 :]:
                if earlier in by_start and later in by_start:
                    found["pairs"] += 1
                    found["in order"] += by_start[earlier].story < by_start[later].story
    return found


FLOORS = {
    # recall and precision of triggers; agents, patients, places of those found; pairs in the order of the story's time
    "en": {"recall": 0.8, "precision": 0.9, "agent": 0.9, "patient": 0.9, "place": 0.85, "order": 0.95},
    "ro": {"recall": 0.7, "precision": 0.8, "agent": 0.75, "patient": 0.75, "place": 0.75, "order": 0.9},
}


@pytest.mark.parametrize("language", ["en", "ro"])
def test_gold_stories(language: str) -> None:
    c = counts(language)
    scores = {
        "recall": c["found"] / c["told"],
        "precision": c["found"] / (c["found"] + c["extra"]),
        **{role: c[role] / c["found"] for role in ("agent", "patient", "place")},
        "order": c["in order"] / c["pairs"],
    }
    fallen = {name: (round(scores[name], 3), floor) for name, floor in FLOORS[language].items() if scores[name] < floor}
    assert not fallen, f"scores below their floors: {fallen}; all: {scores}"


def test_no_word_of_a_speech_is_who_speaks() -> None:
    found = extract(Story.from_text("“Where is Jane?” asked Elizabeth. She left."))
    assert [(event.verb, event.agent, event.patient) for event in found.events] == [
        ("ask", "elizabeth", None),
        ("leave", "elizabeth", None),
    ]
