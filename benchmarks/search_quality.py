"""Does choosing by a statistical test find better architectures than choosing by the mean, and what does racing save?

Searches on given tables, a thousand and more for each setting with `--seeds 1000`. Repeated scores are measured in one
table (`nb201_repeats`, 75 cells by 10 repeats); in the others every score is published once, and repeats are synthetic:
the published score times one plus the relative residuals of a measured cell of similar rank (`repeated`). In one
experiment every comparator sees the same architectures in the same order, in the other it may spend the same number
of evaluations. A search's quality is the target of its winner; differences are paired seed by seed.

`GNOMON_DATA_DIR` names the folder that holds `nas/`.
"""

import argparse
import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.search import Table, spaces
from gnomon.search.finding import Found, find
from gnomon.seeds import derive
from gnomon.stats.intervals import mean, wilson
from machine import machine, save

REPEATS = 10
NEAR = 8  # measured cells of similar rank, one of which lends its residuals
BASELINE = "mean of 10"
COMPARATORS: dict[str, dict[str, Any]] = {
    BASELINE: {"comparator": "mean"},
    "mann-whitney": {},
    "wilcoxon": {"comparator": "wilcoxon"},
    "sequential": {"sequential": True},
    "mean of 4": {"comparator": "mean", "repeats": 4},
    "one score": {"comparator": "mean", "repeats": 1},
}
MEASURED = ("nwot", "relu_dist", "eig_score", "grad_norm", "snip")
PUBLISHED = ("nwot", "grad_norm", "snip")
TABLES: dict[str, tuple[str, str, dict[str, str]]] = {
    "nb201": ("nb201_cifar10", "net", {}),
    "nb201 cifar100": ("nb201_suite_zero", "arch", {"task": "cifar100"}),
    "nb101": ("nb101", "arch", {}),
    "nb301": ("nb301", "arch", {}),
}
PAPER = 0.49  # points that Variation Matters reports for random search, on average over its settings


class Scores:
    """Repeated scores [archs, repeats] of a table's architectures by one ranker, as a source for `find`."""

    def __init__(self, archs: list[str], ranker: str, scores: np.ndarray, targets: np.ndarray) -> None:
        self.rankers = [ranker]
        self._index = {arch: place for place, arch in enumerate(archs)}
        self._scores, self._targets = scores, targets

    def archs(self) -> list[str]:
        return list(self._index)

    def __contains__(self, arch: str) -> bool:
        return arch in self._index

    def samples(self, arch: str, ranker: str, n: int) -> np.ndarray:
        return self._scores[self._index[arch], :n]

    def direction(self, ranker: str) -> int:
        return 1

    def target(self, arch: str) -> float:
        return float(self._targets[self._index[arch]])

    def some(self, places: np.ndarray) -> "Scores":
        """Only the architectures at `places`."""
        archs = self.archs()
        return Scores([archs[i] for i in places], self.rankers[0], self._scores[places], self._targets[places])


@cache
def cells() -> Any:
    """The space of the cells, which evolution mutates."""
    return spaces.get("nb201")


def nas(name: str) -> Path:
    """A given table."""
    return Path(os.environ["GNOMON_DATA_DIR"], "nas", f"{name}.csv.gz")


@cache
def measured(ranker: str) -> Scores:
    """The 75 cells that were measured ten times."""
    table = Table(nas("nb201_repeats"), arch="net", scores=[ranker], repeat="v", target="val_acc")
    archs = table.archs()
    scores = np.stack([table.samples(arch, ranker, REPEATS) for arch in archs])
    return Scores(archs, ranker, scores, np.array([table.target(arch) for arch in archs]))


@cache
def published(table: str, ranker: str) -> Scores:
    """A table whose scores were published once [archs, 1]; what has no score is left out."""
    file, arch, where = TABLES[table]
    read = Table(nas(file), arch=arch, scores=[ranker], target="val_accuracy", where=where)
    archs = [each for each in read.archs() if np.isfinite(read.samples(each, ranker, 1)[0])]
    scores = np.stack([read.samples(each, ranker, 1) for each in archs])
    return Scores(archs, ranker, scores, np.array([read.target(each) for each in archs]))


def repeated(once: Scores, ranker: str, spread: float, seed: int) -> Scores:
    """Synthetic repeats: a published score times one plus `spread` times a measured cell's relative residuals.

    The cell is drawn among the eight whose rank (as a share of all) is nearest; one order of the ten repeats is drawn
    for all, so that repeats go on sharing their batch. sqrt(10/9) undoes that residuals are about their own mean.
    """
    rng = np.random.default_rng(derive(seed, "repeated"))
    scores = measured(ranker)._scores
    residuals = (scores / scores.mean(1, keepdims=True) - 1)[np.argsort(scores.mean(1))] * np.sqrt(10 / 9)
    residuals = residuals[:, rng.permutation(REPEATS)]
    published_once = once._scores[:, 0]
    place = np.argsort(np.argsort(published_once)) / (len(published_once) - 1) * (len(residuals) - 1)
    first = np.clip(np.round(place - NEAR / 2 + 0.5).astype(int), 0, len(residuals) - NEAR)
    cells = first + rng.integers(NEAR, size=len(place))
    return Scores(once.archs(), ranker, published_once[:, None] * (1 + spread * residuals[cells]), once._targets)


@dataclass(frozen=True)
class Setting:
    """One line of the study before its comparators."""

    experiment: str
    table: str
    ranker: str
    method: str
    spread: float = 1.0

    def scores(self, seed: int) -> Scores:
        if self.table == "measured":
            return measured(self.ranker)
        return repeated(published(self.table, self.ranker), self.ranker, self.spread, seed)

    def searches(self, scores: Scores, seed: int) -> Iterator[tuple[str, Found]]:
        """One search by each comparator, on the same scores with the same seed."""
        if self.experiment == "same walk":
            drawn = np.random.default_rng(derive(seed, "drawn")).permutation(len(scores.archs()))
            some = scores.some(drawn[: 30 if self.table == "measured" else 50])
            for name, arguments in COMPARATORS.items():
                yield name, find(None, some, ranker=self.ranker, method="random", budget=10_000, seed=seed, **arguments)
            return
        space = None if self.method == "random" else cells()
        budget = 300 if self.table == "measured" else 500
        for name, arguments in COMPARATORS.items():
            yield (
                name,
                find(space, scores, ranker=self.ranker, method=self.method, budget=budget, seed=seed, **arguments),
            )


def settings() -> list[Setting]:
    """Every setting: those that see the same walk, then those that spend the same evaluations."""
    walks = [Setting("same walk", "measured", ranker, "random") for ranker in MEASURED]
    walks += [
        Setting("same walk", table, ranker, "random")
        for table, ranker in itertools.product(TABLES, PUBLISHED)
        if (table, ranker) != ("nb101", "nwot")  # not in the table
    ]
    walks += [Setting("same walk", "nb201", ranker, "random", 4.0) for ranker in PUBLISHED]
    budgets = [Setting("same budget", "measured", ranker, "random") for ranker in MEASURED]
    budgets += [
        Setting("same budget", "nb201", ranker, method)
        for ranker, method in itertools.product(PUBLISHED, ("random", "rea", "greedy", "freerea"))
    ]
    return walks + budgets


@cache
def ranks(table: str, ranker: str) -> dict[str, float]:
    """The share of a table's architectures whose published score, to which the noise is added, is lower."""
    once = published(table, ranker)
    scores = once._scores[:, 0]
    return dict(zip(once.archs(), np.searchsorted(np.sort(scores), scores) / len(scores), strict=True))


def study(setting: Setting, seeds: int) -> list[dict[str, Any]]:
    """One row for each comparator."""
    kept: dict[str, dict[str, list[float]]] = {
        name: {key: [] for key in ("target", "evaluations", "distinct", "set", "stable", "held", "won", "rank")}
        for name in COMPARATORS
    }
    for seed in range(seeds):
        scores = setting.scores(seed)
        for name, found in setting.searches(scores, seed):
            of = kept[name]
            of["target"].append(scores.target(found.winner))
            of["evaluations"].append(found.evaluations)
            of["distinct"].append(found.distinct)
            of["set"].append(len(found.indistinguishable))
            of["stable"].append(found.stability.get(found.winner, 0.0))
            if setting.table != "measured":
                rank = ranks(setting.table, setting.ranker)
                best = max(found.samples, key=lambda arch: rank[arch])
                of["held"].append(best in found.indistinguishable)
                of["won"].append(best == found.winner)
                of["rank"].append(rank[found.winner])
    rows = []
    for name, of in kept.items():
        row: dict[str, Any] = {
            **vars(setting),
            "comparator": name,
            "searches": seeds,
            "target": mean(of["target"]).to_dict(),
            "minus_mean": None
            if name == BASELINE
            else mean(np.subtract(of["target"], kept[BASELINE]["target"])).to_dict(),
            "evaluations": mean(of["evaluations"]).to_dict(),
            "distinct": float(np.mean(of["distinct"])),
            "indistinguishable": float(np.mean(of["set"])),
            "winner_stability": float(np.mean(of["stable"])),
            "winner_above": mean(of["rank"]).to_dict() if of["rank"] else None,
            "best_in_set": wilson(sum(of["held"]), seeds).to_dict() if of["held"] else None,
            "best_won": wilson(sum(of["won"]), seeds).to_dict() if of["won"] else None,
        }
        if name == "sequential":
            row["minus_mann_whitney"] = mean(np.subtract(of["target"], kept["mann-whitney"]["target"])).to_dict()
            share = np.divide(of["evaluations"], kept["mann-whitney"]["evaluations"])
            row["evaluations_share"] = mean(share).to_dict()
        rows.append(row)
    return rows


def large() -> dict[str, float]:
    """CPU seconds of a walk of 10,000 evaluations with its final choice, by comparator."""
    scores = repeated(published("nb201", "nwot"), "nwot", 1.0, 0)
    seconds = {}
    for name in (BASELINE, "mann-whitney", "wilcoxon", "sequential"):
        begun = time.process_time()
        find(None, scores, ranker="nwot", method="random", budget=10_000, **COMPARATORS[name])
        seconds[name] = round(time.process_time() - begun, 3)
    return seconds


def span(estimate: dict[str, Any] | None, form: str = "{:.2f}") -> str:
    """An estimate as text."""
    if estimate is None:
        return ""
    if estimate["low"] is None:
        return form.format(estimate["value"])
    return " ".join(
        [form.format(estimate["value"]), f"[{form.format(estimate['low'])}, {form.format(estimate['high'])}]"]
    )


def show(rows: list[dict[str, Any]]) -> None:
    """One setting's rows, as they are done."""
    for row in rows:
        where = f"{row['experiment']:<11} {row['table']:<14} {row['ranker']:<9} {row['method']:<8} x{row['spread']:g}"
        print(
            f"{where} {row['comparator']:<12} {span(row['target']):<22} {span(row['minus_mean'], '{:+.3f}'):<26}"
            f" {row['evaluations']['value']:>6.0f} evaluations, {row['distinct']:>5.1f} seen,"
            f" set of {row['indistinguishable']:.1f}",
            flush=True,
        )


def draw(result: dict[str, Any], folder: Path) -> None:
    """The study's two figures."""
    from matplotlib.figure import Figure

    from gnomon.runs.files import write_atomic
    from gnomon.runs.report import CYCLE, MUTED, dress, svg

    def title(row: dict[str, Any]) -> str:
        loud = "" if row["spread"] == 1 else f", noise x {row['spread']:g}"
        method = "" if row["method"] == "random" else f" {row['method']}"
        return f"{row['table']}, {row['ranker']}{method}{loud}"

    plot = Figure(figsize=(8.6, 6.2), layout="constrained")
    for place, experiment in enumerate(("same walk", "same budget"), start=1):
        axes = plot.add_subplot(1, 2, place)
        dress(axes)
        rows = [row for row in result["rows"] if row["experiment"] == experiment]
        names = list(dict.fromkeys(map(title, rows)))
        shown = {"mann-whitney": -0.22, "wilcoxon": 0.0, "sequential": 0.22}
        for colour, (name, shift) in zip(CYCLE, shown.items(), strict=False):
            for row in rows:
                if row["comparator"] == name:
                    y = names.index(title(row)) + shift
                    difference = row["minus_mean"]
                    axes.plot([difference["low"], difference["high"]], [y, y], color=colour, linewidth=1.4)
                    axes.plot([difference["value"]], [y], "o", color=colour, markersize=3.5)
            axes.plot([], [], "o-", color=colour, markersize=3.5, label=name)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.axvline(PAPER, color=MUTED, linewidth=0.8, linestyle="--", label="reported by the paper")
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_title(experiment, fontsize=10)
        axes.set_xlabel("accuracy minus that of the mean, points")
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x", color=MUTED, alpha=0.2, linewidth=0.6)
        if place == 1:
            axes.legend(fontsize=8, frameon=False, loc="lower left")
    write_atomic(folder / "search-comparators.svg", svg(plot))

    rows = [row for row in result["rows"] if row["experiment"] == "same walk" and row["comparator"] == "sequential"]
    plot = Figure(figsize=(5.4, 4.0), layout="constrained")
    axes = plot.add_subplot()
    dress(axes)
    for place, row in enumerate(rows):
        share = row["evaluations_share"]
        axes.plot([share["low"], share["high"]], [place, place], color=CYCLE[0], linewidth=1.6)
        axes.plot([share["value"]], [place], "o", color=CYCLE[0], markersize=4.5)
    axes.axvline(0.4, color=MUTED, linewidth=0.8)
    axes.axvline(0.75, color=MUTED, linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(rows)), [title(row) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xlabel("evaluations of racing, as a share of ten for every architecture")
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=MUTED, alpha=0.2, linewidth=0.6)
    write_atomic(folder / "search-racing.svg", svg(plot))


def main() -> None:
    """Run, print, save."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seeds", type=int, default=200)
    arguments.add_argument("--figures", type=Path, help="also draw the study's figures into this folder")
    chosen = arguments.parse_args()
    result: dict[str, Any] = {"machine": machine(), "seeds": chosen.seeds, "seconds_of_10000": large()}
    print(result["machine"], f"10,000 evaluations, CPU seconds: {result['seconds_of_10000']}", sep="\n")
    rows: list[dict[str, Any]] = []
    for setting in settings():
        rows += (found := study(setting, chosen.seeds))
        show(found)
    racing = [row for row in rows if row["experiment"] == "same walk" and row["comparator"] == "sequential"]
    result |= {
        "rows": rows,
        "largest_racing_share": max(row["evaluations_share"]["value"] for row in racing),
        "racing_worse": [
            f"{row['table']} {row['ranker']} x{row['spread']:g}"
            for row in racing
            if row["minus_mann_whitney"]["high"] < 0
        ],
    }
    print(
        f"racing's evaluations: at most {result['largest_racing_share']:.0%} of the fixed ones;"
        f" worse than them, by the interval, in: {', '.join(result['racing_worse']) or 'none'}"
    )
    save("search_quality", result)
    if chosen.figures is not None:
        draw(result, chosen.figures)


if __name__ == "__main__":
    main()
