"""How much scores vary from repeat to repeat, whether they drift, and what of it is due to weights and what to batches.

Variation Matters (Rumiantsev and Coates, arXiv 2502.19657), equation 1: the variation of a ranker is the mean over
architectures of the coefficient of variation of M_i, the scores of architecture i. Missing and infinite scores are left
out and counted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gnomon.errors import UserError
from gnomon.stats import Estimate
from gnomon.stats.correlation import kendall
from gnomon.stats.order import adjust
from gnomon.stats.resample import bootstrap

if TYPE_CHECKING:
    from gnomon.search.table import Table

Cv = Literal["std", "var"]
DRIFT_LEVEL = 0.01
MOST_EXACT = 60  # repeats up to which the trend's p is counted out rather than approximated


def variation(
    table: "Table", *, cv: Cv = "std", lower: bool = False, level: float = 0.95, seed: int = 0
) -> dict[str, Any]:
    """The variation of every ranker of `table`, JSON-ready: `scores` by name.

    Each has `archs`, `repeats` (the fewest of an architecture), `missing`, `cv` with its interval, `drift` (`tau`, `p`
    after Holm over the rankers, `flagged` below .01), and `kendall_cv_target`, Kendall's tau-b between an
    architecture's coefficient of variation and its target (negated for `lower`); None where there is no target.
    """
    found: dict[str, dict[str, Any]] = {}
    trends: list[float] = []
    for name in table.rankers:
        archs = [arch for arch in table.archs() if table.repeats(arch, name)]
        samples = [_finite(table.samples(arch, name, table.repeats(arch, name))) for arch in archs]
        trend = drift(samples)
        trends.append(trend.p)
        found[name] = {
            "archs": len(samples),
            "repeats": min(len(scores) for scores in samples),
            "missing": sum(int(np.isnan(scores).sum()) for scores in samples),
            "cv": _mean_over_archs(coefficients(samples, cv), level, seed).to_dict()
            if table.varies(name)
            else Estimate(0.0, 0.0, 0.0, len(samples), "does not vary", level).to_dict(),
            "drift": {"tau": trend.tau},
            "kendall_cv_target": _with_target(table, archs, coefficients(samples, cv), lower),
        }
    for figures, p in zip(found.values(), adjust(trends) if trends else [], strict=True):
        figures["drift"] |= {"p": float(p), "flagged": bool(p < DRIFT_LEVEL)}
    return {"scores": found}


def coefficient_of_variation(
    samples: Sequence[np.ndarray], *, cv: Cv = "std", level: float = 0.95, seed: int = 0
) -> Estimate:
    """Mean over architectures of `coefficients`, with a bootstrap interval over architectures."""
    return _mean_over_archs(coefficients(samples, cv), level, seed)


def coefficients(samples: Sequence[np.ndarray], cv: Cv = "std") -> np.ndarray:
    """Each architecture's coefficient of variation [archs]: standard deviation / |mean|; for `var` variance / |mean|.

    The variance has n - 1 below. NaN with fewer than two scores, and where the mean is 0.
    """
    if cv not in ("std", "var"):
        raise UserError(f"cv = {cv!r} is not known; 'std' (standard deviation / |mean|) or 'var' (variance / |mean|).")
    found = np.full(len(samples), math.nan)
    for place, scores in enumerate(samples):
        known = scores[np.isfinite(scores)]
        if len(known) > 1 and (mean := abs(known.mean())) > 0:
            found[place] = (known.std(ddof=1) if cv == "std" else known.var(ddof=1)) / mean
    return found


@dataclass(frozen=True)
class Drift:
    """Kendall's tau between the number of a repeat and how its scores rank, and the exact two-sided p of no trend."""

    tau: float | None
    p: float


def drift(samples: Sequence[np.ndarray]) -> Drift:
    """Do scores rise or fall with the number of the repeat, which exchangeable repeats cannot?

    Repeat v stands for the mean over architectures of its rank among the architecture's own repeats. Architectures
    shown the same batch move together, so one test is made of these means; the tests of single architectures must not
    be summed. Architectures with a missing score are left out. Given exchangeable repeats, every order of the means is
    equally likely, which makes p exact. Undefined (p = 1) where nothing varies.
    """
    from scipy.stats import rankdata

    whole = _whole(samples)
    if not len(whole) or whole.shape[1] < 2:
        return Drift(None, 1.0)
    ranks = rankdata(whole, axis=1).sum(axis=0)
    tau = kendall(np.arange(len(ranks)), ranks).value
    return Drift(tau, 1.0 if tau is None else trend_p(ranks))


def trend_p(values: np.ndarray) -> float:
    """Two-sided p of Kendall's S between `values` and their positions, over all orders of the values, ties included.

    With groups of g_1, g_2, ... equal values, the number of orders with k descents (pairs in falling order) is the
    coefficient of q^k in [n]! / ([g_1]! [g_2]! ...), [n]! = prod_i (1 - q^i) / (1 - q) (MacMahon 1913). Normal with
    continuity beyond 60 values.
    """
    n = len(values)
    _, groups = np.unique(values, return_counts=True)
    differences = np.sign(values[None, :] - values[:, None])[np.triu_indices(n, 1)]
    s, pairs = abs(int(differences.sum())), int((differences != 0).sum())
    if n > MOST_EXACT:
        from scipy.special import ndtr

        ties = float((groups * (groups - 1) * (2 * groups + 5)).sum())
        spread = math.sqrt((n * (n - 1) * (2 * n + 5) - ties) / 18)
        return min(1.0, 2 * float(ndtr((1 - s) / spread)))
    ways = [1] + [0] * pairs
    for i in range(1, n + 1):
        _times(ways, i)
    for group in groups.tolist():
        for i in range(1, group + 1):
            _over(ways, i)
    return float(sum(count for descents, count in enumerate(ways) if abs(pairs - 2 * descents) >= s) / sum(ways))


@dataclass(frozen=True)
class Components:
    """What of the variance of relative scores repeats share (`batch`, a standard deviation), and what they do not.

    `share` is the shared part of the variance. It bounds the batches' part from below: see `components`.
    """

    batch: float
    rest: float
    share: Estimate


def components(samples: Sequence[np.ndarray], level: float = 0.95) -> Components:
    """Split the variation of scores measured with `vary = "both"` into what a batch does to all, and the rest.

    Repeat v shows its batch to every architecture, each with weights of its own, so the relative score of architecture
    i is z_iv = m_iv / |mean of m_i| = +-1 + b_v + e_iv, a two-way layout with one score in each cell. Only two parts
    can be told apart: the batch's effect common to all, var(b), from the spread of the means of repeats; and var(e),
    which holds the weights' effect and whatever a batch does to single architectures. `share` = var(b) / (var(b) +
    var(e)) is therefore the least that batches are responsible for. What more they do shows in `designs`.

    Moments of the analysis of variance: var(e) = MS_rest, var(b) = (MS_repeats - MS_rest) / archs, not below 0. The
    interval inverts F = MS_repeats / MS_rest (Searle, Casella and McCulloch 1992, sect. 3.6), exact for normal effects
    and honest about there being few repeats, which resampling architectures alone would not be. Architectures with a
    missing score or a mean of 0 are left out. Undefined below two architectures or two repeats.
    """
    from scipy.special import fdtri

    whole = _whole(samples)
    whole = whole[whole.mean(axis=1) != 0] if whole.size else whole
    a, v = whole.shape
    if a < 2 or v < 2:
        reason = f"{a} architectures with all of {v} scores; two and two are needed"
        return Components(math.nan, math.nan, Estimate(None, None, None, a, "two-way F", level, reason=reason))
    means = whole.mean(axis=1, keepdims=True)
    z = (whole - means) / abs(means)
    of_repeats = z.mean(axis=0)
    ms_repeats = a * float((of_repeats**2).sum()) / (v - 1)
    ms_rest = float(((z - of_repeats) ** 2).sum()) / ((a - 1) * (v - 1))
    if ms_rest == 0 and ms_repeats == 0:
        reason = "the scores do not vary"
        return Components(0.0, 0.0, Estimate(None, None, None, a, "two-way F", level, reason=reason))
    batch2 = max(0.0, (ms_repeats - ms_rest) / a)
    ratio = ms_repeats / ms_rest if ms_rest else math.inf
    tail = (1 - level) / 2
    low, high = (
        max(0.0, (ratio / float(fdtri(v - 1, (a - 1) * (v - 1), p)) - 1) / a) if ratio < math.inf else math.inf
        for p in (1 - tail, tail)
    )
    share = Estimate(batch2 / (batch2 + ms_rest), _part(low), _part(high), a, "two-way F", level, n_clusters=v)
    return Components(math.sqrt(batch2), math.sqrt(ms_rest), share)


@dataclass(frozen=True)
class Designs:
    """Variation with only the weights redrawn, with only the batch redrawn, and the weights' part of their sum."""

    init: Estimate
    batch: Estimate
    init_share: Estimate


def designs(init: Sequence[np.ndarray], batch: Sequence[np.ndarray], *, level: float = 0.95, seed: int = 0) -> Designs:
    """What `components` cannot split: scores of the same architectures measured with `vary = "init"` and `"batch"`.

    `init_share` is the mean over architectures of the squared coefficient of variation under `init`, over the sum of
    that and the one under `batch`; intervals by bootstrap over architectures, both designs of one drawn together. Each
    is measured at one setting of the other (one batch for all; one set of weights for each architecture), so what
    weights and batches do only in combination counts in both.
    """
    if len(init) != len(batch):
        raise UserError(
            f"designs: init has {len(init)} architectures and batch {len(batch)}; the same ones are expected."
        )
    one, other = coefficients(init), coefficients(batch)
    known = np.isfinite(one) & np.isfinite(other)
    squares = np.stack([one[known] ** 2, other[known] ** 2], axis=1)
    if len(squares) < 2 or not squares.any():
        reason = "fewer than two architectures vary"
        share = Estimate(None, None, None, len(squares), "bootstrap-percentile", level, reason=reason)
    else:
        with np.errstate(invalid="ignore"):
            share = bootstrap(squares, lambda sums: sums[:, 0] / sums.sum(axis=1), level=level, seed=seed)
    return Designs(_mean_over_archs(one, level, seed), _mean_over_archs(other, level, seed), share)


def _mean_over_archs(values: np.ndarray, level: float, seed: int) -> Estimate:
    known = values[np.isfinite(values)]
    if len(known) < 2:
        value = float(known[0]) if len(known) else None
        reason = "one architecture has no interval" if len(known) else "no architecture has two scores and a mean but 0"
        return Estimate(value, None, None, len(known), "bootstrap-percentile", level, reason=reason)
    rows = np.stack([known, np.ones(len(known))], axis=1)
    return bootstrap(rows, lambda sums: sums[:, 0] / sums[:, 1], level=level, seed=seed)


def _with_target(table: "Table", archs: Sequence[str], values: np.ndarray, lower: bool) -> float | None:
    targets = np.array([math.nan if (target := table.target(arch)) is None else target for arch in archs])
    known = np.isfinite(values) & np.isfinite(targets)
    if not known.any():
        return None
    return kendall(values[known], -targets[known] if lower else targets[known]).value


def _whole(samples: Sequence[np.ndarray]) -> np.ndarray:
    """Architectures without a missing score, cut to the fewest repeats of any [archs, repeats]."""
    fewest = min((len(scores) for scores in samples), default=0)
    whole = [scores[:fewest] for scores in samples if np.isfinite(scores[:fewest]).all()]
    return np.stack(whole) if whole else np.empty((0, fewest))


def _finite(scores: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(scores), scores, math.nan)


def _part(ratio: float) -> float:
    return 1.0 if ratio == math.inf else ratio / (1 + ratio)


def _times(polynomial: list[int], i: int) -> None:
    """Multiply by 1 - q^i in place, up to the polynomial's degree."""
    for k in range(len(polynomial) - 1, i - 1, -1):
        polynomial[k] -= polynomial[k - i]


def _over(polynomial: list[int], i: int) -> None:
    """Divide by 1 - q^i in place, up to the polynomial's degree."""
    for k in range(i, len(polynomial)):
        polynomial[k] += polynomial[k - i]
