"""Fountain screenplays (fountain.io) as a story's text, and back.

A scene heading is `## INT. HOUSE - DAY`, a section stays a `#` line, what a character says is `MARY (softly): “No.”`.
Notes, synopses and what is commented out are left out.
"""

import re

from gnomon.story.document import Story
from gnomon.story.formats.blocks import joined

_COMMENTS = re.compile(r"/\*.*?\*/|\[\[.*?\]\]", re.DOTALL)
_KEY = re.compile(r"[A-Za-z][\w ]*:")
_SCENE = re.compile(r"(?:INT|EXT|EST|INT\.?/EXT|EXT\.?/INT|I/E)[. ]", re.IGNORECASE)
_SCENE_NUMBER = re.compile(r"[ \t]*#[\w.-]+#[ \t]*$")
_SPEECH = re.compile(r"(?P<name>[^\W\d_][^:“”\n()a-zà-öø-ÿăîâșşțţ]*?)(?P<aside> \([^()\n]*\))*: “(?P<said>[^“”]*)”")
_CENTRED = re.compile(r">[ \t]*(.*?)[ \t]*<", re.DOTALL)


def parsed(source: str) -> tuple[str, str]:
    """The story's text in a screenplay, and its title."""
    source = _COMMENTS.sub("", source)
    title = ""
    if _KEY.match(source):
        page, _, source = source.partition("\n\n")
        found = re.search(r"^Title:[ \t]*((?:.*)(?:\n[ \t]+.*)*)", page, re.IGNORECASE | re.MULTILINE)
        title = " ".join(re.sub(r"[_*]", "", found[1]).split()) if found else ""
    return joined(_element(each.strip("\n")) for each in re.split(r"\n[ \t]*(?:\n[ \t]*)+", source)), title


def _element(block: str) -> str:
    first, *rest = block.split("\n")
    bare = first.strip()
    if re.fullmatch(r"={3,}", bare) or (bare.startswith("=") and not rest):
        return ""
    if bare.startswith("!"):
        return "\n".join([bare[1:], *rest])
    if re.match(r"\.\w", bare):
        return "## " + _SCENE_NUMBER.sub("", bare[1:])
    if _SCENE.match(bare) and not rest:
        return "## " + _SCENE_NUMBER.sub("", bare)
    centred = _CENTRED.fullmatch(block.strip())
    if centred:
        return centred[1]
    if bare.startswith(">"):
        return bare[1:].strip()
    if bare.startswith("~"):
        return "\n".join(line.strip().removeprefix("~").strip() for line in [first, *rest])
    if rest and (bare.startswith("@") or _is_cue(bare)):
        return _speech(bare.removeprefix("@").rstrip("^ "), rest)
    return block


def _is_cue(line: str) -> bool:
    """A line in capitals (but for what stands in brackets) names who speaks in the next."""
    name = re.sub(r"\([^)]*\)", "", line).rstrip("^ ")
    return any(map(str.isalpha, name)) and name == name.upper() and not name.endswith(":") and not name.startswith("#")


def _speech(cue: str, lines: list[str]) -> str:
    lines = [line.strip() for line in lines]
    if lines and re.fullmatch(r"\(.*\)", lines[0]):
        cue, lines = f"{cue} {lines[0]}", lines[1:]
    said = "\n".join(lines)
    return f"{cue}: “{said}”" if said else cue


def rendered(story: Story, author: str = "") -> bytes:
    """A screenplay: prose is action, `NAME: “…”` dialogue."""
    head = [f"Title: {story.title}"] if story.title else []
    if author:
        head.append(f"Author: {author}")
    elements = [
        _fountain(story.paragraph_text(index), story.paragraph_kind(index)) for index in range(len(story.paragraphs))
    ]
    return ("\n".join(head) + "\n\n" + "\n\n".join(elements) + "\n").encode()


def _fountain(text: str, kind: str) -> str:
    if kind == "break":
        return f"> {text.strip()} <"
    if text.startswith("## "):
        return text[3:] if _SCENE.match(text[3:]) else text
    spoken = _SPEECH.fullmatch(text)
    if spoken:
        name, aside = text[: text.index(": “")], ""
        found = re.fullmatch(r"(.*?) (\([^()\n]*\))", name)
        if found:
            name, aside = found[1], found[2] + "\n"
        mark = "" if _is_cue(name) else "@"
        return f"{mark}{name}\n{aside}{spoken['said']}"
    if kind == "heading" and text.lstrip().startswith("#"):
        return text
    first, _, more = text.partition("\n")
    bare = first.strip()
    misread = bare[:1] in ("!", ".", ">", "~", "=", "@") or _SCENE.match(bare) or (more and _is_cue(bare))
    return f"!{text}" if misread else text
