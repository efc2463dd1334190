"""The people of a story: names joined into characters, everything that means them, who speaks, and the writer's facts.

`build_cast` is a function of the story, its paragraphs' records and the facts: names are gathered and judged
(`grouping.py`), the facts laid over them, the story walked once (`coreference.py`), and of those without a
name the ones that come back are kept.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gnomon.story.coreference import Ranker, Reading, Walk, Watch, first_look
from gnomon.story.grouping import (
    Form,
    Referent,
    collect_forms,
    group_people,
    judge_forms,
    number_ids,
    places_in,
)
from gnomon.story.mentions import LocalMention
from gnomon.story.names import GENERIC_NOUNS, fold, parse_name, slug
from gnomon.story.records import Character, Fact, Mention, Speech
from gnomon.story.speakers import utterances_by_paragraph

FACTS = frozenset({"alias", "merge", "split", "ignore", "gender"})
"""The kinds of fact that are about who is who."""

_LONG = 1500
"""Sentences for each of which somebody without a name must be spoken of once more, to count as a character."""


class Cast:
    """Who is in a story and where.

    `characters` are sorted by first mention; `place_names` are the proper names of places, canonical name to
    (paragraph, mention)s; `speeches` are in text order; `lost` are the facts that could not be applied.
    """

    __slots__ = ("_at", "characters", "lost", "place_names", "speeches")

    def __init__(
        self,
        characters: tuple[Character, ...],
        place_names: dict[str, list[tuple[int, LocalMention]]],
        speeches: tuple[Speech, ...],
        at: Mapping[int, Mapping[int, str]],
        lost: tuple[Fact, ...] = (),
    ) -> None:
        self.characters, self.place_names, self.speeches, self.lost = characters, place_names, speeches, lost
        self._at = at

    def at(self, paragraph: int, token: int) -> str | None:
        """The id of the character whose mention holds this token of this paragraph, the innermost; None without one."""
        here = self._at.get(paragraph)
        return None if here is None else here.get(token)


def build_cast(story: Any, records: Sequence[Any], facts: Sequence[Fact] = ()) -> Cast:
    """Everybody in `story`, one record a paragraph (`.analysis`, `.mentions`).

    A fact's `subject` is the id of a character or the (start, end) of an anchor that has been found in the text.
    """
    names = _Names(story, records)
    wanted = [fact for fact in facts if fact.kind in FACTS]
    lost: list[Fact] = []
    if wanted:
        # Facts speak of the cast as it is without them: of people without a name too, who are known after a walk only.
        named = {person.id for person in names.people}
        whole = any(
            not isinstance(fact.subject, str)
            or fact.subject not in named
            or (fact.kind == "merge" and fact.value not in named)
            for fact in wanted
        )
        _Facts(names, names.read() if whole else None, lost).apply(wanted)
    reading = names.read()
    return _assemble(story, names, reading, tuple(lost))


def read_cast(
    story: Any, records: Sequence[Any], ranker: Ranker | None = None, watch: Watch | None = None
) -> tuple["_Names", Reading]:
    """The walk itself, for scores and for training the ranker (`cast_evaluating.py`)."""
    names = _Names(story, records)
    return names, names.read(ranker, watch)


class _Names:
    """The names of a story, who bears them, and what facts have changed."""

    def __init__(self, story: Any, records: Sequence[Any]) -> None:
        self.story, self.records = story, records
        headings = {
            number
            for number in range(len(records))
            if records[number].mentions and story.paragraph_kind(number) != "text"
        }
        self.romanian = story.language == "ro"
        self.by_text, self.forms = collect_forms(records, headings)
        judge_forms(story.text, self.forms)
        self.people = group_people(self.forms.values(), self.romanian)
        number_ids(self.people, set())
        self.bearer = self.bearers()
        self.nominals: dict[str, Referent] = {}
        self.placed: dict[tuple[int, int], Referent] = {}
        self.ignored: set[tuple[int, int]] = set()
        self.ignored_names: set[str] = set()
        self.written: list[tuple[int, int, Referent]] = []  # names that only the writer knows, absolute
        self.spoken = utterances_by_paragraph(story)
        self.narrator: Referent | None = None
        if first_look(records, self.bearer, self.spoken):
            self.narrator = self._named_narrator()
            if self.narrator is None:
                self.narrator = Referent("narrator", kind="narrator")
                number_ids([self.narrator], {person.id for person in self.people})

    def bearers(self) -> dict[str, Referent]:
        """Of every name as mentioned, who bears it."""
        owner = {form.key: person for person in self.people for form in person.forms}
        return {
            text: owner[form.key] for text, form in self.by_text.items() if form.kind == "person" and form.key in owner
        }

    def _named_narrator(self) -> Referent | None:
        """Whoever says "Call me X", "My name is X" or "I, X," in the narration."""
        for number, record in enumerate(self.records):
            mentions = record.mentions
            for place, mention in enumerate(mentions):
                if mention.kind != "name" or not place:
                    continue
                before = mentions[place - 1]
                if before.kind != "pronoun" or before.person != 1 or mention.first - before.last > 3:
                    continue
                person = self.bearer.get(mention.text)
                if person is None or person.plural or not self._introduces(number, before, mention):
                    continue
                start = self.story.paragraphs[number].start + mention.start
                if not any(each.start <= start < each.end for each in self._speech_near(start)):
                    person.kind = "narrator"
                    return person
        return None

    def _speech_near(self, start: int) -> Sequence[Any]:
        quotations = self.story.quotations
        place = bisect_right(quotations, start, key=lambda each: each.start)
        return quotations[max(0, place - 1) : place]

    def _introduces(self, number: int, before: LocalMention, name: LocalMention) -> bool:
        text = self.story.paragraph_text(number)
        tokens = self.records[number].analysis.tokens
        between = text[before.end : name.start].split()
        me = fold(before.text)
        if me == "me" and not between:
            return before.first > 0 and tokens[before.first - 1].lemma in ("call", "name", "christen")
        if me == "my":
            return [fold(word) for word in between] in (["name", "is"], ["name", "was"], ["name", "being"])
        return me == "i" and between == [","] and text[name.end : name.end + 1] == ","

    def read(self, ranker: Ranker | None = None, watch: Watch | None = None) -> Reading:
        """Walk the story."""
        for person in self.people:
            person.forget()
        for person in self.nominals.values():
            person.forget()
        if self.narrator is not None:
            self.narrator.forget()
        return Walk(
            self.story,
            self.records,
            self.by_text,
            self.bearer,
            self.spoken,
            nominals=self.nominals,
            ignored=frozenset(self.ignored),
            placed=self.placed,
            narrator=self.narrator,
            ranker=ranker,
            watch=watch,
        ).read()

    def everyone(self) -> Iterator[Referent]:
        """Who has an id before the walk."""
        yield from self.people
        if self.narrator is not None and self.narrator not in self.people:
            yield self.narrator


class _Facts:
    """Facts laid over the names. `reading` is a walk without them, where a fact needs one."""

    def __init__(self, names: _Names, reading: Reading | None, lost: list[Fact]) -> None:
        self.names, self.reading, self.lost = names, reading, lost
        self.by_id = {person.id: person for person in names.everyone()}
        if reading is not None:
            for person in _kept_nominals(reading, len(names.story.sentences)):
                number_ids([person], set(self.by_id))
                self.by_id[person.id] = person
        self.starts = [span.start for span in names.story.paragraphs]

    def apply(self, facts: Sequence[Fact]) -> None:
        """One after the other; ids are those the facts before left."""
        for fact in facts:
            done = getattr(self, f"_{fact.kind}")(fact)
            if not done:
                self.lost.append(fact)
            self.names.bearer = self.names.bearers()

    def _subject(self, fact: Fact) -> Referent | None:
        subject = fact.subject
        if isinstance(subject, str):
            return self.by_id.get(subject) or self._called(subject)
        start, end = subject
        return self._meant(start, end)

    def _called(self, name: str) -> Referent | None:
        form = self._form(name)
        if form is None:
            return None
        return next((person for person in self.names.people if form in person.forms), None)

    def _form(self, name: str) -> Form | None:
        key = " ".join(word.rstrip(".") for word in fold(name).split())
        return self.names.forms.get(key.removeprefix("the "))

    def _meant(self, start: int, end: int) -> Referent | None:
        """Who the walk found at these characters."""
        if self.reading is None:
            return None
        found = None
        size = 0
        for each in self.reading.resolved:
            offset = self.starts[each.paragraph]
            if each.mention.start + offset < end and start < each.mention.end + offset:
                length = min(end, each.mention.end + offset) - max(start, each.mention.start + offset)
                if length > size:
                    found, size = each.referent, length
        return found

    def _person(self, fact: Fact) -> Referent | None:
        """The subject as somebody that is kept from now on; at an anchor on words that mean nobody, somebody new."""
        person = self._subject(fact)
        if person is None and not isinstance(fact.subject, str):
            start, end = fact.subject
            person = self._new(self.names.story.text[start:end])
            self.names.written.append((start, end, person))
            self._place(start, end, person)
        if person is not None:
            self._keep(person)
        return person

    def _new(self, name: str) -> Referent:
        person = Referent(" ".join(name.split()), parse_name(name).gender)
        number_ids([person], set(self.by_id))
        self.by_id[person.id] = person
        self.names.people.append(person)
        person.source, person.fixed, person.trust = "user", True, 1.0
        return person

    def _keep(self, person: Referent) -> None:
        person.source, person.fixed, person.trust = "user", True, 1.0
        if person.key and person.key not in person.nominals:
            person.nominals.add(person.key)
        for key in person.nominals:
            self.names.nominals[key] = person

    def _place(self, start: int, end: int, person: Referent) -> bool:
        """Fix who is meant at these characters, if there is a mention."""
        number = bisect_right(self.starts, start) - 1
        offset = self.starts[number]
        placed = False
        for mention in self.names.records[number].mentions:
            if mention.start + offset < end and start < mention.end + offset and mention.kind != "pronoun":
                self.names.placed[number, mention.first] = person
                placed = True
        return placed

    def _alias(self, fact: Fact) -> bool:
        name = str(fact.value or "").strip()
        person = self._person(fact) if name else None
        if person is None:
            return False
        self._name(person, name)
        return True

    def _name(self, person: Referent, name: str) -> None:
        """`name` means `person`, wherever it stands."""
        form = self._form(name)
        if form is not None:
            for other in self.names.people:
                if form in other.forms and other is not person:
                    other.forms.remove(form)
            form.kind, form.drop = "person", 0
            if form not in person.forms:
                person.forms.append(form)
            return
        key = fold(name)
        bare = key.removeprefix("the ").removeprefix("a ")
        if any(fold(m.text) in (key, "the " + bare) for record in self.names.records for m in record.mentions
               if m.kind == "nominal"):  # fmt: skip
            person.nominals.update((bare, key))
            self.names.nominals[bare] = self.names.nominals[key] = person
            return
        for start, end in _occurrences(self.names.story.text, name):
            self.names.written.append((start, end, person))

    def _merge(self, fact: Fact) -> bool:
        one = self._person(fact)
        value = str(fact.value or "")
        other = self.by_id.get(value) or self._called(value)
        if one is None or not value:
            return False
        if other is None:
            self._name(one, value)
            one.name = value
            return True
        if other is one:
            return True
        self._keep(other)
        other.forms.extend(one.forms)
        one.forms = []
        other.nominals |= one.nominals
        for key in other.nominals:
            self.names.nominals[key] = other
        if other.gender == "unknown":
            other.gender = one.gender
        names = self.names
        names.written = [(start, end, other if each is one else each) for start, end, each in names.written]
        for place, each in list(names.placed.items()):
            if each is one:
                names.placed[place] = other
        if names.narrator is one:
            names.narrator = other
            other.kind = "narrator"
        names.people = [person for person in names.people if person is not one]
        if other not in names.people and (other.forms or other.key):
            names.people.append(other)
        for name, person in self.by_id.items():
            if person is one:
                self.by_id[name] = other
        return True

    def _split(self, fact: Fact) -> bool:
        person = self._subject(fact)
        value = str(fact.value or "").strip()
        if person is None or not value:
            return False
        if not isinstance(fact.subject, str):
            start, end = fact.subject
            return self._place(start, end, self._new(value))
        form = self._form(value)
        if form is None or form not in person.forms:
            return False
        person.forms.remove(form)
        made = self._new(form.text)
        made.forms = [form]
        if person.forms and person.name == form.text:
            person.name = max(person.forms, key=lambda each: each.count).text
        person.source = "user"
        return True

    def _ignore(self, fact: Fact) -> bool:
        names = self.names
        if isinstance(fact.subject, str):
            person = self._subject(fact)
            if person is None:
                return False
            for form in person.forms:
                form.kind = ""
                names.ignored_names.add(form.key)
            person.forms = []
            names.people = [each for each in names.people if each is not person]
            names.written = [each for each in names.written if each[2] is not person]
            if names.narrator is person:
                names.narrator = None
            for number, record in enumerate(names.records):
                for mention in record.mentions:
                    if mention.kind == "nominal" and person.key and self._is_of(number, mention, person):
                        names.ignored.add((number, mention.first))
            return True
        start, end = fact.subject
        number = bisect_right(self.starts, start) - 1
        offset = self.starts[number]
        for mention in names.records[number].mentions:
            if mention.start + offset < end and start < mention.end + offset:
                names.ignored.add((number, mention.first))
        return True

    def _is_of(self, number: int, mention: LocalMention, person: Referent) -> bool:
        offset = self.starts[number]
        return self._meant(mention.start + offset, mention.end + offset) is person

    def _gender(self, fact: Fact) -> bool:
        if fact.value not in ("f", "m", "n", "unknown"):
            return False
        person = self._person(fact)
        if person is None:
            return False
        person.gender = fact.value
        return True


def _occurrences(text: str, name: str) -> list[tuple[int, int]]:
    """Where `name` stands as whole words."""
    found = []
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        if not (at and text[at - 1].isalnum()) and not text[end : end + 1].isalnum():
            found.append((at, end))
        at = text.find(name, end)
    return found


def _kept_nominals(reading: Reading, sentences: int) -> list[Referent]:
    """Those without a name who come back often enough for a story of this length."""
    least = 2 + sentences // _LONG
    kept = []
    for person in reading.nominals:
        weight = person.nominals_met + 0.5 * person.pronouns_met + person.speeches
        loose = person.possessor is None and person.key in GENERIC_NOUNS
        if person.fixed or (weight >= (2 * least if loose else least) and person.count > 1):
            kept.append(person)
    return kept


def _assemble(story: Any, names: _Names, reading: Reading, lost: tuple[Fact, ...]) -> Cast:
    text = story.text
    starts = [span.start for span in story.paragraphs]
    nominals = _kept_nominals(reading, len(story.sentences))
    used = {person.id for person in names.everyone()}
    for person in nominals:
        if person.possessor is not None:
            person.name = _of_possessor(person)
    number_ids(nominals, used)
    cast = [*names.everyone(), *nominals]
    found: dict[Referent, list[tuple[int, int, Any, float]]] = {person: [] for person in cast}
    at: dict[int, dict[int, str]] = {}
    wide = []
    for each in reading.resolved:
        paragraph, mention, person, confidence = each
        mine = found.get(person)
        if mine is None:
            continue
        offset = starts[paragraph]
        mine.append((mention.start + offset, mention.end + offset, mention.kind, confidence))
        here = at.get(paragraph)
        if here is None:
            here = at[paragraph] = {}
        if mention.first == mention.last:
            here[mention.first] = person.id
        else:
            wide.append(each)
    # The innermost mention of a token stays: single words first, then the shorter of what is longer.
    wide.sort(key=lambda each: each.mention.last - each.mention.first)
    for paragraph, mention, person, _ in wide:
        here = at[paragraph]
        for token in range(mention.first, mention.last + 1):
            here.setdefault(token, person.id)
    _add_written(names, found, at, starts)
    characters = []
    for person in cast:
        mine = sorted(set(found[person]))
        if not mine:
            continue
        characters.append(
            Character(
                person.id,
                person.name,
                _aliases(person, [text[start:end] for start, end, kind, _ in mine if kind != "pronoun"]),
                person.gender,
                person.kind,
                tuple([Mention(start, end, text[start:end], kind, sure) for start, end, kind, sure in mine]),
                person.trust,
                person.source,
            )
        )
    characters.sort(key=lambda each: (each.mentions[0].start, each.id))
    kept = {character.id for character in characters}
    speeches = tuple(
        [
            Speech(
                turn.utterance.start,
                turn.utterance.end,
                speaker := turn.speaker.id if turn.speaker is not None and turn.speaker.id in kept else None,
                tuple([each.id for each in turn.addressees if each.id in kept]),
                turn.confidence if speaker else 0.0,
            )
            for turn in reading.turns
        ]
    )
    return Cast(tuple(characters), _places(names), speeches, at, lost)


def _of_possessor(person: Referent) -> str:
    """ "Alice's sister" for who was met as "her sister"."""
    owner = person.possessor
    if owner is None or owner.kind == "narrator":
        return person.name
    return f"{owner.name}'s {person.key}" if owner.name else person.name


def _aliases(person: Referent, texts: Sequence[str]) -> tuple[str, ...]:
    """The other names, the most used first."""
    counts: dict[str, int] = {}
    for each in texts:
        name = " ".join(each.split())
        counts[name] = counts.get(name, 0) + 1
    known = {fold(person.name)}
    result = []
    for name in sorted(counts, key=lambda each: (-counts[each], each)):
        plain = fold(name).removeprefix("the ")
        if plain.rstrip(".") in ("mr", "mrs"):
            continue  # of "Mr. and Mrs. Bennet"
        if plain not in known:
            known.add(plain)
            result.append(name)
    return tuple(result)


def _add_written(
    names: _Names,
    found: dict[Referent, list[tuple[int, int, Any, float]]],
    at: dict[int, dict[int, str]],
    starts: Sequence[int],
) -> None:
    """Names that only the writer's facts know, found by their text."""
    for start, end, person in names.written:
        if person not in found:
            continue
        found[person].append((start, end, "name", 1.0))
        number = bisect_right(starts, start) - 1
        tokens = names.records[number].analysis.tokens
        offset = starts[number]
        first = bisect_left(tokens, start - offset, key=lambda token: token.start)
        for place in range(first, len(tokens)):
            if tokens[place].start >= end - offset:
                break
            at.setdefault(number, {})[place] = person.id


def _places(names: _Names) -> dict[str, list[tuple[int, LocalMention]]]:
    found = places_in(names.by_text, names.records, names.romanian)
    if not names.ignored and not names.ignored_names:
        return found
    kept = {}
    for name, mentions in found.items():
        rest = [each for each in mentions if (each[0], each[1].first) not in names.ignored]
        if rest and slug(name) not in {slug(each) for each in names.ignored_names}:
            kept[name] = rest
    return kept
