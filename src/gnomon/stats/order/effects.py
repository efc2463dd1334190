"""How much larger: probability of superiority, Cliff's delta, Hodges-Lehmann shift, equivalence, crossing."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from gnomon.errors import UserError
from gnomon.stats.estimate import Estimate
from gnomon.stats.order import nulls, reading
from gnomon.stats.order.design import EXACT_UP_TO, check_alpha, check_decidable


def superiority(x: Any, y: Any, *, paired: bool = False, level: float = 0.95, missing: str = "raise") -> Estimate:
    """A = P(X>Y) + P(X=Y)/2, the share of comparisons that x wins, ties half.

    Unpaired: over all pairs, with the interval of Newcombe (2006, Statistics in Medicine 25:559), method 5. Paired:
    over the pairs, with Wilson's interval. `n` counts the numbers of both samples, or the pairs.
    """
    check_level(level)
    first, second = reading.settle(reading.read(x, "x"), reading.read(y, "y"), paired, missing)
    return superiority_of(first, second, paired, level)


def cliffs_delta(x: Any, y: Any, *, paired: bool = False, level: float = 0.95, missing: str = "raise") -> Estimate:
    """Cliff's delta = P(X>Y) - P(X<Y) = 2A - 1 (Cliff 1993, Psychological Bulletin 114:494); interval from A's."""
    return delta_of(superiority(x, y, paired=paired, level=level, missing=missing))


def shift(x: Any, y: Any, *, paired: bool = False, level: float = 0.95) -> Estimate:
    """How far x lies above y: the Hodges-Lehmann estimate (1963, Annals of Mathematical Statistics 34:598).

    Unpaired: the median of all x_i - y_j, with the interval from inverting Mann-Whitney: between the k-th smallest and
    the k-th largest difference, k the largest integer with P(U <= k-1) <= (1-level)/2; above 50 repeats from the normal
    distribution. Paired: the same of the averages (d_i + d_j)/2, i <= j, of the pairs' differences, inverting the
    signed-rank test. Where k would be 0 no interval of this level exists, and `reason` says so. Holds all differences
    in memory (8 mn bytes, or 4 n^2). Infinite numbers are refused.
    """
    check_level(level)
    first, second = reading.settle(reading.read(x, "x"), reading.read(y, "y"), paired, "raise")
    reading.check_finite(first, second, "shift")
    tail = (1 - level) / 2 * (1 + 1e-9)  # a level such as 0.9 must not miss an exact tail of 0.05 by rounding
    m, n = len(first), len(second)
    if paired:
        halves = first / 2 - second / 2
        sums = np.sort(np.concatenate([half + halves[i:] for i, half in enumerate(halves)]))
        if n <= EXACT_UP_TO:
            k = int(np.searchsorted(nulls.signed_rank_tails((1,) * n)[1][::2], tail, side="right"))
        else:
            k = _normal_rank(tail, n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24)
    else:
        sums = np.sort(np.subtract.outer(first, second).ravel())
        if max(m, n) <= EXACT_UP_TO:
            k = int(np.searchsorted(nulls.rank_sum_tail(m, n)[::-1], tail, side="right"))
        else:
            k = _normal_rank(tail, m * n / 2, m * n * (m + n + 1) / 12)
    value, size = float(np.median(sums)), n if paired else m + n
    if k < 1:
        reason = f"{size} {'pairs' if paired else 'numbers in all'} are too few for an interval at level {level}"
        return Estimate(value, None, None, size, "hodges-lehmann", level, reason=reason)
    return Estimate(value, float(sums[k - 1]), float(sums[-k]), size, "hodges-lehmann", level)


@dataclass(frozen=True)
class Equivalence:
    """Whether two samples differ by less than `margin`; `p_value` is the larger of the two one-sided ones."""

    equivalent: bool
    p_value: float
    margin: float


def equivalent(x: Any, y: Any, margin: float, *, alpha: float = 0.05) -> Equivalence:
    """Do x and y differ by less than `margin` (in their unit)? Two one-sided Mann-Whitney tests (TOST).

    x must be larger than y - margin and smaller than y + margin, each at `alpha`; that is also the error of the whole.
    Raises UndecidableDesign where the sizes can never show it.
    """
    check_alpha(alpha)
    if not (math.isfinite(margin) and margin > 0):
        raise UserError(f"equivalent: margin = {margin} must be a positive number in the samples' unit.")
    first, second = reading.settle(reading.read(x, "x"), reading.read(y, "y"), False, "raise")
    check_decidable("mannwhitney", len(first), len(second), alpha)
    above_lower, _ = mann_whitney(first, second - margin)
    _, below_upper = mann_whitney(first, second + margin)
    p = max(above_lower, below_upper)
    return Equivalence(p < alpha, p, margin)


def mann_whitney(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """One-sided p of "x larger" and "x smaller" (Mann & Whitney 1947), both with the observed U counted in.

    Exact for up to 50 repeats on either side, with ties given their pattern; above, normal with variance corrected for
    ties and a continuity correction of 1/2. No NaN here.
    """
    m, n = len(x), len(y)
    distinct, place, runs = np.unique(np.concatenate([x, y]), return_inverse=True, return_counts=True)
    doubled = int((2 * runs.cumsum() - runs + 1)[place[:m]].sum()) - m * (m + 1)  # 2U
    if len(distinct) == m + n and max(m, n) <= EXACT_UP_TO:
        tail, u = nulls.rank_sum_tail(m, n), doubled // 2
        return float(tail[u]), float(tail[m * n - u])
    return tied_p(tuple(runs.tolist()), doubled, m)


def tied_p(runs: nulls.Runs, doubled: int, m: int) -> tuple[float, float]:
    """`mann_whitney` from 2U = `doubled` of the sample of m and the pooled sample's tie pattern."""
    n = sum(runs) - m
    if max(m, n) > EXACT_UP_TO:
        variance = m * n / 12 * (m + n + 1 - nulls.tie_term(runs) / ((m + n) * (m + n - 1)))
        greater, less = normal_tails(np.array(doubled / 2 - m * n / 2), variance)
        return float(greater), float(less)
    at_least, at_most = nulls.tied_rank_sum_tails(m, runs)
    return float(at_least[doubled]), float(at_most[doubled])


def normal_tails(excess: np.ndarray, variance: float) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower normal tail of statistics this far above their mean, continuity 1/2; 1 where none can vary."""
    from scipy.special import ndtr

    if variance <= 0:
        return np.ones(excess.shape), np.ones(excess.shape)
    spread = math.sqrt(variance)
    return ndtr((0.5 - excess) / spread), ndtr((0.5 + excess) / spread)


def crossing(high: np.ndarray, low: np.ndarray) -> float:
    """max_k [F_high(k) - F_low(k)]_+: 0 where the sample called larger is so at every k, large where the empirical
    distribution functions cross. No NaN here."""
    at = np.unique(np.concatenate([high, low]))
    of_high, of_low = (np.searchsorted(np.sort(sample), at, "right") / len(sample) for sample in (high, low))
    lead = of_high - of_low
    return max(0.0, float(lead.max()))


def superiority_of(x: np.ndarray, y: np.ndarray, paired: bool, level: float) -> Estimate:
    """`superiority` of samples that are read and settled."""
    m, n = len(x), len(y)
    if paired:
        from scipy.special import ndtri

        from gnomon.stats.intervals import wilson_bounds

        d = reading.differences(x, y)
        won = float((d > 0).sum() + (d == 0).sum() / 2)
        low, high = wilson_bounds(won, n, float(ndtri(0.5 + level / 2)))
        return Estimate(won / n, low, high, n, "wilson", level)
    x, y = reading.sortable(x, y)
    order = np.sort(y)
    doubled = int(np.searchsorted(order, x, "left").sum() + np.searchsorted(order, x, "right").sum())
    low, high = _newcombe_low(doubled, m, n, level), 1 - _newcombe_low(2 * m * n - doubled, m, n, level)
    return Estimate(doubled / (2 * m * n), low, high, m + n, "newcombe-5", level)


def delta_of(superior: Estimate) -> Estimate:
    """Cliff's delta of a probability of superiority."""
    value, low, high = (None if a is None else 2 * a - 1 for a in (superior.value, superior.low, superior.high))
    return replace(superior, value=value, low=low, high=high)


def check_level(level: float) -> None:
    """Refuse a level outside (0, 1)."""
    if not 0 < level < 1:
        raise UserError(f"level = {level} must lie between 0 and 1, as 0.95 does.")


@lru_cache(maxsize=4_096)
def _newcombe_low(doubled: int, m: int, n: int, level: float) -> float:
    """Lower bound of A at 2U = `doubled`: the root t in (0, A) of (A-t)^2 = z^2 t (1-t) c(t) / mn.

    At A = 1 the factor 1-t, whose root is the degenerate bound 1, is divided out.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri

    if doubled == 0:
        return 0.0
    z2, a, spare = float(ndtri(0.5 + level / 2)) ** 2, doubled / (2 * m * n), (m + n) / 2 - 1

    def widened(t: float) -> float:
        return z2 * t * (1 + spare * ((1 - t) / (2 - t) + t / (1 + t))) / (m * n)

    excess: Callable[[float], float] = (
        (lambda t: (1 - t) - widened(t)) if a == 1 else (lambda t: (a - t) ** 2 - (1 - t) * widened(t))
    )
    return float(brentq(excess, 0.0, a, xtol=1e-14))


def _normal_rank(tail: float, middle: float, variance: float) -> int:
    from scipy.special import ndtri

    return math.floor(middle + 0.5 + float(ndtri(tail)) * math.sqrt(variance))
