"""Estimates from designed samples: a weighted mean with its linearised error, and the design effect of weights."""

import math
from typing import Any

import numpy as np
from scipy.special import stdtrit

from gnomon.errors import UserError
from gnomon.stats.arguments import check_level, column, item, labels, missing, numbers, weights
from gnomon.stats.estimate import Estimate
from gnomon.stats.weights import effective_sample_size

NAME = "survey_mean"


def survey_mean(
    y: Any, *, weight: Any = None, strata: Any = None, cluster: Any = None, fpc: Any = None, level: float = 0.95
) -> Estimate:
    """Weighted mean of a designed sample (Cochran 1977, Sampling Techniques, chapters 5, 6 and 10; Lumley 2004, Journal
    of Statistical Software 9(8)).

    mu = sum w y / sum w; its variance is that of the total of z = w (y - mu) / sum w by Taylor linearisation,

        v = sum_h (1 - f_h) n_h/(n_h - 1) sum_i (z_hi - mean_h)^2          over the n_h clusters of stratum h, plus
            sum_h f_h sum_i (1 - f_hi) m_i/(m_i - 1) sum_j (z_hij - mean_hi)^2   over the m_i units of cluster i, ...

    `strata` labels the strata of the first stage. `cluster` is one column of labels, or a list of columns, one for each
    stage of sampling (rows where it is None); a label of a later stage need only be unique inside its cluster. `fpc`,
    likewise one column or a list, holds how many units of that stage the population has: of clusters in the stratum, of
    second-stage units in the cluster, ...; one column more than `cluster` makes the rows the last stage. f = sampled
    / fpc; infinity is f = 0. Without `fpc` the first stage counts as drawn with replacement, and later ones are of no
    account. A stage that took everything (f = 1) adds nothing.

    The interval is Student's t with clusters - strata degrees of freedom; where there are none, it is None. `n` counts
    rows, `n_clusters` the clusters of the first stage. No rows: undefined.

    Raises a UserError for values that are missing or not finite, weights below 0 or all 0, columns of unequal length,
    a stratum or cluster of which one unit was drawn out of more, a cluster in two strata, an `fpc` that varies inside
    its stratum or cluster or is smaller than what was sampled.
    """
    check_level(NAME, level)
    values = numbers(NAME, "y", y)
    n = len(values)
    w = np.ones(n) if weight is None else weights(NAME, "weight", weight, n)
    clusters, sizes = _stages("cluster", cluster), _stages("fpc", fpc)
    if not clusters or len(sizes) == len(clusters) + 1:
        clusters = [*clusters, np.arange(n)]
    if sizes and len(sizes) != len(clusters):
        raise UserError(
            f"{NAME}: fpc has {len(sizes)} stages and cluster {len(clusters)}; one fpc for each stage is expected,"
            " infinity where the population of a stage has no bound."
        )
    populations = [_population(size, n) for size in sizes]
    names, parent = (np.array([None]), np.zeros(n, dtype=int)) if strata is None else labels(NAME, "strata", strata, n)
    read = [labels(NAME, "cluster", stage, n) for stage in clusters]
    if n == 0:
        return Estimate(None, None, None, 0, "linearised", level, reason="no observations")

    mean = float(w @ values / w.sum())
    z = w * (values - mean) / w.sum()
    _refuse_torn_clusters(*read[0], parent)
    n_strata, n_clusters = len(names), len(read[0][0])
    share = np.ones(n_strata)  # of each group of the stage above: the product of its sampling fractions
    variance = 0.0
    for stage, (labelled, index) in enumerate(read):
        unit, group = _nest(parent, index)
        sampled = np.bincount(group)
        fraction = _fractions(populations[stage], parent, sampled, names, stage) if populations else 0.0 * sampled
        if (lone := (sampled == 1) & (fraction < 1)).any():
            at = int(lone.argmax())
            raise UserError(_lone(at, stage, names, labelled, strata is None, cluster is None))
        totals = np.bincount(unit, z)
        middle = np.bincount(group, totals) / sampled
        spread = np.bincount(group, (totals - middle[group]) ** 2)
        variance += float((share * (1 - fraction) * sampled / np.maximum(sampled - 1, 1)) @ spread)
        share = (share * fraction)[group]
        names, parent = labelled[_first(unit, index)], unit
        if not share.any():
            break
    se = math.sqrt(variance)
    freedom = n_clusters - n_strata
    reported = None if cluster is None else n_clusters
    if freedom == 0:
        reason = "as many clusters as strata leave no degrees of freedom for an interval"
        return Estimate(mean, None, None, n, "linearised", level, se=se, n_clusters=reported, reason=reason)
    half = float(stdtrit(freedom, 0.5 + level / 2)) * se
    return Estimate(mean, mean - half, mean + half, n, "linearised", level, se=se, n_clusters=reported)


def kish_deff(weight: Any) -> float:
    """Kish's design effect of unequal weights, n sum w^2 / (sum w)^2, 1 where they are equal (Kish 1965, Survey
    Sampling, section 11.7).

    Raises a UserError for no weights, weights below 0 or not finite, or all 0.
    """
    w = weights("kish_deff", "weight", weight)
    if len(w) == 0:
        raise UserError("kish_deff: weight is empty; at least one weight is needed.")
    return len(w) / effective_sample_size(w)


def _stages(name: str, columns: Any) -> list[Any]:
    """One column, or a list of columns, as a list of columns."""
    if columns is None:
        return []
    if isinstance(columns, list | tuple) and columns and not isinstance(columns[0], str) and np.ndim(columns[0]) > 0:
        return list(columns)
    return [columns]


def _population(size: Any, n: int) -> np.ndarray:
    """One stage's fpc: numbers above 0, infinity among them."""
    read = column(NAME, "fpc", size, n)
    if (gaps := missing(read)).any():
        raise UserError(f"{NAME}: fpc is missing at position {int(gaps.argmax())}; every row needs one.")
    unbounded = np.array([isinstance(value, float) and value == math.inf for value in read.tolist()], dtype=bool)
    population = np.full(n, math.inf)
    population[~unbounded] = numbers(NAME, "fpc", read[~unbounded])
    return population


def _refuse_torn_clusters(names: np.ndarray, index: np.ndarray, stratum: np.ndarray) -> None:
    of_cluster = np.zeros(len(names), dtype=int)
    of_cluster[index] = stratum
    if (wrong := of_cluster[index] != stratum).any():
        raise UserError(f"{NAME}: cluster {item(names, int(index[wrong][0]))!r} lies in two strata; it belongs to one.")


def _nest(parent: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row's unit, numbered through all groups, and each unit's group."""
    width = int(index.max()) + 1
    units, unit = np.unique(parent * width + index, return_inverse=True)
    return unit, units // width


def _first(unit: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Each unit's label, as an index."""
    of_unit = np.zeros(int(unit.max()) + 1, dtype=int)
    of_unit[unit] = index
    return of_unit


def _fractions(
    population: np.ndarray, parent: np.ndarray, sampled: np.ndarray, names: np.ndarray, stage: int
) -> np.ndarray:
    """Sampled / population of each group, in units of this stage."""
    size = np.zeros(len(sampled))
    size[parent] = population
    if (varies := size[parent] != population).any():
        where = _group(int(parent[varies][0]), stage, names)
        raise UserError(f"{NAME}: fpc varies in {where}; the population of a stage is one number there.")
    if (few := size < sampled).any():
        at = int(few.argmax())
        raise UserError(
            f"{NAME}: fpc is {size[at]:g} in {_group(at, stage, names)}, smaller than the {sampled[at]} sampled; it"
            f" counts the population in units of stage {stage + 1}."
        )
    return sampled / size


def _group(at: int, stage: int, names: np.ndarray) -> str:
    name = item(names, at)
    if stage > 0:
        return f"cluster {name!r} of stage {stage}"
    return "the sample" if name is None else f"stratum {name!r}"


def _lone(at: int, stage: int, names: np.ndarray, labelled: np.ndarray, no_strata: bool, no_clusters: bool) -> str:
    if stage == 0 and no_strata:
        only = "one row" if no_clusters else f"one cluster only, {item(labelled, 0)!r}"
        return f"{NAME}: the sample has {only}, so nothing varies; at least two are needed."
    unit = f"unit of stage {stage + 1}" if stage else "row" if no_clusters else "cluster"
    return (
        f"{NAME}: {_group(at, stage, names)} has one {unit} only, so its variance is unknown; merge it with another, or"
        " give an fpc of 1 if it was taken with certainty."
    )
