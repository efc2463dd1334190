"""Extractions written by hand, so that what is tested is the editor and not what a pack finds.

A sentence is written as in CoNLL-U, one word after another: `Anna/PROPN/2/nsubj gave/VERB/0/root ...`, heads counted
from 1, with a lemma as a fifth part where it is not the word in small letters.
"""

import re

from gnomon.story.analysis import Analysis, Token
from gnomon.story.document import Story
from gnomon.story.extracting import Cache, Record, paragraph_key
from gnomon.story.records import Character, Event, Extraction, Mention, Place, Speech

PRONOUNS = {
    "he", "she", "it", "they", "i", "him", "her", "them", "me", "his", "hers", "its", "their", "my", "himself",
    "herself", "el", "ea", "lui", "ei",
}  # fmt: skip


def analysis(text, sentences):
    """The tokens of one paragraph."""
    tokens, at = [], 0
    for sentence in sentences:
        words = [re.fullmatch(r"(.+?)/([A-Z]+)/(\d+)/([a-z:]+)(?:/(.+))?", each).groups() for each in sentence.split()]
        first = len(tokens)
        for number, (word, pos, head, dep, rest) in enumerate(words):
            at = text.index(word, at)
            lemma, _, morph = (rest or "").partition(";")
            own = first + int(head) - 1 if head != "0" else first + number
            tokens.append(Token(at, at + len(word), lemma or word.lower(), pos, morph, own, dep))
            at += len(word)
    return Analysis(tuple(tokens), (), ())


class Told:
    """A story and what is told in it. `parses`: one list of sentences for each paragraph, or nothing."""

    def __init__(self, text, parses=None, language="en"):
        self.story = Story.from_text(text, language=language)
        records = {}
        for number, span in enumerate(self.story.paragraphs):
            given = [] if parses is None else parses[number]
            made = analysis(text[span.start : span.end], given)
            records[paragraph_key(span.id)] = Record(made, (), (), (), (), (), ())
        self.cache = Cache("", language, records)
        self.language = language
        self.characters, self.places, self.events, self.speeches = [], [], [], []

    def _mentions(self, words):
        found = []
        for word in words:
            word, _, number = word.partition("#")
            places = [m.start() for m in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", self.story.text)]
            for at in places if not number else [places[int(number)]]:
                kind = "pronoun" if word.lower() in PRONOUNS else "nominal" if word[0].islower() else "name"
                found.append(Mention(at, at + len(word), word, kind, 1.0))
        longest = sorted(found, key=lambda m: (m.start, -m.end))
        kept = []
        for each in longest:
            if not kept or each.start >= kept[-1].end:
                kept.append(each)
        return tuple(kept)

    def person(self, name, *words, gender="unknown", aliases=(), kind="person", id=None):
        """A character: `words` are its mentions, `word#2` the third occurrence only."""
        id = id or re.sub(r"\W+", "-", name.lower()).strip("-")
        mentions = self._mentions(words or (name, *aliases))
        self.characters.append(Character(id, name, tuple(aliases), gender, kind, mentions, 1.0, "auto"))
        return self

    def place(self, name, *words, id=None, aliases=()):
        id = id or re.sub(r"\W+", "-", name.lower()).strip("-")
        self.places.append(Place(id, name, tuple(aliases), self._mentions(words or (name,)), None, 1.0, "auto"))
        return self

    def event(self, word, verb, agent=None, patient=None, place=None, kind="action", number=0):
        at = [m.start() for m in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", self.story.text)][number]
        span = next(s for s in self.story.sentences if s.start <= at < s.end)
        self.events.append((at, word, verb, agent, patient, place, kind, span))
        return self

    def speech(self, quoted, speaker):
        at = self.story.text.index(quoted)
        self.speeches.append(Speech(at, at + len(quoted), speaker, (), 1.0))
        return self

    @property
    def extraction(self):
        events = [
            Event(
                verb,
                n,
                n,
                verb,
                kind,
                agent,
                patient,
                place,
                at,
                at + len(word),
                (span.start, span.end),
                None,
                1.0,
                "auto",
            )
            for n, (at, word, verb, agent, patient, place, kind, span) in enumerate(sorted(self.events))
        ]
        return Extraction(
            self.language, self.story.scenes, tuple(self.characters), tuple(self.places), tuple(events),
            tuple(self.speeches), cache=self.cache,
        )  # fmt: skip
