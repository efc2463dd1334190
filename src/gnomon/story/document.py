"""A story as text and where its scenes, paragraphs and sentences lie: immutable, and edited into a new one.

Positions are Unicode code points of `Story.text`, half-open. Ids are functions of the text alone: the same text has
the same ids whatever happened before. An edit segments only the paragraphs it touches.
"""

import hashlib
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gnomon.errors import UserError
from gnomon.story.anchors import Anchor, Edit
from gnomon.story.quotations import LocalQuotations, Quotation, joined, local_quotations
from gnomon.story.segmentation import ParagraphKind, kind_of, paragraphs, scenes, sentences

__all__ = ["Anchor", "Edit", "Quotation", "Span", "Story", "detect_language"]

_REFUSED = re.compile("[\x00\ud800-\udfff]")


class Span(NamedTuple):
    """A scene, paragraph or sentence: `story.text[start:end]`."""

    id: str
    start: int
    end: int


class _Paragraph:
    """What one paragraph's text alone decides."""

    __slots__ = ("_quotations", "digest", "kind", "sentences", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        self.kind = kind_of(text)
        self.sentences = sentences(text)
        self._quotations: LocalQuotations | None = None

    @property
    def quotations(self) -> LocalQuotations:
        if self._quotations is None:
            self._quotations = local_quotations(self.text)
        return self._quotations


class Story:
    """A text and its parts. Made by `Story.from_text` or `gnomon.story.read`; `edit` gives the next one.

    `scenes`, `paragraphs` and `sentences` are tuples of `Span` in order. A scene holds the headings it begins with;
    what marks a break (`***`) is in no scene. `newline` and `encoding` are those of the file the story came from.
    """

    __slots__ = (
        "_auto", "_given", "_locals", "_quotations", "_scene_digests", "_sentences", "_starts",
        "encoding", "language", "newline", "paragraphs", "scenes", "text", "title",
    )  # fmt: skip

    text: str
    title: str
    language: str
    newline: str
    encoding: str
    scenes: tuple[Span, ...]
    paragraphs: tuple[Span, ...]
    _auto: bool  # the language is found anew after an edit
    _given: tuple[tuple[int, int], ...] | None  # the caller's scenes
    _locals: tuple[_Paragraph, ...]
    _starts: list[int]
    _scene_digests: dict[str, str]
    _sentences: tuple[Span, ...] | None
    _quotations: tuple[Quotation, ...] | None

    def __init__(self) -> None:
        raise TypeError("a story is made by Story.from_text(text) or gnomon.story.read(path)")

    @classmethod
    def from_text(
        cls,
        text: str,
        *,
        title: str = "",
        language: str = "auto",
        scenes: Sequence[tuple[int, int]] | None = None,
        newline: str = "\n",
        encoding: str = "utf-8",
    ) -> "Story":
        """A story of `text`, which is kept as given.

        `language` is a code such as "en" or "ro"; "auto" finds it ("en", "ro" or "other"), and again after each edit.
        `scenes` are the (start, end) of the caller's own scenes instead of those that headings and breaks make. Raises
        `UserError` for a lone surrogate or NUL, and for scenes that overlap or lie outside the text.
        """
        _refuse(text, "the text")
        spans = paragraphs(text)
        found = [_Paragraph(text[start:end]) for start, end in spans]
        given = None if scenes is None else _checked_scenes(scenes, len(text))
        detected = detect_language(text) if language == "auto" else language
        return cls._built(text, title, detected, language == "auto", newline, encoding, spans, found, given, {})

    @classmethod
    def _built(
        cls,
        text: str,
        title: str,
        language: str,
        auto: bool,
        newline: str,
        encoding: str,
        spans: Sequence[tuple[int, int]],
        found: Sequence[_Paragraph],
        given: tuple[tuple[int, int], ...] | None,
        digests: dict[str, str],
    ) -> "Story":
        """A story whose paragraphs are known; `digests` are ids of scenes by their text."""
        borders = given
        if borders is None:
            borders = tuple((spans[first][0], spans[last][1]) for first, last in scenes([each.kind for each in found]))
        kept: dict[str, str] = {}
        for start, end in borders:
            part = text[start:end]
            kept[part] = digests.get(part) or "s-" + hashlib.sha256(part.encode()).hexdigest()[:12]
        values = {
            "text": text,
            "title": title,
            "language": language,
            "newline": newline,
            "encoding": encoding,
            "paragraphs": _spans((each.digest for each in found), spans),
            "scenes": _spans((kept[text[start:end]] for start, end in borders), borders),
            "_auto": auto,
            "_given": given,
            "_locals": tuple(found),
            "_starts": [start for start, _ in spans],
            "_scene_digests": kept,
            "_sentences": None,
            "_quotations": None,
        }
        story = cls.__new__(cls)
        for name, value in values.items():
            object.__setattr__(story, name, value)
        return story

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a story is never changed: story.edit(start, end, text) gives a new one ({name})")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a story is never changed ({name})")

    def __repr__(self) -> str:
        return f"Story({self.title!r}, {self.language}, {len(self.text)} characters, {len(self.paragraphs)} paragraphs)"

    def _identity(self) -> tuple[object, ...]:
        return (self.text, self.title, self.language, self.newline, self.encoding, self._given)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Story) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __reduce__(self) -> tuple[object, ...]:
        return (_again, (self.text, self.title, self.language, self._auto, self._given, self.newline, self.encoding))

    @property
    def sentences(self) -> tuple[Span, ...]:
        """Every sentence; its id is the paragraph's, a full stop, and its number in the paragraph from 0."""
        found = self._sentences
        if found is None:
            found = tuple(
                Span(f"{span.id}.{number}", span.start + start, span.start + end)
                for span, local in zip(self.paragraphs, self._locals, strict=True)
                for number, (start, end) in enumerate(local.sentences)
            )
            object.__setattr__(self, "_sentences", found)
        return found

    @property
    def quotations(self) -> tuple[Quotation, ...]:
        """Every utterance in quotation marks or opened by a dash, in order."""
        found = self._quotations
        if found is None:
            found = joined(self._starts, [each.quotations for each in self._locals])
            object.__setattr__(self, "_quotations", found)
        return found

    def paragraph_text(self, index: int) -> str:
        """The text of paragraph `index`."""
        return self._locals[index].text

    def paragraph_kind(self, index: int) -> ParagraphKind:
        """`text`, `heading` (it begins with a heading's line) or `break` (it only marks one)."""
        return self._locals[index].kind

    def sentences_of(self, index: int) -> Sequence[tuple[int, int]]:
        """The (start, end) of the sentences of paragraph `index`, relative to it."""
        return self._locals[index].sentences

    def quotations_of(self, index: int) -> tuple[Quotation, ...]:
        """The utterances of paragraph `index` on its own, relative to it."""
        return self._locals[index].quotations.utterances

    def paragraph_at(self, position: int) -> int | None:
        """The index of the paragraph that holds the character at `position`; None between paragraphs."""
        index = bisect_right(self._starts, position) - 1
        return index if index >= 0 and position < self.paragraphs[index].end else None

    def scene_at(self, position: int) -> int | None:
        """The index of the scene that holds the character at `position`; None outside all scenes."""
        index = bisect_right(self.scenes, position, key=lambda scene: scene.start) - 1
        return index if index >= 0 and position < self.scenes[index].end else None

    def anchor(self, start: int, end: int) -> Anchor:
        """An anchor on `text[start:end]`, which follows it through edits."""
        self._check_range(start, end)
        return Anchor.at(self.text, start, end)

    def edit(self, start: int, end: int, text: str) -> "Story":
        """The story with `text` in the place of `self.text[start:end]`.

        Raises `UserError` for a range outside the text or a lone surrogate or NUL in `text`; nothing is changed then.
        """
        self._check_range(start, end)
        _refuse(text, "text")
        new = self.text[:start] + text + self.text[end:]
        shift = len(text) - (end - start)
        spans = self.paragraphs
        # One paragraph more on each side: lines at the border of the edit may join it or fall away from it.
        first = max(0, bisect_left(spans, start, key=lambda span: span.end) - 1)
        after = min(len(spans), bisect_right(self._starts, end) + 1)
        begin = spans[first].start if first < len(spans) and first > 0 else 0
        stop = (spans[after - 1].end if after < len(spans) else len(self.text)) + shift
        middle = paragraphs(new, begin, stop)
        known = {each.text: each for each in self._locals[first:after]}
        fresh = [known.get(part) or _Paragraph(part) for part in (new[a:b] for a, b in middle)]
        borders = [
            *((span.start, span.end) for span in spans[:first]),
            *middle,
            *((span.start + shift, span.end + shift) for span in spans[after:]),
        ]
        found = [*self._locals[:first], *fresh, *self._locals[after:]]
        given = self._given
        if given is not None:
            given = _moved_scenes(given, Edit(start, end, text))
        language = detect_language(new) if self._auto and start < _EXAMINED else self.language
        return self._built(
            new,
            self.title,
            language,
            self._auto,
            self.newline,
            self.encoding,
            borders,
            found,
            given,
            self._scene_digests,
        )

    def _check_range(self, start: int, end: int) -> None:
        if not 0 <= start <= end <= len(self.text):
            raise UserError(
                f"start {start} and end {end} are no range of this story: 0 <= start <= end <= {len(self.text)}"
            )


def _again(
    text: str,
    title: str,
    language: str,
    auto: bool,
    given: tuple[tuple[int, int], ...] | None,
    newline: str,
    encoding: str,
) -> Story:
    return Story.from_text(
        text, title=title, language="auto" if auto else language, scenes=given, newline=newline, encoding=encoding
    )


def _spans(digests: Iterable[str], borders: Iterable[tuple[int, int]]) -> tuple[Span, ...]:
    """Spans named by a digest, with -2, -3 for the second, third time that one comes."""
    seen: dict[str, int] = {}
    found = []
    for digest, (start, end) in zip(digests, borders, strict=True):
        times = seen[digest] = seen.get(digest, 0) + 1
        found.append(Span(digest if times == 1 else f"{digest}-{times}", start, end))
    return tuple(found)


def _refuse(text: str, what: str) -> None:
    found = _REFUSED.search(text)
    if found:
        name = "NUL" if found.group() == "\x00" else f"the lone surrogate U+{ord(found.group()):04X}"
        raise UserError(f"{what} has {name} at position {found.start()}, which is no character of a text")


def _checked_scenes(scenes: Sequence[tuple[int, int]], size: int) -> tuple[tuple[int, int], ...]:
    last = 0
    found = []
    for each in scenes:
        start, end = each[-2:]
        if not last <= start <= end <= size:
            raise UserError(f"scene ({start}, {end}) overlaps the one before or lies outside the text (0 to {size})")
        found.append((start, end))
        last = end
    return tuple(found)


def _moved_scenes(given: tuple[tuple[int, int], ...], edit: Edit) -> tuple[tuple[int, int], ...]:
    """The caller's scenes after an edit; one that is empty then is gone."""
    shift = len(edit.text) - (edit.end - edit.start)

    def mapped(position: int, closing: bool) -> int:
        # What is only inserted at a scene's start stays outside; what replaces its beginning is of the scene.
        if position < edit.start or (position == edit.start and (closing or edit.end > edit.start)):
            return position
        if position >= edit.end:
            return position + shift
        return edit.start + len(edit.text) if not closing else edit.start

    moved = [(mapped(start, False), mapped(end, True)) for start, end in given]
    return tuple((start, end) for start, end in moved if start < end)


# Language: the words that hold sentences together, and letters.
_EXAMINED = 20_000
_WORD = re.compile(r"[^\W\d_]+")
_WORDS = {
    "en": "the and of to in was he she it that his her with had i you is for on at as not but they were be have this "
    "from by what there my said him me are an would could when who which them so no if out up one",
    "ro": "și şi în la cu nu pe care că din un o mai se să al ale lui este era îi ei ea el ce au fost dar după când "
    "sunt pentru sau îl le mă te noi voi ca dela prin către iar spre acest această unde zise spuse foarte i s d de a",
    "other": "le les et est dans que une des du qui il elle pas je vous au sur der die das und ist nicht ein eine zu "
    "den mit sich auf dem war er sie ich y el los las por con para una su lo no fue di che non è per sono ha i gli na "
    "się nie jest do że och det att som en på är e os um não uma com não het een van de dat hij niet a la il es",
}
_FUNCTION = {language: frozenset(words.split()) for language, words in _WORDS.items()}


def detect_language(text: str) -> str:
    """ "en", "ro" or "other", by the function words of the beginning; "en" where there is too little to tell."""
    words = [word.lower() for word in _WORD.findall(text[:_EXAMINED])]
    if not words:
        return "en"
    if sum(word[0] > "\u024f" for word in words) > len(words) / 2:  # not in Latin letters
        return "other"
    shares = {name: sum(word in known for word in words) / len(words) for name, known in _FUNCTION.items()}
    letters = sum(text.count(letter, 0, _EXAMINED) for letter in "ăĂșȘțȚşŞţŢîÎ")
    if letters and shares["ro"] > shares["en"] and shares["ro"] >= 0.7 * shares["other"]:
        return "ro"
    if shares["en"] >= max(shares["ro"], shares["other"]) and (shares["en"] > 0.12 or len(words) < 30):
        return "en"
    if shares["ro"] > max(shares["en"], shares["other"]):
        return "ro"
    return "other" if len(words) >= 5 else "en"
