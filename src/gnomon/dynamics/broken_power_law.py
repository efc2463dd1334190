"""A power law with 0, 1 or 2 smooth breaks, fitted by least squares in logs to many curves over one axis at once.

    log y(x) = log b - c0 log x - sum_k ck fk log(1 + (x/dk)^(1/fk))          (BNSL without irreducible loss)

arXiv 2506.05447, after "Broken Neural Scaling Laws" (arXiv 2210.14891). Parameters stand in rows of

    [log b, c0, c1, log d1, log f1, c2, log d2, log f2]        (2 + 3 breaks of them)

The curve itself and all its resamples are fitted by one Levenberg-Marquardt over arrays [curves, points], which makes
a resample cost a fraction of a millisecond. Starts need no hand: log y is linear in all but dk and fk, so the best of
a grid of knots is found by projection. SciPy's `least_squares` is the tests' oracle.
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

LOG_F = (-4.0, 1.5)  # sharper is a kink between two bins, smoother bends over the whole axis
KNOTS = {1: 60, 2: 24}  # places where a break is tried
STARTS = {1: (0.05, 0.25, 1.0), 2: (0.15,)}  # smoothness f that is tried at each knot
EDGE = 4  # points that a break leaves on either side
STEPS = 50  # of Levenberg-Marquardt at most
LITTLE = 0.5  # part of the promised fall, below which a step was too long
HELD = 1e-9  # nearer to a bound than this is on it
CONVERGED = 1e-10  # relative fall of the sum of squares below which a curve is done

Array = NDArray[np.float64]


def predict(parameters: Array, log_x: Array) -> Array:
    """log y [curves, points] at `log_x` [points] for `parameters` [curves, 2 + 3 breaks]."""
    log_y: Array = parameters[:, :1] - parameters[:, 1:2] * log_x
    for k in range(2, parameters.shape[1], 3):
        f = np.exp(parameters[:, k + 2, None])
        log_y = log_y - parameters[:, k, None] * f * np.logaddexp(0, (log_x - parameters[:, k + 1, None]) / f)
    return log_y


def jacobian(parameters: Array, log_x: Array) -> Array:
    """Derivatives of `predict` by the parameters, [curves, parameters, points]."""
    J = np.empty((*parameters.shape, log_x.size))
    J[:, 0] = 1
    J[:, 1] = -log_x
    for k in range(2, parameters.shape[1], 3):
        c, f = parameters[:, k, None], np.exp(parameters[:, k + 2, None])
        w = (log_x - parameters[:, k + 1, None]) / f
        e = np.exp(-np.abs(w))
        softplus = np.maximum(w, 0) + np.log1p(e)
        sigmoid = np.where(w >= 0, 1, e) / (1 + e)
        J[:, k] = -f * softplus
        J[:, k + 1] = c * sigmoid
        J[:, k + 2] = -c * f * (softplus - w * sigmoid)
    return J


class Axis:
    """The points' places `log_x` [points, ascending], and the grids of knots over them."""

    def __init__(self, log_x: Array) -> None:
        self.log_x = log_x
        self.centre = float(log_x.mean())
        self.u = log_x - self.centre  # centred, so that level and slope do not trade off
        self.low, self.high = float(self.u[EDGE]), float(self.u[-1 - EDGE])
        lines = np.stack([np.ones_like(self.u), self.u])
        self.lines = lines / np.linalg.norm(lines, axis=1, keepdims=True)

    def fit(self, log_y: Array, breaks: int, *, cooldown: bool = False) -> tuple[Array, Array]:
        """Parameters [curves, 2 + 3 breaks] and sums of squared residuals [curves] for `log_y` [curves, points].

        `cooldown` holds two breaks to a slowing and a later steepening (c1 <= 0 <= c2)."""
        if breaks == 0:
            parameters = self._linear(log_y, np.empty((len(log_y), 0)), np.empty((len(log_y), 0)))
            return self._away_from_centre(parameters), ((predict(parameters, self.u) - log_y) ** 2).sum(1)
        starts = self._starts(log_y, breaks, cooldown)  # [starts, curves, parameters]
        tries = len(starts)
        parameters, squares = self._descend(np.concatenate(starts), np.tile(log_y, (tries, 1)), cooldown)
        parameters = parameters.reshape(tries, len(log_y), -1)
        squares = squares.reshape(tries, len(log_y))
        best, curve = squares.argmin(0), np.arange(len(log_y))
        return self._away_from_centre(parameters[best, curve]), squares[best, curve]

    def _away_from_centre(self, parameters: Array) -> Array:
        moved = parameters.copy()
        moved[:, 0] += moved[:, 1] * self.centre
        moved[:, 3::3] += self.centre
        return moved

    # -- starts ----------------------------------------------------------------------------------------------------

    @cached_property
    def _grids(self) -> dict[int, list[tuple[Array, Array, Array]]]:
        """By number of breaks, and by start of f: knots, log f, and each bend without its straight part, of norm 1."""
        return {
            breaks: [(knots, np.full(knots.shape, np.log(f)), self._bends(knots, f)) for f in STARTS[breaks]]
            for breaks in KNOTS
            for knots in [np.linspace(self.low, self.high, KNOTS[breaks])]
        }

    def _bends(self, knots: Array, f: float) -> Array:
        bends = f * np.logaddexp(0, (self.u - knots[:, None]) / f)
        bends -= bends @ self.lines.T @ self.lines
        bends /= np.linalg.norm(bends, axis=1, keepdims=True)
        return bends

    def _starts(self, log_y: Array, breaks: int, cooldown: bool) -> list[Array]:
        """For each start of f, the knots that explain most of each curve, with the linear parameters solved for."""
        starts = []
        for knots, log_f, bends in self._grids[breaks]:
            share = log_y @ bends.T  # [curves, knots]
            if breaks == 1:
                chosen = (share**2).argmax(1)[:, None]
            else:
                first, second = np.triu_indices(len(knots), k=2)
                cosine = (bends @ bends.T)[first, second]
                one, two = share[:, first], share[:, second]
                explained = (one**2 + two**2 - 2 * cosine * one * two) / (1 - cosine**2)
                if cooldown:
                    explained[(one < cosine * two) | (two > cosine * one)] = -1
                pair = explained.argmax(1)
                chosen = np.stack([first[pair], second[pair]], axis=1)
            starts.append(self._linear(log_y, knots[chosen], log_f[chosen]))
        return starts

    def _linear(self, log_y: Array, log_d: Array, log_f: Array) -> Array:
        """Parameters with the least-squares level and slopes for given breaks [curves, breaks]."""
        breaks = log_d.shape[1]
        parameters = np.zeros((len(log_y), 2 + 3 * breaks))
        parameters[:, 2::3] = 1
        parameters[:, 3::3], parameters[:, 4::3] = log_d, log_f
        columns = [0, 1, *range(2, 2 + 3 * breaks, 3)]
        A = jacobian(parameters, self.u)[:, columns]
        solution = np.linalg.solve(A @ A.transpose(0, 2, 1), A @ log_y[:, :, None])
        parameters[:, columns] = solution[:, :, 0]
        return parameters

    # -- descent ---------------------------------------------------------------------------------------------------

    def _descend(self, parameters: Array, log_y: Array, cooldown: bool) -> tuple[Array, Array]:
        """Levenberg-Marquardt within the bounds, every curve with a damping of its own."""
        lowest, highest = self._bounds(parameters.shape[1])
        if cooldown:
            highest[2], lowest[5] = 0, 0
        parameters = np.clip(parameters, lowest, highest)
        residuals = log_y - predict(parameters, self.u)
        squares = (residuals**2).sum(1)
        damping = np.full(len(log_y), 1e-3)
        going = np.arange(len(log_y))
        for _ in range(STEPS):
            now = parameters[going]
            J = jacobian(now, self.u)
            gradient = (J @ residuals[going][:, :, None])[:, :, 0]
            held = ((now <= lowest) & (gradient < 0)) | ((now >= highest) & (gradient > 0))
            normal = J @ J.transpose(0, 2, 1)
            normal[held[:, :, None] | held[:, None, :]] = 0
            gradient[held] = 0
            damped = normal.copy()
            diagonal = np.einsum("kpp->kp", damped)
            added = damping[going, None] * np.maximum(diagonal, 1e-12) + held
            diagonal += added
            step = np.linalg.solve(damped, gradient[:, :, None])[:, :, 0]
            tried = np.clip(now + step, lowest, highest)
            left = log_y[going] - predict(tried, self.u)
            new = (left**2).sum(1)
            fall = squares[going] - new
            promised = (step * (gradient + added * step)).sum(1)  # by the linear model
            kept = fall / np.maximum(promised, 1e-300)
            done = (np.abs(fall) <= CONVERGED * squares[going]) | (damping[going] > 1e8)
            accepted = going[fall > 0]
            parameters[accepted], residuals[accepted], squares[accepted] = (
                tried[fall > 0],
                left[fall > 0],
                new[fall > 0],
            )
            # A step that keeps little of its promise overshot, and would go on to and fro.
            damping[going] *= np.where(kept > 0.75, 0.2, np.where(kept < LITTLE, 5.0, 1.0))
            going = going[~done]
            if not going.size:
                break
        return parameters, squares

    def free(self, parameters: Array) -> NDArray[np.bool_]:
        """Which of one curve's fitted parameters no bound holds."""
        lowest, highest = self._bounds(parameters.size)
        centred = parameters.copy()
        centred[3::3] -= self.centre
        return (centred > lowest + HELD) & (centred < highest - HELD)

    def _bounds(self, size: int) -> tuple[Array, Array]:
        lowest, highest = np.full(size, -np.inf), np.full(size, np.inf)
        lowest[3::3], highest[3::3] = self.low, self.high
        lowest[4::3], highest[4::3] = LOG_F
        return lowest, highest
