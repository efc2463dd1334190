"""Estimates through a judge that errs: a prevalence from an imperfect test, a mean from few labels and many answers."""

import math
from typing import Any

from scipy.special import ndtri

from gnomon.errors import UserError
from gnomon.stats.arguments import check_level, counts, numbers
from gnomon.stats.estimate import Estimate


def rogan_gladen(
    positive: int,
    n: int,
    *,
    true_positive: int,
    n_positive: int,
    true_negative: int,
    n_negative: int,
    level: float = 0.95,
) -> Estimate:
    """Prevalence from a test that errs (Rogan and Gladen 1978, American Journal of Epidemiology 107:71).

        p = (q + sp - 1)/(se + sp - 1), cut to [0, 1]
        var = [q (1 - q)/n + p^2 se (1 - se)/n_positive + (1 - p)^2 sp (1 - sp)/n_negative]/(se + sp - 1)^2

    with q = positive/n in the sample, sensitivity se = true_positive/n_positive among units known to be positive, and
    specificity sp = true_negative/n_negative among those known not to be. Normal interval, cut to [0, 1]. Undefined
    without units to count, or where se + sp <= 1: such a judge says nothing.
    """
    check_level("rogan_gladen", level)
    positive, n = counts("rogan_gladen", positive, n)
    true_positive, n_positive = counts("rogan_gladen (true_positive of n_positive)", true_positive, n_positive)
    true_negative, n_negative = counts("rogan_gladen (true_negative of n_negative)", true_negative, n_negative)
    for name, count in (("n", n), ("n_positive", n_positive), ("n_negative", n_negative)):
        if count == 0:
            return Estimate(None, None, None, n, "rogan-gladen", level, reason=f"{name} is 0")
    # In whole numbers, so that a judge at exactly 1 is never let through by rounding.
    if true_positive * n_negative + true_negative * n_positive <= n_positive * n_negative:
        blind = f"sensitivity {true_positive}/{n_positive} + specificity {true_negative}/{n_negative} is not above 1"
        return Estimate(None, None, None, n, "rogan-gladen", level, reason=blind)
    q, se, sp = positive / n, true_positive / n_positive, true_negative / n_negative
    gain = se + sp - 1
    p = min(1.0, max(0.0, (q + sp - 1) / gain))
    variance = q * (1 - q) / n + p**2 * se * (1 - se) / n_positive + (1 - p) ** 2 * sp * (1 - sp) / n_negative
    error = math.sqrt(variance) / gain
    half = float(ndtri(0.5 + level / 2)) * error
    reason = None if variance > 0 else "nothing varied in any of the three samples, so the interval has no width"
    return Estimate(p, max(0.0, p - half), min(1.0, p + half), n, "rogan-gladen", level, se=error, reason=reason)


def ppi_mean(y_labelled: Any, judge_labelled: Any, judge_unlabelled: Any, level: float = 0.95) -> Estimate:
    """Mean of y from few labels and a judge's many answers: prediction-powered inference (Angelopoulos, Bates,
    Fannjiang, Jordan and Zrnic 2023, Science 382:669).

        value = mean(judge_unlabelled) + mean(y - judge) over the n labelled units
        var = var(judge_unlabelled)/N + var(y - judge)/n

    Normal interval; `n` counts labelled units. It is right however bad the judge is, and narrow where it is good.
    Undefined without labelled or unlabelled units; without interval where either has one. Raises a UserError for
    values that are missing or not finite, and for labelled columns of unequal length.
    """
    check_level("ppi_mean", level)
    y = numbers("ppi_mean", "y_labelled", y_labelled)
    judged = numbers("ppi_mean", "judge_labelled", judge_labelled)
    if len(y) != len(judged):
        raise UserError(
            f"ppi_mean: y_labelled has {len(y)} units and judge_labelled {len(judged)}; the same ones are expected."
        )
    unlabelled = numbers("ppi_mean", "judge_unlabelled", judge_unlabelled)
    n, more = len(y), len(unlabelled)
    if n == 0 or more == 0:
        which = "labelled" if n == 0 else "unlabelled"
        return Estimate(None, None, None, n, "ppi", level, reason=f"no {which} units")
    gap = y - judged
    value = float(unlabelled.mean() + gap.mean())
    if n == 1 or more == 1:
        reason = f"one {'labelled' if n == 1 else 'unlabelled'} unit has no variance"
        return Estimate(value, None, None, n, "ppi", level, reason=reason)
    error = math.sqrt(unlabelled.var(ddof=1) / more + gap.var(ddof=1) / n)
    half = float(ndtri(0.5 + level / 2)) * error
    return Estimate(value, value - half, value + half, n, "ppi", level, se=error)
