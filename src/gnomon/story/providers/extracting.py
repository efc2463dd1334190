"""Reading a story with a provider: scene by scene, with the cast found so far; what is not in the text is not taken.

What comes is an `Extraction` of its own, beside the built-in one; `disagreements` sets the two side by side.
"""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gnomon.story import inflection
from gnomon.story.anchors import fold
from gnomon.story.document import Span, Story
from gnomon.story.names import slug
from gnomon.story.providers.protocol import Provider, Told, extracted
from gnomon.story.providers.spending import Budget, NotApproved, estimate, price, tokens
from gnomon.story.records import Character, Event, Extraction, Mention, Place, Warning

_CONFIDENCE = 0.5
"""Of what a provider says: it gives none of its own."""


@dataclass
class _Names:
    """The cast as it grows: names in the order of their coming, by slug."""

    source: str
    characters: dict[str, list[str]] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)

    def add(self, group: dict[str, list[str]], name: str) -> str | None:
        """The id of a name: of one that is known, or a new one. None for what has no letter."""
        if not slug(name):
            return None
        names = group.setdefault(slug(name), [])
        if name not in names:
            names.append(name)
        return slug(name)


def extract_with(
    provider: Provider,
    story: Story,
    known: Extraction | None = None,
    *,
    approved: bool = False,
    budget: Budget | None = None,
    on_scene: Callable[[int, int], None] | None = None,
    stop: threading.Event | None = None,
) -> Extraction:
    """What a provider reads in `story`, with `known` as the cast to begin with. Its `stats` hold what it took.

    An event whose `quote` does not stand in its scene, letter by letter but for cedillas, composed letters and white
    space, is dropped; a warning `quote_not_found` counts them. `on_scene` is told how many scenes of how many are read.
    Raises NotApproved for more than one scene unless `approved`, ProviderError, and Cancelled once `stop` is set.
    """
    scenes = story.scenes or ((Span("s", 0, len(story.text)),) if story.text.strip() else ())
    names = _Names(f"provider:{provider.name}")
    if known is not None:
        names.characters |= {each.id: [each.name, *each.aliases] for each in known.characters}
        names.places |= {each.id: [each.name, *each.aliases] for each in known.places}
    expected = estimate(provider, [_request(story, scene, names) for scene in scenes])
    if len(scenes) > 1 and not approved:
        raise NotApproved(provider.name, expected)
    if budget is not None:
        budget.check(expected)
    events: list[Event] = []
    seen: set[str] = set()
    dropped: list[str] = []
    read = written = 0
    for number, scene in enumerate(scenes):
        request = _request(story, scene, names)
        reply = provider.complete(request, stop=stop)
        this_read = reply.usage.get("prompt_tokens", tokens(str(request)))
        this_written = reply.usage.get("completion_tokens", tokens(reply.content))
        if budget is not None:
            budget.add(this_read, this_written, price(provider, this_read, this_written))
        read, written = read + this_read, written + this_written
        characters, places, told = extracted(reply, provider.name)
        seen |= {id for each in characters if (id := names.add(names.characters, each)) is not None}
        seen |= {id for each in places if (id := names.add(names.places, each)) is not None}
        for one in told:
            where = _verbatim(story, scene, one.quote)
            if where is None:
                dropped.append(one.quote)
            else:
                events.append(_event(story, names, one, where, seen))
        if on_scene is not None:
            on_scene(number + 1, len(scenes))
    warnings: tuple[Warning, ...] = ()
    if dropped:
        many = "1 event was" if len(dropped) == 1 else f"{len(dropped)} events were"
        first = " ".join(dropped[0].split())[:60]
        warnings = (Warning("quote_not_found", f"{many} dropped: the story does not say “{first}”.", ()),)
    stats = {
        "requests": len(scenes),
        "prompt_tokens": read,
        "completion_tokens": written,
        "cost": price(provider, read, written),
        "quote_not_found": len(dropped),
    }
    told_events = _numbered(story, events)
    kept = seen | {id for each in told_events for id in (each.agent, each.patient, each.place) if id is not None}
    positions: dict[str, list[tuple[int, str | None]]] = {}
    for event in told_events:
        if event.agent is not None and event.place is not None:
            moves = positions.setdefault(event.agent, [])
            if not moves or moves[-1][1] != event.place:
                moves.append((event.narrated, event.place))
    return Extraction(
        language=story.language,
        scenes=story.scenes,
        characters=tuple(_characters(story, names, known, kept)),
        places=tuple(_places(story, names, known, kept)),
        events=told_events,
        positions={id: tuple(moves) for id, moves in positions.items()},
        warnings=warnings,
        stats=stats,
    )


def _request(story: Story, scene: Any, names: _Names) -> dict[str, Any]:
    cast = [
        {"id": id, "name": each[0], "kind": kind, "aliases": each[1:]}
        for kind, group in (("character", names.characters), ("place", names.places))
        for id, each in group.items()
    ]
    return {"task": "extract", "scene": story.text[scene.start : scene.end], "cast": cast}


def _verbatim(story: Story, scene: Any, quote: str) -> tuple[int, int] | None:
    """Where a quote stands in its scene, as letters: cedillas, composed forms and white space aside."""
    wanted = fold(quote).strip()
    text = story.text[scene.start : scene.end]
    if not re.search(r"\w", wanted):
        return None
    start = text.find(quote)
    if start >= 0:
        return scene.start + start, scene.start + start + len(quote)
    if wanted not in fold(text):
        return None
    # Folding changes lengths: letter by letter, how far the original runs.
    pattern = r"\s+".join("".join(map(_letter, word)) for word in wanted.split())
    found = re.search(pattern, text)
    return None if found is None else (scene.start + found.start(), scene.start + found.end())


_VARIANTS = {"ș": "[șş]", "ț": "[țţ]", "Ș": "[ȘŞ]", "Ț": "[ȚŢ]"}


def _letter(letter: str) -> str:
    """A pattern for one letter, composed or not, with comma or cedilla."""
    import unicodedata

    apart = unicodedata.normalize("NFD", letter)
    forms = [_VARIANTS.get(letter, re.escape(letter))]
    if apart != letter:
        forms.append(re.escape(apart))
        if letter in _VARIANTS:
            forms.append(apart[0] + "\u0327")
    return f"(?:{'|'.join(forms)})"


def _event(story: Story, names: _Names, told: Told, where: tuple[int, int], seen: set[str]) -> Event:
    start, end = _trigger(story, told, *where)
    sentence = next(
        ((span.start, span.end) for span in story.sentences if span.start <= start < span.end), (where[0], where[1])
    )
    ids = []
    for name, group in ((told.agent, names.characters), (told.patient, names.characters), (told.place, names.places)):
        id = None if name is None else _known(names, group, name) or names.add(group, name)
        ids.append(id)
        if id is not None:
            seen.add(id)
    agent, patient, place = ids
    kind: Any = "action"
    return Event(
        "", 0, 0, told.verb, kind, agent, patient, place, start, end, sentence, None, _CONFIDENCE, names.source
    )


def _known(names: _Names, group: dict[str, list[str]], name: str) -> str | None:
    low = fold(name).casefold()
    return next((id for id, each in group.items() if low in {fold(known).casefold() for known in each}), None)


def _trigger(story: Story, told: Told, start: int, end: int) -> tuple[int, int]:
    """The word of the quote that is a form of the verb; its first word where none is."""
    text = story.text[start:end]
    verb = told.verb.casefold()
    if story.language == "ro":
        kinds: Sequence[Any] = ("infinitive", "present", "perfect", "imperfect", "pluperfect", "participle", "gerund")
        forms = {inflection.inflect_ro(verb, each, plural=many) for each in kinds for many in (False, True)}
    else:
        english: Sequence[Any] = ("base", "3sg", "past", "participle", "ing")
        forms = {inflection.inflect(verb, each) for each in english}
    firsts = {fold(form).split(" ")[0] for form in forms} | {fold(verb).split(" ")[0]}
    words = list(re.finditer(r"\w+(?:['’]\w+)*", text))
    for word in words:
        if fold(word.group()).casefold() in firsts:
            return start + word.start(), start + word.end()
    for word in words:  # an irregular form that is not listed: the longest common beginning, from three letters on
        if verb[:3] and len(verb) > 3 and word.group().casefold().startswith(verb[:-1]):
            return start + word.start(), start + word.end()
    return start + words[0].start(), start + words[0].end()


def _numbered(story: Story, events: list[Event]) -> tuple[Event, ...]:
    """In text order, without the same trigger twice, with ids by sentence."""
    unique = {(each.start, each.end): each for each in sorted(events, key=lambda each: (each.start, each.end))}
    sentences = {span.start: span.id for span in story.sentences}
    counts: dict[str, int] = {}
    found = []
    for number, event in enumerate(unique.values()):
        sentence = sentences.get(event.sentence[0], f"p{event.sentence[0]}")
        counts[sentence] = counts.get(sentence, -1) + 1
        found.append(event._replace(id=f"{sentence}.{counts[sentence]}", narrated=number, story=number))
    return tuple(found)


def _mentions(story: Story, names: Sequence[str]) -> tuple[Mention, ...]:
    """Where the names stand, the longest first."""
    pattern = "|".join(re.escape(each) for each in sorted(names, key=len, reverse=True))
    found = re.finditer(rf"(?<!\w)(?:{pattern})(?!\w)", story.text)
    return tuple(Mention(m.start(), m.end(), m.group(), "name", _CONFIDENCE) for m in found)


def _characters(story: Story, names: _Names, known: Extraction | None, kept: set[str]) -> list[Character]:
    old = {each.id: each for each in known.characters} if known is not None else {}
    found = []
    for id, each in names.characters.items():
        if id in kept:
            base = old.get(id)
            gender = base.gender if base is not None else "unknown"
            kind = base.kind if base is not None else "person"
            spoken = _mentions(story, each)
            found.append(Character(id, each[0], tuple(each[1:]), gender, kind, spoken, _CONFIDENCE, names.source))
    return found


def _places(story: Story, names: _Names, known: Extraction | None, kept: set[str]) -> list[Place]:
    old = {each.id: each for each in known.places} if known is not None else {}
    return [
        Place(
            id, each[0], tuple(each[1:]), _mentions(story, each), old[id].within if id in old else None, _CONFIDENCE,
            names.source,
        )
        for id, each in names.places.items()
        if id in kept
    ]  # fmt: skip


class Disagreement(NamedTuple):
    """Where two readings differ. `kind`: character, place, event, agent, patient or event_place; None: it has none."""

    kind: str
    start: int
    end: int
    builtin: str | None
    provider: str | None


def disagreements(builtin: Extraction, provider: Extraction) -> list[Disagreement]:
    """The two readings side by side, where they differ, in text order. Events are the same if their triggers meet."""
    found: list[Disagreement] = []
    Named = Sequence[Character | Place]
    groups: list[tuple[str, Named, Named]] = [
        ("character", builtin.characters, provider.characters),
        ("place", builtin.places, provider.places),
    ]
    for kind, ours, theirs in groups:
        for one, other, mine in ((ours, theirs, True), (theirs, ours, False)):
            names = {fold(name).casefold() for each in other for name in (each.name, *each.aliases)}
            for each in one:
                if not names & {fold(name).casefold() for name in (each.name, *each.aliases)}:
                    start, end = each.mentions[0][:2] if each.mentions else (0, 0)
                    found.append(Disagreement(kind, start, end, *((each.name, None) if mine else (None, each.name))))
    at = {position: each for each in builtin.events for position in range(each.start, each.end)}
    met = set()
    for event in provider.events:
        own = next((at[each] for each in range(event.start, event.end) if each in at), None)
        if own is None:
            found.append(Disagreement("event", event.start, event.end, None, event.verb))
            continue
        met.add(own.id)
        for kind, ours_id, theirs_id in (
            ("agent", own.agent, event.agent),
            ("patient", own.patient, event.patient),
            ("event_place", own.place, event.place),
        ):
            if ours_id != theirs_id:
                found.append(Disagreement(kind, event.start, event.end, ours_id, theirs_id))
    found += [
        Disagreement("event", each.start, each.end, each.verb, None) for each in builtin.events if each.id not in met
    ]
    return sorted(found, key=lambda each: (each.start, each.end, each.kind))
