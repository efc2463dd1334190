"""The bootstrap over sums: rows, clusters or strata are resampled by multinomial counts, never by row indices."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse
from scipy.special import ndtr, ndtri

from gnomon.errors import UserError
from gnomon.stats.arguments import as_array, check_level, check_resamples, check_seed, item, labels, weights
from gnomon.stats.estimate import Estimate

BLOCK_BYTES = 24 * 2**20  # what one block of resamples takes: counts, their float copy, totals and the work on them

Statistic = Callable[[np.ndarray], np.ndarray]


def bootstrap(
    sums: Any,
    statistic: Statistic,
    *,
    cluster: Any = None,
    strata: Any = None,
    copies: Any = None,
    B: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    method: str = "percentile",
) -> Estimate:
    """Bootstrap a statistic of column totals (Efron and Tibshirani 1993, An Introduction to the Bootstrap).

    Row i contributes the vector `sums[i]` (n x k, an array or a SciPy sparse array); `statistic` maps totals (B, k) to
    values (B,). A resample draws as many clusters as there are (rows where `cluster` is None), inside each stratum
    where `strata` is given. `copies`: row i stands for so many equal rows, each drawn on its own; with `cluster` it is
    refused.

    The interval is `percentile` or `bca` (Efron 1987, JASA 82:171): bias from the share of draws below the value, half
    of the ties; acceleration from the delete-one-cluster jackknife, in which a stratum that lost a cluster is scaled
    back to its size. Draws that are not finite are undefined: they are left out and counted in `reason`. Blocks keep
    the memory beside `sums` and its cluster totals below 64 MB, up to two million clusters.

    Raises a UserError for sums that are not finite, labels that are missing or of another length, one cluster (or a
    stratum of one), a cluster in two strata, B < 1, a level outside (0, 1), an unknown method.
    """
    rows = _rows(sums)
    n = rows.shape[0]
    check_resamples("bootstrap", B)
    check_level("bootstrap", level)
    check_seed("bootstrap", seed)
    if method not in ("percentile", "bca"):
        raise UserError(f"bootstrap: method = {method!r} is not known; 'percentile' or 'bca'.")
    if copies is not None and cluster is not None:
        raise UserError("bootstrap: copies and cluster are both given; copies are of rows that are drawn one by one.")
    times = _constant(1, n) if copies is None else _whole(copies, n)
    name = f"bootstrap-{method}"
    if times.sum() == 0:
        return Estimate(None, None, None, 0, name, level, reason="no observations")
    totals, stratum = _cluster_totals(rows, times, cluster, strata)
    times = times if cluster is None else _constant(1, totals.shape[0])
    observed = int(times.sum()) if cluster is None else n
    clusters = None if cluster is None else totals.shape[0]

    def values(totals: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            found = np.asarray(statistic(totals), dtype=float)
        if found.shape != (len(totals),):
            raise UserError(
                f"bootstrap: statistic gives shape {found.shape} for totals of shape {totals.shape}; one value for"
                f" each row, ({len(totals)},), is expected."
            )
        return found

    everything = rows.sum(0) if copies is None else times @ rows
    value = float(values(everything[None])[0])
    draws = np.concatenate([values(block) for block in resamples(totals, times, stratum, B, seed)])
    usable = draws[np.isfinite(draws)]
    undefined = len(draws) - len(usable)
    if not np.isfinite(value) or len(usable) == 0:
        reason = "the statistic is undefined" + ("" if not np.isfinite(value) else " in every resample")
        return Estimate(None, None, None, observed, name, level, n_clusters=clusters, reason=reason)
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "bca":
        jackknife = np.concatenate([values(block) for block in _delete_one(totals, times, stratum)])
        tails = _bca_tails(value, usable, jackknife, times, tails)
    low, high = np.quantile(usable, tails)
    return Estimate(
        value,
        float(low),
        float(high),
        observed,
        name,
        level,
        se=float(usable.std(ddof=1)) if len(usable) > 1 else None,
        n_clusters=clusters,
        reason=f"{undefined} of {B} resamples were undefined" if undefined else None,
        draws=draws,
    )


def _rows(sums: Any) -> Any:
    """The sums, n x k: a dense array of floats, or sparse rows."""
    if issparse(sums):
        rows = csr_array(sums, dtype=float)
        held = rows.data
    else:
        dense = as_array("bootstrap", "sums", sums)
        if dense.ndim not in (1, 2):
            raise UserError(f"bootstrap: sums has shape {dense.shape}; rows x columns are expected.")
        try:
            rows = held = dense.astype(float, copy=False)
        except (TypeError, ValueError):
            raise UserError("bootstrap: sums holds what is not a number; every row must be numbers.") from None
        rows = rows[:, None] if rows.ndim == 1 else rows
    if not np.isfinite(held).all():
        raise UserError("bootstrap: sums holds values that are not finite; every row must be numbers.")
    return rows


def _whole(copies: Any, n: int) -> np.ndarray:
    times = weights("bootstrap", "copies", copies, n)
    if (times != np.floor(times)).any():
        raise UserError("bootstrap: copies holds a broken number; whole numbers are expected.")
    return times.astype(int)


def _cluster_totals(rows: Any, times: np.ndarray, cluster: Any, strata: Any) -> tuple[Any, np.ndarray]:
    """Totals per cluster (m, k), or the rows themselves where there are none, and the stratum of each (m,)."""
    n = rows.shape[0]
    stratum = _constant(0, n)
    if strata is not None:
        stratum_names, stratum = labels("bootstrap", "strata", strata, n)
    only = "row"
    if cluster is not None:
        names, index = labels("bootstrap", "cluster", cluster, n)
        of_row, stratum = stratum, np.zeros(len(names), dtype=int)
        stratum[index] = of_row
        if (wrong := stratum[index] != of_row).any():
            torn = item(names, int(index[wrong][0]))
            raise UserError(f"bootstrap: cluster {torn!r} lies in two strata; a cluster belongs to one.")
        rows = csr_array((np.ones(n), (index, np.arange(n))), shape=(len(names), n)) @ rows
        times = _constant(1, len(names))
        only = f"cluster, {item(names, 0)!r}"
    sizes = np.bincount(stratum, weights=times)
    if strata is not None and (sizes == 1).any():
        lone = item(stratum_names, int(np.argmax(sizes == 1)))
        raise UserError(f"bootstrap: stratum {lone!r} has one cluster only; merge it with another stratum.")
    if (sizes == 1).any():
        raise UserError(f"bootstrap: there is one {only}, so nothing can be resampled; at least two are needed.")
    return rows, stratum


def _constant(number: int, n: int) -> np.ndarray:
    """`number` n times, without the memory."""
    return np.broadcast_to(np.int64(number), n)


def resamples(totals: Any, times: np.ndarray, stratum: np.ndarray, B: int, seed: int) -> Iterator[np.ndarray]:
    """Totals of B resamples, in blocks; every stratum has a stream of its own, so blocks change no draw."""
    count = int(stratum.max()) + 1
    rng = np.random.default_rng(seed)
    streams = [rng] if count == 1 else rng.spawn(count)
    parts = [(totals, times)] if count == 1 else [(totals[stratum == s], times[stratum == s]) for s in range(count)]
    for size in _blocks(B, 2 * max(len(part[1]) for part in parts) + 4 * totals.shape[1]):
        drawn = np.zeros((size, totals.shape[1]))
        for stream, (members, of_each) in zip(streams, parts, strict=True):
            m = of_each.sum()
            drawn += stream.multinomial(m, of_each / m, size=size) @ members
        yield drawn


def _delete_one(totals: Any, times: np.ndarray, stratum: np.ndarray) -> Iterator[np.ndarray]:
    """Totals without one copy of each cluster, its stratum scaled back to the size it had."""
    sums = np.stack([times[stratum == level] @ totals[stratum == level] for level in range(stratum.max() + 1)])
    sizes = np.bincount(stratum, weights=times)
    everything = sums.sum(0)
    start = 0
    for size in _blocks(totals.shape[0], 6 * totals.shape[1]):
        block, of = totals[start : start + size], stratum[start : start + size]
        left = sums[of] - (block.toarray() if issparse(block) else block)
        yield everything - sums[of] + left * (sizes[of] / (sizes[of] - 1))[:, None]
        start += size


def _blocks(count: int, numbers_each: int) -> Iterator[int]:
    block = max(1, BLOCK_BYTES // (8 * numbers_each))
    for start in range(0, count, block):
        yield min(block, count - start)


def _bca_tails(
    value: float, draws: np.ndarray, jackknife: np.ndarray, times: np.ndarray, tails: np.ndarray
) -> np.ndarray:
    below = ((draws < value).mean() + (draws <= value).mean()) / 2
    below = np.clip(below, 1 / (2 * len(draws)), 1 - 1 / (2 * len(draws)))
    z0 = ndtri(below)
    known = np.isfinite(jackknife) & (times > 0)
    acceleration = 0.0
    if known.any():
        mean = np.average(jackknife[known], weights=times[known])
        centred = mean - jackknife[known]
        spread = (times[known] @ centred**2) ** 1.5
        acceleration = (times[known] @ centred**3) / (6 * spread) if spread > 0 else 0.0
    z = z0 + ndtri(tails)
    # Beyond 1 = acceleration x z the formula has no meaning; the tail then lies at the end of the draws.
    return np.asarray(ndtr(z0 + z / np.maximum(1 - acceleration * z, 1e-12)))
