"""Between a story's text and formats with real headings and italics: blocks of runs.

In a story's text a heading is a line with `#` marks, italics are `*x*`, and blocks lie between empty lines.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from gnomon.story.document import Story

_HEADING = re.compile(r"[ \t]*(#{1,6})[ \t]+(.*)", re.DOTALL)
_ITALIC = re.compile(r"(?<!\*)\*(?!\*)(?=\S)([^*\n]*\S)\*(?!\*)")


class Run(NamedTuple):
    """A piece of a block in one style."""

    text: str
    italic: bool


class Block(NamedTuple):
    """A paragraph. `level`: 1 to 6 of a heading with marks, 0 of text and of a heading that is known by its words."""

    kind: Literal["text", "heading", "break"]
    level: int
    runs: tuple[Run, ...]

    @property
    def text(self) -> str:
        """The words alone."""
        return "".join(run.text for run in self.runs)


def blocks_of(story: Story) -> Iterator[Block]:
    """The paragraphs of a story."""
    for index in range(len(story.paragraphs)):
        text = story.paragraph_text(index)
        kind = story.paragraph_kind(index)
        if kind == "break":
            yield Block("break", 0, (Run(text.strip(), False),))
            continue
        if kind == "heading":
            marked = _HEADING.fullmatch(text)
            if marked:
                yield Block("heading", len(marked[1]), tuple(runs_of(marked[2])))
                continue
            # Known by its words; what follows on the next line of the same paragraph stays with it.
            yield Block("heading", 0, tuple(runs_of(text)))
            continue
        yield Block("text", 0, tuple(runs_of(text)))


def runs_of(text: str) -> Iterator[Run]:
    """The runs of a paragraph: what stands between single asterisks is italic."""
    at = 0
    for found in _ITALIC.finditer(text):
        if found.start() > at:
            yield Run(text[at : found.start()], False)
        yield Run(found[1], True)
        at = found.end()
    if at < len(text) or not text:
        yield Run(text[at:], False)


def text_of(runs: Iterable[Run]) -> str:
    """The inverse of `runs_of`: neighbours of one style together, white space outside the asterisks, line by line."""
    merged: list[list[str | bool]] = []
    for text, italic in runs:
        if merged and merged[-1][1] == italic:
            merged[-1][0] = str(merged[-1][0]) + text
        elif text:
            merged.append([text, italic])
    return "".join(
        "\n".join(_starred(line) for line in str(text).split("\n")) if italic else str(text) for text, italic in merged
    )


def _starred(line: str) -> str:
    inner = line.strip()
    if not inner or "*" in inner:
        return line
    start = line.index(inner)
    return f"{line[:start]}*{inner}*{line[start + len(inner) :]}"


def is_wrapped(text: str) -> bool:
    """Whether the lines of a paragraph were broken by hand at some width, so that their ends mean nothing."""
    *lines, _ = text.split("\n")
    return bool(lines) and sum(map(len, lines)) / len(lines) >= 50 and not re.search(r"\n[ \t]*[—–―-]", text)


def joined(paragraphs: Iterable[str]) -> str:
    """A text of paragraphs, those without anything in them left out."""
    return "\n\n".join(each for each in paragraphs if each.strip())
