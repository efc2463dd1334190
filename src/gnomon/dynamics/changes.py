"""Losses of the same things before and after: what changed, how much of it cancelled, and how sure that is.

Intervals come from resampling whole clusters (the sequences that tokens belong to, or the rows themselves); the sums
that D is made of (n, sum z, sum |z|, sum z^2) are additive, so a resample only adds clusters' sums up.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnomon.dynamics.interference import by_group, destructive_interference
from gnomon.seeds import derive
from gnomon.stats import Estimate
from gnomon.stats.resample import Statistic, bootstrap

MOST_CLUSTERS = 2000  # more clusters (or rows without any) are resampled in runs of neighbours, so many of them
RESAMPLES = 1000
ROOT = math.sqrt(2 / math.pi)


@dataclass(frozen=True, eq=False)
class Changes:
    """Losses before and after of the same n things, in the same order.

    `ids` name them, `groups` and `clusters` are labels of each, or None. A cluster is what moves together: the sequence
    of a token.
    """

    ids: list[str]
    before: np.ndarray
    after: np.ndarray
    groups: list[str] | None = None
    clusters: list[str] | None = None

    @property
    def z(self) -> np.ndarray:
        """The changes, after minus before: negative is better."""
        return self.after - self.before


def measure(changes: Changes, *, unit: Any, level: float = 0.95, seed: int = 0) -> dict[str, Any]:
    """D of the changes with all that it must be read with: the fields of `Interference` and, beside them,

    `estimates` (D, M, mean, D_null, A with bootstrap intervals), `random_signs_below` (see `_random_signs_below`),
    `n_clusters`, `loss_before`, `loss_after`, and `groups`: each group's `n`, `sum`, `mean`, `M`, `D`, `D_null`, `A`,
    shares of all gain and all loss, and `estimates` of mean and D. JSON-ready.
    """
    z = changes.z
    clusters = None if changes.clusters is None else np.unique(changes.clusters, return_inverse=True)[1]
    whole = destructive_interference(z, unit=unit)
    estimates = _estimates(z, clusters, level, derive(seed, "changes"))
    groups = []
    if changes.groups is not None:
        labels = np.asarray(changes.groups)
        for group in by_group(z, labels, unit=unit):
            inside = labels == group.group
            own = _estimates(
                z[inside],
                None if clusters is None else clusters[inside],
                level,
                derive(seed, "changes", group.group),
                figures=("mean", "D"),
            )
            groups.append({**group.to_dict(), "estimates": {name: own[name].to_dict() for name in own}})
    return {
        **whole.to_dict(),
        "random_signs_below": _random_signs_below(z, clusters),
        "n_clusters": None if clusters is None else int(clusters.max()) + 1,
        "loss_before": float(changes.before.mean()),
        "loss_after": float(changes.after.mean()),
        "estimates": {name: estimate.to_dict() for name, estimate in estimates.items()},
        "groups": groups,
    }


def _random_signs_below(z: np.ndarray, clusters: np.ndarray | None) -> float | None:
    """The share of random signs under which more would cancel than did, P(|N(0, 1)| < |sum z| / sqrt(sum s^2)).

    Signs are drawn for whole clusters (s is a cluster's sum), for tokens of one sequence move together. A alone cannot
    answer this: with one set of changes A = sqrt(pi/2) |z|, so independent signs give A < 0.88 in half of all cases.
    """
    sums = z if clusters is None else np.bincount(clusters, z)
    size = math.sqrt(float(np.square(sums).sum()))
    return math.erf(abs(float(z.sum())) / size / math.sqrt(2)) if size > 0 else None


def _estimates(
    z: np.ndarray,
    clusters: np.ndarray | None,
    level: float,
    seed: int,
    figures: Sequence[str] = ("D", "M", "mean", "D_null", "A"),
) -> dict[str, Estimate]:
    sums = np.stack([np.ones_like(z), z, np.abs(z), z * z], axis=1)
    labels = np.arange(len(z)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    count = int(labels.max()) + 1
    if count > MOST_CLUSTERS:
        labels = labels * MOST_CLUSTERS // count
    statistics: dict[str, Statistic] = {
        "D": lambda t: 1 - _ratio(np.abs(t[:, 1]), t[:, 2]),
        "M": lambda t: _ratio(t[:, 2], t[:, 0]),
        "mean": lambda t: _ratio(t[:, 1], t[:, 0]),
        "D_null": lambda t: 1 - ROOT * _ratio(np.sqrt(t[:, 3]), t[:, 2]),
        "A": lambda t: _ratio(np.abs(t[:, 1]), ROOT * np.sqrt(t[:, 3])),
    }
    if count > 1:
        return {
            name: bootstrap(sums, statistics[name], cluster=labels, B=RESAMPLES, seed=seed, level=level)
            for name in figures
        }
    what = "one row" if len(z) == 1 else "one sequence"
    found = {}
    for name in figures:
        value = float(statistics[name](sums.sum(0, keepdims=True))[0])
        found[name] = Estimate(
            value if math.isfinite(value) else None, None, None, len(z), "none", level, reason=f"{what} has no interval"
        )
    return found


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), math.nan), where=whole > 0)
