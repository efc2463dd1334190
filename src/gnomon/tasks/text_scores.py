"""How near an answer comes to a reference text: BLEU, chrF, ROUGE or an exact match, of one sentence and of a corpus.

BLEU and chrF are computed by `sacrebleu` (Post 2018, arXiv 1804.08771), ROUGE by `rouge-score`; nothing of them is
rewritten here. Both come with the extra `[tasks]` and are imported when a score is asked for.
"""

import importlib
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from gnomon.errors import UserError
from gnomon.stats.estimate import Estimate

if TYPE_CHECKING:
    import numpy as np

    from gnomon.stats.resample import Statistic

Metric = Literal["bleu", "chrf", "rouge", "exact"]
ROUGE_READS = re.compile("[a-z0-9]", re.IGNORECASE | re.ASCII)
ROUGE = ("rouge1", "rouge2", "rougeL")


def sentence_score(metric: Metric) -> Callable[[str, str], float]:
    """The function (answer, reference) -> score from 0 to 1; blanks around a text do not count.

    `bleu` is sentence BLEU with effective order, `chrf` sentence chrF2, both / 100; `rouge` is the F1 of ROUGE-L, words
    not stemmed. The reference itself scores exactly 1. Raises UserError where the metric's package is not installed.
    """
    near = _nearness(metric)

    def score(answer: str, reference: str) -> float:
        said, wanted = answer.strip(), reference.strip()
        return 1.0 if said == wanted else min(1.0, near(said, wanted))

    return score


def _nearness(metric: Metric) -> Callable[[str, str], float]:
    if metric == "exact":
        return lambda answer, reference: 0.0
    if metric == "rouge":
        rouge = _package("rouge_score.rouge_scorer").RougeScorer(["rougeL"])
        return lambda answer, reference: float(rouge.score(reference, answer)["rougeL"].fmeasure)
    sacrebleu = _package("sacrebleu")
    scorer = sacrebleu.BLEU(effective_order=True) if metric == "bleu" else sacrebleu.CHRF()
    return lambda answer, reference: float(scorer.sentence_score(answer, [reference]).score) / 100


def corpus_scores(
    metric: Metric,
    references: Sequence[str],
    answers: Sequence[str],
    *,
    minus: Sequence[str] | None = None,
    seed: int = 0,
) -> dict[str, Estimate]:
    """The corpus's figures by name, each on the scale its package prints.

    `bleu` and `chrf` give both of them (0 to 100), `rouge` the mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L (0 to 1), with
    percentile-bootstrap intervals over sentences: a resample's BLEU is the corpus BLEU of its sentences, from the sums
    of their n-gram counts. `exact` gives the share of exact matches with Wilson's interval. With `minus`, other answers
    to the same references, each figure is the difference that `answers` make, paired over sentences.
    """
    import numpy as np

    from gnomon.stats.intervals import paired_difference, wilson

    if metric == "exact":
        right = _exact(references, answers)
        if minus is None:
            return {"exact": wilson(sum(right), len(right))}
        return {"exact": paired_difference(_exact(references, minus), right)}
    figures = _sums(metric, references, answers)
    if minus is None:
        return {name: _over_sentences(rows, statistic, seed) for name, (rows, statistic) in figures.items()}
    others = _sums(metric, references, minus)
    return {
        name: _over_sentences(np.hstack([rows, others[name][0]]), _difference(statistic, rows.shape[1]), seed)
        for name, (rows, statistic) in figures.items()
    }


def _sums(
    metric: Metric, references: Sequence[str], answers: Sequence[str]
) -> "dict[str, tuple[np.ndarray, Statistic]]":
    """Each figure as rows [n, k], one a sentence, and the function from their totals [B, k] to the figure [B]."""
    import numpy as np

    wanted, said = [text.strip() for text in references], [text.strip() for text in answers]
    if metric == "rouge":
        rouge = _package("rouge_score.rouge_scorer").RougeScorer(ROUGE)
        scores = [rouge.score(reference, answer) for reference, answer in zip(wanted, said, strict=True)]
        return {
            name: (np.array([[score[name].fmeasure, 1.0] for score in scores]), lambda t: t[:, 0] / t[:, 1])
            for name in ROUGE
        }
    sacrebleu = _package("sacrebleu")
    # `force` keeps it from logging that answers look tokenised already; it changes no score.
    return {
        name: (np.array(scorer._extract_corpus_statistics(said, [wanted])), partial(_from_counts, scorer))
        for name, scorer in (("bleu", sacrebleu.BLEU(force=True)), ("chrf", sacrebleu.CHRF()))
    }


def _from_counts(scorer: Any, totals: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return np.array([scorer._compute_score_from_stats(row).score for row in totals.round().astype(int).tolist()])


def _difference(statistic: "Statistic", k: int) -> "Statistic":
    return lambda totals: statistic(totals[:, :k]) - statistic(totals[:, k:])


def _over_sentences(rows: "np.ndarray", statistic: "Statistic", seed: int) -> Estimate:
    from gnomon.stats.resample import bootstrap

    if len(rows) == 1:
        value = float(statistic(rows)[0])
        return Estimate(value, None, None, 1, "bootstrap-percentile", reason="one sentence alone cannot be resampled")
    return bootstrap(rows, statistic, seed=seed)


def _exact(references: Sequence[str], answers: Sequence[str]) -> list[bool]:
    return [answer.strip() == reference.strip() for answer, reference in zip(answers, references, strict=True)]


def _package(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as missing:
        raise UserError(
            f"This metric needs the package {module.partition('.')[0].replace('_', '-')!r}, which is not here;"
            " pip install 'gnomon[tasks]' brings it."
        ) from missing
