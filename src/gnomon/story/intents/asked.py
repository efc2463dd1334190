"""An intent with the story it is about: looking up what it names, and saying what exists where it names nothing."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from gnomon.errors import UserError
from gnomon.story.document import Span, Story
from gnomon.story.records import Character, Event, Extraction, Place


class IntentError(UserError):
    """A mistake in what was asked of a story. `field` names the key at fault, as in `intent.event` or `scope`."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}")
        self.field = field


class Change(NamedTuple):
    """The text from `start` to `end` becomes `text`. `whole`: it is one hunk, however much of it stays the same."""

    start: int
    end: int
    text: str
    reason: str
    optional: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Draft:
    """What an editor would change. `alternatives` are other sets of changes for the same intent."""

    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    alternatives: tuple[tuple[Change, ...], ...] = ()
    usage: Mapping[str, Any] = field(default_factory=dict)


class Seen(NamedTuple):
    """One mention of somebody or some place, with whose it is."""

    start: int
    end: int
    id: str
    kind: str
    confidence: float
    text: str


@dataclass(frozen=True)
class Asked:
    """An intent on a story. `scope` is the span within which the writer wants changes, or None."""

    story: Story
    extraction: Extraction
    intent: Mapping[str, Any]
    scope: tuple[int, int] | None = None

    @property
    def op(self) -> str:
        """What is to be done."""
        return str(self.intent["op"])

    @property
    def romanian(self) -> bool:
        """Whether Romanian grammar holds."""
        return self.extraction.language == "ro"

    # -- what the intent names

    def text(self, key: str) -> str:
        """A non-empty text of one line. Raises IntentError."""
        value = self.intent.get(key)
        if not isinstance(value, str) or not value.strip():
            raise IntentError(f"intent.{key}", f"{self.op} needs a text here, and has {value!r}.")
        check_text(value, f"intent.{key}")
        if "\n" in value:
            raise IntentError(f"intent.{key}", "a text of one line is expected.")
        return value.strip()

    def event(self, key: str = "event") -> Event:
        """The event named by `key`. Raises IntentError with the events that exist."""
        return self._named(key, "event", {each.id: each for each in self.extraction.events})

    def character(self, key: str) -> Character:
        """The character named by `key`."""
        return self._named(key, "character", self.characters)

    def place(self, key: str) -> Place:
        """The place named by `key`."""
        return self._named(key, "place", self.places)

    def target(self) -> Character | Place:
        """The character or place named by `target`."""
        return self._named("target", "character or place", {**self.places, **self.characters})

    def scene(self, key: str = "scene") -> Span:
        """The scene named by `key`."""
        return self._named(key, "scene", {each.id: each for each in self.story.scenes})

    def beside(self) -> str:
        """Which of `before` and `after` the intent has: exactly one."""
        found = [key for key in ("before", "after") if self.intent.get(key) is not None]
        if len(found) != 1:
            raise IntentError(
                "intent.before", f"{self.op} needs either before or after, and has {' and '.join(found) or 'neither'}."
            )
        return found[0]

    def _named(self, key: str, what: str, known: Mapping[str, Any]) -> Any:
        name = self.intent.get(key)
        if isinstance(name, str) and name in known:
            return known[name]
        problem = f"{self.op} needs the id of a {what}" if name is None else f"there is no {what} {name!r}"
        raise IntentError(f"intent.{key}", f"{problem}; {listed(known)}.")

    # -- what is in the story

    @cached_property
    def characters(self) -> dict[str, Character]:
        """By id."""
        return {each.id: each for each in self.extraction.characters}

    @cached_property
    def places(self) -> dict[str, Place]:
        """By id."""
        return {each.id: each for each in self.extraction.places}

    @cached_property
    def mentions(self) -> list[Seen]:
        """Every mention of every character and place, in text order, the longer first."""
        found = [
            Seen(m.start, m.end, each.id, m.kind, m.confidence, m.text)
            for group in (self.extraction.characters, self.extraction.places)
            for each in group
            for m in each.mentions
        ]
        return sorted(found, key=lambda seen: (seen.start, -seen.end))

    @cached_property
    def _starts(self) -> list[int]:
        return [seen.start for seen in self.mentions]

    def mentions_within(self, start: int, end: int) -> list[Seen]:
        """The mentions that begin from `start` to before `end`."""
        return self.mentions[bisect_left(self._starts, start) : bisect_left(self._starts, end)]

    def speeches_within(self, start: int, end: int) -> list[tuple[int, int]]:
        """The spans of quoted speech that meet `start` to `end`."""
        found = []
        for number in range(self.paragraph_number(start), self.paragraph_number(max(start, end - 1)) + 1):
            offset = self.story.paragraphs[number].start
            for quotation in self.story.quotations_of(number):
                found += [(first + offset, last + offset) for first, last in quotation.parts]
        return [(first, last) for first, last in found if last > start and first < end]

    def sentence_at(self, position: int) -> Span:
        """The sentence that holds `position`, or the last one before it."""
        return self.story.sentences[self.sentence_number(position)]

    def words_at(self, position: int) -> str:
        """The first words of the sentence that holds `position`, for a note to the writer."""
        span = self.sentence_at(position)
        words = self.story.text[span.start : span.end].split()
        return " ".join(words[:8]) + ("…" if len(words) > 8 else "")

    def sentence_number(self, position: int) -> int:
        """The index of that sentence."""
        return max(0, bisect_right(self._sentence_starts, position) - 1)

    @cached_property
    def _sentence_starts(self) -> list[int]:
        return [each.start for each in self.story.sentences]

    def sentences_of(self, paragraph: int) -> tuple[int, int]:
        """The indices of the first and the last sentence of a paragraph that has any."""
        span = self.story.paragraphs[paragraph]
        return bisect_left(self._sentence_starts, span.start), bisect_left(self._sentence_starts, span.end) - 1

    def paragraph_number(self, position: int) -> int:
        """The index of the paragraph that holds `position`, or of the last one before it."""
        return max(0, bisect_right(self._paragraph_starts, position) - 1)

    @cached_property
    def _paragraph_starts(self) -> list[int]:
        return [each.start for each in self.story.paragraphs]

    def scene_at(self, position: int) -> Span:
        """The scene that holds `position`, or the last one before it."""
        starts = [each.start for each in self.story.scenes]
        return self.story.scenes[max(0, bisect_right(starts, position) - 1)]

    def events_within(self, start: int, end: int) -> list[Event]:
        """The events whose trigger lies there."""
        starts = self._event_starts
        return list(self.extraction.events[bisect_left(starts, start) : bisect_left(starts, end)])

    @cached_property
    def _event_starts(self) -> list[int]:
        return [each.start for each in self.extraction.events]

    def speakers_within(self, start: int, end: int) -> set[str | None]:
        """Who speaks in the utterances that meet `start` to `end`; None for a speech of nobody known."""
        starts, speeches = self._speech_starts, self.extraction.speeches
        last = bisect_left(starts, end)
        first = max(0, bisect_left(starts, start - self._longest_speech))
        return {each.speaker for each in speeches[first:last] if each.end > start}

    @cached_property
    def _speech_starts(self) -> list[int]:
        return [each.start for each in self.extraction.speeches]

    @cached_property
    def _longest_speech(self) -> int:
        return max((each.end - each.start for each in self.extraction.speeches), default=0)

    def name(self, id: str) -> str:
        """How a character or place is called."""
        named: Character | Place = self.characters[id] if id in self.characters else self.places[id]
        return named.name


def apart(changes: Iterable[Change]) -> list[Change]:
    """The changes in order, without those that overlap one before, of two at one place the longer."""
    kept: list[Change] = []
    for change in sorted(changes, key=lambda each: (each.start, -each.end)):
        if not kept or change.start >= kept[-1].end:
            kept.append(change)
    return kept


def check_text(text: str, field: str) -> None:
    """Raise IntentError for what a story cannot hold."""
    if "\0" in text or any("\ud800" <= each <= "\udfff" for each in text):
        raise IntentError(field, "a text without NUL and without half a surrogate pair is expected.")


def listed(known: Iterable[str], most: int = 20) -> str:
    """What exists, in words."""
    names = list(known)
    if not names:
        return "there is none here"
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return f"there are {', '.join(names[:most])}{rest}"


def scope_of(story: Story, extraction: Extraction, scope: Any, field: str = "scope") -> tuple[int, int] | None:
    """A scope as a span: None, `(start, end)`, `{"start", "end"}`, or the id of a scene, paragraph, sentence or event.

    Raises IntentError naming `field`.
    """
    if scope is None:
        return None
    if isinstance(scope, str):
        for spans in (story.scenes, story.paragraphs, story.sentences):
            for span in spans:
                if span.id == scope:
                    return span.start, span.end
        for event in extraction.events:
            if event.id == scope:
                return event.sentence
        raise IntentError(field, f"{scope!r} is the id of no scene, paragraph, sentence or event of this story.")
    if isinstance(scope, Mapping):
        scope = (scope.get("start"), scope.get("end"))
    try:
        start, end = scope
    except (TypeError, ValueError):
        start = end = None
    if type(start) is not int or type(end) is not int or not 0 <= start <= end <= len(story.text):
        raise IntentError(field, f"expected an id, or start and end between 0 and {len(story.text)}; found {scope!r}.")
    return start, end


def asked_of(story: Story, extraction: Extraction, intent: Any, scope: Any, known: Iterable[str]) -> Asked:
    """An intent on a story, checked as far as holds for every `op`. `known` are the ops that exist."""
    if not isinstance(intent, Mapping):
        raise IntentError("intent", f"expected an object with op, found {type(intent).__name__}.")
    op = intent.get("op")
    if not isinstance(op, str) or op not in known:
        problem = "an intent needs an op" if op is None else f"there is no op {op!r}"
        raise IntentError("intent.op", f"{problem}; {listed(known)}.")
    inner = scope_of(story, extraction, intent.get("scope"), "intent.scope")
    outer = scope_of(story, extraction, scope)
    return Asked(story, extraction, intent, outer if outer is not None else inner)
