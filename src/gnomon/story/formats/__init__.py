"""Files that stories come from and go to: .txt and .md (bytes kept), .docx, .epub, .fountain, .html.

Italics are `*x*` inside a story's text, headings `#` lines, scene breaks `***` lines, whatever the format. Nothing that
a file points to is ever fetched: links, images and templates from elsewhere are not followed, entities not expanded.
"""

from collections.abc import Callable
from pathlib import Path

from gnomon.errors import UserError
from gnomon.runs.files import write_atomic
from gnomon.story.document import Story
from gnomon.story.formats import docx, epub, fountain, html, plain
from gnomon.story.formats.archive import TooLarge

LARGEST = 20 * 2**20
"""Bytes: no story is longer (about 3.5 million words)."""

_KINDS = {
    ".txt": "txt", ".text": "txt", ".md": "md", ".markdown": "md", ".docx": "docx", ".epub": "epub",
    ".fountain": "fountain", ".html": "html", ".htm": "html", ".xhtml": "html",
}  # fmt: skip
_RENDERED: dict[str, Callable[[Story, str], bytes]] = {
    "md": plain.rendered, "txt": plain.rendered, "docx": docx.rendered, "shunn": docx.manuscript, "epub": epub.rendered,
    "fountain": fountain.rendered, "html": html.rendered,
}  # fmt: skip
FORMATS = tuple(_RENDERED)


def read(path: str | Path, encoding: str | None = None, *, title: str = "", language: str = "auto") -> Story:
    """The story in a file, by its suffix: .txt .md .docx .epub .fountain .html.

    Text is UTF-8, or what its byte order mark or its HTML says; `encoding` names another one and is never guessed.
    Without `title` it is the file's own, or its name. Raises `UserError` for a file that is missing, no text,
    encrypted, too large, or hides what would grow on being read.
    """
    path = Path(path)
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise UserError(f"{path}: a story is a {' '.join(_KINDS)} file, not {path.suffix or 'one without a suffix'}")
    try:
        data = path.read_bytes()
    except IsADirectoryError:
        raise UserError(f"{path}: this is a folder; a story is a file") from None
    except OSError as error:
        raise UserError(f"{path}: {(error.strerror or str(error)).lower()}; the file of a story is needed") from None
    return read_bytes(data, path.name, encoding, title=title, language=language)


def read_bytes(
    data: bytes, name: str, encoding: str | None = None, *, title: str = "", language: str = "auto"
) -> Story:
    """What `read` does, for a file that was sent: its bytes and its name."""
    kind = _KINDS.get(Path(name).suffix.lower())
    if kind is None:
        raise UserError(f"{name}: a story is a {' '.join(_KINDS)} file")
    if kind in ("docx", "epub"):
        if encoding is not None:
            raise UserError(f"{name}: {kind} files say their encoding themselves; leave --encoding out")
        text, own = (docx if kind == "docx" else epub).parsed(data, name)
        return _story(text, name, title or own, language)
    if len(data) > LARGEST:
        raise TooLarge(f"{name}: {len(data) / 2**20:.0f} MB of text is more than a story has (at most 20 MB)")
    if kind == "html":
        text, own = html.parsed(html.decoded(data, name, encoding))
        return _story(text, name, title or own, language)
    text, found = plain.decoded(data, name, encoding)
    text, newline = plain.unix_lines(text)
    if kind == "fountain":
        text, own = fountain.parsed(text)
        return _story(text, name, title or own, language, newline, found)
    return _story(text, name, title, language, newline, found)


def _story(text: str, name: str, title: str, language: str, newline: str = "\n", encoding: str = "utf-8") -> Story:
    try:
        return Story.from_text(
            text, title=title or Path(name).stem, language=language, newline=newline, encoding=encoding
        )
    except UserError as error:
        raise UserError(f"{name} is no text: {error}; if it is in another encoding, name it with --encoding") from None


def rendered(story: Story, format: str, *, author: str = "") -> bytes:
    """What `write` writes in one of `FORMATS`."""
    if format not in _RENDERED:
        raise UserError(f"format {format!r} is none of {', '.join(FORMATS)}")
    return _RENDERED[format](story, author)


def write(story: Story, path: str | Path, format: str | None = None, *, author: str = "") -> None:
    """Write `story` to `path` as md, txt, docx, shunn (standard manuscript format), epub, fountain or html.

    Without `format` the suffix says it. An unchanged .md or .txt gets the bytes it was read from. `author` stands on a
    manuscript's first page and in its header, and in an epub.
    """
    path = Path(path)
    content = rendered(story, format or _KINDS.get(path.suffix.lower(), ""), author=author)
    try:
        write_atomic(path, content)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}") from None
