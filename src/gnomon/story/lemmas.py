"""Dictionary forms by rules learned from a treebank: exceptions by form, otherwise the longest ending that is known.

An ending says how many letters to strip and what to add. Words of fiction that no treebank has are mostly regular, so
a rule by ending does for them what a larger model would, in microseconds.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

LONGEST = 6
"""Letters of an ending that are looked at."""


class Lemmatiser:
    """`exceptions`: "POS form" -> lemma; `endings`: per class, ending -> (letters to strip, letters to add)."""

    def __init__(self, exceptions: dict[str, str], endings: dict[str, dict[str, list[Any]]]) -> None:
        self.exceptions = exceptions
        self.endings = endings
        self._known: dict[tuple[str, str, str], str] = {}

    def lemma(self, form: str, pos: str, morph: str) -> str:
        """The dictionary form of `form`, a word of part of speech `pos` with the features `morph`."""
        key = (form, pos, morph)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._look_up(form, pos, morph)
        return found

    def _look_up(self, form: str, pos: str, morph: str) -> str:
        if pos == "PROPN" or not form[0].isalpha():
            return form
        word = form.lower()
        group = inflection_class(pos, morph)
        exception = self.exceptions.get(f"{group} {word}")
        if exception is None and pos == "VERB":  # of a verb whose features the tagger missed
            exception = self.exceptions.get(f"VERB past {word}")
        return self.guess(word, group) if exception is None else exception

    def guess(self, word: str, group: str) -> str:
        """The dictionary form by the longest known ending of `word`, of an inflection class."""
        table = self.endings.get(group, {})
        for size in range(min(LONGEST, len(word)), -1, -1):
            edit = table.get(word[len(word) - size :])
            if edit is not None:
                strip, add = edit
                return word[: len(word) - strip] + str(add) if len(word) > strip else word
        return word

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"exceptions": self.exceptions, "endings": self.endings}


_KEPT = ("VerbForm=", "Tense=", "Number=", "Degree=", "Case=", "Definite=", "Gender=")


def inflection_class(pos: str, morph: str) -> str:
    """The features by which a part of speech changes its form: of verbs tense and form, and the -s of he goes."""
    if pos in ("VERB", "AUX"):
        if "Tense=Past" in morph:
            return f"{pos} past"
        if "VerbForm=Ger" in morph or "Tense=Pres|VerbForm=Part" in morph:
            return f"{pos} ing"
        for feature in ("Tense=Imp", "Tense=Pqp", "VerbForm=Inf", "VerbForm=Part", "Mood=Imp", "Mood=Sub"):
            if feature in morph:
                return f"{pos} {feature}"
        return f"{pos} s" if "Number=Sing|Person=3" in morph else pos
    return "|".join([pos, *(part for part in morph.split("|") if part.startswith(_KEPT))])


def train(words: Iterable[tuple[str, str, str, str]]) -> Lemmatiser:
    """Learn from (form, part of speech, features, lemma)."""
    counts: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for form, pos, morph, lemma in words:
        if pos not in ("PROPN", "PUNCT", "X", "SYM", "NUM") and form[0].isalpha() and lemma != "_":
            counts[(pos, inflection_class(pos, morph), form.lower())][lemma.lower()] += 1
    votes: dict[str, dict[str, Counter[tuple[int, str]]]] = defaultdict(lambda: defaultdict(Counter))
    best = {}
    for (pos, group, form), lemmas in sorted(counts.items()):
        lemma = min(lemmas, key=lambda each: (-lemmas[each], each))
        best[(pos, group, form)] = lemma
        edit = _edit(form, lemma)
        for size in range(min(LONGEST, len(form)) + 1):
            if len(form) - size >= 1 or size == 0:
                votes[group][form[len(form) - size :]][edit] += 1
    endings: dict[str, dict[str, list[Any]]] = {}
    for group in sorted(votes):
        table: dict[str, list[Any]] = {}
        for ending in sorted(votes[group], key=lambda each: (len(each), each)):
            tally = votes[group][ending]
            edit = min(tally, key=lambda each: (-tally[each], each))
            if ending and tally[edit] < 2:
                continue
            inherited = next((table[ending[cut:]] for cut in range(1, len(ending) + 1) if ending[cut:] in table), None)
            if inherited != list(edit):
                table[ending] = list(edit)
        endings[group] = table
    learned = Lemmatiser({}, endings)
    exceptions = {}
    for (_, group, form), lemma in sorted(best.items()):
        if learned.guess(form, group) != lemma:
            exceptions[f"{group} {form}"] = lemma
    return Lemmatiser(exceptions, endings)


def _edit(form: str, lemma: str) -> tuple[int, str]:
    same = 0
    while same < min(len(form), len(lemma)) and form[same] == lemma[same]:
        same += 1
    return len(form) - same, lemma[same:]
