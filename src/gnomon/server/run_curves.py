"""One metric of several runs at common places, and its mean over runs with an interval."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gnomon.server.metrics_file import MetricsFile
from gnomon.stats.intervals import mean

NAMES_ONLY = ("seed", "name", "about", "out", "trackers")
"""Settings in which two runs may differ that are repeats of one another."""


def curve(metrics: MetricsFile, name: str, by: str) -> tuple[np.ndarray, np.ndarray]:
    """Where a run logged `name`, in order of `by`, and what: of several values at one place the last."""
    columns = metrics.columns([by, name])
    there = np.isfinite(columns[by]) & np.isfinite(columns[name])
    x, y = columns[by][there], columns[name][there]
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    last = np.append(x[1:] != x[:-1], True)[: len(x)]
    return x[last], y[last]


def on_common_places(curves: Sequence[tuple[np.ndarray, np.ndarray]], points: int) -> tuple[np.ndarray, np.ndarray]:
    """`points` places, evenly from the least to the greatest of all curves, and each curve's values there.

    Where all curves have the same places and no more than `points`, these are taken. Otherwise a value is interpolated
    linearly between its curve's neighbours, without smoothing; it is NaN outside of the curve's own range.
    """
    filled = [x for x, _ in curves if len(x)]
    if not filled:
        return np.zeros(0), np.zeros((len(curves), 0))
    if len(filled[0]) <= points and all(np.array_equal(x, filled[0]) for x in filled):
        places = filled[0]
    else:
        begin, end = min(x[0] for x in filled), max(x[-1] for x in filled)
        places = np.linspace(begin, end, points if end > begin else 1)
    nothing = np.full(len(places), np.nan)
    return places, np.array(
        [np.interp(places, x, y, left=np.nan, right=np.nan) if len(x) else nothing for x, y in curves]
    )


def band(values: np.ndarray) -> dict[str, list[Any]]:
    """The mean over the runs (rows) that have a value at a place, its 95 % t interval, and how many they are."""
    found: dict[str, list[Any]] = {"mean": [], "low": [], "high": [], "n": []}
    for column in values.T:
        estimate = mean(column[np.isfinite(column)])
        for key, value in zip(found, (estimate.value, estimate.low, estimate.high, estimate.n), strict=True):
            found[key].append(value)
    return found


def repeats(settings: Sequence[dict[str, Any]], seeds: Sequence[int | None]) -> list[list[int]]:
    """Which of some runs have equal settings, seed and names aside, as groups of their numbers.

    A seed of some part of the settings stands aside, too, where it is the run's own.
    """
    groups: dict[str, list[int]] = {}
    for number, (each, seed) in enumerate(zip(settings, seeds, strict=True)):
        rest = {name: value for name, value in each.items() if name not in NAMES_ONLY}
        groups.setdefault(repr(_without_seed(rest, seed)), []).append(number)
    return list(groups.values())


def _without_seed(value: Any, seed: int | None) -> Any:
    """Settings in one order, without those called "seed" that are `seed`."""
    if isinstance(value, dict):
        left = {name: inner for name, inner in value.items() if name != "seed" or inner != seed}
        return sorted((name, _without_seed(inner, seed)) for name, inner in left.items())
    return [_without_seed(each, seed) for each in value] if isinstance(value, list) else value
