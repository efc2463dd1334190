"""What reading a story finds: characters, places, events, speeches, positions, warnings; and facts a writer declares.

All positions are Unicode code points of `story.text`, half-open. Everything here is immutable; `Extraction.to_dict()`
is ready for JSON. How it is found is in `extract.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Gender = Literal["f", "m", "n", "unknown"]
"""As the text treats them; never a claim about a person."""

MentionKind = Literal["name", "nominal", "pronoun"]
EventKind = Literal["action", "movement", "speech", "perception"]
Source = str
"""`auto`, `user` or `provider:NAME`."""


class Mention(NamedTuple):
    """Where somebody or some place is spoken of."""

    start: int
    end: int
    text: str
    kind: MentionKind
    confidence: float


class Character(NamedTuple):
    """Somebody of the story; `id` is the slug of the name, `kind` `person`, `group`, `animal` or `narrator`."""

    id: str
    name: str
    aliases: tuple[str, ...]
    gender: Gender
    kind: str
    mentions: tuple[Mention, ...]
    confidence: float
    source: Source


class Place(NamedTuple):
    """Somewhere. `within` is the id of the place that holds it, where the text says so."""

    id: str
    name: str
    aliases: tuple[str, ...]
    mentions: tuple[Mention, ...]
    within: str | None
    confidence: float
    source: Source


class TimeCue(NamedTuple):
    """The words by which an event's place in time is known. `relation`: `earlier`, `later`, `same` or `return`."""

    start: int
    end: int
    relation: str


class Event(NamedTuple):
    """What the narration says happens (or happened): realis, outside quoted speech.

    `start:end` is the trigger, `sentence` the (start, end) of its sentence, `verb` its lemma. `narrated` counts in text
    order; the `story` numbers of all events are a permutation of the `narrated` ones, in the order of the story's time.
    """

    id: str
    narrated: int
    story: int
    verb: str
    kind: EventKind
    agent: str | None
    patient: str | None
    place: str | None
    start: int
    end: int
    sentence: tuple[int, int]
    time: TimeCue | None
    confidence: float
    source: Source


class Speech(NamedTuple):
    """One utterance, marks included."""

    start: int
    end: int
    speaker: str | None
    addressees: tuple[str, ...]
    confidence: float


class Warning(NamedTuple):
    """Something in the story that does not go together; each span is evidence."""

    kind: str
    message: str
    spans: tuple[tuple[int, int], ...]


FACT_KINDS = (
    "alias", "merge", "split", "ignore", "gender", "agent", "patient", "place", "story_before", "story_after", "event",
    "not_event",
)  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """What the writer says, which wins over everything found.

    `subject` is an `Anchor` into the text, or the id of a character, place or event; `value` is another id, a name, or
    None. By `kind`:

    - `alias`: `value` (a name) is a name of the character or place `subject`; `merge`: characters `subject` and `value`
      are one, called as `value` is; `split`: the name `value` is not the character `subject` but another of that name;
    - `ignore`: what is named `subject`, or the span it anchors, is neither character nor place;
    - `gender`: of the character `subject`; `agent`, `patient`, `place`: of the event that `subject` anchors (or None);
    - `story_before`, `story_after`: the event that `subject` anchors happened before, or after, the event anchored by
      `value`; where that is not so yet, `subject` is what moves in the story's order;
    - `event`: the word that `subject` anchors is an event (`value`: its lemma); `not_event`: it is none.
    """

    kind: str
    subject: Any
    value: Any = None

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; an anchor becomes its fields."""
        return {"kind": self.kind, "subject": _plain(self.subject), "value": _plain(self.value)}


@dataclass(frozen=True)
class Extraction:
    """What was found in one story.

    `positions` maps a character's id to (narrated, place) at each change of place. `lost` are the facts whose anchor is
    no longer in the text: kept, not applied. `stats` (`paragraphs`, `parsed`, `seconds`) is no part of equality.
    """

    language: str
    scenes: tuple[Any, ...] = ()
    characters: tuple[Character, ...] = ()
    places: tuple[Place, ...] = ()
    events: tuple[Event, ...] = ()
    speeches: tuple[Speech, ...] = ()
    positions: Mapping[str, tuple[tuple[int, str | None], ...]] = field(default_factory=dict)
    warnings: tuple[Warning, ...] = ()
    lost: tuple[Fact, ...] = ()
    stats: Mapping[str, Any] = field(default_factory=dict, compare=False)
    cache: Any = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """All fields as lists and dicts, ready for JSON; without `stats` and what is kept for the next reading."""
        return {
            "language": self.language,
            "scenes": _plain(self.scenes),
            "characters": _plain(self.characters),
            "places": _plain(self.places),
            "events": _plain(self.events),
            "speeches": _plain(self.speeches),
            "positions": {name: [list(each) for each in moves] for name, moves in self.positions.items()},
            "warnings": _plain(self.warnings),
            "lost": [fact.to_dict() for fact in self.lost],
        }


def _plain(value: Any) -> Any:
    """Named tuples as dicts, tuples as lists."""
    if hasattr(value, "_asdict"):
        return {name: _plain(each) for name, each in value._asdict().items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value
