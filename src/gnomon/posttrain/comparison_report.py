"""The page that ends a comparison: a table of arms with intervals, what attempts did to each other, and curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.posttrain.attempt_pictures import edit_ratios, flows, grid, tries_of
from gnomon.posttrain.comparison import COSTS, FIGURES, show
from gnomon.runs import Run
from gnomon.runs.report import CYCLE, MUTED, Report, dress

ATTEMPTS = ("t1", "t2", "t3", "t4", "delta", "i_to_c", "c_to_i")
CHANGES = ("fix_rate", "edit_ratio", "unchanged")
WARMUPS = (
    "information",
    "effective_sample_size",
    "distinct",
    "accuracy",
    "accuracy_n",
    "over_shuffled",
    "over_filler",
    "over_nothing",
)


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
    # Where attempts are right or wrong, the reward is their sum.
    shown = [name for name in FIGURES if not (several and name.startswith("reward"))]
    for heading, names, wanted in (
        ("Attempts", ATTEMPTS, several),
        ("What a later attempt changed", CHANGES, several),
        ("Warmups", WARMUPS, warmed),
        ("Accuracy of the last attempt" if several else "Accuracy", shown, True),
        ("What it took", COSTS, True),
    ):
        if wanted:
            report.heading(heading)
            _table(report, arms, names)
    report.sentence("Means over seeds with 95 % t intervals, on the same held-out problems for every arm.")
    if result["differences"]:
        _differences(report, result)
    if several:
        tries = {
            name: [made for run in members for made in tries_of(run)]
            for name, members in runs.items()
            if members and "attempts" in members[0].settings
        }
        flows(report, tries)
        edit_ratios(report, tries)
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


def _curves(report: Report, runs: dict[str, list[Run]], name: str, label: str) -> None:
    curves = {arm: _curve(members, name) for arm, members in runs.items() if members}
    curves = {arm: curve for arm, curve in curves.items() if len(curve)}
    if not curves:
        return
    plot, panels = grid(len(curves), 1.6)
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
