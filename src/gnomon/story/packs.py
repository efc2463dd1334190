"""Language packs: what turns the text of a paragraph into an `Analysis`. Deterministic, on the CPU, offline.

A pack is a folder with `pack.json`, which names its parts and the sha256 of each file, and a folder for each part, so
that weights trained on data of different licences lie apart with their licence beside them. Nothing in a pack is code.
The packs that come with Gnomon lie in `language_packs/`; a language without one is read by rule alone.
"""

import hashlib
import json
import threading
from collections.abc import Sequence
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnomon.errors import UserError
from gnomon.story import rules
from gnomon.story.analysis import Analysis, Entity, Token, Trigger
from gnomon.story.quotations import local_quotations
from gnomon.story.segmentation import kind_of, sentences
from gnomon.story.tokens import Word, tokenise

if TYPE_CHECKING:
    from spacy.language import Language

    from gnomon.story.lemmas import Lemmatiser

SHIPPED = Path(__file__).parent / "language_packs"
LANGUAGES = ("en", "ro")
FORMAT = 1

BATCH = 256  # sentences that go through the networks together
LONGEST_SENTENCE = 160  # words; what is longer is parsed in pieces


class Pack:
    """Reads paragraphs in one language. Made by `load`.

    `hash` is that of everything the pack consists of: analyses with the same hash and text are the same.
    """

    def __init__(self, language: str, content_hash: str, folder: Path | None) -> None:
        self.language = language
        self.hash = content_hash
        self._folder = folder
        self._reading = threading.Lock()  # the networks serve one thread at a time

    # Loaded when a paragraph is first analysed: a story whose analyses are all known needs none of them.

    @cached_property
    def _grammar(self) -> "Language":
        from gnomon.story import networks

        assert self._folder is not None
        return networks.load(self._folder / "grammar")[0]

    @cached_property
    def _lemmas(self) -> "Lemmatiser":
        from gnomon.story.lemmas import Lemmatiser

        assert self._folder is not None
        return Lemmatiser(**json.loads((self._folder / "grammar" / "lemmas.json").read_text(encoding="utf-8")))

    @cached_property
    def _fiction(self) -> "Language | None":
        from gnomon.story import networks

        assert self._folder is not None
        folder = self._folder / "fiction"
        return networks.load(folder, self._grammar.vocab)[0] if folder.is_dir() else None

    @cached_property
    def _triggers(self) -> Any:
        from gnomon.story import triggers

        assert self._folder is not None
        path = self._folder / "fiction" / triggers.FILE
        return triggers.load(path) if path.is_file() else None  # there is none yet while it is being trained

    def analyse(self, texts: Sequence[str]) -> list[Analysis]:
        """What is in each of `texts`, paragraphs; the same for a text whatever stands beside it."""
        if self._folder is None:
            return [_by_rule_alone(text) for text in texts]
        pieces: list[tuple[int, list[Word]]] = []  # (paragraph, words at their places in it)
        for number, text in enumerate(texts):
            for start, end in sentences(text):
                words = [
                    Word(start + word.start, start + word.end, word.form)
                    for word in tokenise(text[start:end], self.language)
                ]
                pieces += [(number, piece) for piece in _cut(words)]
        quoted = [_quoted_spans(text) for text in texts]
        tokens: list[list[Token]] = [[] for _ in texts]
        entities: list[list[Entity]] = [[] for _ in texts]
        triggers: list[list[Trigger]] = [[] for _ in texts]
        by_length = sorted(range(len(pieces)), key=lambda each: len(pieces[each][1]))
        read: list[Any] = [None] * len(pieces)
        for first in range(0, len(pieces), BATCH):
            chosen = by_length[first : first + BATCH]
            together = [pieces[each][1] for each in chosen]
            inside = [
                [any(start <= word.start < end for start, end in quoted[pieces[each][0]]) for word in pieces[each][1]]
                for each in chosen
            ]
            with self._reading:
                found = self.read(together, inside)
            for each, one in zip(chosen, found, strict=True):
                read[each] = one
        for (number, _), one in zip(pieces, read, strict=True):
            base = len(tokens[number])
            tokens[number] += [token._replace(head=token.head + base) for token in one.tokens]
            entities[number] += [each._replace(first=each.first + base, last=each.last + base) for each in one.entities]
            triggers[number] += [each._replace(token=each.token + base) for each in one.triggers]
        return [Analysis(tuple(a), tuple(b), tuple(c)) for a, b, c in zip(tokens, entities, triggers, strict=True)]

    def grammar_of(self, sentences: Sequence[list[Word]]) -> list[tuple[Any, list[Token]]]:
        """Of each sentence its document, and its tokens, whose heads count from its first word."""
        from gnomon.story import networks

        docs = networks.run(self._grammar, [networks.make_doc(self._grammar, words) for words in sentences])
        found = []
        for doc, words in zip(docs, sentences, strict=True):
            local = []
            for word, token in zip(words, doc, strict=True):
                pos, morph, dep = token.pos_, str(token.morph), token.dep_
                lemma = self._lemmas.lemma(word.form, pos, morph)
                local.append(
                    Token(word.start, word.end, lemma, pos, morph, token.head.i, "root" if dep == "ROOT" else dep)
                )
            found.append((doc, local))
        return found

    def read(self, sentences: Sequence[list[Word]], quoted: Sequence[Sequence[bool]]) -> list[Analysis]:
        """Of each sentence its tokens, entities and triggers, all counted from its first word.

        `quoted` says of each word whether it stands in quoted speech, where no events are told.
        """
        from gnomon.story import networks, triggers

        parsed = self.grammar_of(sentences)
        forms = [[word.form for word in words] for words in sentences]
        if self._fiction is None:
            return [
                Analysis(
                    tuple(local),
                    tuple(rules.names(local, some, set(), self.language, all_names=True)),
                    tuple(rules.triggers(local, some, inside)),
                )
                for (_, local), some, inside in zip(parsed, forms, quoted, strict=True)
            ]
        networks.run(self._fiction, [doc for doc, _ in parsed])
        chosen = [triggers.candidates(local, inside) for (_, local), inside in zip(parsed, quoted, strict=True)]
        hashed: list[list[int]] = []
        for (_, local), at, inside in zip(parsed, chosen, quoted, strict=True):
            hashed += triggers.features(local, at, inside)
        scores = iter(self._triggers.probabilities(hashed).tolist())
        result = []
        for (doc, local), some, at in zip(parsed, forms, chosen, strict=True):
            entities = []
            opening = rules.openings(some)
            for span in doc.ents:
                label, _, noun = span.label_.partition("_")
                if not noun and len(span) == 1 and span.start in opening and local[span.start].pos != "PROPN":
                    continue  # "Boils" and "Alas" have their capital from the sentence
                entities.append(Entity(span.start, span.end - 1, label, "nominal" if noun else "name"))
            taken = {number for each in entities for number in range(each.first, each.last + 1)}
            entities += rules.names(local, some, taken, self.language, all_names=False)
            told = [(number, next(scores)) for number in at]
            result.append(
                Analysis(
                    tuple(local),
                    tuple(sorted(entities)),
                    tuple(
                        Trigger(number, round(score, 3)) for number, score in told if score >= self._triggers.threshold
                    ),
                )
            )
        return result


def _quoted_spans(text: str) -> list[tuple[int, int]]:
    """What stands inside quoted speech."""
    return [part for utterance in local_quotations(text).utterances for part in utterance.parts]


def load(language: str | None = None, path: Path | None = None) -> Pack:
    """The pack at `path`, or the one that comes with Gnomon for `language`; for any other language rules alone.

    Raises UserError where `path` holds no pack, a file of it is not what its manifest says, or the packages of the
    extra `story` are not installed.
    """
    if path is not None:
        return _load(str(Path(path).resolve()))
    if language not in LANGUAGES:
        return Pack("other", hashlib.sha256(b"rules alone 1").hexdigest(), None)
    return _load(str(SHIPPED / language))


@lru_cache(maxsize=4)
def _load(folder: str) -> Pack:
    require_spacy()
    manifest = read_manifest(Path(folder))
    return Pack(manifest["language"], manifest["hash"], Path(folder))


def require_spacy() -> None:
    """Raises UserError where spaCy is not installed. Imports nothing."""
    if find_spec("spacy") is None:
        raise UserError(
            "Reading a story and training packs need spaCy, which is not installed here; pip install 'gnomon[story]'"
            " brings it."
        )


def read_manifest(folder: Path) -> dict[str, Any]:
    """`pack.json`, after every file it names was found to be as it says."""
    try:
        manifest = json.loads((folder / "pack.json").read_text(encoding="utf-8"))
        files, language, version = manifest["files"], manifest["language"], manifest["format"]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise UserError(
            f"{folder} is not a language pack: a folder with a pack.json is expected, as gnomon story train-extractor"
            " makes it."
        ) from fault
    if version != FORMAT or language not in LANGUAGES:
        raise UserError(
            f"{folder / 'pack.json'}: format {version}, language {language!r}; {FORMAT} and en or ro are read."
        )
    for name, expected in files.items():
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{folder / 'pack.json'} names {name!r}, which lies outside of the pack.")
        try:
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError:
            found = "nothing"
        if found != expected:
            raise UserError(f"{folder / name} is not what pack.json says; train the pack again or fetch it anew.")
    manifest["hash"] = content_hash(files)
    return dict(manifest)


def content_hash(files: dict[str, str]) -> str:
    """One hash for all files of a pack and for this way of reading them."""
    return hashlib.sha256(json.dumps([FORMAT, sorted(files.items())]).encode()).hexdigest()


def write_manifest(folder: Path, language: str, about: dict[str, Any]) -> str:
    """Write `pack.json` for what lies in `folder`; returns the pack's hash. Licences and notes are not part of it."""
    from gnomon.runs.files import write_atomic

    named = sorted(path for path in folder.glob("*/*") if path.suffix in (".json", ".safetensors", ".npz"))
    files = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in named}
    manifest = {"format": FORMAT, "language": language, "files": files, **about}
    write_atomic(folder / "pack.json", json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    return content_hash(files)


def _cut(words: list[Word]) -> list[list[Word]]:
    """A sentence of any length in pieces that can be parsed, cut after a mark where there is one."""
    pieces = []
    while len(words) > LONGEST_SENTENCE:
        cut = next(
            (
                at + 1
                for at in range(LONGEST_SENTENCE - 1, LONGEST_SENTENCE // 2, -1)
                if words[at].form in (",", ";", ":", "--")
            ),
            LONGEST_SENTENCE,
        )
        pieces.append(words[:cut])
        words = words[cut:]
    if words:
        pieces.append(words)
    return pieces


def _by_rule_alone(text: str) -> Analysis:
    """Words without grammar, and names by their capital letters in mid-sentence."""
    tokens: list[Token] = []
    capital: list[bool] = []
    for start, end in sentences(text):
        words = tokenise(text[start:end], "other")
        base = len(tokens)
        opening = True
        shouted = not any(word.form.islower() for word in words)
        for number, word in enumerate(words):
            letter = word.form[0].isalpha()
            name = letter and word.form[0].isupper() and not opening and not shouted
            pos = "PROPN" if name else "X" if letter else "PUNCT"
            tokens.append(Token(start + word.start, start + word.end, word.form, pos, "", base + number, "dep"))
            capital.append(name)
            opening = (opening and not letter) or word.form in ('"', "'", ":", ".", "!", "?", "--")
    entities = []
    number = 0
    while number < len(tokens):
        last = number
        while last < len(tokens) and capital[last]:
            last += 1
        if last > number:
            entities.append(Entity(number, last - 1, "PERSON", "name"))
        number = max(last, number + 1)
    if kind_of(text) != "text":
        entities = []
    return Analysis(tuple(tokens), tuple(entities), ())
