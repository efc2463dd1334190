"""A hundred random edits of a real novel's beginning: proposed, partly accepted, and undone to the byte."""

import gzip
import os
import random
from pathlib import Path

import pytest

from gnomon.story import Story, apply, extract, propose
from gnomon.story.intents.asked import IntentError


def test_edits_of_a_novel_are_undone_to_the_byte():
    path = Path(os.environ.get("GNOMON_DATA_DIR", "")) / "story/novels_en/11_alices_adventures_in_wonderland.txt.gz"
    if not path.is_file():
        pytest.skip("Alice's Adventures in Wonderland is not in GNOMON_DATA_DIR/story/novels_en.")
    story = Story.from_text(gzip.decompress(path.read_bytes()).decode().replace("\r\n", "\n")[:40_000], language="en")
    found = extract(story)
    people, draw = [each.id for each in found.characters], random.Random(4)
    events = [each.id for each in found.events]
    scenes = [each.id for each in story.scenes]
    proposed = refused = 0
    for number in range(100):
        one, other = draw.sample(events, 2)
        intent = (
            {"op": "rename", "target": draw.choice(people), "to": "Zora Quill"},
            {"op": "swap_roles", "event": one},
            {"op": "remove_event", "event": one},
            {"op": "remove_character", "target": draw.choice(people)},
            {"op": "move_event", "event": one, draw.choice(("before", "after")): other},
            {"op": "move_scene", "scene": scenes[0], "after": scenes[-1]},
            {
                "op": "move_character",
                "target": draw.choice(people),
                "place": "the Old Mill",
                "scope": draw.choice(scenes),
            },
            {"op": "change_event", "event": one, "verb": "fling"},
            {"op": "add_event", "agent": draw.choice(people), "verb": "kiss", "patient": "the King", "after": one},
        )[number % 9]
        try:
            suggestion = propose(story, found, intent)
        except IntentError:  # of an event whose roles are not known, or two in one sentence
            refused += 1
            continue
        taken = [hunk for hunk in suggestion.hunks if draw.random() < 0.6]
        text = apply(story, suggestion, [hunk.id for hunk in taken]).text
        proposed += bool(suggestion.hunks)
        for hunk in taken:
            assert text[hunk.start : hunk.start + len(hunk.after)] == hunk.after
            text = text[: hunk.start] + hunk.before + text[hunk.start + len(hunk.after) :]
        assert text == story.text
    assert refused <= 15
    assert proposed >= 65
