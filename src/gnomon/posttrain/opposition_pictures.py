"""What a run's report says and shows about its probe: whether an update pulled tasks and turns together or apart."""

import itertools
import math
from typing import TYPE_CHECKING, Any

from gnomon.posttrain.comparison import show
from gnomon.runs import Run
from gnomon.runs.report import CYCLE, MUTED, Report, dress
from gnomon.stats import Estimate
from gnomon.stats.intervals import mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPLITS = {"eval": "held-out", "train": "trained on"}
FIGURES = (("A", 1, ".2f"), ("D", 1, ".2f"), ("D_null", 1, ".2f"), ("M", 1000, ".2f"), ("mean", 1000, "+.2f"))
COLUMNS = ("n", "A", "D", "D_null", "1000 M", "1000 mean change")
FEWEST_HALVES = 8  # probed updates before a first half is set against a second one

Event = dict[str, Any]


def opposition_section(report: Report, run: Run) -> None:
    """Everything the probe of a run with [probe] saw; nothing for any other run."""
    rows = [row for row in run.metrics() if row["stage"] == "probe" and row["kind"] == "loss"]
    if not rows:
        return
    report.heading("What opposed the update")
    report.sentence(
        "Now and then losses were measured just before and just after an update. D is the share of all their changes"
        " that cancels: what some lost of what others gained. D_null is what random signs would give with the same"
        " sizes, and A = (1 - D) / (1 - D_null) the alignment: near 1 as chance would have it, below 1 where losses"
        " moved systematically against each other, above 1 where they moved together. M is the mean size of a change;"
        " the mean change is below 0 where losses fell."
    )
    if learned := [row for row in rows if row["watched"] != "warm_start"]:
        report.sentence(
            "Reinforcement learning (unit: example): one loss for each task and turn. It falls when the better of a"
            " task's answers become likelier against the worse ones, whatever the recipe's objective; a demonstration"
            " counts by its likelihood. Where all rewards of a group are equal there is no signal and the loss does not"
            " move: that lowers M and leaves D, D_null and A as they are. Held-out: answers to validation tasks, drawn"
            " once by the policy a stage began with. Trained on: the batch of the update itself, where every task has a"
            " hand in its own change."
        )
        _speak(report, learned, "tasks")
        _table(report, learned)
        _picture(report, learned, run.settings["warm_start"]["steps"])
        _spans(report, learned)
    if supervised := [row for row in rows if row["watched"] == "warm_start"]:
        report.sentence(
            "Warm start (unit: sequence): one loss for each demonstration, the mean over its tokens. Held-out:"
            " demonstrations of validation tasks, the same each time. These figures and those of reinforcement learning"
            " are of different units and not to be compared."
        )
        _speak(report, supervised, "demonstrations")
        _table(report, supervised)
        _spans(report, supervised)
    report.sentence(
        "What this cannot say: held-out answers of reinforcement learning are those of a policy that training leaves"
        " behind, so late in a stage they are no longer what it would say. With few losses that move, D_null and A are"
        " rough. Updates near each"
        " other are alike, so intervals over updates are rather too narrow. Less opposition is not a better run: the"
        " held-out accuracy says whether anything was learnt."
    )
    _cost(report, run.summary())


def _speak(report: Report, events: list[Event], what: str) -> None:
    for split, label in SPLITS.items():
        own = _single(events, split)
        if not own:
            continue
        sentence = f"{label.capitalize()}: {_verdict(own, what)}"
        known = [event["A"] for event in own if event["A"] is not None]
        if len(known) >= FEWEST_HALVES:
            middle = len(known) // 2
            halves = [_span(mean(part)) for part in (known[:middle], known[middle:])]
            sentence += f" In the first half of the probed updates A is {halves[0]}, in the second {halves[1]}."
        n, still = (sum(event[name] for event in own) for name in ("n", "n_zero"))
        if still:
            sentence += f" {still} of {n} losses ({still / n:.0%}) carried no signal."
        report.sentence(sentence)
        for earlier, later in itertools.pairwise(_turns(own)):
            _against(report, own, earlier, later, label)


def _against(report: Report, events: list[Event], earlier: str, later: str, label: str) -> None:
    """Whether two turns' mean losses went different ways."""
    both = [(_group(event, earlier), _group(event, later)) for event in events]
    moved = [(a["mean"], b["mean"]) for a, b in both if a and b and a["mean"] and b["mean"]]
    if not moved:
        return
    opposed = sum((a < 0) != (b < 0) for a, b in moved)
    lost = sum(a > 0 > b for a, b in moved)
    report.sentence(
        f"{label.capitalize()}, {earlier} against {later}: their mean losses moved in opposite directions in {opposed}"
        f" of {len(moved)} probed updates; in {lost} of these {later} gained and {earlier} lost."
    )


def _verdict(events: list[Event], what: str) -> str:
    """One sentence on whether losses moved together, with A's mean over updates."""
    known = [event["A"] for event in events if event["A"] is not None]
    alignment = mean(known)
    span = f"A is {_span(alignment)} over {len(known)} probed updates"
    if alignment.value is None:
        return "no probed update moved any loss."
    if alignment.low is None or alignment.high is None:
        return f"A is {alignment.value:.2f} in the one update that moved a loss: no interval, no conclusion."
    if alignment.low > 1:
        return f"{what} moved together more than chance would have them: {span}."
    if alignment.high < 1:
        return f"{what} systematically moved against each other: {span}."
    return f"{what} are not shown to move together or against each other more than by chance: {span}."


def _table(report: Report, events: list[Event]) -> None:
    parts = list(dict.fromkeys(event["watched"] for event in events))
    rows = []
    for part, (split, label) in itertools.product(parts, SPLITS.items()):
        own = _single([event for event in events if event["watched"] == part], split)
        if not own:
            continue
        name = f"{part}, {label}" if len(parts) > 1 else label
        rows.append([name, *_cells(own)])
        turns = _turns(own)
        if len(turns) > 1:
            rows += [[f"{name}, {turn}", *_cells([g for e in own if (g := _group(e, turn))])] for turn in turns]
    report.table(["mean over updates", "updates", *COLUMNS], rows)


def _cells(figures: list[Event]) -> list[str]:
    cells = [str(len(figures)), f"{sum(figure['n'] for figure in figures) / len(figures):.0f}"]
    for name, scale, form in FIGURES:
        known = [scale * figure[name] for figure in figures if figure[name] is not None]
        cells.append(show(mean(known).to_dict(), form))
    return cells


def _picture(report: Report, events: list[Event], offset: int) -> None:
    from matplotlib.figure import Figure

    there = {label: own for split, label in SPLITS.items() if (own := _single(events, split))}
    plot = Figure(figsize=(9.6, 2.3 * len(there)), layout="constrained")
    panels = plot.subplots(len(there), 3, squeeze=False)
    for row, (label, own) in zip(panels, there.items(), strict=True):
        _curves(row, own, label, offset)
    for axes in panels[-1]:
        axes.set_xlabel("update", fontsize=8)
    sizes = sorted({event["n"] for own in there.values() for event in own})
    n = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    report.figure(plot, f"Interference over post-training's updates. Unit: example; n = {n} losses at each point.")


def _curves(row: "list[Axes]", events: list[Event], label: str, offset: int) -> None:
    turns = _turns(events)
    curves = {"all": events}
    for turn in turns if len(turns) > 1 else []:
        curves[turn] = [{"step": event["step"], **group} for event in events if (group := _group(event, turn))]
    for axes, (name, title) in zip(row, (("D", "D"), ("A", "A (1 = chance)"), ("M", "M")), strict=True):
        for colour, (curve, own) in zip(itertools.cycle(CYCLE), curves.items(), strict=False):
            axes.plot(*_points(own, name, offset), color=colour, linewidth=1.2, marker="o", markersize=2.5, label=curve)
        axes.set_title(f"{label}: {title}", fontsize=8, loc="left")
        dress(axes)
        axes.tick_params(labelsize=7)
        axes.set_ylim(bottom=0)
    row[0].plot(*_points(events, "D_null", offset), color=CYCLE[0], linewidth=1, linestyle="--", label="D_null of all")
    row[0].set_ylim(-0.03, 1.03)
    row[0].legend(frameon=False, fontsize=6.5)
    row[1].axhline(1, color=MUTED, linewidth=0.8, linestyle="--")


def _points(figures: list[Event], name: str, offset: int) -> tuple[list[int], list[float]]:
    """Updates of post-training and values; a gap where a value is undefined."""
    values = [math.nan if figure[name] is None else figure[name] for figure in figures]
    return [figure["step"] - offset for figure in figures], values


def _spans(report: Report, events: list[Event]) -> None:
    """Changes of the held-out losses from one power of two to the next."""
    spans = [event for event in events if event.get("from") is not None]
    if not spans:
        return
    rows = [
        [
            f"{event['from']} to {event['step']}",
            event["n"],
            *("" if event[name] is None else format(scale * event[name], form) for name, scale, form in FIGURES),
        ]
        for event in spans
    ]
    report.table(["held-out, between updates of the run", *COLUMNS], rows)


def _cost(report: Report, summary: dict[str, Any] | None) -> None:
    if summary is None or "probe" not in summary:
        return
    names = {"warm_start": "the warm start", "rl": "post-training"}
    shares = [
        f"{cost['share']:.1%} of the training time of {names[part]}"
        + (f" ({cost['skipped']} probes left out to keep the budget)" if cost["skipped"] else "")
        for part, cost in summary["probe"].items()
        if cost["cpu_seconds"]
    ]
    if shares:
        report.sentence(
            f"In CPU time, watching took {' and '.join(shares)}, on top of it; the figures of what the run took leave"
            " it out."
        )


def _single(events: list[Event], split: str) -> list[Event]:
    """The events of a split over one update."""
    return [event for event in events if event["split"] == split and event.get("from") is None]


def _turns(events: list[Event]) -> list[str]:
    return list(dict.fromkeys(group["group"] for event in events for group in event.get("groups") or []))


def _group(event: Event, name: str) -> Event | None:
    return next((group for group in event.get("groups") or [] if group["group"] == name), None)


def _span(estimate: Estimate) -> str:
    return show(estimate.to_dict(), ".2f")
