"""Comparing finished runs: two over the problems both answered, many as recipes over seeds."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gnomon.config import load
from gnomon.errors import UserError
from gnomon.posttrain.progress import Progress
from gnomon.posttrain.recipe import Recipe
from gnomon.runs import Run, open_run
from gnomon.runs.files import write_atomic
from gnomon.stats import Estimate
from gnomon.stats.intervals import mean, paired_difference

FIGURES = (
    "accuracy_before",
    "accuracy_after",
    "improvement",
    "accuracy_control",
    "improvement_over_control",
    "sampled_accuracy_before",
    "sampled_accuracy_after",
    "reward_before",
    "reward_after",
)


def same_problems(a: Run, b: Run) -> Estimate:
    """Greedy accuracy of `b` minus that of `a` after training, paired over the problems both answered."""
    first, second = _final_answers(a), _final_answers(b)
    common = sorted(first.keys() & second.keys())
    if not common:
        raise UserError(
            f"{str(a.path)!r} and {str(b.path)!r} answered no problem in common; finished runs of one task are needed."
        )
    return paired_difference([first[task] for task in common], [second[task] for task in common])


def _final_answers(run: Run) -> dict[str, bool]:
    return {
        row["task_id"]: row["correct"]
        for row in run.evaluations()
        if row["stage"] == "after" and row["mode"] == "greedy"
    }


def compare_recipes(
    folder: Path, *, seeds: int, out: Path | None, resume: bool, overrides: Sequence[str] = ()
) -> dict[str, Any]:
    """Run every recipe of `folder` with every seed and set the figures side by side, means over seeds with t intervals.

    Runs lie in `out/RECIPE/SEED`; `comparison.json` and `report.html` beside them. With `resume`, what has finished is
    kept and what was interrupted goes on. All recipes are read before the first one is run.
    """
    if not folder.is_dir() or not (paths := sorted(folder.glob("*.toml"))):
        raise UserError(f"{str(folder)!r} is not a folder with recipes; at least one .toml file in it is needed.")
    root = out if out is not None else Path("runs") / f"compare-{folder.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    if root.exists() and any(root.iterdir()) and not resume:
        raise UserError(f"{str(root)!r} exists already; continue it with --resume, or give another folder with --out.")
    arms = [
        (path.stem, seed, load(Recipe, path, [*overrides, f"seed={seed}"])) for path in paths for seed in range(seeds)
    ]
    progress = Progress()
    runs: dict[str, list[Run]] = {}
    for number, (name, seed, recipe) in enumerate(arms, start=1):
        progress.say(f"arm {number}/{len(arms)}: {name}, seed {seed}")
        runs.setdefault(name, []).append(_finished(recipe, root / name / str(seed)))
    result = {
        "out": str(root),
        "seeds": seeds,
        "recipes": {name: _figures([run.summary() or {} for run in members]) for name, members in runs.items()},
    }
    write_atomic(root / "comparison.json", json.dumps(result, indent=1) + "\n")
    _write_report(result, root / "report.html")
    return result


def _finished(recipe: Recipe, folder: Path) -> Run:
    from gnomon.posttrain.stages import run_recipe

    if (folder / "summary.json").exists():
        return open_run(folder)
    return run_recipe(recipe, out=folder, resume=folder.exists())


def _figures(summaries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name in FIGURES:
        if all(name in summary for summary in summaries):
            values = [summary[name]["value"] for summary in summaries]
            figures[name] = {**mean(values).to_dict(), "seeds": values}
    return figures


def _write_report(result: dict[str, Any], path: Path) -> None:
    from gnomon.runs.report import Report, figure

    report = Report("Recipes compared", f"{len(result['recipes'])} recipes, {result['seeds']} seeds each")
    shown = [name for name in FIGURES if any(name in figures for figures in result["recipes"].values())]
    rows = [
        [recipe, *(show(figures[name]) if name in figures else "" for name in shown)]
        for recipe, figures in result["recipes"].items()
    ]
    report.table(["recipe", *(name.replace("_", " ") for name in shown)], rows)
    report.sentence("Means over seeds with 95 % t intervals; a recipe's differences are taken seed by seed.")
    plot, axes = figure(7.2, 0.6 + 0.45 * len(rows))
    for place, (recipe, figures) in enumerate(reversed(result["recipes"].items())):
        for name, colour in (("accuracy_before", "C1"), ("accuracy_control", "C2"), ("accuracy_after", "C0")):
            if name in figures:
                axes.plot(figures[name]["seeds"], [place] * result["seeds"], "o", alpha=0.6, color=colour)
        axes.text(-0.01, place, recipe, ha="right", va="center", fontsize=8)
    axes.set_yticks([])
    axes.set_xlim(0, 1)
    axes.set_xlabel("held-out accuracy of each seed: before (orange), supervised control (green), after (blue)")
    report.figure(plot, "Every seed of every recipe.")
    report.write(path)


def show(estimate: dict[str, Any]) -> str:
    """An estimate as text, with its interval where it has one."""
    interval = "" if estimate["low"] is None else f" [{estimate['low']:.3f}, {estimate['high']:.3f}]"
    return f"{estimate['value']:.3f}{interval}"
