"""Rank correlations with their intervals: Spearman's, Kendall's, and Spearman's with a third variable held fixed."""

import math
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import kendalltau, rankdata

from gnomon.errors import UserError
from gnomon.stats.estimate import Estimate


def spearman(x: Any, y: Any, *, level: float = 0.95) -> Estimate:
    """Spearman's rank correlation, ties by midranks.

    The interval is Fisher's z with the variance (1 + r^2 / 2) / (n - 3) of Bonett and Wright (2000, Psychometrika
    65:23). Undefined where one of the two is constant, or with fewer than two pairs; without interval below four.
    """
    first, second = _pairs("spearman", x, y)
    value = _correlation(rankdata(first), rankdata(second))
    return _fisher(value, len(first), len(first) - 3, "spearman", level)


def partial_spearman(x: Any, y: Any, z: Any, *, level: float = 0.95) -> Estimate:
    """Spearman's correlation of `x` and `y` beyond what both share with `z`: the partial correlation of the ranks.

    The interval is that of `spearman` with one pair fewer. Undefined where any two of the three are in perfect order
    with `z`.
    """
    first, second = _pairs("partial_spearman", x, y)
    third, _ = _pairs("partial_spearman", z, y)
    xy, xz, yz = (
        _correlation(rankdata(one), rankdata(other))
        for one, other in ((first, second), (first, third), (second, third))
    )
    left = (1 - xz**2) * (1 - yz**2)
    value = (xy - xz * yz) / math.sqrt(left) if left > 1e-12 else math.nan
    return _fisher(value, len(first), len(first) - 4, "partial spearman", level)


def kendall(x: Any, y: Any, *, level: float = 0.95) -> Estimate:
    """Kendall's tau-b. The interval is Fisher's z with the variance 0.437 / (n - 4) of Fieller, Hartley and Pearson
    (1957, Biometrika 44:470); without interval below five pairs."""
    first, second = _pairs("kendall", x, y)
    n = len(first)
    value = float(kendalltau(first, second).statistic) if n > 1 else math.nan
    if math.isnan(value):
        return _undefined(n, "kendall", level)
    se = math.sqrt(0.437 / (n - 4)) if n > 4 else None
    return _through_z(value, se, n, "kendall", level)


def _fisher(value: float, n: int, freedom: int, method: str, level: float) -> Estimate:
    if math.isnan(value):
        return _undefined(n, method, level)
    se = math.sqrt((1 + value**2 / 2) / freedom) if freedom > 0 else None
    return _through_z(value, se, n, method, level)


def _through_z(value: float, se: float | None, n: int, method: str, level: float) -> Estimate:
    if se is None:
        return Estimate(value, None, None, n, method, level, reason=f"{n} pairs have no interval")
    z = math.atanh(max(-1 + 1e-15, min(1 - 1e-15, value)))
    half = float(ndtri(0.5 + level / 2)) * se
    return Estimate(value, math.tanh(z - half), math.tanh(z + half), n, method, level)


def _undefined(n: int, method: str, level: float) -> Estimate:
    reason = "fewer than two pairs" if n < 2 else "the values are constant, or in one order with the third"
    return Estimate(None, None, None, n, method, level, reason=reason)


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    a, b = x - x.mean() if len(x) else x, y - y.mean() if len(y) else y
    spread = math.sqrt(float(a @ a) * float(b @ b))
    return max(-1.0, min(1.0, float(a @ b) / spread)) if spread > 0 else math.nan


def _pairs(function: str, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if first.ndim != 1 or first.shape != second.shape:
        raise UserError(
            f"{function}: the shapes {first.shape} and {second.shape} are no pairs; two lists of one length."
        )
    for name, values in (("first", first), ("second", second)):
        if np.isnan(values).any():
            where = int(np.argmax(np.isnan(values)))
            raise UserError(f"{function}: the {name} list is NaN at position {where}; leave such pairs out.")
    return first, second
