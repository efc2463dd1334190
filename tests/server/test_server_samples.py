"""The stories that come with Gnomon show what it is for: the built-in reader finds it in them."""

import json
from functools import cache
from pathlib import Path

import pytest

import gnomon.server
from gnomon.story import Story, extract
from gnomon.story.records import Extraction
from gnomon.story.reports import make_report

FOLDER = Path(gnomon.server.__file__).parent / "samples"
ABOUT = {each["name"]: each for each in json.loads((FOLDER / "samples.json").read_text(encoding="utf-8"))}


@cache
def read(name: str) -> tuple[Story, Extraction]:
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    story = Story.from_text(text, title=ABOUT[name]["title"])
    return story, extract(story)


def test_every_sample_is_in_the_list() -> None:
    assert {path.stem for path in FOLDER.glob("*.md")} == set(ABOUT)
    assert [each["language"] for each in ABOUT.values()] == ["en", "en", "ro"]


@pytest.mark.parametrize("name", ABOUT)
def test_a_sample_has_a_cast_places_and_two_orders(name: str) -> None:
    story, found = read(name)
    assert 700 <= len(story.text.split()) <= 1300
    assert story.text.startswith(f"# {ABOUT[name]['title']}\n")
    assert found.language == ABOUT[name]["language"]
    assert 3 <= len(story.scenes) <= 5
    named = [each for each in found.characters if len(each.mentions) >= 5 and each.kind == "person"]
    assert 5 <= len(named) <= 7
    assert {each.gender for each in named} >= {"f", "m"}
    assert len([each for each in found.places if any(event.place == each.id for event in found.events)]) >= 5
    assert len(found.events) >= 50
    assert len([each for each in found.events if each.agent and each.patient and each.agent != each.patient]) >= 5
    assert {each.kind for each in found.events} >= {"action", "movement", "speech"}
    assert [each.story for each in found.events] != sorted(each.story for each in found.events)
    assert all(speech.speaker is not None for speech in found.speeches)
    assert len(found.speeches) >= 10


def test_the_bell_is_told_out_of_order() -> None:
    story, found = read("the-bell-at-alderwick")
    scene = story.scenes[2]
    flashback = [each for each in found.events if scene.start <= each.start < scene.end and each.agent == "matthew"]
    first = next(each for each in found.events if each.agent == "nora")
    assert len(flashback) >= 8
    assert sum(each.story < first.story for each in flashback) >= 8
    assert found.warnings == ()


def test_the_ledger_is_not_where_it_was_put_and_one_boy_only_watches() -> None:
    story, found = read("the-green-ledger")
    (warning,) = found.warnings
    assert warning.kind == "object_elsewhere"
    assert "ledger" in warning.message
    passive = make_report("passive_characters", story, found)
    assert "Oliver" in [row.values[0] for row in passive.rows]


def test_the_key_is_read_in_romanian() -> None:
    story, found = read("cheia-de-la-moara")
    (ilinca,) = [each for each in found.characters if each.name == "Ilinca"]
    assert "Ilincăi" in ilinca.aliases
    at = story.text.index("Cu zece ani în urmă")
    earlier = [each for each in found.events if each.time is not None and each.time.relation == "earlier"]
    assert len([each for each in earlier if each.start > at]) >= 10
