"""The published estimator of deceleration, step by step as the paper's notebooks computed it (`compat="paper"`).

arXiv 2506.05447 and its repository `mirandrom/zsl` (commit 07bfa79). It is here to reproduce the published table, with
all its habits: a trailing window that lags, an integer t_d, standard errors that take residuals as independent.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

WINDOW = 1.2  # the trailing window of point j begins at point j / 1.2
START = 6000.0  # the step near which a break is looked for first
SMOOTHNESS = 0.3  # of the start
SKIP = 100  # steps at the start that are left out
NAMES = ("b", "c0", "c1", "log_d1", "f1")

Array = NDArray[np.float64]


class PublishedFit(NamedTuple):
    """Values of NAMES with their standard errors."""

    parameters: dict[str, float]
    se: dict[str, float]


class NoFit(Exception):
    """The published estimator gives nothing on these points; the message is the reason, as the end of a sentence."""


def smooth(loss: Array) -> Array:
    """Mean of points int(j / 1.2) to j for each point j. Points are counted as logged, whatever their steps."""
    last = np.arange(loss.size)
    first = (last / WINDOW).astype(int)
    total = np.concatenate([[0.0], np.cumsum(loss)])
    window: Array = (total[last + 1] - total[first]) / (last + 1 - first)
    return window


def subsample(steps: Array) -> NDArray[np.int64]:
    """Indices of two-digit multiples of a power of ten (at most thousands), and of the last point once more."""
    positive = np.flatnonzero(steps >= 1)
    grid = 10.0 ** np.clip(np.floor(np.log10(steps[positive])) - 1, 0, 3)
    # The last point is there twice where it lies on the grid: one published fit (OLMo-7B) depends on it.
    return np.append(positive[steps[positive] % grid == 0], steps.size - 1)


def fit(steps: Array, loss: Array, start: float = START) -> PublishedFit:
    """Unweighted least squares of log loss on log steps from the published start. Raises NoFit.

    Nothing holds f1 above zero, and on some curves it ends below: the same curve written the other way round, slope
    after the break first. It is turned back here, with its errors, since L_d stands on the first slope.
    """
    from scipy.optimize import OptimizeWarning, curve_fit

    u, z = np.log(steps), np.log(loss)
    i = int(np.abs(u - math.log(start)).argmin())
    if not 0 < i < u.size - 2:
        raise NoFit(f"its start at step {start:g} does not lie within steps {steps.min():g} to {steps.max():g}")
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = np.diff(z) / np.diff(u)
    sloped = np.isfinite(slopes)  # there is none between steps that repeat
    before, after = slopes[:i][sloped[:i]], slopes[i:-1][sloped[i:-1]]
    if not (before.size and after.size):
        raise NoFit(f"no two different steps lie on each side of its start at step {start:g}")
    c0 = -before.mean()
    c1 = -after.mean() - c0
    first_guess = (z[0] + c0 * u[0], c0, c1, u[i], SMOOTHNESS)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", OptimizeWarning)
            values, covariance = curve_fit(_log_loss, u, z, p0=first_guess, method="dogbox")
    except (RuntimeError, ValueError, OptimizeWarning) as fault:
        raise NoFit(f"least squares from its start at step {start:g} did not converge") from fault
    if values[4] < 0:
        values, covariance = _turned_back(values, covariance)
    se = np.sqrt(np.diag(covariance))
    if not (np.isfinite([*values, *se]).all() and u.min() <= values[3] <= u.max()):
        raise NoFit(f"least squares from its start at step {start:g} ended at no break within the curve")
    return PublishedFit(
        dict(zip(NAMES, map(float, values), strict=True)), dict(zip(NAMES, map(float, se), strict=True))
    )


def _log_loss(u: Array, b: float, c0: float, c1: float, log_d1: float, f1: float) -> Array:
    bent: Array = math.log(b) - c0 * u - c1 * f1 * np.logaddexp(0, (u - log_d1) / f1)
    return bent


def _turned_back(values: Array, covariance: Array) -> tuple[Array, Array]:
    """(b e^(c1 log d1), c0 + c1, -c1, log d1, -f1) and the covariance of these."""
    b, c0, c1, log_d1, f1 = values
    tilt = math.exp(c1 * log_d1)
    J = np.diag([tilt, 1.0, -1.0, 1.0, -1.0])
    J[0, 2], J[0, 3], J[1, 2] = b * tilt * log_d1, b * tilt * c1, 1.0
    return np.array([b * tilt, c0 + c1, -c1, log_d1, -f1]), J @ covariance @ J.T
