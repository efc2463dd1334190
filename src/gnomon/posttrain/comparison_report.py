"""The page that ends a comparison: a table of arms with intervals, what attempts did to each other, and curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gnomon.posttrain.attempts import attempts_of, edit_ratio
from gnomon.posttrain.comparison import COSTS, FIGURES, show
from gnomon.posttrain.evaluation import Graded
from gnomon.runs import Run
from gnomon.runs.report import CYCLE, MUTED, Report, dress

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ATTEMPTS = ("t1", "t2", "delta", "i_to_c", "c_to_i", "fix_rate", "edit_ratio", "unchanged")
WARMUPS = (
    "information",
    "effective_sample_size",
    "distinct",
    "accuracy",
    "over_shuffled",
    "over_filler",
    "over_nothing",
)
RIGHT, WRONG = "#4b8b5a", "#c8642b"


def write_report(result: dict[str, Any], runs: dict[str, list[Run]], path: Path) -> None:
    """Write the comparison's page to `path`."""
    arms = {name: figures for name, figures in result["recipes"].items() if figures}
    report = Report(
        f"Recipes compared on {result['task']}", f"{len(result['recipes'])} recipes, {result['seeds']} seeds each"
    )
    for arm, reason in result["failed"].items():
        report.sentence(f"{arm} did not finish: {reason}")
    if not arms:
        report.sentence("No arm has finished.")
        report.write(path)
        return
    several = any("delta" in figures for figures in arms.values())
    warmed = any("information" in figures for figures in arms.values())
    for heading, names, wanted in (
        ("Attempts", ATTEMPTS, several),
        ("Warmups", WARMUPS, warmed),
        ("Accuracy", FIGURES, True),
        ("What it took", COSTS, True),
    ):
        if wanted:
            report.heading(heading)
            _table(report, arms, names)
    report.sentence("Means over seeds with 95 % t intervals, on the same held-out problems for every arm.")
    if result["differences"]:
        _differences(report, result)
    if several:
        graded = {name: _graded(members) for name, members in runs.items() if members}
        _flows(report, graded, arms)
        _edit_ratios(report, graded)
        report.heading("Curves")
        for name, label in (
            ("validation_t1", "first attempt"),
            ("validation_accuracy", "last attempt"),
            ("validation_delta", "delta"),
        ):
            _curves(report, runs, name, f"{label}, greedy, on validation problems")
    else:
        report.heading("Curves")
        _curves(report, runs, "validation_accuracy", "greedy accuracy on validation problems")
    told = {name: text for name, text in result["about"].items() if text}
    if told:
        report.heading("The arms")
        report.facts(told)
    report.write(path)


def _table(report: Report, arms: dict[str, Any], names: Sequence[str]) -> None:
    shown = [name for name in names if any(name in figures for figures in arms.values())]
    forms = {"samples": ".0f", "tokens": ".0f", "steps": ".0f", "cpu_seconds": ".1f"}
    rows = [
        [arm, *(show(figures[name], forms.get(name, ".3f")) if name in figures else "" for name in shown)]
        for arm, figures in arms.items()
    ]
    report.table(["recipe", *(name.replace("_", " ") for name in shown)], rows)


def _differences(report: Report, result: dict[str, Any]) -> None:
    report.heading(f"{result['against']} minus the others")
    names = list(next(iter(result["differences"].values())))
    rows = [
        [f"- {other}", *(show(found[name], "+.3f") if name in found else "" for name in names)]
        for other, found in result["differences"].items()
    ]
    report.table(["", *(name.replace("_", " ") for name in names)], rows)
    report.sentence("Differences are taken seed by seed; an interval that holds zero shows no difference.")


def _graded(members: Sequence[Run]) -> list[Graded]:
    rows = [row for run in members for row in run.evaluations() if row["stage"] == "after" and row["mode"] == "greedy"]
    return [Graded.from_row(row) for row in rows]


def _grid(count: int, height: float) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    columns = min(4, count)
    rows = -(-count // columns)
    plot = Figure(figsize=(2.4 * columns, height * rows), layout="constrained")
    panels = list(plot.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[count:]:
        axes.set_visible(False)
    return plot, panels[:count]


def _flows(report: Report, graded: dict[str, list[Graded]], arms: dict[str, Any]) -> None:
    """Bars of right and wrong at the first and at the last attempt, and bands for what went from one to the other."""
    report.heading("From the first attempt to the last")
    plot, panels = _grid(len(graded), 1.9)
    for axes, (name, episodes) in zip(panels, graded.items(), strict=True):
        tries = [attempts_of(g, 2) for g in episodes]
        n = len(tries)
        stay_right = sum(t[0].correct and t[-1].correct for t in tries) / n
        fixed = sum(not t[0].correct and t[-1].correct for t in tries) / n
        broken = sum(t[0].correct and not t[-1].correct for t in tries) / n
        stay_wrong = 1 - stay_right - fixed - broken
        # Left from below: right that stays, right that breaks, wrong that is fixed, wrong that stays.
        left = np.cumsum([0, stay_right, broken, fixed, stay_wrong])
        right = np.cumsum([0, stay_right, fixed, broken, stay_wrong])
        bands = ((0, 0, RIGHT, 0.25), (1, 2, WRONG, 0.75), (2, 1, RIGHT, 0.75), (3, 3, WRONG, 0.2))
        x = np.linspace(0, 1, 30)
        bend = x * x * (3 - 2 * x)
        for start, end, colour, alpha in bands:
            low = left[start] + (right[end] - left[start]) * bend
            high = left[start + 1] + (right[end + 1] - left[start + 1]) * bend
            axes.fill_between(x, low, high, color=colour, alpha=alpha, linewidth=0)
        for place, share in ((-0.06, stay_right + broken), (1.02, stay_right + fixed)):
            axes.bar(place, share, width=0.04, align="edge", color=RIGHT)
            axes.bar(place, 1 - share, bottom=share, width=0.04, align="edge", color=WRONG)
        axes.set_title(name, fontsize=8, loc="left")
        axes.text(0.5, -0.06, f"mended {fixed:.1%}   broken {broken:.1%}", ha="center", va="top", fontsize=6.5)
        axes.set_xlim(-0.08, 1.08)
        axes.set_ylim(-0.16, 1)
        axes.set_axis_off()
    report.figure(
        plot,
        "Green is right, orange wrong; first attempts on the left, last attempts on the right. Strong bands changed:"
        " green was mended, orange was broken. All seeds together.",
    )


def _edit_ratios(report: Report, graded: dict[str, list[Graded]]) -> None:
    report.heading("How much a second attempt changes")
    plot, panels = _grid(len(graded), 1.5)
    for axes, (name, episodes) in zip(panels, graded.items(), strict=True):
        tries = [attempts_of(g, 2) for g in episodes]
        ratios = [edit_ratio(t[0].action, t[-1].action) for t in tries]
        weights = np.full(len(ratios), 1 / len(ratios))
        axes.hist(ratios, bins=np.linspace(0, 1, 21).tolist(), weights=weights, color=CYCLE[0])
        axes.set_yscale("log")
        axes.set_ylim(1e-3, 1.2)
        axes.set_title(name, fontsize=8, loc="left")
        dress(axes)
        axes.tick_params(labelsize=6)
    report.figure(
        plot,
        "Edit distance between first and last attempt over the sum of their lengths (0: unchanged); share of problems"
        " on a logarithmic scale.",
    )


def _curves(report: Report, runs: dict[str, list[Run]], name: str, label: str) -> None:
    curves = {arm: _curve(members, name) for arm, members in runs.items() if members}
    curves = {arm: curve for arm, curve in curves.items() if len(curve)}
    if not curves:
        return
    plot, panels = _grid(len(curves), 1.6)
    values = np.concatenate([curve[:, 1:].ravel() for curve in curves.values()])
    margin = 0.05 * (values.max() - values.min() + 1e-9)
    for axes, (arm, curve) in zip(panels, curves.items(), strict=True):
        axes.plot(curve[:, 0], curve[:, 1:], color=CYCLE[0], alpha=0.35, linewidth=0.8)
        axes.plot(curve[:, 0], curve[:, 1:].mean(1), color=CYCLE[0], linewidth=1.8)
        if values.min() < 0:
            axes.axhline(0, color=MUTED, linewidth=0.6)
        axes.set_ylim(values.min() - margin, values.max() + margin)
        axes.set_title(arm, fontsize=8, loc="left")
        dress(axes)
        axes.tick_params(labelsize=6)
    report.figure(
        plot, f"{label[0].upper()}{label[1:]}, by update; a thin line for each seed, a thick one for the mean."
    )


def _curve(members: Sequence[Run], name: str) -> np.ndarray:
    """Rows of (update, a value for each run), for the updates that every run has."""
    found = []
    for run in members:
        offset = run.settings["warm_start"]["steps"]
        found.append({row["step"] - offset: row[name] for row in run.metrics() if row.get(name) is not None})
    common = sorted(set.intersection(*(set(each) for each in found)))
    return np.array([[step, *(each[step] for each in found)] for step in common])
