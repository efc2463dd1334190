"""What a finished run amounts to: the figures of its `summary.json`."""

from collections.abc import Callable
from typing import Any

from gnomon.posttrain import evaluation, warmups
from gnomon.posttrain.attempts import attempt_figures
from gnomon.posttrain.engine import Counters
from gnomon.posttrain.recipe import Recipe
from gnomon.runs import Run
from gnomon.stats import Estimate
from gnomon.stats.intervals import paired_difference


def summarise(run: Run, recipe: Recipe, state: dict[str, Any]) -> dict[str, Any]:
    """The figures of `summary.json`: every accuracy an estimate, every comparison paired over problems."""
    counters = Counters(**state["engine"]["counters"])
    rows = run.evaluations()
    graded: dict[tuple[str, str], list[evaluation.Graded]] = {}
    for row in rows:
        graded.setdefault((row["stage"], row["mode"]), []).append(evaluation.Graded.from_row(row))

    def compare(earlier: str, later: str, mode: str = "greedy") -> dict[str, Any]:
        return paired_difference(
            [g.correct for g in graded[earlier, mode]],
            [g.correct for g in graded[later, mode]],
            seed=recipe.seed,
        ).to_dict()

    def figure(of: Callable[[list[evaluation.Graded]], Estimate], stage: str, mode: str = "greedy") -> dict[str, Any]:
        return of(graded[stage, mode]).to_dict()

    accuracy, reward = evaluation.accuracy, evaluation.mean_reward
    seconds = counters.seconds
    per_second = 1 / seconds if seconds else 0.0  # no update, no time: a run of the base model alone
    summary: dict[str, Any] = {
        "task": recipe.task.name,
        "objective": recipe.objective.name,
        "engine": recipe.engine.name,
        "seed": recipe.seed,
        "accuracy_before": figure(accuracy, "before"),
        "accuracy_after": figure(accuracy, "after"),
        "improvement": compare("before", "after"),
        "sampled_accuracy_before": figure(accuracy, "before", "sampled"),
        "sampled_accuracy_after": figure(accuracy, "after", "sampled"),
        "reward_before": figure(reward, "before"),
        "reward_after": figure(reward, "after"),
        "steps": recipe.train.steps,
        "warm_start_steps": recipe.warm_start.steps,
        "samples": counters.samples,
        "tokens": counters.tokens,
        "seconds": seconds,
        "startup_seconds": counters.startup_seconds,
        "cpu_seconds": counters.trainer_cpu + counters.searcher_cpu,
        "warm_start_cpu_seconds": state["warm_cpu_seconds"],
        "samples_per_second": counters.samples * per_second,
        "tokens_per_second": counters.tokens * per_second,
        "staleness": counters.staleness_summary(),
        "staleness_counts": counters.staleness,
        "trainer_idle": counters.trainer_waited * per_second,
        "searcher_idle": counters.searcher_waited / max(1e-9, counters.searcher_busy + counters.searcher_waited),
        "publish_share": counters.publish_seconds * per_second,
        "no_signal": counters.no_signal_groups / max(1, counters.groups),
        "stages": {name: stage.train.steps for name, stage in recipe.parts()},
        "evaluation_too_long": sum(g.too_long for g in graded["after", "greedy"]),
        "faults": counters.faults,
        "too_long": counters.too_long,
        "restarts": counters.restarts,
        "skipped_updates": counters.skipped_updates,
        "dropped_stale": sum(state["engine"]["dropped_stale"].values()),
    }
    if recipe.probe is not None:
        summary["probe"] = _watching(state)
    if recipe.attempts is not None:
        for stage in ("before", "after"):
            figures = attempt_figures(graded[stage, "greedy"], attempts=recipe.attempts.count, seed=recipe.seed)
            summary[f"attempts_{stage}"] = {name: figure.to_dict() for name, figure in figures.items()}
        summary["preflight"] = state.get("preflight")
    if recipe.latent is not None:
        for stage, key in warmups.STAGES.items():
            answers = {mode: answered for (of, mode), answered in graded.items() if of == stage}
            figures = warmups.warmup_figures(answers, warmups.stored(run, stage), seed=recipe.seed)
            summary[key] = {name: figure.to_dict() for name, figure in figures.items()}
    if ("control", "greedy") in graded:
        summary["accuracy_control"] = figure(accuracy, "control")
        summary["sampled_accuracy_control"] = figure(accuracy, "control", "sampled")
        summary["improvement_over_control"] = compare("control", "after")
    environment = recipe.environment()
    if (corpus_scores := getattr(environment, "corpus_scores", None)) is not None:
        problems = {task.id: task for task in environment.tasks("test")}
        asked = [problems[g.task_id] for g in graded["after", "greedy"]]
        said = {stage: [g.answer for g in answers] for (stage, mode), answers in graded.items() if mode == "greedy"}
        scores = {f"scores_{stage}": corpus_scores(asked, answers, seed=recipe.seed) for stage, answers in said.items()}
        scores["scores_improvement"] = corpus_scores(asked, said["after"], minus=said["before"], seed=recipe.seed)
        for key, figures in scores.items():
            summary[key] = {name: figure.to_dict() for name, figure in figures.items()}
    return summary


def _watching(state: dict[str, Any]) -> dict[str, Any]:
    """What the probe cost in CPU seconds, as a share of the training it watched, and what its budget left out."""
    watched = dict(state.get("watched", {}))
    parts = {"warm_start": [watched.pop("warm_start")] if "warm_start" in watched else [], "rl": list(watched.values())}
    trained = {"warm_start": state["warm_cpu_seconds"], "rl": state["engine"]["counters"]["trainer_cpu"]}
    figures = {}
    for name, stages in parts.items():
        spent = sum(stage["cpu_seconds"] for stage in stages)
        figures[name] = {
            "skipped": sum(stage["skipped"] for stage in stages),
            "cpu_seconds": spent,
            "share": spent / trained[name] if trained[name] else 0.0,
        }
    return figures
