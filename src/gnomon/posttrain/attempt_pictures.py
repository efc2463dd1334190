"""Pictures of what a second attempt did to the first: flows between right and wrong, and how much was changed."""

from typing import TYPE_CHECKING

import numpy as np

from gnomon.posttrain.attempts import NOTHING, attempts_of, edit_ratio
from gnomon.posttrain.evaluation import Answered, Graded
from gnomon.runs import Run
from gnomon.runs.report import CYCLE, Report, dress

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RIGHT, WRONG = "#4b8b5a", "#c8642b"

Tries = dict[str, list[list[Answered]]]  # by panel: the attempts at every problem


def tries_of(run: Run, stage: str = "after") -> list[list[Answered]]:
    """The greedy attempts at every held-out problem that a run with [attempts] was graded on at `stage`."""
    rows = [row for row in run.evaluations() if row["stage"] == stage and row["mode"] == "greedy"]
    return [attempts_of(Graded.from_row(row), run.settings["attempts"]["count"]) for row in rows]


def grid(count: int, height: float) -> "tuple[Figure, list[Axes]]":
    """A figure of `count` small panels, four in a row, each `height` inches high."""
    from matplotlib.figure import Figure

    columns = min(4, count)
    rows = -(-count // columns)
    plot = Figure(figsize=(2.4 * columns, height * rows), layout="constrained")
    panels = list(plot.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[count:]:
        axes.set_visible(False)
    return plot, panels[:count]


def flows(report: Report, tries: Tries) -> None:
    """Bars of right and wrong at the first and at the last attempt, and bands for what went from one to the other."""
    report.heading("From the first attempt to the last")
    plot, panels = grid(len(tries), 1.9)
    for axes, (name, made) in zip(panels, tries.items(), strict=True):
        n = len(made)
        stay_right = sum(t[0].correct and t[-1].correct for t in made) / n
        fixed = sum(not t[0].correct and t[-1].correct for t in made) / n
        broken = sum(t[0].correct and not t[-1].correct for t in made) / n
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
        " green was mended, orange was broken.",
    )


def edit_ratios(report: Report, tries: Tries) -> None:
    """A histogram of the edit ratios for each entry, over the problems that have a last attempt."""
    report.heading("How much a second attempt changes")
    plot, panels = grid(len(tries), 1.5)
    for axes, (name, made) in zip(panels, tries.items(), strict=True):
        ratios = [edit_ratio(t[0].action, t[-1].action) for t in made if t[-1] is not NOTHING]
        weights = np.full(len(ratios), 1 / max(1, len(ratios)))
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
