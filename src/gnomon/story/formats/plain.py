"""Text as bytes: UTF-8 or what a byte order mark says, line ends of any kind, and both given back as they were."""

import codecs
import re
from collections import Counter

from gnomon.errors import UserError
from gnomon.story.document import Story

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_LINE_END = re.compile("\r\n|\r|\n")
_SHORT = {"\n": "n", "\r\n": "w", "\r": "m"}
_LONG = {short: long for long, short in _SHORT.items()}


def decoded(data: bytes, name: str, encoding: str | None = None) -> tuple[str, str]:
    """The text of `data` without its byte order mark, and its encoding (`utf-8-sig`: UTF-8 with a mark).

    UTF-8 first, then the encoding of a byte order mark; any other has to be named.
    """
    if encoding is not None:
        try:
            text = data.decode(encoding)
        except LookupError:
            raise UserError(
                f"--encoding {encoding}: there is no such encoding; cp1250 or latin2 are examples"
            ) from None
        except UnicodeError as error:
            raise UserError(f"{name} is not {encoding}: {error}") from None
        return (text.removeprefix("\ufeff"), "utf-8-sig" if _is_utf8(encoding) and text[:1] == "\ufeff" else encoding)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        for mark, marked in _MARKS:
            if data.startswith(mark):
                try:
                    return data[len(mark) :].decode(marked), f"{marked}-sig"
                except UnicodeError:
                    raise UserError(
                        f"{name} begins as {marked} but is not; name its encoding with --encoding"
                    ) from None
        raise UserError(
            f"{name} is not UTF-8 (byte {error.start}); name its encoding with --encoding, for example cp1250 or cp1252"
        ) from None
    return (text[1:], "utf-8-sig") if text[:1] == "\ufeff" else (text, "utf-8")


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def encoded(text: str, encoding: str) -> bytes:
    """The inverse of `decoded`; UTF-8 where the text has come to hold letters that the encoding has not."""
    for mark, marked in _MARKS:
        if encoding == f"{marked}-sig":
            return mark + text.encode(marked)
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode()


def unix_lines(text: str) -> tuple[str, str]:
    """The text with line ends that are all `\\n`, and how they were.

    That is the one line end a file has; for a file that mixes them, `mixed:` and the end of each line as one letter.
    """
    ends = _LINE_END.findall(text) if "\r" in text else []
    if not ends:
        return text, "\n"
    kinds = set(ends)
    newline = kinds.pop() if len(kinds) == 1 else "mixed:" + "".join(_SHORT[each] for each in ends)
    return _LINE_END.sub("\n", text), newline


def file_lines(text: str, newline: str) -> str:
    """The inverse of `unix_lines`; a mixed file that has other lines now gets its most frequent line end for all."""
    if newline == "\n":
        return text
    if not newline.startswith("mixed:"):
        return text.replace("\n", newline)
    letters = newline.removeprefix("mixed:")
    lines = text.split("\n")
    if len(lines) != len(letters) + 1:
        letters = Counter(letters).most_common(1)[0][0] * (len(lines) - 1)
    return "".join(line + _LONG[letter] for line, letter in zip(lines, letters, strict=False)) + lines[-1]


def rendered(story: Story, author: str = "") -> bytes:
    """The bytes of a .txt or .md file; those it was read from where it is unchanged."""
    return encoded(file_lines(story.text, story.newline), story.encoding)
