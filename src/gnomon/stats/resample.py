"""The bootstrap over sums: rows, clusters or strata are resampled by multinomial counts, never by row indices."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from gnomon.errors import UserError
from gnomon.stats.estimate import Estimate

BLOCK_BYTES = 32 * 2**20  # counts of one block of resamples stay below this

Statistic = Callable[[np.ndarray], np.ndarray]


def bootstrap(
    sums: Any,
    statistic: Statistic,
    *,
    cluster: Any = None,
    strata: Any = None,
    B: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    method: str = "percentile",
) -> Estimate:
    """Bootstrap a statistic of column totals.

    Row i contributes the vector `sums[i]` (n x k); `statistic` maps totals (B, k) to values (B,). A resample draws as
    many clusters as there are (rows where `cluster` is None), inside each stratum where `strata` is given. The interval
    is `percentile` or `bca` (Efron 1987: bias from the share of draws below the value, ties half; acceleration from the
    delete-one-cluster jackknife). Draws that are NaN are left out and counted in `reason`.
    """
    rows = np.atleast_1d(np.asarray(sums, dtype=float))
    rows = rows[:, None] if rows.ndim == 1 else rows
    if not np.isfinite(rows).all():
        raise UserError("bootstrap: sums holds values that are not finite; every row must be numbers.")
    if B < 1:
        raise UserError(f"bootstrap: B = {B} must be at least 1.")
    if not 0 < level < 1:
        raise UserError(f"bootstrap: level = {level} must lie between 0 and 1.")
    if method not in ("percentile", "bca"):
        raise UserError(f"bootstrap: method = {method!r} is not known; 'percentile' or 'bca'.")
    n = len(rows)
    if n == 0:
        return Estimate(None, None, None, 0, f"bootstrap-{method}", level, reason="no observations")
    totals, stratum = _cluster_totals(rows, cluster, strata)
    if len(totals) == 1:
        raise UserError("bootstrap: there is one cluster only, so nothing can be resampled; at least two are needed.")
    rng = np.random.default_rng(seed)
    draws = np.concatenate([statistic(block) for block in _resamples(totals, stratum, B, rng)])
    value = float(statistic(rows.sum(0, keepdims=True))[0])
    usable = draws[~np.isnan(draws)]
    undefined = len(draws) - len(usable)
    clusters = None if cluster is None else len(totals)
    if not np.isfinite(value) or len(usable) == 0:
        return Estimate(
            None,
            None,
            None,
            n,
            f"bootstrap-{method}",
            level,
            n_clusters=clusters,
            reason="the statistic is undefined",
        )
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "bca":
        tails = _bca_tails(value, usable, totals, statistic, tails)
    low, high = np.quantile(usable, tails)
    return Estimate(
        value,
        float(low),
        float(high),
        n,
        f"bootstrap-{method}",
        level,
        se=float(usable.std(ddof=1)) if len(usable) > 1 else None,
        n_clusters=clusters,
        reason=f"{undefined} of {B} resamples were undefined" if undefined else None,
        draws=draws,
    )


def _cluster_totals(rows: np.ndarray, cluster: Any, strata: Any) -> tuple[np.ndarray, np.ndarray]:
    """Totals per cluster (m, k) and each cluster's stratum (m,)."""
    n = len(rows)
    labels = np.arange(n) if cluster is None else np.asarray(cluster)
    levels = np.zeros(n, dtype=int) if strata is None else np.asarray(strata)
    for name, array in (("cluster", labels), ("strata", levels)):
        if len(array) != n:
            raise UserError(f"bootstrap: {name} has {len(array)} entries for {n} rows; one for each is expected.")
    names, index = np.unique(labels, return_inverse=True)
    stratum_names, stratum_index = np.unique(levels, return_inverse=True)
    stratum = np.full(len(names), -1)
    stratum[index] = stratum_index
    if (wrong := stratum[index] != stratum_index).any():
        raise UserError(f"bootstrap: cluster {labels[wrong][0]!r} lies in two strata; a cluster belongs to one.")
    if strata is not None:
        sizes = np.bincount(stratum)
        if (sizes == 1).any():
            lone = stratum_names[int(np.argmax(sizes == 1))]
            raise UserError(f"bootstrap: stratum {lone!r} has one cluster only; merge it with another stratum.")
    totals = np.zeros((len(names), rows.shape[1]))
    np.add.at(totals, index, rows)
    return totals, stratum


def _resamples(totals: np.ndarray, stratum: np.ndarray, B: int, rng: np.random.Generator) -> Any:
    block = max(1, min(B, BLOCK_BYTES // (8 * len(totals))))
    for start in range(0, B, block):
        size = min(block, B - start)
        drawn = np.zeros((size, totals.shape[1]))
        for level in np.unique(stratum):
            members = totals[stratum == level]
            m = len(members)
            drawn += rng.multinomial(m, np.full(m, 1 / m), size=size) @ members
        yield drawn


def _bca_tails(
    value: float, draws: np.ndarray, totals: np.ndarray, statistic: Statistic, tails: np.ndarray
) -> np.ndarray:
    below = ((draws < value).mean() + (draws <= value).mean()) / 2
    below = np.clip(below, 1 / (2 * len(draws)), 1 - 1 / (2 * len(draws)))
    z0 = ndtri(below)
    jackknife = statistic(totals.sum(0) - totals)
    jackknife = jackknife[~np.isnan(jackknife)]
    centred = jackknife.mean() - jackknife
    spread = (centred**2).sum() ** 1.5
    acceleration = (centred**3).sum() / (6 * spread) if spread > 0 else 0.0
    z = z0 + ndtri(tails)
    return np.asarray(ndtr(z0 + z / (1 - acceleration * z)))
