"""Comparing finished runs: two over the problems both answered, many as recipes over seeds."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnomon.compute import Call, WorkerDied, WorkerError, WorkerHandle, executor
from gnomon.config import load
from gnomon.errors import UserError
from gnomon.posttrain.recipe import Recipe
from gnomon.runs import Run, open_run
from gnomon.runs.files import write_atomic
from gnomon.runs.progress import Progress
from gnomon.runs.store import refuse_taken
from gnomon.stats import Estimate
from gnomon.stats.intervals import mean, paired_difference

if TYPE_CHECKING:
    from gnomon.posttrain.watching import MakeProbe

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
COSTS = ("steps", "samples", "tokens", "cpu_seconds")
DIFFERENCES = ("delta", "t2", "t1", "accuracy_after")  # those of an arm's figures that are set against another arm's


def same_problems(a: Run, b: Run) -> Estimate:
    """Greedy accuracy of `b` minus that of `a` after training, paired over the problems both answered."""
    for run in (a, b):
        if run.kind != "posttrain":
            raise UserError(
                f"{str(run.path)!r} is of kind {run.kind!r} and holds no graded problems; runs of one kind are"
                " compared, and groups of runs of any kind over their seeds by --against."
            )
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


@dataclass(frozen=True)
class Arm:
    """One recipe with one seed, and the folder of its run."""

    name: str
    seed: int
    recipe: Recipe
    folder: Path

    @property
    def base(self) -> str:
        """What the run starts from: arms with the same text here share their warm start."""
        return json.dumps(self.recipe.base(), sort_keys=True)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return (self.folder / "summary.json").exists()


class ArmRunner:
    """Carries out arms; a worker's class."""

    def run(
        self, settings: dict[str, Any], folder: str, start_of: str | None, quiet: bool, probe: "MakeProbe | None"
    ) -> None:
        """Carry out one arm in `folder`, from where it was interrupted if it was."""
        import torch

        from gnomon.posttrain.stages import run_recipe

        torch.set_num_threads(1)
        run_recipe(
            Recipe.model_validate(settings),
            out=Path(folder),
            resume=(Path(folder) / "state.json").exists(),
            progress=Progress(quiet=quiet),
            start_of=None if start_of is None else open_run(start_of),
            probe=probe,
        )


def compare_recipes(
    folder: Path,
    *,
    seeds: int,
    out: Path | None,
    resume: bool,
    overrides: Sequence[str] = (),
    base: Path | None = None,
    against: str | None = None,
    jobs: int = 1,
    probe: "MakeProbe | None" = None,
) -> dict[str, Any]:
    """Run every recipe of `folder` with every seed and set the figures side by side, means over seeds with t intervals.

    Runs lie in `out/RECIPE/SEED`; `comparison.json` and `report.html` beside them. With `resume`, what has finished is
    kept and what was interrupted goes on. All recipes are read before the first one is run; `base` stands in for the
    file they extend. Arms that start from the same model share its warm start. Every arm is set against `against`
    (the arm that is called like the folder, where there is one). An arm that fails is reported, and the others go on.
    `probe` makes the probes of recipes with a `[probe]` section, as in `run_recipe`.
    """
    if not folder.is_dir() or not (paths := sorted(folder.glob("*.toml"))):
        raise UserError(f"{str(folder)!r} is not a folder with recipes; at least one .toml file in it is needed.")
    root = out if out is not None else Path("runs") / f"compare-{folder.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    if not resume:
        refuse_taken(root)
    names = [path.stem for path in paths]
    if against is None and folder.resolve().name in names:
        against = folder.resolve().name
    if against is not None and against not in names:
        raise UserError(
            f"--against {against}: there is no such recipe in {str(folder)!r}; there are {', '.join(names)}."
        )
    arms = [
        Arm(path.stem, seed, load(Recipe, path, [*overrides, f"seed={seed}"], base=base), root / path.stem / str(seed))
        for seed in range(seeds)
        for path in paths
    ]
    failed = _carry_out(arms, jobs, probe)
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for arm in arms:
        if arm.finished:
            runs[arm.name].append(open_run(arm.folder))
    summaries = {name: [run.summary() or {} for run in members] for name, members in runs.items()}
    result: dict[str, Any] = {
        "out": str(root),
        "seeds": seeds,
        "task": arms[0].recipe.task.name,
        "recipes": {name: figures(members) for name, members in summaries.items()},
        "about": {arm.name: arm.recipe.about for arm in arms},
        "against": against,
        "differences": _differences(runs, against) if against is not None else {},
        "failed": failed,
    }
    write_atomic(root / "comparison.json", json.dumps(result, indent=1) + "\n")
    from gnomon.posttrain.comparison_report import write_report

    write_report(result, runs, root / "report.html")
    return result


def _carry_out(arms: Sequence[Arm], jobs: int, probe: "MakeProbe | None") -> dict[str, str]:
    """Run what has not finished, `jobs` arms at a time; returns the reasons of those that failed."""
    starts: dict[str, Arm] = {}
    for arm in arms:
        starts.setdefault(arm.base, arm)
    failed: dict[str, str] = {}
    finished = sum(arm.finished for arm in arms)
    with Progress() as progress, progress.stage("arms", len(arms), finished) as show:
        # First one arm from every start, then all others, which take its warm start over.
        for wave in (list(starts.values()), [arm for arm in arms if starts[arm.base] is not arm]):
            todo = [arm for arm in wave if not arm.finished]
            with executor("inline" if jobs == 1 else "process", workers=jobs) as workers:
                free = [workers.start(ArmRunner) for _ in range(min(jobs, len(todo)))]
                under_way: dict[Call, tuple[Arm, WorkerHandle]] = {}
                while todo or under_way:
                    while todo and free:
                        arm, worker = todo.pop(0), free.pop()
                        if jobs == 1:
                            progress.say(f"{arm.name}, seed {arm.seed}")
                        call = _begin(arm, starts[arm.base], worker, quiet=jobs > 1, probe=probe)
                        under_way[call] = arm, worker
                    for call in workers.wait(list(under_way), None):
                        arm, worker = under_way.pop(call)
                        finished += 1
                        try:
                            call.result()
                        except (UserError, WorkerError, WorkerDied) as fault:
                            failed[f"{arm.name}/{arm.seed}"] = str(fault).strip().splitlines()[-1]
                            progress.say(f"{arm.name}, seed {arm.seed}, failed: {fault}")
                        if not worker.alive:
                            worker.restart()
                        free.append(worker)
                        show(finished, f"{arm.name}, seed {arm.seed}")
    return failed


def _begin(arm: Arm, start: Arm, worker: WorkerHandle, *, quiet: bool, probe: "MakeProbe | None") -> Call:
    """Have `worker` carry out `arm`, from the warm start of `start` where that is another arm and has one."""
    warm = start.folder / "checkpoints" / str(arm.recipe.warm_start.steps)
    start_of = str(start.folder) if start is not arm and warm.exists() else None
    return worker.call("run", arm.recipe.model_dump(mode="json"), str(arm.folder), start_of, quiet, probe)


def flat(summary: dict[str, Any]) -> dict[str, float]:
    """The values of a summary's figures by name, those of attempts, warmups and whole corpora among them."""
    nested = dict(summary)
    for part in ("attempts_after", "warmups", "scores_after"):
        nested |= summary.get(part) or {}
    values = {}
    for name, figure in nested.items():
        if isinstance(figure, dict) and isinstance(figure.get("value"), int | float):
            values[name] = float(figure["value"])
    return values | {name: float(summary[name]) for name in COSTS if summary.get(name) is not None}


def figures(summaries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Each figure's mean over seeds, with its t interval and every seed's value; only what every seed has."""
    rows = [flat(summary) for summary in summaries]
    common = [name for name in rows[0] if all(name in row for row in rows)] if rows else []
    return {
        name: {**mean([row[name] for row in rows]).to_dict(), "seeds": [row[name] for row in rows]} for name in common
    }


def _differences(runs: dict[str, list[Run]], against: str) -> dict[str, Any]:
    """`against` minus every other arm, seed by seed, as means with t intervals."""

    def by_seed(name: str) -> dict[int, dict[str, float]]:
        return {int(run.path.name): flat(run.summary() or {}) for run in runs[name]}

    own, found = by_seed(against), {}
    for name in runs:
        other = by_seed(name)
        common = sorted(own.keys() & other.keys())
        if name == against or not common:
            continue
        found[name] = {
            figure: mean([own[s][figure] - other[s][figure] for s in common]).to_dict()
            for figure in DIFFERENCES
            if all(figure in own[s] and figure in other[s] for s in common)
            and not (figure == "accuracy_after" and "t2" in own[common[0]])  # which is the last attempt's
        }
    return found


def show(estimate: dict[str, Any], form: str = ".3f") -> str:
    """An estimate as text, with its interval where it has one and it is more than a point."""
    if estimate.get("value") is None:
        return ""
    low, high = (None if bound is None else format(bound, form) for bound in (estimate["low"], estimate["high"]))
    return f"{estimate['value']:{form}}" + ("" if low == high else f" [{low}, {high}]")
