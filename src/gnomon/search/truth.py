"""What a score is worth where a table knows the truth: correlation with the target, choice at the top, and params.

Ranks are taken over the architectures that have both a score and a target. Figures keep the sign "better is up": scores
are multiplied by their direction, and targets by -1 where smaller ones are better.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gnomon.errors import UserError
from gnomon.search.table import MISSING, directions, nearest, numbers, read, require_column, texts
from gnomon.stats import Estimate
from gnomon.stats.correlation import kendall, spearman

if TYPE_CHECKING:
    from gnomon.search.spaces import Space

BASELINE = "params"
"""The score to beat: counting parameters costs nothing."""


@dataclass(frozen=True)
class Truth:
    """What one score says about the target.

    `missing` counts architectures whose score is missing or infinite. `spearman` is over all others, `spearman_top10`
    over those of them whose target is at or above its 90 % quantile. `argmax` is the architecture with the best score
    (the first of several) and `argmax_target` the target it has, as the table writes it. `difference` is how much
    larger this Spearman correlation is than that of `params` over the same architectures; `beats_params` says whether
    its interval lies above 0, and is None where nothing counts parameters. What cannot be known is None.
    """

    missing: int
    spearman: Estimate
    kendall: float | None
    spearman_top10: float | None
    argmax: str | None
    argmax_target: float | None
    beats_params: bool | None
    difference: Estimate | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "missing": self.missing,
            "spearman": self.spearman.to_dict(),
            "kendall": self.kendall,
            "spearman_top10": self.spearman_top10,
            "argmax": self.argmax,
            "argmax_target": self.argmax_target,
            "beats_params": self.beats_params,
            "params_difference": None if self.difference is None else self.difference.to_dict(),
        }


def truth(
    path: str | Path,
    *,
    arch: str,
    target: str,
    scores: Sequence[str],
    lower: bool = False,
    space: "Space | None" = None,
    where: Mapping[str, str] | None = None,
    missing: Sequence[float] = MISSING,
    level: float = 0.95,
) -> dict[str, Any]:
    """Judge scores of a table with one row for each architecture: `architectures`, `without_target`, and `scores`.

    A score that is not a column is computed by `space` where its `describe` has that name. `lower` says that smaller
    targets are better. Raises UserError for what is not there, and for an architecture on several rows.
    """
    frame = read(path, where)
    for name in (arch, target):
        require_column(frame, name, path)
    archs = texts(frame, arch, path)
    _once(archs, path)
    columns = {
        name: numbers(frame, name, path, missing)
        for name in dict.fromkeys([*scores, BASELINE])
        if name in frame.columns
    }
    if computed := [name for name in scores if name not in frame.columns]:
        if space is None:
            raise UserError(
                f"{path} has no column {computed[0]!r}, and without --space nothing computes it;"
                f" {nearest(computed[0], frame.columns)}"
            )
        columns |= _described(space, archs, computed, frame.columns)
    signs = directions(list(columns))
    targets = numbers(frame, target, path, missing)
    judged = judge({name: signs[name] * columns[name] for name in columns}, targets, archs, lower=lower, level=level)
    return {
        "architectures": len(archs),
        "without_target": int((~np.isfinite(targets)).sum()),
        "scores": {name: judged[name].to_dict() for name in scores},
    }


def judge(
    scores: Mapping[str, np.ndarray],
    target: np.ndarray,
    archs: Sequence[str],
    *,
    lower: bool = False,
    level: float = 0.95,
) -> dict[str, Truth]:
    """Judge scores [archs] of which larger ones are better against a target [archs]; NaN is missing."""
    better = -target if lower else target
    known = np.isfinite(better)
    top = known & (better >= np.quantile(better[known], 0.9)) if known.any() else known
    return {
        name: _one(values, scores.get(BASELINE), target, better, top, archs, level) for name, values in scores.items()
    }


def spearman_difference(x: np.ndarray, other: np.ndarray, y: np.ndarray, level: float = 0.95) -> Estimate:
    """How much larger Spearman's correlation of `x` with `y` is than that of `other`, over the same architectures.

    The standard error is that of the infinitesimal jackknife (Efron 1982, ch. 6): it assumes no distribution, and what
    both correlations owe to the same architectures cancels.
    """
    (first, one), (second, two) = _with_influence(x, y), _with_influence(other, y)
    n = len(x)
    if first is None or second is None:
        reason = _undefined(x, y) if first is None else _undefined(other, y)
        return Estimate(None, None, None, n, "infinitesimal jackknife", level, reason=reason)
    if n < 4:
        reason = "fewer than four architectures have no interval"
        return Estimate(first - second, None, None, n, "infinitesimal jackknife", level, reason=reason)
    se = _standard_error(one - two)
    half = _z(level) * se
    return Estimate(
        first - second, first - second - half, first - second + half, n, "infinitesimal jackknife", level, se=se
    )


def _one(
    values: np.ndarray,
    baseline: np.ndarray | None,
    target: np.ndarray,
    better: np.ndarray,
    top: np.ndarray,
    archs: Sequence[str],
    level: float,
) -> Truth:
    scored = np.isfinite(values)
    both = scored & np.isfinite(better)
    whole = spearman(values[both], better[both], level=level)
    best = int(np.argmax(np.where(scored, values, -np.inf))) if scored.any() else None
    difference = None
    if baseline is not None:
        shared = both & np.isfinite(baseline)
        difference = spearman_difference(values[shared], baseline[shared], better[shared], level)
    found = None if best is None else float(target[best])
    return Truth(
        missing=int((~scored).sum()),
        spearman=whole,
        kendall=kendall(values[both], better[both]).value,
        spearman_top10=spearman(values[both & top], better[both & top]).value,
        argmax=None if best is None else archs[best],
        argmax_target=found if found is not None and math.isfinite(found) else None,
        beats_params=None
        if difference is None or difference.value is None
        else difference.low is not None and difference.low > 0,
        difference=difference,
    )


def _with_influence(x: np.ndarray, y: np.ndarray) -> tuple[float | None, np.ndarray]:
    """The correlation r of u = F(x) and v = G(y), mid-distribution functions, and each pair's influence on it [n].

    r = (E[uv] - 1/4) / (su sv) with su^2 = E[u^2] - 1/4. A pair moves E[uv] through itself, through F and through G.
    """
    n = len(x)
    if n < 2:
        return None, np.zeros(n)
    u, of_x = _mid_distribution(x)
    v, of_y = _mid_distribution(y)
    su2, sv2 = (u**2).mean() - 0.25, (v**2).mean() - 0.25
    if su2 <= 1e-15 or sv2 <= 1e-15:
        return None, np.zeros(n)
    covariance = (u * v).mean()
    scale = math.sqrt(su2 * sv2)
    r = float((covariance - 0.25) / scale)
    on_covariance = u * v + _above(of_x, v) + _above(of_y, u) - 3 * covariance
    on_su2 = u**2 + 2 * _above(of_x, u) - 3 * (u**2).mean()
    on_sv2 = v**2 + 2 * _above(of_y, v) - 3 * (v**2).mean()
    return min(max(r, -1.0), 1.0), on_covariance / scale - r / 2 * (on_su2 / su2 + on_sv2 / sv2)


def _mid_distribution(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(X < x_i) + P(X = x_i) / 2 [n], and which distinct value each x_i is [n]."""
    _, which, count = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - count / 2)[which] / len(x), which


def _above(which: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """For each i the mean over j of weights_j where x_j > x_i, counting half where they are equal [n]."""
    group = np.bincount(which, weights)
    return (group.sum() - np.cumsum(group) + group / 2)[which] / len(which)


def _standard_error(influence: np.ndarray) -> float:
    n = len(influence)
    return math.sqrt(float((influence**2).sum()) / (n * (n - 1)))


def _z(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2))


def _undefined(x: np.ndarray, y: np.ndarray) -> str:
    if len(x) < 2:
        return f"{len(x)} architectures have both a score and a target"
    return "every score is equal" if np.ptp(x) == 0 else "every target is equal"


def _described(
    space: "Space", archs: Sequence[str], names: Sequence[str], columns: Sequence[str]
) -> dict[str, np.ndarray]:
    described = [space.describe(space.decode(text)) for text in archs]
    for name in names:
        if name not in described[0]:
            raise UserError(
                f"{name!r} is neither a column nor what space {space.name!r} describes;"
                f" {nearest(name, [*columns, *described[0]])}"
            )
    return {name: np.array([float(facts[name]) for facts in described]) for name in names}


def _once(archs: Sequence[str], path: str | Path) -> None:
    seen: set[str] = set()
    for text in archs:
        if text in seen:
            raise UserError(f"{path}: {text!r} stands more than once: choose rows with --where.")
        seen.add(text)
