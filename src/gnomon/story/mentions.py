"""Who and what one paragraph speaks of: names, nouns for people and places, pronouns, with the grammar round them.

A function of the paragraph's text and its analysis alone, so that it can be kept as long as the paragraph. Every word
with a capital in it that may be part of a name is here, those the pack is unsure of with an empty label: the cast
decides over the whole story (`cast.py`), and so finds known names everywhere without reading the text again.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from gnomon.story.analysis import Analysis, Token
from gnomon.story.names import (
    ANIMAL_NOUNS,
    LOWER_TITLES,
    NOT_NAMES,
    PARTICLES,
    PERSON_NOUNS,
    SPEECH_VERBS,
    TITLES,
    fold,
    words_of,
)
from gnomon.story.records import Gender, MentionKind

Role = Literal["subject", "object", "possessive", "oblique", "vocative", "other"]


class LocalMention(NamedTuple):
    """A mention in one paragraph: tokens `first` to `last` (included), `start:end` in the paragraph.

    `text` is a key: single spaces, no possessive ending, "Mr. and Mrs. X" gives "Mr. X" for its first word. `verb` is
    the verb of its clause, `outer` that of the clause round it (token indices, -1 at none); `speaks`: it is the subject
    of a verb of speech; `initial`: its capital may be that of a sentence.
    """

    first: int
    last: int
    start: int
    end: int
    kind: MentionKind
    label: Literal["PERSON", "PLACE", ""]
    text: str
    head: int
    gender: Gender
    number: Literal["sing", "plur"]
    person: int
    role: Role
    sentence: int = 0
    verb: int = -1
    outer: int = -1
    speaks: bool = False
    initial: bool = False


_EN_PRONOUNS: dict[str, tuple[Gender, Literal["sing", "plur"], int]] = {
    **dict.fromkeys(words_of("he him his himself"), ("m", "sing", 3)),
    **dict.fromkeys(words_of("she her hers herself"), ("f", "sing", 3)),
    **dict.fromkeys(words_of("it its itself"), ("n", "sing", 3)),
    **dict.fromkeys(words_of("they them their theirs themselves 'em"), ("unknown", "plur", 3)),
    **dict.fromkeys(words_of("i me my mine myself"), ("unknown", "sing", 1)),
    **dict.fromkeys(words_of("we us our ours ourselves"), ("unknown", "plur", 1)),
    **dict.fromkeys(words_of("you your yours yourself thou thee thy thine thyself"), ("unknown", "sing", 2)),
    **dict.fromkeys(words_of("ye yourselves"), ("unknown", "plur", 2)),
}
_RO_PRONOUNS: dict[str, tuple[Gender, Literal["sing", "plur"], int]] = {
    **dict.fromkeys(words_of("el dânsul însuși dumnealui îl l- -l lui sieși"), ("m", "sing", 3)),
    **dict.fromkeys(words_of("ea dânsa însăși dumneaei ei"), ("f", "sing", 3)),
    **dict.fromkeys(words_of("ei ele dânșii dânsele lor dumnealor"), ("unknown", "plur", 3)),
    **dict.fromkeys(words_of("eu mine mă îmi m- mi- -mi mie meu mea mei mele"), ("unknown", "sing", 1)),
    **dict.fromkeys(words_of("noi ne ne- nouă nostru noastră noștri noastre"), ("unknown", "plur", 1)),
    **dict.fromkeys(words_of("tu tine te te- îți ție ți- tău ta tăi tale dumneata dumitale"), ("unknown", "sing", 2)),
    **dict.fromkeys(words_of("voi vă vouă vostru voastră dumneavoastră"), ("unknown", "plur", 2)),
}
_RO_PRONOUNS["ei"] = ("f", "sing", 3)  # "ei" of "they" is told apart by its tag
_POSSESSIVES = words_of("his her its their my our your thy lui ei lor meu mea mei mele tău ta tăi tale")

# Words that hold sentences together: no names, whatever their capital. The tagger is no help here: it takes an unknown
# name at the start of a sentence for one of them as often as not.
_FUNCTION_WORDS = words_of(
    "a an the this that these those some any no every each all both either neither such what which whose who whom "
    "when where why how while whilst though although because since unless until till if whether lest as than and "
    "but or nor for so yet of in on at by to from with without within into upon under over after before between "
    "among through during against about above below across along around behind beside besides beyond down up off "
    "out near toward towards not never ever always often sometimes once twice then now here there thus hence "
    "still just only even also too very quite rather almost perhaps indeed instead otherwise however moreover "
    "nevertheless therefore meanwhile again already soon is are was were be been being am do does did done have "
    "has had having will would shall should can could may might must let one two three four five six seven eight "
    "nine ten many much more most few little less several other others another same own nobody nothing somebody "
    "something everybody everything anybody anything it's un o niște acest această acel acea cel cea și sau dar "
    "iar însă ci deci că să dacă când cum unde cine ce care cât de din dela la în pe cu fără prin spre către după "
    "până pentru despre sub peste între lângă nu nici mai tot toate toți foarte apoi atunci acum aici acolo aşa "
    "așa e este era erau sunt fi fu fost a au am ai ar ați aș va vor voi se își îi îl le îmi îți ne vă te mă un "
    "una doi două trei al ale ai lui ei lor"
)
# With these tags, first words of sentences are names only if the same word is one elsewhere.
_WEAK = frozenset(("PRON", "DET", "ADP", "CCONJ", "SCONJ", "PART", "AUX", "NUM", "ADV", "VERB", "ADJ", "INTJ", "X"))
_ROLES: dict[str, Role] = {
    "nsubj": "subject",
    "nsubj:pass": "subject",
    "nsubj:outer": "subject",
    "csubj": "subject",
    "obj": "object",
    "iobj": "object",
    "nmod:poss": "possessive",
    "obl": "oblique",
    "obl:agent": "oblique",
    "nmod": "oblique",
    "vocative": "vocative",
}
_OPENING = frozenset("“„«‘\"'")
_CLOSING = frozenset("”»’\"'")
_DASHES = frozenset(("—", "–", "--", "---", "-", "―"))
_ENDS = frozenset((".", "!", "?", "...", "…", ":"))
_PHRASE_POS = frozenset(("DET", "ADJ", "NUM", "NOUN", "PROPN", "PRON"))
_PHRASE_DEPS = frozenset(("det", "amod", "compound", "nummod", "nmod:poss", "nmod", "appos", "flat"))


@lru_cache(maxsize=32768)
def _title_word(word: str) -> bool:
    return fold(word).rstrip(".") in TITLES


@lru_cache(maxsize=32768)
def _lower_title(word: str) -> bool:
    return fold(word).rstrip(".") in LOWER_TITLES


def mentions_in(text: str, analysis: Analysis, language: str) -> tuple[LocalMention, ...]:
    """Every mention of the paragraph `text`, in the order of first tokens."""
    tokens = analysis.tokens
    if not tokens:
        return ()
    words = [text[token.start : token.end] for token in tokens]
    sentences, initial, in_speech = _sentences(text, tokens, words)
    reader = _Reader(text, tokens, words, sentences, initial, in_speech, language)
    found: list[LocalMention] = []
    taken = bytearray(len(tokens))
    _names(reader, analysis, taken, found)
    _nominals(reader, analysis, taken, found)
    _pronouns(reader, taken, found)
    found.sort()
    return tuple(found)


class _Reader(NamedTuple):
    """What the three searches share."""

    text: str
    tokens: Sequence[Token]
    words: list[str]
    sentences: list[int]
    initial: list[bool]
    in_speech: list[bool]
    language: str

    def role(self, head: int, last: int, name: bool = False) -> tuple[Role, int, int, bool]:
        """Role of the phrase headed by `head`, the verbs of its clause and of the one round it, whether it speaks."""
        tokens = self.tokens
        token = tokens[head]
        follows = tokens[head + 1].dep if head + 1 < len(tokens) else ""
        hops = 0
        while token.dep in ("conj", "appos", "flat", "compound") and hops < 4 and token.head != head:
            head = token.head
            token = tokens[head]
            hops += 1
        governor = token.head if token.head != head else -1
        role = _ROLES.get(token.dep, "other")
        genitive = last + 1 < len(tokens) and self.words[last + 1].casefold() in ("'s", "’s")
        if genitive or (follows == "case" and token.dep == "nmod"):
            role = "possessive"
        if name and self.in_speech[last] and role != "possessive" and self._called(head, last):
            role = "vocative"
        speaks = (role == "subject" and governor >= 0 and tokens[governor].lemma in SPEECH_VERBS) or self._beside_quote(
            head, last
        )
        if speaks and role != "possessive":
            role = "subject"
        verb = self._verb_above(governor)
        return role, verb, self._verb_above(self._above(verb)), speaks and role == "subject"

    def _above(self, token: int) -> int:
        """The head of `token`; -1 at a root."""
        if token < 0:
            return -1
        head = self.tokens[token].head
        return -1 if head == token else head

    def _verb_above(self, token: int) -> int:
        """The first verb from `token` upward; a root that is none counts as one."""
        for _ in range(6):
            if token < 0 or self.tokens[token].pos in ("VERB", "AUX"):
                break
            above = self._above(token)
            if above < 0:
                break
            token = above
        return token

    def _called(self, head: int, last: int) -> bool:
        """Between commas or at an edge of speech, as only a person spoken to stands."""
        first = head
        while first > 0 and first - 1 >= last - 4 and self.words[first - 1][:1].isupper() and not self.initial[first]:
            first -= 1
        after = self.words[last + 1] if last + 1 < len(self.words) else "."
        if after not in (",", "!", "?", ".", ";", "—", "--") and after not in _CLOSING:
            return False
        before = self.words[first - 1] if first else "“"
        while first > 1 and before.casefold() in ("dear", "my", "poor", "dragă", "miss", "mr.", "mrs."):
            first -= 1
            before = self.words[first - 1]
        if before == "," or before in _OPENING or before.casefold() in ("o", "oh", "yes", "no", "well", "măi"):
            return True
        return self.initial[first] and after in (",", "!")

    def _beside_quote(self, head: int, last: int) -> bool:
        """`”, said the old man` and `The old man said, “`, whatever the parser made of it."""
        words, tokens = self.words, self.tokens
        first = head
        while first and tokens[first - 1].pos in _PHRASE_POS and first > head - 4:
            first -= 1
        if first and tokens[first - 1].lemma in SPEECH_VERBS and tokens[first - 1].pos != "NOUN":
            before = words[first - 2] if first > 1 else ""
            if words[0] in _DASHES and (before == "," or before in _ENDS):
                return True  # a line of dialogue that a dash opens: — Nu, zise Ana.
            if (
                before in _CLOSING
                or before in _DASHES
                or (before == "," and first > 2 and words[first - 3] in _CLOSING)
            ):
                return True
        for ahead in range(last + 1, min(last + 4, len(tokens))):
            if tokens[ahead].lemma in SPEECH_VERBS and tokens[ahead].pos in ("VERB", "AUX"):
                for after in words[ahead + 1 : ahead + 6]:
                    if after in _OPENING:
                        return True
                    if after in _ENDS and after != ":":
                        return False
                before = words[first - 1] if first else ""
                return before in _CLOSING or (before in _DASHES and self.language == "ro")
            if tokens[ahead].pos not in ("ADV", "AUX", "PART", "PRON"):
                return False
        return False

    def make(
        self,
        first: int,
        last: int,
        head: int,
        kind: MentionKind,
        label: Literal["PERSON", "PLACE", ""],
        key: str,
        gender: Gender,
        number: Literal["sing", "plur"] = "sing",
        person: int = 3,
        end: int | None = None,
    ) -> LocalMention:
        role, verb, outer, speaks = self.role(head, last, kind == "name")
        start = self.tokens[first].start
        stop = self.tokens[last].end if end is None else end
        return LocalMention(
            first, last, start, stop, kind, label, key, head, gender, number, person, role,
            self.sentences[first], verb, outer, speaks, self.initial[first],
        )  # fmt: skip


def _sentences(text: str, tokens: Sequence[Token], words: list[str]) -> tuple[list[int], list[bool], list[bool]]:
    """For every token: number of its sentence, whether a sentence or a quotation opens there, whether it is spoken."""
    sentences, initial, spoken = [], [], []
    number, ended, opens, quoted, dashed = 0, False, True, False, False
    for place, word in enumerate(words):
        first = word[0]
        quote = len(word) == 1 and (first in _OPENING or first in _CLOSING)
        closes = quote and _closes(text, tokens[place].start, first, quoted)
        if ended and not closes:
            letter = first.isalpha() or first.isdigit()
            following = words[place + 1][0] if place + 1 < len(words) else ""
            if (letter and not first.islower()) or (quote and not following.islower()) or word in _DASHES:
                number += 1
                ended, opens = False, True
            elif letter:
                ended = False
        if place == 0 and word in _DASHES:
            dashed = True
        elif quote:
            quoted = not closes
        elif dashed and word in _DASHES:
            spoken.append(False)
            spoken_dash = spoken[place - 1] if place else False
            dashed = spoken_dash or dashed
            initial.append(opens)
            sentences.append(number)
            opens = True
            continue
        spoken.append(quoted or dashed)
        initial.append(opens)
        sentences.append(number)
        if word in _ENDS:
            ended = True
            opens = True
        elif (quote and not closes) or word in _DASHES or word == ":":
            opens = True
        elif first.isalnum():
            opens = False
    return sentences, initial, spoken


def _closes(text: str, start: int, mark: str, quoted: bool) -> bool:
    """Whether a quotation mark at `start` ends speech."""
    if mark in "”»":
        return True
    if mark in "“„«‘":
        return False
    before = text[start - 1] if start else " "
    if mark == '"':
        return quoted
    return not before.isspace()  # ' and ’ end what they follow directly


def _names(reader: _Reader, analysis: Analysis, taken: bytearray, found: list[LocalMention]) -> None:
    tokens, words = reader.tokens, reader.words
    label_of: dict[int, tuple[int, int, str]] = {}
    for entity in analysis.entities:
        if entity.kind == "name":
            for place in range(entity.first, entity.last + 1):
                label_of[place] = (entity.first, entity.last, entity.label)
    count = len(tokens)
    place = 0
    while place < count:
        if not _may_name(reader, place, place in label_of):
            place += 1
            continue
        first = place
        span = label_of.get(place)
        last = place
        while last + 1 < count:
            following = last + 1
            ahead = words[following]
            if tokens[following].start > tokens[last].end + 2:
                break
            other = label_of.get(following)
            if reader.sentences[following] != reader.sentences[first]:
                break
            if span and other and other[0] != span[0]:
                break  # the pack sees two names side by side
            if other and not span and reader.initial[first] and not _title_word(words[first]):
                break  # the pack sees the name begin after a sentence's first word
            if ahead[0].isupper() and fold(ahead) not in ("i",):
                if not _may_name(reader, following, other is not None):
                    break
                last = following
            elif (
                following + 1 < count
                and words[following + 1][0].isupper()
                and (
                    fold(ahead) in PARTICLES
                    or (fold(ahead) in ("of", "the") and span is not None and span[1] > following)
                )
                and reader.sentences[following + 1] == reader.sentences[first]
            ):
                last = following + 1
            else:
                break
        _add_name(reader, first, last, label_of, taken, found)
        place = last + 1


def _may_name(reader: _Reader, place: int, labelled: bool) -> bool:
    word = reader.words[place]
    if not word[0].isupper():
        return False
    token = reader.tokens[place]
    if len(word) == 1 and word in "IO":
        return False
    folded = fold(word)
    if folded in _EN_PRONOUNS or (reader.language == "ro" and folded in _RO_PRONOUNS):
        return False
    if labelled or _title_word(word):
        return True
    if folded in _FUNCTION_WORDS or folded in NOT_NAMES:
        return token.pos == "PROPN" and not reader.initial[place]
    return token.pos == "PROPN" or len(word) == 1 or not word.isupper()


def _add_name(
    reader: _Reader,
    first: int,
    last: int,
    label_of: dict[int, tuple[int, int, str]],
    taken: bytearray,
    found: list[LocalMention],
) -> None:
    tokens, words = reader.tokens, reader.words
    labels = [label_of[place][2] for place in range(first, last + 1) if place in label_of]
    label: Literal["PERSON", "PLACE", ""] = ""
    if labels:
        label = "PERSON" if labels.count("PERSON") * 2 >= len(labels) else "PLACE"
    if all(_title_word(words[place]) for place in range(first, last + 1)):
        # A title alone: a person only where the next name completes it ("Mr. and Mrs. Bennet") or a The is before it.
        if words[first].endswith(".") or fold(words[first]) in ("mr", "mrs"):
            key = _shared_surname(reader, last)
            if key:
                gender = TITLES[fold(words[first]).rstrip(".")][0]
                found.append(reader.make(first, last, last, "name", "PERSON", f"{words[first]} {key}", gender))
                taken[first : last + 1] = b"\x01" * (last + 1 - first)
            return
        if reader.initial[first] and not labels:
            return
    before = words[first - 1] if first and not reader.initial[first] else "A"
    if before[0].islower() and _lower_title(before) and (fold(before) != "d" or before.endswith(".")):
        first -= 1
    end = tokens[last].end
    tail = words[last]
    for ending in ("'s", "’s"):
        if tail.endswith(ending) and len(tail) > 2:
            end -= 2
    key = " ".join(reader.text[tokens[first].start : end].split())
    head = last
    for place in range(first, last + 1):
        if not first <= tokens[place].head <= last or tokens[place].head == place:
            head = place
            break
    gender = "unknown"
    number: Literal["sing", "plur"] = "sing"
    if _title_word(words[first]):
        gender = TITLES[fold(words[first]).rstrip(".")][0]
        label = label if label == "PLACE" and gender == "unknown" else "PERSON"
    elif first and fold(words[first - 1]) == "lui" and reader.language == "ro":
        gender = "m"
        label = label or "PERSON"
    if "Number=Plur" in tokens[last].morph and tail.endswith("s") and first and fold(words[first - 1]) == "the":
        number = "plur"
    found.append(reader.make(first, last, head, "name", label, key, gender, number, end=end))
    if label or first < last or not reader.initial[first] or tokens[first].pos not in _WEAK:
        taken[first : last + 1] = b"\x01" * (last + 1 - first)


def _shared_surname(reader: _Reader, last: int) -> str:
    """Bennet, where `last` is the Mr. of "Mr. and Mrs. Bennet"."""
    words = reader.words
    if last + 3 >= len(words) or fold(words[last + 1]) not in ("and", "și", "&") or not _title_word(words[last + 2]):
        return ""
    place = last + 3
    parts: list[str] = []
    while place < len(words) and words[place][0].isupper() and len(parts) < 3:
        parts.append(words[place])
        place += 1
    return " ".join(parts)


def _nominals(reader: _Reader, analysis: Analysis, taken: bytearray, found: list[LocalMention]) -> None:
    tokens, words = reader.tokens, reader.words
    for entity in analysis.entities:
        if entity.kind != "nominal" or any(taken[entity.first : entity.last + 1]):
            continue
        head = entity.last
        for place in range(entity.last, entity.first - 1, -1):
            if tokens[place].pos in ("NOUN", "PROPN") and not entity.first <= tokens[place].head < place:
                head = place
                break
        if tokens[head].pos in ("PRON", "DET") or fold(words[head]) in _EN_PRONOUNS:
            continue
        _add_nominal(reader, entity.first, max(head, entity.first), head, entity.label, taken, found)
    for place, token in enumerate(tokens):
        if token.pos != "NOUN" or taken[place]:
            continue
        lemma = token.lemma.casefold()
        if lemma not in PERSON_NOUNS and lemma not in ANIMAL_NOUNS and fold(words[place]) not in PERSON_NOUNS:
            continue
        first = place
        while (
            first
            and not taken[first - 1]
            and tokens[first - 1].pos in _PHRASE_POS
            and tokens[first - 1].dep in _PHRASE_DEPS
            and reader.sentences[first - 1] == reader.sentences[place]
        ):
            first -= 1
        if fold(words[first]) in ("a", "an") and token.dep in ("root", "xcomp", "advcl", "ccomp", "conj"):
            continue  # "he was a man who": says what somebody is
        _add_nominal(reader, first, place, place, "PERSON", taken, found)


def _add_nominal(
    reader: _Reader, first: int, last: int, head: int, label: str, taken: bytearray, found: list[LocalMention]
) -> None:
    token = reader.tokens[head]
    lemma = token.lemma.casefold()
    surface = fold(reader.words[head])
    gender: Gender = PERSON_NOUNS.get(lemma, PERSON_NOUNS.get(surface, "unknown"))
    plural = "Number=Plur" in token.morph or surface in ("men", "women", "people", "children", "gentlemen", "ladies")
    key = " ".join(fold(word) for word in reader.words[first : last + 1])
    found.append(
        reader.make(
            first,
            last,
            head,
            "nominal",
            "PERSON" if label == "PERSON" else "PLACE",
            key,
            gender,
            "plur" if plural else "sing",
        )
    )
    for place in range(first, last + 1):
        if reader.tokens[place].pos != "PRON":
            taken[place] = 1


def _pronouns(reader: _Reader, taken: bytearray, found: list[LocalMention]) -> None:
    romanian = reader.language == "ro"
    if reader.language not in ("en", "ro"):
        return
    table = _RO_PRONOUNS if romanian else _EN_PRONOUNS
    words, tokens = reader.words, reader.tokens
    for place, word in enumerate(words):
        if taken[place]:
            continue
        folded = fold(word) if len(word) < 14 else ""
        entry = table.get(folded)
        if entry is None:
            continue
        gender, number, person = entry
        token = tokens[place]
        if romanian:
            if token.pos not in ("PRON", "DET") and folded not in ("el", "ea", "eu", "dânsul", "dânsa"):
                continue
            if folded == "lui" and place + 1 < len(words) and words[place + 1][0].isupper():
                continue  # the article of a genitive
            if folded == "ei" and "Number=Plur" in token.morph and "Case=Nom" in token.morph:
                gender, number = "unknown", "plur"
        elif folded == "mine" and token.pos == "NOUN":
            continue
        made = reader.make(place, place, place, "pronoun", "PERSON", folded, gender, number, person)
        if folded in _POSSESSIVES and made.role != "possessive" and _before_noun(tokens, place):
            made = made._replace(role="possessive")
        found.append(made)


def _before_noun(tokens: Sequence[Token], place: int) -> bool:
    """Whether a noun follows, at most adjectives between."""
    for token in tokens[place + 1 : place + 4]:
        if token.pos in ("NOUN", "PROPN"):
            return True
        if token.pos not in ("ADJ", "NUM", "ADV"):
            return False
    return False
