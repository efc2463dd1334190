"""The report of a post-training run: one page that says what happened, how sure that is, and what did not work."""

from pathlib import Path
from typing import Any

from gnomon.posttrain.opposition_pictures import opposition_section
from gnomon.posttrain.warmup_pictures import verdict, warmup_section
from gnomon.runs import Run
from gnomon.runs.report import Report, figure, flat
from gnomon.stats.intervals import wilson


def write_report(run: Run) -> Path:
    """Write `report.html` into the run's folder, whatever stage the run has reached; returns its path."""
    settings, summary, rows = run.settings, run.summary(), run.metrics()
    parts = (
        settings["objective"]["name"],
        f"{settings['engine']['name']} engine",
        f"seed {settings['seed']}",
        run.state,
    )
    report = Report(f"{settings['name']}: {settings['task']['name']}", " · ".join(parts))
    if settings.get("about"):
        report.sentence(settings["about"])
    if summary is None:
        report.sentence("This run has not finished; the curves show how far it came. --resume goes on with it.")
    else:
        _headline(report, summary)
        if "attempts_after" in summary:
            _attempts(report, run, summary)
        if "warmups" in summary:
            warmup_section(report, run, summary)
    learned = [row for row in rows if row["stage"] not in ("warm_start", "control", "probe")]
    _accuracy_figure(report, settings, summary, learned)
    if learned:
        _curves(report, learned)
        _staleness(report, summary, learned)
    opposition_section(report, run)
    if summary is not None:
        _examples(report, run)
        _costs(report, summary)
        report.heading("What did not work")
        for sentence in shortfalls(summary):
            report.sentence(sentence)
    report.heading("Settings")
    report.facts(flat(settings))
    path = run.path / "report.html"
    report.write(path)
    return path


def shortfalls(summary: dict[str, Any]) -> list[str]:
    """Plain sentences about everything in a run that fell short, one that says so where nothing did."""
    found = []
    improvement = summary["improvement"]
    if improvement["low"] is None or improvement["low"] <= 0 <= improvement["high"]:
        found.append("No real improvement: the interval of the held-out improvement holds zero.")
    elif improvement["high"] < 0:
        found.append("The run made the model worse: the interval of the improvement lies below zero.")
    control = summary.get("improvement_over_control")
    if control and control["low"] <= 0:
        found.append(
            "Post-training is not shown to be better than supervised training alone for the same CPU time:"
            f" the difference is {_span(control, '+.3f')}."
        )
    if attempts := summary.get("attempts_after"):
        delta = attempts["delta"]
        if delta["low"] is None or delta["low"] <= 0 <= delta["high"]:
            found.append(f"A second attempt is not shown to help: delta is {_span(delta, '+.3f')}.")
        elif delta["high"] < 0:
            found.append(f"A second attempt makes answers worse: delta is {_span(delta, '+.3f')}.")
    if "warmups" in summary:
        for figure_name, sentence in zip(("information", "over_shuffled"), verdict(summary["warmups"]), strict=True):
            low = summary["warmups"][figure_name]["low"]
            if low is None or low <= 0:
                found.append(sentence)
    if summary.get("evaluation_too_long"):
        found.append(
            f"{summary['evaluation_too_long']} held-out episodes were cut short because they outgrew the context; what"
            " was missing counts as wrong."
        )
    if summary["no_signal"] > 0.5:
        found.append(
            f"{summary['no_signal']:.0%} of the groups carried no signal (all rewards equal): most samples taught"
            " nothing. A better start, easier tasks or more samples a group would help."
        )
    counted = (
        ("faults", "trajectories were dropped because the environment failed on them"),
        ("too_long", "trajectories were left out because their prompt does not fit the context"),
        ("skipped_updates", "updates were skipped because loss or gradient were not finite"),
        ("restarts", "times a searcher died and was started again"),
        ("dropped_stale", "groups were dropped because they had become too stale"),
    )
    found += [f"{summary[name]} {what}." for name, what in counted if summary[name]]
    if summary["trainer_idle"] > 0.05 and summary["engine"] != "sync":
        found.append(
            f"The trainer waited for samples {summary['trainer_idle']:.0%} of the time; another searcher"
            " (engine.searchers) would fill that on a machine with a free core."
        )
    return found or ["Nothing that this report can see."]


def _headline(report: Report, summary: dict[str, Any]) -> None:
    before, after, gain = summary["accuracy_before"], summary["accuracy_after"], summary["improvement"]
    verdict = "improved" if gain["low"] > 0 else "got worse" if gain["high"] < 0 else "did not change measurably"
    report.sentence(
        f"Held-out accuracy {verdict}: from {_span(before)} to {_span(after)}, a difference of {_span(gain, '+.3f')}"
        f" on the same {after['n']} problems."
    )
    if "improvement_over_control" in summary:
        over = summary["improvement_over_control"]
        report.sentence(
            f"Supervised training alone for the same CPU time reached {_span(summary['accuracy_control'])};"
            f" post-training ends {_span(over, '+.3f')} from it."
        )
    labels = (("before", "before"), ("after", "after"), ("control", "supervised control"))
    rows = [
        [label, _span(summary[f"accuracy_{key}"]), _span(summary[f"sampled_accuracy_{key}"])]
        for key, label in labels
        if f"accuracy_{key}" in summary
    ]
    report.table(["held-out accuracy", "greedy answers", "sampled answers"], rows)
    if "scores_after" in summary:
        _scores(report, summary)


def _scores(report: Report, summary: dict[str, Any]) -> None:
    columns = {
        "scores_before": "before",
        "scores_after": "after",
        "scores_improvement": "after - before",
        "scores_control": "supervised control",
    }
    there = [key for key in columns if key in summary]
    rows = []
    for name in summary["scores_after"]:
        signs = {key: "+.4g" if key == "scores_improvement" else ".4g" for key in there}
        rows.append([name, *(_span(summary[key][name], signs[key]) for key in there)])
    report.table(["greedy answers, all together", *(columns[key] for key in there)], rows)


def _attempts(report: Report, run: Run, summary: dict[str, Any]) -> None:
    from gnomon.posttrain.attempt_pictures import edit_ratios, flows, tries_of

    report.heading("Attempts")
    stages = ("before", "after")
    names = list(summary["attempts_after"])
    rows = [
        [name.replace("_", " "), *(_span(summary[f"attempts_{stage}"][name]) for stage in stages)] for name in names
    ]
    report.table(["greedy answers", *stages], rows)
    n = summary["attempts_after"]["delta"]["n"]
    report.sentence(
        f"t1, t2 ...: accuracy of each attempt at {n} held-out problems; delta: last minus first; i to c and c to i:"
        " shares of all problems that became right and wrong; fix rate: of the wrong first attempts, how many the last"
        " one mended."
    )
    if summary.get("preflight"):
        rate = summary["preflight"]["fix_rate"]
        report.sentence(
            f"Before training, sampled on training problems, the base mended {_span(rate)} of its {rate['n']} wrong"
            " first attempts: that is what there was to reinforce."
        )
    tries = {stage: tries_of(run, stage) for stage in stages}
    flows(report, tries)
    edit_ratios(report, tries)
    _attempt_examples(report, run)


def _attempt_examples(report: Report, run: Run) -> None:
    """What the trained model changed, and how."""
    changed = []
    for row in run.evaluations():
        if (row["stage"], row["mode"]) == ("after", "greedy") and len(row.get("turns", ())) > 1:
            first, last = row["turns"][0], row["turns"][-1]
            if first["action"] != last["action"]:
                changed.append((first["correct"], last["correct"], row["prompt"], first["action"], last["action"]))
    kinds = ((False, True, 6), (True, False, 3), (False, False, 3))
    shown = [row for a, b, most in kinds for row in [row for row in changed if row[:2] == (a, b)][:most]]
    if not shown:
        return
    report.sentence(
        f"After training {len(changed)} answers were changed; some that were mended, broken, or still wrong:"
    )
    report.examples(
        [
            {"prompt": prompt, "first": first, "first_correct": a, "last": last, "last_correct": b}
            for a, b, prompt, first, last in shown
        ],
        ("first", "last"),
    )


def _accuracy_figure(
    report: Report, settings: dict[str, Any], summary: dict[str, Any] | None, learned: list[dict[str, Any]]
) -> None:
    curve = [(row["step"], row["validation_accuracy"]) for row in learned if "validation_accuracy" in row]
    if not curve:
        return
    offset = settings["warm_start"]["steps"]
    n = settings["evaluation"]["n_curve"]
    plot, axes = figure(7.2, 3.2)
    steps = [step - offset for step, _ in curve]
    bands = [wilson(round(value * n), n) for _, value in curve]
    axes.fill_between(steps, [b.low or 0.0 for b in bands], [b.high or 0.0 for b in bands], alpha=0.2, linewidth=0)
    axes.plot(steps, [value for _, value in curve], marker="o", markersize=3, label="validation, greedy")
    firsts = [(row["step"] - offset, row["validation_t1"]) for row in learned if "validation_t1" in row]
    if firsts:
        axes.plot(*zip(*firsts, strict=True), marker="o", markersize=3, color="C3", label="its first attempts")
    names = [row["stage"] for row in learned]
    for place in (index for index in range(1, len(names)) if names[index] != names[index - 1]):
        axes.axvline(place, color="C7", linewidth=0.8, linestyle=":")
        axes.text(place, 1.0, f" stage {names[place]}", fontsize=7, va="top")
    if summary is not None:
        marks = (("before", 0, "test, before and after"), ("after", settings["train"]["steps"], None))
        for key, where, label in marks:
            estimate = summary[f"accuracy_{key}"]
            errors = [[estimate["value"] - estimate["low"]], [estimate["high"] - estimate["value"]]]
            axes.errorbar([where], [estimate["value"]], yerr=errors, fmt="s", capsize=3, color="C1", label=label)
        if "accuracy_control" in summary:
            estimate = summary["accuracy_control"]
            axes.axhspan(estimate["low"], estimate["high"], color="C2", alpha=0.15, linewidth=0)
            axes.axhline(estimate["value"], color="C2", linestyle="--", label="supervised control, test")
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("update")
    axes.set_ylabel("accuracy")
    axes.legend(loc="lower right", frameon=False)
    report.figure(plot, f"Held-out accuracy with 95 % intervals; validation on {n} problems at each point.")


def _curves(report: Report, learned: list[dict[str, Any]]) -> None:
    report.heading("Curves")
    turns = range(1, 10)
    wanted = (
        ("reward", "reward of the batch"),
        ("kl", "KL to the reference (sampled)"),
        ("entropy", "entropy per token"),
        ("log_z", "log Z estimate"),
        ("response_length", "response length in tokens"),
        ("effective_sample_size", "effective sample size"),
        ("log_marginal", "log mean likelihood"),
        ("answer_log_prob", "answer's log-probability"),
        ("effective_warmups", "effective warmups a group"),
        ("distinct_warmups", "distinct warmups"),
        ("warmup_length", "warmup length in tokens"),
        ("no_signal", "groups without signal"),
        ("gradient_norm", "gradient norm"),
        *((f"reward_turn{turn}", f"reward of turn {turn}") for turn in turns),
        *((f"kl_turn{turn}", f"KL to the reference, turn {turn}") for turn in turns),
        *((f"gradient_norm_turn{turn}", f"gradient norm of turn {turn}") for turn in turns),
    )
    there = [(name, label) for name, label in wanted if any(row.get(name) is not None for row in learned)]
    from matplotlib.figure import Figure

    rows = -(-len(there) // 4)
    plot = Figure(figsize=(9.6, 1.9 * rows), layout="constrained")
    for axes, (name, label) in zip(plot.subplots(rows, 4, squeeze=False).flat, there, strict=False):
        points = [(index + 1, row[name]) for index, row in enumerate(learned) if row.get(name) is not None]
        axes.plot([x for x, _ in points], [y for _, y in points], linewidth=1)
        axes.set_title(label, fontsize=8, loc="left")
        axes.ticklabel_format(useOffset=False)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in list(plot.axes)[len(there) :]:
        axes.set_visible(False)
    report.figure(plot, "What the trainer saw at each update.")


def _staleness(report: Report, summary: dict[str, Any] | None, learned: list[dict[str, Any]]) -> None:
    if summary is None or not summary["staleness_counts"]:
        return
    if summary["staleness"]["max"] == 0:
        return
    report.heading("Staleness")
    counts = {int(age): count for age, count in summary["staleness_counts"].items()}
    plot, axes = figure(7.2, 2.4)
    axes.bar(list(counts), [count / sum(counts.values()) for count in counts.values()], width=0.8)
    axes.set_xlabel("age of a sample when it was trained on, in updates")
    axes.set_ylabel("share of samples")
    if max(counts) < 12:
        axes.set_xticks(range(max(counts) + 1))
    report.figure(plot, "How far the policy had moved on since each sample was drawn.")


def _examples(report: Report, run: Run) -> None:
    stages: dict[str, dict[str, dict[str, Any]]] = {}
    for row in run.evaluations():
        if row["mode"] == "greedy":
            stages.setdefault(row["task_id"], {})[row["stage"]] = row
    both = [pair for pair in stages.values() if "before" in pair and "after" in pair]
    changed = [p for p in both if p["before"]["correct"] != p["after"]["correct"]]
    mended = [p for p in changed if p["after"]["correct"]][:8]
    broken = [p for p in changed if p["before"]["correct"]][:4]
    report.heading("Before and after")
    gained = sum(p["after"]["correct"] for p in changed)
    report.sentence(f"{gained} problems became right, {len(changed) - gained} became wrong; some of each:")
    report.examples(
        [
            {
                "prompt": pair["before"]["prompt"],
                "before": pair["before"]["answer"],
                "before_correct": pair["before"]["correct"],
                "after": pair["after"]["answer"],
                "after_correct": pair["after"]["correct"],
            }
            for pair in mended + broken
        ]
    )


def _costs(report: Report, summary: dict[str, Any]) -> None:
    report.heading("What it took")
    staleness = summary["staleness"]
    report.facts(
        {
            "updates": summary["steps"],
            "samples": f"{summary['samples']} ({summary['samples_per_second']:.0f} a second)",
            "tokens": f"{summary['tokens']} ({summary['tokens_per_second']:.0f} a second)",
            "post-training": f"{summary['seconds']:.1f} s wall, {summary['cpu_seconds']:.1f} s CPU",
            "warm start": f"{summary['warm_start_cpu_seconds']:.1f} s CPU, {summary['warm_start_steps']} updates",
            "waiting for searchers to load": f"{summary['startup_seconds']:.1f} s",
            "trainer idle": f"{summary['trainer_idle']:.1%}",
            "searchers idle": f"{summary['searcher_idle']:.1%}",
            "weights to searchers": f"{summary['publish_share']:.2%} of the trainer's time",
            "staleness in updates": f"mean {staleness['mean']:.2f}, p95 {staleness['p95']:.0f},"
            f" max {staleness['max']:.0f}",
        }
    )


def _span(estimate: dict[str, Any], form: str = ".3f") -> str:
    if estimate["value"] is None:
        return f"undefined ({estimate['reason']})"
    if estimate["low"] is None:
        return f"{estimate['value']:{form}} (no interval: {estimate['reason']})"
    return f"{estimate['value']:{form}} [{estimate['low']:{form}}, {estimate['high']:{form}}]"
