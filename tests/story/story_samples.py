"""Stories with a made-up analysis, written in a short notation, so that tests need no language pack.

`analysed("[P Alice] walked*walk to [L London].")` gives the text without marks and its `Analysis`: `*lemma` makes a
verb, `[P ...]` names a person, `[L ...]` a place, `[p ...]` and `[l ...]` speak of one by a noun. Grammar follows from
order: the last noun or pronoun before a verb is its subject, what follows it is its object, or oblique after a
preposition; a possessive or an article depends on the next noun.
"""

import re
from typing import NamedTuple

from gnomon.story.analysis import Analysis, Entity, Token
from gnomon.story.document import Story
from gnomon.story.mentions import LocalMention, mentions_in

_PIECE = re.compile(
    r"\[(?P<open>[PLpl]) |(?P<close>\])|(?P<mark>[“”‘«»„\"—,;:.!?]|’(?!\w))"
    r"|(?P<part>’s\b|'s\b)|(?P<word>(?:Mrs|Mr|Dr|dl|d)\.|[\w-]+)(?:\*(?P<lemma>\w+))?"
)
_KINDS = {"P": ("PERSON", "name"), "L": ("PLACE", "name"), "p": ("PERSON", "nominal"), "l": ("PLACE", "nominal")}
_PRONOUNS = frozenset(
    [
        "i",
        "me",
        "my",
        "myself",
        "you",
        "your",
        "he",
        "him",
        "his",
        "himself",
        "she",
        "her",
        "herself",
        "it",
        "its",
        "they",
        "them",
        "their",
        "we",
        "us",
        "our",
        "el",
        "ea",
        "lui",
        "ei",
        "eu",
    ]
)
_POSSESSIVE = frozenset(["my", "your", "his", "her", "its", "their", "our"])
_ARTICLES = frozenset(["the", "a", "an", "this", "that", "un", "o"])
_PREPOSITIONS = frozenset(["to", "in", "at", "into", "from", "on", "with", "of", "by", "la", "în", "din", "cu"])
_OTHERS = {
    "and": "CCONJ",
    "și": "CCONJ",
    "not": "PART",
    "then": "ADV",
    "there": "ADV",
    "apoi": "ADV",
    "here": "ADV",
    "well": "INTJ",
    "oh": "INTJ",
    "yes": "INTJ",
    "no": "INTJ",
    "nu": "INTJ",
    "da": "INTJ",
    "come": "VERB",
    "go": "VERB",
}


class Sample(NamedTuple):
    """What the whole-story passes need of a paragraph."""

    analysis: Analysis
    mentions: tuple[LocalMention, ...]
    clauses: tuple[object, ...] = ()


def analysed(notation: str) -> tuple[str, Analysis]:
    """The text of a paragraph and its analysis."""
    text = ""
    at = 0
    words: list[tuple[int, int, str, str]] = []  # start, end, part of speech, lemma
    entities: list[Entity] = []
    opened: tuple[int, str] | None = None
    for match in _PIECE.finditer(notation):
        text += notation[at : match.start()]
        at = match.end()
        if match["open"]:
            opened = (len(words), match["open"])
        elif match["close"]:
            assert opened is not None
            entities.append(Entity(opened[0], len(words) - 1, *_KINDS[opened[1]]))
            opened = None
        else:
            word = match["mark"] or match["part"] or match["word"]
            start = len(text)
            text += word
            words.append((start, len(text), *_tag(match, word)))
    text += notation[at:]
    tokens = [Token(start, end, lemma, pos, "", number, "dep") for number, (start, end, pos, lemma) in enumerate(words)]
    nouns = {entity.last for entity in entities}
    _attach(tokens, text, nouns)
    return text, Analysis(tuple(tokens), tuple(entities), ())


def _tag(match: re.Match[str], word: str) -> tuple[str, str]:
    low = word.lower()
    if match["mark"]:
        return "PUNCT", word
    if match["part"]:
        return "PART", "'s"
    if match["lemma"]:
        return "VERB", match["lemma"]
    if low in _PRONOUNS:
        return "PRON", low
    if low in _ARTICLES:
        return "DET", low
    if low in _PREPOSITIONS:
        return "ADP", low
    if low in _OTHERS:
        return _OTHERS[low], low
    return ("PROPN" if word[0].isupper() else "ADJ" if low in ("old", "young", "poor") else "NOUN"), low


def _attach(tokens: list[Token], text: str, ends: set[int]) -> None:
    """Heads and relations by order alone, within sentences."""
    first = 0
    for stop, token in enumerate(tokens):
        if token.lemma in (".", "!", "?") or stop == len(tokens) - 1:
            _sentence(tokens, first, stop + 1, text, ends)
            first = stop + 1


def _sentence(tokens: list[Token], first: int, stop: int, text: str, ends: set[int]) -> None:
    verbs = [place for place in range(first, stop) if tokens[place].pos == "VERB"]
    root = verbs[0] if verbs else first
    heads = [
        place
        for place in range(first, stop)
        if tokens[place].pos in ("NOUN", "PROPN", "PRON")
        and not (
            place + 1 < stop and tokens[place].pos == "PROPN" and tokens[place + 1].pos == "PROPN" and place not in ends
        )
        and not (
            tokens[place].lemma in _POSSESSIVE
            and place + 1 < stop
            and tokens[place + 1].pos in ("NOUN", "ADJ", "PROPN")
        )
    ]
    for place in range(first, stop):
        token = tokens[place]
        head, dep = root, "punct"
        following = next((each for each in heads if each > place), root)
        if place == root:
            dep = "root"
        elif token.pos == "VERB":
            dep = "conj"
        elif place in heads:
            before = [each for each in verbs if each < place]
            after = [each for each in verbs if each > place]
            genitive = place + 1 < stop and tokens[place + 1].lemma == "'s"
            led = _led(tokens, first, place)
            inverted = (
                before and tokens[before[-1]].lemma in ("say", "cry", "reply") and before[-1] >= place - 3 and not led
            )
            if genitive and following != root:
                head, dep = following, "nmod:poss"
            elif led and before:
                head, dep = before[-1], "obl"
            elif inverted and text[tokens[before[-1]].start - 2] in "”»":
                head, dep = before[-1], "nsubj"
            elif after and not any(each in heads for each in range(place + 1, after[0])):
                head, dep = after[0], "nsubj"
            elif before:
                head, dep = before[-1], "obj"
        elif token.pos == "DET":
            head, dep = following, "det"
        elif token.pos == "PRON":
            head, dep = following, "nmod:poss"
        elif token.pos == "ADJ":
            head, dep = following, "amod"
        elif token.pos == "PROPN":
            head, dep = following, "compound"
        elif token.pos == "ADP":
            head, dep = following, "case"
        elif token.pos == "PART":
            head, dep = max(place - 1, first), "case"
        tokens[place] = token._replace(head=head, dep=dep)


def _led(tokens: list[Token], first: int, place: int) -> bool:
    """Whether a preposition stands before the phrase that ends at `place`."""
    while place > first and tokens[place - 1].pos in ("DET", "ADJ", "PRON", "PROPN"):
        place -= 1
    return place > first and tokens[place - 1].pos == "ADP"


def sample_story(*paragraphs: str, language: str = "en") -> tuple[Story, list[Sample]]:
    """A story of these paragraphs in the notation, and its records."""
    pairs = [analysed(each) for each in paragraphs]
    story = Story.from_text("\n\n".join(text for text, _ in pairs), language=language)
    assert [story.paragraph_text(number) for number in range(len(pairs))] == [text for text, _ in pairs]
    return story, [Sample(analysis, mentions_in(text, analysis, language)) for text, analysis in pairs]
