"""One sentence with its grammar, in the positions of the story, and how its parts are taken out or put together."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from gnomon.story.extracting import analysis_of
from gnomon.story.intents.asked import Asked, Change


class Word(NamedTuple):
    """A token. `head` is an index in the sentence, the word's own at a root."""

    start: int
    end: int
    text: str
    lemma: str
    pos: str
    morph: str
    head: int
    dep: str


@dataclass(frozen=True)
class Sentence:
    """The words of one sentence."""

    start: int
    end: int
    text: str
    words: tuple[Word, ...]

    @cached_property
    def children(self) -> list[list[int]]:
        """The indices of each word's dependents."""
        found: list[list[int]] = [[] for _ in self.words]
        for index, word in enumerate(self.words):
            if word.head != index:
                found[word.head].append(index)
        return found

    def subtree(self, index: int) -> list[int]:
        """A word and all that hangs on it, in order."""
        found, todo = {index}, [index]
        while todo:
            new = [child for child in self.children[todo.pop()] if child not in found]
            found.update(new)
            todo += new
        return sorted(found)

    def at(self, position: int) -> int | None:
        """The index of the word that holds `position`."""
        for index, word in enumerate(self.words):
            if word.start <= position < word.end:
                return index
        return None

    def dependents(self, index: int, *relations: str) -> list[int]:
        """The dependents of a word in one of `relations`, subtypes included."""
        return [each for each in self.children[index] if self.words[each].dep.split(":")[0] in relations]

    def phrase(self, head: int) -> tuple[int, int]:
        """The first and last word of the noun phrase of `head`, without its preposition and its clauses."""
        keep = {head}
        for child in self.children[head]:
            relation = self.words[child].dep.split(":")[0]
            if relation in ("det", "amod", "nummod", "compound", "flat", "fixed", "goeswith") or (
                relation == "nmod" and (child < head or self._of(child))
            ):
                keep.update(self.subtree(child))
        first = last = head
        while first - 1 in keep:
            first -= 1
        while last + 1 in keep:
            last += 1
        return first, last

    def _of(self, index: int) -> bool:
        cases = [self.words[each].text.casefold() for each in self.dependents(index, "case")]
        return not cases or cases[0] in ("of", "de", "lui")

    def auxiliary(self, index: int) -> str:
        """The lemma of the last auxiliary before a verb, or ""."""
        found = [each for each in self.dependents(index, "aux") if each < index]
        if found:
            return self.words[found[-1]].lemma.casefold()
        return "to" if any(self.words[each].text.casefold() == "to" for each in self.dependents(index, "mark")) else ""


def sentence_at(asked: Asked, position: int) -> Sentence:
    """The sentence of the story that holds `position`."""
    span = asked.sentence_at(position)
    number = asked.paragraph_number(span.start)
    offset = asked.story.paragraphs[number].start
    tokens = analysis_of(asked.extraction, asked.story, number).tokens
    first = next((i for i, token in enumerate(tokens) if token.end + offset > span.start), len(tokens))
    last = next((i for i, token in enumerate(tokens) if token.start + offset >= span.end), len(tokens))
    text = asked.story.text
    words = []
    for index in range(first, last):
        token = tokens[index]
        head = token.head - first if first <= token.head < last else index - first
        start, end = token.start + offset, token.end + offset
        words.append(Word(start, end, text[start:end], token.lemma, token.pos, token.morph, head, token.dep))
    return Sentence(span.start, span.end, text[span.start : span.end], tuple(words))


_QUOTE_MARKS = "“”\"‘’«»„'—–-"


def without(sentence: Sentence, drop: Iterable[int]) -> str:
    """The text of a sentence without some of its words: spaces, commas and the capital put right at each seam."""
    gone = set(drop)
    result = ""
    position = sentence.start
    seam = False
    for index, word in enumerate(sentence.words):
        gap = sentence.text[position - sentence.start : word.start - sentence.start]
        position = word.end
        if index in gone:
            seam = True
            continue
        result = _joined(result, word.text) if seam else result + gap + word.text
        seam = False
    rest = sentence.text[position - sentence.start :]
    return result.rstrip(" \n\t,;") + rest if seam else result + rest


def _joined(left: str, right: str) -> str:
    left = left.rstrip(" \n\t")
    if not left.strip(_QUOTE_MARKS + " "):
        return left + ("" if right in ",;:" else capital(right))
    if right and right[0] in ",;:.!?…)":
        return left.rstrip(",;:") + right if right[0] in ".!?…" or left[-1] in ",;:" else left + right
    return left + ("" if left.endswith(("“", "„", "«", "(")) else " ") + right


def capital(text: str) -> str:
    """With a capital at its beginning."""
    return text[:1].upper() + text[1:]


_ALWAYS_CAPITAL = re.compile(r"I(?:$|['’ ])")


def small(text: str, pos: str) -> str:
    """A first word in the middle of a sentence: small, save for names and *I*."""
    return text if pos == "PROPN" or _ALWAYS_CAPITAL.match(text) else text[:1].lower() + text[1:]


def replaced(sentence: Sentence, pieces: Iterable[tuple[int, int, str]]) -> str:
    """The text of a sentence with some spans (in the positions of the story) replaced."""
    text = sentence.text
    for start, end, new in sorted(pieces, reverse=True):
        text = text[: start - sentence.start] + new + text[end - sentence.start :]
    return text


def cuts(asked: Asked, numbers: Iterable[int], reason: str, optional: Iterable[int] = ()) -> list[Change]:
    """Take out whole sentences (by index), each a change of its own, with the spaces that held them apart.

    A paragraph of which nothing is left goes whole, with the lines between it and its neighbour.
    """
    story = asked.story
    sentences, paragraphs = story.sentences, story.paragraphs
    gone, unsure = set(numbers), set(optional)
    by_paragraph: dict[int, list[int]] = {}
    for number in sorted(gone):
        by_paragraph.setdefault(asked.paragraph_number(sentences[number].start), []).append(number)
    whole: dict[int, list[int]] = {}
    changes = []
    for paragraph, inside in by_paragraph.items():
        first, last = asked.sentences_of(paragraph)
        if len(inside) == last - first + 1:
            whole[paragraph] = inside
            continue
        for number in inside:
            start, end = sentences[number].start, sentences[number].end
            if all(each in gone for each in range(number, last + 1)):
                start = sentences[number - 1].end
            else:
                end = sentences[number + 1].start
            changes.append(Change(start, end, "", reason, number in unsure, True))
    for paragraph, inside in whole.items():
        start, end = paragraphs[paragraph].start, paragraphs[paragraph].end
        if all(each in whole for each in range(paragraph, len(paragraphs))):
            start = paragraphs[paragraph - 1].end if paragraph else start
        else:
            end = paragraphs[paragraph + 1].start
        changes.append(Change(start, end, "", reason, all(each in unsure for each in inside), True))
    return sorted(changes)
