"""Two groups of finished runs, such as two recipes over seeds, compared in one figure as random variables.

Any kind of run will do: the figure is a number, or an estimate's value, anywhere in its `summary.json`.
"""

import difflib
from collections.abc import Sequence
from typing import Any

from gnomon.errors import UserError
from gnomon.runs import Run
from gnomon.stats import order


def compare_groups(
    a: Sequence[Run], b: Sequence[Run], *, figure: str | None = None, paired: bool = False, alpha: float = 0.05
) -> dict[str, Any]:
    """Is `figure` larger in the runs of `a` or in those of `b`, or are they not distinguishable with so few?

    `figure` is its dotted name in `summary.json`, and may be left out where the runs share only one. With `paired` the
    runs of both groups are matched by their setting `seed`. Returns the fields of `stats.order.Comparison`, `shift` in
    the figure's unit, and the runs' values as `a` and `b`, ready for JSON.

    Raises UserError for a run that has not finished or stands twice, a figure that not all have, or seeds without a
    partner, and UndecidableDesign for too few runs.
    """
    _refuse_repeated([*a, *b])
    figures = {run.path: figures_of(_summary(run)) for run in [*a, *b]}
    figure = _chosen(figure, figures)
    if paired:
        a, b = _matched(a, b)
    groups = [[_row(run, figures[run.path][figure], figure) for run in group] for group in (a, b)]
    x, y = ([row["value"] for row in group] for group in groups)
    try:
        found = order.compare(x, y, paired=paired, alpha=alpha)
    except order.UndecidableDesign as refused:
        sizes = f"{len(x)} pairs of runs" if paired else f"{len(x)} runs against {len(y)}"
        raise order.UndecidableDesign(
            f"{sizes} can never decide at alpha = {alpha}: the smallest possible p is {refused.smallest_p:.3g}; at"
            f" least {refused.repeats_needed} seeds of each are needed.",
            refused.smallest_p,
            refused.threshold,
            refused.repeats_needed,
        ) from None
    shift = order.shift(x, y, paired=paired)
    return {"figure": figure, "a": groups[0], "b": groups[1], **found.to_dict(), "shift": shift.to_dict()}


def figures_of(summary: dict[str, Any], prefix: str = "") -> dict[str, float | None]:
    """The numbers of a summary by dotted name, an estimate's value by the estimate's; None where that is undefined."""
    found: dict[str, float | None] = {}
    for key, value in summary.items():
        if isinstance(value, dict) and {"value", "low", "high"} <= value.keys():
            found[prefix + key] = value["value"]
        elif isinstance(value, dict):
            found |= figures_of(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[prefix + key] = value
    return found


def verdict(result: dict[str, Any], *, lower: bool = False) -> list[str]:
    """What `compare_groups` found, in sentences; `lower` where smaller figures are better."""
    figure, alpha = result["figure"], result["alpha"]
    test = f"{result['method']}, one-sided alpha {alpha}"
    if result["decision"] == "undecided":
        p = f"p = {result['p_greater']:.3g} that A is larger, {result['p_less']:.3g} that B is"
        sizes = f"{result['n_x']} pairs" if result["paired"] else f"{result['n_x']} runs against {result['n_y']}"
        lines = [f"A and B cannot be told apart in {figure} at {sizes}: {p} ({test})."]
        needed = None
        if not result["paired"]:
            needed = order.repeats_to_tell(result["superiority"]["value"], alpha=alpha)
        if needed is not None:
            lines.append(f"A difference of this size would take about {needed} seeds of each (power 0.8).")
    else:
        larger = "A" if result["decision"] == "greater" else "B"
        better = larger if not lower else "AB".replace(larger, "")
        direction = "smaller" if lower else "larger"
        p = min(result["p_greater"], result["p_less"])
        lines = [f"{better} is better: its {figure} is {direction}, p = {p:.3g} ({test})."]
        if result["crossing"] > 0:
            lines.append(f"Not at every value, though: the distribution functions cross by {result['crossing']:.2f}.")
    share, shift = result["superiority"], result["shift"]
    pairs = "pairs" if result["paired"] else "all pairs"
    lines.append(
        f"A is larger in {share['value']:.0%} of {pairs} [{share['low']:.0%}, {share['high']:.0%}], ties half."
    )
    bounds = "no interval" if shift["low"] is None else f"[{shift['low']:+.4g}, {shift['high']:+.4g}]"
    lines.append(f"A minus B: {shift['value']:+.4g} {bounds} (Hodges-Lehmann).")
    return lines


def _summary(run: Run) -> dict[str, Any]:
    if (found := run.summary()) is None:
        raise UserError(f"{str(run.path)!r} is {run.state} and has no summary.json; finished runs are needed.")
    return found


def _refuse_repeated(runs: Sequence[Run]) -> None:
    seen = set()
    for run in runs:
        if (folder := run.path.resolve()) in seen:
            raise UserError(f"{str(run.path)!r} stands twice; every run belongs to one group, once.")
        seen.add(folder)


def _chosen(figure: str | None, figures: dict[Any, dict[str, float | None]]) -> str:
    """The figure asked for, or the only one that all runs have."""
    first, *others = figures.values()
    shared = [name for name in first if all(name in other for other in others)]
    listed = f"they share {', '.join(shared)}" if shared else "they share none"
    if figure is None:
        if len(shared) != 1:
            raise UserError(f"--figure is needed to say in what these runs are compared: {listed}.")
        return shared[0]
    if figure not in shared:
        near = difflib.get_close_matches(figure, shared, n=1)
        without = next(path for path, own in figures.items() if figure not in own)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise UserError(f"--figure {figure}: {str(without)!r} has no such number; {meant}Of all these runs {listed}.")
    return figure


def _row(run: Run, value: float | None, figure: str) -> dict[str, Any]:
    if value is None:
        raise UserError(f"{str(run.path)!r}: {figure} is undefined; a number is needed in every run.")
    return {"run": str(run.path), "seed": run.settings.get("seed"), "value": value}


def _matched(a: Sequence[Run], b: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """Both groups in the order of their seeds."""
    by_seed: list[dict[Any, Run]] = [{}, {}]
    for group, found in zip((a, b), by_seed, strict=True):
        for run in group:
            seed = run.settings.get("seed")
            if seed is None:
                raise UserError(f"--paired: {str(run.path)!r} has no setting 'seed' to be matched by.")
            if seed in found:
                raise UserError(
                    f"--paired: {str(found[seed].path)!r} and {str(run.path)!r} of one group both have seed {seed};"
                    " one run of each seed is expected."
                )
            found[seed] = run
    first, second = by_seed
    if alone := sorted(first.keys() ^ second.keys()):
        run = (first | second)[alone[0]]
        raise UserError(
            f"--paired: {str(run.path)!r} with seed {alone[0]} has no partner in the other group; the same seeds are"
            " needed in both."
        )
    seeds = sorted(first)
    return [first[seed] for seed in seeds], [second[seed] for seed in seeds]
