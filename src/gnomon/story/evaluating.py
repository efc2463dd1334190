"""How well a pack reads: grammar on held-out sentences of a treebank, names, nouns and events on LitBank's dev works.

Every figure is an Estimate: resampled are whole documents or works, since words of one text are alike.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from gnomon.stats import Estimate
from gnomon.stats.resample import bootstrap
from gnomon.story import corpora
from gnomon.story.packs import Pack

TOGETHER = 256  # sentences that are read at a time


def evaluate(pack: Pack, held: Sequence[corpora.Parsed], *, seed: int = 0) -> dict[str, Any]:
    """The scores of `pack`: `grammar` on `held`, and for English `entities` and `events` on LitBank. JSON-ready."""
    summary: dict[str, Any] = {"language": pack.language, "hash": pack.hash, "grammar": grammar(pack, held, seed=seed)}
    if pack.language == "en":
        summary.update(fiction(pack, corpora.read_litbank("dev"), seed=seed))
    return summary


def grammar(pack: Pack, held: Sequence[corpora.Parsed], *, seed: int = 0) -> dict[str, Any]:
    """Attachment (`uas`, `las`, marks included), parts of speech, features and lemmas (of what is not a name)."""
    counts: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(7))
    for first in range(0, len(held), TOGETHER):
        chosen = held[first : first + TOGETHER]
        for gold, (_, tokens) in zip(chosen, pack.grammar_of([each.words for each in chosen]), strict=True):
            tally = counts[gold.document]
            for at, token in enumerate(tokens):
                attached = token.head == gold.heads[at]
                common = gold.pos[at] not in ("PROPN", "PUNCT", "X", "SYM")
                tally += (
                    1,
                    attached,
                    attached and token.dep == gold.deps[at],
                    token.pos == gold.pos[at],
                    token.morph == _sorted(gold.morphs[at]),
                    common,
                    common and token.lemma.lower() == gold.lemmas[at].lower(),
                )
    sums = np.array([counts[name] for name in sorted(counts)])
    parts = {"uas": (1, 0), "las": (2, 0), "pos": (3, 0), "features": (4, 0), "lemma": (6, 5)}
    return {name: _ratio(sums, top, bottom, seed) for name, (top, bottom) in parts.items()}


def fiction(pack: Pack, sentences: Sequence[corpora.Annotated], *, seed: int = 0) -> dict[str, Any]:
    """Exact spans by kind and label, and events outside quoted speech (as annotated) on either side."""
    kinds = ("PERSON name", "PLACE name", "PERSON nominal", "PLACE nominal", "names", "all")
    tallies: dict[str, dict[str, np.ndarray]] = {name: defaultdict(lambda: np.zeros(3)) for name in (*kinds, "events")}
    for first in range(0, len(sentences), TOGETHER):
        chosen = sentences[first : first + TOGETHER]
        read = pack.read([each.words for each in chosen], [each.quoted for each in chosen])
        for gold, found in zip(chosen, read, strict=True):
            true = {_kind(each) for each in gold.entities}
            ours = {(each.first, each.last, f"{each.label} {each.kind}") for each in found.entities}
            for name in kinds:
                tallies[name][gold.work] += _compare(_only(true, name), _only(ours, name))
            told = {at for at in gold.events if not gold.quoted[at]}
            tallies["events"][gold.work] += _compare(told, {each.token for each in found.triggers})
    scores = {name: _precision_recall(by_work, seed) for name, by_work in tallies.items()}
    return {"entities": {name: scores[name] for name in kinds}, "events": scores["events"]}


def _sorted(morph: str) -> str:
    """Features in the order that spaCy keeps."""
    return "|".join(sorted(morph.split("|"), key=str.lower)) if morph else ""


def _kind(entity: tuple[int, int, str]) -> tuple[int, int, str]:
    label, _, noun = entity[2].partition("_")
    return entity[0], entity[1], f"{label} {'nominal' if noun else 'name'}"


def _only(found: set[tuple[int, int, str]], name: str) -> set[tuple[int, int, str]]:
    if name == "all":
        return found
    return {each for each in found if each[2] == name or (name == "names" and each[2].endswith("name"))}


def _compare(true: set[Any], ours: set[Any]) -> tuple[int, int, int]:
    """Found rightly, found, to be found."""
    return len(true & ours), len(ours), len(true)


def _precision_recall(by_work: dict[str, np.ndarray], seed: int) -> dict[str, Any]:
    sums = np.array([by_work[name] for name in sorted(by_work)])

    def f1(totals: np.ndarray) -> np.ndarray:
        return np.asarray(2 * totals[:, 0] / (totals[:, 1] + totals[:, 2]))

    return {
        "precision": _ratio(sums, 0, 1, seed),
        "recall": _ratio(sums, 0, 2, seed),
        "f1": _described(sums, f1, seed),
    }


def _ratio(sums: np.ndarray, top: int, bottom: int, seed: int) -> dict[str, Any]:
    return _described(sums, lambda totals: totals[:, top] / totals[:, bottom], seed)


def _described(sums: np.ndarray, statistic: Any, seed: int) -> dict[str, Any]:
    """A bootstrap over the rows, which are documents; of a single one there is no interval."""
    if len(sums) < 2:
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(statistic(sums.sum(0)[None])[0]) if len(sums) else float("nan")
        if not np.isfinite(value):
            return Estimate(None, None, None, len(sums), "none", reason="nothing to count").to_dict()
        return Estimate(value, None, None, len(sums), "none", reason="one document has no interval").to_dict()
    return bootstrap(sums, statistic, seed=seed).to_dict()
