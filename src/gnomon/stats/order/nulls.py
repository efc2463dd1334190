"""Exact null distributions of rank statistics, tabled: what depends on sample sizes and tie pattern is made once.

Tie patterns are tuples of run lengths: the sizes of the groups of equal values, from the smallest value up. Statistics
are doubled where midranks make them halves, so that all indices are whole numbers.
"""

import math
from collections import Counter
from functools import cache, lru_cache
from typing import Any

import numpy as np

from gnomon.stats.order.design import check_alpha, check_decidable

Runs = tuple[int, ...]


@cache
def rank_sum_tail(m: int, n: int) -> np.ndarray:
    """P(U >= u) for u = 0..mn without ties (Mann & Whitney 1947).

    The number of arrangements with U = u is the coefficient of q^u in prod_{i=1..n} (1 - q^(m+i)) / (1 - q^i).
    """
    if m > n:
        return rank_sum_tail(n, m)
    ways = [1] + [0] * (m * n)
    for i in range(1, m + 1):
        for u in range(m * n, n + i - 1, -1):
            ways[u] -= ways[u - n - i]
        for u in range(i, m * n + 1):
            ways[u] += ways[u - i]
    total, above, tail = math.comb(m + n, m), 0, []
    for count in reversed(ways):
        above += count
        tail.append(above / total)
    return _fixed(np.array(tail[::-1]))


@lru_cache(maxsize=65_536)
def critical_u(m: int, n: int, alpha: float) -> int:
    """The smallest U with p < alpha without ties; UndecidableDesign where there is none."""
    check_alpha(alpha)
    check_decidable("mannwhitney", m, n, alpha)
    return int(np.argmax(rank_sum_tail(m, n) < alpha))


@lru_cache(maxsize=1_024)
def tied_rank_sum_tails(m: int, runs: Runs) -> tuple[np.ndarray, np.ndarray]:
    """P(2U >= u) and P(2U <= u) for u = 0..2mn given the pooled sample's ties; U is that of the sample of m.

    All subsets of m of the pooled midranks are equally likely; a dynamic programme counts them by their sum.
    """
    n = sum(runs) - m
    if m > n:  # the smaller sample's sums are fewer, and 2U of the other is 2mn less it
        at_least, at_most = tied_rank_sum_tails(n, runs)
        return at_most[::-1], at_least[::-1]
    lowest = m * (m + 1)  # the doubled rank sum at U = 0
    ways = np.zeros((m + 1, lowest + 2 * m * n + 1))
    ways[0, 0] = 1
    for doubled in doubled_midranks(runs):
        ways[1:, doubled:] += ways[:-1, :-doubled]
    return _tails(ways[m, lowest:])


@lru_cache(maxsize=1_024)
def signed_rank_tails(runs: Runs) -> tuple[np.ndarray, np.ndarray]:
    """P(2T >= t) and P(2T <= t) for t = 0..n(n+1), T the sum of the positive differences' midranks (Wilcoxon 1945)."""
    n = sum(runs)
    ways = np.zeros(n * (n + 1) + 1)
    ways[0] = 1
    for doubled in doubled_midranks(runs):
        ways[doubled:] += ways[:-doubled]
    return _tails(ways)


def ecdf_lead_p(runs: Runs, m: int, lead: int) -> float:
    """P(max_k mn [F_y(k) - F_x(k)] >= lead) for samples of m x and n y with these ties (Smirnov, one-sided).

    Walks up the pooled sample; `on[a]` is the probability of having met a x without the lead so far. The lead counts
    only where a group of equal values is complete.
    """
    if lead <= 0:
        return 1.0
    pooled, met, reached = sum(runs), np.arange(m + 1), 0.0
    n, seen = pooled - m, 0
    on = np.zeros(m + 1)
    on[0] = 1
    for run in runs:
        for _ in range(run):
            step = on * ((m - met) / (pooled - seen))
            on -= step
            on[1:] += step[:-1]
            seen += 1
        leads = m * (seen - met) - n * met >= lead
        reached += float(on[leads].sum())
        on[leads] = 0
    return min(1.0, reached)


def doubled_midranks(runs: Runs) -> list[int]:
    """Twice the midrank of every value of a pooled sample, in ascending order."""
    found: list[int] = []
    for run in runs:
        found += [2 * len(found) + run + 1] * run
    return found


def tie_runs(values: list[Any]) -> Runs:
    """The tie pattern of a pooled sample without NaN."""
    return tuple(Counter(sorted(values)).values())


def tie_term(runs: Runs | np.ndarray) -> float:
    """sum(t^3 - t) over the groups of equal values, by which ties lower a rank statistic's variance."""
    t = np.asarray(runs, dtype=float)
    return float((t**3 - t).sum())


def _tails(ways: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = ways.sum()
    return _fixed(ways[::-1].cumsum()[::-1] / total), _fixed(ways.cumsum() / total)


def _fixed(table: np.ndarray) -> np.ndarray:
    table.flags.writeable = False
    return table
