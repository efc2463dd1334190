"""The smallest passages that carry an intent: what a model is sent, one request each, and never the book."""

from collections.abc import Iterable, Mapping
from typing import Any

from gnomon.story.intents.asked import Asked, IntentError

Spans = list[tuple[int, int]]

BUILT_IN_ONLY = ("move_scene",)
_CONTEXT = 1500
"""Characters of the same scene on each side of a passage that a model may read and not rewrite."""


def passages(asked: Asked) -> Spans:
    """The spans to be rewritten: sentence, then paragraph, then scene. A scope widens one to all that it holds."""
    op = asked.op
    if op in BUILT_IN_ONLY:
        raise IntentError("provider", f"{op} moves text as it is; the built-in editor does it, and no model.")
    if op in ("swap_roles", "remove_event", "change_event"):
        return _widened(asked, [asked.event().sentence])
    if op == "add_event":
        if asked.intent.get("after") is not None:
            return _widened(asked, [asked.event("after").sentence])
        end = asked.scope[1] if asked.scope else len(asked.story.text)
        span = asked.sentence_at(max(0, end - 1)) if asked.story.sentences else None
        return [(span.start, span.end)] if span is not None else [(end, end)]
    if op == "move_event":
        return _widened(asked, [_hull(asked, asked.event().sentence, asked.event(asked.beside()).sentence)])
    if op == "write_scene":
        return [_scene(asked)]
    target = asked.target()
    start, end = asked.scope or (0, len(asked.story.text))
    numbers = {asked.paragraph_number(m.start) for m in target.mentions if start <= m.start < end}
    spans = [asked.story.paragraphs[each] for each in sorted(numbers)]
    if not spans and asked.scope is not None:
        return [asked.scope]
    if asked.scope is not None and op in ("set_property", "move_character"):
        return [_sentences(asked, *asked.scope)]
    return [(span.start, span.end) for span in spans]


def _widened(asked: Asked, spans: Spans) -> Spans:
    if asked.scope is None:
        return spans
    (start, end), scope = spans[0], asked.scope
    if scope[1] <= start or end <= scope[0]:
        raise IntentError("scope", f"the scope {scope} does not meet the sentence of the event, {(start, end)}.")
    return [(min(start, scope[0]), max(end, scope[1]))]


def _sentences(asked: Asked, start: int, end: int) -> tuple[int, int]:
    """Whole sentences that cover a span."""
    if not asked.story.sentences:
        return start, end
    first, last = asked.sentence_at(start), asked.sentence_at(max(start, end - 1))
    return min(start, first.start), max(end, last.end)


def _hull(asked: Asked, one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """What holds two sentences: of one scene, or nothing that is sent."""
    start, end = min(one[0], other[0]), max(one[1], other[1])
    if asked.scene_at(start) != asked.scene_at(end - 1):
        raise IntentError("provider", "the two events lie in different scenes; the built-in editor moves between them.")
    return start, end


def _scene(asked: Asked) -> tuple[int, int]:
    """The scene to be written anew, or the empty place after one, where a new one is to stand."""
    if asked.intent.get("scene") is not None:
        scene = asked.scene()
        return scene.start, scene.end
    end = asked.scene("after").end if asked.intent.get("after") is not None else len(asked.story.text)
    return end, end


def request(asked: Asked, span: tuple[int, int]) -> dict[str, Any]:
    """What a provider is asked for one passage: JSON in which the manuscript is data."""
    text = asked.story.text
    start, end = span
    scene = asked.scene_at(start) if asked.story.scenes else None
    low, high = (scene.start, max(scene.end, end)) if scene is not None and scene.start <= start else (start, end)
    return {
        "task": "edit",
        "intent": dict(asked.intent),
        "span": text[start:end],
        "before": text[max(low, start - _CONTEXT) : start],
        "after": text[end : min(high, end + _CONTEXT)],
        "cast": cast(asked, low, high),
    }


def cast(asked: Asked, start: int, end: int) -> list[dict[str, Any]]:
    """Who and what is mentioned between two positions, or named by the intent."""
    ids = {seen.id for seen in asked.mentions_within(start, end)} | set(named_ids(asked))
    characters = [
        {"id": each.id, "name": each.name, "kind": "character", "aliases": list(each.aliases), "gender": each.gender}
        for each in asked.extraction.characters
        if each.id in ids
    ]
    places = [
        {"id": each.id, "name": each.name, "kind": "place", "aliases": list(each.aliases)}
        for each in asked.extraction.places
        if each.id in ids
    ]
    return characters + places


def named_ids(asked: Asked) -> list[str]:
    """The characters and places that an intent names: by their ids, and as parts in the events it names."""
    events = {each.id: each for each in asked.extraction.events}
    found: list[str] = []
    for value in texts_in(asked.intent):
        if value in asked.characters or value in asked.places:
            found.append(value)
        elif value in events:
            event = events[value]
            found += [each for each in (event.agent, event.patient, event.place) if each is not None]
    return found


def texts_in(value: Any) -> Iterable[str]:
    """Every text in an intent, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from texts_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts_in(each)
