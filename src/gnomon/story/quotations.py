"""Quoted speech: “ ” " " ‘ ’ « » „ ” and dialogue lines opened by a dash, in one paragraph and over several.

A paragraph is read on its own (`local_quotations`); `joined` then makes one utterance of a quotation that every one of
its paragraphs opens again. A quotation that is never closed ends with its paragraph.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple


class Quotation(NamedTuple):
    """One utterance. `parts` are its quoted pieces, marks included: “…,” he said, “…” is one utterance of two parts."""

    start: int
    end: int
    parts: tuple[tuple[int, int], ...]


class LocalQuotations(NamedTuple):
    """The utterances of one paragraph, relative to it.

    `opens` is the mark the paragraph begins with; `unclosed` the mark of its last utterance if that is not closed.
    """

    utterances: tuple[Quotation, ...]
    opens: str
    unclosed: str


class _Marked(NamedTuple):
    """A span between quotation marks, the marks included; without the closing one it ends with its paragraph."""

    start: int
    end: int
    mark: str
    closed: bool


_NONE = LocalQuotations((), "", "")
_ANY_MARK = re.compile("[“”\"‘„‟«»—–―']|,,")
_SPEECH_VERBS = """
    said say says cried cries asked asks replied replies answered answers exclaimed whispered shouted called repeated
    muttered murmured continued added observed remarked returned demanded inquired enquired screamed yelled gasped
    laughed sighed began interrupted thought roared snapped growled pleaded declared ejaculated told quoth sang
    zise zice zis ziseră zicea spuse spune spus spunea întrebă întreabă întrebat răspunse răspunde răspunseră răspuns
    strigă striga strigară strigat şopti șopti şopteşte șoptește murmură murmura adăugă adaugă adăugâ exclamă exclama
    continuă continua urmă reluă repetă observă porunci porunceşte poruncește întrerupse gândi cugetă mormăi bâigui
    rosti grăi grăiește ţipă țipă oftă râse făcu adaose adăogă respunse respund resunse intrebă
"""
_VERB = rf"(?:{'|'.join(sorted(_SPEECH_VERBS.split(), key=len, reverse=True))})\b"
_SPEAKS = re.compile(rf"\b{_VERB}", re.IGNORECASE)
_CLITICS = r"(?:(?:îi|îl|o|le|ne|mă|te|se|își|îşi|i|mi|ți|ţi|ĭi|îĭ)[ \n-]|[mtliș]-[ao][ \n]|i-|își |mai )*"
# In a dialogue line the narrator's words begin with a verb of speech after a mark: "— Da, zise el."
_TAG = re.compile(
    rf"(?<=[,!?.…;:—–])[ \n]*(?:[—–][ \n]*)?(?={_CLITICS}{_VERB}|(?:he|she|they|I|[A-Z][\w’'-]+)[ \n]{_VERB})"
)
_RESUMES = re.compile(r"[ \n][—–―][ \n]?(?=\S)")
_NARRATION = re.compile(
    r"\w*[âaîi]nd(?:u-\w+)?\b|cu\b|din\b|dintr|fără\b|după\b|pe\b|în\b|într|la\b|de\b|către\b|care\b|ce\b|când\b|cînd\b|"
    r"iar\b|apoi\b|with\b|as\b|in\b|\w+ing\b|who\b|when\b|while\b|from\b|at\b",
    re.IGNORECASE,
)
_LINE_DASH = re.compile(r"(?:\A|(?<=[.!?…:\"”“»*)])[ \t]*\n|\n(?=[ \t]*[—–―][ \t]))[ \t]*(?P<dash>[—–―])(?=[ \t]*\S)")
_ELISIONS = re.compile(
    r"(?:tis|twas|twere|twill|em|til|till|cause|bout|round|gainst|ere|n|un|ave|im|er|ead|ouse)\b", re.I
)
_SENTENCE_END = re.compile(r"[.!?…][\"”’»“)]*\s")
_SURE_CLOSE = re.compile(r"[.!?…,—–;:-]'(?!\w)")
_LONGEST = 6000  # between single marks: apostrophes are not looked through for more
_TERMINAL = ".!?…,—–-;:"


def local_quotations(paragraph: str) -> LocalQuotations:
    """The utterances of one paragraph, by its text alone."""
    if not _ANY_MARK.search(paragraph):
        return _NONE
    borders = [each.start("dash") for each in _LINE_DASH.finditer(paragraph)]
    spans = _marked(paragraph, 0, borders[0] if borders else len(paragraph))
    found = _grouped(paragraph, spans)
    for start, end in pairwise([*borders, len(paragraph)]):
        quoted = _marked(paragraph, start + 1, end)
        if quoted and not paragraph[start + 1 : quoted[0].start].strip():  # — „…“: the marks say where it ends
            spans = quoted
            found.extend(_grouped(paragraph, quoted))
        else:
            spans = []
            parts = tuple(_dashed(paragraph, start, end))
            found.append(Quotation(parts[0][0], parts[-1][1], parts))
    opening = paragraph.lstrip("—–― \t\n*_")[:1]
    unclosed = spans[-1].mark if spans and not spans[-1].closed else ""
    return LocalQuotations(tuple(found), opening if opening in '“"‘„«»' else "", unclosed)


def joined(starts: Sequence[int], local: Sequence[LocalQuotations]) -> tuple[Quotation, ...]:
    """All utterances of a story; `starts` are the positions of the paragraphs.

    Where a quotation is left open and the next paragraph opens it again, both are one utterance.
    """
    found: list[Quotation] = []
    unclosed = ""
    for offset, here in zip(starts, local, strict=True):
        if not here.utterances:
            unclosed = ""
            continue
        for index, quotation in enumerate(here.utterances):
            parts = tuple([(start + offset, end + offset) for start, end in quotation.parts])
            if index == 0 and unclosed and here.opens == unclosed:
                before = found.pop()
                found.append(Quotation(before.start, parts[-1][1], before.parts + parts))
            else:
                found.append(Quotation(parts[0][0], parts[-1][1], parts))
        unclosed = here.unclosed
    return tuple(found)


def _marked(text: str, at: int, end: int) -> list[_Marked]:
    """The outermost spans between marks in `text[at:end]`: start, end, opening mark, closed."""
    spans: list[_Marked] = []
    reversed_angles = _reversed_angles(text, at, end)
    begin = at
    sure = -1  # the end of the next apostrophe that surely closes
    while at < end:
        found = _ANY_MARK.search(text, at, end)
        if not found:
            break
        start, mark = found.start(), found.group()
        at = found.end()
        before = text[start - 1] if start > begin else " "
        after = text[at] if at < end else " "
        if mark in "—–―" or mark == "‟":
            continue
        if mark in "“”":
            if mark == "”" or (after.isspace() and not before.isspace()):
                continue
            close = _close_high(text, at, end)
        elif mark in ("„", ",,"):
            if mark == ",," and not after.isalpha():
                continue
            close = _first(text, at, end, '”“"‟')
        elif mark in "«»":
            opening, closing = ("»", "«") if reversed_angles else ("«", "»")
            if mark != opening:
                continue
            close = _nested(text, at, end, opening, closing)
        elif mark == '"':
            if before.isalnum() and (after.isspace() or after in ",.;:!?)"):  # closes what was never opened, or inches
                continue
            close = _first(text, at, end, '"”')
        elif mark == "‘":
            if before.isalnum() or _ELISIONS.match(text, at):
                continue
            close = _close_single(text, at, min(end, at + _LONGEST), "’", "‘")
        else:  # an ASCII apostrophe opens only what is surely closed
            if (
                before.isalnum()
                or before in ".!?,’"
                or not (after.isalpha() or after in '"“')
                or _ELISIONS.match(text, at)
            ):
                continue
            if sure < at:
                sure_close = _SURE_CLOSE.search(text, at, end)
                sure = sure_close.end() if sure_close else end + 1
            if sure > end:
                continue
            close = sure
        closed = close >= 0
        stop = close if closed else _stripped_end(text, start, end)
        spans.append(_Marked(start, stop, "„" if mark == ",," else mark, closed))
        at = stop
    return spans


def _reversed_angles(text: str, at: int, end: int) -> bool:
    """»…« instead of «…»: the first of them opens."""
    left, right = text.find("«", at, end), text.find("»", at, end)
    if right < 0 or 0 <= left < right:
        return False
    before = text[right - 1] if right > at else " "
    return left >= 0 and (before.isspace() or before in "(—–-")


def _first(text: str, at: int, end: int, marks: str) -> int:
    """The end of the first of these marks, or -1."""
    found = re.compile(f"[{marks}]").search(text, at, end)
    return found.end() if found else -1


def _close_high(text: str, at: int, end: int) -> int:
    """Where what “ opened is closed: by ”, or by another mark that stands as a closing one does."""
    while at < end:
        place = _first(text, at, end, '”“"')
        if place < 0:
            return -1
        if text[place - 1] == "”":
            return place
        before, after = text[place - 2], text[place] if place < end else " "
        if not before.isspace() and (after.isspace() or after in ",.;:!?)—–-’"):
            return place
        if text[place - 1] == "“" and before in " \n" and after.isalpha() and text.find("”", place, end) < 0:
            return -1
        at = place
    return -1


def _nested(text: str, at: int, end: int, opening: str, closing: str) -> int:
    depth = 1
    for found in re.compile(f"[{opening}{closing}]").finditer(text, at, end):
        depth += 1 if found.group() == opening else -1
        if not depth:
            return found.end()
    return _first(text, at, end, closing)  # an inner one was not closed


def _close_single(text: str, at: int, end: int, closing: str, opening: str) -> int:
    """Where a single quotation is closed: not by an apostrophe. After a mark rather than after a letter."""
    later = -1
    place = text.find(closing, at, end)
    while place >= 0:
        before, after = text[place - 1], text[place + 1] if place + 1 < end else " "
        if not after.isalnum() and not before.isspace():
            if before in _TERMINAL or before in '*_)]”"':
                return place + 1
            if later < 0 and (after in ",.;:!?)—–-" or before.lower() != "s"):
                later = place + 1
        place = text.find(closing, place + 1, end)
        if opening != closing and later >= 0 and 0 <= text.find(opening, at, end) < (place if place >= 0 else end):
            break
    return later


def _stripped_end(text: str, start: int, end: int) -> int:
    return start + len(text[start:end].rstrip())


def _grouped(text: str, spans: list[_Marked]) -> list[Quotation]:
    """Spans that are speech, those of one utterance together."""
    found: list[list[tuple[int, int]]] = []
    for start, end, _, closed in spans:
        if closed and not _is_speech(text, start, end):
            continue
        if found and _continues(text, found[-1][-1][1], start, end):
            found[-1].append((start, end))
        else:
            found.append([(start, end)])
    return [Quotation(parts[0][0], parts[-1][1], tuple(parts)) for parts in found]


def _is_speech(text: str, start: int, end: int) -> bool:
    """Speech, and not a word or title between marks: it ends with a mark, or a verb of speech leads to it."""
    inner = text[start + 1 : end - 1].strip()
    if not inner:
        return False
    before = text[max(0, start - 40) : start].rstrip()
    if inner[-1] in _TERMINAL or inner[-1] in "'’\"”)*_":
        # American commas and full stops stand inside: the so-called "friend," a large "G."
        bare = before[-1:].isalnum() and inner[-1] in ",." and inner[-3:] != "..."
        short = len(inner) == 2 or (inner[0].islower() and len(inner.split()) <= 3)
        return not (bare and short) or bool(_SPEAKS.fullmatch(before.split()[-1]))
    if not before or before[-1] in ":,—–" or before.endswith("--"):
        return inner[0].isupper() or len(inner.split()) > 3
    after = text[end : end + 30]
    if after[:1] in ",.;!?—–" and inner[0].isupper() and len(inner.split()) > 3:
        return True
    tag = _SPEAKS.match(after.lstrip(" \n,.;!?—–-"))
    return bool(tag) or (len(inner.split()) > 5 and inner[0].isupper())


def _continues(text: str, before: int, start: int, end: int) -> bool:
    """Whether what is quoted at `start` goes on with what ended at `before`: only the narrator's "he said" between."""
    gap = text[before:start]
    ends = [each.end() for each in _SENTENCE_END.finditer(gap)]
    if not gap.strip():
        return True
    closed_with = text[before - 2 : before - 1]
    if not ends:
        return True
    first = gap[: ends[0]]
    # “…,” he said. “…”: one sentence of narration with a verb of speech, and the next does not bring its own speaker.
    if len(ends) == 1 and not gap[ends[0] :].strip() and (closed_with == "," or _SPEAKS.search(first)):
        return not _names_speaker(text, end)
    return False


def _names_speaker(text: str, end: int) -> bool:
    """Whether what follows a quotation says who spoke it."""
    rest = text[end : end + 50].lstrip(" \n,—–-")
    return bool(re.match(rf"(?:{_VERB}|(?:[^\W\d_][\w’'.-]*[ \n]+){{1,3}}{_VERB})", rest))


def _dashed(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The spoken parts of a dialogue line that a dash opens at `start`."""
    parts: list[tuple[int, int]] = []
    at = start
    while True:
        tag = _TAG.search(text, at + 2, end)
        if not tag:
            parts.append((at, _stripped_end(text, at, end)))
            return parts
        stop = tag.start()
        spoken = text[at:stop].rstrip(" \n—–―")
        if spoken.strip(" \n—–―"):
            parts.append((at, at + len(spoken)))
        resumed = _RESUMES.search(text, tag.end(), end)
        comma = text.find(",", tag.end(), resumed.start() if resumed else end)
        told = text[tag.end() : comma] if comma >= 0 else ""
        if comma >= 0 and len(told.split()) <= 5 and not re.search(r"[.!?…;:]", told):
            after = re.compile(r"[ \n]*[—–]?[ \n]*").match(text, comma + 1, end)
            resume = after.end() if after else comma + 1
            if resume < end and not _NARRATION.match(text, resume):
                at = resume
                continue
        if not resumed:
            return parts
        at = resumed.start() + 1
