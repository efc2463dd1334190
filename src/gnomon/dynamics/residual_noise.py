"""What the residuals of a fitted loss curve say about its noise: how much there is, and how far it hangs together.

Neighbouring points of a loss curve err together, and a fit with five parameters takes part of that away, so residuals
look smaller and less dependent than the noise was. Here the noise is a sum of two parts,

    cov(e_i, e_j) = s2 [ (1 - q) exp(-|log x_i - log x_j| / l) + q [i = j] / n_i ]

one that hangs together over a length l in log x (in equal steps an AR(1)), and one that is independent between points
and averages out over the n_i log rows of a bin. (s2, q, l) are weighed by their *restricted* likelihood (Patterson and
Thompson 1971, Biometrika 58:545), which allows for the fitted parameters. It is flat where the curve says little, so
every resample takes its own (s2, q, l), in proportion to it and to l^(-1/2).

That last factor was chosen by what intervals held: on AR(1) noise without it they held the truth in 96.7 to 98.7 % of
150 curves at 95 % nominal, with 1/l in 93 to 95 %, with l^(-1/2) in 95 to 97 %, with the likeliest (s2, q, l) alone in
88 to 93 %. `deceleration.py` says what the whole method holds.
"""

import numpy as np
from numpy.typing import NDArray

LENGTHS = 10  # values of l, from half the points' spacing to half the axis
INDEPENDENT = (0.0, 0.3, 0.7, 0.9, 0.97, 0.99, 0.997, 0.999, 1.0)  # values of q
FEWEST = 5.0  # independent points that any curve is worth
SMALLEST_WEIGHT = 1e-4  # combinations below this part of the best are left out

Array = NDArray[np.float64]


def effective_points(residuals: Array, counts: Array, fitted: int) -> tuple[float, float]:
    """How many independent points of one variance `residuals` [points] are worth after `fitted` parameters, and their
    lag-1 autocorrelation rho.

    n (1 - rho) / (1 + rho), where rho has its bias by the fitted parameters taken out and n is Kish's effective number,
    (sum v)^2 / sum v^2, for variances v = s + w / counts: where the noise is independent from row to row, the first
    bins of a few rows hold most of it, and 200 bins are worth 50. Never below 5: smoothed curves leave over one long
    wave, of which this formula makes nothing.
    """
    n = residuals.size
    squares, inverse = residuals**2, 1 / counts
    away = inverse - inverse.mean()
    w = max(0.0, float(away @ squares) / float(away @ away)) if np.ptp(inverse) > 0 else 0.0
    s = float(squares.mean() - w * inverse.mean())
    v = np.maximum(s, 0) + w * inverse if w > 0 else np.ones(n)
    white = residuals / np.sqrt(v)
    rho = float(white[1:] @ white[:-1]) / max(float(white @ white), 1e-300)
    rho = float(np.clip((n * rho + fitted / 2 + 1) / (n - fitted - 3), 0, 0.999))
    return max(FEWEST, float(v.sum() ** 2 / (v**2).sum()) * (1 - rho) / (1 + rho)), rho


class Noise:
    """The noise of one fitted curve: `log_x`, `residuals` [points], `tangent` [points, parameters] (derivatives of the
    fit by the parameters that are free), and the `counts` [points] of log rows behind each point."""

    def __init__(self, log_x: Array, residuals: Array, tangent: Array, counts: Array) -> None:
        from scipy.linalg import solve_triangular

        U, size, _ = np.linalg.svd(tangent, full_matrices=False)
        X = U[:, size > 1e-8 * size[0]]
        n, p = X.shape
        self.freedom = n - p
        distance = np.abs(log_x[:, None] - log_x)
        within = np.diag(1 / counts / np.mean(1 / counts))
        spacing, length = np.median(np.diff(log_x)), log_x[-1] - log_x[0]
        lengths = np.geomspace(spacing / 2, length / 2, LENGTHS)
        self.settings = [(q, l) for q in INDEPENDENT for l in (lengths if q < 1 else lengths[:1])]
        log_likelihood, self.squares, self.factors = [], [], []
        targets = np.column_stack([residuals, X])
        for q, l in self.settings:
            C = (1 - q) * np.exp(-distance / l) + q * within
            L = np.linalg.cholesky(C)
            white = solve_triangular(L, targets, lower=True, check_finite=False)
            r, W = white[:, 0], white[:, 1:]
            Q, R = np.linalg.qr(W)
            square = float(r @ r - ((Q.T @ r) ** 2).sum())
            log_likelihood.append(
                -np.log(np.diag(L)).sum()
                - np.log(np.abs(np.diag(R))).sum()
                - self.freedom / 2 * np.log(max(square, 1e-300))
                - np.log(l) / 2
            )
            self.squares.append(square)
            self.factors.append(L)
        weight = np.exp(np.array(log_likelihood) - max(log_likelihood))
        weight[weight < SMALLEST_WEIGHT] = 0
        self.weight = weight / weight.sum()

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """`count` curves of noise [count, points]."""
        which = rng.choice(len(self.weight), size=count, p=self.weight)
        chi2 = rng.chisquare(self.freedom, size=count)
        normal = rng.standard_normal((count, len(self.factors[0])))
        noise = np.empty_like(normal)
        for one in np.unique(which):
            rows = which == one
            noise[rows] = normal[rows] @ self.factors[one].T * np.sqrt(self.squares[one] / chi2[rows])[:, None]
        return noise
