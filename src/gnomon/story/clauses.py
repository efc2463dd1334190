"""One paragraph's events with their arguments, its phrases of place and its cues of time, from its grammar alone.

What stands here depends on the paragraph's text and analysis only, so it is computed once and kept. Who the arguments
are, where it happens and in which order is settled over the whole story (`events.py`, `places.py`, `chronology.py`).
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal, NamedTuple

from gnomon.story.analysis import Analysis, Token
from gnomon.story.quotations import local_quotations
from gnomon.story.records import EventKind
from gnomon.story.segmentation import kind_of, sentences
from gnomon.story.wordlists import (
    ADDRESS,
    BELIEVED,
    CONDITIONS,
    HABITS,
    KINDS,
    LIGHT,
    MODALS,
    NEGATIONS,
    NO_PLACES,
    NOT_WITH_INFINITIVE,
    NOT_WITH_PARTICIPLE,
    PARTICLE_MOVEMENT,
    PERFECT_IN_SE,
    PLACE_NOUNS,
    PLACE_PREPOSITIONS,
    REALISED,
    STATE,
    STATIC,
    SUBJECT_CONTROL,
    TIMES,
    TRANSITIVE_ARRIVAL,
    TRANSITIVE_DEPARTURE,
    VAGUE_PLACES,
    fold,
)

Tense = Literal["past", "pluperfect", "present", "other"]


class LocalClause(NamedTuple):
    """A word that may tell an event. Arguments are tokens: heads of the phrases that name them.

    `number` counts the clauses of a sentence, realis or not. `places` are (preposition, head). `companions` do what
    `agent` does. `relative` is ("earlier" or "later", trigger of the clause that it is earlier or later than, start and
    end of the word that says so). `had` is where what makes it past perfect begins; `main` says whether it carries the
    narration (no relative or reported clause).
    """

    trigger: int
    verb: str
    kind: EventKind
    score: float
    agent: int | None
    patient: int | None
    places: tuple[tuple[str, int], ...]
    tense: Tense
    realis: bool
    sentence: int
    number: int
    companions: tuple[int, ...]
    relative: tuple[str, int, int, int] | None
    had: int | None
    main: bool
    start: int
    end: int


class LocalStay(NamedTuple):
    """Somebody (the token `who`) is somewhere, without an event: "Anna was in the kitchen"; `token` tells it."""

    token: int
    who: int | None
    companions: tuple[int, ...]
    preposition: str
    place: int
    start: int


class LocalPlace(NamedTuple):
    """A place spoken of by a common noun. `key` is what its mentions share, `owner` the token of whose it is.

    `head` is its noun; `used`: something happens there, or somebody is there.
    """

    head: int
    start: int
    end: int
    text: str
    key: str
    owner: int | None
    score: float
    used: bool


def clauses_in(text: str, analysis: Analysis, language: str) -> "LocalClauses":
    """What one paragraph tells; the same for the same text, analysis and language."""
    return _Grammar(text, analysis, language).clauses()


class LocalClauses(NamedTuple):
    """All of one paragraph. `within` pairs head tokens of a place and of the place that holds it."""

    clauses: tuple[LocalClause, ...]
    stays: tuple[LocalStay, ...]
    places: tuple[LocalPlace, ...]
    within: tuple[tuple[int, int], ...]


def clause_at(text: str, analysis: Analysis, language: str, token: int, sentence: int) -> LocalClause:
    """The clause that `token` of `sentence` would be the trigger of, whatever the pack thinks of it; `number` is -1."""
    return _Grammar(text, analysis, language).clause(token, 1.0, sentence)._replace(realis=True, number=-1)


_SUBJECTS = ("nsubj", "nsubj:pass", "nsubj:outer")
_MISTAGGED = ("ADJ", "VERB", "X", "INTJ")
_NOMINAL = ("NOUN", "PROPN", "PRON")
_RELATIVES = frozenset({"who", "whom", "which", "that", "whose", "care", "ce", "cine"})
_DEEPEST = 40  # of a chain of heads that is followed: a run-on parse of a page must not cost its square


class _Grammar:
    """The dependency tree of a paragraph, and what can be asked of it."""

    def __init__(self, text: str, analysis: Analysis, language: str) -> None:
        self.text = text
        self.language = language if language in KINDS else "en"
        self.analysis = analysis
        self.tokens = tokens = analysis.tokens
        self.words = [fold(text[token.start : token.end], language).replace("’", "'") for token in tokens]
        self.lemmas = [fold(token.lemma, language).replace("’", "'") for token in tokens]
        self.children: list[list[int]] = [[] for _ in tokens]
        for index, token in enumerate(tokens):
            if token.head != index:
                self.children[token.head].append(index)
        spoken = [part for utterance in local_quotations(text).utterances for part in utterance.parts]
        self.quoted = _covered(tokens, spoken)
        self._usual: set[int] | None = None
        self.label: dict[int, str] = {}
        # A noun that ends what the pack takes for a place is one, whatever its tag.
        self.last_of_common = {last for _, last, _, kind in analysis.entities if kind == "nominal"}
        for first, last, label, _ in analysis.entities:
            for index in range(first, last + 1):
                self.label[index] = label

    # -- small questions ---------------------------------------------------------------------------------------------

    def child(self, index: int, *relations: str) -> int | None:
        for each in self.children[index]:
            if self.tokens[each].dep in relations:
                return each
        return None

    def auxiliaries(self, index: int) -> list[int]:
        """Its own, or those that it shares with the verb it is joined to ("had come and gone")."""
        for _ in range(_DEEPEST):
            found = [each for each in self.children[index] if self.tokens[each].dep in ("aux", "aux:pass", "cop")]
            token = self.tokens[index]
            if self.has_before(index):
                found.append(token.head)
            if found or token.dep != "conj" or self.finite(index) or self.child(index, *_SUBJECTS) is not None:
                return found
            index = token.head
        return []

    def has_before(self, index: int) -> bool:
        """The parser takes "had" for a verb and this participle for its object ("Tom had wept")."""
        head = self.tokens[index].head
        return (
            self.language == "en"
            and self.lemmas[head] == "have"
            and 0 < index - head <= 2
            and "VerbForm=Part" in self.tokens[index].morph
            and self.tokens[index].dep in ("obj", "xcomp", "ccomp", "acl")
        )

    def finite(self, index: int) -> bool:
        return "VerbForm=Fin" in self.tokens[index].morph

    def infinitive(self, index: int) -> bool:
        if self.language == "ro":
            return "VerbForm=Inf" in self.tokens[index].morph and not self.auxiliaries(index)
        return any(self.words[each] == "to" and self.tokens[each].dep == "mark" for each in self.children[index])

    def participle(self, index: int) -> bool:
        """A past participle without an auxiliary of its own."""
        token = self.tokens[index]
        return (
            "VerbForm=Part" in token.morph
            and "Tense=Pres" not in token.morph
            and self.child(index, "aux", "aux:pass") is None
        )

    def passive(self, index: int) -> bool:
        for _ in range(_DEEPEST):
            token = self.tokens[index]
            if self.child(index, "aux:pass", "nsubj:pass") is not None:
                return not self.reflexive(index)
            if (
                self.language == "en"
                and "VerbForm=Part" in token.morph
                and "Tense=Past" in token.morph
                and any(self.tokens[each].dep == "aux" and self.lemmas[each] == "be" for each in self.children[index])
            ):
                return True
            like = self.participle(index) or (token.dep == "conj" and self.words[index][-2:] in ("en", "wn"))
            if not like or self.child(index, "obj", "nsubj", "aux") is not None:
                return False
            if token.dep in ("acl", "advcl"):
                return True
            if token.dep != "conj":
                return False
            index = token.head
        return False

    def reflexive(self, index: int) -> bool:
        """Romanian "se" with somebody for a subject is no passive ("Tudor se duse")."""
        if self.language != "ro" or self.child(index, "aux:pass") is not None:
            return False
        subject = self.child(index, "nsubj:pass")
        return subject is not None and (self.person(subject) or self.kind(index) == "movement" or self.capital(subject))

    def capital(self, index: int) -> bool:
        return self.text[self.tokens[index].start].isupper()

    def antecedent(self, index: int) -> int:
        """The noun that a relative pronoun stands for; any other token is its own."""
        token = self.tokens[index]
        if token.pos not in ("PRON", "DET", "SCONJ") or self.words[index] not in _RELATIVES:
            return index
        here = token.head
        for _ in range(_DEEPEST):
            token = self.tokens[here]
            if token.dep in ("acl:relcl", "acl", "appos", "parataxis") and token.head < index:
                return token.head
            if token.head == here or token.dep not in ("conj", "xcomp", "ccomp", "obl", "nmod", "obj"):
                break
            here = token.head
        return index

    def surface_subject(self, index: int, depth: int = 0) -> int | None:
        """Who the grammar says does it or undergoes it: its own subject, a shared, a controlling or a modified one."""
        own = [
            each for each in self.children[index] if self.tokens[each].dep in _SUBJECTS and not self.accusative(each)
        ]
        if own:
            # Of several that the parser offers ("ten years earlier she"), a person.
            return self.antecedent(next((each for each in own if self.person(each)), own[0]))
        token = self.tokens[index]
        head, dep = token.head, token.dep
        if head == index or depth > _DEEPEST:
            return self.beside(index)
        if self.has_before(index):
            return self.surface_subject(head, depth + 1)
        if dep == "conj":
            if self.tokens[head].pos in _NOMINAL:
                return self.beside(index)
            return self.surface_subject(head, depth + 1)
        if dep in ("xcomp", "ccomp") and (dep == "xcomp" or self.language == "ro"):
            controlled = self.child(head, "obj", "iobj")
            if controlled is not None and controlled != index and self.lemmas[head] not in SUBJECT_CONTROL:
                return self.antecedent(controlled)
            return self.surface_subject(head, depth + 1)
        if dep == "advcl" and not self.finite(index) and self.tokens[head].pos in ("VERB", "AUX", "ADJ"):
            return self.surface_subject(head, depth + 1)
        if dep == "acl:relcl":
            used = self.child(index, "obj")
            return head if used is None or self.words[used] not in _RELATIVES else None
        if dep in ("acl", "parataxis", "appos") and not self.infinitive(index) and head < index:
            return head if dep == "acl" or self.person(head) else self.beside(index)
        return self.beside(index)

    def beside(self, index: int) -> int | None:
        """The name right before a verb that the parser leaves without a subject."""
        for each in range(index - 1, max(-1, index - 4), -1):
            token = self.tokens[each]
            if token.pos in ("AUX", "ADV", "PART") or (token.pos == "PRON" and self.accusative(each)):
                continue
            named = self.label.get(each) == "PERSON" or (
                self.capital(each) and token.head == index and self.language == "ro" and token.pos != "PUNCT"
            )
            return each if named and self.child(each, "case") is None else None
        return None

    def accusative(self, index: int) -> bool:
        """An object by its form, whatever the parser says ("îl văzu")."""
        return self.language == "ro" and "Case=Acc|" in self.tokens[index].morph and self.tokens[index].pos == "PRON"

    def preposition(self, index: int) -> str:
        """The one that introduces a phrase, a fixed second word with it ("out of"); empty without one."""
        for each in self.children[index]:
            if self.tokens[each].dep == "case" and each < index:
                return self.words[each].rstrip("'")
        return ""

    def person(self, index: int) -> bool:
        """A name, a personal pronoun, or what the pack takes for somebody."""
        label = self.label.get(index)
        if label is not None:
            return label == "PERSON"
        token = self.tokens[index]
        if token.pos == "PRON":
            return "PronType=Prs" in token.morph and self.words[index] not in ("it", "itself")
        return token.pos == "PROPN"

    # -- arguments ---------------------------------------------------------------------------------------------------

    def arguments(self, index: int, kind: EventKind) -> tuple[int | None, int | None]:
        if self.tokens[index].pos not in ("VERB", "AUX", "ADJ"):
            return self.noun_arguments(index)
        subject = self.surface_subject(index)
        if subject is not None and self.quoted[subject] and not self.quoted[index]:
            subject = None  # the parser read on from the speech: a word of it does nothing that is told
        if self.passive(index):
            return self.passive_agent(index), subject
        objects = [
            each for each in self.children[index] if self.tokens[each].dep in ("obj", "iobj") or self.accusative(each)
        ]
        if not objects:
            objects = self.shared_object(index)
        if subject is None and kind == "speech" and self.tokens[index].dep not in ("xcomp", "conj", "acl"):
            # "said Tom" after what is said: the parser takes the one who speaks for an object.
            after = [each for each in objects if each > index and self.person(each)]
            if after and not self.infinitive(index) and index and self.quoted[index - 1]:
                subject = after[0]
                objects = [each for each in objects if each != subject]
        return subject, self.patient(index, objects, kind)

    def passive_agent(self, index: int) -> int | None:
        by = ("by",) if self.language == "en" else ("de", "catre")
        for each in self.children[index]:
            dep = self.tokens[each].dep
            if dep == "obl:agent" or (dep == "obl" and self.preposition(each) in by and self.person(each)):
                return self.antecedent(each)
        return None

    def shared_object(self, index: int) -> list[int]:
        """The object of a verb joined right after or before it ("took and ate the apple")."""
        for each in self.children[index]:
            if self.tokens[each].dep == "conj" and each - index <= 2:
                return [one for one in self.children[each] if self.tokens[one].dep == "obj" and one > each]
        token = self.tokens[index]
        if token.dep == "conj" and 0 < index - token.head <= 2:
            return [one for one in self.children[token.head] if self.tokens[one].dep == "obj" and one > index]
        if token.dep == "acl:relcl" and self.child(index, *_SUBJECTS) is not None:
            subject = self.surface_subject(index)
            stranded = any(self.tokens[each].dep in ("obl", "ccomp", "xcomp") for each in self.children[index])
            if subject != token.head and not stranded:
                return [token.head]  # "the lamp he took"
        return []

    def patient(self, index: int, objects: list[int], kind: EventKind) -> int | None:
        persons = [each for each in objects if self.person(each) and not self.accusative(each)]
        if not persons:
            for each in self.children[index]:
                if not self.tokens[each].dep.startswith("obl") or not self.person(each):
                    continue
                preposition = self.preposition(each)
                if preposition in ADDRESS and (kind != "movement" or preposition not in ("with", "cu")):
                    persons.append(each)
        chosen = persons or objects
        return self.antecedent(chosen[0]) if chosen else None

    def noun_arguments(self, index: int) -> tuple[int | None, int | None]:
        """Of an event told by a noun: "Tom's departure", "he gave a cry", "the murder of Anna"."""
        agent = self.child(index, "nmod:poss")
        token = self.tokens[index]
        if agent is None:
            agent = next(
                (
                    each
                    for each in self.children[index]
                    if self.tokens[each].dep == "nmod" and self.preposition(each) == "by"
                ),
                None,
            )
        if agent is None and token.dep == "obj" and self.lemmas[token.head] in LIGHT:
            agent = self.surface_subject(token.head)
        patient = next(
            (
                each
                for each in self.children[index]
                if self.tokens[each].dep == "nmod"
                and self.preposition(each) in ("of", "to", "at", "with", "de")
                and self.person(each)
            ),
            None,
        )
        if (
            patient is not None
            and agent is None
            and self.kind(index) in ("movement", "speech")
            and self.preposition(patient) == "of"
        ):
            return patient, None  # "the arrival of Tom"
        return agent, patient

    def companions(self, index: int, agent: int | None) -> tuple[int, ...]:
        found = []
        if agent is not None:
            found = [
                each
                for each in self.children[agent]
                if self.tokens[each].dep == "conj" and self.tokens[each].pos in _NOMINAL
            ]
        for each in self.children[index]:
            if self.tokens[each].dep == "obl" and self.preposition(each) in ("with", "cu") and self.person(each):
                found.append(each)
        return tuple(found)

    def kind(self, index: int) -> EventKind:
        lemma = self.lemmas[index]
        particles = PARTICLE_MOVEMENT.get(lemma)
        if particles is not None and any(self.words[each] in particles for each in self.children[index]):
            return "movement"
        if lemma == "observe" and not any(mark in self.text for mark in '"“«„'):
            return "perception"
        kinds = KINDS[self.language]
        if lemma not in kinds and self.language == "ro":  # a lemma may be missed; pleca -> plecă, plecase
            word = self.words[index]
            lemma = word if word in kinds else _PLUPERFECT.sub("", word)
        return kinds.get(lemma, "action")

    # -- mood and tense ----------------------------------------------------------------------------------------------

    def realis(self, index: int) -> bool:
        """Whether the grammar lets it happen: not negated, modal, conditional, habitual, wished, believed or ordered.

        What narration says of speech hangs on the quoted words in many a parse, and so do clauses of a long sentence on
        each other: only plain evidence counts.
        """
        if self.tokens[index].dep in ("aux", "aux:pass", "cop") or (
            self.lemmas[index] in STATE[self.language] and self.tokens[index].pos in ("VERB", "AUX")
        ):
            return False
        return self.holds(index)

    def holds(self, index: int) -> bool:
        """The same of what is no event, too ("she was in the garden")."""
        here, own = index, True
        for _ in range(_DEEPEST):
            token = self.tokens[here]
            if own and self.withheld(here):
                return False
            if any(self.words[each] in CONDITIONS for each in self.children[here] if self.tokens[each].dep == "mark"):
                return False
            if self.inverted(here):
                return False
            head, dep = token.head, token.dep.partition(":")[0]
            if head == here or self.quoted[head]:
                return True
            if token.pos not in ("VERB", "AUX", "ADJ"):
                if dep in ("parataxis", "appos", "conj"):
                    return True
                here = head  # a noun happens if its verb does
                continue
            wished = self.infinitive(here) or self.subjunctive(here)
            if dep == "conj":
                if self.finite(here) and not self.finite(head) and not self.auxiliaries(head):
                    return True
                own = own and not self.finite(here) and self.child(here, *_SUBJECTS) is None
                here = head
            elif dep == "xcomp" or (dep == "ccomp" and wished):
                if not self.happens_with(here, head):
                    return False
                here, own = head, True
            elif dep == "ccomp":
                return not (head < here and self.lemmas[head] in BELIEVED[self.language])
            elif dep in ("advcl", "acl", "csubj") and wished:
                return any(self.words[each] in ("inainte", "pina") for each in self.children[here])
            elif dep == "advcl" and not self.finite(here) and not self.auxiliaries(here):
                here, own = head, True
            else:
                return True
        return True

    def withheld(self, index: int) -> bool:
        """Its own words keep it from having happened."""
        token = self.tokens[index]
        if "Mood=Imp" in token.morph and self.child(index, *_SUBJECTS) is None and token.dep != "conj":
            return True
        modals, habits = MODALS[self.language], HABITS[self.language]
        has_auxiliary = False
        for each in self.children[index]:
            dep, word = self.tokens[each].dep.partition(":")[0], self.words[each]
            if dep == "aux":
                has_auxiliary = True
                if word in modals or self.lemmas[each] in modals:
                    return True
            elif dep in ("advmod", "cc", "det", "mark", "case"):
                if word in NEGATIONS or word in habits:
                    return True
                if word == "whenever":
                    return True
            elif dep in ("nsubj", "obj", "obl"):
                if word in NEGATIONS or any(
                    self.words[one] in ("no", "nici", "niciun", "nicio")
                    for one in self.children[each]
                    if self.tokens[one].dep in ("det", "advmod")
                ):
                    return True
                if dep == "obl" and any(self.words[one] in ("every", "fiecare") for one in self.children[each]):
                    return True
        if (
            not has_auxiliary
            and token.dep == "conj"
            and not self.finite(index)
            and self.child(index, *_SUBJECTS) is None
        ):
            return False  # it shares those of its head, which is looked at next
        if self.language == "ro":
            return "VerbForm=Inf" in token.morph and has_auxiliary  # va merge, ai merge
        return False

    def inverted(self, index: int) -> bool:
        """ "Had Tom come, ..." is a condition; "never had he come" is none."""
        if self.language != "en":
            return False
        subject = self.child(index, *_SUBJECTS)
        for each in self.children[index]:
            if self.words[each] in ("had", "were", "should") and self.tokens[each].dep.startswith("aux"):
                if subject is None or not each < subject < index:
                    return False
                return each == 0 or self.tokens[each - 1].pos in ("PUNCT", "CCONJ")
        return False

    def subjunctive(self, index: int) -> bool:
        return self.language == "ro" and (
            "Mood=Sub" in self.tokens[index].morph
            or any(self.words[each] in ("sa", "s-") for each in self.children[index])
        )

    def happens_with(self, index: int, head: int) -> bool:
        """Whether a verbal complement of `head` happens when `head` does."""
        lemma = self.lemmas[head]
        if self.infinitive(index) or self.subjunctive(index):
            return lemma in REALISED[self.language] and not (self.infinitive(index) and lemma in NOT_WITH_INFINITIVE)
        return lemma not in NOT_WITH_PARTICIPLE

    def tense(self, index: int) -> tuple[Tense, int | None]:
        """And the token that makes it past perfect."""
        token = self.tokens[index]
        auxiliaries = self.auxiliaries(index)
        if self.language == "ro":
            for each in [index, *auxiliaries]:
                if self.tokens[each].pos not in ("VERB", "AUX"):
                    continue
                form = _synthetic(self.words[each])
                if form == "pluperfect" or (form is None and "Tense=Pqp" in self.tokens[each].morph):
                    return "pluperfect", each
                if form == "past":
                    return "past", None
            if auxiliaries and "VerbForm=Part" in token.morph:
                return "past", None
            if "Tense=Past" in token.morph or "Tense=Imp" in token.morph:
                return "past", None
            return ("present", None) if "Tense=Pres" in token.morph and self.finite(index) else ("other", None)
        tense: Tense = "other"
        for each in auxiliaries:
            lemma, morph = self.lemmas[each], self.tokens[each].morph
            if lemma in MODALS["en"]:
                return "other", None
            if lemma == "have":
                if self.words[each] in ("had", "'d", "having"):
                    return "pluperfect", each
                tense = "present"
            elif "Tense=Past" in morph:
                tense = "past"
            elif "Tense=Pres" in morph and tense == "other":
                tense = "present"
        if auxiliaries:
            return tense, None
        if "Tense=Past" in token.morph and (self.finite(index) or self.child(index, "nsubj") is not None):
            return "past", None
        if "Tense=Pres" in token.morph and self.finite(index):
            return "present", None
        return "other", None

    def main(self, index: int) -> bool:
        """Whether it carries the narration: a root, or joined to one."""
        for _ in range(_DEEPEST):
            token = self.tokens[index]
            if token.head == index or token.dep in ("root", "ROOT", "parataxis"):
                return True
            if token.dep not in ("conj", "xcomp") and not self.has_before(index):
                return False
            index = token.head
        return False

    def relative(self, index: int, tense: Tense) -> tuple[str, int, int, int] | None:
        """Earlier or later than the clause it depends on, where its conjunction says so."""
        here = index
        for _ in range(_DEEPEST):
            if self.tokens[here].dep != "conj":
                break
            here = self.tokens[here].head
        token = self.tokens[here]
        if token.dep.partition(":")[0] != "advcl" or token.head == here:
            return None
        for each in self.children[here]:
            if self.tokens[each].dep not in ("mark", "advmod", "case", "aux"):
                continue
            word = self.words[each]
            if word in ("before", "until", "till", "inainte", "pina"):
                relation = "later"
            elif word in ("after", "dupa") or (tense == "pluperfect" and word in _WHEN):
                relation = "earlier"
            else:
                continue
            return relation, token.head, self.tokens[each].start, self.tokens[each].end
        return None

    # -- places ------------------------------------------------------------------------------------------------------

    def is_place(self, index: int) -> bool:
        token = self.tokens[index]
        label = self.label.get(index)
        if self.lemmas[index] in NO_PLACES and token.pos != "PROPN":
            return False
        if label is not None:
            return label == "PLACE"
        if token.pos not in ("NOUN", "PROPN"):
            return False
        return token.pos == "PROPN" or self.lemmas[index] in PLACE_NOUNS[self.language]

    def place_phrases(self, index: int) -> tuple[tuple[str, int], ...]:
        """(preposition, head) of what its oblique phrases, and those of the verb it is joined to, say of where."""
        found: list[tuple[str, int]] = []
        lemma = self.lemmas[index]
        passive = self.passive(index)
        for each in self.children[index]:
            dep = self.tokens[each].dep
            if dep.startswith(("obl", "nmod", "advmod")) and dep != "obl:agent":
                found.extend(self.phrase(each))
                found.extend(self.phrases_on(each))
            elif dep == "obj" and not passive:
                if self.is_place(each) and lemma in TRANSITIVE_ARRIVAL:
                    found.append(("into", each))
                elif self.is_place(each) and lemma in TRANSITIVE_DEPARTURE:
                    found.append(("from", each))
                else:
                    found.extend(self.phrases_on(each))
            elif dep in ("xcomp", "advcl") and self.tokens[each].pos == "NOUN":
                found.extend(self.phrase(each))
        return tuple(found)

    def phrases_on(self, index: int) -> list[tuple[str, int]]:
        """Places on a noun of the event: "by the fire in the kitchen", "from the mill to the church"."""
        found = []
        for each in self.children[index]:
            if self.tokens[each].dep.startswith("nmod") and self.preposition(each) in _WHERE:
                found.extend(self.phrase(each))
        return found

    def phrase(self, index: int) -> list[tuple[str, int]]:
        word = self.words[index]
        if word in ("home", "acasa") and self.preposition(index) in ("", "at"):
            return [("to" if self.preposition(index) == "" else "at", index)]
        preposition = self.preposition(index)
        if preposition not in PLACE_PREPOSITIONS or not self.is_place(index):
            return []
        cases = [self.words[each] for each in self.children[index] if self.tokens[each].dep == "case"]
        if "of" in cases and preposition != "out":
            return []
        if preposition == "de" and not any(each in ("la", "pe", "linga") for each in cases):
            return []
        return [(preposition, index)]

    # -- all of it ---------------------------------------------------------------------------------------------------

    def clause(self, index: int, score: float, sentence: int) -> LocalClause:
        token = self.tokens[index]
        kind = self.kind(index)
        agent, patient = self.arguments(index, kind)
        tense, had = self.tense(index)
        had = None if had is None else self.tokens[had].start
        places = self.place_phrases(index)
        return LocalClause(
            index, token.lemma.casefold(), kind, score, agent, patient, places, tense, self.realis(index), sentence, 0,
            self.companions(index, agent), self.relative(index, tense), had, self.main(index), token.start, token.end,
        )  # fmt: skip

    def clauses(self) -> LocalClauses:
        if not self.tokens or kind_of(self.text) != "text":
            return LocalClauses((), (), (), ())
        ends = [end for _, end in sentences(self.text)]
        triggers = {trigger.token: trigger.score for trigger in self.analysis.triggers}
        told: list[LocalClause] = []
        stays: list[LocalStay] = []
        used: set[int] = set()
        sentence = number = 0
        for index, token in enumerate(self.tokens):
            while sentence < len(ends) - 1 and token.start >= ends[sentence]:
                sentence, number = sentence + 1, 0
            narrated = not self.quoted[index]
            if index in triggers:
                if narrated:
                    clause = self.clause(index, triggers[index], sentence)
                    usual = clause.tense != "pluperfect" and sentence in self.usual(ends)
                    realis = clause.realis and not usual and not self.asks(ends[sentence])
                    told.append(clause._replace(number=number, realis=realis))
                    used.update(place for _, place in clause.places)
                number += 1
            elif narrated and token.pos in ("VERB", "NOUN", "PROPN", "AUX"):
                stay = self.stay(index)
                if stay is not None:
                    stays.append(stay)
                    used.add(stay.place)
        within: list[tuple[int, int]] = []
        seen = used | {index for index, label in self.label.items() if label == "PLACE"}
        waiting = sorted(seen)
        while waiting:
            index = waiting.pop()
            for pair in self.holders(index):
                within.append(pair)
                if index in used:
                    used.add(pair[1])
                if pair[1] not in seen:
                    seen.add(pair[1])
                    waiting.append(pair[1])
        places = [place for index in sorted(seen) if (place := self.common_place(index, index in used)) is not None]
        return LocalClauses(tuple(told), tuple(stays), tuple(places), tuple(sorted(within)))

    def usual(self, ends: Sequence[int]) -> set[int]:
        """The sentences that tell of every day."""
        if self._usual is None:
            self._usual = {
                bisect_right(ends, self.tokens[each].start)
                for each, word in enumerate(self.words[:-1])
                if word in ("every", "fiecare") and self.words[each + 1] in TIMES and not self.quoted[each]
            }
        return self._usual

    def asks(self, end: int) -> bool:
        """Whether the sentence that ends there is a question of the narration."""
        return self.text[end - 1 : end] == "?"

    def stay(self, index: int) -> LocalStay | None:
        token = self.tokens[index]
        if token.pos in ("NOUN", "PROPN"):
            if self.child(index, "cop") is None:
                return None
            found = self.phrase(index)
        elif self.children[index]:
            found = list(self.place_phrases(index))
        else:
            return None
        found = [(preposition, place) for preposition, place in found if preposition in STATIC]
        if not found or self.tense(index)[0] not in ("past", "present") or not self.holds(index):
            return None
        who = self.surface_subject(index)
        preposition, place = found[0]
        return LocalStay(index, who, self.companions(index, who), preposition, place, token.start)

    def common_place(self, index: int, used: bool) -> LocalPlace | None:
        token = self.tokens[index]
        if not self.is_place(index) or (
            token.pos != "NOUN" and (token.pos not in _MISTAGGED or index not in self.last_of_common)
        ):
            return None
        first, owner, key = index, None, [token.lemma.casefold()]
        for each in reversed(self.children[index]):
            if each > index:
                continue
            dep = self.tokens[each].dep
            if dep in ("det", "amod", "nummod") and self.words[each] in VAGUE_PLACES:
                return None
            if dep == "compound":
                key.insert(0, self.tokens[each].lemma.casefold())
            if dep == "nmod:poss":
                owner = each if self.tokens[each].pos == "PROPN" else None
            if dep in ("det", "amod", "nummod", "compound", "nmod:poss"):
                first = min([first, each, *(one for one in self.children[each] if one < each)])
        if owner is None:
            owner = next(
                (
                    each
                    for each in self.children[index]
                    if each > index
                    and self.tokens[each].dep in ("nmod", "nmod:poss")
                    and self.label.get(each) == "PERSON"
                    and self.preposition(each) in ("of", "", "lui")
                ),
                None,
            )  # fmt: skip
        start = self.tokens[first].start
        score = 0.9 if self.label.get(index) == "PLACE" else 0.6
        return LocalPlace(index, start, token.end, self.text[start : token.end], " ".join(key), owner, score, used)

    def holders(self, index: int) -> list[tuple[int, int]]:
        """(index, place that holds it): "the kitchen of the inn", "an inn in Paris", "Bath, England"."""
        found = []
        for each in self.children[index]:
            dep, preposition = self.tokens[each].dep, self.preposition(each)
            if each < index or not self.is_place(each):
                continue
            named = self.tokens[each].pos == "PROPN"
            if dep in ("nmod", "obl") and preposition in (
                "of",
                "in",
                "at",
                "on",
                "din",
                "de",
                "la",
                "dintr-",
                "in",
                "",
            ):
                if named and preposition in ("of", "") and self.lemmas[index] in _NAMED_KINDS:
                    continue  # "the village of Stoke" is Stoke
                found.append((index, each))
            elif dep in ("appos", "nmod:unmarked") and named and self.tokens[index].pos == "PROPN":
                found.append((index, each))
        return found


def _covered(tokens: Sequence[Token], spans: Sequence[tuple[int, int]]) -> list[bool]:
    """Of each token whether it begins in one of `spans`, which are in order."""
    found = []
    number = 0
    for token in tokens:
        while number < len(spans) and token.start >= spans[number][1]:
            number += 1
        found.append(number < len(spans) and token.start >= spans[number][0])
    return found


_NAMED_KINDS = frozenset(
    {
        "village",
        "city",
        "town",
        "state",
        "kingdom",
        "county",
        "isle",
        "island",
        "port",
        "parish",
        "sat",
        "oras",
        "tirg",
        "judet",
        "insula",
    }
)
_WHERE = frozenset({"into", "to", "from", "onto", "in", "at", "inside", "within"})
_WHEN = frozenset({"when", "once", "since", "as", "having", "cind", "indata"})
_SE = re.compile(r"(?P<base>\w*se)(?:m|si|ra|ram|rati)?")
_PLUPERFECT = re.compile(r"(?:se|sem|sesi|sera|seram|serati)$")


def _synthetic(word: str) -> Tense | None:
    """What a Romanian form in -se, -sera and the like is: "plecase" had left, "deschise" opened.

    The pluperfect has -se after the vowel of its theme, or -sese; the perfect of some verbs ends in -se itself.
    """
    found = _SE.fullmatch(word)
    if found is None or len(word) < 4:
        return None
    base = found["base"]
    if base.endswith("sese"):
        return "pluperfect"
    if base in PERFECT_IN_SE or base[-3:-2] not in ("a", "i", "u"):
        return "past" if base != "iese" else None
    return "pluperfect"
