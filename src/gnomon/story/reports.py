"""The planning questions of a writer, answered as tables: each row with the passages that it rests on.

Who is passive, which two characters could be one, which place is never needed, where nothing happens, in which order
it is told, who moves without travelling, who sees each scene, what only the protagonist knows; and an audit of the cast
by groups that the writer declares. All are counts over what `extract` found, and as right or wrong as that is.
"""

import csv
import io
import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from gnomon.errors import UserError
from gnomon.story.document import Story
from gnomon.story.names import words_of
from gnomon.story.records import Character, Event, Extraction, Place

MIN_MENTIONS = 8  # of a character that is asked about: whoever is spoken of less is part of the scenery
WINDOW = 400  # words of a stretch in which something should happen
ALIKE = 0.35  # cosine of the neighbours of two characters that could be one
QUOTE = 160  # characters of a passage that a row shows


_SPOKEN_OF = words_of("my your our his her their its dear meu mea mei mele tău ta nostru noastră vostru voastră")
"""Words that begin what somebody is to somebody, and no name."""


class Evidence(NamedTuple):
    """A passage: `quote` is the text at `start:end`, its white space as single spaces, cut where it is long."""

    start: int
    end: int
    quote: str


class Row(NamedTuple):
    """`values` stand under the report's columns; an estimate is a dict with `value`, `low`, `high`."""

    values: tuple[Any, ...]
    spans: tuple[Evidence, ...]


@dataclass(frozen=True)
class Report:
    """A table. `meaning` says in one sentence what a row is, `nothing` what it means that there is none."""

    name: str
    title: str
    meaning: str
    nothing: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON: `rows` are {"values": {column: value}, "spans": [{"start", "end", "quote"}]}."""
        return {
            "name": self.name,
            "title": self.title,
            "meaning": self.meaning,
            "nothing": self.nothing,
            "columns": list(self.columns),
            "rows": [
                {
                    "values": dict(zip(self.columns, row.values, strict=True)),
                    "spans": [span._asdict() for span in row.spans],
                }
                for row in self.rows
            ],
        }


def make_report(name: str, story: Story, extraction: Extraction, **options: Any) -> Report:
    """The report `name` (a key of `REPORTS`) on a story and what was found in it.

    Options: `protagonist` (id or name) for `only_protagonist_knows`; `groups` (id or name -> group) for `cast_audit`.
    Raises UserError for a report there is not, an option it does not take, and a character the story does not have.
    """
    check_report(name, options)
    return REPORTS[name](story, extraction, **options)


def check_report(name: str, options: Mapping[str, Any]) -> None:
    """Raises UserError where there is no report `name`, or it does not take these options."""
    if name not in REPORTS:
        raise UserError(f"there is no report {name}; there are {', '.join(REPORTS)}.")
    takes = {"only_protagonist_knows": {"protagonist"}, "cast_audit": {"groups"}}.get(name, set())
    for option in options.keys() - takes:
        raise UserError(f"the report {name} has no option {option}.")
    if name == "cast_audit" and not options.get("groups"):
        raise UserError("cast_audit needs the groups of the cast: --group NAME=GROUP, or --groups with a CSV file.")


def passive_characters(story: Story, extraction: Extraction) -> Report:
    """Characters that are spoken of much and do little."""
    book = _Book(story, extraction)
    counted = book.cast()
    rate = {each.id: (book.acts[each.id] + book.speaks[each.id]) / len(each.mentions) for each in counted}
    usual = median(rate.values()) if rate else 0.0
    chosen = sorted((each for each in counted if rate[each.id] < usual / 2), key=lambda each: -len(each.mentions))
    rows = []
    for each in chosen:
        undergone = [event.sentence for event in extraction.events if event.patient == each.id]
        rows.append(
            Row(
                (each.name, len(each.mentions), book.acts[each.id], book.undergoes[each.id], book.speaks[each.id],
                 100 * rate[each.id]),
                book.evidence(undergone[:3] or book.named(each)[:3]),
            )
        )  # fmt: skip
    return Report(
        "passive_characters",
        "Passive characters",
        f"Characters with at least {MIN_MENTIONS} mentions who act or speak less than half as often per mention as is"
        f" usual here ({100 * usual:.0f} times in 100).",
        "Nobody is much less active than the others.",
        ("character", "mentions", "acts", "undergoes", "speeches", "active per 100 mentions"),
        tuple(rows),
    )


def mergeable_characters(story: Story, extraction: Extraction) -> Report:
    """Pairs who are never in one scene and have the same company."""
    book = _Book(story, extraction)
    people = [each for each in book.cast() if each.kind != "group"]
    scenes = {each.id: {book.scene(m.start) for m in each.mentions} for each in people}
    beside: dict[str, Counter[str]] = {each.id: Counter() for each in people}
    for here in book.company().values():
        for who in here & beside.keys():
            beside[who].update(here - {who})
    # Whoever is beside everybody, as the protagonist is, makes no two alike.
    known_by = Counter(who for counts in beside.values() for who in counts)
    weight = {who: math.log((len(beside) + 1) / (known + 1)) for who, known in known_by.items()}
    company = {who: {each: count * weight[each] for each, count in counts.items()} for who, counts in beside.items()}
    rows = []
    for number, one in enumerate(people):
        for other in people[number + 1 :]:
            if scenes[one.id] & scenes[other.id] or {one.gender, other.gender} in ({"f", "m"},):
                continue
            alike = _cosine(company[one.id], company[other.id])
            if alike < ALIKE:
                continue
            both = sorted(company[one.id].keys() & company[other.id].keys(), key=lambda who: -weight[who])
            shared = ", ".join(book.name(who) for who in both[:3])
            values = (one.name, other.name, len(one.mentions), len(other.mentions), shared, alike)
            rows.append(Row(values, book.evidence([*book.named(one)[:1], *book.named(other)[:1]])))
    rows.sort(key=lambda row: -row.values[-1] * math.log(min(row.values[2:4])))
    return Report(
        "mergeable_characters",
        "Characters who could be one",
        "Two who are never in the same scene and are spoken of beside the same people (likeness is the cosine of whom"
        " they share paragraphs with, whoever is beside everybody counting little).",
        "No two characters have the same company without ever meeting.",
        ("one", "other", "mentions of one", "mentions of other", "company of both", "likeness"),
        tuple(rows),
    )


def removable_places(story: Story, extraction: Extraction) -> Report:
    """Places that are named and where little or nothing happens."""
    book = _Book(story, extraction)
    holders = Counter(place.within for place in extraction.places)
    rows = []
    for place in sorted(extraction.places, key=lambda each: -len(each.mentions)):
        events = book.there[place.id]
        if events > 1 or len(place.mentions) < 2 or holders[place.id]:
            continue
        scenes = {book.scene(mention.start) for mention in place.mentions}
        where = [book.sentence(mention.start) for mention in place.mentions[:3]]
        rows.append(Row((place.name, len(place.mentions), len(scenes), events), book.evidence(where)))
    return Report(
        "removable_places",
        "Places that are hardly needed",
        "Named at least twice, holding no other place, with at most one event.",
        "Something happens in every place that is named more than once.",
        ("place", "mentions", "scenes", "events"),
        tuple(rows),
    )


def lulls(story: Story, extraction: Extraction) -> Report:
    """Stretches in which nothing happens."""
    book = _Book(story, extraction)
    stretches = list(book.stretches())
    usual = median(events / words for _, _, words, events in stretches) if stretches else 0.0
    rows: list[list[Any]] = []
    for first, last, words, events in stretches:
        if events >= usual * words / 3:
            continue
        if rows and rows[-1][1] == first - 1 and book.scene_of[first] == book.scene_of[rows[-1][1]]:
            rows[-1][1] = last
            rows[-1][2] += words
            rows[-1][3] += events
        else:
            rows.append([first, last, words, events])
    rows.sort(key=lambda row: -row[2])
    made = []
    for first, last, words, events in rows:
        spans = [story.paragraphs[first][1:], story.paragraphs[last][1:]][: 1 if first == last else 2]
        scene = book.scene_of[first]
        made.append(Row((_number(scene), words, events, 1000 * events / words), book.evidence(spans)))
    return Report(
        "lulls",
        "Stretches where nothing happens",
        f"Stretches of at least {WINDOW} words with less than a third of the usual {1000 * usual:.0f} events per 1,000"
        " words; talk counts as nothing happening but for what is told between.",
        "Something happens everywhere.",
        ("scene", "words", "events", "events per 1,000 words"),
        tuple(made),
    )


def order_of_telling(story: Story, extraction: Extraction) -> Report:
    """Where the telling leaves the order of the story's time."""
    book = _Book(story, extraction)
    # What the text itself calls earlier gives way to what it does not.
    said = [event.time is not None and event.time.relation == "earlier" for event in extraction.events]
    in_order = _heaviest_rising([event.story for event in extraction.events], [1 if each else 10 for each in said])
    line = [event for event, kept in zip(extraction.events, in_order, strict=True) if kept]
    runs: list[tuple[bool, Event, list[Event]]] = []
    passed = 0
    for event, kept in zip(extraction.events, in_order, strict=True):
        if kept:
            passed += 1
            continue
        earlier = passed > 0 and event.story < line[passed - 1].story
        beside = line[passed - 1] if earlier else line[passed]
        if runs and runs[-1][:2] == (earlier, beside) and runs[-1][2][-1].story < event.story:
            runs[-1][2].append(event)
        else:
            runs.append((earlier, beside, [event]))
    rows = []
    for earlier, beside, run in sorted(runs, key=lambda each: -len(each[2])):
        cue = next((event.time for event in run if event.time is not None), None)
        words = "" if cue is None else " ".join(story.text[cue.start : cue.end].split())
        when = "earlier" if earlier else "later"
        values = (_number(book.scene(run[0].start)), len(run), book.said(run[0]), when, book.said(beside), words)
        rows.append(Row(values, book.evidence([run[0].sentence, beside.sentence])))
    return Report(
        "order_of_telling",
        "What is told out of its time",
        "Each run of events that the telling brings later or earlier than they happen, the longest first: its first"
        " event, whether that happened earlier or later than what it is told beside, and the words that say so.",
        "Everything is told in the order in which it happens.",
        ("scene", "events", "first", "happened", "than", "words"),
        tuple(rows),
    )


def broken_travel(story: Story, extraction: Extraction) -> Report:
    """Characters who are in another place without having gone there."""
    book = _Book(story, extraction)
    within = {place.id: place.within for place in extraction.places}
    last: dict[str, Event] = {}
    rows = []
    for event in extraction.events:
        if event.time is not None and event.time.relation == "later":
            last.clear()  # time has passed, in which everybody may have gone anywhere
        who = event.agent
        if who is None or event.place is None or (event.time is not None and event.time.relation == "earlier"):
            continue
        before = last.get(who)
        said = book.says_place(event)
        if event.kind == "movement":
            last[who] = event
            continue
        scene = book.scene(event.start)
        if (
            said
            and before is not None
            and before.place is not None
            and book.scene(before.start) == scene
            and not _nested(before.place, event.place, within)
        ):
            values = (book.name(who), book.name(before.place), book.name(event.place), _number(scene))
            rows.append(Row(values, book.evidence([before.sentence, event.sentence])))
        if said or before is None:
            last[who] = event
    return Report(
        "broken_travel",
        "Moves without a journey",
        "In one scene somebody is in one place and then in another, and nothing tells of the way, or that time has"
        " passed.",
        "Everybody who is elsewhere has gone there.",
        ("character", "was in", "is in", "scene"),
        tuple(rows),
    )


_INWARD = words_of(
    "see hear feel notice watch observe perceive look listen smell taste think know wonder remember realise realize"
    " recollect recognise recognize understand imagine believe hope fear wish suppose fancy"
    " vedea auzi simti simți privi gandi gândi sti ști crede spera teme"
)


def viewpoint(story: Story, extraction: Extraction) -> Report:
    """Who perceives in each scene."""
    book = _Book(story, extraction)
    seen: dict[int | None, Counter[str]] = defaultdict(Counter)
    where: dict[tuple[int | None, str], list[tuple[int, int]]] = defaultdict(list)
    for event in extraction.events:
        if event.agent is not None and (event.kind == "perception" or event.verb in _INWARD):
            scene = book.scene(event.start)
            seen[scene][event.agent] += 1
            where[scene, event.agent].append(event.sentence)
    rows = []
    for scene in sorted(seen, key=lambda each: -1 if each is None else each):
        counts = seen[scene]
        ranked = sorted(counts, key=lambda who: (-counts[who], who))
        total = counts.total()
        others = ", ".join(f"{book.name(who)} {counts[who]}" for who in ranked[1:3])
        values = (_number(scene), book.name(ranked[0]), counts[ranked[0]], total, counts[ranked[0]] / total, others)
        rows.append(Row(values, book.evidence(where[scene, ranked[0]][:3])))
    return Report(
        "viewpoint",
        "Who sees each scene",
        "For each scene, who sees, hears, feels or thinks most often in the narration, and how often of all times.",
        "Nobody is told to see, hear or feel anything.",
        ("scene", "through the eyes of", "times", "of", "share", "then"),
        tuple(rows),
    )


def only_protagonist_knows(story: Story, extraction: Extraction, protagonist: str | None = None) -> Report:
    """What the protagonist does, sees or undergoes with nobody else there."""
    book = _Book(story, extraction)
    if protagonist is not None:
        who = book.find(protagonist)
    else:
        active = [each.id for each in extraction.characters if book.acts[each.id]]
        who = max(active, key=lambda each: book.acts[each], default="")
    present = book.present()
    runs: list[list[Event]] = []
    for event in extraction.events:
        if who not in (event.agent, event.patient) or event.kind == "speech":
            continue
        here = bisect_right(book.paragraph_starts, event.start) - 1
        scene = book.scene_of[here]
        near = [each for each in (here - 1, here, here + 1) if 0 <= each < len(book.scene_of)]
        if any(present[each] - {who} for each in near if book.scene_of[each] == scene):
            continue
        if runs and event.narrated - runs[-1][-1].narrated <= 3 and book.scene(runs[-1][-1].start) == scene:
            runs[-1].append(event)
        else:
            runs.append([event])
    rows = []
    for run in runs:
        places = {event.place for event in run if event.place is not None}
        values = (_number(book.scene(run[0].start)), len(run), ", ".join(dict.fromkeys(event.verb for event in run)),
                  ", ".join(sorted(book.name(place) for place in places)))  # fmt: skip
        rows.append(Row(values, book.evidence([event.sentence for event in run[:3]])))
    name = book.name(who) if who else "the protagonist"
    return Report(
        "only_protagonist_knows",
        f"What only {name} knows",
        f"What {name} does, sees or undergoes where no other character does or says anything in that paragraph or"
        " the ones beside it. Whether it is told to somebody later is not known.",
        f"Others are there whenever {name} does something.",
        ("scene", "events", "what", "where"),
        tuple(rows),
    )


def cast_audit(story: Story, extraction: Extraction, groups: Mapping[str, str]) -> Report:
    """Shares of mentions and of speech, and agency, by group of the cast.

    Agency is agent / (agent + patient) of the group's events. Intervals are 95% percentile bootstrap over scenes, or
    over paragraphs where there are fewer than ten scenes.
    """
    import numpy as np

    from gnomon.stats.resample import bootstrap

    book = _Book(story, extraction)
    group_of = {book.find(who): group for who, group in groups.items()}
    names = sorted(set(group_of.values()))
    column = {name: number for number, name in enumerate(names)}
    by_scene = len(story.scenes) >= 10
    units = len(story.scenes) + 1 if by_scene else len(story.paragraphs)
    sums = np.zeros((units, 4 * len(names)))

    def add(position: int, who: str | None, quantity: int, amount: float = 1.0) -> None:
        if who in group_of:
            scene = book.scene(position)
            unit = (len(story.scenes) if scene is None else scene) if by_scene else book.paragraph(position)
            sums[unit, 4 * column[group_of[who]] + quantity] += amount

    for character in extraction.characters:
        for mention in character.mentions:
            add(mention.start, character.id, 0)
    for speech in extraction.speeches:
        add(speech.start, speech.speaker, 1, len(story.text[speech.start : speech.end].split()))
    for event in extraction.events:
        add(event.start, event.agent, 2)
        add(event.start, event.patient, 3)
    used = sums[sums.any(axis=1)]
    rows = []
    for name, number in column.items():
        at = 4 * number

        def share(quantity: int, at: int = at) -> Callable[[Any], Any]:
            return lambda totals: totals[:, at + quantity] / totals[:, quantity::4].sum(axis=1)

        def agency(totals: Any, at: int = at) -> Any:
            return totals[:, at + 2] / (totals[:, at + 2] + totals[:, at + 3])

        members = [each for each in extraction.characters if group_of.get(each.id) == name]
        statistics: list[Callable[[Any], Any]] = [share(0), share(1), agency]
        figures = [bootstrap(used, each).to_dict() if len(used) > 1 else _undefined(len(used)) for each in statistics]
        spans = [span for each in members[:3] for span in book.named(each)[:1]]
        rows.append(Row((name, len(members), *figures), book.evidence(spans)))
    left_out = sum(each.id not in group_of and len(each.mentions) >= MIN_MENTIONS for each in extraction.characters)
    unit = "scenes" if by_scene else "paragraphs"
    return Report(
        "cast_audit",
        "The cast by group",
        "Shares of the mentions and of the words spoken by characters with a group, and agency, the share of acting in"
        f" acting and undergoing; 95% intervals over {unit}. {left_out} further characters with at least {MIN_MENTIONS}"
        " mentions have no group.",
        "No character has a group.",
        ("group", "characters", "share of mentions", "share of speech", "agency"),
        tuple(rows),
    )


REPORTS: dict[str, Callable[..., Report]] = {
    report.__name__: report
    for report in (
        passive_characters, mergeable_characters, removable_places, lulls, order_of_telling, broken_travel, viewpoint,
        only_protagonist_knows, cast_audit,
    )
}  # fmt: skip


def read_groups(pairs: Iterable[str], path: Path | None = None) -> dict[str, str]:
    """Character -> group from NAME=GROUP pairs and from a CSV file with the columns `character` and `group`."""
    groups: dict[str, str] = {}
    if path is not None:
        try:
            rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))
        except (OSError, UnicodeDecodeError) as fault:
            raise UserError(f"{path}: a CSV file in UTF-8 with columns character,group is needed ({fault}).") from fault
        if not {"character", "group"} <= set(rows.fieldnames or ()):
            raise UserError(f"{path}: the first line has to name the columns character,group.")
        for row in rows:
            if row["character"] and row["group"]:
                groups[row["character"].strip()] = row["group"].strip()
    for pair in pairs:
        name, equals, group = pair.partition("=")
        if not (equals and name.strip() and group.strip()):
            raise UserError(f"--group {pair}: NAME=GROUP is expected, as in --group Anna=women.")
        groups[name.strip()] = group.strip()
    return groups


class _Book:
    """What the reports count in one story."""

    def __init__(self, story: Story, extraction: Extraction) -> None:
        self.story, self.extraction = story, extraction
        self.acts = Counter(event.agent for event in extraction.events)
        self.undergoes = Counter(event.patient for event in extraction.events)
        self.there = Counter(event.place for event in extraction.events)
        self.speaks = Counter(speech.speaker for speech in extraction.speeches)
        named: list[Character | Place] = [*extraction.characters, *extraction.places]
        self.names = {each.id: each.name for each in named}
        self.paragraph_starts = [span.start for span in story.paragraphs]
        self.scene_of = [story.scene_at(start) for start in self.paragraph_starts]
        self._sentence_starts = [span.start for span in story.sentences]
        self._places = sorted((m.start, place.id) for place in extraction.places for m in place.mentions)

    def name(self, who: str) -> str:
        return self.names.get(who, who)

    def find(self, name: str) -> str:
        """The id of the character that is called `name`."""
        wanted = name.casefold()
        for each in self.extraction.characters:
            if wanted in (each.id.casefold(), each.name.casefold()):
                return each.id
        for each in self.extraction.characters:
            if wanted in (alias.casefold() for alias in each.aliases):
                return each.id
        known = sorted(self.extraction.characters, key=lambda each: -len(each.mentions))[:5]
        listed = ", ".join(each.name for each in known) or "nobody"
        raise UserError(f"there is no character {name} in this story; there are {listed} and others.")

    def scene(self, position: int) -> int | None:
        return self.scene_of[self.paragraph(position)]

    def paragraph(self, position: int) -> int:
        return max(0, bisect_right(self.paragraph_starts, position) - 1)

    def sentence(self, position: int) -> tuple[int, int]:
        span = self.story.sentences[max(0, bisect_right(self._sentence_starts, position) - 1)]
        return span.start, span.end

    def named(self, character: Character) -> list[tuple[int, int]]:
        """The first sentences that name a character."""
        named = [m for m in character.mentions if m.kind != "pronoun"] or list(character.mentions)
        return list(dict.fromkeys(self.sentence(mention.start) for mention in named[:5]))

    def says_place(self, event: Event) -> bool:
        """Whether the event's sentence names its place."""
        number = bisect_left(self._places, (event.sentence[0], ""))
        while number < len(self._places) and self._places[number][0] < event.sentence[1]:
            if self._places[number][1] == event.place:
                return True
            number += 1
        return False

    def cast(self) -> list[Character]:
        """Those who are asked about: spoken of often enough, and somebody ("my father" is another in each mouth)."""
        places = {place.name for place in self.extraction.places}
        return [
            each
            for each in self.extraction.characters
            if len(each.mentions) >= MIN_MENTIONS
            and each.kind != "narrator"
            and each.name not in places
            and each.name.partition(" ")[0].casefold() not in _SPOKEN_OF
        ]

    def present(self) -> dict[int, set[str]]:
        """Who does, undergoes, says or is told something in each paragraph, but for what was earlier."""
        found: dict[int, set[str]] = defaultdict(set)
        for event in self.extraction.events:
            if event.time is None or event.time.relation != "earlier":
                found[self.paragraph(event.start)].update(each for each in (event.agent, event.patient) if each)
        for speech in self.extraction.speeches:
            found[self.paragraph(speech.start)].update(each for each in (speech.speaker, *speech.addressees) if each)
        return found

    def company(self) -> dict[int, set[str]]:
        """Who is spoken of in each paragraph."""
        found: dict[int, set[str]] = defaultdict(set)
        for character in self.extraction.characters:
            if character.kind == "narrator":
                continue
            for mention in character.mentions:
                found[self.paragraph(mention.start)].add(character.id)
        return found

    def said(self, event: Event) -> str:
        """An event in a few words."""
        parts = (event.agent, event.verb, event.patient)
        agent, verb, patient = (None if each is None else self.name(each) for each in parts)
        return " ".join(each for each in (agent, verb, patient) if each)

    def stretches(self) -> Iterable[tuple[int, int, int, int]]:
        """(first paragraph, last, words, events) of stretches of about WINDOW words, none over the end of a scene."""
        events = Counter(self.paragraph(event.start) for event in self.extraction.events)
        first, words, count = 0, 0, 0
        for number, scene in enumerate(self.scene_of):
            if number and scene != self.scene_of[number - 1]:
                first, words, count = number, 0, 0
            if scene is None or self.story.paragraph_kind(number) != "text":
                first, words, count = number + 1, 0, 0
                continue
            words += len(self.story.paragraph_text(number).split())
            count += events[number]
            if words >= WINDOW:
                yield first, number, words, count
                first, words, count = number + 1, 0, 0

    def evidence(self, spans: Sequence[tuple[int, int]]) -> tuple[Evidence, ...]:
        found = []
        for start, end in dict.fromkeys(spans):
            quote = " ".join(self.story.text[start:end].split())
            found.append(Evidence(start, end, quote if len(quote) <= QUOTE else quote[: QUOTE - 1] + "…"))
        return tuple(found)


def _heaviest_rising(numbers: Sequence[int], weights: Sequence[int]) -> list[bool]:
    """Which of the numbers, a permutation of 0 to n - 1, are in the rising subsequence of the greatest weight."""
    size = len(numbers)
    best = [(0, -1)] * (size + 1)  # a Fenwick tree: (weight, position) of the heaviest that ends below a number
    before: list[int] = []
    heaviest = (0, -1)
    for position, number in enumerate(numbers):
        found, at = (0, -1), number
        while at > 0:
            found = max(found, best[at])
            at -= at & -at
        before.append(found[1])
        here, at = (found[0] + weights[position], position), number + 1
        heaviest = max(heaviest, here)
        while at <= size:
            best[at] = max(best[at], here)
            at += at & -at
    chosen = [False] * size
    position = heaviest[1]
    while position >= 0:
        chosen[position] = True
        position = before[position]
    return chosen


def _number(scene: int | None) -> int | None:
    """Scenes are counted from 1 for people."""
    return None if scene is None else scene + 1


def _nested(one: str, other: str, within: Mapping[str, str | None]) -> bool:
    for inner, outer in ((one, other), (other, one)):
        seen: set[str] = set()
        here: str | None = inner
        while here is not None and here not in seen:
            seen.add(here)
            here = within.get(here)
        if outer in seen:
            return True
    return False


def _cosine(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    product = sum(count * other.get(who, 0) for who, count in one.items())
    sizes = math.sqrt(sum(n * n for n in one.values()) * sum(n * n for n in other.values()))
    return product / sizes if sizes else 0.0


def _undefined(n: int) -> dict[str, Any]:
    from gnomon.stats import Estimate

    return Estimate(None, None, None, n, "none", reason="too little to count").to_dict()
