"""The events of a story: each paragraph's clauses that happened, with who, where and when, in both orders.

A story is told in the past, or a scene of it in the present: the other tense is then what was before, or what always
holds and is no event. The writer's facts about events are applied here.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from gnomon.story.chronology import PlacedCue, Told, order
from gnomon.story.clauses import LocalClause, clause_at
from gnomon.story.places import Acting, Places, Positions, Staying, follow
from gnomon.story.records import Event, Fact
from gnomon.story.wordlists import KINDS, fold

if TYPE_CHECKING:
    from gnomon.story.cast import Cast
    from gnomon.story.extracting import Record


class Telling(NamedTuple):
    """The events of a story in the order of the text, their ids, and the cues between them.

    `scenes` gives the scene of each paragraph; `present` are those told in the present tense.
    """

    told: list[Told]
    ids: list[str]
    cues: list[PlacedCue]
    scenes: list[int]
    present: frozenset[int]


def gather(story: Any, records: Sequence["Record"], facts: Sequence[Fact], lost: list[Fact]) -> Telling:
    """What happened, by the grammar of each paragraph and by the facts `event` and `not_event`.

    A fact that no word answers to is added to `lost`.
    """
    paragraphs = story.paragraphs
    scenes = _scenes_of(story)
    present = _in_present(records, scenes)
    declared = _declared(story, records, facts, lost) if facts else {}
    told: list[Told] = []
    cues: list[PlacedCue] = []
    ids: list[str] = []
    for paragraph, record in enumerate(records):
        span, scene = paragraphs[paragraph], scenes[paragraph]
        name, offset = span.id, span.start
        for cue in record.cues:
            cues.append(PlacedCue(paragraph, scene, offset, cue))
        clauses: Sequence[LocalClause] = record.clauses
        here = declared.get(paragraph)
        if here is not None:
            clauses = sorted(
                [*(each for each in clauses if each.trigger not in here), *(each for each in here.values() if each)]
            )
        told_in_present = scene in present
        for clause in clauses:
            user = here is not None and clause.trigger in here
            if user or (clause.realis and (told_in_present or clause.tense != "present")):
                told.append(Told(paragraph, scene, offset, clause, user))
                number = f"u{clause.trigger}" if user and clause.number < 0 else clause.number
                ids.append(f"{name}.{clause.sentence}.{number}")
    return Telling(told, ids, cues, scenes, present)


def _scenes_of(story: Any) -> list[int]:
    """The scene of each paragraph; a paragraph between scenes belongs to the one before."""
    found = []
    scene, ends = -1, [span.end for span in story.scenes]
    starts = [span.start for span in story.scenes]
    for span in story.paragraphs:
        while scene + 1 < len(starts) and starts[scene + 1] <= span.start:
            scene += 1
        found.append(scene if scene >= 0 and span.start < ends[scene] else -1 - scene)
    return found


def _in_present(records: Sequence["Record"], scenes: Sequence[int]) -> frozenset[int]:
    """The scenes whose narration is in the present tense."""
    balance: dict[int, int] = {}
    for record, scene in zip(records, scenes, strict=True):
        for clause in record.clauses:
            if clause.main:
                if clause.tense == "present":
                    balance[scene] = balance.get(scene, 0) + 1
                elif clause.tense == "past":
                    balance[scene] = balance.get(scene, 0) - 1
    return frozenset(scene for scene, count in balance.items() if count > 0)


def _declared(
    story: Any, records: Sequence["Record"], facts: Sequence[Fact], lost: list[Fact]
) -> dict[int, dict[int, LocalClause | None]]:
    """What the writer says of words: paragraph -> token -> the clause it is the trigger of, None for none."""
    found: dict[int, dict[int, LocalClause | None]] = {}
    numbers = {span.id: number for number, span in enumerate(story.paragraphs)}
    for fact in facts:
        if fact.kind not in ("event", "not_event"):
            continue
        where = _word(story, records, numbers, fact.subject, found)
        if where is None:
            lost.append(fact)
            continue
        paragraph, token = where
        here = found.setdefault(paragraph, {})
        if fact.kind == "not_event":
            here[token] = None
            continue
        here[token] = _clause(story, records[paragraph], paragraph, token, fact.value)
    return found


def _clause(story: Any, record: "Record", paragraph: int, token: int, verb: Any) -> LocalClause:
    clause = next((each for each in record.clauses if each.trigger == token), None)
    if clause is None:
        start = record.analysis.tokens[token].start
        ends = [end for _, end in story.sentences_of(paragraph)]
        sentence = min(bisect_left(ends, start + 1), len(ends) - 1)
        clause = clause_at(story.paragraph_text(paragraph), record.analysis, story.language, token, sentence)
    if isinstance(verb, str) and verb.strip():
        lemma = verb.strip().casefold()
        language = story.language if story.language in KINDS else "en"
        clause = clause._replace(verb=lemma, kind=KINDS[language].get(fold(lemma, language), "action"))
    return clause._replace(score=1.0, realis=True)


def _word(
    story: Any,
    records: Sequence["Record"],
    numbers: Mapping[str, int],
    subject: Any,
    declared: Mapping[int, Mapping[int, LocalClause | None]],
) -> tuple[int, int] | None:
    """(paragraph, token) of an event's id, or of the trigger or else the first verb or word in a (start, end)."""
    if isinstance(subject, str):
        name, sentence, number = [*subject.rsplit(".", 2), "", ""][:3]
        paragraph = numbers.get(name)
        if paragraph is None:
            return None
        for clause in records[paragraph].clauses:
            if str(clause.sentence) == sentence and str(clause.number) == number:
                return paragraph, clause.trigger
        if number[:1] == "u" and number[1:].isdecimal() and int(number[1:]) in declared.get(paragraph, {}):
            return paragraph, int(number[1:])
        return None
    start, end = subject
    paragraph = story.paragraph_at(start)
    if paragraph is None:
        return None
    offset = story.paragraphs[paragraph].start
    tokens = records[paragraph].analysis.tokens
    within = [index for index, token in enumerate(tokens) if token.start + offset < end and start < token.end + offset]
    triggers = {clause.trigger for clause in records[paragraph].clauses} | set(declared.get(paragraph, ()))
    for chosen in (
        [index for index in within if index in triggers],
        [index for index in within if tokens[index].pos == "VERB"],
        [index for index in within if tokens[index].pos not in ("PUNCT", "SPACE")],
    ):
        if chosen:
            return paragraph, chosen[0]
    return None


class Said(NamedTuple):
    """The writer's word on events, by their number: ids, or None for nobody and nowhere."""

    agents: dict[int, str | None]
    patients: dict[int, str | None]
    places: dict[int, str | None]
    placed: list[tuple[int, Literal["before", "after"], int]]


def number_of(telling: Telling, subject: Any) -> int | None:
    """The number of the event with this id, or whose trigger is in this (start, end)."""
    if isinstance(subject, str):
        return telling.ids.index(subject) if subject in telling.ids else None
    start, end = subject
    told = telling.told
    number = bisect_left(told, start, key=lambda each: each.offset + each.clause.end - 1)
    if number < len(told) and told[number].offset + told[number].clause.start < end:
        return number
    return None


def build(
    story: Any, records: Sequence["Record"], cast: "Cast", places: Places, telling: Telling, said: Said
) -> tuple[tuple[Event, ...], Positions]:
    """The events, and who is where from which event on."""
    told = telling.told
    ordered = order(told, telling.cues, telling.present, said.placed)
    at, place_at = cast.at, places.at
    acting = []
    for number, (paragraph, _, _, clause, _) in enumerate(told):
        agent = at(paragraph, clause.agent) if clause.agent is not None else None
        patient = at(paragraph, clause.patient) if clause.patient is not None else None
        companions: tuple[str, ...] = ()
        if clause.companions:
            companions = tuple([who for each in clause.companions if (who := at(paragraph, each)) is not None])
        phrases: tuple[tuple[str, str], ...] = ()
        if clause.places:
            phrases = tuple(
                [
                    (preposition, place)
                    for preposition, token in clause.places
                    if (place := place_at.get((paragraph, token))) is not None
                ]
            )
        if number in said.agents:
            agent = said.agents[number]
        if number in said.patients:
            patient = said.patients[number]
        elif patient == agent:
            patient = None  # "she dressed herself"
        together = (
            agent is None
            and clause.agent is not None
            and records[paragraph].analysis.tokens[clause.agent].lemma.casefold() in _THEY
        )
        declared = number in said.places
        acting.append(Acting(agent, patient, companions, phrases, together, declared, said.places.get(number)))
    stays = _stays(records, telling, cast, places)
    where, positions = follow(told, acting, stays, ordered.line, story.language)
    touched = said.agents.keys() | said.patients.keys() | said.places.keys()
    touched |= {number for first, _, other in said.placed for number in (first, other)}
    events = []
    last = -1
    bounds: Sequence[tuple[int, int]] = ()
    for number, (paragraph, _, offset, clause, user) in enumerate(told):
        if paragraph != last:
            last, bounds = paragraph, story.sentences_of(paragraph)
        start, end = bounds[clause.sentence]
        act = acting[number]
        events.append(
            Event(
                telling.ids[number],
                number,
                ordered.story[number],
                clause.verb,
                clause.kind,
                act.agent,
                act.patient,
                where[number],
                offset + clause.start,
                offset + clause.end,
                (offset + start, offset + end),
                ordered.cues[number],
                clause.score,
                "user" if user or number in touched else "auto",
            )
        )
    return tuple(events), positions


_THEY = frozenset({"they", "we", "ei", "ele", "noi"})


def _stays(records: Sequence["Record"], telling: Telling, cast: "Cast", places: Places) -> list[Staying]:
    """Who is said to be where, each before the event that is told next."""
    found = []
    told = telling.told
    number = 0
    for paragraph, record in enumerate(records):
        for stay in record.stays:
            place = places.at.get((paragraph, stay.place))
            if place is None:
                continue
            while number < len(told) and (
                told[number].paragraph < paragraph
                or (told[number].paragraph == paragraph and told[number].clause.start < stay.start)
            ):
                number += 1
            people = [stay.who, *stay.companions] if stay.who is not None else stay.companions
            who = tuple([each for token in people if (each := cast.at(paragraph, token)) is not None])
            if number < len(told):
                found.append(Staying(number, telling.scenes[paragraph], who, place))
    return found
