"""Choosing among many noisy candidates: corrections, all pairs, Stat-MAX, and the set that ties with the winner."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnomon.errors import UserError
from gnomon.seeds import derive
from gnomon.stats.order import effects, nulls, reading
from gnomon.stats.order.comparison import better
from gnomon.stats.order.design import EXACT_UP_TO, check_alpha, check_decidable, fewest_repeats, smallest_p

CORRECTIONS = ("holm", "bh", "bonferroni", "none")
BLOCK = 2**21  # whole numbers held at a time, for each of a few arrays


def adjust(p: Any, method: str = "holm") -> np.ndarray:
    """p-values corrected for their number, in their order.

    `holm` (1979, Scandinavian Journal of Statistics 6:65) and `bonferroni` bound the chance of any false decision,
    `bh` (Benjamini & Hochberg 1995, JRSS B 57:289) the expected share of false ones; `none` returns p as it is.
    """
    _check_correction(method)
    values = np.asarray(p, dtype=float)
    if values.ndim != 1:
        raise UserError(f"adjust: p has shape {values.shape}; one dimension is expected.")
    if (wrong := ~((values >= 0) & (values <= 1))).any():
        position = int(wrong.argmax())
        raise UserError(f"adjust: p is {values[position]} at position {position}; it must lie between 0 and 1.")
    if method == "none" or values.size == 0:
        return values.copy()
    n, order = len(values), values.argsort(kind="stable")
    ascending = values[order]
    if method == "holm":
        corrected = np.maximum.accumulate(ascending * np.arange(n, 0, -1))
    elif method == "bh":
        corrected = np.minimum.accumulate((ascending * n / np.arange(1, n + 1))[::-1])[::-1]
    else:
        corrected = ascending * n
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(corrected, 1)
    return adjusted


@dataclass(frozen=True, eq=False)
class Pairwise:
    """All k candidates against each other, arrays of shape (k, k): row against column.

    `p_greater` is the one-sided p of "row beats column", `p_adjusted` the same corrected over all k(k-1) ordered pairs,
    `superiority` P(row > column) + P(equal)/2, `decision` +1 where the row beats the column (p_adjusted < alpha), -1
    where the column beats the row, else 0. On the diagonal p is 1 and nothing is decided.
    """

    p_greater: np.ndarray
    p_adjusted: np.ndarray
    superiority: np.ndarray
    decision: np.ndarray


def pairwise(
    samples: Sequence[Any], *, alpha: float = 0.05, correction: str = "holm", missing: str = "raise"
) -> Pairwise:
    """Mann-Whitney over all ordered pairs of candidates, corrected for their number.

    Raises UndecidableDesign where not even the best possible data would decide one pair after the correction.
    """
    check_alpha(alpha)
    _check_correction(correction)
    stack = _Stack(samples, missing)
    k = len(stack.sizes)
    if k > 1:
        # The two largest samples reach the smallest p. Under BH at best half of all ordered pairs reach it together.
        second, first = sorted(stack.sizes.tolist())[-2:]
        share = {"none": 1, "bh": 2}.get(correction, k * (k - 1))
        where = f", one of {k * (k - 1)} comparisons corrected by {correction!r}," if share > 1 else ""
        check_decidable("mannwhitney", first, second, alpha / share, where)
    greater, superior = np.empty((k, k)), np.empty((k, k))
    width = max(1, BLOCK // len(stack.place))
    for start in range(0, k, width):
        columns = np.arange(start, min(k, start + width))
        greater[:, columns], _, superior[:, columns] = stack.against(columns)
    adjusted, apart = np.ones((k, k)), ~np.eye(k, dtype=bool)
    adjusted[apart] = adjust(greater[apart], correction)
    won = adjusted < alpha
    return Pairwise(greater, adjusted, superior, won.astype(int) - won.T.astype(int))


def stat_max(samples: Sequence[Any], *, order: Sequence[int] | None = None, **compare_args: Any) -> int:
    """The index of the winner: walk the list, and replace the incumbent by every candidate that is better than it.

    Stat-MAX of Rumiantsev & Coates (2025, arXiv 2502.19657, algorithm 1). Where nothing is decided the incumbent stays,
    so the order of the list (`order`: all indices, by default as given) matters: `best_set` says how much.
    `compare_args` are those of `compare`.
    """
    arrays = _read_all(samples)
    if compare_args.get("missing", "raise") == "raise":
        _refuse_gaps(arrays)
    incumbent, *others = _permutation_of(order, len(arrays)).tolist()
    for index in others:
        if better(arrays[index], arrays[incumbent], **compare_args):
            incumbent = index
    return int(incumbent)


def stat_topk(samples: Sequence[Any], k: int, **compare_args: Any) -> list[int]:
    """The indices of the k best by repeated `stat_max`, each winner removed before the next walk."""
    arrays = _read_all(samples)
    if not 1 <= k <= len(arrays):
        raise UserError(f"stat_topk: k = {k} must lie between 1 and {len(arrays)}, the number of samples.")
    left = list(range(len(arrays)))
    found: list[int] = []
    for _ in range(k):
        found.append(left.pop(stat_max([arrays[index] for index in left], **compare_args)))
    return found


@dataclass(frozen=True, eq=False)
class BestSet:
    """The winner of a walk, and what could just as well have won.

    `members` are the winner and all it is not significantly better than (`p_adjusted` not below alpha).
    `contradictions` are candidates that are better than the winner, which happens because "better" is not transitive.
    `stability` is the share of shuffled walks that each index won (those that never won are left out; the shares add
    up to 1). `repeats_needed` is set where the correction rules out that anything is excluded, whatever the data: with
    so many repeats each it could be.
    """

    winner: int
    members: list[int]
    p_adjusted: np.ndarray
    contradictions: list[int]
    stability: dict[int, float]
    repeats_needed: int | None = None


def best_set(
    samples: Sequence[Any],
    *,
    order: Sequence[int] | None = None,
    alpha: float = 0.05,
    correction: str = "holm",
    shuffles: int = 200,
    seed: int = 0,
    missing: str = "raise",
) -> BestSet:
    """The winner by `stat_max` in the given order, with the set that cannot be told from it.

    Mann-Whitney of the winner against each other candidate, corrected over these k-1 comparisons; contradictions and
    the `shuffles` seeded walks use the uncorrected comparison, as the walk itself does. Raises UndecidableDesign where
    a single comparison could never decide.
    """
    check_alpha(alpha)
    _check_correction(correction)
    if shuffles < 1:
        raise UserError(f"best_set: shuffles = {shuffles} must be at least 1.")
    stack = _Stack(samples, missing)
    k = len(stack.sizes)
    walk = _permutation_of(order, k)
    if k == 1:
        return BestSet(0, [0], np.ones(1), [], {0: 1.0})
    fewest, next_fewest = sorted(stack.sizes.tolist())[:2]
    check_decidable("mannwhitney", fewest, next_fewest, alpha)
    beaten_by: dict[int, np.ndarray] = {}

    def beats(incumbent: int) -> np.ndarray:
        if incumbent not in beaten_by:
            beaten_by[incumbent] = stack.against(np.array([incumbent]))[0][:, 0] < alpha
        return beaten_by[incumbent]

    winner = _walk(walk, beats)
    others = np.arange(k) != winner
    adjusted = np.ones(k)
    adjusted[others] = adjust(stack.against(np.array([winner]))[1][others, 0], correction)
    best_possible = [smallest_p(int(stack.sizes[winner]), int(n)) for n in stack.sizes[others]]
    needed = None
    if adjust(best_possible, correction).min() >= alpha:  # which only corrections by the whole number do
        needed = fewest_repeats("mannwhitney", alpha / (k - 1))
    rng = np.random.default_rng(derive(seed, "order", "shuffles"))
    won = np.bincount([_walk(rng.permutation(k), beats) for _ in range(shuffles)], minlength=k)
    return BestSet(
        winner=winner,
        members=np.flatnonzero(~others | (adjusted >= alpha)).tolist(),
        p_adjusted=adjusted,
        contradictions=np.flatnonzero(others & beats(winner)).tolist(),
        stability={index: count / shuffles for index, count in enumerate(won.tolist()) if count},
        repeats_needed=needed,
    )


def _walk(order: np.ndarray, beats: Callable[[int], np.ndarray]) -> int:
    """Stat-MAX in `order`, from one replacement of the incumbent to the next."""
    at = 0
    while (better_later := np.flatnonzero(beats(int(order[at]))[order[at + 1 :]])).size:
        at += 1 + int(better_later[0])
    return int(order[at])


class _Stack:
    """Candidates side by side, every number replaced by its place among all distinct ones."""

    def __init__(self, given: Sequence[Any], missing: str) -> None:
        reading.check_missing(missing)
        arrays = _read_all(given)
        if missing == "raise":
            _refuse_gaps(arrays)
        elif missing == "drop":
            arrays = [reading.without_gaps(array, f"samples[{index}]") for index, array in enumerate(arrays)]
        self.sizes = np.array([len(array) for array in arrays])
        self.owner = np.repeat(np.arange(len(arrays)), self.sizes)
        self.starts = self.sizes.cumsum() - self.sizes
        pooled = np.concatenate(arrays)
        distinct, self.place = np.unique(pooled, return_inverse=True)
        self.distinct = len(distinct)
        if np.isnan(distinct[-1]):  # all missing numbers have the last place here; theirs is the lowest
            self.place = np.where(np.isnan(pooled), 0, self.place + 1)
        self.tied_inside = np.zeros(len(arrays), dtype=bool)
        if self.distinct < len(pooled):
            own = np.sort(self.owner * len(pooled) + self.place)
            self.tied_inside[own[1:][own[1:] == own[:-1]] // len(pooled)] = True
        self.place_lists: dict[int, list[int]] = {}

    def against(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One-sided p of "row beats column" and of "column beats row", and the row's superiority: (k, columns) each."""
        k, c = len(self.sizes), len(columns)
        column_of = np.full(k, -1)
        column_of[columns] = np.arange(c)
        theirs = column_of[self.owner]
        kept = theirs >= 0
        counts = np.bincount(self.place[kept] * c + theirs[kept], minlength=self.distinct * c).reshape(-1, c)
        doubled = np.add.reduceat((2 * counts.cumsum(0) - counts)[self.place], self.starts)  # 2U of row against column
        m, n = self.sizes[:, None], self.sizes[None, columns]
        greater, less = _untied_p(doubled, m, n)
        own = columns, np.arange(c)
        if self.distinct < len(self.place):
            shared = np.add.reduceat(counts[self.place], self.starts)
            tied = (shared > 0) | self.tied_inside[:, None] | self.tied_inside[None, columns]
            tied[own] = False
            for row, column in np.argwhere(tied).tolist():
                runs = nulls.tie_runs(self._places(row) + self._places(int(columns[column])))
                found = effects.tied_p(runs, int(doubled[row, column]), int(self.sizes[row]))
                greater[row, column], less[row, column] = found
        greater[own] = less[own] = 1
        return greater, less, doubled / (2 * m * n)

    def _places(self, index: int) -> list[int]:
        if index not in self.place_lists:
            start = self.starts[index]
            self.place_lists[index] = self.place[start : start + self.sizes[index]].tolist()
        return self.place_lists[index]


def _untied_p(doubled: np.ndarray, m: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both one-sided p of every 2U between samples of m (column vector) and n (row vector) without ties."""
    greater, less = np.empty(doubled.shape), np.empty(doubled.shape)
    for size, other in itertools.product(set(m[:, 0].tolist()), set(n[0].tolist())):
        at = (m == size) & (n == other)
        if max(size, other) > EXACT_UP_TO:
            excess, variance = doubled[at] / 2 - size * other / 2, size * other * (size + other + 1) / 12
            greater[at], less[at] = effects.normal_tails(excess, variance)
        else:
            tail, u = nulls.rank_sum_tail(size, other), doubled[at] // 2
            greater[at], less[at] = tail[u], tail[size * other - u]
    return greater, less


def _read_all(given: Sequence[Any]) -> list[np.ndarray]:
    arrays = [reading.read(array, f"samples[{index}]") for index, array in enumerate(given)]
    if not arrays:
        raise UserError("samples is empty; at least one candidate's scores are expected.")
    return arrays


def _refuse_gaps(arrays: list[np.ndarray]) -> None:
    if np.isnan(np.concatenate(arrays)).any():
        for index, array in enumerate(arrays):
            reading.refuse_gaps(array, f"samples[{index}]")


def _permutation_of(order: Sequence[int] | None, k: int) -> np.ndarray:
    if order is None:
        return np.arange(k)
    if sorted(order) != list(range(k)):
        raise UserError(f"order = {list(order)!r:.120} must hold every index from 0 to {k - 1} once.")
    return np.asarray(order)


def _check_correction(method: str) -> None:
    if method not in CORRECTIONS:
        raise UserError(f"correction {method!r} is not known; there are {', '.join(CORRECTIONS)}.")
