"""The figures of a search's report: samples as strips, who beats whom, what varies, and what the scores are worth."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gnomon.runs.report import CYCLE, INK, MUTED, dress, figure
from gnomon.seeds import derive

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN = CYCLE[0], CYCLE[1], CYCLE[2]
ROW = 0.26  # inches of height for one architecture


def strips(samples: Mapping[str, np.ndarray], *, winner: str, members: Sequence[str], name: str) -> "Figure":
    """Every score of each candidate as a dot, its median as a bar; the winner and who cannot be told from it stand out.

    Scores that failed (NaN) are counted at the right edge.
    """
    plot, axes = figure(7.4, 0.9 + ROW * len(samples))
    rows = list(samples)
    for row, arch in enumerate(rows):
        scores = samples[arch][np.isfinite(samples[arch])]
        colour = ORANGE if arch == winner else BLUE if arch in members else MUTED
        jitter = np.random.default_rng(derive(0, "jitter", arch)).uniform(-0.22, 0.22, len(scores))
        axes.plot(scores, row + jitter, "o", color=colour, markersize=3.4, alpha=0.65, markeredgewidth=0)
        if len(scores):
            axes.plot([np.median(scores)] * 2, [row - 0.32, row + 0.32], color=colour, linewidth=1.8)
        if failed := len(samples[arch]) - len(scores):
            axes.annotate(
                f"{failed} failed", (1, row), xycoords=("axes fraction", "data"), ha="right", va="center", fontsize=7
            )
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(name)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=MUTED, alpha=0.2, linewidth=0.6)
    return plot


def matrix(names: Sequence[str], p_values: np.ndarray, decision: np.ndarray) -> "Figure":
    """p-values that the row's candidate beats the column's, after correction; decided cells are filled."""
    plot, axes = figure(2.2 + 0.46 * len(names), 1.2 + ROW * 1.15 * len(names))
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    for row in range(len(names)):
        for column in range(len(names)):
            if row == column:
                continue
            decided = decision[row, column] > 0
            if decided:
                axes.fill_between(
                    [column - 0.47, column + 0.47], row - 0.45, row + 0.45, color=BLUE, alpha=0.8, linewidth=0
                )
            p = p_values[row, column]
            text = "<.001" if p < 0.001 else "1" if p > 0.995 else f"{p:.3f}".removeprefix("0")
            axes.text(column, row, text, ha="center", va="center", fontsize=6.5, color="white" if decided else INK)
    axes.set_yticks(range(len(names)), [f"{number}  {name}" for number, name in enumerate(names, start=1)])
    axes.set_xticks(range(len(names)), [str(number) for number in range(1, len(names) + 1)])
    axes.xaxis.tick_top()
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    return plot


def variation(rows: Sequence[Mapping[str, Any]]) -> "Figure":
    """Coefficient of variation of each ranker with its interval, on a logarithmic axis."""
    plot, axes = figure(6.4, 0.9 + ROW * 1.2 * len(rows))
    for place, row in enumerate(rows):
        axes.plot([row["low"], row["high"]], [place, place], color=BLUE, linewidth=1.6)
        axes.plot([row["value"]], [place], "o", color=BLUE, markersize=5)
    axes.set_yticks(range(len(rows)), [row["ranker"] for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    if all(row["low"] > 0 for row in rows):
        axes.set_xscale("log")
    axes.set_xlabel("coefficient of variation over repeats")
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=MUTED, alpha=0.2, linewidth=0.6)
    return plot


def scatter(
    panels: Sequence[tuple[str, Sequence[float], str, Sequence[float]]], chosen: Sequence[bool], what: str
) -> "Figure":
    """Panels (x name, x, y name, y) side by side over the same architectures; `chosen` ones, `what`, stand out."""
    from matplotlib.figure import Figure

    plot = Figure(figsize=(3.7 * len(panels), 3.1), layout="constrained")
    mask = np.asarray(chosen, dtype=bool)
    for place, (x_name, x, y_name, y) in enumerate(panels, start=1):
        axes = plot.add_subplot(1, len(panels), place)
        dress(axes)
        xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        axes.plot(
            xs[~mask], ys[~mask], "o", color=BLUE, markersize=4, alpha=0.55, markeredgewidth=0, label="the others"
        )
        axes.plot(xs[mask], ys[mask], "o", color=ORANGE, markersize=5.5, alpha=0.9, markeredgewidth=0, label=what)
        if (xs > 0).all() and xs.max() > 20 * xs.min():
            axes.set_xscale("log")
        else:
            axes.ticklabel_format(axis="x", style="sci", scilimits=(-3, 5))
        axes.set_xlabel(x_name)
        axes.set_ylabel(y_name)
        if place == 1:
            axes.legend(fontsize=8, frameon=False)
    return plot
