"""`move_event`, `move_scene`, `move_character`: sentences and scenes carried elsewhere, and place phrases replaced."""

import re
from collections import Counter

from gnomon.story.extracting import paragraph_key
from gnomon.story.intents.asked import Asked, Change, Draft, IntentError, Seen, apart, listed
from gnomon.story.intents.reading import capital, cuts, sentence_at
from gnomon.story.intents.referents import lost_after, lost_inside
from gnomon.story.records import Character, Event

# -- an event ---------------------------------------------------------------------------------------------------------


def move_event(asked: Asked) -> Draft:
    """The event's sentence, whole, before or after that of another event."""
    event, key = asked.event(), asked.beside()
    other = asked.event(key)
    number, goal = asked.sentence_number(event.start), asked.sentence_number(other.start)
    if number == goal:
        raise IntentError(
            f"intent.{key}", f"{other.id!r} stands in the sentence of {event.id!r}; only whole sentences are moved."
        )
    sentences = asked.story.sentences
    span, beside = sentences[number], sentences[goal]
    if number == (goal - 1 if key == "before" else goal + 1):
        return Draft(notes=(f"“{event.verb}” stands there already.",))
    text = asked.story.text[span.start : span.end]
    to = beside.start if key == "before" else beside.end
    reason = f"“{event.verb}” {key} “{other.verb}”"
    changes = _carried(asked, number, text, to, key, reason)
    notes = [
        f"“{each.verb}” stands in the same sentence and moves with it."
        for each in asked.events_within(span.start, span.end)
        if each.id != event.id
    ]
    notes += lost_after(asked, [(span.start, span.end)])
    lost = lost_inside(asked, span.start, span.end, to)
    notes += [f"“{seen.text}” in the moved sentence would lose {asked.name(seen.id)}." for seen in lost]
    notes += _tense(asked, event)
    alternatives = []
    named = _with_names(asked, span.start, text, lost)
    if named != text:
        alternatives.append(tuple(_carried(asked, number, named, to, key, f"{reason}, with names")))
    return Draft(tuple(changes), tuple(notes), tuple(alternatives))


def _carried(asked: Asked, number: int, text: str, to: int, key: str, reason: str) -> list[Change]:
    gap = gap_at(asked, to, key)
    inserted = Change(to, to, text + gap if key == "before" else gap + text, reason, False, True)
    return sorted([*cuts(asked, [number], reason), inserted])


def gap_at(asked: Asked, to: int, key: str) -> str:
    """The space that holds a sentence apart from its neighbour in that paragraph."""
    text = asked.story.text
    paragraph = asked.story.paragraphs[asked.paragraph_number(to if key == "before" else to - 1)]
    near = text[to : paragraph.end] if key == "after" else text[paragraph.start : to]
    found = re.match(r"\s+", near) if key == "after" else re.search(r"\s+$", near)
    return found.group() if found else " "


def _tense(asked: Asked, event: Event) -> list[str]:
    """What in the sentence says when it happens."""
    notes = []
    if event.time is not None:
        cue = asked.story.text[event.time.start : event.time.end]
        notes.append(f"“{cue}” says when it happens, and may be wrong at the new place.")
    sentence = sentence_at(asked, event.start)
    index = sentence.at(event.start)
    if index is not None:
        had = any(
            sentence.words[each].text.casefold() in ("had", "’d", "'d") for each in sentence.dependents(index, "aux")
        )
        if had or "Tense=Pqp" in sentence.words[index].morph:
            notes.append(f"“{sentence.words[index].text}” tells of an earlier time, and may be wrong at the new place.")
    return notes


def _with_names(asked: Asked, start: int, text: str, lost: list[Seen]) -> str:
    """The moved sentence with the names of those whom its pronouns would lose."""
    for seen in sorted(lost, reverse=True):
        low = seen.text.casefold()
        possessive = low in ("his", "its", "their") or (low == "her" and _before_word(asked, seen))
        if asked.romanian and low not in ("el", "ea"):
            continue
        name = asked.name(seen.id) + ("'s" if possessive and not asked.romanian else "")
        text = text[: seen.start - start] + name + text[seen.end - start :]
    return text


def _before_word(asked: Asked, seen: Seen) -> bool:
    sentence = sentence_at(asked, seen.start)
    index = sentence.at(seen.start)
    return index is not None and sentence.words[index].dep in ("nmod:poss", "det")


# -- a scene ----------------------------------------------------------------------------------------------------------


def move_scene(asked: Asked) -> Draft:
    """A scene, whole, before or after another one; what separates scenes stays where it is."""
    scene, key = asked.scene(), asked.beside()
    other = asked.scene(key)
    scenes = asked.story.scenes
    here, there = scenes.index(scene), scenes.index(other)
    if here == there:
        raise IntentError(f"intent.{key}", "a scene cannot stand beside itself; the id of another one is expected.")
    goal = there + (key == "after")
    if goal in (here, here + 1):
        return Draft(notes=("The scene stands there already.",))
    text, reason = asked.story.text, "the scene moves"
    moved = text[scene.start : scene.end]
    # The separator that is cut with the scene, a rule or empty lines, goes in again with it.
    if here < goal:
        cut = Change(scene.start, scenes[here + 1].start, "", reason, False, True)
        to = scenes[goal - 1].end
        put = Change(to, to, _separator(text[scene.end : cut.end], moved) + moved, reason, False, True)
    else:
        cut = Change(scenes[here - 1].end, scene.end, "", reason, False, True)
        to = scenes[goal].start
        put = Change(to, to, moved + _separator(text[cut.start : scene.start], moved), reason, False, True)
    notes = [
        f"“{seen.text}” in the moved scene would lose {asked.name(seen.id)}."
        for seen in lost_inside(asked, scene.start, scene.end, to)
    ]
    notes += lost_after(asked, [(scene.start, scene.end)])
    notes += _first_named(asked, scene.start, scene.end, to)
    return Draft(tuple(sorted([cut, put])), tuple(notes))


def _separator(gap: str, scene: str) -> str:
    return gap if "\n" in gap or scene.endswith("\n") else "\n\n"


def _first_named(asked: Asked, start: int, end: int, to: int) -> list[str]:
    """Who would be met before being introduced."""
    notes = []
    for character in asked.extraction.characters:
        named = [m for m in character.mentions if m.kind != "pronoun"]
        if not named:
            continue
        if to > end and start <= named[0].start < end and any(end <= m.start < to for m in named):
            notes.append(f"{character.name} is introduced in the moved scene, and would be met before it.")
        if to < start and to <= named[0].start < start and any(start <= m.start < end for m in named):
            notes.append(f"{character.name} would be met in the moved scene before being introduced.")
    return notes


# -- a character ------------------------------------------------------------------------------------------------------

_PREPOSITIONS = {
    "en": ("in", "at", "on", "inside", "within", "under", "by", "to", "into", "onto", "toward", "towards", "from",
           "near", "through", "across", "beside", "outside", "behind", "upon", "for"),
    "ro": ("în", "in", "la", "pe", "din", "spre", "lângă", "langă", "sub", "prin", "către", "de", "până"),
}  # fmt: skip
_STATIC = {"en": ("in", "at", "on", "under", "by", "near", "upon"), "ro": ("în", "la", "pe", "sub", "lângă")}
_TOWARDS = {"in": "into", "at": "to", "on": "onto", "upon": "onto", "under": "under", "by": "to", "near": "to"}


def move_character(asked: Asked) -> Draft:
    """The place phrases of the target's sentences in the scope say another place."""
    target = asked.target()
    if not isinstance(target, Character):
        raise IntentError("intent.target", f"{target.id!r} is a place; move_character takes a character.")
    if asked.scope is None:
        raise IntentError(
            "intent.scope", "move_character needs a scope: the id of a scene, paragraph, sentence or event."
        )
    place, name = place_named(asked)
    start, end = asked.scope
    numbers = sorted(
        {asked.sentence_number(seen.start) for seen in asked.mentions_within(start, end) if seen.id == target.id}
    )
    changes: list[Change] = []
    notes: list[str] = []
    events = [each for each in asked.events_within(start, end) if target.id in (each.agent, each.patient)]
    numbers = sorted({*numbers, *(asked.sentence_number(each.start) for each in events)})
    static, phrase = place_phrase(asked, place, name)
    for number in numbers:
        span = asked.story.sentences[number]
        quoted = asked.speeches_within(span.start, span.end)
        there = {
            (seen.start, seen.end): seen.id
            for seen in asked.mentions_within(span.start, span.end)
            if seen.id in asked.places
        }
        for start_of, end_of in _common_places(asked, span.start, span.end):
            if not any(a < end_of and start_of < b for a, b in there):
                there[start_of, end_of] = ""
        found = [
            change
            for (start_of, end_of), id in there.items()
            if id != place and not any(a <= start_of < b for a, b in quoted)
            for change in _replaced_phrase(asked, start_of, end_of, static, phrase, name)
        ]
        changes += found
        if found:
            notes += _company(asked, target.id, span.start, span.end)
    if not changes and events:
        changes.append(_added_phrase(asked, events[0], f"{static} {phrase}", name))
    if not changes:
        notes.append(f"{target.name} does nothing in the scope, so no sentence can say the place.")
    return Draft(tuple(apart(changes)), tuple(dict.fromkeys(notes)))


def place_named(asked: Asked) -> tuple[str | None, str]:
    """The id of the place, None for a new one, and what it is called."""
    given = asked.text("place")
    if given in asked.places:
        return given, asked.places[given].name
    for each in asked.places.values():
        if given.casefold() in {name.casefold() for name in (each.name, *each.aliases)}:
            return each.id, each.name
    if " " not in given and given.islower():
        raise IntentError("intent.place", f"there is no place {given!r}; {listed(asked.places)}; or a new name.")
    return None, given


def place_phrase(asked: Asked, place: str | None, name: str) -> tuple[str, str]:
    """The preposition with which the story says to be at a place, and its name with its article."""
    language = "ro" if asked.romanian else "en"
    text = asked.story.text
    used: Counter[tuple[str, str]] = Counter()
    if place is not None:
        for mention in asked.places[place].mentions:
            before = text[max(0, mention.start - 24) : mention.start]
            match = re.search(r"(\w+)\s+(?:(the|a|an|his|her|their)\s+)?$", before)
            if match and mention.kind != "pronoun":
                used[match.group(1).casefold(), (match.group(2) or "").casefold()] += 1
    static = [(prep, n) for (prep, _), n in used.items() if prep in _STATIC[language]]
    preposition = max(static, key=lambda each: each[1])[0] if static else ("în" if asked.romanian else "in")
    if asked.romanian or re.match(r"(?i)(the|a|an|his|her|their|my) ", name):
        return preposition, name
    articles = Counter(art for (_, art), n in used.items() for _ in range(n))
    common = articles.most_common(1)
    art = "the" if common and common[0][0] else ""
    if name[:1].islower():
        art = "the"
    return preposition, f"{art} {name}".strip()


def _common_places(asked: Asked, start: int, end: int) -> list[tuple[int, int]]:
    """Places that the sentence speaks of by a common noun, whether or not the story makes something of them."""
    number = asked.paragraph_number(start)
    offset = asked.story.paragraphs[number].start
    found = asked.extraction.cache.records[paragraph_key(asked.story.paragraphs[number].id)].places
    return [(p.start + offset, p.end + offset) for p in found if start <= p.start + offset < end]


def _replaced_phrase(asked: Asked, begin: int, stop: int, static: str, phrase: str, name: str) -> list[Change]:
    """One place phrase with another place in it; nothing where no preposition of place stands before it."""
    language = "ro" if asked.romanian else "en"
    sentence = sentence_at(asked, begin)
    inside = [i for i, word in enumerate(sentence.words) if begin <= word.start < stop]
    if not inside:
        return []
    head = next((i for i in inside if sentence.words[i].head not in inside), inside[-1])
    first, last = sentence.phrase(head)
    start = min(sentence.words[first].start, begin)
    end = max(sentence.words[last].end, stop)
    before = sentence.text[: start - sentence.start]
    if match := re.match(
        r"(?:the|a|an|his|her|their|its|my|our)\s+", sentence.text[start - sentence.start : end - sentence.start]
    ):
        before += match.group()
    match = re.search(r"(\w+)\s+(?:(?:the|a|an|his|her|their|its|my|our)\s+)?$", before)
    if match is None or match.group(1).casefold() not in _PREPOSITIONS[language]:
        return []
    old = match.group(1)
    low = old.casefold()
    if low in _STATIC[language]:
        new = static
    elif language == "en" and low in ("into", "onto"):
        new = _TOWARDS.get(static, "to")
    else:
        new = low
    new = capital(new) if old[:1].isupper() else new
    where = sentence.start + match.start()
    return [Change(where, end, f"{new} {phrase}", f"the place is {name}", False, True)]


def _added_phrase(asked: Asked, event: Event, phrase: str, name: str) -> Change:
    """A place phrase at the end of the event's sentence, or of what stands before a quotation in it."""
    span = asked.sentence_at(event.start)
    text = asked.story.text[span.start : span.end]
    quoted = [part for part in asked.speeches_within(span.start, span.end) if part[0] > event.start]
    stop = (quoted[0][0] if quoted else span.end) - span.start
    body = text[:stop].rstrip()
    body = body.rstrip(".!?…,;:”\"’'»)")
    at = span.start + len(body)
    return Change(at, at, f" {phrase}", f"the place is {name}")


def _company(asked: Asked, id: str, start: int, end: int) -> list[str]:
    others = {seen.id for seen in asked.mentions_within(start, end) if seen.id in asked.characters and seen.id != id}
    return [f"{asked.name(each)} is in the same sentence and moves as well." for each in sorted(others)]
