"""Two systems on the same items: paired differences of every metric, with a test that holds at few clusters.

Answers of two systems to one item share the item, and items of one template share the template. So a difference is
resampled by cluster, both systems together; and its p-value comes from swapping the two systems' answers cluster by
cluster, which is exact where the systems do not differ, however few clusters there are. p-values are adjusted by Holm's
method over all metrics and groups.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from gnomon.errors import UserError
from gnomon.measure.instrument import Figure, Instrument
from gnomon.measure.running import read_run
from gnomon.measure.scoring import Scores, clusters_of, figures_of
from gnomon.runs import Run
from gnomon.seeds import derive
from gnomon.stats import Estimate
from gnomon.stats.arguments import check_level, check_resamples
from gnomon.stats.order import adjust
from gnomon.stats.resample import bootstrap

Source = Scores | str | Path
"""Scores, or the folder of a run that holds them."""

BLOCK = 2**20  # numbers of one block of the jackknife
TIED = 1 - 1e-9  # below which share of the observed a swapped difference is smaller, and not equal but for rounding


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    `frame`, one row for each metric and group: `metric, group, value_a, value_b, difference` (b - a) with its interval
    `low, high`, `p` (two-sided), `p_holm` (adjusted over all rows that have one), `decision` ("greater" or "less": b
    than a, where p_holm < 1 - level; else "undecided"), `n_items, n_clusters, reason`. `notes` are sentences about what
    was left out. The interval is of one difference, not adjusted; the decision is by p_holm.
    """

    frame: pl.DataFrame
    notes: list[str]


def compare(a: Source, b: Source, *, level: float = 0.95, B: int = 2000, seed: int = 0) -> Comparison:
    """Paired differences b - a of every metric and group, on the items that both systems answered.

    Intervals: percentiles of B resamples of clusters, both systems together (where a side is taken as a limit, its
    interval and the other side's are squared and added: Zou and Donner 2008, Statistics in Medicine 27:1693). p: B
    random swaps of the two systems' answers cluster by cluster, of the difference divided by its delete-one-cluster
    jackknife error. It is exact where swapping changes nothing but chance, and right for many clusters where the
    metric alone is equal (Chung and Romano 2013, Annals of Statistics 41:484). Holm's adjustment bounds the chance of
    any false decision by 1 - level.

    Raises a UserError where the instruments differ, an item is not the same in both, no item was answered by both, or
    the scores were clustered by different columns.
    """
    first, second = read_scores(a), read_scores(b)
    if first.instrument.name != second.instrument.name:
        raise UserError(
            f"compare: a is of instrument {first.instrument.name!r} and b of {second.instrument.name!r}; figures of two"
            " instruments have no paired difference."
        )
    _check_same_items(first.instrument, second.instrument)
    return compare_answers("compare", first, second, ("a", "b"), level=level, B=B, seed=seed)


def compare_runs(a: Run, b: Run) -> tuple[dict[str, Any], list[str]]:
    """`compare` of two runs for `gnomon runs compare`: the document for a script, and sentences."""
    found = compare(a.path, b.path)
    rows = found.frame.to_dicts()
    said = [
        f"{row['metric']} of {row['group']}: {b.path} minus {a.path} is "
        + ("undefined" if row["difference"] is None else f"{row['difference']:+.3f}")
        + ("" if row["low"] is None else f" [{row['low']:+.3f}, {row['high']:+.3f}]")
        + ("" if row["p_holm"] is None else f", p = {row['p_holm']:.3g} (Holm)")
        + f": {row['decision']}"
        for row in rows
    ]
    return {"a": str(a.path), "b": str(b.path), "differences": rows, "notes": found.notes}, [*said, *found.notes]


def read_scores(source: Source) -> Scores:
    """`source` as Scores; a run's folder is read and scored as it was."""
    return source if isinstance(source, Scores) else read_run(source)[1]


def compare_answers(
    function: str, first: Scores, second: Scores, names: tuple[str, str], *, level: float, B: int, seed: int
) -> Comparison:
    """`compare` for scores whose items correspond by id, whatever their texts; `names` are what a note calls them."""
    check_level(function, level)
    check_resamples(function, B)
    if first.settings["cluster"] != second.settings["cluster"]:
        raise UserError(
            f"{function}: {names[0]} is clustered by {first.settings['cluster']} and {names[1]} by"
            f" {second.settings['cluster']}; score both with the same cluster."
        )
    answered = [
        scores.item_frame.filter(pl.col("status") == "read").get_column("item_id") for scores in (first, second)
    ]
    ids = [scores.instrument.items["item_id"] for scores in (first, second)]
    shared = ids[0].filter(ids[0].is_in(ids[1].implode()))
    if shared.is_empty():
        raise UserError(f"{function}: {names[0]} and {names[1]} share no items (by item_id); there is nothing to pair.")
    both = shared.filter(shared.is_in(answered[0].implode()) & shared.is_in(answered[1].implode()))
    if both.is_empty():
        raise UserError(f"{function}: of {len(shared)} shared items none has an answer that was read in both.")
    notes = [
        f"{len(own) - len(shared)} of {len(own)} items of {name} are not in the other and were left out."
        for own, name in zip(ids, names, strict=True)
        if len(own) > len(shared)
    ]
    if len(shared) > len(both):
        notes.append(
            f"{len(shared) - len(both)} of {len(shared)} shared items have no answer that could be read (manual or"
            " missing) in one or both, and were left out."
        )
    sides = []
    for scores in (first, second):
        items = scores.instrument.items.filter(pl.col("item_id").is_in(both.implode()))
        sides.append(
            (replace(scores.instrument, items=items), scores.answers.filter(pl.col("item_id").is_in(both.implode())))
        )
    frame = differences(paired_figures(sides, first.settings["cluster"], level), B=B, seed=seed, level=level)
    clusters = frame.filter(pl.col("p").is_not_null())["n_clusters"].to_numpy()
    smallest = np.maximum(1 / (B + 1), 2.0 ** (1 - clusters))
    out_of_reach = int((adjust(smallest, "holm") >= 1 - level).sum())
    if out_of_reach:
        notes.append(
            f"{out_of_reach} of {len(smallest)} differences cannot be decided at level {level:g} whatever the answers"
            f" are: {B} swaps of {clusters.min()} clusters give no p below {smallest.max():.2g} before the adjustment."
        )
    return Comparison(frame, notes)


@dataclass(frozen=True)
class PairedFigure:
    """One metric of one group for several systems that answered the same items.

    `totals` are sums over the items of each cluster, (clusters, systems, k); `statistic` maps (B, k) to (B,); `limits`
    are the figures' own, one a system.
    """

    metric: str
    group: str
    totals: np.ndarray
    statistic: Callable[[np.ndarray], np.ndarray]
    limits: tuple[Estimate | None, ...]
    n_items: int

    def values(self, totals: np.ndarray) -> np.ndarray:
        """Every system's value (B, systems) from totals (B, systems x k)."""
        k = self.totals.shape[2]
        parts = [totals[:, at : at + k] for at in range(0, totals.shape[1], k)]
        return np.stack([self.statistic(part) for part in parts], axis=1)

    def estimate(self, of: Callable[[np.ndarray], np.ndarray], B: int, seed: int, level: float) -> Estimate:
        """`of` the systems' values ((B, systems) to (B,)), all systems resampled together by cluster."""
        joined = self.totals.reshape(len(self.totals), -1)
        if len(joined) == 1:
            with np.errstate(divide="ignore", invalid="ignore"):
                value = float(of(self.values(joined))[0])
            reason = "all answers are of one cluster, which cannot be resampled"
            defined = value if math.isfinite(value) else None
            return Estimate(defined, None, None, self.n_items, "one cluster", level, n_clusters=1, reason=reason)
        of_group = derive(seed, "paired", self.group)
        found = bootstrap(joined, lambda totals: of(self.values(totals)), B=B, seed=of_group, level=level)
        return replace(found, n=self.n_items, n_clusters=len(joined))

    def side(self, at: int, B: int, seed: int, level: float) -> Estimate:
        """One system's own value: its limit, where its rule takes one."""
        return self.limits[at] or self.estimate(lambda values: values[:, at], B, seed, level)


def paired_figures(
    sides: Sequence[tuple[Instrument, pl.DataFrame]], cluster: Sequence[str], level: float
) -> list[PairedFigure]:
    """The figures of several systems' answers (`item_id`, `answer`) to items of the same ids, side by side.

    The items of the first say which belong together, by the columns `cluster`. A figure that one side lacks is left
    out.
    """
    read = [figures_of(ins, answers, level) for ins, answers in sides]
    labels = clusters_of(read[0][1], cluster)
    by_name = [{(figure.metric, figure.group): figure for figure in figures} for figures, _ in read]
    found = []
    for metric, group in by_name[0]:
        own: list[Figure] = [figures[metric, group] for figures in by_name if (metric, group) in figures]
        rows = np.unique(np.concatenate([figure.rows for figure in own]).astype(int))
        if len(own) < len(sides) or not len(rows):
            continue
        names, index = np.unique(labels[rows], return_inverse=True)
        of_row = np.zeros(len(labels), dtype=int)
        of_row[rows] = index
        totals = [
            np.stack([np.bincount(of_row[figure.rows], column, len(names)) for column in figure.sums.T], axis=1)
            for figure in own
        ]
        limits = tuple(figure.limit for figure in own)
        found.append(PairedFigure(metric, group, np.stack(totals, axis=1), own[0].statistic, limits, len(rows)))
    return found


def _check_same_items(first: Instrument, second: Instrument) -> None:
    """Refuse items of one id that differ in a column which both sides have."""
    columns = [name for name in first.items.columns if name in second.items.columns and name != "item_id"]
    one, other = (ins.items.select("item_id", *columns) for ins in (first, second))
    joined = one.join(other, on="item_id", suffix="/b")
    for name in columns:
        differs = joined[name].ne_missing(joined[f"{name}/b"])
        if differs.any():
            item = joined["item_id"][int(differs.arg_max() or 0)]
            raise UserError(f"compare: item {item!r} differs between a and b in {name!r}; the same items are expected.")


def differences(figures: Sequence[PairedFigure], *, B: int, seed: int, level: float) -> pl.DataFrame:
    """`Comparison.frame` of the figures of two systems: second - first."""
    rows = [_difference(figure, B, seed, level) for figure in figures]
    tested = [row for row in rows if row["p"] is not None]
    for row, p in zip(tested, adjust([row["p"] for row in tested], "holm").tolist(), strict=True):
        row["p_holm"] = p
        if p < 1 - level:
            row["decision"] = "greater" if row["difference"] > 0 else "less"
    schema = {
        **dict.fromkeys(("metric", "group"), pl.String),
        **dict.fromkeys(("value_a", "value_b", "difference", "low", "high", "p", "p_holm"), pl.Float64),
        "decision": pl.String,
        **dict.fromkeys(("n_items", "n_clusters"), pl.Int64),
        "reason": pl.String,
    }
    return pl.DataFrame(rows, schema=schema)


def _difference(figure: PairedFigure, B: int, seed: int, level: float) -> dict[str, Any]:
    """A row of `Comparison.frame`, not yet adjusted."""
    with np.errstate(divide="ignore", invalid="ignore"):
        own = figure.values(figure.totals.sum(0).reshape(1, -1))[0].tolist()
    value_a, value_b = (value if math.isfinite(value) else None for value in own)
    taken = [f"{name}: {limit.reason}" for name, limit in zip("ab", figure.limits, strict=True) if limit]
    row: dict[str, Any] = {
        "metric": figure.metric,
        "group": figure.group,
        "value_a": value_a,
        "value_b": value_b,
        **dict.fromkeys(("difference", "low", "high", "p", "p_holm")),
        "decision": "undecided",
        "n_items": figure.n_items,
        "n_clusters": len(figure.totals),
    }
    if value_a is None or value_b is None:
        return {**row, "reason": "; ".join(taken) or "the metric is undefined"}
    found = figure.estimate(lambda values: values[:, 1] - values[:, 0], B, seed, level)
    low, high = found.low, found.high
    if low is not None and taken:
        low, high = _squared_and_added(*(figure.side(at, B, seed, level) for at in (0, 1)))
    p = None if len(figure.totals) == 1 else _swap_p(figure, B, derive(seed, "swaps", figure.group))
    reason = "; ".join(filter(None, [found.reason, *taken])) or None
    return {**row, "difference": found.value, "low": low, "high": high, "p": p, "reason": reason}


def _squared_and_added(a: Estimate, b: Estimate) -> tuple[float, float]:
    """Bounds of b - a from each side's own."""
    at_a, low_a, high_a, at_b, low_b, high_b = np.array([a.value, a.low, a.high, b.value, b.low, b.high]).tolist()
    down, up = math.hypot(at_b - low_b, high_a - at_a), math.hypot(high_b - at_b, at_a - low_a)
    return at_b - at_a - down, at_b - at_a + up


def _swap_p(figure: PairedFigure, B: int, seed: int) -> float:
    """Two-sided p of the studentised difference among those of B random swaps and its own."""
    rng = np.random.default_rng(seed)
    m, _, k = figure.totals.shape
    observed = float(_studentised(figure, np.zeros((1, m)))[0])
    reached, block = 1, max(1, BLOCK // (m * k))
    for start in range(0, B, block):
        swapped = rng.integers(0, 2, size=(min(block, B - start), m)).astype(float)
        reached += int((_studentised(figure, swapped) >= observed * TIED).sum())
    return reached / (B + 1)


def _studentised(figure: PairedFigure, swapped: np.ndarray) -> np.ndarray:
    """|difference| / its jackknife error, (P,), after exchanging the systems where `swapped` (P, clusters) is 1.

    0 where nothing differs, and infinite where a swap leaves the difference undefined, which can only enlarge p.
    """
    a, b = figure.totals[:, 0], figure.totals[:, 1]
    m, k = a.shape
    moved = swapped[:, :, None] * (b - a)
    own = a + moved, b - moved  # (P, m, k) each
    values = []
    with np.errstate(divide="ignore", invalid="ignore"):
        for side in own:
            everything = side.sum(1, keepdims=True)
            without = figure.statistic((everything - side).reshape(-1, k)).reshape(-1, m)
            values.append((figure.statistic(everything[:, 0]), without))
        difference = np.abs(values[1][0] - values[0][0])
        without_one = values[1][1] - values[0][1]
        defined = np.isfinite(without_one)
        count = defined.sum(1)
        middle = np.where(defined, without_one, 0).sum(1) / count
        spread = np.where(defined, without_one - middle[:, None], 0)
        error = np.sqrt((count - 1) / count * (spread**2).sum(1))
        found = np.where(difference <= 1e-12, 0.0, difference / error)
    return np.where(np.isnan(found), np.inf, found)
