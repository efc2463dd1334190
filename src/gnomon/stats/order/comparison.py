"""Is X stochastically larger than Y, the other way round, or not distinguishable at this sample size?"""

import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np

from gnomon.errors import UserError
from gnomon.seeds import derive
from gnomon.stats.estimate import Estimate
from gnomon.stats.order import effects, nulls, reading
from gnomon.stats.order.design import DRAWS, EXACT_UP_TO, MOST_FLIPPED, MOST_SUBSETS, check_alpha, check_decidable

METHODS = {False: ("mannwhitney", "permutation", "ks", "mean"), True: ("wilcoxon", "sign_flip", "mean")}
"""What fits unpaired (False) and paired (True) data, the default first."""

BLOCK = 2**20  # numbers of one block of draws


@dataclass(frozen=True)
class Comparison:
    """What `compare` found about samples x and y.

    `decision` is "greater" where p_greater < alpha, "less" where p_less < alpha, else "undecided": an error of alpha in
    each direction, 2 alpha in both. `p_value` is the two-sided min(1, 2 min(p_greater, p_less)). `superiority` and
    `cliffs_delta` say by how much, with intervals. `crossing` is the largest lead of the apparently larger sample's
    distribution function over the other's: 0 where it is larger at every k. `n_x` and `n_y` are the numbers compared,
    `missing_x` and `missing_y` the NaN among those given. `alpha` is the threshold in force: after `sequential`, that
    of the look it ended at.
    """

    decision: str
    p_greater: float
    p_less: float
    p_value: float
    superiority: Estimate
    cliffs_delta: Estimate
    crossing: float
    n_x: int
    n_y: int
    missing_x: int
    missing_y: int
    method: str
    alpha: float
    paired: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: the fields by name."""
        estimates = {"superiority": self.superiority.to_dict(), "cliffs_delta": self.cliffs_delta.to_dict()}
        return {**asdict(self), **estimates}


def compare(
    x: Any,
    y: Any,
    *,
    paired: bool = False,
    method: str | None = None,
    alpha: float = 0.05,
    level: float = 0.95,
    missing: str = "raise",
    seed: int = 0,
) -> Comparison:
    """Compare two samples of noisy scores as random variables.

    Unpaired methods: `mannwhitney` (default; exact for up to 50 repeats on either side, given the ties), `permutation`
    (of the sum; exact where at most 20,000 subsets exist, else 9,999 draws from `seed`), `ks` (Smirnov's one-sided
    test: by how much one distribution function leads the other at some k; exact like Mann-Whitney, with the same
    smallest p) and `mean`. Paired: `wilcoxon` (default; signed ranks, zero differences dropped), `sign_flip` (of the
    sum; exact for up to 14 pairs) and `mean`. `mean` has no null distribution: its p is 0 for the larger mean and 1
    otherwise, so it always decides unless the means are equal; it is the baseline that others use.

    `alpha` is the one-sided error in each direction. `missing` says what NaN means: "raise" refuses it, "lowest" ranks
    it below every number and equal to other NaN, "drop" removes it, with its partner in paired data. `level` is that of
    the effect's interval.

    Raises UndecidableDesign where no data of these sizes could decide, and a UserError for bad input.
    """
    chosen = choose(method, paired)
    effects.check_level(level)
    check_alpha(alpha)
    given = reading.read(x, "x"), reading.read(y, "y")
    first, second = reading.settle(*given, paired, missing)
    check_decidable(chosen, len(first), len(second), alpha)
    greater, less = p_values(chosen, first, second, paired, seed)
    superior = effects.superiority_of(first, second, paired, level)
    ranked = reading.sortable(first, second)
    return Comparison(
        decision="greater" if greater < alpha else "less" if less < alpha else "undecided",
        p_greater=greater,
        p_less=less,
        p_value=min(1.0, 2 * min(greater, less)),
        superiority=superior,
        cliffs_delta=effects.delta_of(superior),
        crossing=effects.crossing(*(ranked if greater <= less else ranked[::-1])),
        n_x=len(first),
        n_y=len(second),
        missing_x=int(np.isnan(given[0]).sum()),
        missing_y=int(np.isnan(given[1]).sum()),
        method=chosen,
        alpha=alpha,
        paired=paired,
    )


def better(
    x: Any,
    y: Any,
    *,
    paired: bool = False,
    method: str | None = None,
    alpha: float = 0.05,
    level: float = 0.95,
    missing: str = "raise",
    seed: int = 0,
) -> bool:
    """Whether x is stochastically larger than y: `compare(...).decision == "greater"`, without the rest."""
    if not paired and (method is None or method == "mannwhitney") and missing in reading.MISSING and 0 < level < 1:
        a, b = reading.read(x, "x").tolist(), reading.read(y, "y").tolist()
        m, n = len(a), len(b)
        total = sum(a) + sum(b)
        if m <= EXACT_UP_TO and n <= EXACT_UP_TO and total == total:  # the sum is NaN where a number is
            least, ascending = nulls.critical_u(m, n, alpha), sorted(b)
            wins = sum(map(bisect_left, repeat(ascending), a))
            if len(set(a + b)) == m + n:  # no ties
                return wins >= least
            doubled = wins + sum(map(bisect_right, repeat(ascending), a))
            return effects.tied_p(nulls.tie_runs(a + b), doubled, m)[0] < alpha
    effects.check_level(level)
    check_alpha(alpha)
    chosen = choose(method, paired)
    first, second = reading.settle(reading.read(x, "x"), reading.read(y, "y"), paired, missing)
    check_decidable(chosen, len(first), len(second), alpha)
    return p_values(chosen, first, second, paired, seed)[0] < alpha


def sequential(
    x: Any,
    y: Any,
    *,
    looks: Sequence[int] = (4, 7, 10),
    alpha: float = 0.05,
    paired: bool = False,
    method: str | None = None,
    level: float = 0.95,
    missing: str = "raise",
    seed: int = 0,
) -> Comparison:
    """Compare after looks[0], looks[1], ... repeats of each and stop at the first decision.

    The threshold at look k is alpha (n_k - n_{k-1}) / n_K, so that by the union bound the one-sided error over all
    looks is at most `alpha`. `x` and `y` are arrays, or callables that take n and return the first n scores, which are
    asked only as far as needed. `n_x`, `n_y` and `alpha` of the result are those of the look it ended at.

    Raises UndecidableDesign, before anything is asked, where a look comes too early to decide.
    """
    check_alpha(alpha)
    chosen = choose(method, paired)
    counts = [0, *looks]
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in looks)
    if len(looks) == 0 or not whole or any(a >= b for a, b in itertools.pairwise(counts)):
        raise UserError(f"looks = {tuple(looks)} must be increasing whole numbers of at least 1, as (4, 7, 10) are.")
    thresholds = [alpha * ((b - a) / counts[-1]) for a, b in itertools.pairwise(counts)]
    for n, threshold in zip(looks, thresholds, strict=True):
        check_decidable(chosen, n, n, threshold, f" at the look after {n}")
    ask_x, ask_y = _first(x, "x", looks[-1]), _first(y, "y", looks[-1])
    for n, threshold in zip(looks, thresholds, strict=True):
        first, second = ask_x(n), ask_y(n)
        try:
            found = compare(
                first,
                second,
                paired=paired,
                method=chosen,
                alpha=threshold,
                level=level,
                missing=missing,
                seed=seed,
            )
        except UserError:
            if missing == "drop" and n != looks[-1]:
                continue  # too little may be left of this look's repeats; the next look has more
            raise
        if found.decision != "undecided":
            break
    return found


def _first(values: Any, name: str, most: int) -> Callable[[int], np.ndarray]:
    """What gives the first n scores of an array, or of a callable, checked."""
    if callable(values):

        def ask(n: int) -> np.ndarray:
            scores = reading.read(values(n), f"{name}({n})")
            if len(scores) != n:
                raise UserError(f"{name}({n}) gave {len(scores)} scores; the first {n} are expected.")
            return scores

        return ask
    array = reading.read(values, name)
    if len(array) < most:
        raise UserError(f"{name} has {len(array)} repeats, and the last of the looks asks for {most}.")
    return lambda n: array[:n]


def choose(method: str | None, paired: bool) -> str:
    """The method by name, the default where None; refuses one that does not exist or does not fit `paired`."""
    fitting = METHODS[bool(paired)]
    if method is None:
        return fitting[0]
    if method not in fitting:
        raise UserError(f"method = {method!r} with paired={bool(paired)}: there are {', '.join(fitting)}.")
    return method


def p_values(method: str, x: np.ndarray, y: np.ndarray, paired: bool, seed: int) -> tuple[float, float]:
    """One-sided p of "x larger" and of "x smaller" for settled samples."""
    if method == "wilcoxon":
        return _signed_rank(reading.differences(x, y))
    if method == "mannwhitney":
        return effects.mann_whitney(*reading.sortable(x, y))
    if method == "ks":
        first, second = reading.sortable(x, y)
        return _ks(first, second), _ks(second, first)
    reading.check_finite(x, y, f"method {method!r}")
    x, y = _tamed(x, y)
    if method == "permutation":
        return _permutation(x, y, seed)
    if method == "sign_flip":
        return _sign_flip(x - y, seed)
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    return float(mean_x <= mean_y), float(mean_x >= mean_y)


def _tamed(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both samples times one power of two, so that no sum of them overflows."""
    power = -int(np.frexp(max(np.abs(x).max(), np.abs(y).max()))[1])
    return np.ldexp(x, power), np.ldexp(y, power)


def _signed_rank(d: np.ndarray) -> tuple[float, float]:
    d = d[d != 0]
    n = len(d)
    if n == 0:
        return 1.0, 1.0
    _, place, runs = np.unique(np.abs(d), return_inverse=True, return_counts=True)
    midranks = 2 * runs.cumsum() - runs + 1
    doubled = int(midranks[place[d > 0]].sum())
    if n > EXACT_UP_TO:
        variance = n * (n + 1) * (2 * n + 1) / 24 - nulls.tie_term(runs) / 48
        greater, less = effects.normal_tails(np.array(doubled / 2 - n * (n + 1) / 4), variance)
        return float(greater), float(less)
    at_least, at_most = nulls.signed_rank_tails(tuple(runs.tolist()))
    return float(at_least[doubled]), float(at_most[doubled])


def _ks(high: np.ndarray, low: np.ndarray) -> float:
    """One-sided p of "F_low leads F_high somewhere": the first sample is larger."""
    m, n = len(high), len(low)
    if max(m, n) > EXACT_UP_TO:
        from scipy.stats import ks_2samp

        return float(ks_2samp(high, low, alternative="less", method="asymp").pvalue)
    distinct, runs = np.unique(np.concatenate([high, low]), return_counts=True)
    below_high = np.searchsorted(np.sort(high), distinct, "right")
    below_low = np.searchsorted(np.sort(low), distinct, "right")
    return nulls.ecdf_lead_p(tuple(runs.tolist()), m, int((m * below_low - n * below_high).max()))


def _permutation(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[float, float]:
    """Of the sum of x over the subsets of the pooled numbers, in an order that swapping or shuffling cannot change."""
    first, second = sorted(x.tolist()), sorted(y.tolist())
    if (len(second), second) < (len(first), first):
        return _permutation(y, x, seed)[::-1]
    pooled = np.sort(np.concatenate([x, y]))
    observed = math.fsum(first)
    rounding = np.abs(pooled).sum() * len(pooled) * np.finfo(float).eps
    if math.comb(len(pooled), len(first)) <= MOST_SUBSETS:
        sums = pooled[_subsets(len(pooled), len(first))].sum(1)
        return float((sums >= observed - rounding).mean()), float((sums <= observed + rounding).mean())
    rng = np.random.default_rng(derive(seed, "order", "permutation"))
    above = below = 0
    for size in _blocks(len(pooled)):
        drawn = rng.permuted(np.tile(pooled, (size, 1)), axis=1)[:, : len(first)].sum(1)
        above += int((drawn >= observed - rounding).sum())
        below += int((drawn <= observed + rounding).sum())
    if first == second:  # both directions are one question here, and the draws must not tell them apart
        above = below = max(above, below)
    return (above + 1) / (DRAWS + 1), (below + 1) / (DRAWS + 1)


@lru_cache(maxsize=16)
def _subsets(size: int, chosen: int) -> np.ndarray:
    return np.array(list(itertools.combinations(range(size), chosen)))


@lru_cache(maxsize=16)
def _signs(size: int) -> np.ndarray:
    return np.array(list(itertools.product((-1.0, 1.0), repeat=size)))


def _sign_flip(d: np.ndarray, seed: int) -> tuple[float, float]:
    observed = math.fsum(d)
    rounding = np.abs(d).sum() * len(d) * np.finfo(float).eps
    if len(d) <= MOST_FLIPPED:
        sums = _signs(len(d)) @ d
        return float((sums >= observed - rounding).mean()), float((sums <= observed + rounding).mean())
    rng = np.random.default_rng(derive(seed, "order", "sign_flip"))
    above = below = 0
    for size in _blocks(len(d)):
        drawn = rng.choice((-1.0, 1.0), size=(size, len(d))) @ d
        above += int((drawn >= observed - rounding).sum())
        below += int((drawn <= observed + rounding).sum())
    return (above + 1) / (DRAWS + 1), (below + 1) / (DRAWS + 1)


def _blocks(width: int) -> list[int]:
    """Sizes of blocks of draws that together are DRAWS."""
    size = max(1, min(DRAWS, BLOCK // width))
    return [size] * (DRAWS // size) + [DRAWS % size] * (DRAWS % size > 0)
