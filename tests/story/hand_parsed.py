"""Stories parsed by hand: a pack that knows a few sentences, so that rules can be tested without anything trained.

A sentence is written as words `form=lemma/POS/relation/head:features@LABEL!`: `head` counts from 1 in the sentence and is
0 at the root, `!` marks a trigger, `@PLACE` or `@PERSON` an entity. A name is a person where nothing is said.
"""

import re
from collections.abc import Sequence

from gnomon.story.analysis import Analysis, Entity, Token, Trigger
from gnomon.story.document import Story

_WORD = re.compile(
    r"(?P<form>[^=/\s]+)(?:=(?P<lemma>[^/\s]+))?/(?P<pos>[A-Z]+)/(?P<dep>[a-z:]+)/(?P<head>\d+)"
    r"(?::(?P<morph>[a-z]+))?(?:@(?P<label>[A-Z]+))?(?P<told>!)?$"
)
_FEATURES = {
    "past": "Mood=Ind|Tense=Past|VerbForm=Fin",
    "pres": "Mood=Ind|Tense=Pres|VerbForm=Fin",
    "part": "Tense=Past|VerbForm=Part",
    "ing": "VerbForm=Ger",
    "inf": "VerbForm=Inf",
    "pqp": "Mood=Ind|Tense=Pqp|VerbForm=Fin",
    "sub": "Mood=Sub|Tense=Pres|VerbForm=Fin",
    "f": "Case=Nom|Gender=Fem|Number=Sing|Person=3|PronType=Prs",
    "m": "Case=Nom|Gender=Masc|Number=Sing|Person=3|PronType=Prs",
    "rel": "PronType=Rel",
    None: "",
}
_NO_SPACE_BEFORE = frozenset(".,;:!?”") | {"'s", "n't"}


def parse(*sentences: str) -> tuple[str, Analysis]:
    """One paragraph's text and analysis."""
    text = ""
    tokens: list[Token] = []
    entities: list[Entity] = []
    triggers: list[Trigger] = []
    for sentence in sentences:
        base = len(tokens)
        for number, word in enumerate(sentence.split()):
            found = _WORD.match(word)
            assert found is not None, word
            form = found["form"]
            if text and form not in _NO_SPACE_BEFORE and not text.endswith("“"):
                text += " "
            start = len(text)
            text += form
            head = int(found["head"])
            lemma = found["lemma"] or (form if found["pos"] == "PROPN" else form.casefold())
            index = base + number
            tokens.append(
                Token(
                    start, len(text), lemma, found["pos"], _FEATURES[found["morph"]],
                    base + head - 1 if head else index, found["dep"],
                )
            )  # fmt: skip
            label = found["label"] or ("PERSON" if found["pos"] == "PROPN" else None)
            if label is not None:
                entities.append(Entity(index, index, label, "name" if found["pos"] == "PROPN" else "nominal"))
            if found["told"]:
                triggers.append(Trigger(index, 0.8))
    return text, Analysis(tuple(tokens), tuple(entities), tuple(triggers))


class HandPack:
    """Knows the paragraphs it is given; of any other it sees nothing."""

    hash = "by hand"

    def __init__(self, language: str = "en") -> None:
        self.language = language
        self.known: dict[str, Analysis] = {}
        self.asked: list[str] = []

    def analyse(self, texts: Sequence[str]) -> list[Analysis]:
        self.asked += texts
        return [self.known.get(text, Analysis((), (), ())) for text in texts]


def story_of(*paragraphs: Sequence[str] | str, language: str = "en") -> tuple[Story, HandPack]:
    """A story of paragraphs, each a list of parsed sentences or plain text such as `***`."""
    pack = HandPack(language)
    texts = []
    for paragraph in paragraphs:
        if isinstance(paragraph, str):
            texts.append(paragraph)
            continue
        text, analysis = parse(*paragraph)
        pack.known[text] = analysis
        texts.append(text)
    return Story.from_text("\n\n".join(texts), language=language), pack
