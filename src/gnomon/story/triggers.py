"""Which words tell of something that happens: a probability for each verb, noun and adjective outside quoted speech.

Realis events as LitBank has them (Sims, Park and Bamman, "Literary Event Detection", ACL 2019): asserted, particular,
no modality, no negation, no habit. The classifier is a bag of named features of the word, its dependents, what governs
it and its sentence, each hashed to a row of a table, with one small hidden layer. The vectors of the pack's networks
are no part of it: with so few annotated events they made it worse.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gnomon.runs.files import write_atomic
from gnomon.runs.progress import Progress
from gnomon.seeds import derive
from gnomon.story.analysis import Token
from gnomon.story.wordlists import KINDS, STATE

FILE = "triggers.safetensors"

CANDIDATES = frozenset({"VERB", "NOUN", "ADJ", "PROPN", "AUX", "X"})
"""Parts of speech that can be triggers; the last two where the tagger erred."""

_FORMS = ("VerbForm=", "Tense=", "Number=", "Mood=", "Voice=", "Degree=")


class Row(NamedTuple):
    """A sentence to learn from: of each candidate its hashed features, whether it is a trigger, whether spoken."""

    hashed: list[list[int]]
    told: list[bool]
    quoted: list[bool]


class Classifier(NamedTuple):
    """Rows of `table` (rows, hidden) and `first_bias` add up to the hidden layer, `last` (hidden) scores it."""

    table: np.ndarray
    first_bias: np.ndarray
    last: np.ndarray
    last_bias: float
    threshold: float

    def probabilities(self, hashed: Sequence[Sequence[int]]) -> np.ndarray:
        """One probability for each list of feature hashes."""
        if not len(hashed):
            return np.zeros(0, dtype=np.float32)
        rows = len(self.table)
        starts = np.cumsum([0, *(len(each) for each in hashed[:-1])])
        flat = np.fromiter((each % rows for features in hashed for each in features), dtype=np.int64)
        hidden = np.add.reduceat(self.table[flat], starts) + self.first_bias
        # not a matrix product, which may add up a row otherwise when others stand beside it
        scores = (np.maximum(hidden, 0) * self.last).sum(1) + self.last_bias
        return 1 / (1 + np.exp(-scores))


def candidates(tokens: Sequence[Token], quoted: Sequence[bool]) -> list[int]:
    """The words of a sentence that may be triggers."""
    return [
        number
        for number, token in enumerate(tokens)
        if token.pos in CANDIDATES and not quoted[number] and token.lemma[:1].isalpha()
    ]


def features(tokens: Sequence[Token], chosen: Sequence[int], quoted: Sequence[bool]) -> list[list[int]]:
    """The hashed features of the words `chosen` in one sentence, whose heads count from its first word."""
    if not chosen:
        return []
    sentence = _Sentence(tokens, quoted)
    return [[zlib.crc32(each.encode()) for each in sentence.named(at)] for at in chosen]


def _short(morph: str) -> str:
    return "|".join(part for part in morph.split("|") if part.startswith(_FORMS)) if morph else ""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HABITUAL = _words(
    "always often never sometimes usually whenever seldom rarely generally every frequently commonly ever if would"
    " could should may might must can will shall"
)
_TELLING = ("aux", "aux:pass", "cop", "mark", "advmod", "cc", "det", "case", "expl", "nmod:poss", "compound", "nummod")
_JOINED = ("conj", "xcomp", "advcl", "ccomp", "acl", "acl:relcl", "parataxis")


class _Sentence:
    """A sentence, and what is said of a word in it."""

    def __init__(self, tokens: Sequence[Token], quoted: Sequence[bool]) -> None:
        self.tokens, self.quoted = tokens, quoted
        self.children: list[list[int]] = [[] for _ in tokens]
        for number, token in enumerate(tokens):
            if token.head != number:
                self.children[token.head].append(number)
        self.short = [_short(token.morph) for token in tokens]
        self.words = [token.lemma.lower() for token in tokens]
        verbs = [self.short[number] for number, token in enumerate(tokens) if token.pos in ("VERB", "AUX")]
        past = sum("Tense=Past" in form for form in verbs)
        present = sum("Tense=Pres" in form and "Fin" in form for form in verbs)
        self.whole = [
            f"past={min(past, 4)}/{min(present, 3)}",
            f"len={min(len(tokens) // 8, 6)}",
            f"end={self.words[-1]}",
            f"speech={sum(quoted) * 3 // len(tokens)}",
            f"first={self.words[0]}",
            *sorted({f"has={word}" for word in self.words if word in _HABITUAL}),
        ]

    def named(self, at: int) -> list[str]:
        """The features of the word `at`."""
        tokens, words, short = self.tokens, self.words, self.short
        token = tokens[at]
        word, pos, form, dep = words[at], token.pos, short[at], token.dep
        kind = f"{KINDS['en'].get(word, 'state' if word in STATE['en'] else '')}/{pos}"
        found = [
            f"w={word}",
            f"wp={word}/{pos}",
            f"wf={word}/{form}",
            f"p={pos}/{form}",
            f"pd={pos}/{form}/{dep}",
            f"d={dep}",
            f"e={word[-3:]}/{pos}",
            f"e4={word[-4:]}/{pos}",
            f"k={kind}",
            f"kf={kind}/{form}",
            f"-1={words[at - 1] if at else '^'}",
            f"+1={words[at + 1] if at + 1 < len(words) else '$'}",
            f"-1p={tokens[at - 1].pos if at else '^'}/{pos}",
            f"+1p={tokens[at + 1].pos if at + 1 < len(words) else '$'}/{pos}",
            f"-2={words[at - 2] if at > 1 else '^'}",
            f"q={self.quoted[at]}/{form}",
        ]
        if token.head != at:
            head = tokens[token.head]
            found += [
                f"h={words[token.head]}/{dep}",
                f"hp={head.pos}/{short[token.head]}/{dep}/{pos}",
                f"hw={words[token.head]}/{word}",
                f"hk={KINDS['en'].get(words[token.head], '')}/{dep}/{form}",
            ]
        self._below(at, f"{pos}/{form}", found)
        self._above(at, found)
        found += [f"{each}/{pos}/{form}" for each in self.whole]
        return found

    def _below(self, at: int, form: str, found: list[str]) -> None:
        """What depends on it: auxiliaries, adverbs, who does it and to what."""
        tokens, words, short = self.tokens, self.words, self.short
        relations = set()
        for child in self.children[at]:
            relation = tokens[child].dep
            relations.add(relation)
            if relation in _TELLING:
                found.append(f"cw={relation}/{words[child]}")
                found.append(f"cf={relation}/{words[child]}/{form}")
                if relation in ("aux", "aux:pass", "cop"):
                    found.append(f"ca={words[child]}/{short[child]}/{form}")
            elif relation in ("nsubj", "nsubj:pass"):
                found.append(f"s={tokens[child].pos}/{short[child]}/{form}")
                found.append(f"sw={words[child]}")
                found += [f"sd={words[each]}" for each in self.children[child] if tokens[each].dep == "det"]
            elif relation in ("obj", "iobj"):
                found.append(f"o={tokens[child].pos}/{short[child]}/{form}")
                found.append(f"ow={words[child]}")
                found += [f"od={words[each]}" for each in self.children[child] if tokens[each].dep == "det"]
            elif relation in ("obl", "nmod"):
                case = next((words[each] for each in self.children[child] if tokens[each].dep == "case"), "")
                found.append(f"ob={case}/{form}")
        found += [f"c={relation}/{form}" for relation in sorted(relations)]
        subject, obj = not relations.isdisjoint(("nsubj", "nsubj:pass")), "obj" in relations
        found.append(f"args={subject}/{obj}/{form}/{tokens[at].dep}")

    def _above(self, at: int, found: list[str]) -> None:
        """What governs it decides with it: a modal over the main verb is one over those that are joined to it."""
        tokens, words = self.tokens, self.words
        up, steps, dep = at, 0, tokens[at].dep
        while steps < 3 and tokens[up].head != up and tokens[up].dep in _JOINED:
            up, steps = tokens[up].head, steps + 1
            for child in self.children[up]:
                if tokens[child].dep in ("aux", "mark", "cop", "aux:pass") or words[child] in ("not", "never", "no"):
                    found.append(f"up{steps}={words[child]}/{dep}")
            found.append(f"upf{steps}={tokens[up].pos}/{self.short[up]}/{dep}")


def train(rows: Sequence[Row], settings: Any, seed: int, progress: Progress) -> Classifier:
    """Fit a classifier to `rows` by cross-entropy; its threshold is one half.

    `settings` are `training.TriggerSettings`. Features are dropped at random, so that words never seen are met in
    training, too.
    """
    import torch
    from torch.nn import functional

    generator = torch.Generator().manual_seed(derive(seed, "triggers") % 2**63)

    def drawn(*shape: int, scale: float) -> torch.Tensor:
        return (torch.randn(*shape, generator=generator) * scale).requires_grad_()

    table = drawn(settings.rows, settings.hidden, scale=0.05)
    first_bias, last = torch.zeros(settings.hidden, requires_grad=True), drawn(settings.hidden, scale=0.5)
    last_bias = torch.zeros(1, requires_grad=True)
    parameters = [table, first_bias, last, last_bias]
    optimizer = torch.optim.AdamW(parameters, lr=settings.lr, weight_decay=1e-3)
    useful = [row for row in rows if row.hashed]
    total = settings.epochs * len(useful)
    keep = 1 - settings.dropout
    with progress.stage("triggers", total, 0) as show:
        for epoch in range(settings.epochs):
            order = torch.randperm(len(useful), generator=generator).tolist()
            for first in range(0, len(order), settings.batch_sentences):
                batch = [useful[number] for number in order[first : first + settings.batch_sentences]]
                done = epoch * len(useful) + first
                for group in optimizer.param_groups:
                    group["lr"] = settings.lr * (1 - 0.95 * done / total)
                words = [features for row in batch for features in row.hashed]
                flat = torch.tensor([each % settings.rows for features in words for each in features])
                starts = torch.tensor([0, *(len(features) for features in words[:-1])]).cumsum(0)
                kept = (torch.rand(len(flat), generator=generator) < keep).float() / keep
                told = torch.tensor([each for row in batch for each in row.told], dtype=torch.float32)
                bags = functional.embedding_bag(flat, table, starts, mode="sum", per_sample_weights=kept)
                hidden = torch.relu(bags + first_bias)
                loss = functional.binary_cross_entropy_with_logits(hidden @ last + last_bias, told)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                show(done + len(batch), f"epoch {epoch + 1} of {settings.epochs}")
    arrays = [each.detach().numpy() for each in parameters]
    return Classifier(arrays[0], arrays[1], arrays[2], float(arrays[3][0]), 0.5)


def best_threshold(classifier: Classifier, rows: Sequence[Row]) -> float:
    """The probability from which on triggers outside quoted speech have the best F1; one half where there are none."""
    useful = [row for row in rows if row.hashed]
    if not useful:
        return 0.5
    scores = classifier.probabilities([features for row in useful for features in row.hashed])
    told = np.array([each for row in useful for each in row.told])
    counted = ~np.array([each for row in useful for each in row.quoted])

    def f1(threshold: float) -> float:
        ours = (scores >= threshold) & counted
        both = int((ours & told).sum())
        return 2 * both / max(int(ours.sum()) + int((told & counted).sum()), 1)

    steps = [number / 50 for number in range(5, 41)]
    best = max(steps, key=lambda each: (f1(each), -abs(each - 0.5)))
    return best if f1(best) else 0.5


def save(path: Path, classifier: Classifier) -> None:
    """Write a classifier; the table, which is nearly all of it, in half precision."""
    from safetensors.numpy import save as to_bytes

    arrays = {
        "table": classifier.table.astype(np.float16),
        "first_bias": classifier.first_bias.astype(np.float32),
        "last": classifier.last.astype(np.float32),
        "rest": np.array([classifier.last_bias, classifier.threshold], dtype=np.float32),
    }
    write_atomic(path, to_bytes(arrays))


def load(path: Path) -> Classifier:
    """What `save` wrote."""
    from safetensors.numpy import load as from_bytes

    arrays = from_bytes(path.read_bytes())
    return Classifier(
        arrays["table"].astype(np.float32),
        arrays["first_bias"],
        arrays["last"],
        float(arrays["rest"][0]),
        float(arrays["rest"][1]),
    )
