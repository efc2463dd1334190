"""What a run's report says and shows about its warmups: a verdict, the figures, controls side by side, examples."""

from typing import Any

import numpy as np

from gnomon.posttrain.comparison import show
from gnomon.posttrain.evaluation import Graded, accuracy
from gnomon.posttrain.warmups import SAMPLES, STAGES, stored
from gnomon.runs import Run
from gnomon.runs.report import CYCLE, MUTED, Report, dress

NAMES = {
    "information": "information in nats",
    "effective_sample_size": f"effective sample size, of {SAMPLES}",
    "distinct": "distinct among them, a share",
    "warmup_length": "warmup length in tokens",
    "accuracy": "accuracy, own greedy warmup",
    "accuracy_n": "accuracy, several warmups rescored",
    "over_shuffled": "over another problem's warmup",
    "over_filler": "over filler of the same length",
    "over_nothing": "over an empty warmup",
}
SHOWN = 8  # examples
MOST = 160  # characters of a text in them

Answers = dict[tuple[str, str], list[Graded]]  # by stage and mode


def warmup_section(report: Report, run: Run, summary: dict[str, Any]) -> None:
    """Everything about the warmups of a finished run with [latent]."""
    report.heading("Warmups")
    after = summary[STAGES["after"]]
    for sentence in verdict(after):
        report.sentence(sentence)
    rows = [
        [label, *(show(summary[key][name], "+.3f" if _signed(name) else ".3f") for key in STAGES.values())]
        for name, label in NAMES.items()
        if name in after
    ]
    report.table(["held-out problems", *STAGES], rows)
    report.sentence(
        f"{SAMPLES} warmups were drawn for each problem. Information is how much likelier the teacher's answer is after"
        " a problem's own warmups than after those drawn for other problems. The effective sample size is that of"
        " weights in proportion to how likely each warmup makes the answer. The last three rows are accuracy minus that"
        f" of answers given after the greedy warmup was replaced, on the same {after['over_shuffled']['n']} problems."
    )
    if left_out := sum(row.too_long for row in stored(run, "after")):
        report.sentence(
            f"{left_out} problems are left out of the first four rows: the context has no room for the longest warmup"
            " and the teacher's answer."
        )
    answers = _answers(run)
    _pictures(report, run, answers)
    _examples(report, answers)


def verdict(figures: dict[str, Any]) -> list[str]:
    """Whether the warmups say anything about their problem, and whether accuracy depends on what they say."""
    information, shuffled, nothing = (figures[name] for name in ("information", "over_shuffled", "over_nothing"))
    return [_of_information(information), _of_accuracy(shuffled, nothing)]


def _of_information(estimate: dict[str, Any]) -> str:
    if estimate["value"] is None:
        return f"How much the warmups say could not be measured: {estimate['reason']}."
    span = show(estimate, "+.3f")
    if estimate["low"] > 0:
        return (
            "The warmups say something about their problem: after its own the teacher's answer is likelier than after"
            f" another problem's, by {span} nats."
        )
    if estimate["high"] < 0:
        return f"A problem's own warmup makes the teacher's answer less likely than another's does: {span} nats."
    return (
        "The warmups are not shown to say anything about their problem: own against another's makes a difference of"
        f" {span} nats."
    )


def _of_accuracy(shuffled: dict[str, Any], nothing: dict[str, Any]) -> str:
    if shuffled["value"] is None:
        return f"Whether accuracy depends on the warmups could not be measured: {shuffled['reason']}."
    another, none = show(shuffled, "+.3f"), show(nothing, "+.3f")
    needed = nothing["low"] is not None and nothing["low"] > 0
    if shuffled["low"] > 0:
        depends = f"Accuracy depends on what a warmup says: over another problem's warmup it is {another}"
        return f"{depends}." if needed else f"{depends}. But over an empty one it is {none}: no gain is shown."
    if needed:
        return (
            f"Accuracy is not shown to depend on what a warmup says (over another problem's it is {another}), only on"
            f" there being one (over an empty one it is {none}): a gain that survives replacement is more tokens, not"
            " warmup."
        )
    return (
        f"Accuracy is not shown to depend on the warmup at all: over another problem's it is {another}, over an empty"
        f" one {none}."
    )


def _signed(name: str) -> bool:
    return name == "information" or name.startswith("over_")


def _answers(run: Run) -> Answers:
    found: Answers = {}
    for row in run.evaluations():
        found.setdefault((row["stage"], row["mode"]), []).append(Graded.from_row(row))
    return found


def _pictures(report: Report, run: Run, answers: Answers) -> None:
    from matplotlib.figure import Figure

    plot = Figure(figsize=(9.2, 2.7), layout="constrained")
    left, right = plot.subplots(1, 2, width_ratios=(1.25, 1))
    gains = {stage: [row.gain for row in stored(run, stage) if row.others] for stage in STAGES}
    everything = np.concatenate([np.asarray(values, dtype=float) for values in gains.values()])
    if len(everything):
        low, high = np.quantile(everything, (0.005, 0.995))
        edges = np.linspace(min(low, -0.1), max(high, 0.1), 42).tolist()
        for (stage, values), colour in zip(gains.items(), (MUTED, CYCLE[0]), strict=True):
            inside = np.clip(values, edges[0], edges[-1])
            weights = np.full(len(values), 1 / max(1, len(values)))
            filled = "stepfilled" if stage == "after" else "step"
            alpha = 0.75 if stage == "after" else 1.0
            left.hist(inside, bins=edges, weights=weights, histtype=filled, color=colour, alpha=alpha, label=stage)
        left.axvline(0, color=MUTED, linewidth=0.8)
        left.legend(frameon=False, fontsize=8)
    left.set_xlabel("log p(answer | own warmup) - log p(answer | another's), nats")
    left.set_ylabel("share of problems")
    dress(left)
    modes = {"greedy": "own", "n_warmups": "several,\nrescored", "shuffled": "another\nproblem's"}
    modes |= {"filler": "filler", "nothing": "none"}
    shown = [mode for mode in modes if ("after", mode) in answers]
    for (stage, colour), shift in zip((("before", MUTED), ("after", CYCLE[0])), (-0.12, 0.12), strict=True):
        estimates = [accuracy(answers[stage, mode]) for mode in shown]
        middles, lows, highs = (np.array([getattr(e, part) for e in estimates]) for part in ("value", "low", "high"))
        places = np.arange(len(shown)) + shift
        errors = [middles - lows, highs - middles]
        right.errorbar(places, middles, yerr=errors, fmt="o", markersize=4, capsize=3, color=colour, label=stage)
    right.set_xticks(range(len(shown)), [modes[mode] for mode in shown])
    right.set_xlim(-0.5, len(shown) - 0.5)
    right.set_ylim(bottom=0)
    right.set_ylabel("accuracy")
    right.legend(frameon=False, fontsize=8)
    dress(right)
    right.tick_params(axis="x", labelsize=7.5)
    report.figure(
        plot,
        "Left: what a problem's own warmups add to the log-probability of the teacher's answer, a value for each"
        " problem; the outermost half per cent stands in the outermost bars. Right: accuracy of greedy answers after"
        " the model's own warmup and after what was put in its place, with 95 % intervals. The model has met filler and"
        " empty warmups seldom or never: part of what they cost is surprise, and another problem's warmup is the fair"
        " control.",
    )


def _examples(report: Report, answers: Answers) -> None:
    both = zip(answers["after", "greedy"], answers["after", "shuffled"], strict=True)
    pairs = [(own, other) for own, other in both if len(own.turns) > 1 and len(other.turns) > 1]
    if not pairs:
        return
    kinds = (
        [p for p in pairs if p[0].correct and not p[1].correct][: SHOWN // 2],
        [p for p in pairs if p[1].correct and not p[0].correct][: SHOWN // 4],
        [p for p in pairs if p[0].correct == p[1].correct],
    )
    chosen = [pair for kind in kinds for pair in kind][:SHOWN]
    report.examples(
        [
            {
                "prompt": _short(own.prompt),
                "warmup": own.turns[0].action,
                "answer": _short(own.answer),
                "answer_correct": own.correct,
                "another's warmup": other.turns[0].action,
                "answer after that": _short(other.answer),
                "answer after that_correct": other.correct,
            }
            for own, other in chosen
        ],
        ("warmup", "answer", "another's warmup", "answer after that"),
    )


def _short(text: str) -> str:
    return text if len(text) <= MOST else text[: MOST - 1] + "…"
