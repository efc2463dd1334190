"""Intervals in closed form: one proportion, two proportions (paired or not), a mean over few repeats."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import betaincinv, ndtri, stdtrit

from gnomon.errors import UserError
from gnomon.stats.arguments import check_level, counts
from gnomon.stats.estimate import Estimate


def wilson(k: int, n: int, level: float = 0.95) -> Estimate:
    """Proportion k/n with Wilson's score interval (Wilson 1927, JASA 22:209). n = 0 gives an undefined estimate."""
    k, n = counts("wilson", k, n)
    z = _z("wilson", level)
    if n == 0:
        return Estimate(None, None, None, 0, "wilson", level, reason="no observations")
    low, high = wilson_bounds(k, n, z)
    p = k / n
    return Estimate(p, low, high, n, "wilson", level, se=math.sqrt(p * (1 - p) / n))


def exact(k: int, n: int, level: float = 0.95) -> Estimate:
    """Proportion k/n with the exact interval of Clopper and Pearson (1934, Biometrika 26:404): never below `level`."""
    k, n = counts("exact", k, n)
    _z("exact", level)
    if n == 0:
        return Estimate(None, None, None, 0, "clopper-pearson", level, reason="no observations")
    tail = (1 - level) / 2
    low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1 - tail))
    p = k / n
    return Estimate(p, low, high, n, "clopper-pearson", level, se=math.sqrt(p * (1 - p) / n))


def paired_difference(before: Any, after: Any, level: float = 0.95, seed: int = 0) -> Estimate:
    """Difference of two proportions over the same items, mean(after) - mean(before).

    Newcombe's score interval for paired proportions (1998, Statistics in Medicine 17:2635, method 10): closed form, so
    `seed` changes nothing and is there for callers that choose among methods. `se` is McNemar's.
    Raises a UserError for arrays of unequal length or of anything but truth values.
    """
    first, second = _truth("paired_difference", "before", before), _truth("paired_difference", "after", after)
    if len(first) != len(second):
        raise UserError(
            f"paired_difference: before has {len(first)} items and after {len(second)}; the same items are expected."
        )
    z = _z("paired_difference", level)
    n = len(first)
    if n == 0:
        return Estimate(None, None, None, 0, "newcombe-paired", level, reason="no observations")
    both = int((first & second).sum())
    gained, lost = int((~first & second).sum()), int((first & ~second).sum())
    neither = n - both - gained - lost
    p1, p2 = (both + gained) / n, (both + lost) / n
    l1, u1 = wilson_bounds(both + gained, n, z)
    l2, u2 = wilson_bounds(both + lost, n, z)
    phi = _phi(both, gained, lost, neither)
    difference = p1 - p2
    down = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    up = (u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2
    se = math.sqrt(max(0.0, gained + lost - (gained - lost) ** 2 / n)) / n
    return Estimate(
        difference,
        difference - math.sqrt(max(0.0, down)),
        difference + math.sqrt(max(0.0, up)),
        n,
        "newcombe-paired",
        level,
        se=se,
    )


def proportion_difference(successes_a: int, n_a: int, successes_b: int, n_b: int, level: float = 0.95) -> Estimate:
    """Difference b - a of two independent proportions with Newcombe's hybrid score interval (1998, 17:873)."""
    successes_a, n_a = counts("proportion_difference", successes_a, n_a)
    successes_b, n_b = counts("proportion_difference", successes_b, n_b)
    z = _z("proportion_difference", level)
    if n_a == 0 or n_b == 0:
        return Estimate(None, None, None, n_a + n_b, "newcombe", level, reason="no observations on one side")
    a, b = successes_a / n_a, successes_b / n_b
    (low_a, high_a), (low_b, high_b) = (
        wilson_bounds(successes_a, n_a, z),
        wilson_bounds(successes_b, n_b, z),
    )
    difference = b - a
    low = difference - math.hypot(b - low_b, high_a - a)
    high = difference + math.hypot(high_b - b, a - low_a)
    se = math.sqrt(a * (1 - a) / n_a + b * (1 - b) / n_b)
    return Estimate(difference, low, high, n_a + n_b, "newcombe", level, se=se)


def mean(values: Sequence[float] | np.ndarray, level: float = 0.95) -> Estimate:
    """Mean of independent repeats (seeds, items) with Student's t interval. One value alone has no interval."""
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise UserError(f"mean: values must be finite numbers in one dimension; got {array.tolist()!r:.120}.")
    _z("mean", level)
    n = len(array)
    if n == 0:
        return Estimate(None, None, None, 0, "t", level, reason="no observations")
    middle = float(array.mean())
    if n == 1:
        return Estimate(middle, None, None, 1, "t", level, reason="one observation has no interval")
    se = float(array.std(ddof=1) / math.sqrt(n))
    half = float(stdtrit(n - 1, 0.5 + level / 2)) * se
    return Estimate(middle, middle - half, middle + half, n, "t", level, se=se)


def wilson_bounds(successes: float, n: int, z: float) -> tuple[float, float]:
    """The bounds of `wilson` at `z` standard deviations; `successes` may hold halves, as ties count."""
    p, z2 = successes / n, z * z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    # The bounds at 0 and n are exactly 0 and 1; rounding must not say otherwise.
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)


def _phi(both: int, gained: int, lost: int, neither: int) -> float:
    """Correlation of the pairs; a positive numerator is reduced by n/2 (Newcombe's continuity correction)."""
    margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    if margins == 0:
        return 0.0
    n = both + gained + lost + neither
    numerator = float(both * neither - gained * lost)
    if numerator > 0:
        numerator = max(0.0, numerator - n / 2)
    return numerator / math.sqrt(margins)


def _z(function: str, level: float) -> float:
    check_level(function, level)
    return float(ndtri(0.5 + level / 2))


def _truth(function: str, name: str, values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.size == 0:
        return array.astype(bool).reshape(-1)
    if array.ndim != 1 or not np.isin(array, (0, 1)).all():
        raise UserError(f"{function}: {name} must be a list of truth values (or 0 and 1).")
    return array.astype(bool)
