"""What a language pack sees in one paragraph: tokens with their grammar, names, and words that may be events.

Positions are relative to the paragraph, so that an analysis belongs to its text alone and can be kept for as long as
the paragraph stays what it is. It is the only thing that is ever parsed; everything else is derived from these.
"""

import json
import zlib
from typing import NamedTuple


class Token(NamedTuple):
    """One word or mark. `head` is the index of its head in the paragraph, its own at a root; `dep` is a UD relation."""

    start: int
    end: int
    lemma: str
    pos: str  # a universal part of speech: VERB, PROPN, ...
    morph: str  # universal features, "Gender=Fem|Number=Sing", empty where unknown
    head: int
    dep: str


class Entity(NamedTuple):
    """Tokens `first` to `last` (included) that name a `PERSON` or a `PLACE`, by `name` or by a noun (`nominal`)."""

    first: int
    last: int
    label: str
    kind: str


class Trigger(NamedTuple):
    """The token of index `token` tells of something that happens, with the probability `score`."""

    token: int
    score: float


class Analysis(NamedTuple):
    """All of one paragraph."""

    tokens: tuple[Token, ...]
    entities: tuple[Entity, ...]
    triggers: tuple[Trigger, ...]

    def to_bytes(self) -> bytes:
        """Compressed JSON, the same for equal analyses."""
        return zlib.compress(
            json.dumps(self, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        )

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Analysis":
        """The inverse of `to_bytes`."""
        tokens, entities, triggers = json.loads(zlib.decompress(stored))
        return cls(
            tuple(Token(*each) for each in tokens),
            tuple(Entity(*each) for each in entities),
            tuple(Trigger(*each) for each in triggers),
        )
