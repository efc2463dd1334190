"""Two orders of what is told: as it is narrated, and as it happened. Cues of time, past perfect, flashbacks.

A main line is told in order. A phrase such as "ten years earlier", or a run of past perfect, opens a flashback; "now",
a new scene or the end of what it covers closes it; inside one the told order is kept unless a cue says otherwise. Times
are days on a line of the story's own, as far as the text counts them ("three days later", "in 1812").
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from gnomon.story.clauses import LocalClause, LocalClauses
from gnomon.story.quotations import local_quotations
from gnomon.story.records import TimeCue
from gnomon.story.segmentation import kind_of, sentences
from gnomon.story.wordlists import fold


class LocalCue(NamedTuple):
    """Words that place events in time, in one paragraph.

    `relation` is that of `TimeCue`, or `date`. `token` is the trigger of the clause it belongs to (None without one).
    `days` is how far, for a date the day itself, None where the text does not say. `front`: it opens its sentence, so
    that what follows goes with it; `first`: it opens the paragraph.
    """

    start: int
    end: int
    relation: str
    token: int | None
    days: float | None
    sentence: int
    front: bool
    first: bool


_UNITS: dict[str, dict[str, float]] = {
    "en": {
        "second": 0.0, "moment": 0.0, "instant": 0.0, "minute": 0.0, "hour": 0.05, "day": 1.0, "night": 1.0,
        "morning": 1.0, "afternoon": 1.0, "evening": 1.0, "week": 7.0, "fortnight": 14.0, "month": 30.0,
        "season": 91.0, "spring": 365.0, "summer": 365.0, "autumn": 365.0, "winter": 365.0, "year": 365.0,
        "decade": 3652.0, "centurie": 36525.0, "century": 36525.0, "generation": 9131.0,
    },
    "ro": {
        "clipe": 0.0, "clipa": 0.0, "secunde": 0.0, "minut": 0.0, "minute": 0.0, "ora": 0.05, "ore": 0.05,
        "ceas": 0.05, "ceasuri": 0.05, "zi": 1.0, "zile": 1.0, "noapte": 1.0, "nopti": 1.0, "saptamina": 7.0,
        "saptamini": 7.0, "luna": 30.0, "luni": 30.0, "iarna": 365.0, "ierni": 365.0, "vara": 365.0, "veri": 365.0,
        "an": 365.0, "ani": 365.0, "secol": 36525.0, "secole": 36525.0, "veac": 36525.0, "veacuri": 36525.0,
    },
}  # fmt: skip
_NUMBERS: dict[str, dict[str, float]] = {
    "en": {
        "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
        "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40,
        "fifty": 50, "hundred": 100, "a hundred": 100, "several": 4, "some": 4, "a few": 3, "few": 3, "many": 10,
        "a couple of": 2, "half a": 0.5, "half an": 0.5, "": 3,
    },
    "ro": {
        "un": 1, "o": 1, "doi": 2, "doua": 2, "trei": 3, "patru": 4, "cinci": 5, "sase": 6, "sapte": 7, "opt": 8,
        "noua": 9, "zece": 10, "douazeci de": 20, "treizeci de": 30, "o suta de": 100, "citiva": 3, "citeva": 3,
        "multi": 10, "multe": 10, "vreo": 3, "": 3,
    },
}  # fmt: skip
_MONTHS = {
    "en": "january|february|march|april|may|june|july|august|september|october|november|december",
    "ro": "ianuarie|februarie|martie|aprilie|mai|iunie|iulie|august|septembrie|octombrie|noiembrie|decembrie",
}
_YOUTH = 7300.0


def _pattern(language: str) -> re.Pattern[str]:
    numbers = "|".join(sorted((each for each in _NUMBERS[language] if each), key=len, reverse=True)) + r"|\d+"
    units = "|".join(sorted(_UNITS[language], key=len, reverse=True))
    months = _MONTHS[language]
    if language == "ro":
        span = rf"(?P<n{{0}}>{numbers})\s+(?P<u{{0}}>{units})"
        return re.compile(
            rf"\b(?:cu\s+{span.format(1)}\s+(?:in\s+urma|mai\s+(?:de)?vreme|mai\s+inainte|inainte)"
            rf"|(?:acum|in\s+urma\s+cu)\s+{span.format(2)}|(?P<before>in\s+ajun|ieri|in\s+ziua\s+precedenta)"
            rf"|(?P<youth>(?:pe\s+cind|cind)\s+era\s+(?:copil|copila|tinar|tinara|mic|mica)"
            rf"|in\s+(?:tineretea|copilaria)\s+\w+|odinioara|pe\s+vremuri)"
            rf"|(?P<earlier>mai\s+devreme|mai\s+inainte))\b"
            rf"|\b(?:(?:peste|dupa)\s+{span.format(3)}|{span.format(4)}\s+mai\s+tirziu"
            rf"|(?P<next>a\s+doua\s+(?:zi|seara|noapte|dimineata)|in\s+(?:ziua|dimineata|seara|noaptea)\s+urmatoare)"
            rf"|(?P<later>mai\s+tirziu|in\s+(?:seara|noaptea)\s+aceea))\b"
            rf"|\b(?P<same>intre\s+timp|in\s+acest\s+timp|in\s+vremea\s+(?:asta|aceasta)|in\s+acelasi\s+timp|tot\s+atunci)\b"
            rf"|\b(?P<return>acum|astazi|in\s+prezent|de\s+fata)\b"
            rf"|\bin\s+(?:anul\s+|(?P<m>{months})\s+)?(?P<y>1\d\d\d|20\d\d)\b",
            re.IGNORECASE,
        )
    span = rf"(?P<n{{0}}>{numbers})\s+(?:long\s+)?(?P<u{{0}}>{units})s?"
    day = "day|morning|afternoon|evening|night|week|month|year|spring|summer|autumn|winter"
    clause = r"(?!\s+(?:the|an?|his|her|their|its|my|our|that|this|he|she|they|it|we|I|than|(?-i:[A-Z]))\b)"
    return re.compile(
        rf"\b(?:(?:{span.format(1)}|(?P<u5>days|weeks|months|years))\s+(?:earlier|ago|previously|before{clause})"
        rf"|(?P<before>(?:the|on\s+the)\s+(?:(?:previous|preceding)\s+(?:{day})|(?:{day})\s+before{clause})|yesterday|last\s+(?:night|week|month|year))"
        rf"|(?P<youth>in\s+(?:his|her|their)\s+(?:youth|childhood|boyhood|girlhood)|as\s+a\s+(?:child|boy|girl)"
        rf"|when\s+(?:he|she)\s+was\s+(?:young|little|small|(?:only\s+)?a\s+(?:child|boy|girl))|long\s+(?:ago|before{clause}))"
        rf"|(?P<earlier>earlier\s+(?:that|the\s+same|in\s+the)\s+(?:{day})))\b"
        rf"|\b(?:(?:{span.format(2)}|(?P<u6>days|weeks|months|years))\s+(?:later|afterwards?|after{clause})|after\s+{span.format(3)}"
        rf"|(?P<next>(?:on\s+|by\s+)?the\s+(?:next|following)\s+(?P<u7>{day})|next\s+(?:day|morning)|the\s+(?:day|morning|night)\s+after{clause})"
        rf"|(?P<later>(?:later\s+)?that\s+(?:night|evening|afternoon)|later\s+(?:that|the\s+same)\s+day|later\s+on|soon\s+after(?:wards?)?))\b"
        rf"|\b(?P<same>meanwhile|in\s+the\s+meantime|at\s+(?:the\s+same|that\s+(?:very\s+)?)\s*(?:time|moment|instant))\b"
        rf"|\b(?P<return>now|at\s+present|today|nowadays|back\s+in\s+the\s+present)\b"
        rf"|\b(?:in|on|by)\s+(?:the\s+year\s+|(?:the\s+)?(?:(?P<d>\d+)(?:st|nd|rd|th)?\s+(?:of\s+)?)?(?P<m>{months})(?:\s+(?P<e>\d+)(?:st|nd|rd|th)?)?,?\s+(?:of\s+)?)?(?P<y>1\d\d\d|20\d\d)\b",
        re.IGNORECASE,
    )


_PATTERNS = {language: _pattern(language) for language in ("en", "ro")}
_LED_IN = re.compile(
    r"[\W_]*(?:(?:and|but|only|just|about|some|nearly|almost|it was|all this|si|dar|insa|iar|abia)[\s,]+)*",
    re.IGNORECASE,
)


def cues_in(text: str, told: LocalClauses, language: str) -> tuple[LocalCue, ...]:
    """The cues of one paragraph outside quoted speech, each with the clause that it goes with."""
    language = language if language in _PATTERNS else "en"
    folded = text
    if language == "ro":
        folded = fold(text, language)
        if len(folded) != len(text):  # a letter that folds to two: positions would no longer fit
            folded = text
    matches = list(_PATTERNS[language].finditer(folded))
    if not matches or kind_of(text) == "break":
        return ()
    found = []
    bounds = sentences(text)
    quoted = [part for utterance in local_quotations(text).utterances for part in utterance.parts]
    opening = len(text) - len(text.lstrip())
    sentence = 0
    for match in matches:
        while sentence < len(bounds) - 1 and match.start() >= bounds[sentence][1]:
            sentence += 1
        if any(start <= match.start() < end for start, end in quoted):
            continue
        begin = bounds[sentence][0]
        relation, days = _meaning(match, language)
        mine = [each for each in told.clauses if each.sentence == sentence]
        before = [each for each in mine if each.end <= match.start()]
        after = [each for each in mine if each.start >= match.end()]
        led = _LED_IN.match(folded, begin)
        front = led is not None and led.end() >= match.start() and not before
        nearest = after[0] if front and after else before[-1] if before else after[0] if after else None
        token = nearest.trigger if nearest is not None else None
        first = front and begin <= opening
        found.append(LocalCue(match.start(), match.end(), relation, token, days, sentence, front, first))
    return tuple(found)


def _meaning(match: re.Match[str], language: str) -> tuple[str, float | None]:
    groups = {name: value for name, value in match.groupdict().items() if value is not None}
    for name in ("same", "return"):
        if name in groups:
            return name, None
    if "later" in groups:
        return "later", 0.0
    if "next" in groups:
        unit = groups.get("u7", "day").casefold()
        return "later", _UNITS["en"].get(unit, 1.0)
    if "before" in groups:
        words = groups["before"].casefold()
        return "earlier", next((days for unit, days in _UNITS[language].items() if unit in words and days >= 1.0), 1.0)
    if "youth" in groups:
        return "earlier", _YOUTH
    if "earlier" in groups:
        return "earlier", None
    if "y" in groups:
        month = _MONTHS[language].split("|").index(groups["m"].casefold()) if "m" in groups else None
        day = int(groups.get("d") or groups.get("e") or 1)
        return "date", int(groups["y"]) * 365.25 + (30.4 * month if month is not None else 0.0) + min(day, 31) - 1
    which = next(name[1] for name in groups if name[0] == "u")
    unit = " ".join(groups["u" + which].casefold().split())
    number = " ".join(groups.get("n" + which, "").casefold().split())
    units = _UNITS[language]
    days = units[unit] if unit in units else units[unit.removesuffix("s")]
    amount = float(number) if number.isdigit() else float(_NUMBERS[language][number])
    earlier = which in ("15" if language == "en" else "12")
    return ("earlier" if earlier else "later"), amount * days


class Told(NamedTuple):
    """One event on its way: where it is told, before its place in time and space is known."""

    paragraph: int
    scene: int
    offset: int  # of its paragraph in the story
    clause: LocalClause
    user: bool


class PlacedCue(NamedTuple):
    """A cue of the narration, and where it stands."""

    paragraph: int
    scene: int
    offset: int
    cue: LocalCue


class Order(NamedTuple):
    """`story[i]` is the place of event i in the story's time, `cues[i]` the evidence, `line[i]` 0 on the main line.

    In a flashback `line` is its number.
    """

    story: list[int]
    cues: list[TimeCue | None]
    line: list[int]


Key = tuple[float, int, int, int, int, int]
"""Day, segment, 0 for what was before the segment and 1 for it, number, -1 before and 1 after that number, number."""


def order(
    told: Sequence[Told],
    cues: Sequence[PlacedCue],
    present: frozenset[int],
    placed: Sequence[tuple[int, Literal["before", "after"], int]] = (),
) -> Order:
    """Both in the order of the text. `present`: scenes told in the present tense; `placed`: the writer's word."""
    line = _Line(present)
    waiting = 0
    here = (-1, -1)
    for number, event in enumerate(told):
        where = (event.paragraph, event.clause.sentence)
        if where != here:
            while waiting < len(cues) and (cues[waiting].paragraph, cues[waiting].cue.sentence) < where:
                line.sentence(cues[waiting].paragraph, cues[waiting].scene)
                line.take(cues[waiting])
                waiting += 1
            line.sentence(event.paragraph, event.scene)
            while waiting < len(cues) and (cues[waiting].paragraph, cues[waiting].cue.sentence) == where:
                line.take(cues[waiting])
                waiting += 1
            here = where
        line.place(number, event)
    _relate(told, line)
    ranked = sorted(range(len(told)), key=line.keys.__getitem__)
    return Order(_ranks(_with_facts(ranked, placed)), line.cues, line.lines)


class _Flashback:
    """An open one: its day (None: before what its scene tells, nobody knows when), its number and what opened it."""

    __slots__ = ("cue", "day", "holds", "number", "opening", "segment", "sentences", "whole")

    def __init__(self, day: float | None, segment: int, cue: TimeCue, number: int, opening: bool) -> None:
        self.day, self.segment, self.cue, self.number = day, segment, cue, number
        self.opening = opening  # it opens its paragraph
        self.holds = False  # simple past goes on with it
        self.whole = False  # into the next paragraphs, too
        self.sentences = 0  # that told it in past perfect


class _Line:
    """The reading of the cues, sentence by sentence."""

    def __init__(self, present: frozenset[int]) -> None:
        self.present = present  # scenes in which what is told in the past was before
        self.day = 0.0
        self.segment = self.segments = 0
        self.epoch: float | None = None
        self.flashback: _Flashback | None = None
        self.flashbacks = 0
        self.keys: list[Key] = []
        self.cues: list[TimeCue | None] = []
        self.lines: list[int] = []
        self.paragraph = self.scene = -1
        self.evidence: TimeCue | None = None  # of the sentence
        self.aside: dict[int, tuple[float, TimeCue]] = {}  # trigger -> how many days earlier, in this sentence
        self.counted = False  # this sentence is counted as one of the flashback's

    def sentence(self, paragraph: int, scene: int) -> None:
        """Another sentence, perhaps of another paragraph or scene, begins."""
        self.evidence = None
        self.counted = False
        if self.aside:
            self.aside = {}
        if scene != self.scene:
            self.flashback = None
            self.advance()
        elif paragraph != self.paragraph and self.flashback is not None and not self.flashback.whole:
            self.flashback.holds = False
        self.scene, self.paragraph = scene, paragraph

    def advance(self) -> None:
        self.segments += 1
        self.segment = self.segments

    def now(self) -> float:
        flashback = self.flashback
        return self.day if flashback is None or flashback.day is None else flashback.day

    def open(self, days: float | None, cue: TimeCue, opening: bool) -> _Flashback:
        """Of `days` before now, or of an unknown time before this segment."""
        segment = self.segment
        if days is not None:
            self.segments += 1
            segment = self.segments
        self.flashbacks += 1
        day = None if days is None else self.now() - days
        self.flashback = _Flashback(day, segment, cue, self.flashbacks, opening)
        return self.flashback

    def take(self, placed: PlacedCue) -> None:
        """What a cue does to the line; it is evidence for the events of its sentence."""
        cue = placed.cue
        found = TimeCue(placed.offset + cue.start, placed.offset + cue.end, cue.relation)
        if cue.relation == "date":
            self.date(cue, found)
        elif cue.relation == "return":
            if self.flashback is not None:
                self.flashback = None
                self.evidence = found
        elif cue.relation == "later":
            self.forward(cue.days or 0.0)
            self.evidence = found
        elif cue.relation == "earlier" and cue.days is not None and cue.days >= _SAME_SCENE:
            if cue.front:
                opened = self.open(cue.days, found, cue.first)
                opened.holds, opened.whole = True, cue.first
            elif cue.token is not None:
                self.aside[cue.token] = (cue.days, found)
        else:
            self.evidence = found

    def forward(self, days: float) -> None:
        flashback = self.flashback
        if flashback is not None and flashback.holds:
            if flashback.day is not None:
                flashback.day += days
                if flashback.day >= self.day:
                    self.flashback = None
        elif days > 0:
            self.flashback = None
            self.day += days
            self.advance()

    def date(self, cue: LocalCue, found: TimeCue) -> None:
        """The first date says when the main line is; from then on dates move it, or open flashbacks."""
        day = cue.days or 0.0
        if self.epoch is None:
            if cue.front and self.flashback is None:
                self.epoch = day - self.day
            self.evidence = found._replace(relation="same")
            return
        here = day - self.epoch
        found = found._replace(relation="earlier" if here < self.day else "later" if here > self.day else "same")
        if not cue.front:
            if here < self.day and cue.token is not None:
                self.aside[cue.token] = (self.now() - here, found)
            return
        self.evidence = found
        if here < self.day:
            opened = self.open(self.now() - here, found, cue.first)
            opened.holds, opened.whole = True, cue.first
        elif here > self.day:
            self.flashback = None
            self.day = here
            self.advance()

    def place(self, number: int, event: Told) -> None:
        """Give one event its key."""
        clause, flashback = event.clause, self.flashback
        earlier = clause.tense == "pluperfect" or (clause.tense == "past" and event.scene in self.present)
        carries = clause.main and clause.relative is None
        if clause.trigger in self.aside:
            days, found = self.aside[clause.trigger]
            if earlier and carries:
                self.open(days, found, False)
                self.counted = True
                self.put(self.inside(number), found)
            else:
                self.aside_line((self.now() - days, self.segment, 0, number, 0, number), found)
            return
        if flashback is not None and not flashback.holds and not earlier and clause.main and clause.tense != "other":
            flashback = self.flashback = None
        cue = self.evidence or (flashback.cue if flashback is not None else None)
        if earlier:
            if cue is None:
                had = clause.start if clause.had is None else clause.had
                cue = TimeCue(event.offset + min(had, clause.start), event.offset + clause.end, "earlier")
            if flashback is None:
                if not carries:
                    self.aside_line((self.day, self.segment, 0, number, 0, number), cue)
                    return
                flashback = self.open(None, cue, clause.sentence == 0)
            if carries and not self.counted:
                self.counted = True
                flashback.sentences += 1
                if flashback.sentences > 1 and flashback.opening:
                    flashback.holds = True
        self.put(self.inside(number), cue)

    def inside(self, number: int) -> Key:
        flashback = self.flashback
        if flashback is None:
            return (self.day, self.segment, 1, number, 0, number)
        if flashback.day is None:
            return (self.day, flashback.segment, 0, number, 0, number)
        return (flashback.day, flashback.segment, 1, number, 0, number)

    def aside_line(self, key: Key, cue: TimeCue) -> None:
        """An event of a flashback that is told in one clause."""
        self.flashbacks += 1
        self.keys.append(key)
        self.cues.append(cue)
        self.lines.append(self.flashbacks)

    def put(self, key: Key, cue: TimeCue | None) -> None:
        self.keys.append(key)
        self.cues.append(cue)
        self.lines.append(self.flashback.number if self.flashback is not None else 0)


_SAME_SCENE = 0.04
"""Days; "a moment before" opens no flashback."""


def _relate(told: Sequence[Told], line: _Line) -> None:
    """Clauses opened by "before", "after" and the like stand beside the event of the clause they depend on."""
    for number, event in enumerate(told):
        relative = event.clause.relative
        if relative is None:
            continue
        relation, trigger, start, end = relative
        step = 1 if trigger > event.clause.trigger else -1
        other = number + step
        while 0 <= other < len(told) and told[other].paragraph == event.paragraph:
            if told[other].clause.trigger == trigger:
                target = told[other].clause.tense
                if relation == "later" and target == "pluperfect" and event.clause.tense != "pluperfect":
                    break
                line.keys[number] = (*line.keys[other][:4], -1 if relation == "earlier" else 1, number)
                line.cues[number] = TimeCue(event.offset + start, event.offset + end, relation)
                break
            other += step


def _with_facts(ranked: list[int], placed: Sequence[tuple[int, Literal["before", "after"], int]]) -> list[int]:
    """The writer's word on pairs: the first event is moved right before, or after, the other; the last word holds."""
    for _ in range(len(placed)):
        moved = False
        for event, where, other in placed:
            if event != other and (ranked.index(event) < ranked.index(other)) != (where == "before"):
                ranked.remove(event)
                ranked.insert(ranked.index(other) + (where == "after"), event)
                moved = True
        if not moved:
            break
    return ranked


def _ranks(ranked: Sequence[int]) -> list[int]:
    ranks = [0] * len(ranked)
    for place, number in enumerate(ranked):
        ranks[number] = place
    return ranks
