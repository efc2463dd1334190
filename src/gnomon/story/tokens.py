"""Words and marks of a sentence, with their places, and the form under which a pack's networks know them.

The split is that of the Universal Dependencies treebanks, save that hyphenated words stay whole, as they do in LitBank.
A form is the word with everything folded that means the same to a reader: curly quotes, dashes, Romanian cedillas, î
for â, spelling of before 1904, capitals in which a chapter's first words are set. Positions are those of the text, in
which nothing is changed.
"""

import re
from typing import NamedTuple


class Word(NamedTuple):
    """`text[start:end]`, and the form a network sees."""

    start: int
    end: int
    form: str


_SAME_LENGTH = str.maketrans("’‘‛ʼ`´“”„‟«»″", "'''''" + "'" + '"' * 7)
_ROMANIAN = str.maketrans(
    {"ş": "ș", "ţ": "ț", "Ş": "Ș", "Ţ": "Ț", "â": "î", "Â": "Î", "ĭ": "i", "ŭ": "", "é": "e", "ĕ": "ă"}
)
_DASH = re.compile(r"[-—–―]{2,}|[—–―]")

_LETTER = r"[^\W\d_]"
_ENGLISH_TITLES = (
    "Mr|Mrs|Ms|Messrs|Dr|Prof|St|Col|Capt|Lt|Gen|Sgt|Maj|Rev|Hon|Esq|Jr|Sr|No|Vol|Co|Mt|Ave|vs|etc|viz|cf|Mme|Mlle"
)
_ROMANIAN_TITLES = "d|dl|dlui|dna|dnei|dra|nr|sf|str|prof|dr|ing|col|gen|cap|pag|vol|etc|lt|mr"


def _pattern(titles: str, before: str) -> re.Pattern[str]:
    """Tokens in order of preference."""
    return re.compile(
        rf"""
        (?:{_LETTER}\.){{2,}}                              # U.S., a.m.
        | (?:{titles})\.(?!\w)                             # titles and abbreviations keep their full stop
        | [A-ZĂÂÎȘȚ]\.(?=\s*[A-ZĂÂÎȘȚ])                    # initials
        | \d+(?:[.,:]\d+)*(?:st|nd|rd|th|s)?(?!\w)         # numbers, times, ordinals
        {before}
        | (?:{_LETTER}|\d|[\u0300-\u036f])+(?:['-](?:{_LETTER}|\d|[\u0300-\u036f])+)*
        | \.{{2,}} | … | -{{2,}}|[—–―]+ | !+ | \?+
        | \S
        """,
        re.VERBOSE | re.IGNORECASE if before else re.VERBOSE,
    )


_TOKENS = {
    "en": _pattern(_ENGLISH_TITLES + "|" + _ENGLISH_TITLES.upper(), ""),
    "ro": _pattern(_ROMANIAN_TITLES + "|" + _ROMANIAN_TITLES.title(), ""),
}
_APOSTROPHE_WORD = re.compile(r"'(?:em|tis|twas|twere|twill|til|till|cause|bout|n|un|ere)\b", re.IGNORECASE)
_CONTRACTION = re.compile(r"(?:n't|'(?:s|ll|re|ve|d|m|em))$", re.IGNORECASE)
_CANNOT = re.compile(r"cannot$", re.IGNORECASE)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Romanian clitics: with the hyphen at their end where they lean on the next word, at its head where on the last.
_LEANING_ON = _words(
    "s n m l i mi ți și ne v le te c ce de d într dintr dentr printr pentr pe p pîn cătr dac li ș prim"
)
_LEANING_BACK = _words(
    "l i le o mi ți și se ne vă te mă a au am ai ar aș ați vor va voi voiu veți vom om un ul ului uri urilor lea"
    " s n să său sa v m li ni vi"
)


def fold(text: str, language: str) -> str:
    """`text` as the tokeniser reads it, of the same length: quotes made straight, emphasis marks blanked."""
    folded = text.translate(_SAME_LENGTH)
    if "_" in folded or "*" in folded:
        folded = folded.replace("_", " ").replace("*", " ")
    return folded


def tokenise(text: str, language: str) -> list[Word]:
    """The words and marks of `text`, a sentence."""
    folded = fold(text, language)
    found: list[tuple[int, int]] = []
    for match in _TOKENS.get(language, _TOKENS["en"]).finditer(folded):
        start, end = match.span()
        if end - start == 1 or not folded[start].isalpha():
            found.append((start, end))
        elif language == "ro":
            _split_romanian(folded, start, end, found)
        else:
            _split_english(folded, start, end, found)
    if language != "ro":
        found = _join_apostrophes(folded, found)
    forms = [_form(folded[start:end], language) for start, end in found]
    _lower_capitals(forms)
    return [Word(start, end, form) for (start, end), form in zip(found, forms, strict=True)]


def _split_english(text: str, start: int, end: int, found: list[tuple[int, int]]) -> None:
    """A word, and what is contracted with it: don't is do + n't, she'd've is she + 'd + 've."""
    word = text[start:end]
    cuts: list[int] = []
    if "'" in word:
        while (match := _CONTRACTION.search(word)) and match.start():
            cuts.append(match.start())
            word = word[: match.start()]
    elif _CANNOT.match(word):
        cuts.append(3)
    at = start
    for cut in reversed(cuts):
        found.append((at, start + cut))
        at = start + cut
    found.append((at, end))


def _split_romanian(text: str, start: int, end: int, found: list[tuple[int, int]]) -> None:
    """A word and its clitics: care-l is care + -l, s-a is s- + a; other compounds stay whole."""
    parts = text[start:end].split("-")
    at = start
    position = start
    for number, part in enumerate(parts[:-1]):
        position += len(part)
        here, after = part.lower().translate(_ROMANIAN), parts[number + 1].lower().translate(_ROMANIAN)
        if at + len(part) == position and here in _LEANING_ON:  # the hyphen goes with the clitic before it
            found.append((at, position + 1))
            at = position + 1
        elif after in _LEANING_BACK and position > at:
            found.append((at, position))
            at = position
        position += 1
    if at < end:
        found.append((at, end))


def _join_apostrophes(text: str, found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """`'em` and `'tis` are words, not a quote and a word."""
    if "'" not in text:
        return found
    joined: list[tuple[int, int]] = []
    for span in found:
        if joined and joined[-1][1] == span[0] and text[joined[-1][0] : joined[-1][1]] == "'":
            match = _APOSTROPHE_WORD.match(text, joined[-1][0])
            if match and match.end() == span[1]:
                joined[-1] = (joined[-1][0], span[1])
                continue
        joined.append(span)
    return joined


def _form(word: str, language: str) -> str:
    if _DASH.fullmatch(word):
        return "--"
    if word == "…":
        return "..."
    return word.translate(_ROMANIAN) if language == "ro" else word


def _lower_capitals(forms: list[str]) -> None:
    """A sentence's first words in capitals become ordinary ones, unless all of it is in capitals."""
    words = [number for number, form in enumerate(forms) if form[0].isalpha()]
    if not words or not any(forms[number].islower() for number in words):
        return
    for place, number in enumerate(words):
        form = forms[number]
        if not form.isupper() or (len(form) == 1 and form not in ("A", "I")):
            return
        if len(form) > 1:
            forms[number] = form.capitalize() if place == 0 or len(form) > 3 else form.lower()
