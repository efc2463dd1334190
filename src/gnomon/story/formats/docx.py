"""Word files (.docx) in and out, and manuscripts in the standard format that publishers ask for (William Shunn's).

Read from the document part alone: text in insertions counts, deleted text does not; what the file links to is not
followed. Written with python-docx.
"""

import io
import math
import re
from collections.abc import Iterator
from typing import Any

from gnomon.errors import UserError
from gnomon.story.document import Story
from gnomon.story.formats.archive import Archive
from gnomon.story.formats.blocks import Block, Run, blocks_of, is_wrapped, joined, text_of

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_OFF = ("0", "false", "off")
_SKIPPED = {f"{_W}{tag}" for tag in ("del", "moveFrom", "drawing", "pict", "object", "rPr", "pPr", "footnoteReference")}
_UNMARKED = "Unmarked Heading"


def parsed(data: bytes, name: str) -> tuple[str, str]:
    """The story's text in a Word file, and the title in its properties."""
    archive = Archive(data, name, "docx")
    body = archive.xml("word/document.xml").find(f"{_W}body")
    if body is None:
        raise UserError(f"{name} is damaged: word/document.xml has no body")
    styles = _styles(archive)
    title = ""
    if "docProps/core.xml" in archive:
        title = archive.xml("docProps/core.xml").findtext(f".//{_TITLE}") or ""
    return joined(_paragraph(each, styles) for each in _paragraphs(body)), " ".join(title.split())


def _styles(archive: Archive) -> dict[str, str]:
    """The name of each style, lower case: "heading 1" whatever language the program spoke."""
    if "word/styles.xml" not in archive:
        return {}
    found = {}
    for style in archive.xml("word/styles.xml").iter(f"{_W}style"):
        named = style.find(f"{_W}name")
        if named is not None:
            found[style.get(f"{_W}styleId")] = (named.get(f"{_W}val") or "").lower()
    return found


def _paragraphs(element: Any) -> Iterator[Any]:
    for child in element:
        if child.tag == f"{_W}p":
            yield child
        elif child.tag not in _SKIPPED:
            yield from _paragraphs(child)


def _paragraph(element: Any, styles: dict[str, str]) -> str:
    style_of = element.find(f"{_W}pPr/{_W}pStyle")
    style = styles.get(style_of.get(f"{_W}val"), "") if style_of is not None else ""
    text = text_of(_runs(element, styles)).strip("\n")
    level = re.fullmatch(r"heading ([1-6])", style)
    if (level or style == "title") and text.strip():
        return "#" * (int(level[1]) if level else 1) + " " + " ".join(text.split("\n")).strip()
    return text


def _runs(element: Any, styles: dict[str, str], italic: bool = False) -> Iterator[Run]:
    for child in element:
        tag = child.tag
        if tag in _SKIPPED or not isinstance(tag, str) or tag.endswith("}Fallback"):
            continue
        if tag == f"{_W}r":
            yield from _runs(child, styles, _is_italic(child.find(f"{_W}rPr"), styles))
        elif tag == f"{_W}t":
            yield Run(child.text or "", italic)
        elif tag == f"{_W}tab":
            yield Run("\t", italic)
        elif tag in (f"{_W}br", f"{_W}cr"):
            if child.get(f"{_W}type") not in ("page", "column"):
                yield Run("\n", italic)
        elif tag == f"{_W}noBreakHyphen":
            yield Run("\u2011", italic)
        elif tag == f"{_W}softHyphen":
            yield Run("\u00ad", italic)
        else:
            yield from _runs(child, styles, italic)


def _is_italic(properties: Any, styles: dict[str, str]) -> bool:
    if properties is None:
        return False
    mark = properties.find(f"{_W}i")
    if mark is not None:
        return mark.get(f"{_W}val") not in _OFF
    style = properties.find(f"{_W}rStyle")
    return style is not None and styles.get(style.get(f"{_W}val"), "") in ("emphasis", "subtle emphasis")


def rendered(story: Story, author: str = "") -> bytes:
    """A Word file with heading styles, italics and centred scene breaks."""
    import docx
    from docx.enum.style import WD_STYLE_TYPE
    from docx.enum.text import WD_ALIGN_PARAGRAPH

    document = docx.Document()
    _describe(document, story, author)
    unmarked = document.styles.add_style(_UNMARKED, WD_STYLE_TYPE.PARAGRAPH)
    unmarked.base_style = document.styles["Heading 1"]
    for block in blocks_of(story):
        style = "Normal"
        if block.kind == "heading":
            style = f"Heading {block.level}" if block.level else _UNMARKED
        paragraph = document.add_paragraph(style=style)
        if block.kind == "break":
            paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
        _add_runs(paragraph, block, reflow=False)
    return _saved(document)


def manuscript(story: Story, author: str = "") -> bytes:
    """Standard manuscript format: 12 pt, double spaced, one inch round, surname, title and page in the header."""
    import docx
    from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING, WD_TAB_ALIGNMENT
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn
    from docx.shared import Inches, Pt

    document = docx.Document()
    _describe(document, story, author)
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = "Times New Roman", Pt(12)
    normal.element.rPr.rFonts.set(qn("w:eastAsia"), "Times New Roman")
    normal.paragraph_format.line_spacing_rule = WD_LINE_SPACING.DOUBLE
    normal.paragraph_format.space_before = normal.paragraph_format.space_after = Pt(0)
    normal.paragraph_format.widow_control = False
    section = document.sections[0]
    section.page_width, section.page_height = Inches(8.5), Inches(11)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Inches(1)
    section.different_first_page_header_footer = True

    header = section.header.paragraphs[0]
    header.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    surname = author.split()[-1] if author.split() else ""
    header.add_run(" / ".join(each for each in (surname, story.title.upper()) if each) + " / ")
    page = OxmlElement("w:fldSimple")
    page.set(qn("w:instr"), "PAGE")
    header._p.append(page)

    def line(text: str, alignment: Any = WD_ALIGN_PARAGRAPH.LEFT) -> Any:
        paragraph = document.add_paragraph(text)
        paragraph.alignment = alignment
        return paragraph

    first = line(author)
    first.paragraph_format.tab_stops.add_tab_stop(Inches(6.5), alignment=WD_TAB_ALIGNMENT.RIGHT)
    first.add_run(f"\tabout {_rounded_words(story.text)} words")
    title = line(story.title.upper() or "UNTITLED", WD_ALIGN_PARAGRAPH.CENTER)
    title.paragraph_format.space_before = Inches(3)
    if author:
        line(f"by {author}", WD_ALIGN_PARAGRAPH.CENTER)
    line("")

    opened = False
    previous: str | None = None
    for block in blocks_of(story):
        paragraph = document.add_paragraph()
        if block.kind == "break":
            line_of = Block("break", 0, (Run("#", False),))
            paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
            _add_runs(paragraph, line_of, reflow=True)
        elif block.kind == "heading":
            paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
            if previous != "heading":
                paragraph.paragraph_format.page_break_before = opened
                paragraph.paragraph_format.space_before = Inches(2) if opened else Pt(0)
            _add_runs(paragraph, block, reflow=True)
        else:
            paragraph.paragraph_format.first_line_indent = Inches(0.5)
            _add_runs(paragraph, block, reflow=True)
            opened = True
        previous = block.kind
    line("END", WD_ALIGN_PARAGRAPH.CENTER)
    return _saved(document)


def _rounded_words(text: str) -> str:
    """The count that editors expect: to the nearest hundred, thousand above 10,000."""
    words = len(text.split())
    step = 1000 if words >= 10_000 else 100
    return f"{max(step, math.floor(words / step + 0.5) * step):,}"


def _describe(document: Any, story: Story, author: str) -> None:
    properties = document.core_properties
    properties.title, properties.author = story.title[:255], author[:255]
    properties.comments = ""
    properties.language = "" if story.language == "other" else story.language


def _add_runs(paragraph: Any, block: Block, reflow: bool) -> None:
    """The runs of a block. A line that was wrapped by hand flows on, one that ends by intent is broken."""
    from docx.oxml import OxmlElement

    wrapped = is_wrapped(block.text)
    for text, italic in block.runs:
        run = paragraph.add_run()
        run.italic = italic or None
        if wrapped and reflow:
            text = re.sub(r"[ \t]*\n[ \t]*", " ", text)
        for number, line in enumerate([text] if wrapped else text.split("\n")):
            if number:
                run.add_break()
            for place, piece in enumerate(line.split("\t")):
                if place:
                    run._r.append(OxmlElement("w:tab"))
                # Set by hand: a line end inside the text shows as a space and comes back as what it is.
                element = OxmlElement("w:t")
                element.text = _allowed(piece)
                element.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
                run._r.append(element)


def _allowed(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return re.sub(r"[\x01-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", text)


def _saved(document: Any) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()
