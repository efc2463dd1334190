"""`Extractor.extract(story)`: what is told in a story, read again only where it has changed.

A paragraph's text and the pack decide all that is found in it alone (a `Record`); these are kept. Everything over the
whole story is computed from the records anew, so that reading on from a previous extraction gives what reading from
the beginning gives, field by field.
"""

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from gnomon.story import events, places
from gnomon.story.analysis import Analysis
from gnomon.story.anchors import Anchor
from gnomon.story.cast import FACTS as CAST_FACTS
from gnomon.story.cast import Cast, build_cast
from gnomon.story.chronology import LocalCue, cues_in
from gnomon.story.clauses import LocalClause, LocalPlace, LocalStay, clauses_in
from gnomon.story.continuity import find_warnings
from gnomon.story.document import Story
from gnomon.story.mentions import LocalMention, mentions_in
from gnomon.story.names import slug
from gnomon.story.packs import Pack, load
from gnomon.story.records import Character, Extraction, Fact, Mention

_PORTION = 250
"""Paragraphs that are parsed between two reports of how far it is."""


class Record(NamedTuple):
    """All that one paragraph's text decides: what the pack sees in it, and what follows from that."""

    analysis: Analysis
    mentions: tuple[LocalMention, ...]
    clauses: tuple[LocalClause, ...]
    cues: tuple[LocalCue, ...]
    stays: tuple[LocalStay, ...]
    places: tuple[LocalPlace, ...]
    within: tuple[tuple[int, int], ...]


class Cache(NamedTuple):
    """What an extraction keeps for the next: hash of the pack, language of the story, records by paragraph key."""

    pack_hash: str
    language: str
    records: Mapping[str, Record]


def paragraph_key(paragraph_id: str) -> str:
    """What paragraphs of the same text share: the id without the number of a repeat."""
    return paragraph_id.partition("-")[0]


def record_of(text: str, analysis: Analysis, language: str) -> Record:
    """Everything that follows from one paragraph's analysis."""
    told = clauses_in(text, analysis, language)
    return Record(
        analysis,
        mentions_in(text, analysis, language),
        told.clauses,
        cues_in(text, told, language),
        told.stays,
        told.places,
        told.within,
    )


@contextmanager
def _no_collection() -> Iterator[None]:
    """Nothing made here is cyclic, and one pass of the collector over a novel's words takes as long as all the rest."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Extractor:
    """Reads stories with one pack; without one, with the pack that comes with Gnomon for the story's language."""

    def __init__(self, pack: Pack | None = None) -> None:
        self.pack = pack

    def extract(
        self,
        story: Story,
        *,
        previous: Extraction | None = None,
        facts: Sequence[Fact] = (),
        known: Mapping[str, Analysis] | None = None,
        show: Callable[[int, int], None] | None = None,
    ) -> Extraction:
        """Characters, places, events in both orders, speeches and positions of `story`.

        `previous` is the extraction of an earlier state of it, from which unchanged paragraphs are taken; `known` are
        analyses of the same pack by `paragraph_key`. Neither changes the result. `facts` win over what is found, the
        later over the earlier. Deterministic; nothing is read from a network. `show` is called with (paragraphs parsed,
        paragraphs to parse) now and then; what it raises ends the reading.
        """
        began = time.perf_counter()
        with _no_collection():
            records, parsed, cache = self._records(story, previous, known or {}, show)
            extraction = _assemble(story, records, facts)
        stats = {
            "paragraphs": len(records),
            "parsed": parsed,
            "seconds": time.perf_counter() - began,
        }
        return replace(extraction, stats=stats, cache=cache)

    def _records(
        self,
        story: Story,
        previous: Extraction | None,
        known: Mapping[str, Analysis],
        show: Callable[[int, int], None] | None,
    ) -> tuple[list[Record], int, Cache]:
        """One for each paragraph, how many were parsed for them, and what to keep."""
        pack = load(story.language) if self.pack is None else self.pack
        kept: Mapping[str, Record] = {}
        cache = previous.cache if previous is not None else None
        if isinstance(cache, Cache) and cache.pack_hash == pack.hash and cache.language == story.language:
            kept = cache.records
        keys = [paragraph_key(span.id) for span in story.paragraphs]
        records: dict[str, Record] = {}
        missing: dict[str, str] = {}
        for index, key in enumerate(keys):
            if key in records or key in missing:
                continue
            record = kept.get(key)
            if record is not None:
                records[key] = record
            else:
                text = story.paragraph_text(index)
                if key in known:
                    records[key] = record_of(text, known[key], story.language)
                else:
                    missing[key] = text
        if missing:
            waiting = list(missing.items())
            portion = len(waiting) if show is None else _PORTION
            for first in range(0, len(waiting), portion):
                part = waiting[first : first + portion]
                analyses = pack.analyse([text for _, text in part])
                for (key, text), analysis in zip(part, analyses, strict=True):
                    records[key] = record_of(text, analysis, story.language)
                if show is not None:
                    show(first + len(part), len(waiting))
        return [records[key] for key in keys], len(missing), Cache(pack.hash, story.language, records)


def extract(
    story: Story,
    *,
    previous: Extraction | None = None,
    facts: Sequence[Fact] = (),
    known: Mapping[str, Analysis] | None = None,
) -> Extraction:
    """`Extractor().extract(...)`: with the pack that comes with Gnomon for the story's language."""
    return Extractor().extract(story, previous=previous, facts=facts, known=known)


def analysis_of(extraction: Extraction, story: Story, paragraph: int) -> Analysis:
    """What the pack saw in a paragraph of the story that `extraction` was made from."""
    record: Record = extraction.cache.records[paragraph_key(story.paragraphs[paragraph].id)]
    return record.analysis


def records_of(extraction: Extraction, story: Story) -> list[Record]:
    """The records of all paragraphs of the story that `extraction` was made from."""
    return [extraction.cache.records[paragraph_key(span.id)] for span in story.paragraphs]


class _Located:
    """The writer's facts with their anchors found in this text, and the facts as they were given."""

    def __init__(self, story: Story, facts: Sequence[Fact]) -> None:
        self.lost: list[Fact] = []
        self.facts: list[Fact] = []
        self._given: list[Fact] = []
        for fact in facts:
            subject, value = _located(story, fact.subject), _located(story, fact.value)
            unfound = (subject is None and isinstance(fact.subject, Anchor)) or (
                value is None and isinstance(fact.value, Anchor)
            )
            if unfound:
                self.lost.append(fact)
            else:
                self.facts.append(Fact(fact.kind, subject, value))
                self._given.append(fact)

    def of(self, *kinds: str) -> list[Fact]:
        return [fact for fact in self.facts if fact.kind in kinds]

    def lose(self, facts: Sequence[Fact]) -> None:
        """Facts that nothing in the story answers to."""
        for fact in facts:
            self.lost.append(next(given for mine, given in zip(self.facts, self._given, strict=True) if mine is fact))


def _located(story: Story, where: Any) -> Any:
    """An anchor as the (start, end) that it has in the story, None if it is lost; anything else as it is."""
    if not isinstance(where, Anchor):
        return where
    text, start, end = story.text, where.start, where.end
    if (
        start < end
        and text[start:end] == where.quote
        and text[max(0, start - len(where.before)) : start] == where.before
        and text[end : end + len(where.after)] == where.after
    ):
        return start, end
    return where.locate(text)


def _assemble(story: Story, records: Sequence[Record], facts: Sequence[Fact]) -> Extraction:
    """The passes over the whole story."""
    located = _Located(story, facts)
    cast = build_cast(story, records, located.of(*CAST_FACTS))
    about_places = [fact for fact in cast.lost if fact.kind in ("alias", "merge", "ignore")]
    located.lose([fact for fact in cast.lost if fact not in about_places])
    about_places += [fact for fact in located.of("ignore") if not isinstance(fact.subject, str)]
    lost: list[Fact] = []
    found_places = places.build(story, records, cast, about_places, lost)
    located.lose([fact for fact in lost if fact in cast.lost])
    lost = []
    telling = events.gather(story, records, located.of("event", "not_event"), lost)
    located.lose(lost)
    people = _People(story, cast)
    said = _said(telling, located, people, found_places)
    told, positions = events.build(story, records, cast, found_places, telling, said)
    order = {id(fact): number for number, fact in enumerate(facts)}
    extraction = Extraction(
        language=story.language,
        scenes=story.scenes,
        characters=people.all(),
        places=found_places.finished(),
        events=told,
        speeches=cast.speeches,
        positions=positions,
        lost=tuple(sorted(located.lost, key=lambda fact: order[id(fact)])),
    )
    return replace(extraction, warnings=find_warnings(story, records, extraction))


class _People:
    """The cast, and those whom the writer names and nobody else does."""

    def __init__(self, story: Story, cast: Cast) -> None:
        self._story, self._cast = story, cast
        self._added: list[Character] = []

    def all(self) -> tuple[Character, ...]:
        if not self._added:
            return self._cast.characters
        everybody = [*self._cast.characters, *self._added]
        after = len(self._story.text)
        return tuple(sorted(everybody, key=lambda each: (each.mentions[0].start if each.mentions else after, each.id)))

    def find(self, value: str) -> str | None:
        """The id of whoever has this id or name."""
        everybody = [*self._cast.characters, *self._added]
        for character in everybody:
            if value in (character.id, character.name):
                return character.id
        sought = slug(value)
        for character in everybody:
            if any(slug(name) == sought for name in (character.name, *character.aliases)):
                return character.id
        return None

    def add(self, name: str, taken: set[str]) -> str:
        taken = taken | {character.id for character in (*self._cast.characters, *self._added)}
        chosen, number = slug(name), 2
        while chosen in taken:
            chosen, number = f"{slug(name)}-{number}", number + 1
        mentions = tuple(
            Mention(start, end, name, "name", 1.0) for start, end in places.occurrences(self._story.text, name)
        )
        self._added.append(Character(chosen, name, (), "unknown", "person", mentions, 1.0, "user"))
        return chosen


def _said(telling: events.Telling, located: _Located, people: _People, found: places.Places) -> events.Said:
    """The facts about single events, by number; those that fit no event are lost."""
    said = events.Said({}, {}, {}, [])
    for fact in located.of("agent", "patient", "place", "story_before", "story_after"):
        number = events.number_of(telling, fact.subject)
        if number is None:
            located.lose([fact])
            continue
        if fact.kind in ("story_before", "story_after"):
            other = events.number_of(telling, fact.value) if fact.value is not None else None
            if other is None:
                located.lose([fact])
            else:
                said.placed.append((number, "before" if fact.kind == "story_before" else "after", other))
            continue
        value = fact.value
        who: str | None = None
        if value is not None:
            look = found if fact.kind == "place" else people
            who = look.find(str(value))
            if who is None and str(value) != slug(str(value)):
                who = look.add(
                    str(value), {place.id for place in found.finished()} | {each.id for each in people.all()}
                )
            if who is None:  # an id that the story no longer has: a ghost must not come back
                located.lose([fact])
                continue
        by_kind = {"agent": said.agents, "patient": said.patients, "place": said.places}
        by_kind[fact.kind][number] = who
    return said
