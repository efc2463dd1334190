"""Who is meant: one walk over a story's mentions that resolves names, nouns, pronouns, I and you.

The walk goes paragraph by paragraph. Narration first: names mean their bearer, "the old woman" whoever was called that
before, "she" the likeliest of those spoken of shortly before. Then the paragraph's utterances get their speaker
(`speakers.py`), and what is said inside them is resolved: "I" is the speaker, "you" the one spoken to.

The likeliest is found by a linear model over nine table look-ups for each candidate (`FEATURES`), a softmax of whose
scores is the confidence. Its weights are in `pronouns.json`, learned from LitBank by `cast_evaluating.train_ranker`.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple

from gnomon.story.grouping import Form, Referent
from gnomon.story.mentions import LocalMention
from gnomon.story.names import ANIMAL_NOUNS, GENERIC_NOUNS, words_of
from gnomon.story.speakers import Dialogue, Piece, Turn, Utterance

ROLE_CODES = {"subject": 0, "object": 1, "possessive": 2, "oblique": 3, "vocative": 4, "other": 5}
KIND_CODES = {"name": 0, "nominal": 1, "pronoun": 2}
SURE = 0.7
"""Confidence below which a resolved pronoun is a weaker antecedent than others."""
REACH = 12
"""Sentences after which somebody not spoken of is no candidate."""
CANDIDATES = 6
_DISTANCE = (0, 1, 2, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5)
_SUBJECT_AGE = (0, 1, 2, 3, 3)

FEATURES = {
    "distance": 72,  # sentences since the last mention x its kind (an unsure pronoun apart) x reflexive, spoken
    "rank": 20,  # among candidates by recency x in this sentence x gender known
    "roles": 36,  # of the last mention x of the pronoun
    "gender": 6,  # known or unknown x kind of referent
    "count": 8,  # mentions so far, by powers of two
    "verb": 6,  # the last mention hangs on the same verb (a possessive's, a reflexive's), or on the verb above
    "speech": 8,  # narration or speech of the pronoun and of the last mention; speaker, addressee
    "turn": 4,  # the pronoun is said to speak: the speaker before, the one before that, another
    "subject": 8,  # sentences since it was last a subject x the pronoun is a subject
}
"""The tables of the ranker and their lengths."""


class Ranker(NamedTuple):
    """The weights, one table a feature, and the score of "none of these"."""

    tables: tuple[tuple[float, ...], ...]
    none: float

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Ranker":
        """Raises ValueError where a table is missing or has another length."""
        tables = stored["weights"]
        for name, size in FEATURES.items():
            if len(tables.get(name, ())) != size:
                raise ValueError(f"the ranker's table {name!r} must have {size} weights")
        return cls(tuple(tuple(map(float, tables[name])) for name in FEATURES), float(stored["none"]))


@lru_cache(maxsize=1)
def default_ranker() -> Ranker:
    """The one shipped."""
    return Ranker.from_dict(json.loads(resources.files("gnomon.story").joinpath("pronouns.json").read_text("utf-8")))


class Resolved(NamedTuple):
    """A mention, and who is meant by it. `mention` may be cut to the name in it."""

    paragraph: int
    mention: LocalMention
    referent: Referent
    confidence: float


Watch = Callable[
    [Sequence[Resolved], int, LocalMention, Sequence[Referent], Sequence[tuple[int, ...]], int], Referent | None
]
"""Sees every ranking (all resolved so far, paragraph, pronoun, candidates, features, choice or -1) and overrules it."""


class Reading(NamedTuple):
    """The outcome of the walk. `nominals` are people without a name, in order of appearance."""

    resolved: list[Resolved]
    turns: list[Turn]
    nominals: list[Referent]
    narrator: Referent | None


class Walk:
    """The walk over one story. `bearer` gives those with names, `spoken` what is said in each paragraph."""

    def __init__(
        self,
        story: Any,
        records: Sequence[Any],
        by_text: Mapping[str, Form],
        bearer: Mapping[str, Referent],
        spoken: Mapping[int, list[Piece]],
        *,
        nominals: Mapping[str, Referent] | None = None,
        ignored: frozenset[tuple[int, int]] = frozenset(),
        placed: Mapping[tuple[int, int], Referent] | None = None,
        narrator: Referent | None = None,
        ranker: Ranker | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.story, self.records = story, records
        self.by_text, self.bearer, self.spoken = by_text, bearer, spoken
        self.own_nominals = nominals or {}
        self.ignored, self.placed = ignored, placed or {}
        self.ranker = ranker or default_ranker()
        self.watch = watch
        self.romanian = story.language == "ro"
        self.narrator = narrator
        self.recent: dict[str, list[Referent]] = {"m": [], "f": []}
        self.resolved: list[Resolved] = []
        self.nominals: list[Referent] = []
        self.by_nominal: dict[Any, Referent] = {}
        self.dialogue = Dialogue()
        self.at_first: dict[int, Referent] = {}  # in this paragraph: first token of a mention to its referent

    def read(self) -> Reading:
        """Walk once, from the first paragraph to the last."""
        spoken = self.spoken
        starts = [span.start for span in self.story.paragraphs]
        scene_of = _scene_numbers(self.story)
        sentence = 0
        later: list[tuple[int, LocalMention, Utterance]] = []
        for number, record in enumerate(self.records):
            mentions = record.mentions
            pieces = spoken.get(number)
            self.scene = scene_of[number]
            self.at_first.clear()
            if pieces is None:
                if mentions:
                    self.base = sentence
                    told = [
                        (mention, referent)
                        for mention in mentions
                        if (referent := self.meet(number, mention, None)) is not None
                    ]
                    self.dialogue.narrate(number, told)
                else:
                    self.dialogue.narrate(number, ())
                sentence += max(len(self.story.sentences_of(number)), 1)
                continue
            self.base = sentence
            narrated, inside = _apart(mentions, pieces)
            told = [
                (mention, referent)
                for mention in narrated
                if (referent := self.meet(number, mention, None)) is not None
            ]
            self.dialogue.narrate(number, told)
            starting = [piece.utterance for piece in pieces if piece.utterance.paragraph == number]
            named = self._called(inside)
            for utterance in dict.fromkeys(starting):
                self.dialogue.attribute(
                    utterance, starts[number], told, named.get(utterance.number, ()), self.story.text
                )
            for mention, utterance in inside:
                if mention.kind == "pronoun" and mention.person != 3:
                    later.append((number, mention, utterance))
                else:
                    self.meet(number, mention, utterance)
            sentence += max(len(self.story.sentences_of(number)), 1)
        turns = self.dialogue.finish()
        for number, mention, utterance in later:
            self._say(number, mention, turns[utterance.number])
        return Reading(self.resolved, turns, self.nominals, self.narrator)

    # -- one mention ---------------------------------------------------------------------------------------------

    def meet(self, paragraph: int, mention: LocalMention, utterance: Utterance | None) -> Referent | None:
        """Resolve `mention`, narrated or in `utterance`, and remember it."""
        if self.ignored and (paragraph, mention.first) in self.ignored:
            return None
        referent: Referent | None
        confidence = 1.0
        kind = mention.kind
        if self.placed and (paragraph, mention.first) in self.placed:
            referent = self.placed[paragraph, mention.first]
        elif kind == "name":
            referent = self.bearer.get(mention.text)
            if referent is None:
                return None
            drop = self.by_text[mention.text].drop
            if drop:
                mention = _without(mention, drop, self.records[paragraph].analysis)
            confidence = referent.trust
        elif kind == "pronoun":
            if mention.person == 1:
                if utterance is not None or mention.number == "plur" or self.narrator is None:
                    return None
                referent, confidence = self.narrator, 0.9
            elif mention.person == 3 and mention.number == "sing" and mention.gender in self.recent:
                referent, confidence = self.rank(paragraph, mention, utterance)
                if referent is None:
                    return None
            else:
                return None
        else:
            if mention.label != "PERSON":
                return None
            referent = self._nominal(paragraph, mention)
            if referent is None:
                return None
            confidence = 0.7
        self.resolved.append(Resolved(paragraph, mention, referent, confidence))
        self.at_first[mention.first] = referent
        self._remember(referent, paragraph, mention, utterance)
        if kind == "pronoun" and confidence < SURE:
            referent.last_kind = 3
        return referent

    def _remember(self, referent: Referent, paragraph: int, mention: LocalMention, utterance: Utterance | None) -> None:
        at = self.base + mention.sentence
        referent.count += 1
        if referent.plural:
            return
        kind = mention.kind
        if kind == "pronoun":
            referent.pronouns_met += 1
        elif kind == "nominal":
            referent.nominals_met += 1
        # A name before a "'s", or a "his" inside "his wife", leaves the phrase it stands in the better antecedent.
        referent.last_sentence = at
        referent.last_paragraph = paragraph
        referent.last_role = role = ROLE_CODES[mention.role]
        if role == 0:
            referent.subject_sentence = at
        referent.last_kind = KIND_CODES[kind]
        referent.last_verb = mention.verb
        referent.last_spoken = -1 if utterance is None else utterance.number
        if referent is self.narrator:
            return
        gender = referent.gender
        for key in ("m", "f"):
            if gender == key or gender == "unknown" or gender == "n":
                line = self.recent[key]
                if not line or line[0] is not referent:
                    if referent in line:
                        line.remove(referent)
                    elif len(line) >= CANDIDATES:
                        line.pop()
                    line.insert(0, referent)

    def rank(self, paragraph: int, mention: LocalMention, utterance: Utterance | None) -> tuple[Referent | None, float]:
        """Who `mention`, a pronoun of the third person, most likely means, and how likely."""
        at = self.base + mention.sentence
        speaker = addressee = None
        if utterance is not None:
            speaker, addressee = self.dialogue.parties(utterance)
        candidates = []
        features: list[tuple[int, ...]] = []
        scores = []
        t0, t1, t2, t3, t4, t5, t6, t7, t8 = self.ranker.tables
        role = ROLE_CODES[mention.role]
        verb, outer = mention.verb, mention.outer
        reflexive = mention.text[-4:] == "self"
        said, speaks = utterance is not None, mention.speaks
        before, other = self.dialogue.before if speaks else (None, None)
        rank = 0
        style = 2 if reflexive else 1 if said else 0
        for referent in self.recent["m" if mention.gender == "m" else "f"]:
            age = at - referent.last_sentence
            if age > REACH:
                continue
            if age < 0:
                age = 0
            known = referent.gender != "unknown"
            last_kind = referent.last_kind
            f0 = (_DISTANCE[age] * 4 + last_kind) * 3 + style
            f1 = ((rank if rank < 4 else 4) * 2 + (age == 0)) * 2 + known
            f2 = referent.last_role * 6 + role
            f3 = known * 3 + (0 if referent.forms else 1 if referent.last_kind == 1 else 2)
            count = referent.count
            f4 = count.bit_length() if count < 64 else 7
            f5 = 0
            if referent.last_paragraph == paragraph:
                if verb >= 0 and referent.last_verb == verb:
                    f5 = 4 if reflexive else 1 if role != 2 else 2 if referent.last_role == 0 else 3
                elif outer >= 0 and referent.last_verb == outer:
                    f5 = 5
            if not said:
                f6 = 0 if referent.last_spoken < 0 else 1
            elif referent is speaker:
                f6 = 2
            elif referent is addressee:
                f6 = 3
            elif referent.last_spoken < 0:
                f6 = 4
            else:
                f6 = 5 if utterance is not None and referent.last_spoken == utterance.number else 6
            f7 = 0 if not speaks else 1 if referent is before else 2 if referent is other else 3
            since = at - referent.subject_sentence
            f8 = (_SUBJECT_AGE[since] if 0 <= since < 4 else 3) * 2 + (role == 0)
            candidates.append(referent)
            scores.append(t0[f0] + t1[f1] + t2[f2] + t3[f3] + t4[f4] + t5[f5] + t6[f6] + t7[f7] + t8[f8])
            if self.watch is not None:
                features.append((f0, f1, f2, f3, f4, f5, f6, f7, f8))
            rank += 1
        if not candidates:
            return None, 0.0
        best = max(scores)
        none = self.ranker.none
        choice = scores.index(best) if best > none else -1
        if self.watch is not None:
            overruled = self.watch(self.resolved, paragraph, mention, candidates, features, choice)
            if overruled is None or choice < 0 or overruled is not candidates[choice]:
                return overruled, 1.0
        if choice < 0:
            return None, 0.0
        share = 1.0 / (sum([math.exp(each - best) for each in scores]) + math.exp(none - best))
        return candidates[choice], round(share, 2)

    def _nominal(self, paragraph: int, mention: LocalMention) -> Referent | None:
        """Somebody spoken of by a noun: the one called so before, or somebody new."""
        if mention.number == "plur":
            return None
        first, _, rest = mention.text.partition(" ")
        possessor: Referent | None = None
        article = _ARTICLES.get(first, 0)
        if not article:
            possessor = self.at_first.get(mention.first)
            if possessor is None and first in _OWNERS:
                return None  # "my father" is another in every mouth
            rest = rest if possessor is not None and rest else mention.text
            if rest[:2] in ("'s", "’s"):
                rest = rest[3:]
            elif possessor is not None and " 's " in rest:
                rest = rest.rpartition(" 's ")[2]
        elif not rest:
            return None
        if self.romanian:
            if rest.endswith("ule"):
                return None  # an address
            if rest.endswith("ului"):
                rest = rest[:-2]
        if rest.rsplit(" ", 1)[-1] in _NOBODY:
            return None
        own = self.own_nominals.get(rest) or self.own_nominals.get(mention.text)
        if own is not None:
            return own
        noun = rest.rsplit(" ", 1)[-1]
        loose = possessor is None and rest in GENERIC_NOUNS
        key: Any = (rest, self.scene) if loose else (rest, possessor)
        found = self.by_nominal.get(key)
        if found is not None and article == 2 and (loose or found.last_paragraph != paragraph):
            found = None  # "a man" after "the man" is another
        if found is None:
            found = Referent("the " + rest if article == 2 and not self.romanian else mention.text, mention.gender)
            if noun in ANIMAL_NOUNS:
                found.kind = "animal"
            found.key = rest
            found.possessor = possessor
            found.scene = self.scene
            found.trust = 0.6
            self.by_nominal[key] = found
            self.nominals.append(found)
        return found

    # -- speech --------------------------------------------------------------------------------------------------

    def _called(self, inside: Sequence[tuple[LocalMention, Utterance]]) -> dict[int, list[Referent]]:
        """By utterance, who is called by name in it."""
        found: dict[int, list[Referent]] = {}
        for mention, utterance in inside:
            if mention.role == "vocative" and mention.kind == "name":
                referent = self.bearer.get(mention.text)
                if referent is not None and not referent.plural:
                    found.setdefault(utterance.number, []).append(referent)
        return found

    def _say(self, paragraph: int, mention: LocalMention, turn: Turn) -> None:
        """I, my, you and your inside speech."""
        if mention.number == "plur" or (self.ignored and (paragraph, mention.first) in self.ignored):
            return
        if mention.person == 1:
            if turn.speaker is not None:
                self._resolve(paragraph, mention, turn.speaker, turn.confidence)
        elif len(turn.addressees) == 1:
            self._resolve(paragraph, mention, turn.addressees[0], 0.8 * turn.confidence)

    def _resolve(self, paragraph: int, mention: LocalMention, referent: Referent, confidence: float) -> None:
        referent.count += 1
        referent.pronouns_met += 1
        self.resolved.append(Resolved(paragraph, mention, referent, round(confidence, 2)))


_ARTICLES = {
    **dict.fromkeys(words_of("the this that these those said acel acea acest această cel cea"), 1),
    **dict.fromkeys(words_of("a an one another un o alt altă"), 2),
}


_OWNERS = words_of("my your his her its their our thy whose")
# What an adjective used as a noun, or a form of address, leaves behind.
_NOBODY = words_of("dear dearest love sir madam poor little other others one first former latter last rest same dead")


def _without(mention: LocalMention, drop: int, analysis: Any) -> LocalMention:
    """The mention cut to the name in it, `drop` words later."""
    first = min(mention.first + drop, mention.last)
    return mention._replace(first=first, start=analysis.tokens[first].start, head=max(first, mention.head))


def _apart(
    mentions: Sequence[LocalMention], pieces: Sequence[Any]
) -> tuple[list[LocalMention], list[tuple[LocalMention, Utterance]]]:
    """The narrated mentions, and those in speech with their utterance."""
    narrated = []
    inside = []
    place = 0
    last = len(pieces) - 1
    for mention in mentions:
        start = mention.start
        while place < last and pieces[place].end <= start:
            place += 1
        piece = pieces[place]
        if piece.start <= start < piece.end:
            inside.append((mention, piece.utterance))
        else:
            narrated.append(mention)
    return narrated, inside


def _scene_numbers(story: Any) -> list[int]:
    """Of every paragraph, the number of its scene."""
    numbers = []
    scenes = story.scenes
    place = 0
    for span in story.paragraphs:
        while place + 1 < len(scenes) and scenes[place + 1].start <= span.start:
            place += 1
        numbers.append(place)
    return numbers


def first_look(records: Sequence[Any], bearer: Mapping[str, Referent], spoken: Mapping[int, list[Piece]]) -> bool:
    """Settle the gender of names by the pronoun that follows them alone; say whether the story has a narrator.

    A narrator is somebody who is "I" outside speech and does things: in one sentence of a hundred, at the least.
    """
    votes: dict[Referent, list[int]] = {}
    acts = sentences = 0
    for number, record in enumerate(records):
        mentions = record.mentions
        if not mentions:
            continue
        pieces = spoken.get(number)
        narrated = mentions if pieces is None else _apart(mentions, pieces)[0]
        last: Referent | None = None
        at = -1
        for mention in narrated:
            kind = mention.kind
            if kind == "name":
                referent = bearer.get(mention.text)
                if referent is not None or mention.label == "PERSON":
                    last, at = referent, mention.sentence
            elif kind == "nominal":
                if mention.label == "PERSON":
                    last = None
            elif mention.person == 1:
                if mention.role == "subject" and mention.number == "sing":
                    acts += 1
            elif (
                last is not None
                and last.gender == "unknown"
                and mention.gender in ("m", "f")
                and mention.sentence - at <= 1
            ):
                votes.setdefault(last, [0, 0])[mention.gender == "f"] += 1
                last = None
        if narrated:
            sentences += narrated[-1].sentence + 1
    for referent, (men, women) in votes.items():
        most = max(men, women)
        if most >= 0.7 * (men + women) and not referent.fixed:
            referent.gender = "m" if men > women else "f"
    return acts >= 1 and acts * 100 >= sentences
