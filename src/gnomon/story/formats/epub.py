"""EPUB in (2 and 3) and out (3): a zip file of XHTML chapters in the order of its spine."""

import hashlib
import io
import posixpath
import uuid
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from urllib.parse import unquote, urlsplit

from gnomon.errors import UserError
from gnomon.story.document import Story
from gnomon.story.formats import html
from gnomon.story.formats.archive import Archive
from gnomon.story.formats.blocks import Block, blocks_of, joined

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_READABLE = ("application/xhtml+xml", "text/html", "application/xml")


def parsed(data: bytes, name: str) -> tuple[str, str]:
    """The text of the chapters in reading order, and the book's title. Chapters that lie elsewhere are not fetched."""
    archive = Archive(data, name, "epub")
    roots = archive.xml(_CONTAINER).findall(".//{*}rootfile")
    if not roots or not roots[0].get("full-path"):
        raise UserError(f"{name} is no epub file: {_CONTAINER} names no package")
    package_path = roots[0].get("full-path")
    package = archive.xml(package_path)
    folder = posixpath.dirname(package_path)
    manifest = {item.get("id"): item for item in package.findall(".//{*}manifest/{*}item")}
    encrypted = _encrypted(archive)
    texts = []
    for reference in package.findall(".//{*}spine/{*}itemref"):
        item = manifest.get(reference.get("idref"))
        if item is None or item.get("media-type") not in _READABLE or "nav" in (item.get("properties") or "").split():
            continue
        link = urlsplit(item.get("href") or "")
        if link.scheme or link.netloc:
            continue
        member = posixpath.normpath(posixpath.join(folder, unquote(link.path)))
        if member in encrypted:
            raise UserError(f"{name} is encrypted (copy protection); a book without it is needed")
        if member not in archive:
            raise UserError(f"{name} is damaged: its chapter {member} is missing")
        texts.append(html.parsed(html.decoded(archive.read(member), f"{name}: {member}"))[0])
    title = package.find(".//{*}metadata/{http://purl.org/dc/elements/1.1/}title")
    return joined(texts), " ".join((title.text or "").split()) if title is not None else ""


def _encrypted(archive: Archive) -> set[str]:
    if _ENCRYPTION not in archive:
        return set()
    return {unquote(each.get("URI") or "") for each in archive.xml(_ENCRYPTION).iter("{*}CipherReference")}


def rendered(story: Story, author: str = "") -> bytes:
    """An EPUB 3 book: a file for each chapter, a table of contents."""
    language = "und" if story.language == "other" else story.language
    title = story.title or "Untitled"
    chapters = _chapters(blocks_of(story))
    names = [f"chapter-{number:04d}.xhtml" for number in range(1, len(chapters) + 1)]
    headings = [
        next((block.text.split("\n")[0] for block in each if block.kind == "heading"), title) for each in chapters
    ]
    identifier = uuid.UUID(hashlib.sha256(f"{title}\n{story.text}".encode()).hexdigest()[:32], version=4)
    items = "".join(
        f'<item id="c{number}" href="{name}" media-type="application/xhtml+xml"/>\n'
        for number, name in enumerate(names)
    )
    spine = "".join(f'<itemref idref="c{number}"/>\n' for number in range(len(names)))
    creator = f"<dc:creator>{escape(author)}</dc:creator>\n" if author else ""
    package = (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" '
        f'xml:lang="{escape(language)}">\n'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">\n'
        f'<dc:identifier id="id">urn:uuid:{identifier}</dc:identifier>\n<dc:title>{escape(title)}</dc:title>\n{creator}'
        f"<dc:language>{escape(language)}</dc:language>\n"
        f'<meta property="dcterms:modified">{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}</meta>\n</metadata>\n'
        '<manifest>\n<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>\n'
        f'<item id="style" href="style.css" media-type="text/css"/>\n{items}</manifest>\n'
        f"<spine>\n{spine}</spine>\n</package>\n"
    )
    links = "\n".join(
        f'<li><a href="{name}">{escape(heading, quote=False)}</a></li>'
        for name, heading in zip(names, headings, strict=True)
    )
    contents = f'<nav epub:type="toc"><h1>{escape(title, quote=False)}</h1>\n<ol>\n{links}\n</ol></nav>'
    members = {
        _CONTAINER: (
            '<?xml version="1.0"?>\n<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
            '<rootfiles><rootfile full-path="EPUB/package.opf" media-type="application/oebps-package+xml"/></rootfiles>'
            "</container>\n"
        ),
        "EPUB/package.opf": package,
        "EPUB/nav.xhtml": _page(title, language, contents),
        "EPUB/style.css": html.STYLE,
    }
    for name, heading, chapter in zip(names, headings, chapters, strict=True):
        members[f"EPUB/{name}"] = _page(heading, language, "\n".join(map(html.block_html, chapter)))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        # The first member is stored: readers find the type at a fixed place.
        archive.writestr(zipfile.ZipInfo("mimetype"), "application/epub+zip", zipfile.ZIP_STORED)
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _chapters(blocks: Iterable[Block]) -> list[list[Block]]:
    """Blocks from heading to heading; headings that follow each other open one chapter."""
    chapters: list[list[Block]] = [[]]
    for block in blocks:
        if block.kind == "heading" and chapters[-1] and chapters[-1][-1].kind != "heading":
            chapters.append([])
        chapters[-1].append(block)
    return chapters


def _page(title: str, language: str, body: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" '
        f'lang="{escape(language)}" xml:lang="{escape(language)}">\n'
        f"<head>\n<title>{escape(title, quote=False)}</title>\n"
        f'<link rel="stylesheet" type="text/css" href="style.css"/>\n</head>\n<body>\n{body}\n</body>\n</html>\n'
    )
