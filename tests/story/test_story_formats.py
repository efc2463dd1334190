"""Files in and out: bytes of plain text, round trips of the rich formats, files of other programs, and bad ones."""

import codecs
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import UserError
from gnomon.story import formats
from gnomon.story.document import Story
from gnomon.story.formats import plain, read, read_bytes, write

STORY = """# Întâia noapte

Ștefan și *Păturică* au plecat la țară. “It is *late*,” he said.  Two spaces & <tags> stay.

***

— Unde te duci?
— Acasă, *zise* ea.

Chapter 2

*A whole paragraph in italics.*

* * *

He had wrapped this line by hand at a width of some seventy characters
so that it runs on into the next one without a break that means anything
at all.

## The End

2 * 3 = 6, and a_b_c 😀 e\u0301 ĭ ŭ \u00a0 «da»"""


@pytest.mark.parametrize("suffix", ["docx", "epub", "html", "fountain", "md", "txt"])
def test_a_round_trip_keeps_text_italics_breaks_and_letters(tmp_path: Path, suffix: str) -> None:
    story = Story.from_text(STORY, title="Nopți")
    path = tmp_path / f"story.{suffix}"
    write(story, path)
    again = read(path)
    assert again.text.removesuffix("\n") == STORY
    assert again.title == ("story" if suffix in ("md", "txt") else "Nopți")
    assert again.paragraphs == story.paragraphs
    assert again.language == story.language


@pytest.mark.parametrize("suffix", ["docx", "epub", "html", "fountain"])
@settings(max_examples=10, deadline=None)
@given(
    paragraphs=st.lists(
        st.lists(
            st.sampled_from(
                ["Ana", "ține", "*mere*", "*două mere*", "“Da,”", "<b>", "&amp;", "#1", "x.", "2*3", "INT.", "!"]
            ),
            min_size=1,
            max_size=6,
        ).map(" ".join),
        min_size=1,
        max_size=4,
    )
)
def test_any_paragraphs_come_back(suffix: str, paragraphs: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    text = "\n\n".join(paragraphs)
    path = tmp_path_factory.mktemp("round") / f"x.{suffix}"
    write(Story.from_text(text), path)
    assert read(path).text.removesuffix("\n") == text


LINES = st.lists(st.sampled_from(["a", "ș", "Mr. X.", "", " ", "\n", "\r\n", "\r", "\n\n", "😀"]), max_size=20).map(
    "".join
)


@settings(max_examples=200, deadline=None)
@given(LINES, st.sampled_from(["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-32-le"]))
def test_unchanged_text_gives_the_same_bytes(text: str, encoding: str) -> None:
    marks = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE, "utf-32-le": codecs.BOM_UTF32_LE}
    data = marks.get(encoding, b"") + text.encode(encoding)
    if encoding not in ("utf-8", "utf-8-sig") and not text:
        return  # a mark alone: which one is not decided
    story = read_bytes(data, "x.md")
    assert "\r" not in story.text
    assert not story.text.startswith("\ufeff")
    assert plain.rendered(story) == data


def test_line_ends_are_remembered_through_edits() -> None:
    story = read_bytes(b"One.\r\n\r\nTwo.\r\n", "x.txt")
    assert (story.text, story.newline) == ("One.\n\nTwo.\n", "\r\n")
    assert plain.rendered(story.edit(4, 4, "\nMore.")) == b"One.\r\nMore.\r\n\r\nTwo.\r\n"
    mixed = read_bytes(b"One.\r\nTwo.\nThree.\r\n", "x.txt")
    assert plain.rendered(mixed.edit(0, 3, "1")) == b"1.\r\nTwo.\nThree.\r\n"
    assert plain.rendered(mixed.edit(0, 3, "1\n2")) == b"1\r\n2.\r\nTwo.\r\nThree.\r\n"


def test_another_encoding_is_asked_for_and_never_guessed() -> None:
    data = "Ștefan a plecat.".replace("Ș", "Ş").encode("cp1250")
    with pytest.raises(UserError, match="--encoding"):
        read_bytes(data, "x.txt")
    story = read_bytes(data, "x.txt", "cp1250")
    assert story.text == "Ştefan a plecat."
    assert plain.rendered(story) == data
    assert plain.rendered(story.edit(0, 1, "Ș")) == "Ștefan a plecat.".encode()  # cp1250 has no such letter
    with pytest.raises(UserError, match="no such encoding"):
        read_bytes(data, "x.txt", "klingon")
    with pytest.raises(UserError, match="not ascii"):
        read_bytes(data, "x.txt", "ascii")
    with pytest.raises(UserError, match="leave --encoding out"):
        read_bytes(data, "x.docx", "cp1250")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.txt", b"a\x00b", "NUL"),
        ("x.html", b"<p>a\x00b</p>", "NUL"),
        ("x.md", b"\xff\xfea", "utf-16"),
        ("x.md", "a\ud800".encode("utf-8", "surrogatepass"), "not UTF-8"),
        ("x.pdf", b"%PDF", ".docx"),
        ("x", b"a", "a story is a"),
        ("x.docx", b"no zip", "not a zip archive"),
        ("x.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "encrypted"),
        ("x.epub", b"PK\x05\x06" + bytes(18), "META-INF/container.xml"),
        ("x.docx", b"PK\x05\x06" + bytes(18), "word/document.xml"),
    ],
)
def test_what_is_no_story_is_refused_in_one_sentence(name: str, data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read_bytes(data, name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_folders_and_unwritable_places_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read(tmp_path / "none.md")
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(UserError, match="folder"):
        read(tmp_path / "folder.md")
    with pytest.raises(UserError, match="cannot be written"):
        write(Story.from_text("x"), tmp_path / "none" / "x.md")
    with pytest.raises(UserError, match="none of md"):
        write(Story.from_text("x"), tmp_path / "x.pdf")


def test_more_text_than_a_story_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "LARGEST", 10)
    assert read_bytes(b"0123456789", "x.txt").text == "0123456789"
    with pytest.raises(UserError, match="more than a story has"):
        read_bytes(b"0123456789a", "x.txt")


# Zip files of other programs.
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'


def zipped(members: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def document(body: str, **more: str) -> bytes:
    return zipped({"word/document.xml": f"<w:document {W} {R}><w:body>{body}</w:body></w:document>", **more})


def test_a_word_file_of_another_program(no_network: None) -> None:
    body = """
      <w:p><w:pPr><w:pStyle w:val="Titlu1"/></w:pPr><w:r><w:t>Unu</w:t></w:r></w:p>
      <w:p><w:r><w:t xml:space="preserve">He </w:t></w:r>
        <w:ins><w:r><w:t>never </w:t></w:r></w:ins><w:del><w:r><w:delText>always </w:delText></w:r></w:del>
        <w:r><w:rPr><w:i/></w:rPr><w:t xml:space="preserve">real</w:t></w:r>
        <w:r><w:rPr><w:i w:val="1"/></w:rPr><w:t xml:space="preserve">ly </w:t></w:r>
        <w:r><w:rPr><w:i w:val="0"/></w:rPr><w:t>went</w:t></w:r><w:r><w:br/><w:t>home</w:t></w:r><w:r><w:br w:type="page"/></w:r></w:p>
      <w:p/>
      <w:tbl><w:tr><w:tc><w:p><w:r><w:t>In a cell.</w:t></w:r></w:p></w:tc></w:tr></w:tbl>
      <w:p><w:hyperlink r:id="rId9"><w:r><w:t>A link</w:t></w:r></w:hyperlink><w:r><w:rPr><w:rStyle w:val="Acc"/></w:rPr><w:t>!</w:t></w:r></w:p>
      <w:sdt><w:sdtContent><w:p><w:r><w:t>Held.</w:t></w:r></w:p></w:sdtContent></w:sdt>
    """
    styles = f"""<w:styles {W}><w:style w:styleId="Titlu1"><w:name w:val="heading 1"/></w:style>
      <w:style w:styleId="Acc"><w:name w:val="Emphasis"/></w:style></w:styles>"""
    links = """<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
      <Relationship Id="rId9" TargetMode="External" Type="x/hyperlink" Target="http://example.com/"/>
      <Relationship Id="rId8" TargetMode="External" Type="x/attachedTemplate" Target="http://example.com/t.dotm"/></Relationships>"""
    data = document(body, **{"word/styles.xml": styles, "word/_rels/document.xml.rels": links})
    story = read_bytes(data, "manuscript.docx")
    assert story.text == "# Unu\n\nHe never *really* went\nhome\n\nIn a cell.\n\nA link*!*\n\nHeld."
    assert story.title == "manuscript"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file was followed to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


BOMB = f"""<!DOCTYPE w [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>
<w:document {W}><w:body><w:p><w:r><w:t>&b;</w:t></w:r></w:p></w:body></w:document>"""
OUTSIDE = f"""<!DOCTYPE w [<!ENTITY a SYSTEM "file:///etc/hostname">]>
<w:document {W}><w:body><w:p><w:r><w:t>&a;</w:t></w:r></w:p></w:body></w:document>"""


@pytest.mark.parametrize("content", [BOMB, OUTSIDE, OUTSIDE.encode("utf-16")])
def test_entities_are_refused(content: str | bytes, no_network: None) -> None:
    with pytest.raises(UserError, match="entities"):
        read_bytes(zipped({"word/document.xml": content}), "x.docx")


@pytest.mark.parametrize("member", ["word/document.xml", "word/media/image1.bmp"])
def test_a_zip_bomb_is_refused_before_it_is_opened(member: str) -> None:
    members = {"word/document.xml": f"<w:document {W}><w:body/></w:document>", member: bytes(50 * 2**20)}
    with pytest.raises(UserError, match="would grow to 50 MB"):
        read_bytes(zipped(members), "x.docx")


def test_a_member_that_is_larger_than_it_says_is_refused() -> None:
    data = bytearray(document("<w:p><w:r><w:t>Text.</w:t></w:r></w:p>" * 50))
    place = data.rindex(b"PK\x01\x02")
    data[place + 24 : place + 28] = (10).to_bytes(4, "little")  # its size unpacked
    with pytest.raises(UserError, match="damaged"):
        read_bytes(bytes(data), "x.docx")


def test_encrypted_members_and_broken_xml_are_refused() -> None:
    data = bytearray(document("<w:p/>"))
    place = data.rindex(b"PK\x01\x02")
    data[place + 8] |= 1
    with pytest.raises(UserError, match="encrypted"):
        read_bytes(bytes(data), "x.docx")
    with pytest.raises(UserError, match="no XML"):
        read_bytes(zipped({"word/document.xml": "<w:p>"}), "x.docx")
    with pytest.raises(UserError, match="no body"):
        read_bytes(zipped({"word/document.xml": "<p/>"}), "x.docx")


def book(chapters: dict[str, str], **more: str) -> bytes:
    items = "".join(
        f'<item id="i{n}" href="{name}" media-type="application/xhtml+xml"/>' for n, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="i{n}"/>' for n in reversed(range(len(chapters))))
    package = f"""<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="2.0">
      <metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title> A  Book </dc:title></metadata>
      <manifest>{items}</manifest><spine toc="ncx">{spine}</spine></package>"""
    container = """<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
      <rootfile full-path="OPS/b.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
    inside = {f"OPS/{name.replace('%20', ' ')}": content for name, content in chapters.items() if "://" not in name}
    return zipped({"META-INF/container.xml": container, "OPS/b.opf": package, **inside, **more})


def test_a_book_of_another_program_in_the_order_of_its_spine(no_network: None) -> None:
    first = """<?xml version="1.0" encoding="UTF-8"?>
      <!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd">
      <html><head><title>no</title><style>p {}</style></head><body><h2>Doi</h2><p>Caf&eacute; &#537;i&nbsp;ap&#259;.</p>
      <img src="http://example.com/x.png"/><script>alert(1)</script><hr/><p>The <i>Pequod</i>
        sailed<br/>home.</p></body></html>"""
    data = book({"a%20b.xhtml": first, "http://example.com/c.xhtml": "", "c.xhtml": "<p>Unu.</p>"})
    story = read_bytes(data, "x.epub")
    assert story.text == "Unu.\n\n## Doi\n\nCafé și\u00a0apă.\n\n***\n\nThe *Pequod*\nsailed\nhome."
    assert story.title == "A Book"


def test_a_book_that_lacks_a_chapter_or_is_protected_is_refused() -> None:
    whole = {"a.xhtml": "<p>A.</p>"}
    lock = """<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><e:EncryptedData xmlns:e="x"><e:CipherData>
      <e:CipherReference URI="OPS/a.xhtml"/></e:CipherData></e:EncryptedData></encryption>"""
    with pytest.raises(UserError, match="copy protection"):
        read_bytes(book(whole, **{"META-INF/encryption.xml": lock}), "x.epub")
    fonts = lock.replace("OPS/a.xhtml", "OPS/font.otf")
    assert read_bytes(book(whole, **{"META-INF/encryption.xml": fonts}), "x.epub").text == "A."
    data = book({"a.xhtml": "<p>A.</p>"}).replace(b"OPS/a.xhtml", b"OPS/b.xhtml")
    with pytest.raises(UserError, match="missing"):
        read_bytes(data, "x.epub")


def test_html_of_another_program() -> None:
    source = """<title>My &amp; Story</title><nav><p>Menu</p></nav><div>Loose <span style="font-style: italic">words</span>
      <p>One<p>Two <em>half </em>open</div><pre>a
  b</pre><ul><li>x<li>y</ul><h1>Big
 one</h1>A<br><br>B &#0; &lt;i&gt;"""
    story = read_bytes(source.encode(), "x.html")
    assert story.title == "My & Story"
    assert story.text == ("Loose *words*\n\nOne\n\nTwo *half* open\n\na\nb\n\nx\n\ny\n\n# Big one\n\nA\n\nB \ufffd <i>")


def test_html_may_declare_its_encoding() -> None:
    page = '<meta charset="iso-8859-2"><p>Ştefan</p>'.encode("iso-8859-2")
    assert read_bytes(page, "x.htm").text == "Ştefan"
    with pytest.raises(UserError, match="--encoding"):
        read_bytes(page.replace(b"iso-8859-2", b""), "x.htm")


SCREENPLAY = """Title:
    **The Whale**
Credit: by

FADE IN:

.BINOCULARS

INT. CABIN - NIGHT #12#

# Act One

AHAB (V.O.)
(softly)
Have you *seen* him?

= What happens.

@McCoy ^
Aye.
No.

> THE END <

!SHOUTING LINE
is action. [[a note]]

/* left
out */
He sails.
"""


def test_a_screenplay() -> None:
    story = read_bytes(SCREENPLAY.encode(), "x.fountain")
    assert story.title == "The Whale"
    assert story.text == (
        "FADE IN:\n\n## BINOCULARS\n\n## INT. CABIN - NIGHT\n\n# Act One\n\n"
        "AHAB (V.O.) (softly): “Have you *seen* him?”\n\nMcCoy: “Aye.\nNo.”\n\nTHE END\n\n"
        "SHOUTING LINE\nis action. \n\nHe sails."
    )
    again = read_bytes(formats.fountain.rendered(story), "x.fountain")
    assert again.text == story.text
    assert "INT. CABIN - NIGHT\n" in formats.fountain.rendered(story).decode()


def test_a_manuscript_in_standard_format(tmp_path: Path) -> None:
    docx = pytest.importorskip("docx")
    story = Story.from_text(STORY + "\n\n" + "word " * 12_400, title="Nopți")
    write(story, tmp_path / "m.docx", "shunn", author="Ana Maria Pop")
    made = docx.Document(str(tmp_path / "m.docx"))
    lines = [each.text for each in made.paragraphs]
    assert lines[0] == "Ana Maria Pop\tabout 12,000 words"
    assert lines[1:3] == ["NOPȚI", "by Ana Maria Pop"]
    assert lines[-1] == "END"
    assert lines.count("#") == 2
    section = made.sections[0]
    assert section.header.paragraphs[0].text == "Pop / NOPȚI / "
    assert "PAGE" in section.header.paragraphs[0]._p.xml
    assert section.different_first_page_header_footer
    normal = made.styles["Normal"]
    assert (normal.font.size.pt, normal.paragraph_format.line_spacing) == (12, 2)
    assert any("seventy characters so that it runs" in line for line in lines)
    italic = [run.text for each in made.paragraphs for run in each.runs if run.italic]
    assert "Păturică" in italic
    heading = next(each for each in made.paragraphs if each.text == "Chapter 2")
    assert heading.paragraph_format.page_break_before


def test_an_epub_is_what_readers_expect(tmp_path: Path) -> None:
    etree = pytest.importorskip("lxml.etree")
    write(Story.from_text(STORY, title="A & B"), tmp_path / "x.epub", author="N <N>")
    with zipfile.ZipFile(tmp_path / "x.epub") as archive:
        first = archive.infolist()[0]
        assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        assert archive.read("mimetype") == b"application/epub+zip"
        names = [each for each in archive.namelist() if each.startswith("EPUB/chapter")]
        assert len(names) == 3
        for name in archive.namelist():
            if name.endswith((".xhtml", ".opf", ".xml")):
                etree.fromstring(archive.read(name))
        assert "Întâia noapte" in archive.read("EPUB/nav.xhtml").decode()


@pytest.mark.parametrize("render", [formats.docx.rendered, formats.html.rendered, formats.epub.rendered])
def test_an_empty_story_can_be_written(render: Callable[[Story, str], bytes]) -> None:
    suffix = render.__module__.rsplit(".", 1)[1]
    assert read_bytes(render(Story.from_text(""), ""), f"x.{suffix}").text == ""
