"""Where a text falls apart: paragraphs, scenes, sentences. What a paragraph holds depends on its own text alone.

A paragraph is a maximal run of non-empty lines; a heading marked `#` and a scene break stand alone even without empty
lines around them. Abbreviations of English and Romanian are known together, whatever the language of the story.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Literal

ParagraphKind = Literal["text", "heading", "break"]

_BREAK = re.compile(
    r"[ \t]*(?:#|\*|⁂|\*(?:[ \t]*\*)+|-(?:[ \t]*-){2,}|_(?:[ \t]*_){2,}|~(?:[ \t]*~){2,}|[•◆❦☙]+)[ \t\r]*"
)
_MARKED = re.compile(r"[ \t]*#{1,6}[ \t]+\S")
_NUMBER_WORDS = """
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen twenty thirty forty fifty first second third fourth fifth last the unu doi trei patru cinci șase şase șapte
    şapte opt nouă zece întâi întîi prima a al
"""
_TITLED = re.compile(
    r"[ \t]*(?:(?:chapter|book|part|volume|act|scene|canto|adventure|letter|stave|"
    r"capitolul|capitol|partea|cartea|volumul|actul|scena)[ \t]+"
    rf"(?:\d+|[ivxlcdm]+|(?:{'|'.join(_NUMBER_WORDS.split())})(?:[ -]\w+)?)(?![\w'’-])(?P<rest>[^\n]*)"
    r"|(?:prologue|epilogue|prolog|epilog|prologul|epilogul|foreword|afterword)[.:]?)[ \t\r]*",
    re.IGNORECASE,
)
_ROMAN = re.compile(r"[ \t]*(?=[IVXLC])(?:XC|XL|L?X{0,3}|C{1,3}(?:XC|XL|L?X{0,3}))(?:IX|IV|V?I{0,3})\.?[ \t\r]*")
_ROMAN_TITLE = re.compile(r"[ \t]*[IVXLC]+[.:][ \t]+\w")
_MARKS = re.compile(r"[ \t]*#{1,6}[ \t]+")


def paragraphs(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """The (start, end) of each paragraph of `text[start:end]`, which must begin and end at borders of lines."""
    found: list[tuple[int, int]] = []
    run: int | None = None
    at, stop = start, len(text) if end is None else end
    last = start
    while at <= stop:
        line_end = text.find("\n", at, stop)
        if line_end < 0:
            line_end = stop
        line = text[at:line_end]
        if not line or line.isspace():
            if run is not None:
                found.append((run, last))
                run = None
        elif line[0] in " \t#*-_~⁂•◆❦☙" and (_BREAK.fullmatch(line) or _MARKED.match(line)):
            if run is not None:
                found.append((run, last))
                run = None
            found.append((at, line_end))
        else:
            if run is None:
                run = at
            last = line_end
        at = line_end + 1
    if run is not None:
        found.append((run, last))
    return found


def kind_of(paragraph: str) -> ParagraphKind:
    """Whether a paragraph is text (or begins with a heading's line: `heading`), or only marks a break."""
    if _BREAK.fullmatch(paragraph):
        return "break"
    return "heading" if _heading_end(paragraph) else "text"


def _heading_end(paragraph: str) -> int:
    """Where the heading's line ends with which a paragraph begins; 0 without one."""
    line = paragraph.split("\n", 1)[0]
    if len(line) > 120:
        return 0
    if _MARKED.match(line) or _ROMAN.fullmatch(line):
        return len(line)
    if line.isupper() and len(line) == len(paragraph) and _ROMAN_TITLE.match(line):
        return len(line)
    titled = _TITLED.fullmatch(line)
    if not titled:
        return 0
    rest = (titled["rest"] or "").strip()
    # "Part one of the plan had failed." is no heading: a title after the number follows a mark, or is no sentence.
    plain = not rest or rest[0] in ".:,—–-)" or (rest[0].isupper() and rest[-1] not in ".!?,;")
    if "\n" in paragraph and re.search(r"[.,;!?—]|--", rest.lstrip(" .:,—–-)")):
        return 0  # "BOOK I. (Folio), CHAPTER I. (Sperm Whale).--This whale," runs on as text
    return len(line) if plain else 0


def scenes(kinds: Sequence[ParagraphKind]) -> list[tuple[int, int]]:
    """The (first, last) paragraph of each scene. A scene holds the headings it begins with; breaks lie between."""
    found: list[tuple[int, int]] = []
    first: int | None = None
    last = -1
    for index, kind in enumerate(kinds):
        opens = kind == "break" or (kind == "heading" and first is not None and kinds[index - 1] != "heading")
        if opens and first is not None:
            found.append((first, last))
            first = None
        if kind != "break":
            first = index if first is None else first
            last = index
    if first is not None:
        found.append((first, last))
    return found


_TITLE_WORDS = """
    mr mrs ms messrs mme mmes mlle mlles dr drs prof rev revd hon capt cpt col gen lieut lt sgt serg sergt maj cmdr
    comdr corp cpl pvt gov sen rep pres supt fr vs viz cf e.g i.e eg ie fig figs vol vols dl dlui d-l d-lui dna d-na
    d-nei dnei dșoara d-șoara d-ra dra d-șoarei dnii d-nii d dv d-v d-tale d-ta sf sfta sft ing av acad arh conf lect pr
    mons str bd cca approx n.b p.s op
"""
_ALSO_WORDS = "gen rep pres corp conf lect fig figs op av pr hon fr str vol vols"  # in small letters words
_EITHER_WORDS = """
    etc a.m p.m am pm jr sr st ste co corp inc ltd bros esq u.s u.k u.s.a u.n d.c b.c a.d m.d ph.d r.n d.hr î.hr s.u.a
    s.a s.r.l ș.a ş.a ș.a.m.d ş.a.m.d ș.c.l ş.c.l ave blvd rd mt ft sec min hr hrs lb lbs oz al dvs d-voastră
"""
_NUMBERED_WORDS = """
    no nos nr pct p pp pag pg p.p ch cap chap art sec par lit alin ver v vv nrs ap et bl sc tel jan feb febr mar apr jun
    jul aug sep sept oct nov dec ian mart iun iul noi ca c
"""
_STARTER_WORDS = """
    a an the this that these those he she it they we you i his her its their our my your there here then when while
    where what who why how if in on at by for from with after before as and but or so yet not no now once one some all
    both each every many most another such to do did does is are was were had has have let please el ea ei ele noi voi
    eu tu acest această acesta aceasta acel aceea acela aceștia acestea apoi atunci când cînd cum dacă dar iar și şi
    însă în din la pe cu de după nu un o unii unul una ce cine unde toți toate deși pentru prin așa aşa acum aici acolo
    s-a l-a i-a și-a sunt era este e mai
"""
_TITLES = frozenset(_TITLE_WORDS.split())  # never end a sentence before a capital
_ALSO = frozenset(_ALSO_WORDS.split())
_EITHER = frozenset(_EITHER_WORDS.split())  # end one where the next word can begin a clause
_NUMBERED = frozenset(_NUMBERED_WORDS.split())  # end none before a number or a Roman numeral
_STARTERS = frozenset(_STARTER_WORDS.split())
_SPEECH_AFTER_NAME = (
    "said|says|cried|cries|asked|asks|replied|answered|exclaimed|whispered|shouted|called|repeated|muttered|murmured|"
    "continued|added|observed|remarked|returned|demanded|inquired|enquired|screamed|yelled|gasped|laughed|sighed|began|"
    "interrupted|thought|went on|roared|snapped|growled|pleaded|declared|ejaculated"
)
_NAME_SAYS = re.compile(
    r"(?:(?:The|My|Our|His|Her)[ \n]+\w+|(?:[^\W\d_][\w’'-]*\.?[ \n]+){0,2}[^\W\d_][\w’'-]*)[ \n]+"
    rf"(?:{_SPEECH_AFTER_NAME})\b"
)
_PRONOUN_FIRST = re.compile(r"(?:He|She|It|They|We|You|I|Then|And|But|So|There|Here|When|What|Who|If|As|At|In|Now)\b")

_CLOSING = "\"”’'»“)\\]}*_"
_END = re.compile(
    r"(?P<mark>\.(?:[ \u00a0]\.)+|[.!?…؟۔]+(?:[ \u00a0][!?]+)*)"
    rf"(?P<close>(?:[{_CLOSING}]|[ \u00a0][”“»](?=\s|$|[,.;:—–-])|\[\d+\])*)"
    r"(?=\s|$|--|[—–])|(?P<wide>[。！？][”’」』）]*)(?=.)",
    re.DOTALL,
)
_LINE_OPENING = re.compile(r"(?<=[.!?…:\"”“»*)])[ \t]*\n(?=[ \t]*[—–―][ \t]*\S)|\n(?=[ \t]*(?:[—–―]|[-*•])[ \t]+\S)")
_ENUMERATION = re.compile(r"\W*(?:\d{1,3}|[IVXLC]{1,5}|[a-zA-Z])\W*")
_ROMAN_WORD = re.compile(r"[IVXLCDM]+\b")
_GAP = 400  # no sentence begins after more marks and white space than these
_INNER_DOTS = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")


def sentences(paragraph: str) -> list[tuple[int, int]]:
    """The (start, end) of each sentence of one paragraph; what lies between and around them holds no letter."""
    kind = kind_of(paragraph)
    if kind == "break":
        return []
    size = len(paragraph)
    begin = 0
    cuts: list[int] = []
    if kind == "heading":
        marks = _MARKS.match(paragraph)
        begin = marks.end() if marks else 0
        cut = _heading_end(paragraph)
        if cut < size:
            cuts.append(cut)
        search_from = cut
    else:
        search_from = 0
    openings = {each.end() for each in _LINE_OPENING.finditer(paragraph, search_from)} if "\n" in paragraph else set()
    cuts.extend(openings)
    last = begin
    borders = sorted(cuts)
    for found in _END.finditer(paragraph, search_from):
        end = found.end()
        if end >= size:
            break
        place = bisect_right(borders, end)
        last = max(last, borders[place - 1]) if place else last
        if _ends(paragraph, found, last):
            cuts.append(end)
            last = end
    return list(_trimmed(paragraph, begin, sorted(set(cuts)), size))


def _trimmed(text: str, begin: int, cuts: list[int], size: int) -> Iterator[tuple[int, int]]:
    """Sentences between the cuts without the white space around them; pieces without a letter join the one before."""
    start: int | None = None
    end = begin
    held: tuple[int, int] | None = None
    for cut in [*cuts, size]:
        piece = text[end:cut]
        inner = piece.strip()
        if inner:
            first = end + len(piece) - len(piece.lstrip())
            last = first + len(inner)
            if any(map(str.isalnum, inner)):
                if held is not None and start is None:
                    yield held
                held = (first, last) if start is None else (start, last)
                start = None
            elif held is not None:
                held = (held[0], last)
            else:  # marks before the first letter
                start = first if start is None else start
        end = cut
    if held is not None:
        yield held
    elif start is not None:
        yield (start, len(text.rstrip()))


def _ends(text: str, found: re.Match[str], last: int) -> bool:
    """Whether the mark that was found ends a sentence which began at `last`."""
    if found["wide"]:
        return True
    at = found.end()
    limit = min(len(text), at + _GAP)
    while at < limit and not text[at].isalnum():
        at += 1
    if at == limit:
        return False
    following = text[at]
    if following.islower():
        return False
    mark, close = found["mark"], found["close"]
    if mark[-1] in "!?…" or len(mark) > 1:
        if close and close[0] in "\"”’'»“" and mark[-1] in "!?" and not text[found.end() : at].strip():
            return not (_NAME_SAYS.match(text, at) and not _PRONOUN_FIRST.match(text, at))
        return True
    if close.strip("*_"):
        return True
    dot = found.start()
    first = dot
    while first > last and dot - first < 24 and (text[first - 1].isalnum() or text[first - 1] in ".-’'"):
        first -= 1
    first = max(first, text.rfind("--", first, dot) + 2) if "--" in text[first:dot] else first
    word = text[first:dot].strip("-’'.")
    if not word:
        return True
    if _ENUMERATION.fullmatch(text, last, dot):  # "1. He came": the number belongs to what follows
        return False
    low = word.lower()
    next_word = _word_at(text, at)
    starter = next_word in ("I", "A") or (next_word.lower() in _STARTERS and not next_word.isupper())
    if low in _EITHER:
        return starter and not (low in ("st", "ste", "mt", "ft") and not _after_capital(text, first))
    if low in _TITLES:
        return starter and word.islower() and low in _ALSO
    if low in _NUMBERED and (following.isdigit() or (_ROMAN_WORD.fullmatch(next_word) and low != "no")):
        return False
    if len(word) == 1 and word.isalpha():
        if word.isupper() and (word != "I" or _after_capital(text, first)):
            return starter and not _after_capital(text, first)
        return not word.islower() or starter or low not in ("d", "p", "v", "n", "c")
    if _INNER_DOTS.fullmatch(word):
        return starter
    return True


def _word_at(text: str, at: int) -> str:
    end = at
    while end < len(text) and (text[end].isalnum() or text[end] in "-’'"):
        end += 1
    word = text[at:end]
    for mark in "’'":
        word = word.split(mark, 1)[0]
    return word


def _after_capital(text: str, first: int) -> bool:
    """Whether the word before the one that begins at `first` has a capital, as a name has."""
    before = text[max(0, first - 30) : first].split()
    return bool(before) and before[-1][:1].isupper() and before[-1][-1:] not in ".!?"
