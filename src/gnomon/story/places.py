"""Where a story happens: its places, what is within what, where each event is and where everybody is at each change.

Proper names come from the cast; a common noun ("the kitchen") is a place if something happens there or it comes back.
A scene keeps its last place, somebody who has gone elsewhere is there, and nobody knows where a scene starts that does
not say so.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gnomon.story.chronology import Told
from gnomon.story.names import slug
from gnomon.story.records import Fact, Mention, MentionKind, Place, Source
from gnomon.story.wordlists import ARRIVE, CARRIED, DEPART, DEPARTURES, FOLLOW, PUT, STATIC, TRANSPORT, fold

if TYPE_CHECKING:
    from gnomon.story.cast import Cast
    from gnomon.story.extracting import Record

_OFTEN = 3
"""Mentions after which a common noun is a place even where nothing happens there."""


class _Draft:
    """A place on its way: what it is called and where it is spoken of."""

    __slots__ = ("aliases", "confidence", "id", "mentions", "name", "source", "used")

    def __init__(self, name: str, confidence: float, source: Source) -> None:
        self.name, self.confidence, self.source = name, confidence, source
        self.id = ""
        self.mentions: list[
            tuple[int, int, MentionKind, int, tuple[int, ...]]
        ] = []  # start, end, kind, paragraph, tokens
        self.aliases: list[str] = []
        self.used = False


class Places:
    """All places of a story. `at` gives the one whose mention holds a token of a paragraph, as a dict by the two."""

    def __init__(self, text: str, drafts: Sequence[_Draft], within: Mapping[str, str]) -> None:
        self.at: dict[tuple[int, int], str] = {}
        self._text = text
        self._drafts = list(drafts)
        self._within = within
        self._taken = {draft.id for draft in drafts}
        for draft in drafts:
            for _, _, _, paragraph, tokens in draft.mentions:
                for token in tokens:
                    self.at[paragraph, token] = draft.id

    def find(self, value: str) -> str | None:
        """The id of the place with this id or name."""
        sought = slug(value)
        for draft in self._drafts:
            if draft.id == value or slug(draft.name) == sought or any(slug(alias) == sought for alias in draft.aliases):
                return draft.id
        return None

    def add(self, name: str, taken: set[str]) -> str:
        """A place that only the writer knows."""
        draft = _Draft(name, 1.0, "user")
        draft.id = _free(slug(name), self._taken | taken)
        draft.mentions = [(start, end, "name", -1, ()) for start, end in occurrences(self._text, name)]
        self._taken.add(draft.id)
        self._drafts.append(draft)
        return draft.id

    def finished(self) -> tuple[Place, ...]:
        """In the order of their first mention."""
        text = self._text
        made = []
        for draft in self._drafts:
            mentions = tuple(
                [
                    Mention(start, end, text[start:end], kind, draft.confidence)
                    for start, end, kind, _, _ in sorted(draft.mentions)
                ]
            )
            written: Counter[str] = Counter(" ".join(mention.text.split()) for mention in mentions)
            aliases = [
                *draft.aliases,
                *(each for each, _ in sorted(written.items(), key=lambda each: (-each[1], each[0]))),
            ]
            made.append(
                Place(
                    draft.id,
                    draft.name,
                    tuple(each for each in dict.fromkeys(aliases) if each != draft.name),
                    mentions,
                    self._within.get(draft.id),
                    draft.confidence,
                    draft.source,
                )
            )
        return tuple(sorted(made, key=lambda each: (each.mentions[0].start if each.mentions else len(text), each.id)))


def build(story: Any, records: Sequence["Record"], cast: "Cast", facts: Sequence[Fact], lost: list[Fact]) -> Places:
    """The places of `story`. Of `facts`, those about places are applied; what names no place is added to `lost`."""
    starts = [span.start for span in story.paragraphs]
    drafts: dict[Any, _Draft] = {}
    covered: dict[tuple[int, int], Any] = {}
    for name, mentions in cast.place_names.items():
        draft = drafts[name] = _Draft(name, 0.9, "auto")
        draft.used = True
        for paragraph, mention in mentions:
            offset = starts[paragraph]
            tokens = tuple(range(mention.first, mention.last + 1))
            draft.mentions.append((offset + mention.start, offset + mention.end, "name", paragraph, tokens))
            for token in tokens:
                covered[paragraph, token] = name
    names = {person.id: person.name for person in cast.characters}
    for paragraph, record in enumerate(records):
        offset = starts[paragraph]
        for place in record.places:
            if (paragraph, place.head) in covered or cast.at(paragraph, place.head) is not None:
                continue
            owner = cast.at(paragraph, place.owner) if place.owner is not None else None
            key = (place.key, owner)
            common = drafts.get(key)
            if common is None:
                title = f"{names[owner]}'s {place.key}" if owner in names else place.key
                if owner in names and story.language == "ro":
                    title = " ".join(place.text.split())
                common = drafts[key] = _Draft(title, 0.0, "auto")
            common.confidence = max(common.confidence, place.score)
            common.used = common.used or place.used
            common.mentions.append((offset + place.start, offset + place.end, "nominal", paragraph, (place.head,)))
            covered[paragraph, place.head] = key
    kept = {key: draft for key, draft in drafts.items() if draft.used or len(draft.mentions) >= _OFTEN}
    taken = {person.id for person in cast.characters}
    for draft in sorted(kept.values(), key=lambda each: (min(each.mentions)[:2], each.name)):
        draft.id = _free(slug(draft.name), taken)
        taken.add(draft.id)
    for fact in facts:
        if not _apply(story, kept, fact, len(story.text)):
            lost.append(fact)
    return Places(story.text, list(kept.values()), _within(records, kept, covered))


def _free(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"


def occurrences(text: str, name: str) -> list[tuple[int, int]]:
    """Where `name` stands as whole words."""
    found = []
    at = text.find(name) if name else -1
    while at >= 0:
        end = at + len(name)
        if not (at and text[at - 1].isalnum()) and not text[end : end + 1].isalnum():
            found.append((at, end))
        at = text.find(name, end)
    return found


def _apply(story: Any, drafts: dict[Any, _Draft], fact: Fact, size: int) -> bool:
    """One fact about a place: an alias, a merge, or that it is none."""
    key = _named(drafts, fact.subject)
    if key is None:
        return False
    draft = drafts[key]
    if fact.kind == "ignore":
        if isinstance(fact.subject, str):
            del drafts[key]
        else:
            start, end = fact.subject
            draft.mentions = [each for each in draft.mentions if not (each[0] < end and start < each[1])]
            if not draft.mentions:
                del drafts[key]
        return True
    value = str(fact.value or "").strip()
    if fact.kind not in ("alias", "merge") or not value:
        return False
    other = _named(drafts, value)
    if fact.kind == "merge":
        if other is None:
            return False
        key, other = other, key
        draft = drafts[key]
    if other is not None and other != key:
        absorbed = drafts.pop(other)
        draft.aliases += [absorbed.name, *absorbed.aliases]
        draft.mentions += absorbed.mentions
    elif other is None:
        draft.aliases.append(value)
        draft.mentions += [(start, end, "name", -1, ()) for start, end in occurrences(story.text, value)]
    draft.source, draft.confidence = "user", 1.0
    return True


def _named(drafts: Mapping[Any, _Draft], subject: Any) -> Any:
    """The key of the place with this id or name, or spoken of at this (start, end)."""
    for key, draft in drafts.items():
        if isinstance(subject, str):
            if subject in (draft.id, draft.name) or subject in draft.aliases:
                return key
        elif any(start < subject[1] and subject[0] < end for start, end, *_ in draft.mentions):
            return key
    return None


def _within(
    records: Sequence["Record"], drafts: Mapping[Any, _Draft], covered: Mapping[tuple[int, int], Any]
) -> dict[str, str]:
    """Which place holds which, by what is said most often; never in a circle."""
    said: dict[str, Counter[str]] = {}
    for paragraph, record in enumerate(records):
        for inner, outer in record.within:
            one, other = drafts.get(covered.get((paragraph, inner))), drafts.get(covered.get((paragraph, outer)))
            if one is not None and other is not None and one is not other:
                said.setdefault(one.id, Counter())[other.id] += 1
    within: dict[str, str] = {}
    for place, counts in said.items():
        holder = max(sorted(counts), key=counts.__getitem__)
        here: str | None = holder
        while here is not None and here != place:
            here = within.get(here)
        if here is None:
            within[place] = holder
    return within


class Acting(NamedTuple):
    """One event's people, resolved, and (preposition, place id)s. Where the writer says where: `said` and `place`."""

    agent: str | None
    patient: str | None
    companions: tuple[str, ...]
    phrases: tuple[tuple[str, str], ...]
    together: bool  # "they", who are not known one by one
    said: bool
    place: str | None


class Staying(NamedTuple):
    """Somebody is said to be somewhere before event `number`."""

    number: int
    scene: int
    people: tuple[str, ...]
    place: str


class _Scene:
    """Where people are and where the scene is, as far as it is known."""

    __slots__ = ("here", "where")

    def __init__(self) -> None:
        self.where: dict[str, str | None] = {}
        self.here: str | None = None


Positions = dict[str, tuple[tuple[int, str | None], ...]]


def follow(
    told: Sequence[Told], acting: Sequence[Acting], stays: Sequence[Staying], lines: Sequence[int], language: str
) -> tuple[list[str | None], Positions]:
    """The place of each event, and for each character (narrated, place) at each change of place.

    `lines` is 0 on the main line and otherwise the number of a flashback, which has places of its own.
    """
    where_of: list[str | None] = []
    moves: dict[str, list[tuple[int, str | None]]] = {}
    main, aside = _Scene(), _Scene()
    flashback, scene = 0, -1
    waiting = 0

    def note(person: str, number: int, place: str | None) -> None:
        known = moves.get(person)
        if known is None:
            if place is not None:
                moves[person] = [(number, place)]
        elif known[-1][1] != place:
            if known[-1][0] == number:
                known.pop()
            if known and known[-1][1] == place:
                return
            known.append((number, place))

    for number, event in enumerate(told):
        if event.scene != scene:
            scene, main = event.scene, _Scene()
        line = lines[number]
        if line and line != flashback:
            flashback, aside = line, _Scene()
        state = aside if line else main
        while waiting < len(stays) and stays[waiting].number <= number:
            stay = stays[waiting]
            waiting += 1
            if stay.scene != scene:
                continue
            state.here = stay.place
            for person in stay.people:
                state.where[person] = stay.place
                note(person, number, stay.place)
        act = acting[number]
        place = _happens(event, act, state, language)
        where_of.append(place)
        for person in _those(act.agent, act.patient, *act.companions):
            if person == act.agent or person in state.where:
                note(person, number, state.where.get(person, state.here))
    return where_of, {person: tuple(places) for person, places in sorted(moves.items()) if places}


def _happens(event: Told, act: Acting, state: _Scene, language: str) -> str | None:
    """Where an event is; `state` is brought to what holds after it."""
    clause, where = event.clause, state.where
    agent, patient = act.agent, act.patient
    before = where.get(agent, state.here) if agent is not None else state.here
    verb = fold(clause.verb, language)
    moving = clause.kind == "movement"
    to: str | None = None
    near: str | None = None
    origin: str | None = None
    for preposition, phrase in act.phrases:
        if preposition in _INTO or (moving and preposition in ARRIVE):
            if to is None or preposition in _INTO:
                to = phrase
        elif preposition in DEPART:
            origin = origin or phrase
        elif preposition in STATIC:
            near = near or phrase
    if act.said:
        to, near, origin = (act.place, None, None) if moving else (None, act.place, None)
    elif moving:
        to = to or near
        near = None
        if to is None and verb in FOLLOW and patient is not None:
            to = where.get(patient)
    carried = patient is not None and (verb in TRANSPORT or verb in PUT)
    if to is not None and (moving or verb in CARRIED or carried):
        if carried and patient is not None:
            where[patient] = to
        if agent is not None and verb not in PUT:
            where[agent] = to
        where.update(dict.fromkeys(list(where) if act.together else act.companions, to))
        if agent is None or verb not in PUT:
            state.here = to
        return to
    if moving:
        if origin is not None or (verb in DEPARTURES and agent is not None and patient is None):
            where.update(dict.fromkeys(_those(agent, *act.companions)))
        return origin or before
    if near is None:
        return act.place if act.said else before
    if clause.kind == "perception" and patient is not None and not act.said:
        where[patient] = near  # "she saw Tom in the garden": he is there
        return before or near
    state.here = near
    where.update(dict.fromkeys(_those(agent, *act.companions), near))
    if patient is not None and patient not in where and clause.kind == "action":
        where[patient] = near
    return near


def _those(*people: str | None) -> list[str]:
    return [person for person in people if person is not None]


_INTO = frozenset({"to", "into", "onto", "aboard", "la", "pina"})
