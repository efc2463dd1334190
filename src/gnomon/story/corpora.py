"""The texts that packs are trained on and scored with: treebanks in CoNLL-U, and LitBank's annotated fiction.

Both are read as sentences of plain text with spans, then laid on the words of `tokens.tokenise`, so that training sees
exactly what reading a story gives.
"""

import json
import lzma
import re
from collections.abc import Iterator
from typing import NamedTuple

from gnomon import data
from gnomon.story.tokens import Word, tokenise


class Parsed(NamedTuple):
    """A sentence with its grammar, one entry a word. `heads` are word indices, a root's its own."""

    document: str
    words: list[Word]
    lemmas: list[str]
    pos: list[str]
    morphs: list[str]
    heads: list[int]
    deps: list[str]


class Annotated(NamedTuple):
    """A sentence of a novel: entities as (first word, last word, label), events as word indices.

    `quoted` says of each word whether it stands inside quoted speech.
    """

    work: str
    text: str
    words: list[Word]
    entities: list[tuple[int, int, str]]
    events: list[int]
    quoted: list[bool]


TREEBANKS = {"en": ("ewt",), "ro": ("rrt", "nonstandard")}
KEPT_RELATIONS = frozenset({"nsubj:pass", "aux:pass", "obl:agent", "nmod:poss", "acl:relcl"})
"""Relations kept with their subtype; of the others only what stands before the colon."""

_LEFT_OUT = ("_", "Abbr=", "Typo=", "Style=", "ExtPos=", "Foreign=", "NumForm=", "Variant=", "AdpType=", "PartType=")
"""Features that nothing in a story is read by."""


def read_treebank(name: str, part: str) -> list[Parsed]:
    """Sentences of part `train`, `dev` or `test` of treebank `ewt`, `rrt` or `nonstandard`."""
    language = "en" if name in TREEBANKS["en"] else "ro"
    content = lzma.decompress(data.read_bytes(f"ud/{name}/{part}")).decode("utf-8")
    return [each for each in _sentences(content, language) if each.words]


def _sentences(content: str, language: str) -> Iterator[Parsed]:
    document = ""
    for number, block in enumerate(content.split("\n\n")):
        text, rows, joined = "", [], []
        for line in block.splitlines():
            if line.startswith("# newdoc"):
                document = line.partition("=")[2].strip() or f"{number}"
            elif line.startswith("# text ="):
                text = line[len("# text =") :].strip()
            elif line and not line.startswith("#"):
                fields = line.split("\t")
                if "-" in fields[0]:
                    joined.append(fields)
                elif "." not in fields[0]:
                    rows.append(fields)
        if rows:
            yield _project(document, text, rows, joined, language)


def _project(document: str, text: str, rows: list[list[str]], joined: list[list[str]], language: str) -> Parsed:
    """The grammar of a treebank's words on ours: of several in one of ours, the one that governs the others counts."""
    surfaces: dict[int, tuple[int, str]] = {}
    for fields in joined:
        begins, _, ends = fields[0].partition("-")
        surfaces[int(begins)] = (int(ends), fields[1])
    spans: list[tuple[int, int]] = []
    at, number = 0, 1
    while number <= len(rows):
        last, surface = surfaces.get(number, (number, rows[number - 1][1]))
        start = text.find(surface, at)
        start = at if start < 0 else start
        inner = start
        for each in range(number, last + 1):
            size = len(rows[each - 1][1])
            end = start + len(surface) if each == last else min(inner + size, start + len(surface))
            spans.append((inner, end))
            inner = end
        at, number = start + len(surface), last + 1
    words = tokenise(text, language)
    if not words:
        return Parsed(document, [], [], [], [], [], [])
    owner: list[int] = []  # of each treebank word, ours that holds its middle
    place = 0
    for start, _ in spans:
        while place + 1 < len(words) and words[place].end <= start:
            place += 1
        owner.append(place)
    members: list[list[int]] = [[] for _ in words]
    for row, ours in enumerate(owner):
        members[ours].append(row)
    heads_of_rows = [int(fields[6]) - 1 for fields in rows]
    lemmas, pos, morphs, heads, deps = [], [], [], [], []
    for ours in range(len(words)):
        if not members[ours]:  # a piece of a treebank's word: hangs on the piece before it
            lemmas.append(words[ours].form.lower())
            mark = not words[ours].form[0].isalnum()
            pos.append("PUNCT" if mark else "X")
            morphs.append("")
            heads.append(max(ours - 1, 0))
            deps.append(("punct" if mark else "dep") if ours else "root")
            continue
        chosen = members[ours][0]
        for row in members[ours]:
            if heads_of_rows[row] < 0 or owner[heads_of_rows[row]] != ours:
                chosen = row
                break
        fields = rows[chosen]
        head = heads_of_rows[chosen]
        single = len(members[ours]) == 1
        lemmas.append(fields[2] if single else words[ours].form.lower())
        pos.append(fields[3])
        morphs.append("|".join(part for part in fields[5].split("|") if not part.startswith(_LEFT_OUT)))
        heads.append(ours if head < 0 else owner[head])
        relation = fields[7] if fields[7] in KEPT_RELATIONS else fields[7].partition(":")[0]
        deps.append("root" if head < 0 else relation)
    for ours, head in enumerate(heads):
        if head == ours:
            deps[ours] = "root"
    if _has_cycle(heads):
        return Parsed(document, [], [], [], [], [], [])
    return Parsed(document, words, lemmas, pos, morphs, heads, deps)


def _has_cycle(heads: list[int]) -> bool:
    """Whether following the heads from some word never comes to a root."""
    for word in range(len(heads)):
        steps = 0
        while heads[word] != word:
            word, steps = heads[word], steps + 1
            if steps > len(heads):
                return True
    return False


# -- LitBank ---------------------------------------------------------------------------------------------------------

PLACES = frozenset({"FAC", "GPE", "LOC", "VEH"})


def read_litbank(part: str) -> list[Annotated]:
    """Sentences of LitBank's part `train` or `dev`, in the order of their works."""
    lines = data.read_bytes(f"litbank/annotated/{part}").decode("utf-8").splitlines()
    return [sentence for line in lines for sentence in _work(json.loads(line))]


def _work(stored: dict[str, str]) -> Iterator[Annotated]:
    sentences = _columns(stored["entities_tsv"])
    events = _columns(stored["events_tsv"])
    kinds = _mention_kinds(stored["coref_ann"])
    quoted = _quoted_tokens(stored["quotations_ann"])
    numbers = _sentence_starts(stored["text_txt"])
    position = 0
    for rows, told in zip(sentences, events, strict=True):
        tokens = [row[0] for row in rows]
        text, spans = detokenise(tokens)
        words = tokenise(text, "en")
        at_word = _word_at(words, spans)
        entities = []
        for first, last, label in _spans(rows):
            kind = kinds.get((*numbers[position + first], last - first))
            side = "PERSON" if label == "PER" else "PLACE" if label in PLACES else None
            if side is None or kind is None:
                continue
            first, last = base_noun_phrase(tokens, first, last, keep_of=kind == "PROP")
            if kind == "NOM" and not _all_capitals(tokens, first, last):
                side += "_NOMINAL"
            entities.append((at_word[first][0], at_word[last][1], side))
        yield Annotated(
            stored["work"],
            text,
            words,
            _innermost(entities),
            [at_word[number][0] for number, row in enumerate(told) if row[1] == "EVENT"],
            _by_word(words, spans, [numbers[position + number] in quoted for number in range(len(tokens))]),
        )
        position += len(tokens)


def _columns(text: str) -> list[list[list[str]]]:
    return [[line.split("\t") for line in block.split("\n") if line] for block in re.split(r"\n\s*\n", text) if block]


def _sentence_starts(text: str) -> list[tuple[int, int]]:
    """Of every token of the work, its (sentence, token) in the coreference files."""
    lines = text.splitlines()
    return [(row, column) for row, line in enumerate(lines) for column in range(len(line.split()))]


def _mention_kinds(text: str) -> dict[tuple[int, int, int], str]:
    """PROP, NOM or PRON by sentence, first token and length less one."""
    kinds = {}
    for line in text.splitlines():
        fields = line.split("\t")
        if fields[0] == "MENTION":
            kinds[(int(fields[2]), int(fields[3]), int(fields[5]) - int(fields[3]))] = fields[8]
    return kinds


def _quoted_tokens(text: str) -> set[tuple[int, int]]:
    """(sentence, token) of all that is inside quoted speech; a range over sentences takes all between."""
    found: set[tuple[int, int]] = set()
    for line in text.splitlines():
        fields = line.split("\t")
        if fields[0] == "QUOTE":
            first, start, last, end = (int(each) for each in fields[2:6])
            for sentence in range(first, last + 1):
                low = start if sentence == first else 0
                high = end if sentence == last else 10_000
                found.update((sentence, token) for token in range(low, min(high, low + 1000) + 1))
    return found


def _spans(rows: list[list[str]]) -> Iterator[tuple[int, int, str]]:
    """Every entity of every layer as (first, last, label)."""
    for layer in range(1, max(len(row) for row in rows)):
        first, label = -1, ""
        for number, row in enumerate([*rows, ["", *["O"] * 9]]):
            tag = row[layer] if layer < len(row) and row[layer] else "O"
            if first >= 0 and (tag[0] != "I" or tag[2:] != label):
                yield first, number - 1, label
                first = -1
            if tag[0] == "B":
                first, label = number, tag[2:]


def _innermost(entities: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Spans that do not overlap: of two that do, the shorter, and a name before a noun."""
    taken: set[int] = set()
    kept = []
    for first, last, label in sorted(set(entities), key=lambda each: (each[2].endswith("NOMINAL"), each[1] - each[0])):
        if taken.isdisjoint(range(first, last + 1)):
            taken.update(range(first, last + 1))
            kept.append((first, last, label))
    return sorted(kept)


_CLOSES_PHRASE = frozenset(
    re.split(
        " ", "who whom whose which that of in on at with from by to for as where when , ; : -- — ( - and or but than"
    )
)


def base_noun_phrase(tokens: list[str], first: int, last: int, *, keep_of: bool = False) -> tuple[int, int]:
    """The noun phrase from `first` cut before a clause or a phrase that follows its noun; names keep theirs with of."""
    for number in range(first + 1, last + 1):
        word = tokens[number].lower()
        if word in _CLOSES_PHRASE and not (keep_of and word in ("of", "and", "-", "by", "on", "in")):
            return first, number - 1
    return first, last


def _all_capitals(tokens: list[str], first: int, last: int) -> bool:
    """Whether every word has a capital and the phrase does not begin a sentence: a name, whatever it is called."""
    return first > 0 and all(token[0].isupper() or token == "of" for token in tokens[first : last + 1])


_NO_SPACE_BEFORE = frozenset({".", ",", ";", ":", "?", "!", ")", "]", "”", "’", "...", "n't", "n’t", "%", "…"})
_NO_SPACE_AFTER = frozenset({"(", "[", "“", "‘", "$", "£", "#"})


def detokenise(tokens: list[str]) -> tuple[str, list[tuple[int, int]]]:
    """A tokenised sentence as a novel prints it, and where each token then stands."""
    text = ""
    spans = []
    glued, open_quote = True, {'"': False, "'": False}
    for number, token in enumerate(tokens):
        space = not glued
        glued = False
        lower = token.lower()
        if token in _NO_SPACE_BEFORE or (token[0] in "'’" and len(token) > 1 and lower[1:] in _ENDINGS):
            space = False
        elif token in _NO_SPACE_AFTER:
            glued = True
        elif token in open_quote:
            if token == "'" and not open_quote[token] and number and tokens[number - 1].lower().endswith("s"):
                space = False  # a possessive
            elif open_quote[token]:
                space, open_quote[token] = False, False
            else:
                glued, open_quote[token] = True, True
        elif re.fullmatch(r"-{2,}|—+", token):
            space, glued = False, True
        if space:
            text += " "
        spans.append((len(text), len(text) + len(token)))
        text += token
    return text, spans


_ENDINGS = frozenset({"s", "ll", "re", "ve", "d", "m", "t"})


def _word_at(words: list[Word], spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of each token, the first and last of our words that it covers."""
    found = []
    place = 0
    for start, end in spans:
        while place + 1 < len(words) and words[place].end <= start:
            place += 1
        last = place
        while last + 1 < len(words) and words[last + 1].start < end:
            last += 1
        found.append((place, last))
    return found


def _by_word(words: list[Word], spans: list[tuple[int, int]], values: list[bool]) -> list[bool]:
    result = [False] * len(words)
    for (first, last), value in zip(_word_at(words, spans), values, strict=True):
        for number in range(first, last + 1):
            result[number] = result[number] or value
    return result
