"""What does not go together in a story: people in two places at one time, the dead acting, things that are elsewhere.

A function of the story and of what was found in it. A false alarm costs a writer's trust, so each kind asks for plain
words: names rather than pronouns, places said rather than supposed, no change of time told between. Each warning cites
the passages that contradict each other, in the order of the text.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from gnomon.story.document import Story
from gnomon.story.names import words_of
from gnomon.story.records import Character, Event, Extraction, Place, Warning
from gnomon.story.wordlists import fold

if TYPE_CHECKING:
    from gnomon.story.clauses import LocalClause
    from gnomon.story.extracting import Record

_DIE = words_of("die perish expire drown deceased muri deceda pieri raposa")
_KILL = words_of("kill murder slay behead assassinate strangle ucide omori asasina injunghia")
_PUT = words_of(
    "put place leave lay hide forget drop lock bury hang deposit store set pune lasa ascunde uita aseza ingropa"
)
_USE = words_of(
    "take pick seize grab lift raise open read hold draw use pull fire drink wear carry snatch light play"
    " lua apuca ridica deschide citi tine scoate folosi trage purta"
)
_NEVER_ONE_THING = words_of(
    "hand head eye arm foot leg finger face hair lip mouth shoulder knee heart mind soul voice word name way time place"
    " day night one other thing something anything nothing everything it question end part matter attention hope trust"
    " door window light fire table chair hat glass mina cap ochi brat picior fata gura umar suflet vorba usa"
)
_NEAR = 2  # scenes between putting a thing somewhere and using it; after that it is another letter, another knife
_APART = 2500  # characters between day and night
_INTRODUCED = re.compile(
    r"(?:\b(?:an?|another|some|one|the)\s+(?:[\w'’-]+\s+){1,4}(?:named|called|by\s+the\s+name\s+of|whose\s+name\s+was)"
    r"|\b(?:un|o|unui|unei|alt|alta)\s+(?:[\w-]+\s+){1,4}(?:numit|numită|numita|pe\s+nume|anume|cu\s+numele))\s+\Z"
)
_INTRODUCING = {
    "en": (" named ", " called ", "the name of ", "name was "),
    "ro": (" numit ", " numită ", " pe nume ", " anume ", " cu numele "),
}
_DAY = {
    "en": (
        "at noon", "at midday", "in broad daylight", "the sun shone", "the sun was shining", "in the midday sun",
        "in the noonday sun", "the sun beat down",
    ),
    "ro": ("la amiază", "ziua în amiaza mare", "soarele strălucea"),
}  # fmt: skip
_NIGHT = {
    "en": (
        "at midnight", "in the dead of night", "in the middle of the night", "the moon shone", "the moon was shining",
        "the stars shone", "the stars were shining", "by moonlight", "in the moonlight",
    ),
    "ro": ("la miezul nopții", "în toiul nopții", "luna strălucea"),
}  # fmt: skip
_TIME_GOES_ON = re.compile(
    r"\b(?:next|later|after|afterwards|until|till|before|since|hours?|days?|nights?|weeks?|dawn|dusk|sunrise|sunset"
    r"|daybreak|morning|afternoon|evening|noon|midnight|tomorrow|yesterday|had|would|when|then|every|always|often|if"
    r"|apoi|după|până|înainte|dimineaț\w*|sear\w*|zori\w*|zile?i?|nopț\w*|noapte\w*|mâine|ieri|ore|ceas\w*)\b",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"\b(?:at|at\s+exactly|precisely|exactly\s+at|la)\s+(?:(?P<name>noon|midday|midnight|amiază|miezul\s+nopții)"
    r"|(?P<hour>\d{1,2}(?:[:.]\d\d)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
    r"\s*(?:o['’]\s?clock|[ap]\.?m\b))",
    re.IGNORECASE,
)
_CLOCK_WORDS = {
    "en": ("noon", "midday", "midnight", "clock", "a.m", "p.m", " am", " pm"),
    "ro": ("la amiază", "la miezul nop"),
}


def find_warnings(story: Story, records: Sequence["Record"], extraction: Extraction) -> tuple[Warning, ...]:
    """All contradictions, in the order of the text; `extraction` is of this story, `records` of its paragraphs."""
    if not extraction.events:
        return ()
    found = _Search(story, records, extraction)
    warnings = [
        *found.two_places(), *found.acts_after_death(), *found.acts_before_introduction(), *found.object_elsewhere(),
        *found.day_night(),
    ]  # fmt: skip
    return tuple(sorted(set(warnings), key=lambda each: (each.spans[-1], each.kind, each.message)))


class _Thing(NamedTuple):
    """Where somebody put something."""

    place: str
    scene: int
    span: tuple[int, int]


class _Mentions:
    """Whose mention holds a position."""

    def __init__(self, those: Sequence[Character | Place]) -> None:
        found = [(m.start, m.end, each.id, m.kind) for each in those for m in each.mentions]
        found.sort()
        self.starts = [each[0] for each in found]
        self.found = found

    def at(self, position: int) -> tuple[str, str, int] | None:
        """(id, kind of mention, its end) at `position`, the innermost."""
        number = bisect_right(self.starts, position) - 1
        for here in range(number, max(-1, number - 3), -1):
            start, end, who, kind = self.found[here]
            if start <= position < end:
                return who, kind, end
        return None

    def within(self, start: int, end: int) -> Iterator[tuple[int, int, str, str]]:
        number = bisect_left(self.starts, start)
        while number < len(self.starts) and self.starts[number] < end:
            yield self.found[number]
            number += 1


class _Search:
    def __init__(self, story: Story, records: Sequence["Record"], extraction: Extraction) -> None:
        self.story, self.records, self.events = story, records, extraction.events
        self.people = {each.id: each for each in extraction.characters}
        self.places = {each.id: each for each in extraction.places}
        self.language = story.language if story.language in _DAY else "en"
        self._characters = extraction.characters
        self.where = _Mentions(extraction.places)
        named: list[Character | Place] = [*extraction.characters, *extraction.places]
        self.names = {each.id: each.name for each in named}
        self._quoted = [(quote.start, quote.end) for quote in story.quotations]
        self._quote_starts = [start for start, _ in self._quoted]
        self._event_starts = [event.start for event in self.events]

    # -- what is asked of the text

    @cached_property
    def who(self) -> _Mentions:
        return _Mentions(self._characters)

    def quoted(self, position: int) -> bool:
        number = bisect_right(self._quote_starts, position) - 1
        return number >= 0 and position < self._quoted[number][1]

    def finds(self, phrases: Sequence[str]) -> list[tuple[int, int]]:
        """Where the narration has one of the phrases, which may begin with a capital."""
        text, found = self.story.text, []
        for phrase in phrases:
            at = text.find(phrase[1:])
            while at >= 0:
                start, end = at - 1, at + len(phrase) - 1
                whole = start >= 0 and text[start].lower() == phrase[0] and not text[end : end + 1].isalnum()
                if whole and not (start and text[start - 1].isalnum()) and not self.quoted(start):
                    found.append((start, end))
                at = text.find(phrase[1:], end)
        return sorted(found)

    def clause(self, event: Event) -> "tuple[int, int, LocalClause] | None":
        """(paragraph, its start, clause) that an event was made from."""
        paragraph = self.story.paragraph_at(event.start)
        if paragraph is None:
            return None
        offset = self.story.paragraphs[paragraph].start
        for clause in self.records[paragraph].clauses:
            if clause.start + offset == event.start:
                return paragraph, offset, clause
        return None

    def named(self, event: Event, role: str) -> str | None:
        """Who is an event's agent or patient, if it is a name that says so."""
        told = self.clause(event)
        token = getattr(told[2], role) if told is not None else None
        if told is None or token is None:
            return None
        paragraph, offset, _ = told
        found = self.who.at(offset + self.records[paragraph].analysis.tokens[token].start)
        person = getattr(event, role)
        return found[0] if found is not None and found[:2] == (person, "name") else None

    def supposed(self, event: Event) -> bool:
        """ "Had Tom died": what makes it past perfect stands before whom it is about."""
        told = self.clause(event)
        if told is None or told[2].had is None or told[2].agent is None:
            return False
        return told[2].had < self.records[told[0]].analysis.tokens[told[2].agent].start

    def said_place(self, event: Event) -> bool:
        """Whether the event's own sentence says its place."""
        return event.place is not None and any(each[2] == event.place for each in self.where.within(*event.sentence))

    def apart(self, one: str, other: str) -> bool:
        """Whether two places are neither one nor in one another."""
        return one not in self._round(other) and other not in self._round(one)

    def _round(self, place: str) -> set[str]:
        found: set[str] = set()
        here: str | None = place
        while here is not None and here not in found:
            found.add(here)
            here = self.places[here].within if here in self.places else None
        return found

    # -- the kinds

    def acts_after_death(self) -> Iterator[Warning]:
        dead: dict[str, Event] = {}
        for event in self.events:
            verb = fold(event.verb, self.language)
            role = "agent" if verb in _DIE else "patient" if verb in _KILL else ""
            who = self.named(event, role) if role else None
            if who is not None and self.people[who].kind != "group" and who not in dead and not self.supposed(event):
                dead[who] = event
        if not dead:
            return
        for event in self.events:
            who = event.agent
            death = dead.get(who) if who is not None else None
            if who is None or death is None or event.narrated <= death.narrated or event.story <= death.story:
                continue
            if event.sentence == death.sentence or event.time is not None or event.kind == "perception":
                continue
            if event.verb in _DIE or event.verb in ("lie", "zace") or self.named(event, "agent") is None:
                continue
            dead.pop(who)
            message = f"{self.names[who]} dies, and acts afterwards."
            yield Warning("acts_after_death", message, (death.sentence, event.sentence))

    def acts_before_introduction(self) -> Iterator[Warning]:
        text = self.story.text
        introduced: dict[str, tuple[int, int]] = {}
        for phrase in _INTRODUCING[self.language]:
            at = text.find(phrase)
            while at >= 0:
                end = at + len(phrase)
                opening = _INTRODUCED.search(text, max(0, at - 60), end)
                found = self.who.at(end) if opening is not None and not self.quoted(at) else None
                if opening is not None and found is not None and found[1] == "name":
                    here = (opening.start(), found[2])
                    introduced[found[0]] = min(here, introduced.get(found[0], here))
                at = text.find(phrase, end)
        if not introduced:
            return
        for event in self.events:
            who = event.agent
            where = introduced.get(who) if who is not None else None
            if who is None or where is None or event.start >= where[0] or event.time is not None:
                continue
            if event.sentence[0] <= where[0] < event.sentence[1] or self.named(event, "agent") is None:
                continue
            after = bisect_left(self._event_starts, where[0])
            if after < len(self.events) and self.events[after].story < event.story:
                continue  # the introduction is told later and happened before
            introduced.pop(who)
            message = f"{self.names[who]} acts by that name before being introduced."
            yield Warning("acts_before_introduction", message, (event.sentence, where))

    def two_places(self) -> Iterator[Warning]:
        last: dict[str, Event] = {}
        clock = self._clock()
        at_hour: dict[tuple[int | None, str, str], Event] = {}
        for event in self.events:
            who, place = event.agent, event.place
            if who is None:
                continue
            if event.kind == "movement" or place is None or not self.said_place(event):
                if event.kind == "movement":
                    last.pop(who, None)
                continue
            scene = self.story.scene_at(event.start)
            before = last.get(who)
            meanwhile = event.time is not None and event.time.relation == "same"
            together = before is not None and meanwhile and self.story.scene_at(before.start) == scene
            if before is not None and together and self._contradict(before, event) and self.named(event, "agent"):
                yield self._in_two(before, event)
            last[who] = event
            hour = clock.get(event.sentence)
            if hour is None:
                continue
            first = at_hour.setdefault((scene, hour, who), event)
            if first is not event and self._contradict(first, event):
                between = self.events[first.narrated + 1 : event.narrated]
                later = any(each.time is not None and each.time.relation == "later" for each in (*between, event))
                if not later:
                    yield self._in_two(first, event)

    def _contradict(self, one: Event, other: Event) -> bool:
        return (
            one.place is not None
            and other.place is not None
            and one.sentence != other.sentence
            and self.apart(one.place, other.place)
        )

    def _in_two(self, one: Event, other: Event) -> Warning:
        who, first, second = (self.names[str(each)] for each in (other.agent, one.place, other.place))
        message = f"{who} is in two places at one time: {first}, {second}."
        return Warning("two_places", message, (one.sentence, other.sentence))

    def _clock(self) -> dict[tuple[int, int], str]:
        """The hour that a sentence of the narration names."""
        text, found = self.story.text, {}
        seen: set[int] = set()
        for word in _CLOCK_WORDS[self.language]:
            at = text.find(word)
            while at >= 0:
                if not self.quoted(at):
                    number = bisect_right(self._event_starts, at)
                    for event in self.events[max(0, number - 4) : number + 4]:
                        start, end = event.sentence
                        if start <= at < end and start not in seen:
                            seen.add(start)
                            hour = _CLOCK.search(text, start, end)
                            if hour is not None:
                                found[event.sentence] = " ".join(hour.group().casefold().split())
                at = text.find(word, at + len(word))
        return found

    def object_elsewhere(self) -> Iterator[Warning]:
        left: dict[tuple[str, str], _Thing] = {}
        for event in self.events:
            verb = fold(event.verb, self.language)
            putting = verb in _PUT
            if not putting and not (left and verb in _USE):
                continue
            told = self.clause(event)
            if told is None or told[2].patient is None or event.patient is not None:
                continue
            paragraph, offset, clause = told
            key = self._thing(paragraph, clause)
            if key is None:
                continue
            if putting:
                where = self._told_place(paragraph, offset, clause)
                scene = self.story.scene_at(event.start)
                if where is None or scene is None:
                    left.pop(key, None)
                else:
                    left[key] = _Thing(where, scene, event.sentence)
                continue
            thing = left.pop(key, None)
            scene = self.story.scene_at(event.start)
            if thing is None or event.place is None or scene is None or scene - thing.scene > _NEAR:
                continue
            if event.time is None and self.said_place(event) and self.apart(thing.place, event.place):
                what = f"The {key[0]} was left in one place and is used in another"
                places = f"{self.names[thing.place]}, {self.names[event.place]}"
                yield Warning("object_elsewhere", f"{what}: {places}.", (thing.span, event.sentence))

    def _thing(self, paragraph: int, clause: "LocalClause") -> tuple[str, str] | None:
        """(noun, whose) of what a clause is done to, where it is one known thing."""
        tokens = self.records[paragraph].analysis.tokens
        assert clause.patient is not None
        noun = tokens[clause.patient]
        if noun.pos != "NOUN" or noun.lemma in _NEVER_ONE_THING or "Number=Plur" in noun.morph:
            return None
        whose = ""
        for token in tokens[max(0, clause.patient - 4) : clause.patient]:
            if token.head == clause.patient and token.lemma in ("a", "an", "another", "some", "un", "o", "alt"):
                return None
            if token.head == clause.patient and token.dep in ("nmod:poss", "nmod") and token.pos in ("PRON", "DET"):
                whose = token.lemma
        return noun.lemma, whose

    def _told_place(self, paragraph: int, offset: int, clause: "LocalClause") -> str | None:
        tokens = self.records[paragraph].analysis.tokens
        for _, head in clause.places:
            found = self.where.at(offset + tokens[head].start)
            if found is not None:
                return found[0]
        return None

    def day_night(self) -> Iterator[Warning]:
        marks = [(start, end, True) for start, end in self.finds(_DAY[self.language])]
        marks += [(start, end, False) for start, end in self.finds(_NIGHT[self.language])]
        marks.sort()
        for (start, end, day), (other, stop, next_day) in pairwise(marks):
            scene = self.story.scene_at(start)
            if day == next_day or other - end > _APART or scene is None or self.story.scene_at(other) != scene:
                continue
            if _TIME_GOES_ON.search(self.story.text, end, other):
                continue
            first, second = ("day", "night") if day else ("night", "day")
            yield Warning("day_night", f"It is {first}, and then {second}, and no time has passed.",
                          ((start, end), (other, stop)))  # fmt: skip
