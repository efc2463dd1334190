"""What a second attempt did to the first: the figures of self-correction (SCoRe, arXiv 2409.12917, section 3.2).

Among n problems, t1 and t2 are the accuracies of the first and the last attempt, i_to_c is the share that was wrong and
became right, c_to_i the share that was right and became wrong, so that t2 - t1 = i_to_c - c_to_i.
"""

from collections.abc import Sequence

import numpy as np

from gnomon.posttrain.evaluation import Answered, Graded
from gnomon.stats import Estimate
from gnomon.stats.edits import edit_distance
from gnomon.stats.intervals import mean, wilson
from gnomon.stats.resample import bootstrap

NOTHING = Answered("", correct=False, reward=0.0)  # stands in for an attempt that the context had no room for


def attempt_figures(graded: Sequence[Graded], *, attempts: int = 2, seed: int = 0) -> dict[str, Estimate]:
    """t1 .. tN, delta, i_to_c, c_to_i, fix_rate, edit_ratio and unchanged, between the first and the last attempt.

    Shares have Wilson intervals; `fix_rate` is the share of wrong first attempts that became right. `delta` and
    `edit_ratio`, the mean of dist(y1, y2) / (len y1 + len y2) over the problems that have a last attempt, have
    paired-bootstrap intervals over problems. An attempt that is missing is wrong, and no answer left unchanged.
    """
    tries = [attempts_of(g, attempts) for g in graded]
    n = len(tries)
    right = np.array([[a.correct for a in t] for t in tries], dtype=bool).reshape(n, attempts)
    first, last = right[:, 0], right[:, -1]
    fixed, broken = last & ~first, first & ~last
    figures = {f"t{k + 1}": wilson(int(right[:, k].sum()), n) for k in range(attempts)}
    gains = last.astype(float) - first
    figures["delta"] = _bootstrap_mean(gains, seed)
    figures["i_to_c"] = wilson(int(fixed.sum()), n)
    figures["c_to_i"] = wilson(int(broken.sum()), n)
    # delta = i->c - c->i, problem by problem: were it not so, one of the three would be counted wrongly.
    assert int(gains.sum()) == int(fixed.sum()) - int(broken.sum())
    figures["fix_rate"] = wilson(int(fixed.sum()), int((~first).sum()))
    pairs = [(t[0].action, t[-1].action) for t in tries if t[-1] is not NOTHING]
    figures["edit_ratio"] = _bootstrap_mean(np.array([edit_ratio(*pair) for pair in pairs]), seed)
    figures["unchanged"] = wilson(sum(earlier == later for earlier, later in pairs), n)
    return figures


def attempts_of(graded: Graded, attempts: int) -> list[Answered]:
    """The attempts of an episode, those that are missing as wrong and empty."""
    made = [turn for turn in graded.turns if not turn.latent]
    return made + [NOTHING] * (attempts - len(made))


def edit_ratio(first: str, second: str) -> float:
    """Levenshtein distance in characters over the sum of the lengths: 0 for equal texts, at most 1."""
    whole = len(first) + len(second)
    return edit_distance(first, second) / whole if whole else 0.0


def _bootstrap_mean(values: np.ndarray, seed: int) -> Estimate:
    if len(values) == 1:  # nothing to resample
        return mean(values)
    sums = np.column_stack([values, np.ones(len(values))])
    return bootstrap(sums, lambda totals: totals[:, 0] / totals[:, 1], seed=seed)
