"""HTML in and out; the chapters of an .epub are read and written here too.

Blocks become paragraphs, `h1`-`h6` lines with `#` marks, `em` and `i` `*x*`, `hr` `***`. A line end in the source stays
one, as in a paragraph wrapped by hand. Scripts, styles and navigation are left out; nothing is fetched.
"""

import re
from html import escape
from html.parser import HTMLParser

from gnomon.errors import UserError
from gnomon.story.document import Story
from gnomon.story.formats import plain
from gnomon.story.formats.blocks import Block, Run, blocks_of, is_wrapped, joined, text_of

_BLOCK_TAGS = """
    address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer form h1
    h2 h3 h4 h5 h6 header hgroup html li main ol p pre section summary table tbody td tfoot th thead tr ul
"""
_SILENT_TAGS = "audio head iframe math nav noscript object script style svg template video"
_VOID_TAGS = "area base br col embed hr img input link meta source track wbr"
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_LEFT_OUT = frozenset(_SILENT_TAGS.split())
_VOID = frozenset(_VOID_TAGS.split())
_BREAK = "\x00"  # a <br>, until its block is whole: no text has this character
# White space round a line end is the source's, as is a line end after <br>.
_SOURCE_LINE_END = re.compile(rf"[ \t\r\n\f]*{_BREAK}[ \t\r\n\f{_BREAK}]*|[ \t\f]*[\r\n][ \t\r\n\f]*")
_CHARSET = re.compile(rb"(?:<\?xml[^>]*?encoding|<meta[^>]*?charset)\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.paragraphs: list[str] = []
        self.title = ""
        self._runs: list[Run] = []
        self._open: list[tuple[str, bool]] = []  # tags, and whether they make italics
        self._left_out = 0
        self._in_title = False
        self._level = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "title":
            self._in_title = True
        if tag in _VOID:
            if self._left_out:
                return
            if tag == "br":
                self._runs.append(Run(_BREAK, self._italic()))
            elif tag == "hr":
                self._flush()
                self.paragraphs.append("***")
            return
        if tag in _LEFT_OUT:
            self._left_out += 1
        if tag in _BLOCKS:
            self._flush()
        if len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
            self._level = 0 if "unmarked" in (given.get("class") or "").split() else int(tag[1])
        style = (given.get("style") or "").replace(" ", "")
        self._open.append((tag, tag in ("i", "em") or "font-style:italic" in style))

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        if tag in _VOID or not any(name == tag for name, _ in self._open):
            return
        if tag in _BLOCKS:
            self._flush()
        while self._open:
            name, _ = self._open.pop()
            if name in _LEFT_OUT:
                self._left_out -= 1
            if name == tag:
                break
        if tag in ("h1", "h2", "h3", "h4", "h5", "h6"):
            self._level = 0

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        elif not self._left_out:
            self._runs.append(Run(data, self._italic()))

    def close(self) -> None:
        super().close()
        self._flush()

    def _italic(self) -> bool:
        return any(italic for _, italic in self._open)

    def _flush(self) -> None:
        runs, self._runs = self._runs, []
        if not any(run.text.strip(" \t\r\n\f" + _BREAK) for run in runs):
            return
        text = "".join(run.text for run in runs)
        kept: list[Run] = []
        number = begin = at = 0  # the run that holds position `at` of the text, and where it begins
        for found in [*_SOURCE_LINE_END.finditer(text), None]:
            end = found.start() if found else len(text)
            while number < len(runs) and begin < end:
                run = runs[number]
                kept.append(Run(run.text[max(at - begin, 0) : end - begin], run.italic))
                if begin + len(run.text) > end:
                    break
                begin += len(run.text)
                number += 1
            if found:
                at = found.end()
                kept.append(Run("\n\n" if found.group().count(_BREAK) > 1 else "\n", False))
        whole = text_of(kept).strip(" \t\n")
        if self._level:
            whole = "#" * self._level + " " + re.sub(r"\s*\n\s*", " ", whole)
        self.paragraphs.append(whole)


def decoded(data: bytes, name: str, encoding: str | None = None) -> str:
    """The text of an HTML file: UTF-8, what a byte order mark says, or what the file itself declares."""
    declared = _CHARSET.search(data[:2048])
    if encoding is None and declared:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            if not data.startswith((b"\xff\xfe", b"\xfe\xff")):
                encoding = declared[1].decode("ascii")
    text, _ = plain.decoded(data, name, encoding)
    if "\x00" in text:
        raise UserError(f"{name} is no text: it has NUL at position {text.index(chr(0))}")
    return text


def parsed(source: str) -> tuple[str, str]:
    """The story's text in an HTML document, and the document's title."""
    reader = _Reader()
    reader.feed(source)
    reader.close()
    return joined(reader.paragraphs), " ".join(reader.title.split())


def block_html(block: Block) -> str:
    """One block as an element."""
    inner = "".join(f"<em>{_text(run.text)}</em>" if run.italic else _text(run.text) for run in block.runs)
    if "\n" in inner and not is_wrapped(block.text):
        inner = inner.replace("\n", "<br/>\n")
    if block.kind == "break":
        return f'<p class="break">{inner}</p>'
    if block.kind == "heading":
        return f"<h{block.level}>{inner}</h{block.level}>" if block.level else f'<h2 class="unmarked">{inner}</h2>'
    return f"<p>{inner}</p>"


def _text(text: str) -> str:
    return escape(text, quote=False)


STYLE = (
    "body { max-width: 38em; margin: 2em auto; padding: 0 1em; font-family: Georgia, serif; line-height: 1.5 }\n"
    "p { margin: 0; text-indent: 1.5em } h1 + p, h2 + p, h3 + p, .break + p { text-indent: 0 }\n"
    ".break { text-align: center; text-indent: 0; margin: 1.2em 0 } h1, h2, h3 { text-align: center }"
)


def rendered(story: Story, author: str = "") -> bytes:
    """A page that needs nothing but itself."""
    language = "und" if story.language == "other" else story.language
    body = "\n".join(map(block_html, blocks_of(story)))
    writer = f'<meta name="author" content="{escape(author)}"/>\n' if author else ""
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8"/>\n{writer}'
        f"<title>{_text(story.title)}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    ).encode()
